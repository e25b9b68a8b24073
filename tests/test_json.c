#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_json.h"

/* Our reader and writer of JSON; fuzz_json holds both against jansson. */


static json_t *
read_text(const char *text, scim_error_t *error)
{
    return scim_json_read(text, strlen(text), &scim_json_request_limits,
        error);
}


/* Reads the text and writes it again. */
static void
assert_becomes(const char *text, const char *expected)
{
    json_t       *value;
    scim_error_t  error = { 0 };
    scim_buffer_t out;

    value = read_text(text, &error);
    if (value == NULL) {
        fail_msg("%s: %s", text, error.detail);
    }
    scim_buffer_init(&out, 1 << 20);
    scim_json_write(value, &out);
    assert_string_equal(out.data, expected);
    scim_buffer_free(&out);
    json_decref(value);
}


static void
assert_refused(const char *text, size_t len, const char *detail)
{
    scim_error_t error = { 0 };

    assert_null(scim_json_read(text, len, &scim_json_request_limits, &error));
    assert_int_equal(error.status, 400);
    assert_int_equal(error.type, SCIM_ERROR_INVALID_SYNTAX);
    if (strstr(error.detail, detail) == NULL) {
        fail_msg("%.60s: \"%s\" lacks \"%s\"", text, error.detail, detail);
    }
}


static void
values_of_every_kind_come_through(void **state)
{
    (void) state;
    assert_becomes(" { \"a\" : [ 1 , -2 , true , false , null ] } ",
        "{\"a\":[1,-2,true,false,null]}");
    assert_becomes("{}", "{}");
    assert_becomes("[]", "[]");
    assert_becomes("\"\"", "\"\"");
    assert_becomes("\xef\xbb\xbf{\"a\":1}", "{\"a\":1}");
    assert_becomes("{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}");
    assert_becomes("[[[[[[[[]]]]]]]]", "[[[[[[[[]]]]]]]]");
}


static void
numbers_keep_kind_and_value(void **state)
{
    (void) state;
    assert_becomes("9223372036854775807", "9223372036854775807");
    assert_becomes("-9223372036854775808", "-9223372036854775808");
    assert_becomes("0", "0");
    assert_becomes("1.0", "1.0");
    assert_becomes("1e2", "100.0");
    assert_becomes("1.5E+3", "1500.0");
    assert_becomes("1e300", "1e300");
    assert_becomes("2.5e-10", "2.5e-10");
    assert_becomes("0.1", "0.1");
    assert_becomes("1.10", "1.1");
    assert_becomes("0.30000000000000004", "0.30000000000000004");
    assert_becomes("3.14159265358979323846", "3.141592653589793");
}


static void
strings_are_decoded_and_escaped(void **state)
{
    (void) state;
    assert_becomes("\"\\u0041\\u00e4\\ud83d\\ude00\"",
        "\"A\xc3\xa4\xf0\x9f\x98\x80\"");
    assert_becomes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    assert_becomes("\"\\u0001\\u001f\"", "\"\\u0001\\u001F\"");
    assert_becomes("\"0123456789abcdef0123456789abcde\xc3\xa4\\n0123456789\"",
        "\"0123456789abcdef0123456789abcde\xc3\xa4\\n0123456789\"");
}


