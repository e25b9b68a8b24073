#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"

/*
 * Pages whose resources have more members or groups than one call of Redis
 * tells, against a real Redis.
 */
#define USERS  40
#define GROUPS 150

static redis_harness_t harness;
static char            user[USERS][64]; /* ids */


/* Everybody is in all groups: 6000 of users' groups. */
static int
fill(void **state)
{
    char   path[64];
    size_t len;
    char   members[USERS * 60];

    (void) state;
    redis_harness_flush(&harness);
    len = 0;
    for (int i = 0; i < USERS; i++) {
        harness_create(&harness, "/Users", harness_format(
            "{\"userName\":\"u%02d\"}", i), path);
        snprintf(user[i], sizeof(user[i]), "%s", harness_id(path));
        len += (size_t) snprintf(members + len, sizeof(members) - len,
            "%s{\"value\":\"%s\"}", i ? "," : "", user[i]);
    }
    for (int i = 0; i < GROUPS; i++) {
        harness_create(&harness, "/Groups", harness_format(
            "{\"displayName\":\"g%03d\",\"members\":[%s]}", i, members),
            path);
    }
    return 0;
}


/* A list of users: how many there are, each with how many groups. */
static void
check_users(const json_t *list, size_t users, size_t groups)
{
    size_t  i, j;
    json_t *resource, *group, *seen;

    assert_int_equal(json_array_size(json_object_get(list, "Resources")),
        users);
    json_array_foreach(json_object_get(list, "Resources"), i, resource) {
        assert_string_equal(harness_text(resource, "userName"),
            harness_format("u%02d", (int) i));
        seen = json_object();
        json_array_foreach(json_object_get(resource, "groups"), j, group) {
            json_object_set_new(seen, harness_text(group, "display"),
                json_true());
        }
        assert_int_equal(json_object_size(seen), groups);
        json_decref(seen);
    }
}


/* Commands that Redis ran in the longest call of the request. */
static long long
longest_call(harness_call_t *call)
{
    long long before, most = 0;

    do {
        before = harness_command_count(&harness);
        harness_call_step(&harness, call);
        before = harness_command_count(&harness) - before;
        most = before > most ? before : most;
    } while (call->step != SCIM_STEP_DONE);
    return most;
}


static void
a_page_of_users_in_many_groups_is_told_in_pieces(void **state)
{
    json_t         *json;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_GET,
        "/Users", "count=100", NULL);

    (void) state;
    /* each group of a user costs two look-ups */
    assert_in_range(longest_call(call), 1000, 4000);
    assert_in_range(call->commands, 5, 20);
    json = harness_json(call);
    check_users(json, USERS, GROUPS);
    json_decref(json);
    harness_call_free(call);
}


static void
without_groups_it_is_one_call(void **state)
{
    harness_call_t *call = harness_expect(&harness, 200, SCIM_METHOD_GET,
        "/Users", "count=100&excludedAttributes=groups", NULL);

    (void) state;
    assert_int_equal(call->commands, 1);
    harness_call_free(call);
}


/* A filter that looks at groups sees all of them. */
static void
a_scan_sees_all_groups(void **state)
{
    json_t *json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/Users",
        "filter=groups.display%20eq%20%22g149%22&attributes=userName", NULL);

    (void) state;
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), USERS);
    json_decref(json);
}


static void
whoever_is_deleted_meanwhile_has_no_groups(void **state)
{
    json_t         *json;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_GET,
        "/Users", "count=100", NULL);

    (void) state;
    while (call->commands < 2) {
        harness_call_step(&harness, call);
    }
    for (int i = 20; i < USERS; i++) {
        json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE,
            harness_format("/Users/%s", user[i]), NULL, NULL));
    }
    harness_call_run(&harness, call);
    json = harness_json(call);
    assert_int_equal(json_array_size(json_object_get(json, "Resources")),
        USERS);
    assert_string_equal(harness_text(json, "Resources.39.userName"), "u39");
    assert_string_equal(harness_text(json, "Resources.39.groups.0.display"),
        "");
    assert_string_equal(harness_text(json, "Resources.19.groups.0.display"),
        "g000");
    json_decref(json);
    harness_call_free(call);
}


/* 15 groups of 1000, not all told by the first call. */
static void
a_page_of_large_groups_is_told_in_pieces(void **state)
{
    size_t          i;
    char            path[64];
    json_t         *json, *group;
    harness_call_t *call;

    (void) state;
    redis_harness_flush(&harness);
    for (i = 0; i < 15; i++) {
        harness_create(&harness, "/Groups", harness_format(
            "{\"displayName\":\"large %d\"}", (int) i), path);
        freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s",
            "for i = 1, 999 do redis.call('ZADD', KEYS[1], 0, string.format("
            "'U0190dada-0000-7000-9000-%012d', i)) end", harness_format(
            "scim:{007}:acme:group:%s:members", harness_id(path))));
    }
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, "/Groups", NULL,
        NULL);
    /* 15000 names, 1000 a command, and a few pages of members */
    assert_in_range(call->commands, 17, 22);
    json = harness_json(call);
    json_array_foreach(json_object_get(json, "Resources"), i, group) {
        assert_int_equal(json_array_size(json_object_get(group, "members")),
            999);
    }
    assert_int_equal(i, 15);
    json_decref(json);
    harness_call_free(call);
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
        cmocka_unit_test_setup(a_page_of_users_in_many_groups_is_told_in_pieces,
            fill),
        cmocka_unit_test(without_groups_it_is_one_call),
        cmocka_unit_test(a_scan_sees_all_groups),
        cmocka_unit_test(whoever_is_deleted_meanwhile_has_no_groups),
        cmocka_unit_test(a_page_of_large_groups_is_told_in_pieces),
    };

    return cmocka_run_group_tests_name("large pages", tests, start, stop);
}
