#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scim_schema.h"

/* The registry: the built-in schemas, and files that are added to them. */
#define FILE_MAX 32
#define CORE     "urn:ietf:params:scim:schemas:core:2.0:"
#define ENT      "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define BADGE    "urn:example:params:extension:badge:1.0:User"
#define OTHER    "urn:example:params:other"

#define SCHEMA(id, attributes) \
    "{\"schemas\":[\"" CORE "Schema\"],\"id\":\"" id "\",\"name\":\"X\"," \
    "\"attributes\":[" attributes "]}"
#define STRING(name) "{\"name\":\"" name "\",\"type\":\"string\"}"
#define TYPE(name, rest) \
    "{\"schemas\":[\"" CORE "ResourceType\"],\"name\":\"" name "\"" rest "}"


static scim_schemas_t *
with_file(const char *text, scim_error_t *error)
{
    size_t             count = scim_embedded_schema_count;
    scim_schema_file_t files[FILE_MAX];

    assert_true(count < FILE_MAX);
    memcpy(files, scim_embedded_schemas, count * sizeof(files[0]));
    files[count] = (scim_schema_file_t) { "own.json", text, strlen(text) };
    return scim_schemas_new(files, count + 1, error);
}


static void
assert_taken(const char *text, scim_schemas_t **schemas)
{
    scim_error_t error = { 0 };

    *schemas = with_file(text, &error);
    if (*schemas == NULL) {
        fail_msg("%s", error.detail);
    }
}


/* The file's name and what is wrong are in the error. */
static void
assert_refused(const char *text, const char *what)
{
    scim_error_t error = { 0 };

    assert_null(with_file(text, &error));
    if (strstr(error.detail, "own.json: ") != error.detail
        || strstr(error.detail, what) == NULL)
    {
        fail_msg("\"%s\" lacks \"%s\"", error.detail, what);
    }
}


static const scim_resource_type_t *
type_named(const scim_schemas_t *schemas, const char *name)
{
    return scim_resource_type_find(schemas, name, strlen(name));
}


static const scim_attribute_t *
attribute_named(const scim_resource_type_t *type, const char *urn,
    const char *name)
{
    return scim_resource_type_attribute(type, urn, urn ? strlen(urn) : 0,
        name, strlen(name));
}


static void
built_in_schemas_are_read(void **state)
{
    scim_schemas_t             *schemas;
    const scim_attribute_t     *attribute;
    const scim_resource_type_t *user;

    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
    assert_non_null(schemas);
    user = type_named(schemas, "USER");
    assert_string_equal(user->endpoint, "/Users");
    assert_string_equal(user->key_word, "user");
    assert_int_equal(user->extension_count, 1);
    attribute = attribute_named(user, NULL, "USERNAME");
    assert_string_equal(attribute->name, "userName");
    assert_true(attribute->required && attribute->unique);
    assert_false(attribute->case_exact);
    attribute = attribute_named(user, ENT, "manager");
    assert_ptr_equal(attribute->schema, user->extensions[0]);
    assert_ptr_equal(scim_attribute_sub(attribute, "VALUE", 5)->parent,
        attribute);
    assert_false(scim_attribute_is_core(user, attribute));
    scim_schemas_free(schemas);
}


static void
common_attributes_belong_to_every_type(void **state)
{
    scim_schemas_t         *schemas;
    const scim_attribute_t *meta;

    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
    meta = attribute_named(type_named(schemas, "Group"), NULL, "Meta");
    assert_null(meta->schema);
    assert_int_equal(scim_attribute_sub(meta, "created", 7)->type,
        SCIM_DATETIME);
    assert_ptr_equal(meta, attribute_named(type_named(schemas, "User"),
        CORE "User", "meta"));
    assert_null(attribute_named(type_named(schemas, "User"), ENT, "meta"));
    assert_true(scim_attribute_is_core(type_named(schemas, "User"), meta));
    scim_schemas_free(schemas);
}


static void
an_extension_is_attached_by_its_urn(void **state)
{
    scim_schemas_t             *schemas;
    const scim_resource_type_t *user;

    (void) state;
    assert_taken(SCHEMA(BADGE, STRING("number")), &schemas);
    user = type_named(schemas, "User");
    assert_int_equal(user->extension_count, 2);
    assert_non_null(attribute_named(user, BADGE, "number"));
    assert_null(attribute_named(user, NULL, "number"));
    assert_int_equal(type_named(schemas, "Group")->extension_count, 0);
    /* discovery shows it */
    assert_int_equal(json_array_size(json_object_get(user->source,
        "schemaExtensions")), 2);
    scim_schemas_free(schemas);
}


static void
an_extension_is_attached_by_a_resource_type(void **state)
{
    scim_schemas_t             *schemas;
    const scim_resource_type_t *group;

    (void) state;
    assert_taken("[" SCHEMA(OTHER, STRING("a")) ","
        TYPE("group", ",\"schemaExtensions\":[{\"schema\":\"" OTHER
            "\"},{\"schema\":\"" OTHER "\"}]") "]", &schemas);
    group = type_named(schemas, "Group");
    assert_int_equal(group->extension_count, 1);
    assert_non_null(attribute_named(group, OTHER, "a"));
    assert_int_equal(json_array_size(json_object_get(group->source,
        "schemaExtensions")), 1);
    assert_int_equal(scim_resource_type_count(schemas), 2);
    scim_schemas_free(schemas);
}


