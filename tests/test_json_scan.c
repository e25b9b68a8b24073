/* Members found in a document's text, against jansson's tree of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts.h"
#include "scim_json.h"
#include "scim_json_scan.h"

static const char *const documents[] = {
    "{}",
    "{\"userName\":\"a@b.c\"}",
    " { \"a\" : 1 , \"b\" : [ ] , \"c\" : { \"d\" : \"}\" } } ",
    "{\"a\":\"quote \\\" and \\\\\",\"b\":[{\"c\":\"]\"},[],{}],\"d\":-1.5e3}",
    "{\"\\u00e9\":null,\"t\":true,\"f\":false,\"s\":\"\\u0041\"}"
};


static void
scans_as_jansson_reads(const char *text, size_t len)
{
    size_t            count = 0;
    json_t           *tree = scim_json_read(text, len,
        &scim_json_stored_limits, NULL);
    scim_json_scan_t  scan;
    scim_json_piece_t name, value;

    assert_non_null(tree);
    scim_json_scan_open(&scan, text, len);
    while (scim_json_scan_next(&scan, &name, &value)) {
        json_t *key = scim_json_read(name.text - 1, name.len + 2,
            &scim_json_stored_limits, NULL);
        json_t *read = scim_json_read(value.text, value.len,
            &scim_json_stored_limits, NULL);

        assert_true(json_is_string(key));
        assert_true(json_equal(read, json_object_get(tree,
            json_string_value(key))));
        json_decref(key);
        json_decref(read);
        count++;
    }
    assert_int_equal(count, json_object_size(tree));
    json_decref(tree);
}


static void
every_member_is_found(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        scans_as_jansson_reads(documents[i], strlen(documents[i]));
    }
}


static void
some_members_are_read(void **state)
{
    json_t            *some;
    const char *const  names[] = { "d", "none", "b" };
    const char        *text = documents[3];

    (void) state;
    some = scim_json_scan_members(text, strlen(text), names, 3);
    assert_int_equal(json_object_size(some), 2);
    assert_int_equal(json_array_size(json_object_get(some, "b")), 3);
    assert_true(json_real_value(json_object_get(some, "d")) == -1500);
    json_decref(some);
    some = scim_json_scan_members(text, strlen(text), names, 0);
    assert_int_equal(json_object_size(some), 0);
    json_decref(some);
    assert_null(scim_json_scan_members("{\"d\":\"\\u12\"}", 12, names, 3));
}


/* In memory of its own, so that a sanitizer sees what is read behind it. */
static void
a_cut_text_is_survived(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        for (size_t len = 0; len < strlen(documents[i]); len++) {
            char             *text = malloc(len + 1);
            size_t            count = 0;
            scim_json_scan_t  scan;
            scim_json_piece_t name, value;

            assert_non_null(text);
            text = realloc(text, len ? len : 1);
            memcpy(text, documents[i], len);
            scim_json_scan_open(&scan, text, len);
            while (scim_json_scan_next(&scan, &name, &value)) {
                assert_true(name.text >= text
                    && value.text + value.len <= text + len);
                count++;
            }
            assert_true(count <= 4);
            free(text);
        }
    }
}


static void
strings_are_copied(void **state)
{
    char                    out[6] = "old";
    const scim_json_piece_t plain = { "\"abcde\"", 7 },
                            escaped = { "\"a\\\"b\\u00e9\"", 12 },
                            longer = { "\"abcdef\"", 8 },
                            number = { "12", 2 }, broken = { "\"a\\\"", 4 };

    (void) state;
    assert_false(scim_json_piece_copy(&longer, out, sizeof(out)));
    assert_false(scim_json_piece_copy(&number, out, sizeof(out)));
    assert_false(scim_json_piece_copy(&broken, out, sizeof(out)));
    assert_string_equal(out, "old");
    assert_true(scim_json_piece_copy(&plain, out, sizeof(out)));
    assert_string_equal(out, "abcde");
    assert_true(scim_json_piece_copy(&escaped, out, sizeof(out)));
    assert_string_equal(out, "a\"b\xc3\xa9");
}


#define HEADER "0000000001000000000117956821861011795682186101" "0"

static void
a_person_is_read(void **state)
{
    person_t   person;
    const char record[] = HEADER "{\"schemas\":[\"userName\"],"
        "\"userName\":\"ann\\u0040x.org\",\"name\":{\"formatted\":\"A\","
        "\"familyName\":\"L\\\"ind\",\"givenName\":\"Ann\"},\"emails\":["
        "{\"value\":\"home@x.org\"},{\"type\":\"work\",\"value\":"
        "\"work@x.org\"}],\"active\":false,\"displayName\":\"Ann L\"}";

    (void) state;
    person_read(record, sizeof(record) - 1, &person);
    assert_string_equal(person.user_name, "ann@x.org");
    assert_string_equal(person.given_name, "Ann");
    assert_string_equal(person.family_name, "L\"ind");
    assert_string_equal(person.display_name, "Ann L");
    assert_string_equal(person.email, "work@x.org");
    assert_false(person.active);
}


static void
a_person_without_address_is_known_by_name(void **state)
{
    person_t   person;
    const char record[] = HEADER "{\"userName\":\"ann@x.org\",\"emails\":[]}";

    (void) state;
    person_read(record, sizeof(record) - 1, &person);
    assert_string_equal(person.email, "ann@x.org");
    assert_true(person.active);
    person_read("", 0, &person);
    assert_string_equal(person.email, "");
    assert_false(person.active);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_found),
        cmocka_unit_test(some_members_are_read),
        cmocka_unit_test(a_cut_text_is_survived),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(a_person_is_read),
        cmocka_unit_test(a_person_without_address_is_known_by_name)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
