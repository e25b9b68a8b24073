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

/* Groups and their members, against a real Redis. */
static redis_harness_t harness;
static char            users[4][64]; /* paths */


static json_t *
ask(int status, scim_method_t method, const char *path, const char *query,
    const char *body)
{
    return harness_ask(&harness, status, method, path, query, body);
}


static void
tell(int status, scim_method_t method, const char *path, const char *body)
{
    json_decref(ask(status, method, path, NULL, body));
}


static const char *
id_of(int user)
{
    return harness_id(users[user]);
}


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    for (int i = 0; i < 4; i++) {
        harness_create(&harness, "/Users", harness_format(
            "{\"userName\":\"u%d\"}", i), users[i]);
    }
    return 0;
}


static const char *
member_operation(const char *op, const char *id)
{
    return harness_format("{\"Operations\":[{\"op\":\"%s\",\"path\":"
        "\"members\",\"value\":[{\"value\":\"%s\"}]}]}", op, id);
}


/* ids of a group's members, sorted as Redis has them, joined by spaces */
static const char *
members_of(const char *group)
{
    size_t  i;
    char    text[2048] = "";
    json_t *member, *json = ask(200, SCIM_METHOD_GET, group, NULL, NULL);

    json_array_foreach(json_object_get(json, "members"), i, member) {
        strcat(text, i ? " " : "");
        strcat(text, harness_text(member, "value"));
    }
    json_decref(json);
    return harness_format("%s", text);
}


static const char *
version_of(const char *path)
{
    json_t     *json = ask(200, SCIM_METHOD_GET, path, NULL, NULL);
    const char *version = harness_format("%s",
        harness_text(json, "meta.version"));

    json_decref(json);
    return version;
}


static void
make_group(const char *name, const char *members, char *path)
{
    harness_create(&harness, "/Groups", harness_format(
        "{\"displayName\":\"%s\",\"members\":[%s]}", name, members), path);
}


static const char *
value(int user)
{
    return harness_format("{\"value\":\"%s\"}", id_of(user));
}


/* ---- who is in ---- */

static void
a_group_shows_its_members_and_they_show_it(void **state)
{
    char    group[64];
    json_t *json;

    (void) state;
    make_group("Ads", harness_format("%s,%s", value(0), value(1)), group);
    json = ask(200, SCIM_METHOD_GET, group, NULL, NULL);
    assert_string_equal(harness_text(json, "members.0.value"), id_of(0));
    assert_string_equal(harness_text(json, "members.0.type"), "User");
    assert_string_equal(harness_text(json, "members.1.$ref"),
        harness_format("https://h/scim/v2%s", users[1]));
    json_decref(json);
    json = ask(200, SCIM_METHOD_GET, users[0], NULL, NULL);
    assert_string_equal(harness_text(json, "groups.0.value"),
        harness_id(group));
    assert_string_equal(harness_text(json, "groups.0.display"), "Ads");
    assert_string_equal(harness_text(json, "groups.0.type"), "direct");
    /* the user's own version stands for the user alone */
    assert_string_equal(harness_text(json, "meta.version"), "W/\"1\"");
    json_decref(json);
    tell(204, SCIM_METHOD_PATCH, group, "{\"Operations\":[{\"op\":\"replace\","
        "\"value\":{\"displayName\":\"Ads \\\"2\\\"\"}}]}");
    json = ask(200, SCIM_METHOD_GET, users[0], NULL, NULL);
    assert_string_equal(harness_text(json, "groups.0.display"), "Ads \"2\"");
    json_decref(json);
}