static void
characteristics_have_the_defaults_of_the_rfc(void **state)
{
    scim_schemas_t         *schemas;
    const scim_attribute_t *attribute;

    (void) state;
    assert_taken(SCHEMA(BADGE, "{\"name\":\"a\"},{\"name\":\"b\",\"type\":"
        "\"reference\",\"multiValued\":true,\"canonicalValues\":[\"x\",\"y\"]"
        ",\"mutability\":\"immutable\",\"returned\":\"request\"}"), &schemas);
    attribute = scim_resource_type_attribute(type_named(schemas, "User"),
        BADGE, strlen(BADGE), "a", 1);
    assert_int_equal(attribute->type, SCIM_STRING);
    assert_int_equal(attribute->mutability, SCIM_READ_WRITE);
    assert_int_equal(attribute->returned, SCIM_RETURNED_DEFAULT);
    assert_false(attribute->multi_valued || attribute->required
        || attribute->case_exact || attribute->unique);
    attribute++;
    assert_true(attribute->multi_valued && attribute->case_exact);
    assert_int_equal(attribute->canonical_value_count, 2);
    assert_string_equal(attribute->canonical_values[1], "y");
    assert_int_equal(attribute->mutability, SCIM_IMMUTABLE);
    assert_int_equal(attribute->returned, SCIM_RETURNED_REQUEST);
    scim_schemas_free(schemas);
}


static void
files_that_are_wrong_are_refused_by_name_and_place(void **state)
{
    (void) state;
    assert_refused("{\"a\":", "at byte 5");
    assert_refused("3", "neither a Schema nor a ResourceType");
    assert_refused("[[]]", "neither a Schema nor a ResourceType");
    assert_refused(SCHEMA("badge", STRING("a")), "must be a URN");
    assert_refused(SCHEMA("urn:a\\\"b:cdef", STRING("a")), "must be a URN");
    assert_refused(SCHEMA("urn:example:x:", STRING("a")), "must be a URN");
    assert_refused(SCHEMA(ENT, STRING("a")), "is there twice");
    assert_refused(SCHEMA(BADGE, ""), "has no attributes");
    assert_refused(SCHEMA(BADGE, "{}"), "no usable name");
    assert_refused(SCHEMA(BADGE, STRING("")), "no usable name");
    assert_refused(SCHEMA(BADGE, STRING("1a")), "no usable name");
    assert_refused(SCHEMA(BADGE, STRING("a.b")), "no usable name");
    assert_refused(SCHEMA(BADGE, STRING("a") "," STRING("A")), "A is there");
}


static void
characteristics_that_are_wrong_are_refused(void **state)
{
    (void) state;
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"type\":\"text\"}"),
        "attribute \"a\": unknown type");
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"mutability\":1}"),
        "unknown mutability");
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"returned\":\"often\"}"),
        "unknown returned");
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"required\":\"yes\"}"),
        "required must be true or false");
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"type\":\"complex\"}"),
        "a has no attributes");
    assert_refused(SCHEMA(BADGE, "{\"name\":\"a\",\"type\":\"complex\","
        "\"subAttributes\":[{\"name\":\"b\",\"type\":\"complex\","
        "\"subAttributes\":[" STRING("c") "]}]}"), "b is complex inside of a");
}


static void
resource_types_that_are_wrong_are_refused(void **state)
{
    (void) state;
    assert_refused(TYPE("Device", ""), "Device lacks endpoint or schema");
    assert_refused(TYPE("Device", ",\"endpoint\":\"/D\",\"schema\":\"urn:x\""),
        "Device: unknown schema");
    assert_refused(TYPE("User", ",\"schema\":\"" CORE "Group\""),
        "with another schema");
    assert_refused(TYPE("User", ",\"schemaExtensions\":[{\"schema\":5}]"),
        "unknown extension");
    assert_refused(TYPE("Group", ",\"schemaExtensions\":[{\"schema\":\"" ENT
        "\",\"required\":true}]"), "cannot be required");
    assert_refused(TYPE("User", ",\"schemaExtensions\":[{\"schema\":\"" CORE
        "User\"}]"), "extends itself");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_schemas_are_read),
        cmocka_unit_test(common_attributes_belong_to_every_type),
        cmocka_unit_test(an_extension_is_attached_by_its_urn),
        cmocka_unit_test(an_extension_is_attached_by_a_resource_type),
        cmocka_unit_test(characteristics_have_the_defaults_of_the_rfc),
        cmocka_unit_test(files_that_are_wrong_are_refused_by_name_and_place),
        cmocka_unit_test(characteristics_that_are_wrong_are_refused),
        cmocka_unit_test(resource_types_that_are_wrong_are_refused)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
