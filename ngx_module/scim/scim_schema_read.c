#include "scim_schema.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"
#include "scim_json.h"
#include "scim_schema_internal.h"

#define URN_MAX 256


/*
 * A URN of characters that RFC 8141 allows in one; some would not come through
 * a URL or a list of attributes.
 */
static bool
valid_urn(const json_t *id)
{
    const char *urn = json_string_value(id);
    size_t      len = json_string_length(id);

    if (urn == NULL || len < 8 || len > URN_MAX
        || !scim_name_equal(urn, 4, "urn:", 4) || urn[len - 1] == ':')
    {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (urn[i] <= ' ' || urn[i] > '~'
            || strchr("\"\\[](){}<>^`|,/?#%&", urn[i]))
        {
            return false;
        }
    }
    return true;
}


static bool
read_schema(scim_schemas_t *schemas, const json_t *source,
    scim_error_t *error)
{
    const json_t  *id = json_object_get(source, "id");
    scim_schema_t *schema = &schemas->schemas[schemas->schema_count];

    if (!valid_urn(id)) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "a schema's id must be a URN");
    }
    if (scim_schemas_find(schemas, json_string_value(id),
            json_string_length(id)))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s is there twice", json_string_value(id));
    }
    schema->id = json_string_value(id);
    schema->id_len = json_string_length(id);
    schema->name = json_string_value(json_object_get(source, "name"));
    schema->source = source;
    schemas->schema_count++;
    return scim_schema_read_attributes(json_object_get(source, "attributes"),
        schema, NULL, &schema->attributes, &schema->attribute_count, error);
}


static bool
is_schema(const json_t *source)
{
    size_t  i;
    json_t *urn;

    json_array_foreach(json_object_get(source, "schemas"), i, urn) {
        if (json_is_string(urn)
            && strcmp(json_string_value(urn), SCIM_SCHEMA_URN) == 0)
        {
            return true;
        }
    }
    return false;
}


static bool
add_resource(scim_schemas_t *schemas, json_t *resource, const char *file)
{
    return json_array_append(schemas->files, resource) == 0
        && json_array_append_new(schemas->origins, json_string(file)) == 0;
}


/* All files as one flat array of resources. */
static bool
read_files(scim_schemas_t *schemas, const scim_schema_file_t *files,
    size_t count, scim_error_t *error)
{
    bool         ok = true;
    size_t       j;
    json_t      *value, *element;
    scim_error_t inner = { 0 };

    for (size_t i = 0; ok && i < count; i++) {
        value = scim_json_read(files[i].text, files[i].len,
            &scim_json_stored_limits, &inner);
        if (value == NULL) {
            return scim_error_set(error, 500, SCIM_ERROR_NONE, "%.60s: %.150s",
                files[i].name, inner.detail);
        }
        if (json_is_array(value)) {
            json_array_foreach(value, j, element) {
                ok = ok && add_resource(schemas, element, files[i].name);
            }
        } else {
            ok = add_resource(schemas, value, files[i].name);
        }
        json_decref(value);
    }
    return ok;
}


/* What is written and dropped (a password) is never there to be returned. */
static bool
has_returned_rules(const scim_attribute_t *attribute, size_t count)
{
    for ( ; count > 0; count--, attribute++) {
        if ((attribute->returned != SCIM_RETURNED_DEFAULT
                && attribute->mutability != SCIM_WRITE_ONLY)
            || has_returned_rules(attribute->sub_attributes,
                attribute->sub_attribute_count))
        {
            return true;
        }
    }
    return false;
}


static void
note_returned_rules(scim_resource_type_t *type)
{
    type->returned_rules = has_returned_rules(type->schema->attributes,
        type->schema->attribute_count);
    for (size_t i = 0; i < type->extension_count; i++) {
        type->returned_rules = type->returned_rules
            || has_returned_rules(type->extensions[i]->attributes,
                type->extensions[i]->attribute_count);
    }
}


/* The file's name before what is wrong in it */
static bool
blame_file(const scim_schemas_t *schemas, size_t i, const scim_error_t *inner,
    scim_error_t *error)
{
    return scim_error_set(error, 500, SCIM_ERROR_NONE, "%.60s: %.180s",
        json_string_value(json_array_get(schemas->origins, i)),
        inner->status ? inner->detail : "no memory");
}


static bool
read_all(scim_schemas_t *schemas, scim_error_t *error)
{
    size_t       i;
    json_t      *source;
    scim_error_t inner = { 0 };

    json_array_foreach(schemas->files, i, source) {
        if (is_schema(source) && !read_schema(schemas, source, &inner)) {
            return blame_file(schemas, i, &inner, error);
        }
    }
    json_array_foreach(schemas->files, i, source) {
        if (!is_schema(source)
            && !scim_schema_read_type(schemas, source, &inner))
        {
            return blame_file(schemas, i, &inner, error);
        }
    }
    for (i = 0; i < schemas->schema_count; i++) {
        if (!scim_schema_extend_by_urn(schemas, &schemas->schemas[i], error)) {
            return false;
        }
    }
    for (i = 0; i < schemas->type_count; i++) {
        note_returned_rules(&schemas->types[i]);
    }
    return true;
}


scim_schemas_t *
scim_schemas_new(const scim_schema_file_t *files, size_t count,
    scim_error_t *error)
{
    size_t          resources;
    scim_schemas_t *schemas = calloc(1, sizeof(*schemas));

    if (schemas == NULL) {
        return NULL;
    }
    schemas->files = json_array();
    schemas->origins = json_array();
    if (read_files(schemas, files, count, error)) {
        resources = json_array_size(schemas->files);
        schemas->schemas = calloc(resources + 1, sizeof(*schemas->schemas));
        schemas->types = calloc(resources + 1, sizeof(*schemas->types));
        if (schemas->schemas && schemas->types
            && scim_schemas_make_digest(schemas) && read_all(schemas, error))
        {
            return schemas;
        }
    }
    if (error && error->status == 0) {
        scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory for schemas");
    }
    scim_schemas_free(schemas);
    return NULL;
}


void
scim_schemas_free(scim_schemas_t *schemas)
{
    if (schemas == NULL) {
        return;
    }
    for (size_t i = 0; i < schemas->schema_count; i++) {
        scim_schema_free_attributes(schemas->schemas[i].attributes,
            schemas->schemas[i].attribute_count);
    }
    for (size_t i = 0; i < schemas->type_count; i++) {
        free((void *) schemas->types[i].key_word);
        free(schemas->types[i].extensions);
    }
    free(schemas->schemas);
    free(schemas->types);
    json_decref(schemas->files);
    json_decref(schemas->origins);
    free(schemas);
}
