#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_uuid.h"

/* Groups in groups, against a real Redis. */
static redis_harness_t harness;
static char            user[64]; /* an id */


static json_t *
ask(int status, scim_method_t method, const char *path, const char *query,
    const char *body)
{
    return harness_ask(&harness, status, method, path, query, body);
}


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    harness_user(&harness, "ann", user);
    return 0;
}


static const char *
operation(const char *op, const char *id)
{
    return harness_format("{\"Operations\":[{\"op\":\"%s\",\"path\":"
        "\"members\",\"value\":[{\"value\":\"%s\"}]}]}", op, id);
}


static void
change(int status, const char *group, const char *op, const char *member)
{
    json_decref(ask(status, SCIM_METHOD_PATCH, harness_format("/Groups/%s",
        group), NULL, operation(op, member)));
}


static void
delete_group(const char *group)
{
    json_decref(ask(204, SCIM_METHOD_DELETE, harness_format("/Groups/%s",
        group), NULL, NULL));
}


/* "A:direct B:indirect": a user's groups by name, as they are shown */
static const char *
groups_of(const char *id)
{
    size_t  i;
    char    text[2048] = "";
    json_t *group, *json = ask(200, SCIM_METHOD_GET, harness_format(
        "/Users/%s", id), NULL, NULL);

    json_array_foreach(json_object_get(json, "groups"), i, group) {
        assert_string_equal(harness_text(group, "$ref"), harness_format(
            "https://h/scim/v2/Groups/%s", harness_text(group, "value")));
        strcat(text, i ? " " : "");
        strcat(text, harness_text(group, "display"));
        strcat(text, ":");
        strcat(text, harness_text(group, "type"));
    }
    json_decref(json);
    return harness_format("%s", text);
}


/* ---- what a user shows ---- */

static void
a_user_is_in_groups_directly_and_by_others(void **state)
{
    char a[64], b[64], c[64];

    (void) state;
    harness_group(&harness, "C", user, NULL, c);
    assert_string_equal(groups_of(user), "C:direct");
    harness_group(&harness, "B", c, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    assert_string_equal(groups_of(user), "C:direct B:indirect A:indirect");
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"attributes\":[\"displayName\"],\"members\":{\"add\":[\"%s\"],"
        "\"remove\":[],\"groups\":[\"%s\"]}}", b, b));
    /* both ways: it is shown once, as direct */
    change(204, a, "add", user);
    assert_string_equal(groups_of(user), "C:direct A:direct B:indirect");
    change(204, a, "remove", b);
    assert_string_equal(groups_of(user), "C:direct A:direct B:indirect");
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[],\"remove\":[\"%s\"],\"groups\":[\"%s\"]}}",
        b, b));
    change(204, a, "remove", user);
    assert_string_equal(groups_of(user), "C:direct B:indirect");
    delete_group(c);
    assert_string_equal(groups_of(user), "");
}


static void
a_group_that_is_reached_twice_is_shown_once(void **state)
{
    char a[64], left[64], right[64], inner[64];

    (void) state;
    harness_group(&harness, "Inner", user, NULL, inner);
    harness_group(&harness, "Left", inner, NULL, left);
    harness_group(&harness, "Right", inner, NULL, right);
    harness_group(&harness, "A", left, right, a);
    assert_string_equal(groups_of(user), "Inner:direct Left:indirect "
        "Right:indirect A:indirect");
    change(204, a, "remove", left);
    assert_string_equal(groups_of(user), "Inner:direct Left:indirect "
        "Right:indirect A:indirect");
    delete_group(right);
    assert_string_equal(groups_of(user), "Inner:direct Left:indirect");
}


/* ---- circles ---- */

static void
refused(scim_method_t method, const char *path, const char *body,
    const char *named)
{
    json_t   *error;
    long long events = harness_event_count(&harness);

    error = ask(400, method, path, NULL, body);
    assert_string_equal(harness_text(error, "scimType"), "invalidValue");
    assert_non_null(strstr(harness_text(error, "detail"), named));
    json_decref(error);
    assert_int_equal(harness_event_count(&harness), events);
}


