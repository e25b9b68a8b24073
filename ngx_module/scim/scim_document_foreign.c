#include <string.h>

#include "scim_document.h"
#include "scim_document_internal.h"

/*
 * What a stored document holds of extensions that are not known here: of
 * another edge with further schemas, or of one whose file was taken away.  It
 * stays as it is, and is not shown: nobody here knows what may be.
 */


/* Names of attributes have no colon: this is the URN of an extension. */
static bool
is_foreign(const scim_resource_type_t *type, const char *name)
{
    size_t len = strlen(name);

    return strchr(name, ':')
        && scim_resource_type_extension(type, name, len) == NULL
        && strcmp(name, type->schema->id) != 0;
}


/* Does `schemas`, the first member of a canonical document, name another? */
bool
scim_document_has_foreign(const scim_resource_type_t *type, const char *text,
    size_t len)
{
    static const char head[] = "{\"schemas\":[";
    const char       *at = text + sizeof(head) - 1, *end, *quote;

    if (len < sizeof(head) || memcmp(text, head, sizeof(head) - 1) != 0) {
        return false;
    }
    end = memchr(at, ']', (size_t) (text + len - at));
    while (end && at < end && *at == '"') {
        at++;
        quote = memchr(at, '"', (size_t) (end - at));
        if (quote == NULL) {
            return false;
        }
        if (((size_t) (quote - at) != type->schema->id_len
                || memcmp(at, type->schema->id, type->schema->id_len) != 0)
            && scim_resource_type_extension(type, at, (size_t) (quote - at))
                == NULL)
        {
            return true;
        }
        at = quote + 2; /* behind the comma */
    }
    return false;
}


void
scim_document_hide_foreign(const scim_resource_type_t *type,
    json_t *document)
{
    void       *next;
    json_t     *value, *schemas = json_object_get(document, "schemas");
    const char *key;

    json_object_foreach_safe(document, next, key, value) {
        if (is_foreign(type, key)) {
            json_object_del(document, key);
        }
    }
    for (size_t i = json_array_size(schemas); i-- > 0; ) {
        key = json_string_value(json_array_get(schemas, i));
        if (key && is_foreign(type, key)) {
            json_array_remove(schemas, i);
        }
    }
}


bool
scim_document_keep_foreign(const scim_resource_type_t *type,
    const json_t *from, json_t *to)
{
    bool        ok = true;
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) from, key, value) {
        if (is_foreign(type, key)) {
            ok = ok && json_object_set_nocheck(to, key, value) == 0
                && json_array_append_new(json_object_get(to, "schemas"),
                       json_string(key)) == 0;
        }
    }
    return ok;
}
