#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Teams of groups in groups, step by step, against a real Redis. */
static redis_harness_t harness;
static char            user[64]; /* an id */


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    harness_user(&harness, "ann", user);
    return 0;
}


static void
change(const char *group, const char *op, const char *member)
{
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_PATCH,
        harness_format("/Groups/%s", group), NULL, harness_format(
        "{\"Operations\":[{\"op\":\"%s\",\"path\":\"members\",\"value\":"
        "[{\"value\":\"%s\"}]}]}", op, member)));
}


/* Makes the teams of a group's own members follow; the groups among them. */
static long long
sync_page(const char *kind, const char *id, char after[128])
{
    long long   groups;
    redisReply *reply = access_call(&harness, "people_sync", "10000", "0",
        kind, id, after, NULL);

    assert_string_equal(redis_reply_code(reply), "OK");
    snprintf(after, 128, "%s", redis_reply_text(reply, 2));
    groups = redis_reply_number(reply, 3);
    freeReplyObject(reply);
    return groups;
}


static long long
team_size(const char *team)
{
    return redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:team:%s:members", team);
}


static void
a_team_has_the_people_of_inner_groups(void **state)
{
    char a[64], b[64], c[64], after[128] = "";

    (void) state;
    harness_group(&harness, "C", user, NULL, c);
    harness_group(&harness, "B", c, NULL, b);
    harness_group(&harness, "A", b, user, a);
    assert_int_equal(sync_page("group", c, after), 0);
    assert_int_equal(team_size(a), 1);
    assert_int_equal(team_size(b), 1);
    assert_int_equal(team_size(c), 1);
    assert_int_equal(sync_page("group", a, after), 1); /* b is to follow */
    /* one way goes, the other one stays */
    change(a, "remove", user);
    sync_page("group", a, after);
    assert_int_equal(team_size(a), 1);
    change(b, "remove", c);
    sync_page("group", c, after);
    assert_int_equal(team_size(a), 0);
    assert_int_equal(team_size(b), 0);
    assert_int_equal(team_size(c), 1);
}


/*
 * Somebody leaves B, and B leaves A: whichever event is looked at first, after
 * both nobody is left in a team.
 */
static void
who_left_before_the_group_did_is_out(void **state)
{
    char a[64], b[64], after[128] = "";

    (void) state;
    harness_group(&harness, "B", user, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    sync_page("group", b, after);
    assert_int_equal(team_size(a), 1);
    change(b, "remove", user);
    change(a, "remove", b);
    access_expect(&harness, "OK", "users_sync", "10000", "0", "", user, NULL);
    assert_int_equal(team_size(b), 0);
    assert_int_equal(team_size(a), 0);
}


static void
a_deleted_group_takes_its_people_out_of_outer_teams(void **state)
{
    char a[64], b[64], after[128] = "";

    (void) state;
    harness_group(&harness, "B", user, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    sync_page("group", b, after);
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE,
        harness_format("/Groups/%s", b), NULL, NULL));
    sync_page("team", b, after);
    assert_int_equal(team_size(a), 0);
    assert_int_equal(team_size(b), 0);
    access_expect(&harness, "OK", "team_sync", b, NULL);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:team:%s", b), 0);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:team:%s", a), 1);
}


static void
who_is_inactive_is_in_no_team(void **state)
{
    char a[64], b[64];

    (void) state;
    harness_group(&harness, "B", user, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    access_expect(&harness, "OK", "user_sync", "10000", user, NULL);
    assert_int_equal(team_size(a), 1);
    for (int active = 0; active < 2; active++) {
        json_decref(harness_ask(&harness, 200, SCIM_METHOD_PATCH,
            harness_format("/Users/%s", user), NULL, harness_format(
            "{\"Operations\":[{\"op\":\"replace\",\"value\":{\"active\":"
            "%s}}]}", active ? "true" : "false")));
        access_expect(&harness, "OK", "user_sync", "10000", user, NULL);
        assert_int_equal(team_size(a), active);
        assert_int_equal(team_size(b), active);
    }
}


/* Many people: pages that each call ends where it had enough. */
static void
a_large_group_is_followed_in_pages(void **state)
{
    int         pages = 0;
    char        a[64], b[64], after[128] = "";
    redisReply *reply;

    (void) state;
    harness_group(&harness, "B", user, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s %s",
        "for i = 1, 999 do local id = string.format("
        "'0190dada-0000-7000-9000-%012d', i) "
        "redis.call('ZADD', KEYS[1] .. 'group:' .. ARGV[1] .. ':members', 0, "
        "'U' .. id) "
        "redis.call('ZADD', KEYS[1] .. 'user:' .. id .. ':groups', 0, ARGV[1])"
        "redis.call('SET', KEYS[1] .. 'user:' .. id, string.rep('0', 47) .. "
        "'{\"active\":true}') end", "scim:{007}:acme:", b));
    do {
        sync_page("group", b, after);
        pages++;
    } while (after[0]);
    assert_int_equal(team_size(a), 1000);
    assert_int_equal(team_size(b), 1000);
    assert_in_range(pages, 10, 20);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:dirty"), 1000);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:user:%s:teams", user), 2);

    /* one moment for all; until it is released nobody is due */
    change(a, "remove", b);
    freeReplyObject(redis_harness_command(&harness, "DEL scim:{007}:dirty"));
    reply = access_call(&harness, "people_sync", "60000", "4000000000000",
        "group", b, "", NULL);
    assert_string_equal(redis_reply_text(reply, 1), "4000000000000");
    freeReplyObject(reply);
    assert_true(team_size(a) < 1000);
    reply = access_call(&harness, "dirty_claim", "10000", "256", NULL);
    assert_int_equal(reply->elements, 3);
    freeReplyObject(reply);
    reply = access_call(&harness, "dirty_release", "4000000000000", "50",
        NULL);
    assert_int_equal(redis_reply_number(reply, 1), 50);
    freeReplyObject(reply);
    reply = access_call(&harness, "dirty_claim", "10000", "256", NULL);
    assert_int_equal(reply->elements, 3 + 2 * 50);
    freeReplyObject(reply);
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


#define TEAMS_TEST(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEAMS_TEST(a_team_has_the_people_of_inner_groups),
        TEAMS_TEST(who_left_before_the_group_did_is_out),
        TEAMS_TEST(a_deleted_group_takes_its_people_out_of_outer_teams),
        TEAMS_TEST(who_is_inactive_is_in_no_team),
        TEAMS_TEST(a_large_group_is_followed_in_pages),
    };

    return cmocka_run_group_tests_name("nested teams", tests, start, stop);
}
