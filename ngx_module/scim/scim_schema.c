#include "scim_schema.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"
#include "scim_json.h"

#define URN_MAX 256

struct scim_schemas_s {
    scim_schema_t        *schemas;
    size_t                schema_count;
    scim_resource_type_t *types;
    size_t                type_count;
    json_t               *files;  /* array: owns every source */
};

static const char schema_urn[] =
    "urn:ietf:params:scim:schemas:core:2.0:Schema";

/* RFC 7643 section 3.1: attributes that every resource has. */
static const scim_attribute_t meta_attributes[] = {
    { .name = "resourceType", .name_len = 12, .case_exact = true,
      .mutability = SCIM_READ_ONLY },
    { .name = "created", .name_len = 7, .type = SCIM_DATETIME,
      .mutability = SCIM_READ_ONLY },
    { .name = "lastModified", .name_len = 12, .type = SCIM_DATETIME,
      .mutability = SCIM_READ_ONLY },
    { .name = "location", .name_len = 8, .type = SCIM_REFERENCE,
      .case_exact = true, .mutability = SCIM_READ_ONLY },
    { .name = "version", .name_len = 7, .case_exact = true,
      .mutability = SCIM_READ_ONLY }
};

static const scim_attribute_t common_attributes[] = {
    { .name = "schemas", .name_len = 7, .type = SCIM_REFERENCE,
      .multi_valued = true, .required = true,
      .returned = SCIM_RETURNED_ALWAYS },
    { .name = "id", .name_len = 2, .case_exact = true,
      .mutability = SCIM_READ_ONLY, .returned = SCIM_RETURNED_ALWAYS },
    { .name = "externalId", .name_len = 10, .case_exact = true },
    { .name = "meta", .name_len = 4, .type = SCIM_COMPLEX,
      .mutability = SCIM_READ_ONLY, .sub_attributes = meta_attributes,
      .sub_attribute_count =
          sizeof(meta_attributes) / sizeof(meta_attributes[0]) }
};

#define COMMON_COUNT (sizeof(common_attributes) / sizeof(common_attributes[0]))


/* Position of a word in a table of names, or -1. */
static int
word_position(const char *word, const char *const *words, int count)
{
    for (int i = 0; word && i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}


/* An enumerated member of an attribute definition; absent = the default. */
static bool
read_word(const json_t *source, const char *member, const char *const *words,
    int count, int fallback, int *position, scim_error_t *error)
{
    const json_t *value = json_object_get(source, member);
    const char   *name = json_string_value(json_object_get(source, "name"));

    *position = fallback;
    if (value == NULL) {
        return true;
    }
    *position = word_position(json_string_value(value), words, count);
    if (*position < 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "attribute \"%.60s\": unknown %s", name ? name : "?", member);
    }
    return true;
}


static bool
read_characteristics(const json_t *source, scim_attribute_t *attribute,
    scim_error_t *error)
{
    static const char *const types[] = { "string", "boolean", "decimal",
        "integer", "dateTime", "binary", "reference", "complex" };
    static const char *const mutabilities[] = { "readWrite", "readOnly",
        "immutable", "writeOnly" };
    static const char *const returns[] = { "default", "always", "never",
        "request" };
    static const char *const uniqueness[] = { "none", "server", "global" };
    int type, mutability, returned, unique;

    if (!read_word(source, "type", types, 8, SCIM_STRING, &type, error)
        || !read_word(source, "mutability", mutabilities, 4, SCIM_READ_WRITE,
            &mutability, error)
        || !read_word(source, "returned", returns, 4, SCIM_RETURNED_DEFAULT,
            &returned, error)
        || !read_word(source, "uniqueness", uniqueness, 3, 0, &unique, error))
    {
        return false;
    }
    attribute->type = (scim_attribute_type_t) type;
    attribute->mutability = (scim_mutability_t) mutability;
    attribute->returned = (scim_returned_t) returned;
    attribute->unique = unique != 0;
    attribute->multi_valued =
        json_is_true(json_object_get(source, "multiValued"));
    attribute->required = json_is_true(json_object_get(source, "required"));
    attribute->case_exact = json_is_true(json_object_get(source, "caseExact"))
        || type == SCIM_REFERENCE || type == SCIM_BINARY;
    return true;
}


static bool
read_canonical_values(const json_t *source, scim_attribute_t *attribute)
{
    size_t        i;
    json_t       *value;
    const json_t *values = json_object_get(source, "canonicalValues");

    if (json_array_size(values) == 0) {
        return true;
    }
    attribute->canonical_values = calloc(json_array_size(values),
        sizeof(*attribute->canonical_values));
    if (attribute->canonical_values == NULL) {
        return false;
    }
    json_array_foreach((json_t *) values, i, value) {
        if (json_is_string(value)) {
            attribute->canonical_values[attribute->canonical_value_count++] =
                json_string_value(value);
        }
    }
    return true;
}