static void
what_is_no_json_is_refused_at_its_byte(void **state)
{
    static const char *const table[][2] = {
        { "", "unexpected end at byte 0" },
        { "  ", "unexpected end at byte 2" },
        { "{", "at byte 1" },
        { "[1", "at byte 2" },
        { "[1,]", "at byte 3" },
        { "{\"a\":1,}", "at byte 7" },
        { "{a:1}", "at byte 1" },
        { "{\"a\" 1}", "at byte 5" },
        { "[1 2]", "at byte 3" },
        { "{} {}", "trailing bytes at byte 3" },
        { "nul", "at byte 0" },
        { "True", "at byte 0" },
        { "NaN", "at byte 0" },
        { "-", "at byte 0" },
        { "+1", "at byte 0" },
        { "1.", "bad number" },
        { "1e", "bad number" },
        { "01", "at byte 1" },
        { ".5", "at byte 0" },
        { "'a'", "at byte 0" },
        { "\"a", "unterminated string" },
        { "\"\\x\"", "bad escape" },
        { "\"\\u12\"", "\\u escape" },
        { "\"\\u12g4\"", "bad \\u escape" },
        { "\"a\nb\"", "control character in a string at byte 2" },
        { "9223372036854775808", "integer out of range" },
        { "1e999", "number out of range" },
        { "/* */1", "at byte 0" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_refused(table[i][0], strlen(table[i][0]), table[i][1]);
    }
}


static void
bytes_that_are_no_text_are_refused(void **state)
{
    static const char *const table[] = {
        "\"\xff\"", "\"\xc0\x80\"", "\"\xc3\"", "\"\xe0\x80\x80\"",
        "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"",
        "\"\x80\""
    };

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_refused(table[i], strlen(table[i]), "invalid UTF-8");
    }
    assert_refused("\"\\u0000\"", 8, "U+0000");
    assert_refused("\"\0\"", 3, "control character");
    assert_refused("\"\\ud800\"", 8, "lone surrogate");
    assert_refused("\"\\udc00\"", 8, "lone surrogate");
    assert_refused("\"\\ud800\\u0041\"", 14, "lone surrogate");
    assert_refused("1\0", 2, "trailing bytes");
}


static void
the_same_key_twice_is_refused_in_any_case(void **state)
{
    char   text[2000];
    size_t len = 0;
    json_t *value;

    (void) state;
    assert_refused("{\"a\":1,\"a\":2}", 13, "duplicate name");
    assert_refused("{\"userName\":1,\"USERNAME\":2}", 27, "duplicate name");
    assert_refused("[{\"x\":{\"b\":1,\"B\":1}}]", 21, "duplicate name");
    /* an object with more names than are compared one by one */
    text[len++] = '{';
    for (int i = 0; i < 40; i++) {
        len += (size_t) snprintf(text + len, sizeof(text) - len,
            "\"name%d\":1,", i);
    }
    snprintf(text + len, sizeof(text) - len, "\"NAME7\":1}");
    assert_refused(text, strlen(text), "duplicate name");
    /* what is stored is case-exact */
    value = scim_json_read("{\"a\":1,\"A\":2}", 13, &scim_json_stored_limits,
        NULL);
    assert_int_equal(json_object_size(value), 2);
    json_decref(value);
}


static void
depth_and_length_have_limits(void **state)
{
    char   text[200], *longer = malloc(65540);
    json_t *value;

    (void) state;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_refused(text, 200, "nested too deep at byte 32");
    assert_refused(text, 100, "nested too deep");
    value = scim_json_read(text + 68, 64, &scim_json_request_limits, NULL);
    assert_non_null(value);
    json_decref(value);
    assert_non_null(longer);
    memset(longer, 'x', 65540);
    longer[0] = longer[65538] = '"';
    assert_refused(longer, 65539, "string too long");
    longer[65537] = '"';
    value = scim_json_read(longer, 65538, &scim_json_request_limits, NULL);
    assert_int_equal(json_string_length(value), 65536);
    json_decref(value);
    free(longer);
}


static void
the_writer_keeps_the_buffers_maximum(void **state)
{
    json_t       *value = json_pack("{s[iii],ss}", "a", 1, 2, 3, "b", "c");
    scim_buffer_t out;

    (void) state;
    for (size_t max = 0; max < 22; max++) {
        scim_buffer_init(&out, max);
        scim_json_write(value, &out);
        assert_int_equal(scim_buffer_failed(&out), max < 21);
        scim_buffer_free(&out);
    }
    json_decref(value);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind_come_through),
        cmocka_unit_test(numbers_keep_kind_and_value),
        cmocka_unit_test(strings_are_decoded_and_escaped),
        cmocka_unit_test(what_is_no_json_is_refused_at_its_byte),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(the_same_key_twice_is_refused_in_any_case),
        cmocka_unit_test(depth_and_length_have_limits),
        cmocka_unit_test(the_writer_keeps_the_buffers_maximum)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