static void
a_delta_changes_what_it_names(void **state)
{
    char group[64];

    (void) state;
    make_group("Ads", harness_format("%s,%s", value(0), value(1)), group);
    tell(204, SCIM_METHOD_PATCH, group, member_operation("add", id_of(2)));
    assert_string_equal(harness_event(&harness, 0, "op"), "group.members");
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[\"%s\"],\"remove\":[]}}", id_of(2)));
    assert_string_equal(harness_event(&harness, 0, "v"), "2");
    tell(204, SCIM_METHOD_PATCH, group, member_operation("Remove", id_of(0)));
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[],\"remove\":[\"%s\"]}}", id_of(0)));
    assert_string_equal(members_of(group), harness_format("%s %s", id_of(1),
        id_of(2)));
    assert_string_equal(version_of(group), "W/\"3\"");

    tell(204, SCIM_METHOD_PATCH, group, harness_format("{\"Operations\":["
        "{\"op\":\"remove\",\"path\":\"members[value eq \\\"%s\\\"]\"},"
        "{\"op\":\"add\",\"path\":\"members\",\"value\":[%s]}]}", id_of(1),
        value(3)));
    assert_string_equal(members_of(group), harness_format("%s %s", id_of(2),
        id_of(3)));
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[\"%s\"],\"remove\":[\"%s\"]}}", id_of(3),
        id_of(1)));
}


static void
a_delta_without_effect_leaves_no_trace(void **state)
{
    char      group[64];
    long long events;

    (void) state;
    make_group("Ads", value(0), group);
    events = harness_event_count(&harness);
    tell(204, SCIM_METHOD_PATCH, group, member_operation("add", id_of(0)));
    tell(204, SCIM_METHOD_PATCH, group, member_operation("remove", id_of(1)));
    tell(204, SCIM_METHOD_PATCH, group, member_operation("replace",
        id_of(0)));
    tell(200, SCIM_METHOD_PUT, group, harness_format(
        "{\"displayName\":\"Ads\",\"members\":[%s]}", value(0)));
    assert_int_equal(harness_event_count(&harness), events);
    assert_string_equal(version_of(group), "W/\"1\"");
}


static void
a_rename_with_members_is_one_change(void **state)
{
    char      group[64];
    long long events;

    (void) state;
    make_group("Ads", value(0), group);
    events = harness_event_count(&harness);
    tell(204, SCIM_METHOD_PATCH, group, harness_format("{\"Operations\":["
        "{\"op\":\"replace\",\"path\":\"displayName\",\"value\":\"Paid\"},"
        "{\"op\":\"add\",\"path\":\"members\",\"value\":[%s]}]}", value(1)));
    assert_int_equal(harness_event_count(&harness), events + 1);
    assert_string_equal(harness_event(&harness, 0, "op"), "group.patched");
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"attributes\":[\"displayName\"],\"members\":{\"add\":[\"%s\"],"
        "\"remove\":[]}}", id_of(1)));
    assert_string_equal(version_of(group), "W/\"2\"");
}


static void
a_replaced_list_is_exactly_that_list(void **state)
{
    char    group[64];
    json_t *json;

    (void) state;
    make_group("Ads", harness_format("%s,%s", value(0), value(1)), group);
    json = ask(200, SCIM_METHOD_PUT, group, NULL, harness_format(
        "{\"displayName\":\"Ads\",\"members\":[%s,%s]}", value(1), value(2)));
    assert_string_equal(harness_text(json, "members.1.value"), id_of(2));
    assert_int_equal(json_array_size(json_object_get(json, "members")), 2);
    json_decref(json);
    assert_string_equal(harness_event(&harness, 0, "data"), harness_format(
        "{\"members\":{\"add\":[\"%s\"],\"remove\":[\"%s\"]}}", id_of(2),
        id_of(0)));
    /* a PUT that does not name members keeps them */
    tell(200, SCIM_METHOD_PUT, group, "{\"displayName\":\"Ads 3\"}");
    assert_string_equal(members_of(group), harness_format("%s %s", id_of(1),
        id_of(2)));
    tell(204, SCIM_METHOD_PATCH, group, "{\"Operations\":[{\"op\":\"replace\","
        "\"path\":\"members\",\"value\":[]}]}");
    assert_string_equal(members_of(group), "");
    json = ask(200, SCIM_METHOD_GET, users[1], NULL, NULL);
    assert_null(json_object_get(json, "groups"));
    json_decref(json);
}


