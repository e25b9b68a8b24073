#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_arena.h"
#include "scim_buffer.h"
#include "scim_error.h"

/* The two kinds of memory of an operation, and the error that it ends with. */


static void
bytes_are_collected_and_handed_over(void **state)
{
    char         *text;
    size_t        len = 0;
    scim_buffer_t buffer;

    (void) state;
    scim_buffer_init(&buffer, 100);
    assert_null(buffer.data);
    assert_true(scim_buffer_append(&buffer, "a\0b", 3));
    assert_true(scim_buffer_append_text(&buffer, "cd"));
    assert_true(scim_buffer_append_char(&buffer, 'e'));
    assert_true(scim_buffer_printf(&buffer, "%d-%s", 12, "f"));
    assert_true(scim_buffer_append_number(&buffer, LLONG_MIN));
    assert_true(scim_buffer_append_number(&buffer, 0));
    text = scim_buffer_take(&buffer, &len);
    assert_int_equal(len, 31);
    assert_memory_equal(text, "a\0bcde12-f-92233720368547758080", 32);
    assert_null(buffer.data);
    assert_int_equal(buffer.len, 0);
    free(text);
    assert_null(scim_buffer_take(&buffer, &len));
}


static void
the_maximum_is_never_passed_and_failure_stays(void **state)
{
    scim_buffer_t buffer;

    (void) state;
    scim_buffer_init(&buffer, 4);
    assert_true(scim_buffer_append_text(&buffer, "abcd"));
    assert_false(scim_buffer_append_char(&buffer, 'e'));
    assert_true(scim_buffer_failed(&buffer));
    assert_false(scim_buffer_append(&buffer, "", 0));
    assert_null(scim_buffer_take(&buffer, NULL));
    scim_buffer_reset(&buffer);
    assert_false(scim_buffer_failed(&buffer));
    assert_true(scim_buffer_append_text(&buffer, "xy"));
    assert_string_equal(buffer.data, "xy");
    assert_false(scim_buffer_printf(&buffer, "%s", "long"));
    assert_false(scim_buffer_reserve(&buffer, SIZE_MAX));
    scim_buffer_free(&buffer);
}


static void
every_length_up_to_the_maximum_fits(void **state)
{
    char          text[301] = { 0 };
    scim_buffer_t buffer;

    (void) state;
    memset(text, 'x', 300);
    for (size_t len = 0; len <= 300; len++) {
        scim_buffer_init(&buffer, 300);
        assert_true(scim_buffer_printf(&buffer, "%.*s", (int) len, text));
        assert_true(scim_buffer_append(&buffer, text, 300 - len));
        assert_int_equal(buffer.len, 300);
        assert_string_equal(buffer.data, text);
        assert_false(scim_buffer_append_char(&buffer, 'x'));
        scim_buffer_free(&buffer);
    }
}


static void
an_arena_gives_zeroed_aligned_memory(void **state)
{
    scim_arena_t arena = { 0 };

    (void) state;
    for (size_t size = 0; size < 5000; size += 37) {
        unsigned char *bytes = scim_arena_alloc(&arena, size);

        assert_non_null(bytes);
        assert_int_equal((uintptr_t) bytes % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(bytes[i], 0);
        }
        memset(bytes, 0xff, size);
    }
    assert_string_equal(scim_arena_copy(&arena, "abc", 2), "ab");
    assert_false(arena.failed);
    scim_arena_free(&arena);
}


static void
an_arena_without_memory_says_so(void **state)
{
    scim_arena_t arena = { 0 };

    (void) state;
    assert_null(scim_arena_alloc(&arena, SIZE_MAX - 8));
    assert_true(arena.failed);
    scim_arena_free(&arena);
}


/* ---- errors ---- */

static void
an_error_holds_printable_text_of_bounded_length(void **state)
{
    char         text[1000];
    scim_error_t error = { 0 };

    (void) state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(scim_error_set(&error, 400, SCIM_ERROR_INVALID_PATH,
        "a\nb\xff\x7f%s", "\xc3\xa4"));
    assert_string_equal(error.detail, "a?b????");
    assert_false(scim_error_set(&error, 400, SCIM_ERROR_NONE, "%s", text));
    assert_int_equal(strlen(error.detail), sizeof(error.detail) - 1);
    assert_false(scim_error_set(NULL, 400, SCIM_ERROR_NONE, "x"));
}


static void
an_error_is_shown_as_the_rfc_says(void **state)
{
    scim_buffer_t out;
    scim_error_t  error = { 0 };

    (void) state;
    scim_buffer_init(&out, 4096);
    scim_error_set(&error, 409, SCIM_ERROR_UNIQUENESS, "\"%s\" is taken", "a");
    scim_error_render(&error, &out);
    assert_string_equal(out.data, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:Error\"],\"status\":\"409\",\"scimType\":\"uniqueness\","
        "\"detail\":\"\\\"a\\\" is taken\"}");
    scim_buffer_reset(&out);
    error = (scim_error_t) { .status = 404 };
    scim_error_render(&error, &out);
    assert_string_equal(out.data, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:Error\"],\"status\":\"404\"}");
    scim_buffer_free(&out);
}


static void
error_types_have_the_names_of_the_rfcs(void **state)
{
    static const char *const names[] = { "", "invalidFilter", "tooMany",
        "uniqueness", "mutability", "invalidSyntax", "invalidPath",
        "noTarget", "invalidValue", "invalidVers", "sensitive",
        "invalidCursor", "expiredCursor", "invalidCount" };

    (void) state;
    for (int i = SCIM_ERROR_NONE; i <= SCIM_ERROR_INVALID_COUNT; i++) {
        assert_string_equal(scim_error_type_name((scim_error_type_t) i),
            names[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_collected_and_handed_over),
        cmocka_unit_test(the_maximum_is_never_passed_and_failure_stays),
        cmocka_unit_test(every_length_up_to_the_maximum_fits),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(an_arena_without_memory_says_so),
        cmocka_unit_test(an_error_holds_printable_text_of_bounded_length),
        cmocka_unit_test(an_error_is_shown_as_the_rfc_says),
        cmocka_unit_test(error_types_have_the_names_of_the_rfcs)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
