#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_time.h"

/* xsd:dateTime, by known instants and by every day of some centuries. */


static void
assert_parses(const char *text, bool lenient, int64_t expected)
{
    int64_t ms = -1;

    if (!scim_time_parse(text, strlen(text), lenient, &ms)) {
        fail_msg("%s", text);
    }
    assert_int_equal(ms, expected);
}


static void
known_instants_are_read(void **state)
{
    (void) state;
    assert_parses("1970-01-01T00:00:00Z", false, 0);
    assert_parses("1970-01-01T00:00:00.001Z", false, 1);
    assert_parses("1969-12-31T23:59:59.999Z", false, -1);
    assert_parses("2000-02-29T12:00:00Z", false, 951825600000);
    assert_parses("2023-11-14T22:13:20.123Z", false, 1700000000123);
    assert_parses("2023-11-14t22:13:20z", false, 1700000000000);
    assert_parses("2023-11-14T22:13:20.1239999999999Z", false, 1700000000123);
    assert_parses("2023-11-14T22:13:20.5Z", false, 1700000000500);
    assert_parses("2023-11-15T00:13:20+02:00", false, 1700000000000);
    assert_parses("2023-11-14T17:43:20-04:30", false, 1700000000000);
    assert_parses("2023-11-14T24:00:00Z", false, 1700006400000);
}


static void
dates_and_missing_zones_are_for_filters_only(void **state)
{
    int64_t ms;

    (void) state;
    assert_parses("2023-11-14", true, 1699920000000);
    assert_parses("2023-11-14T22:13:20", true, 1700000000000);
    assert_false(scim_time_parse("2023-11-14", 10, false, &ms));
    assert_false(scim_time_parse("2023-11-14T22:13:20", 19, false, &ms));
}


static void
what_is_no_time_is_refused(void **state)
{
    static const char *const table[] = {
        "", "x", "2023", "2023-11", "2023-1-14", "2023-00-14", "2023-13-14",
        "2023-11-00", "2023-11-31", "2023-02-29", "1900-02-29",
        "2023-11-14T", "2023-11-14 22:13:20Z", "2023-11-14T22:13Z",
        "2023-11-14T25:00:00Z", "2023-11-14T24:00:01Z",
        "2023-11-14T22:60:00Z", "2023-11-14T22:13:60Z",
        "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+2:00",
        "2023-11-14T22:13:20+15:00", "2023-11-14T22:13:20+02",
        "2023-11-14T22:13:20Zx", "+2023-11-14T22:13:20Z"
    };
    int64_t ms;

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (scim_time_parse(table[i], strlen(table[i]), true, &ms)) {
            fail_msg("%s", table[i]);
        }
    }
}


static void
what_is_written_is_read_back(void **state)
{
    char    text[SCIM_TIME_TEXT_LEN + 1], last[SCIM_TIME_TEXT_LEN + 1] = "";
    int64_t ms, day = 86400000;

    (void) state;
    scim_time_format(1700000000123, text);
    assert_string_equal(text, "2023-11-14T22:13:20.123Z");
    scim_time_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    /* 1800 to 2300; text sorts as time does */
    for (int64_t at = -62091 * day + 777; at < 120530 * day; at += day) {
        scim_time_format(at, text);
        assert_true(scim_time_parse(text, SCIM_TIME_TEXT_LEN, false, &ms));
        assert_int_equal(ms, at);
        assert_true(strcmp(last, text) < 0);
        memcpy(last, text, sizeof(text));
    }
    assert_memory_equal(last, "2299-12-31", 10);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instants_are_read),
        cmocka_unit_test(dates_and_missing_zones_are_for_filters_only),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(what_is_written_is_read_back)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