static void
group_names_are_unique(void **state)
{
    char group[64], other[64];

    (void) state;
    make_group("Ads", "", group);
    tell(409, SCIM_METHOD_POST, "/Groups", "{\"displayName\":\"ADS\"}");
    make_group("Sales", "", other);
    tell(409, SCIM_METHOD_PATCH, other, "{\"Operations\":[{\"op\":\"replace\","
        "\"value\":{\"displayName\":\"aDs\"}}]}");
    tell(204, SCIM_METHOD_DELETE, group, NULL);
    tell(204, SCIM_METHOD_PATCH, other, "{\"Operations\":[{\"op\":\"replace\","
        "\"value\":{\"displayName\":\"Ads\"}}]}");
}


/* ---- who leaves ---- */

static void
a_deleted_user_leaves_all_groups(void **state)
{
    char a[64], b[64];

    (void) state;
    make_group("A", harness_format("%s,%s", value(0), value(1)), a);
    make_group("B", value(0), b);
    tell(204, SCIM_METHOD_DELETE, users[0], NULL);
    assert_string_equal(members_of(a), id_of(1));
    assert_string_equal(members_of(b), "");
    assert_string_equal(version_of(a), "W/\"2\"");
    assert_string_equal(version_of(b), "W/\"2\"");
    /* the user's end comes first, then one event for each group */
    assert_string_equal(harness_event(&harness, 2, "op"), "user.deleted");
    assert_string_equal(harness_event(&harness, 1, "op"), "group.members");
    assert_string_equal(harness_event(&harness, 0, "op"), "group.members");
    assert_string_equal(harness_event(&harness, 0, "v"), "2");
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:user:%s:groups", id_of(0)), 0);
}


static void
a_deleted_group_leaves_its_people(void **state)
{
    char    group[64];
    json_t *json;

    (void) state;
    make_group("Ads", value(0), group);
    tell(204, SCIM_METHOD_DELETE, group, NULL);
    tell(404, SCIM_METHOD_GET, group, NULL);
    json = ask(200, SCIM_METHOD_GET, users[0], NULL, NULL);
    assert_null(json_object_get(json, "groups"));
    json_decref(json);
    make_group("Ads", value(0), group);
    assert_string_equal(members_of(group), id_of(0));
}


static void
a_deactivated_member_stays(void **state)
{
    char group[64];

    (void) state;
    make_group("Ads", value(0), group);
    tell(200, SCIM_METHOD_PATCH, users[0], "{\"Operations\":[{\"op\":"
        "\"replace\",\"value\":{\"active\":false}}]}");
    assert_string_equal(members_of(group), id_of(0));
    assert_string_equal(version_of(group), "W/\"1\"");
}


/* ---- groups in groups ---- */

static void
a_group_can_hold_groups_but_not_itself(void **state)
{
    char    inner[64], outer[64];
    json_t *json;

    (void) state;
    make_group("Inner", value(0), inner);
    make_group("Outer", harness_format("{\"value\":\"%s\"},%s",
        harness_id(inner), value(1)), outer);
    json = ask(200, SCIM_METHOD_GET, outer, NULL, NULL);
    assert_string_equal(harness_text(json, "members.0.type"), "Group");
    assert_string_equal(harness_text(json, "members.0.$ref"),
        harness_format("https://h/scim/v2%s", inner));
    assert_string_equal(harness_text(json, "members.1.type"), "User");
    json_decref(json);
    json = ask(400, SCIM_METHOD_PATCH, outer, NULL, member_operation("add",
        harness_id(outer)));
    assert_string_equal(harness_text(json, "scimType"), "invalidValue");
    json_decref(json);
    tell(204, SCIM_METHOD_DELETE, inner, NULL);
    assert_string_equal(members_of(outer), id_of(1));
    assert_string_equal(harness_event(&harness, 0, "op"), "group.members");
    assert_string_equal(harness_event(&harness, 1, "op"), "group.deleted");
}


/* ---- parked members ---- */

/* The id that the next POST will make. */
static void
next_id(char *id)
{
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_POST,
        "/Users", NULL, NULL);

    harness.now = call->request.now;
    scim_uuid_v7(call->request.now, call->request.random, id);
    harness_call_free(call);
}


