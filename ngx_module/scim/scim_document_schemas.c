#include <string.h>

#include "scim_document_internal.h"
#include "scim_fold.h"


/* Misspelt or foreign URNs that known clients send: reference L-46. */
static bool
tolerated_urn(const scim_resource_type_t *type, const char *urn)
{
    static const char *const prefixes[] = {
        "urn:scim:schemas:", "urn:ietf:params:scim:schemas:extension:",
        "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/"
    };
    size_t colon = type->schema->id_len - strlen(type->name) - 1;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (scim_name_equal(urn, strnlen(urn, strlen(prefixes[i])),
                prefixes[i], strlen(prefixes[i])))
        {
            return true;
        }
    }
    /* "...:core:2.0User" */
    return strlen(urn) == type->schema->id_len - 1
        && scim_name_equal(urn, colon, type->schema->id, colon)
        && scim_name_equal(urn + colon, strlen(urn + colon), type->name,
            strlen(type->name));
}


/* One of the type's own schemas, by its URN in any case. */
static const scim_schema_t *
schema_named(const scim_resource_type_t *type, const char *urn, size_t len)
{
    return scim_name_equal(urn, len, type->schema->id, type->schema->id_len)
        ? type->schema : scim_resource_type_extension(type, urn, len);
}


static bool
check_urn(const scim_resource_type_t *type, const json_t *urn, bool *named,
    scim_lenient_t *lenient, scim_error_t *error)
{
    static const char    base[] = "urn:ietf:params:scim:schemas:core:2.0:";
    size_t               len = json_string_length(urn);
    const char          *text = json_string_value(urn);
    const scim_schema_t *schema;

    if (text == NULL) {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "schemas must be an array of strings");
    }
    schema = schema_named(type, text, len);
    if (schema) {
        if (strcmp(text, schema->id) != 0) {
            scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_FORM);
        }
        *named = true;
    } else if (tolerated_urn(type, text)) {
        scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_FORM);
        *named = true;
    } else if (scim_name_equal(text, strnlen(text, sizeof(base) - 1), base,
                   sizeof(base) - 1))
    {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "schemas names another resource type than %s", type->name);
    } else {
        scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_FORM);
    }
    return true;
}


/* Extensions that are listed but not there, or the other way round (L-47). */
static void
note_unlisted(const scim_resource_type_t *type, const json_t *body,
    const json_t *schemas, scim_lenient_t *lenient)
{
    size_t      i;
    json_t     *value;
    const char *key;
    bool        listed, there;

    for (size_t e = 0; e < type->extension_count; e++) {
        const scim_schema_t *extension = type->extensions[e];

        listed = there = false;
        json_array_foreach((json_t *) schemas, i, value) {
            listed = listed || schema_named(type, json_string_value(value),
                json_string_length(value)) == extension;
        }
        json_object_foreach((json_t *) body, key, value) {
            there = there || scim_name_equal(key, strlen(key), extension->id,
                extension->id_len);
        }
        if (listed != there) {
            scim_lenient_note(lenient, SCIM_LENIENT_EXTENSION_UNLISTED);
        }
    }
}


json_t *
scim_document_schemas_list(const json_t *schemas, scim_lenient_t *lenient)
{
    if (json_is_string(schemas)) {
        scim_lenient_note(lenient, SCIM_LENIENT_SINGLE_FOR_ARRAY);
        return json_pack("[O]", schemas);
    }
    return json_array_size(schemas) ? json_incref((json_t *) schemas) : NULL;
}


/* Is it the endpoint's own schema, and nothing but its extensions beside? */
static bool
check_list(const scim_resource_type_t *type, const json_t *body,
    const json_t *schemas, scim_lenient_t *lenient, scim_error_t *error)
{
    bool    named = false;
    size_t  i;
    json_t *urn;

    json_array_foreach((json_t *) schemas, i, urn) {
        if (!check_urn(type, urn, &named, lenient, error)) {
            return false;
        }
    }
    if (!named) {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "schemas names no schema of a %s", type->name);
    }
    note_unlisted(type, body, schemas, lenient);
    return true;
}


bool
scim_document_check_schemas(const scim_resource_type_t *type,
    const json_t *body, scim_lenient_t *lenient, scim_error_t *error)
{
    bool        ok;
    json_t     *value, *list, *schemas = NULL;
    const char *key;

    json_object_foreach((json_t *) body, key, value) {
        if (scim_name_equal(key, strlen(key), "schemas", 7)) {
            schemas = value;
        }
    }
    list = scim_document_schemas_list(schemas, lenient);
    if (list) {
        ok = check_list(type, body, list, lenient, error);
        json_decref(list);
        return ok;
    }
    if (schemas && !json_is_null(schemas) && !json_is_array(schemas)) {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "schemas must be an array of strings");
    }
    scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_FORM);
    return true;
}
