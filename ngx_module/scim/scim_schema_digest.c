#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "scim_json.h"
#include "scim_schema.h"
#include "scim_schema_internal.h"

#define OWN_PREFIX "urn:ietf:params:scim:"
#define TEXT_MAX   ((size_t) 4 << 20)


/* FNV-1a, 64 bits */
static uint64_t
hash(const char *text, size_t len)
{
    uint64_t sum = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ (unsigned char) text[i]) * 0x100000001b3u;
    }
    return sum;
}


/* Our own schemas are those of the version: they are not compared. */
static bool
is_own(const json_t *source)
{
    const char *id = json_string_value(json_object_get(source, "id"));

    return id && strncmp(id, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}


bool
scim_schemas_make_digest(scim_schemas_t *schemas)
{
    bool          ok = true;
    size_t        i;
    json_t       *source;
    uint64_t      sum = 0;
    scim_buffer_t text;

    json_array_foreach(schemas->files, i, source) {
        if (is_own(source)) {
            continue;
        }
        scim_buffer_init(&text, TEXT_MAX);
        scim_json_write(source, &text);
        ok = ok && !scim_buffer_failed(&text);
        sum += ok ? hash(text.data, text.len) : 0; /* in whatever order */
        scim_buffer_free(&text);
    }
    snprintf(schemas->digest, sizeof(schemas->digest), "%016llx",
        (unsigned long long) sum);
    return ok;
}


const char *
scim_schemas_digest(const scim_schemas_t *schemas)
{
    return schemas->digest;
}