static void
free_attributes(const scim_attribute_t *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(attributes[i].canonical_values);
        free_attributes(attributes[i].sub_attributes,
            attributes[i].sub_attribute_count);
    }
    free((void *) attributes);
}


static bool read_attributes(const json_t *source, const scim_schema_t *schema,
    const scim_attribute_t *parent, const scim_attribute_t **out,
    size_t *out_count, scim_error_t *error);


static bool
read_attribute(const json_t *source, const scim_schema_t *schema,
    const scim_attribute_t *parent, scim_attribute_t *attribute,
    scim_error_t *error)
{
    const json_t *name = json_object_get(source, "name");

    if (!json_is_string(name) || json_string_length(name) == 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: an attribute has no name", schema->id);
    }
    attribute->name = json_string_value(name);
    attribute->name_len = json_string_length(name);
    attribute->schema = schema;
    attribute->parent = parent;
    if (!read_characteristics(source, attribute, error)
        || !read_canonical_values(source, attribute))
    {
        return false;
    }
    if (attribute->type != SCIM_COMPLEX) {
        return true;
    }
    /* RFC 7643 section 2.3.8: a complex attribute holds no complex one;
       the Schema schema itself is the exception that describes the rule */
    return read_attributes(json_object_get(source, "subAttributes"), schema,
        attribute, &attribute->sub_attributes,
        &attribute->sub_attribute_count, error);
}


static bool
read_attributes(const json_t *source, const scim_schema_t *schema,
    const scim_attribute_t *parent, const scim_attribute_t **out,
    size_t *out_count, scim_error_t *error)
{
    size_t            i, count = json_array_size(source);
    json_t           *element;
    scim_attribute_t *attributes;

    if (count == 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: %s has no attributes", schema->id,
            parent ? parent->name : "it");
    }
    attributes = calloc(count, sizeof(*attributes));
    if (attributes == NULL) {
        return false;
    }
    *out = attributes;
    *out_count = count;
    json_array_foreach((json_t *) source, i, element) {
        if (!read_attribute(element, schema, parent, &attributes[i], error)) {
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

    if (!json_is_string(id) || json_string_length(id) == 0
        || json_string_length(id) > URN_MAX)
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "a schema has no usable id");
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
    return read_attributes(json_object_get(source, "attributes"), schema, NULL,
        &schema->attributes, &schema->attribute_count, error);
}


static bool
read_extensions(scim_schemas_t *schemas, const json_t *source,
    scim_resource_type_t *type, scim_error_t *error)
{
    size_t        i;
    json_t       *element;
    const json_t *list = json_object_get(source, "schemaExtensions");

    if (json_array_size(list) == 0) {
        return true;
    }
    type->extensions = calloc(json_array_size(list),
        sizeof(*type->extensions));
    if (type->extensions == NULL) {
        return false;
    }
    json_array_foreach((json_t *) list, i, element) {
        const json_t        *urn = json_object_get(element, "schema");
        const scim_schema_t *schema = json_is_string(urn)
            ? scim_schemas_find(schemas, json_string_value(urn),
                json_string_length(urn))
            : NULL;

        if (schema == NULL) {
            return scim_error_set(error, 500, SCIM_ERROR_NONE,
                "resource type %s: unknown extension", type->name);
        }
        type->extensions[type->extension_count++] = schema;
    }
    return true;
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


static bool
read_resource_type(scim_schemas_t *schemas, const json_t *source,
    scim_error_t *error)
{
    const char           *urn;
    scim_resource_type_t *type = &schemas->types[schemas->type_count];

    type->name = json_string_value(json_object_get(source, "name"));
    type->endpoint = json_string_value(json_object_get(source, "endpoint"));
    urn = json_string_value(json_object_get(source, "schema"));
    if (type->name == NULL || type->endpoint == NULL || urn == NULL
        || type->endpoint[0] != '/')
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "a resource type lacks name, endpoint or schema");
    }
    type->schema = scim_schemas_find(schemas, urn, strlen(urn));
    if (type->schema == NULL) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "resource type %.60s: unknown schema", type->name);
    }
    type->key_word = key_word(type->name);
    type->source = source;
    schemas->type_count++;
    if (type->key_word == NULL
        || !read_extensions(schemas, source, type, error))
    {
        return false;
    }
    note_returned_rules(type);
    return true;
}


static bool
is_schema(const json_t *source)
{
    size_t  i;
    json_t *urn;

    json_array_foreach(json_object_get(source, "schemas"), i, urn) {
        if (json_is_string(urn)
            && strcmp(json_string_value(urn), schema_urn) == 0)
        {
            return true;
        }
    }
    return false;
}