static void
a_parked_member_is_attached_when_it_arrives(void **state)
{
    char      group[64], path[64], id[40], next[40];
    long long events;

    (void) state;
    next_id(next);
    harness.now++; /* the group takes that one */
    next_id(id);
    harness.now--;
    make_group("Ads", harness_format("{\"value\":\"%s\"},%s", id, value(0)),
        group);
    assert_string_equal(members_of(group), id_of(0));
    assert_null(strstr(harness_event(&harness, 0, "data"), id));
    events = harness_event_count(&harness);
    harness.now--; /* members_of() took one */
    harness_create(&harness, "/Users", "{\"userName\":\"late\"}", path);
    assert_string_equal(harness_id(path), id);
    assert_int_equal(harness_event_count(&harness), events + 2);
    assert_string_equal(harness_event(&harness, 1, "op"), "user.created");
    assert_string_equal(harness_event(&harness, 0, "op"), "group.members");
    assert_string_equal(harness_event(&harness, 0, "v"), "2");
    assert_string_equal(members_of(group), harness_format("%s %s", id_of(0),
        id));
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:parked:%s", id), 0);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:group:%s:parked", harness_id(group)), 0);
}


static void
a_parked_member_can_be_removed(void **state)
{
    char        group[64];
    long long   events;
    const char *id = "0190dada-0000-7000-8000-00000000bbbb";

    (void) state;
    make_group("Ads", "", group);
    events = harness_event_count(&harness);
    tell(204, SCIM_METHOD_PATCH, group, member_operation("add", id));
    tell(204, SCIM_METHOD_PATCH, group, member_operation("add", id));
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:group:%s:parked", harness_id(group)), 1);
    tell(204, SCIM_METHOD_PATCH, group, member_operation("remove", id));
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:group:%s:parked", harness_id(group)), 0);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:parked:%s", id), 0);
    tell(204, SCIM_METHOD_PATCH, group, member_operation("add", id));
    tell(204, SCIM_METHOD_PATCH, group, member_operation("replace",
        id_of(0)));
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:acme:parked:%s", id), 0);
    /* nothing of it was to be seen but the last */
    assert_int_equal(harness_event_count(&harness), events + 1);
}


/* ---- size ---- */

static void
fill(const char *group, int count)
{
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s %d",
        "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 0, string.format("
        "'U0190dada-0000-7000-9000-%012d', i)) end",
        harness_format("scim:{007}:acme:group:%s:members",
            harness_id(group)), count));
}


static long long
commands_of(const char *group, const char *body)
{
    long long before = harness_command_count(&harness);

    tell(204, SCIM_METHOD_PATCH, group, body);
    return harness_command_count(&harness) - before;
}


static void
a_change_costs_the_same_in_a_large_group(void **state)
{
    char small[64], large[64];

    (void) state;
    make_group("Small", value(0), small);
    make_group("Large", value(0), large);
    fill(large, 100000);
    assert_int_equal(commands_of(small, member_operation("add", id_of(1))),
        commands_of(large, member_operation("add", id_of(2))));
    assert_int_equal(commands_of(small, member_operation("remove", id_of(0))),
        commands_of(large, member_operation("remove", id_of(0))));
}


