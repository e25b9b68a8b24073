#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_fold.h"
#include "scim_index.h"

/* Comparison keys of values, and what of a document is indexed by them. */
static scim_schemas_t             *schemas;
static const scim_resource_type_t *user, *group;


static int
start(void **state)
{
    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
    if (schemas == NULL) {
        return -1;
    }
    user = scim_resource_type_find(schemas, "User", 4);
    group = scim_resource_type_find(schemas, "Group", 5);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


static void
assert_folds(const char *text, const char *expected)
{
    scim_buffer_t out;

    scim_buffer_init(&out, 1000);
    assert_true(scim_fold(text, strlen(text), &out));
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    scim_buffer_free(&out);
}


static void
equal_values_have_one_key(void **state)
{
    (void) state;
    assert_folds("Ann.LEE@X", "ann.lee@x");
    assert_folds("\xc3\x84", "\xc3\xa4");             /* A umlaut */
    assert_folds("A\xcc\x88", "\xc3\xa4");            /* decomposed */
    assert_folds("stra\xc3\x9f" "e", "strasse");       /* sharp s */
    assert_folds("\xef\xbc\xa1", "a");                /* full width A */
    assert_folds("\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83"); /* sigmas */
    assert_folds("[@Z^", "[@z^");
}


static void
bytes_that_are_no_text_have_no_key(void **state)
{
    scim_buffer_t out;

    (void) state;
    scim_buffer_init(&out, 1000);
    assert_false(scim_fold("\xff", 1, &out));
    assert_false(scim_fold("a\xc3", 2, &out));
    assert_int_equal(out.len, 0);
    assert_true(scim_fold("", 0, &out));
    assert_int_equal(out.len, 0);
    scim_buffer_free(&out);
}


/* UTF-8 of a code point; its length. */
static size_t
encode(unsigned point, char *out)
{
    if (point < 0x80) {
        out[0] = (char) point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char) (0xc0 | point >> 6);
        out[1] = (char) (0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char) (0xe0 | point >> 12);
        out[1] = (char) (0x80 | (point >> 6 & 0x3f));
        out[2] = (char) (0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char) (0xf0 | point >> 18);
    out[1] = (char) (0x80 | (point >> 12 & 0x3f));
    out[2] = (char) (0x80 | (point >> 6 & 0x3f));
    out[3] = (char) (0x80 | (point & 0x3f));
    return 4;
}


/* A key of a key is the key, for every character there is. */
static void
folding_twice_changes_nothing(void **state)
{
    char          text[4];
    size_t        len;
    scim_buffer_t once, twice;

    (void) state;
    scim_buffer_init(&once, 1000);
    scim_buffer_init(&twice, 1000);
    for (unsigned point = 1; point < 0x110000; point++) {
        if (point >= 0xd800 && point < 0xe000) {
            continue;
        }
        len = encode(point, text);
        scim_buffer_reset(&once);
        scim_buffer_reset(&twice);
        assert_true(scim_fold(text, len, &once));
        assert_true(scim_fold(once.data, once.len, &twice));
        if (once.len != twice.len
            || (once.len && memcmp(once.data, twice.data, once.len) != 0))
        {
            fail_msg("U+%04X", point);
        }
    }
    scim_buffer_free(&once);
    scim_buffer_free(&twice);
}


static void
names_compare_without_ascii_case_only(void **state)
{
    (void) state;
    assert_true(scim_name_equal("userName", 8, "USERname", 8));
    assert_true(scim_name_equal("", 0, "", 0));
    assert_false(scim_name_equal("userName", 8, "userNam", 7));
    assert_false(scim_name_equal("a", 1, "b", 1));
    assert_false(scim_name_equal("@", 1, "`", 1));
    assert_false(scim_name_equal("[", 1, "{", 1));
    assert_false(scim_name_equal("\xc3\x84", 2, "\xc3\xa4", 2));
}


/* ---- indexes ---- */

static void
assert_values(const scim_resource_type_t *type, const char *attribute,
    const char *document, const char *expected)
{
    char   *text;
    json_t *values, *json = json_loads(document, 0, NULL);

    assert_non_null(json);
    values = scim_index_values(type, scim_index_find(type, attribute,
        strlen(attribute)), json);
    text = json_dumps(values, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(values);
    json_decref(json);
}


static void
documents_have_the_index_values_of_their_attributes(void **state)
{
    (void) state;
    assert_values(user, "userName", "{\"userName\":\"Ann\"}",
        "[\"ann\"]");
    assert_values(user, "EXTERNALID", "{\"externalId\":\"Ann\"}",
        "[\"Ann\"]");
    assert_values(user, "emails.value", "{\"emails\":[{\"value\":\"A\"},"
        "{\"type\":\"work\"},{\"value\":\"a\"},{\"value\":\"b\"}]}",
        "[\"a\",\"b\"]");
    assert_values(user, "displayName", "{}", "[]");
    assert_values(user, "displayName", "{\"displayName\":5}", "[]");
    assert_values(group, "displayName", "{\"displayName\":\"Ads\"}",
        "[\"ads\"]");
}


static void
only_what_is_indexed_is_found(void **state)
{
    size_t count;

    (void) state;
    assert_true(scim_index_find(user, "username", 8)->unique);
    assert_false(scim_index_find(user, "emails.value", 12)->unique);
    assert_null(scim_index_find(user, "title", 5));
    assert_null(scim_index_find(group, "userName", 8));
    assert_null(scim_index_find(user, "emails", 6));
    assert_non_null(scim_index_list(user, &count));
    assert_int_equal(count, 4);
    assert_non_null(scim_index_list(group, &count));
    assert_int_equal(count, 2);
}


static void
long_values_are_cut_alike_for_document_and_filter(void **state)
{
    char                text[SCIM_INDEX_VALUE_MAX + 100] = { 0 };
    json_t             *values, *document;
    scim_buffer_t       key;
    const scim_index_t *index = scim_index_find(user, "displayName", 11);

    (void) state;
    memset(text, 'X', sizeof(text) - 1);
    document = json_pack("{ss}", "displayName", text);
    values = scim_index_values(user, index, document);
    scim_buffer_init(&key, 4096);
    assert_true(scim_index_key(user, index, text, strlen(text), &key));
    assert_int_equal(key.len, SCIM_INDEX_VALUE_MAX);
    assert_string_equal(json_string_value(json_array_get(values, 0)),
        key.data);
    scim_buffer_free(&key);
    json_decref(values);
    json_decref(document);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_have_one_key),
        cmocka_unit_test(bytes_that_are_no_text_have_no_key),
        cmocka_unit_test(folding_twice_changes_nothing),
        cmocka_unit_test(names_compare_without_ascii_case_only),
        cmocka_unit_test(documents_have_the_index_values_of_their_attributes),
        cmocka_unit_test(only_what_is_indexed_is_found),
        cmocka_unit_test(long_values_are_cut_alike_for_document_and_filter)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
