#include "scim_schema.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"
#include "scim_json.h"
#include "scim_schema_internal.h"

#define URN_MAX      256
#define NAME_MAX_LEN 64

static const char schema_urn[] =
    "urn:ietf:params:scim:schemas:core:2.0:Schema";

/* RFC 7643 section 2.1: ALPHA *("-" / "_" / DIGIT / ALPHA), and $ref. */
static bool
valid_name(const char *name, size_t len)
{
    if (strcmp(name, "$ref") == 0) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        bool letter = (name[i] >= 'a' && name[i] <= 'z')
            || (name[i] >= 'A' && name[i] <= 'Z');

        if (!letter && (i == 0 || !((name[i] >= '0' && name[i] <= '9')
                || name[i] == '-' || name[i] == '_')))
        {
            return false;
        }
    }
    return len > 0 && len <= NAME_MAX_LEN;
}


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


/* A boolean member of an attribute definition; absent = false. */
static bool
read_flag(const json_t *source, const char *member, bool *flag,
    scim_error_t *error)
{
    const json_t *value = json_object_get(source, member);

    *flag = json_is_true(value);
    return value == NULL || json_is_boolean(value)
        || scim_error_set(error, 500, SCIM_ERROR_NONE,
            "attribute \"%.60s\": %s must be true or false",
            json_string_value(json_object_get(source, "name")), member);
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
        || !read_word(source, "uniqueness", uniqueness, 3, 0, &unique, error)
        || !read_flag(source, "multiValued", &attribute->multi_valued, error)
        || !read_flag(source, "required", &attribute->required, error)
        || !read_flag(source, "caseExact", &attribute->case_exact, error))
    {
        return false;
    }
    attribute->type = (scim_attribute_type_t) type;
    attribute->mutability = (scim_mutability_t) mutability;
    attribute->returned = (scim_returned_t) returned;
    attribute->unique = unique != 0;
    attribute->case_exact = attribute->case_exact || type == SCIM_REFERENCE
        || type == SCIM_BINARY;
    return true;
}


/* What is left out is said in discovery: RFC 7643 section 2.2. */
static bool
say_defaults(json_t *source)
{
    static const struct {
        const char *name;
        const char *word; /* NULL = false */
    } defaults[] = {
        { "type", "string" }, { "multiValued", NULL }, { "required", NULL },
        { "caseExact", NULL }, { "mutability", "readWrite" },
        { "returned", "default" }, { "uniqueness", "none" }
    };

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (json_object_get(source, defaults[i].name) == NULL
            && json_object_set_new(source, defaults[i].name, defaults[i].word
                ? json_string(defaults[i].word) : json_false()) != 0)
        {
            return false;
        }
    }
    return true;
}


/* Only our own indexes keep values unique: nothing else is promised. */
static bool
say_uniqueness(const scim_schema_t *schema, json_t *source)
{
    static const char core[] = "urn:ietf:params:scim:schemas:core:2.0:";

    return strncmp(schema->id, core, sizeof(core) - 1) == 0
        || json_object_set_new(source, "uniqueness", json_string("none")) == 0;
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
read_attribute(json_t *source, const scim_schema_t *schema,
    const scim_attribute_t *parent, scim_attribute_t *attribute,
    scim_error_t *error)
{
    const json_t *name = json_object_get(source, "name");

    if (!json_is_string(name)
        || !valid_name(json_string_value(name), json_string_length(name)))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: an attribute has no usable name", schema->id);
    }
    attribute->name = json_string_value(name);
    attribute->name_len = json_string_length(name);
    attribute->schema = schema;
    attribute->parent = parent;
    if (!read_characteristics(source, attribute, error)
        || !say_defaults(source) || !say_uniqueness(schema, source)
        || !read_canonical_values(source, attribute))
    {
        return false;
    }
    if (attribute->type != SCIM_COMPLEX) {
        return true;
    }
    /* RFC 7643 section 2.3.8: a complex attribute holds no complex one;
       the Schema schema itself is the exception that describes the rule */
    if (parent && strcmp(schema->id, schema_urn) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: %s is complex inside of %s", schema->id,
            attribute->name, parent->name);
    }
    return read_attributes(json_object_get(source, "subAttributes"), schema,
        attribute, &attribute->sub_attributes,
        &attribute->sub_attribute_count, error);
}


static bool
check_name(const scim_schema_t *schema, const scim_attribute_t *attributes,
    size_t last, scim_error_t *error)
{
    for (size_t i = 0; i < last; i++) {
        if (scim_name_equal(attributes[i].name, attributes[i].name_len,
                attributes[last].name, attributes[last].name_len))
        {
            return scim_error_set(error, 500, SCIM_ERROR_NONE,
                "schema %s: %s is there twice", schema->id,
                attributes[last].name);
        }
    }
    return true;
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
    if (count > (parent ? SCIM_SCHEMA_SUB_ATTRIBUTE_MAX
                        : SCIM_SCHEMA_ATTRIBUTE_MAX))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: %s has more attributes than can be", schema->id,
            parent ? parent->name : "it");
    }
    attributes = calloc(count, sizeof(*attributes));
    if (attributes == NULL) {
        return false;
    }
    *out = attributes;
    *out_count = count;
    json_array_foreach((json_t *) source, i, element) {
        if (!read_attribute(element, schema, parent, &attributes[i], error)
            || !check_name(schema, attributes, i, error))
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
    return read_attributes(json_object_get(source, "attributes"), schema, NULL,
        &schema->attributes, &schema->attribute_count, error);
}


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


/* "urn:example:extension:2.0:User" extends the type of that name. */
static bool
extend_by_urn(scim_schemas_t *schemas, const scim_schema_t *schema,
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


static bool
read_resource_type(scim_schemas_t *schemas, const json_t *source,
    scim_error_t *error)
{
    const scim_resource_type_t *known;
    const json_t               *name = json_object_get(source, "name");

    if (!json_is_string(name)
        || !valid_name(json_string_value(name), json_string_length(name)))
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "neither a Schema nor a ResourceType with a name");
    }
    known = scim_resource_type_find(schemas, json_string_value(name),
        json_string_length(name));
    return known ? extend_type(schemas, source, known, error)
                 : new_type(schemas, source, json_string_value(name), error);
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
            && !read_resource_type(schemas, source, &inner))
        {
            return blame_file(schemas, i, &inner, error);
        }
    }
    for (i = 0; i < schemas->schema_count; i++) {
        if (!extend_by_urn(schemas, &schemas->schemas[i], error)) {
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
    json_decref(schemas->origins);
    free(schemas);
}