static void
a_circle_is_refused_and_nothing_changes(void **state)
{
    char    a[64], b[64], c[64];
    json_t *json;

    (void) state;
    harness_group(&harness, "C", user, NULL, c);
    harness_group(&harness, "B", c, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", c),
        operation("add", a), a);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", c),
        operation("replace", b), b);
    refused(SCIM_METHOD_PUT, harness_format("/Groups/%s", b), harness_format(
        "{\"displayName\":\"New\",\"members\":[{\"value\":\"%s\"},"
        "{\"value\":\"%s\"}]}", user, a), a);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", c),
        operation("add", c), "");
    json = ask(200, SCIM_METHOD_GET, harness_format("/Groups/%s", b), NULL,
        NULL);
    assert_string_equal(harness_text(json, "displayName"), "B");
    assert_string_equal(harness_text(json, "meta.version"), "W/\"1\"");
    assert_string_equal(harness_text(json, "members.0.value"), c);
    assert_int_equal(json_array_size(json_object_get(json, "members")), 1);
    json_decref(json);
    /* once the way back is gone it is no circle */
    change(204, a, "remove", b);
    change(204, c, "add", a);
    assert_string_equal(groups_of(user), "C:direct B:indirect");
}


/* Those that earlier versions stored: whoever reads comes to an end. */
static void
an_old_circle_ends(void **state)
{
    char    a[64], b[64];
    json_t *json;

    (void) state;
    harness_group(&harness, "B", user, NULL, b);
    harness_group(&harness, "A", b, NULL, a);
    redis_harness_number(&harness, "ZADD scim:{007}:acme:group:%s:members 0 "
        "G%s", b, a);
    redis_harness_number(&harness, "ZADD scim:{007}:acme:group:%s:groups 0 "
        "%s", a, b);
    assert_string_equal(groups_of(user), "B:direct A:indirect");
    json = ask(200, SCIM_METHOD_GET, "/Users", harness_format(
        "filter=groups.value%%20eq%%20%%22%s%%22", a), NULL);
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), 1);
    json_decref(json);
    change(204, b, "remove", a);
    assert_string_equal(groups_of(user), "B:direct A:indirect");
}


/* ---- groups that arrive later ---- */

/* The id that a POST of a group makes when `skipped` requests come before. */
static void
id_to_come(int skipped, char *id)
{
    harness_call_t *call;
    int64_t         now = harness.now;

    harness.now += skipped;
    call = harness_call_new(&harness, SCIM_METHOD_POST, "/Groups", NULL, NULL);
    scim_uuid_v7(call->request.now, call->request.random, id);
    harness_call_free(call);
    harness.now = now;
}


static void
an_inner_group_may_arrive_later(void **state)
{
    char outer[64], inner[64], to_come[40];

    (void) state;
    id_to_come(1, to_come);
    harness_group(&harness, "Outer", to_come, NULL, outer);
    harness_group(&harness, "Inner", user, NULL, inner);
    assert_string_equal(inner, to_come);
    assert_string_equal(harness_event(&harness, 0, "id"), outer);
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[\"%s\"],\"remove\":[],\"groups\":[\"%s\"]}}",
        inner, inner));
    assert_string_equal(groups_of(user), "Inner:direct Outer:indirect");
}


static void
a_group_that_closes_a_circle_by_arriving_is_refused(void **state)
{
    char outer[64], to_come[40];

    (void) state;
    id_to_come(1, to_come);
    harness_group(&harness, "Outer", to_come, NULL, outer);
    refused(SCIM_METHOD_POST, "/Groups", harness_format(
        "{\"displayName\":\"Inner\",\"members\":[{\"value\":\"%s\"}]}",
        outer), outer);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:groups"), 1);
}


/* ---- limits ---- */

