#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app_cache.h"

/* A stored record; the next call overwrites it. */
static const char *
record(int version, int id)
{
    static char text[512];

    snprintf(text, sizeof(text), "%010d{\"id\":\"app-%d\",\"name\":\"App\","
        "\"accessRoles\":[\"member\"],\"defaultAccessRole\":\"member\","
        "\"connector\":{\"type\":\"manual\"}}", version, id);
    return text;
}


static const scim_app_t *
read_app(app_cache_t *cache, const char *text)
{
    return app_cache_read(cache, text, strlen(text));
}


static void
the_same_text_is_read_once(void **state)
{
    const scim_app_t *first, *second;
    app_cache_t      *cache = app_cache_new();

    (void) state;
    assert_non_null(cache);
    first = read_app(cache, record(1, 1));
    assert_non_null(first);
    assert_string_equal(first->id, "app-1");
    second = read_app(cache, record(1, 1));
    assert_ptr_equal(second, first);
    app_cache_release(cache, first);
    app_cache_release(cache, second);
    app_cache_free(cache);
}


static void
another_version_is_another_definition(void **state)
{
    const scim_app_t *old, *new;
    app_cache_t      *cache = app_cache_new();

    (void) state;
    old = read_app(cache, record(1, 1));
    new = read_app(cache, record(2, 1));
    assert_non_null(new);
    assert_ptr_not_equal(old, new);
    app_cache_release(cache, old);
    app_cache_release(cache, new);
    app_cache_free(cache);
}


static void
damaged_records_are_none(void **state)
{
    app_cache_t *cache = app_cache_new();

    (void) state;
    assert_null(read_app(cache, ""));
    assert_null(read_app(cache, "0000000001"));
    assert_null(read_app(cache, "0000000001{\"id\":"));
    app_cache_free(cache);
}


static void
what_is_lent_stays_however_many_come(void **state)
{
    const scim_app_t *lent, *other;
    app_cache_t      *cache = app_cache_new();

    (void) state;
    lent = read_app(cache, record(1, 0));
    assert_non_null(lent);
    for (int i = 1; i <= 3 * APP_CACHE_MAX; i++) {
        other = read_app(cache, record(1, i));
        assert_non_null(other);
        app_cache_release(cache, other);
    }
    assert_string_equal(lent->id, "app-0");
    other = read_app(cache, record(1, 0));
    assert_ptr_equal(other, lent);
    app_cache_release(cache, other);
    app_cache_release(cache, lent);
    app_cache_free(cache);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_read_once),
        cmocka_unit_test(another_version_is_another_definition),
        cmocka_unit_test(damaged_records_are_none),
        cmocka_unit_test(what_is_lent_stays_however_many_come)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
