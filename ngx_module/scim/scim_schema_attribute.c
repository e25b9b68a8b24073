#include "scim_schema_internal.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"

#define NAME_MAX_LEN 64


bool
scim_schema_valid_name(const json_t *json)
{
    size_t      len = json_string_length(json);
    const char *name = json_string_value(json);

    if (name == NULL || strcmp(name, "$ref") == 0) {
        return name != NULL;
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


void
scim_schema_free_attributes(const scim_attribute_t *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(attributes[i].canonical_values);
        scim_schema_free_attributes(attributes[i].sub_attributes,
            attributes[i].sub_attribute_count);
    }
    free((void *) attributes);
}


static bool
read_attribute(json_t *source, const scim_schema_t *schema,
    const scim_attribute_t *parent, scim_attribute_t *attribute,
    scim_error_t *error)
{
    const json_t *name = json_object_get(source, "name");

    if (!scim_schema_valid_name(name)) {
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
    if (parent && strcmp(schema->id, SCIM_SCHEMA_URN) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE,
            "schema %s: %s is complex inside of %s", schema->id,
            attribute->name, parent->name);
    }
    return scim_schema_read_attributes(json_object_get(source,
            "subAttributes"), schema, attribute, &attribute->sub_attributes,
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


bool
scim_schema_read_attributes(const json_t *source, const scim_schema_t *schema,
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