/* All files as one flat array of resources. */
static bool
read_files(scim_schemas_t *schemas, const scim_schema_file_t *files,
    size_t count, scim_error_t *error)
{
    json_t      *value;
    scim_error_t inner = { 0 };

    for (size_t i = 0; i < count; i++) {
        value = scim_json_read(files[i].text, files[i].len,
            &scim_json_stored_limits, &inner);
        if (value == NULL) {
            return scim_error_set(error, 500, SCIM_ERROR_NONE, "%.60s: %.150s",
                files[i].name, inner.detail);
        }
        if (json_is_array(value)) {
            json_array_extend(schemas->files, value);
            json_decref(value);
        } else {
            json_array_append_new(schemas->files, value);
        }
    }
    return true;
}


static bool
read_all(scim_schemas_t *schemas, scim_error_t *error)
{
    size_t  i;
    json_t *source;

    json_array_foreach(schemas->files, i, source) {
        if (is_schema(source) && !read_schema(schemas, source, error)) {
            return false;
        }
    }
    json_array_foreach(schemas->files, i, source) {
        if (!is_schema(source)
            && !read_resource_type(schemas, source, error))
        {
            return false;
        }
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
    if (read_files(schemas, files, count, error)) {
        resources = json_array_size(schemas->files);
        schemas->schemas = calloc(resources + 1, sizeof(*schemas->schemas));
        schemas->types = calloc(resources + 1, sizeof(*schemas->types));
        if (schemas->schemas && schemas->types && read_all(schemas, error)) {
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
        free_attributes(schemas->schemas[i].attributes,
            schemas->schemas[i].attribute_count);
    }
    for (size_t i = 0; i < schemas->type_count; i++) {
        free((void *) schemas->types[i].key_word);
        free(schemas->types[i].extensions);
    }
    free(schemas->schemas);
    free(schemas->types);
    json_decref(schemas->files);
    free(schemas);
}


const scim_schema_t *
scim_schemas_find(const scim_schemas_t *schemas, const char *urn, size_t len)
{
    for (size_t i = 0; i < schemas->schema_count; i++) {
        if (scim_name_equal(schemas->schemas[i].id,
                schemas->schemas[i].id_len, urn, len))
        {
            return &schemas->schemas[i];
        }
    }
    return NULL;
}


const scim_schema_t *
scim_schemas_at(const scim_schemas_t *schemas, size_t i)
{
    return i < schemas->schema_count ? &schemas->schemas[i] : NULL;
}


size_t
scim_schemas_count(const scim_schemas_t *schemas)
{
    return schemas->schema_count;
}


const scim_resource_type_t *
scim_resource_type_at(const scim_schemas_t *schemas, size_t i)
{
    return i < schemas->type_count ? &schemas->types[i] : NULL;
}


size_t
scim_resource_type_count(const scim_schemas_t *schemas)
{
    return schemas->type_count;
}


const scim_resource_type_t *
scim_resource_type_find(const scim_schemas_t *schemas, const char *name,
    size_t len)
{
    for (size_t i = 0; i < schemas->type_count; i++) {
        if (scim_name_equal(schemas->types[i].name,
                strlen(schemas->types[i].name), name, len))
        {
            return &schemas->types[i];
        }
    }
    return NULL;
}


static const scim_attribute_t *
find_attribute(const scim_attribute_t *attributes, size_t count,
    const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (scim_name_equal(attributes[i].name, attributes[i].name_len, name,
                len))
        {
            return &attributes[i];
        }
    }
    return NULL;
}


const scim_attribute_t *
scim_schema_attribute(const scim_schema_t *schema, const char *name,
    size_t len)
{
    const scim_attribute_t *attribute = find_attribute(schema->attributes,
        schema->attribute_count, name, len);

    return attribute ? attribute
                     : find_attribute(common_attributes, COMMON_COUNT, name,
                         len);
}


const scim_attribute_t *
scim_attribute_sub(const scim_attribute_t *attribute, const char *name,
    size_t len)
{
    return find_attribute(attribute->sub_attributes,
        attribute->sub_attribute_count, name, len);
}


const scim_schema_t *
scim_resource_type_extension(const scim_resource_type_t *type,
    const char *urn, size_t len)
{
    for (size_t i = 0; i < type->extension_count; i++) {
        if (scim_name_equal(type->extensions[i]->id,
                type->extensions[i]->id_len, urn, len))
        {
            return type->extensions[i];
        }
    }
    return NULL;
}


const scim_attribute_t *
scim_resource_type_attribute(const scim_resource_type_t *type,
    const char *urn, size_t urn_len, const char *name, size_t name_len)
{
    const scim_schema_t *extension;

    if (urn == NULL
        || scim_name_equal(type->schema->id, type->schema->id_len, urn,
            urn_len))
    {
        return scim_schema_attribute(type->schema, name, name_len);
    }
    extension = scim_resource_type_extension(type, urn, urn_len);
    return extension ? find_attribute(extension->attributes,
                           extension->attribute_count, name, name_len)
                     : NULL;
}


bool
scim_attribute_is_core(const scim_resource_type_t *type,
    const scim_attribute_t *attribute)
{
    return attribute->schema == NULL || attribute->schema == type->schema;
}
