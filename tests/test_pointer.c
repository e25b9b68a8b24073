#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pointer.h"
#include "scim_json.h"

/* The document of RFC 6901, section 5, with a little more. */
static const char document[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,"
    "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"deep\":[{\"id\":\"x\"}]}";


static void
examples_of_the_rfc_are_found(void **state)
{
    json_t *root = scim_json_read(document, strlen(document),
        &scim_json_request_limits, NULL);
    const struct {
        const char *pointer;
        long long   value;
    } numbers[] = {
        { "/", 0 }, { "/a~1b", 1 }, { "/c%d", 2 }, { "/e^f", 3 },
        { "/k\"l", 6 }, { "/ ", 7 }, { "/m~0n", 8 }
    };

    (void) state;
    assert_non_null(root);
    assert_ptr_equal(pointer_get(root, ""), root);
    assert_true(json_is_array(pointer_get(root, "/foo")));
    assert_string_equal(json_string_value(pointer_get(root, "/foo/0")),
        "bar");
    assert_string_equal(json_string_value(pointer_get(root, "/deep/0/id")),
        "x");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const json_t *value = pointer_get(root, numbers[i].pointer);

        assert_true(json_is_integer(value));
        assert_int_equal(json_integer_value(value), numbers[i].value);
    }
    json_decref(root);
}


static void
what_is_not_there_is_not_found(void **state)
{
    json_t     *root = scim_json_read(document, strlen(document),
        &scim_json_request_limits, NULL);
    const char *absent[] = {
        "foo", "/nope", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/",
        "/foo/+1", "/foo/1x", "/foo/99999999999999999999", "/foo/0/x",
        "/m~n", "/m~", "/m~2n", "//", "/deep/0/id/0"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (pointer_get(root, absent[i]) != NULL) {
            fail_msg("%s was found", absent[i]);
        }
    }
    assert_null(pointer_get(NULL, "/x"));
    json_decref(root);
}


static void
strings_and_whole_numbers_are_text(void **state)
{
    char    out[6];
    json_t *values = scim_json_read(
        "[\"abcde\",\"abcdef\",12345,123456,-1,1.5,true,null,{},[]]", 54,
        &scim_json_request_limits, NULL);
    bool    fits[] = { true, false, true, false, true, false, false, false,
        false, false };

    (void) state;
    assert_int_equal(json_array_size(values), 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(pointer_text(json_array_get(values, i), out,
            sizeof(out)), fits[i]);
    }
    assert_true(pointer_text(json_array_get(values, 4), out, sizeof(out)));
    assert_string_equal(out, "-1");
    assert_false(pointer_text(NULL, out, sizeof(out)));
    json_decref(values);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc_are_found),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(strings_and_whole_numbers_are_text)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
