#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scim_record.h"

static const char text[] =
    "0000000012" "0000000003" "1700000000123" "1700000000456" "1"
    "{\"id\":\"x\",\"userName\":\"ann\"}";


static void
a_record_is_header_and_document(void **state)
{
    scim_record_t record;

    (void) state;
    assert_true(scim_record_parse(text, strlen(text), &record));
    assert_int_equal(record.version, 12);
    assert_int_equal(record.content, 3);
    assert_int_equal(record.created, 1700000000123);
    assert_int_equal(record.modified, 1700000000456);
    assert_true(record.grouped);
    assert_int_equal(record.document_len, strlen(text) - 47);
    assert_memory_equal(record.document, "{\"id\"", 5);
}


static void
what_is_no_record_is_refused(void **state)
{
    char          damaged[sizeof(text)];
    scim_record_t record;

    (void) state;
    for (size_t len = 0; len < SCIM_RECORD_HEADER_LEN + 2; len++) {
        assert_false(scim_record_parse(text, len, &record));
    }
    assert_false(scim_record_parse(text, strlen(text) - 1, &record));
    for (size_t i = 0; i < SCIM_RECORD_HEADER_LEN - 1; i++) {
        memcpy(damaged, text, sizeof(text));
        damaged[i] = i % 2 ? '-' : ' ';
        assert_false(scim_record_parse(damaged, strlen(damaged), &record));
    }
}


static void
a_record_is_shown_with_extra_and_meta(void **state)
{
    scim_buffer_t out;
    scim_record_t record;

    (void) state;
    scim_buffer_init(&out, 4096);
    assert_true(scim_record_parse(text, strlen(text), &record));
    scim_record_render(&record, "https://h/v2", 12, "/Users", "User", "x", 1,
        "\"groups\":[]", 11, &out);
    assert_string_equal(out.data, "{\"id\":\"x\",\"userName\":\"ann\","
        "\"groups\":[],\"meta\":{\"resourceType\":\"User\","
        "\"created\":\"2023-11-14T22:13:20.123Z\","
        "\"lastModified\":\"2023-11-14T22:13:20.456Z\","
        "\"location\":\"https://h/v2/Users/x\","
        "\"version\":\"W/\\\"12\\\"\"}}");
    scim_buffer_free(&out);
}


static void
rendering_keeps_the_buffers_maximum(void **state)
{
    scim_buffer_t out;
    scim_record_t record;

    (void) state;
    scim_buffer_init(&out, 100);
    assert_true(scim_record_parse(text, strlen(text), &record));
    scim_record_render(&record, "https://h/v2", 12, "/Users", "User", "x", 1,
        NULL, 0, &out);
    assert_true(scim_buffer_failed(&out));
    scim_buffer_free(&out);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_header_and_document),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_record_is_shown_with_extra_and_meta),
        cmocka_unit_test(rendering_keeps_the_buffers_maximum),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