static void
a_chain_has_sixteen_groups_at_most(void **state)
{
    char first[64], last[64], next[64], other[64], top[64];

    (void) state;
    harness_group(&harness, "1", user, NULL, first);
    strcpy(last, first);
    for (int i = 2; i <= 16; i++) {
        harness_group(&harness, harness_format("%d", i), last, NULL, next);
        strcpy(last, next);
    }
    refused(SCIM_METHOD_POST, "/Groups", harness_format(
        "{\"displayName\":\"17\",\"members\":[{\"value\":\"%s\"}]}", last),
        "16 levels");
    harness_group(&harness, "Below", NULL, NULL, other);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", first),
        operation("add", other), "16 levels");
    /* the longest way counts: 15 above `first`, and the way through `top` */
    harness_group(&harness, "Top", first, NULL, top);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", first),
        operation("add", other), "16 levels");
    change(204, last, "remove", next); /* nothing */
    change(204, top, "add", other);
}


/* `count` empty groups in a group, without asking anybody. */
static void
fill(const char *group, int count)
{
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s %d %s",
        "for i = 1, ARGV[1] do local id = string.format("
        "'0190dada-0000-7000-9000-%012d', i) "
        "redis.call('ZADD', KEYS[1] .. ARGV[2] .. ':members', 0, 'G' .. id) "
        "redis.call('ZADD', KEYS[1] .. id .. ':groups', 0, ARGV[2]) "
        "redis.call('SET', KEYS[1] .. id, string.rep('0', 47) .. '{}') end",
        "scim:{007}:acme:group:", count, group));
}


static void
a_thousand_groups_are_looked_at_at_most(void **state)
{
    char inner[64], outer[64];

    (void) state;
    harness_group(&harness, "Inner", user, NULL, inner);
    harness_group(&harness, "Outer", NULL, NULL, outer);
    fill(inner, 998);
    change(204, outer, "add", inner);
    assert_string_equal(groups_of(user), "Inner:direct Outer:indirect");
    change(204, outer, "remove", inner);
    fill(inner, 999);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", outer),
        operation("add", inner), "1000");
}


/*
 * `layers` of groups, each in all of the layer above, without asking anybody:
 * number i of layer l is lattice_id(l, i), layer 0 is the lowest.
 */
static void
lattice(int layers, int width)
{
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s %d %d",
        "local function id(l, i) return string.format("
        "'0190dada-0000-7000-8%03d-%012d', l, i) end "
        "for l = 0, ARGV[1] - 1 do for i = 0, ARGV[2] - 1 do "
        "redis.call('SET', KEYS[1] .. id(l, i), "
        "string.rep('0000000001', 2) .. string.rep('0', 27) "
        ".. '{\"displayName\":\"L\"}') for j = 0, ARGV[2] - 1 do if l > 0 then "
        "redis.call('ZADD', KEYS[1] .. id(l, i) .. ':members', 0, "
        "'G' .. id(l - 1, j)) "
        "redis.call('ZADD', KEYS[1] .. id(l - 1, j) .. ':groups', 0, "
        "id(l, i)) end end end end",
        "scim:{007}:acme:group:", layers, width));
}


static const char *
lattice_id(int layer, int number)
{
    return harness_format("0190dada-0000-7000-8%03d-%012d", layer, number);
}


/* What one change costs Redis, however it ends. */
static long long
commands_of(int status, const char *group, const char *op, const char *member)
{
    long long before = harness_command_count(&harness);

    change(status, group, op, member);
    return harness_command_count(&harness) - before;
}


/* However many ways there are, each group is read once. */
static void
a_lattice_is_walked_once(void **state)
{
    char outer[64];

    (void) state;
    harness_group(&harness, "Outer", NULL, NULL, outer);
    lattice(10, 12); /* 1296 memberships, 12^9 ways */
    assert_in_range(commands_of(204, outer, "add", lattice_id(5, 0)), 100,
        2000);
    change(204, lattice_id(0, 0), "add", user);
    assert_non_null(strstr(groups_of(user), ":indirect"));
}


