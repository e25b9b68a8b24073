#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_members.h"
#include "scim_path.h"

/* PATCH paths (RFC 7644 section 3.5.2), and the ids of members. */
#define ENT "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

static scim_schemas_t             *schemas;
static const scim_resource_type_t *user;


static int
start(void **state)
{
    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
    user = schemas ? scim_resource_type_find(schemas, "User", 4) : NULL;
    return user ? 0 : -1;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


/* NULL = none */
static void
assert_path(const char *text, const char *attribute, const char *sub,
    bool filter, bool extension)
{
    scim_path_t  path = { 0 };
    scim_error_t error = { 0 };

    if (!scim_path_parse(user, text, strlen(text), &path, NULL, &error)) {
        fail_msg("%s: %s", text, error.detail);
    }
    assert_string_equal(path.attribute ? path.attribute->name : "",
        attribute ? attribute : "");
    assert_string_equal(path.sub ? path.sub->name : "", sub ? sub : "");
    assert_int_equal(path.filter != NULL, filter);
    assert_int_equal(path.extension != NULL, extension);
    assert_false(path.unknown_extension);
    scim_path_free(&path);
    assert_null(path.filter);
}


static void
paths_lead_to_attributes(void **state)
{
    (void) state;
    assert_path("userName", "userName", NULL, false, false);
    assert_path("NAME.GivenName", "name", "givenName", false, false);
    assert_path("emails", "emails", NULL, false, false);
    assert_path("emails[type eq \"work\"]", "emails", NULL, true, false);
    assert_path("emails[type eq \"work\" and not (value co \"]\")].value",
        "emails", "value", true, false);
    assert_path("urn:ietf:params:scim:schemas:core:2.0:User:title", "title",
        NULL, false, false);
    assert_path("meta.created", "meta", "created", false, false);
    assert_path(ENT, NULL, NULL, false, true);
    assert_path(ENT ":department", "department", NULL, false, true);
    assert_path(ENT ".department", "department", NULL, false, true);
    assert_path(ENT ":manager.value", "manager", "value", false, true);
    assert_path("department", "department", NULL, false, true);
    assert_path("roles.displayName", "roles", "display", false, false);
}


static void
unknown_extensions_are_marked_and_not_refused(void **state)
{
    scim_path_t path = { 0 };

    (void) state;
    assert_true(scim_path_parse(user, "urn:x:y:2.0:User:z", 18, &path, NULL,
        NULL));
    assert_true(path.unknown_extension);
    assert_null(path.attribute);
    scim_path_free(&path);
}


static void
what_leads_nowhere_is_refused(void **state)
{
    static const char *const table[] = {
        "nosuch", "name.nosuch", "userName.value", ".", "name.", ".name",
        "emails[", "emails[]", "emails[type]", "emails[type eq \"a\"",
        "emails]", "emails[type eq \"a\"]x", "emails[type eq \"a\"].",
        "emails[type eq \"a\"].nosuch", "userName[value eq \"a\"]",
        "emails.type[value pr]", "/userName", "emails[0]", " userName",
        ENT ":nosuch", ENT "[value pr]", ENT ":", "emails[type pr][type pr]"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        scim_path_t  path = { 0 };
        scim_error_t error = { 0 };

        if (scim_path_parse(user, table[i], strlen(table[i]), &path, NULL,
                &error))
        {
            fail_msg("%s is taken", table[i]);
        }
        assert_int_equal(error.type, SCIM_ERROR_INVALID_PATH);
        assert_null(path.filter);
    }
}


/* ---- members ---- */

static void
operations_on_members_fold_into_one_delta(void **state)
{
    scim_members_t members;

    (void) state;
    assert_true(scim_members_init(&members));
    assert_int_equal(members.mode, SCIM_MEMBERS_KEEP);
    assert_true(scim_members_add(&members, "a", 1));
    assert_true(scim_members_remove(&members, "b", 1));
    assert_true(scim_members_remove(&members, "a", 1));
    assert_int_equal(members.mode, SCIM_MEMBERS_DELTA);
    assert_null(json_object_get(members.add, "a"));
    assert_int_equal(json_object_size(members.remove), 2);
    assert_true(scim_members_replace(&members));
    assert_true(scim_members_add(&members, "c", 1));
    assert_true(scim_members_add(&members, "d", 1));
    assert_true(scim_members_remove(&members, "c", 1));
    assert_true(scim_members_remove(&members, "e", 1));
    assert_int_equal(members.mode, SCIM_MEMBERS_REPLACE);
    assert_int_equal(json_object_size(members.add), 1);
    assert_int_equal(json_object_size(members.remove), 0);
    scim_members_free(&members);
}


static void
ids_are_read_out_of_every_accepted_form(void **state)
{
    static const char *const table[] = {
        "[{\"value\":\"a\"},{\"VALUE\":\"b\"}]", "[\"a\",\"b\"]",
        "{\"members\":[\"a\",{\"value\":\"b\"}]}",
        "[{\"$ref\":\"https://h/scim/v2/Users/a\"},"
        "{\"value\":null,\"$ref\":\"../Groups/b\"}]"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        json_t *ids = json_array();
        json_t *value = json_loads(table[i], 0, NULL);

        assert_non_null(value);
        assert_true(scim_members_read(value, ids, NULL, NULL));
        assert_int_equal(json_array_size(ids), 2);
        assert_string_equal(json_string_value(json_array_get(ids, 0)), "a");
        assert_string_equal(json_string_value(json_array_get(ids, 1)), "b");
        json_decref(value);
        json_decref(ids);
    }
}


static void
one_unusable_id_refuses_them_all(void **state)
{
    static const char *const table[] = {
        "[\"a\",\"\"]", "[\"a\",{}]", "[\"a\",5]", "[\"a\",null]",
        "[\"a\",\"b c\"]", "[\"a\",\"b\u00e4\"]",
        "[\"a\",\"b/../c\"]", "[\"a\",{\"value\":{}}]",
        "[\"a\",{\"$ref\":\"https://h/Apps/b\"}]",
        "[\"a\",{\"$ref\":\"https://h/Users/\"}]",
        "[\"a\",{\"value\":\"b\",\"operation\":\"delete\"}]"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        json_t      *ids = json_array();
        json_t      *value = json_loads(table[i], 0, NULL);
        scim_error_t error = { 0 };

        assert_non_null(value);
        if (scim_members_read(value, ids, NULL, &error)) {
            fail_msg("%s is taken", table[i]);
        }
        assert_int_equal(error.type, SCIM_ERROR_INVALID_VALUE);
        assert_non_null(strstr(error.detail, "members[1]"));
        json_decref(value);
        json_decref(ids);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_attributes),
        cmocka_unit_test(unknown_extensions_are_marked_and_not_refused),
        cmocka_unit_test(what_leads_nowhere_is_refused),
        cmocka_unit_test(operations_on_members_fold_into_one_delta),
        cmocka_unit_test(ids_are_read_out_of_every_accepted_form),
        cmocka_unit_test(one_unusable_id_refuses_them_all)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
