#include "scim_schema_internal.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"


/* Discovery shows what is so: the extension is in the type's own list. */
static bool
list_extension(json_t *source, const scim_schema_t *schema)
{
    size_t  i;
    json_t *element, *list = json_object_get(source, "schemaExtensions");

    if (!json_is_array(list)) {
        list = json_array();
        if (json_object_set_new(source, "schemaExtensions", list) != 0) {
            return false;
        }
    }
    json_array_foreach(list, i, element) {
        const json_t *urn = json_object_get(element, "schema");

        if (scim_name_equal(json_string_value(urn), json_string_length(urn),
                schema->id, schema->id_len))
        {
            return true;
        }
    }
    return json_array_append_new(list, json_pack("{ss,sb}", "schema",
        schema->id, "required", 0)) == 0;
}


static bool
add_extension(scim_resource_type_t *type, const scim_schema_t *schema,
    scim_error_t *error)
{
    if (scim_resource_type_extension(type, schema->id, schema->id_len)) {
        return true;
    }
    if (schema == type->schema
        || type->extension_count == SCIM_SCHEMA_EXTENSION_MAX)
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "resource type %.60s: %s", type->name, schema == type->schema
                ? "extends itself" : "too many extensions");
    }
    type->extensions[type->extension_count++] = schema;
    return list_extension((json_t *) type->source, schema);
}


static bool
read_extensions(scim_schemas_t *schemas, const json_t *source,
    scim_resource_type_t *type, scim_error_t *error)
{
    size_t        i;
    json_t       *element;
    const json_t *list = json_object_get(source, "schemaExtensions");

    json_array_foreach((json_t *) list, i, element) {
        const json_t        *urn = json_object_get(element, "schema");
        const scim_schema_t *schema = json_is_string(urn)
            ? scim_schemas_find(schemas, json_string_value(urn),
                json_string_length(urn))
            : NULL;

        if (schema == NULL) {
            return scim_error_set(error, 500, SCIM_ERROR_NONE,
                "resource type %.60s: unknown extension", type->name);
        }
        if (json_is_true(json_object_get(element, "required"))) {
            return scim_error_set(error, 500, SCIM_ERROR_NONE,
                "resource type %.60s: an extension cannot be required",
                type->name);
        }
        if (!add_extension(type, schema, error)) {
            return false;
        }
    }
    return true;
}


bool
scim_schema_extend_by_urn(scim_schemas_t *schemas, const scim_schema_t *schema,
    scim_error_t *error)
{
    const char *name = strrchr(schema->id, ':') + 1;

    if (strstr(schema->id, ":extension:") == NULL) {
        return true;
    }
    for (size_t i = 0; i < schemas->type_count; i++) {
        if (scim_name_equal(name, strlen(name), schemas->types[i].name,
                strlen(schemas->types[i].name)))
        {
            return add_extension(&schemas->types[i], schema, error);
        }
    }
    return true;
}


/* "User" -> "user": the word in keys and events */
static char *
key_word(const char *name)
{
    char *word = strdup(name);

    for (char *p = word; p && *p; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p |= 0x20;
        }
    }
    return word;
}


/* A type that is there already: the list of extensions is added to it. */
static bool
extend_type(scim_schemas_t *schemas, const json_t *source,
    const scim_resource_type_t *known, scim_error_t *error)
{
    const json_t *urn = json_object_get(source, "schema");

    if (urn && (!json_is_string(urn)
            || !scim_name_equal(json_string_value(urn),
                json_string_length(urn), known->schema->id,
                known->schema->id_len)))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "resource type %.60s is there already, with another schema",
            known->name);
    }
    return read_extensions(schemas, source,
        &schemas->types[known - schemas->types], error);
}


static bool
new_type(scim_schemas_t *schemas, const json_t *source, const char *name,
    scim_error_t *error)
{
    const json_t         *urn = json_object_get(source, "schema");
    const json_t         *endpoint = json_object_get(source, "endpoint");
    scim_resource_type_t *type = &schemas->types[schemas->type_count];

    if (!json_is_string(endpoint) || json_string_value(endpoint)[0] != '/'
        || !json_is_string(urn))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "resource type %.60s lacks endpoint or schema", name);
    }
    type->name = name;
    type->endpoint = json_string_value(endpoint);
    type->schema = scim_schemas_find(schemas, json_string_value(urn),
        json_string_length(urn));
    if (type->schema == NULL) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "resource type %.60s: unknown schema", name);
    }
    type->key_word = key_word(name);
    type->extensions = calloc(SCIM_SCHEMA_EXTENSION_MAX,
        sizeof(*type->extensions));
    type->source = source;
    schemas->type_count++;
    return type->key_word && type->extensions
        && read_extensions(schemas, source, type, error);
}


bool
scim_schema_read_type(scim_schemas_t *schemas, const json_t *source,
    scim_error_t *error)
{
    const scim_resource_type_t *known;
    const json_t               *name = json_object_get(source, "name");

    if (!scim_schema_valid_name(name)) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "neither a Schema nor a ResourceType with a name");
    }
    known = scim_resource_type_find(schemas, json_string_value(name),
        json_string_length(name));
    return known ? extend_type(schemas, source, known, error)
                 : new_type(schemas, source, json_string_value(name), error);
}