/* Of each group below: what is in it, and what it is in. */
static void
a_star_costs_two_commands_a_group(void **state)
{
    char inner[64], outer[64];

    (void) state;
    harness_group(&harness, "Inner", user, NULL, inner);
    harness_group(&harness, "Outer", NULL, NULL, outer);
    fill(inner, 998);
    assert_in_range(commands_of(204, outer, "add", inner), 1996, 2100);
}


/* Groups are few, but the ways between them are many. */
static void
three_thousand_memberships_are_looked_at_at_most(void **state)
{
    char outer[64];

    (void) state;
    harness_group(&harness, "Outer", NULL, NULL, outer);
    lattice(14, 60);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", outer),
        operation("add", lattice_id(13, 0)), "3000 memberships");
    assert_in_range(commands_of(400, outer, "add", lattice_id(13, 0)), 60,
        200);
    assert_in_range(commands_of(400, lattice_id(0, 0), "add", outer), 60,
        4000);
    assert_in_range(commands_of(400, outer, "add", lattice_id(0, 0)), 60,
        4000);
    json_decref(ask(400, SCIM_METHOD_GET, "/Users", harness_format(
        "filter=groups.value%%20eq%%20%%22%s%%22", lattice_id(13, 0)), NULL));
    json_decref(ask(200, SCIM_METHOD_GET, "/Users", harness_format(
        "filter=groups.value%%20eq%%20%%22%s%%22%%20and%%20userName%%20eq"
        "%%20%%22ann%%22", lattice_id(13, 0)), NULL));
    /* what takes away is never refused */
    change(204, lattice_id(13, 0), "remove", lattice_id(12, 0));
}


/* `count` groups that hold a group, without asking anybody. */
static void
put_into(const char *group, int count)
{
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s %d %s",
        "for i = 1, ARGV[1] do local id = string.format("
        "'0190dada-0000-7000-9000-%012d', i) "
        "redis.call('ZADD', KEYS[1] .. id .. ':members', 0, 'G' .. ARGV[2]) "
        "redis.call('ZADD', KEYS[1] .. ARGV[2] .. ':groups', 0, id) "
        "redis.call('SET', KEYS[1] .. id, string.rep('0', 47) .. '{}') end",
        "scim:{007}:acme:group:", count, group));
}


/* What is put in may hold one that is in many others already. */
static void
a_group_is_in_a_thousand_others_at_most(void **state)
{
    char low[64], middle[64], outer[64];

    (void) state;
    harness_group(&harness, "Low", user, NULL, low);
    harness_group(&harness, "Middle", low, NULL, middle);
    harness_group(&harness, "Outer", NULL, NULL, outer);
    put_into(low, 998);
    refused(SCIM_METHOD_PATCH, harness_format("/Groups/%s", outer),
        operation("add", middle), "1000");
    freeReplyObject(redis_harness_command(&harness, "ZREM scim:{007}:acme:"
        "group:0190dada-0000-7000-9000-%s:members G%s", "000000000001", low));
    change(204, outer, "add", middle);
    put_into(low, 2000);
    assert_in_range(commands_of(400, low, "add", outer), 1000, 3100);
}


/* ---- filters ---- */

static long long
total_of(const char *filter, const char *more)
{
    long long total;
    json_t   *json = ask(200, SCIM_METHOD_GET, "/Users", harness_format(
        "filter=%s%s", filter, more), NULL);

    total = json_integer_value(json_object_get(json, "totalResults"));
    json_decref(json);
    return total;
}


