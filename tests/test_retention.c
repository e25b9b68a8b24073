#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Done tasks are bounded by age and number; those that are kept are paged. */
#define WS  "scim:{007}:" HARNESS_WORKSPACE ":"
#define OLD "00000000-0000-7000-8000-%012d" /* made in 1970 */
#define NEW "ffffffff-0000-7000-8000-%012d"
#define DAY 86400
#define OTHERS 3 /* workspaces of the shard */

static redis_harness_t harness;


static int
reset(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    access_expect(&harness, "OK", "token_put", "t", "0", "{}", "", NULL);
    return 0;
}


/* A done task whose record is there for so many seconds, 0 = no more. */
static void
put_done(const char *format, int number, int left)
{
    char id[64];

    snprintf(id, sizeof(id), format, number);
    freeReplyObject(redis_harness_command(&harness, "ZADD " WS "tasks:done 0 "
        "%s", id));
    if (left) {
        freeReplyObject(redis_harness_command(&harness, "HSET " WS "task:%s id"
            " %s app a user u kind invite state done attempts 1", id, id));
        freeReplyObject(redis_harness_command(&harness, "EXPIRE " WS
            "task:%s %d", id, left));
    }
}


static void
trim(const char *count, const char *days)
{
    access_expect(&harness, "OK", "tasks_trim", count, days, NULL);
}


static long long
count_done(void)
{
    return redis_harness_number(&harness, "ZCARD " WS "tasks:done");
}


static long long
count_others(void)
{
    long long count = 0;

    for (int i = 0; i < OTHERS; i++) {
        count += redis_harness_number(&harness,
            "ZCARD scim:{007}:other-%d:tasks:done", i);
    }
    return count;
}


static void
what_expired_is_forgotten(void **state)
{
    (void) state;
    for (int i = 0; i < 1500; i++) {
        put_done(OLD, i, i == 700 ? 6 * DAY : 0);
    }
    put_done(NEW, 1, 7 * DAY);
    trim("100000", "7");
    assert_int_equal(count_done(), 502); /* a bit at a time */
    trim("100000", "7");
    assert_int_equal(count_done(), 2);
    trim("100000", "7");
    assert_int_equal(count_done(), 2); /* both can be looked at still */
}


/* Many tenants in a shard do not make one call long; each has its turn. */
static void
all_workspaces_together_are_trimmed_a_bit_at_a_time(void **state)
{
    (void) state;
    for (int i = 0; i < OTHERS; i++) {
        freeReplyObject(redis_harness_command(&harness, "ZADD scim:{007}:"
            "workspaces 0 other-%d", i));
        for (int j = 0; j < 1200; j++) {
            freeReplyObject(redis_harness_command(&harness, "ZADD scim:{007}:"
                "other-%d:tasks:done 0 " OLD, i, j));
        }
    }
    trim("100000", "7");
    assert_int_equal(count_others(), 1600);
    trim("100000", "7");
    assert_int_equal(count_others(), 200);
    trim("100000", "7");
    assert_int_equal(count_others(), 0);
}


static void
what_is_older_than_its_days_goes(void **state)
{
    (void) state;
    put_done(OLD, 1, 7 * DAY - 10);     /* done just now */
    put_done(OLD, 2, 5 * DAY + 10);     /* two days ago, nearly */
    put_done(OLD, 3, 5 * DAY - 10);     /* a little longer */
    trim("100000", "2");
    assert_int_equal(count_done(), 2);
    assert_int_equal(redis_harness_number(&harness, "EXISTS " WS
        "task:00000000-0000-7000-8000-000000000003"), 0);
}


static void
what_is_too_much_goes_from_the_front(void **state)
{
    json_t     *json, *tasks;
    const char *first;

    (void) state;
    for (int i = 0; i < 150; i++) {
        put_done(NEW, i, 7 * DAY);
    }
    trim("100", "7");
    assert_int_equal(count_done(), 100);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/admin/v1/tasks",
        "state=done&limit=60", NULL);
    tasks = json_object_get(json, "tasks");
    assert_int_equal(json_array_size(tasks), 60);
    first = json_string_value(json_object_get(json_array_get(tasks, 0),
        "id"));
    assert_string_equal(first, "ffffffff-0000-7000-8000-000000000050");
    assert_non_null(json_object_get(json, "nextCursor"));
    json_decref(json);
}


/* A page is whole though the ids before it have no record any more. */
static void
pages_go_on_behind_what_expired(void **state)
{
    json_t *json;
    char    cursor[200];

    (void) state;
    for (int i = 0; i < 30; i++) {
        put_done(OLD, i, i % 3 ? 0 : 7 * DAY);
    }
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/admin/v1/tasks",
        "state=done&limit=6", NULL);
    assert_int_equal(json_array_size(json_object_get(json, "tasks")), 6);
    snprintf(cursor, sizeof(cursor), "state=done&limit=6&cursor=%s",
        json_string_value(json_object_get(json, "nextCursor")));
    json_decref(json);
    trim("100000", "7");
    assert_int_equal(count_done(), 10);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/admin/v1/tasks",
        cursor, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "tasks")), 4);
    assert_null(json_object_get(json, "nextCursor"));
    json_decref(json);
}


static int
start(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_expired_is_forgotten, reset),
        cmocka_unit_test_setup(
            all_workspaces_together_are_trimmed_a_bit_at_a_time, reset),
        cmocka_unit_test_setup(what_is_older_than_its_days_goes, reset),
        cmocka_unit_test_setup(what_is_too_much_goes_from_the_front, reset),
        cmocka_unit_test_setup(pages_go_on_behind_what_expired, reset)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