/* How often Redis was asked to free a key beside the requests, not in them. */
static long long
unlinks(void)
{
    redisReply *reply = redis_harness_command(&harness, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_unlink:calls=");
    long long   count = at ? atoll(strchr(at, '=') + 1) : 0;

    freeReplyObject(reply);
    return count;
}


static void
a_large_group_is_emptied_at_once(void **state)
{
    char      small[64], large[64], two[512];
    long long before, of_small, of_large;

    (void) state;
    snprintf(two, sizeof(two), "{\"Operations\":[{\"op\":\"replace\","
        "\"path\":\"members\",\"value\":[%s,%s]}]}", value(1), value(2));
    make_group("Small", harness_format("%s,%s", value(0), value(1)), small);
    make_group("Large", harness_format("%s,%s", value(0), value(1)), large);
    fill(small, 2000);
    fill(large, 100000);
    before = unlinks();
    of_small = commands_of(small, two);
    of_large = commands_of(large, two);
    /* one may be the first group of a user */
    assert_in_range(of_large, of_small - 1, of_small + 1);
    assert_int_equal(unlinks(), before + 2);
    assert_string_equal(members_of(large), harness_format("%s %s", id_of(1),
        id_of(2)));
    assert_string_equal(harness_event(&harness, 0, "data"),
        "{\"members\":{\"all\":true}}");
    fill(large, 100000);
    tell(204, SCIM_METHOD_DELETE, large, NULL);
    assert_true(unlinks() > before + 2);
}


static void
a_large_group_is_shown_whole_or_not_loaded(void **state)
{
    char            group[64];
    json_t         *json, *list;
    harness_call_t *call;

    (void) state;
    make_group("Large", value(0), group);
    fill(group, 2500);
    json = ask(200, SCIM_METHOD_GET, group, NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "members")), 2501);
    list = ask(200, SCIM_METHOD_GET, "/Groups", NULL, NULL);
    assert_true(json_equal(json,
        json_array_get(json_object_get(list, "Resources"), 0)));
    json_decref(list);
    json_decref(json);

    call = harness_expect(&harness, 200, SCIM_METHOD_GET, group,
        "excludedAttributes=members", NULL);
    assert_int_equal(call->commands, 1);
    assert_string_equal(call->operation->command.argv[0], "GET");
    json = harness_json(call);
    assert_null(json_object_get(json, "members"));
    assert_string_equal(harness_text(json, "displayName"), "Large");
    json_decref(json);
    harness_call_free(call);
}


static void
five_thousand_members_are_one_change(void **state)
{
    char          group[64];
    scim_buffer_t body;

    (void) state;
    make_group("Ads", "", group);
    scim_buffer_init(&body, 1 << 20);
    scim_buffer_append_text(&body, "{\"Operations\":[{\"op\":\"add\","
                                   "\"path\":\"members\",\"value\":[");
    for (int i = 0; i < 5000; i++) {
        scim_buffer_printf(&body, "%s{\"value\":\"0190dada-0000-7000-9000-"
                                  "%012d\"}", i ? "," : "", i);
    }
    scim_buffer_append_text(&body, "]}]}");
    freeReplyObject(redis_harness_command(&harness, "EVAL %s 1 %s",
        "for i = 0, 4999 do redis.call('SET', KEYS[1] .. string.format("
        "'0190dada-0000-7000-9000-%012d', i), string.rep('0', 47) .. '{}') "
        "end", "scim:{007}:acme:user:"));
    tell(204, SCIM_METHOD_PATCH, group, body.data);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:group:%s:members", harness_id(group)), 5000);
    assert_string_equal(harness_event(&harness, 0, "data"),
        "{\"members\":{\"all\":true}}");
    assert_string_equal(harness_event(&harness, 0, "v"), "2");
    scim_buffer_free(&body);
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


#define MEMBERS_TEST(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        MEMBERS_TEST(a_group_shows_its_members_and_they_show_it),
        MEMBERS_TEST(a_delta_changes_what_it_names),
        MEMBERS_TEST(a_delta_without_effect_leaves_no_trace),
        MEMBERS_TEST(a_rename_with_members_is_one_change),
        MEMBERS_TEST(a_replaced_list_is_exactly_that_list),
        MEMBERS_TEST(group_names_are_unique),
        MEMBERS_TEST(a_deleted_user_leaves_all_groups),
        MEMBERS_TEST(a_deleted_group_leaves_its_people),
        MEMBERS_TEST(a_deactivated_member_stays),
        MEMBERS_TEST(a_group_can_hold_groups_but_not_itself),
        MEMBERS_TEST(a_parked_member_is_attached_when_it_arrives),
        MEMBERS_TEST(a_parked_member_can_be_removed),
        MEMBERS_TEST(a_change_costs_the_same_in_a_large_group),
        MEMBERS_TEST(a_large_group_is_emptied_at_once),
        MEMBERS_TEST(a_large_group_is_shown_whole_or_not_loaded),
        MEMBERS_TEST(five_thousand_members_are_one_change),
    };

    return cmocka_run_group_tests_name("memberships", tests, start, stop);
}