static void
a_filter_finds_who_is_in_by_other_groups(void **state)
{
    char    ids[5][64], a[64], b[64], c[64], filter[256];
    size_t  i;
    json_t *json, *item;

    (void) state;
    for (int j = 0; j < 5; j++) {
        harness_user(&harness, harness_format("u%d", j), ids[j]);
    }
    harness_group(&harness, "C", ids[0], ids[1], c);
    harness_group(&harness, "B", ids[1], ids[2], b);
    harness_group(&harness, "A", ids[3], ids[1], a);
    change(204, b, "add", c);
    change(204, a, "add", b);
    snprintf(filter, sizeof(filter), "groups.value%%20eq%%20%%22%s%%22", a);
    assert_int_equal(total_of(filter, ""), 4);
    assert_int_equal(total_of(filter, "&count=0"), 4);
    /* the same by looking at everybody */
    assert_int_equal(total_of(harness_format("not%%20(not%%20(%s))", filter),
        ""), 4);
    assert_int_equal(total_of(harness_format("%s%%20and%%20userName%%20sw"
        "%%20%%22u%%22", filter), ""), 4);
    assert_int_equal(total_of(harness_format("%s%%20or%%20userName%%20eq"
        "%%20%%22u4%%22", filter), ""), 5);
    assert_int_equal(total_of(harness_format("groups%%5Bvalue%%20eq%%20%%22%s"
        "%%22%%20and%%20type%%20eq%%20%%22indirect%%22%%5D", a), ""), 2);
    snprintf(filter, sizeof(filter), "groups.value%%20eq%%20%%22%s%%22", c);
    assert_int_equal(total_of(filter, ""), 2);

    snprintf(filter, sizeof(filter), "groups.value%%20eq%%20%%22%s%%22", a);
    json = ask(200, SCIM_METHOD_GET, "/Users", harness_format(
        "filter=%s&startIndex=2&count=2", filter), NULL);
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), 4);
    json_array_foreach(json_object_get(json, "Resources"), i, item) {
        assert_string_equal(harness_text(item, "id"), ids[i + 1]);
    }
    assert_int_equal(i, 2);
    json_decref(json);
}


/* A walk that begins before a group is put in, and one that ends after it. */
static void
a_walk_shows_everybody_once(void **state)
{
    char        ids[4][64], a[64], b[64], seen[2048] = "", next[512] = "";
    json_t     *json;
    const char *cursor;

    (void) state;
    for (int i = 0; i < 4; i++) {
        harness_user(&harness, harness_format("u%d", i), ids[i]);
    }
    harness_group(&harness, "A", ids[0], ids[1], a);
    change(204, a, "add", ids[3]);
    harness_group(&harness, "B", ids[0], ids[2], b);
    for (int page = 0; page < 6; page++) {
        json = ask(200, SCIM_METHOD_GET, "/Users", harness_format(
            "filter=groups.value%%20eq%%20%%22%s%%22&count=1&cursor=%s", a,
            next), NULL);
        strcat(seen, harness_text(json, "Resources.0.userName"));
        cursor = harness_text(json, "nextCursor");
        snprintf(next, sizeof(next), "%s", cursor);
        json_decref(json);
        if (page == 0) {
            change(204, a, "add", b);
        } else if (page == 2) {
            change(204, a, "remove", b);
        }
        if (*next == '\0') {
            break;
        }
    }
    assert_string_equal(seen, "u0u1u2u3");
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


#define NESTING_TEST(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        NESTING_TEST(a_user_is_in_groups_directly_and_by_others),
        NESTING_TEST(a_group_that_is_reached_twice_is_shown_once),
        NESTING_TEST(a_circle_is_refused_and_nothing_changes),
        NESTING_TEST(an_old_circle_ends),
        NESTING_TEST(an_inner_group_may_arrive_later),
        NESTING_TEST(a_group_that_closes_a_circle_by_arriving_is_refused),
        NESTING_TEST(a_chain_has_sixteen_groups_at_most),
        NESTING_TEST(a_thousand_groups_are_looked_at_at_most),
        NESTING_TEST(a_lattice_is_walked_once),
        NESTING_TEST(a_star_costs_two_commands_a_group),
        NESTING_TEST(three_thousand_memberships_are_looked_at_at_most),
        NESTING_TEST(a_group_is_in_a_thousand_others_at_most),
        NESTING_TEST(a_filter_finds_who_is_in_by_other_groups),
        NESTING_TEST(a_walk_shows_everybody_once),
    };

    return cmocka_run_group_tests_name("nesting", tests, start, stop);
}
