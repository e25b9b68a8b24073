#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"
#include "scim_embedded.h"

/* Why something was done: which event, which request, which share. */
#define PREFIX "scim:{007}:" HARNESS_WORKSPACE ":"

static redis_harness_t harness;
static char            app[64], user[64];


static int
fresh(void **state)
{
    char    path[64];
    json_t *json;

    (void) state;
    redis_harness_flush(&harness);
    json = harness_ask(&harness, 201, SCIM_METHOD_POST, "/admin/v1/apps",
        NULL, "{\"name\":\"A\",\"accessRoles\":[\"viewer\",\"editor\"],"
        "\"defaultAccessRole\":\"viewer\",\"settleSeconds\":5,"
        "\"connector\":{\"type\":\"manual\",\"instructions\":\"x\"}}");
    snprintf(app, sizeof(app), "%s", harness_text(json, "id"));
    json_decref(json);
    harness_create(&harness, "/Users",
        "{\"userName\":\"ann@example.com\"}", path);
    snprintf(user, sizeof(user), "%s", harness_id(path));
    return 0;
}


static void
share(const char *role)
{
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_PUT, harness_format(
        "/admin/v1/apps/%s/shares/users/%s", app, user), NULL,
        harness_format("{\"role\":\"collaborator\",\"accessRole\":\"%s\"}",
        role)));
}


/* user_sync as the sidecar calls it, made for an event. */
static void
sync_because(const char *txn, const char *op, bool weak, const char *about)
{
    redisReply *reply = redis_harness_command(&harness,
        "FCALL " SCIM_FUNCTION_PREFIX "user_sync 1 scim:{007}:events "
        "%s %s %b 10000 %s", HARNESS_WORKSPACE, harness.dataset,
        harness_format("0\n1-1\n%s\nuser:x\n%s\n%s\n%s\n\nokta", op, txn,
            weak ? "1" : "", about),
        strlen(harness_format("0\n1-1\n%s\nuser:x\n%s\n%s\n%s\n\nokta", op,
            txn, weak ? "1" : "", about)), user);

    if (reply->type != REDIS_REPLY_ARRAY) {
        fail_msg("%s", reply->str);
    }
    freeReplyObject(reply);
}


/* Plans without a further event. */
static void
plan(void)
{
    facts_t    *facts = access_facts(&harness, user);
    redisReply *reply = access_commit(&harness, user, facts, "task");

    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    facts_free(facts);
}


/* A member of the last entry but `from_end`; "" when it has none. */
static const char *
entry(unsigned from_end, const char *name)
{
    const char *text;
    json_t     *json = harness_ask(&harness, 200, SCIM_METHOD_GET,
        "/admin/v1/audit", NULL, NULL);
    size_t      count = json_array_size(json_object_get(json, "entries"));

    assert_true(count > from_end);
    text = harness_format("%s", harness_text(json, harness_format(
        "entries.%zu.%s", count - 1 - from_end, name)));
    json_decref(json);
    return text;
}


static void
the_event_is_in_the_audit_and_in_the_task(void **state)
{
    (void) state;
    share("editor");
    sync_because("r1", "share.put", false, app);
    plan();
    assert_string_equal(entry(0, "to"), "pending");
    assert_string_equal(entry(0, "txn"), "r1");
    assert_string_equal(entry(0, "actor"), "okta");
    assert_string_equal(entry(0, "op"), "share.put");
    assert_string_equal(entry(0, "eventId"), "1-1");
    assert_string_equal(entry(0, "share"), harness_format("user:%s", user));
    assert_string_equal(access_task(&harness, app, user, "txn"), "r1");
}


static void
a_change_of_a_title_explains_nothing_where_something_else_does(void **state)
{
    (void) state;
    share("editor");
    sync_because("title", "user.patched", true, "");
    sync_because("r2", "user.patched", false, "");
    sync_because("later", "user.patched", true, "");
    plan();
    assert_string_equal(entry(0, "txn"), "r2");
}


static void
an_event_about_this_app_comes_before_the_others(void **state)
{
    (void) state;
    share("editor");
    sync_because("mine", "share.put", false, app);
    sync_because("other", "share.put", false, "another-app");
    sync_because("general", "group.members", false, "");
    plan();
    assert_string_equal(entry(0, "txn"), "mine");
}


static void
causes_are_bounded(void **state)
{
    (void) state;
    share("editor");
    for (int i = 0; i < 50; i++) {
        sync_because(harness_format("r%d", i), "group.members", false, "");
    }
    assert_true(redis_harness_number(&harness,
        "HSTRLEN scim:{007}:causes %s", harness_format("%s %s",
        HARNESS_WORKSPACE, user)) < 1000);
    plan();
    assert_string_equal(entry(0, "txn"), "r49");
}


/* A loss that settles is explained by what caused it, by the share lost. */
static void
what_comes_while_a_loss_settles_is_not_its_cause(void **state)
{
    (void) state;
    share("editor");
    sync_because("r1", "share.put", false, app);
    plan();
    access_finish(&harness, app, user, "done", "0");
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE,
        harness_format("/admin/v1/apps/%s/shares/users/%s", app, user), NULL,
        NULL));
    sync_because("loss", "share.deleted", false, app);
    plan();
    sync_because("group", "group.members", false, "");
    plan();
    freeReplyObject(redis_harness_command(&harness, "HSET %s lostAt 1",
        harness_format(PREFIX "grant:%s:%s", app, user)));
    plan();
    assert_string_equal(entry(0, "txn"), "loss");
    assert_string_equal(entry(0, "share"), harness_format("user:%s", user));
}


static void
old_entries_are_forgotten(void **state)
{
    redisReply *reply;

    (void) state;
    for (int i = 1; i <= 300; i++) {
        freeReplyObject(redis_harness_command(&harness,
            "XADD " PREFIX "audit %d-1 to x", i));
    }
    freeReplyObject(redis_harness_command(&harness,
        "ZADD scim:{007}:workspaces 0 " HARNESS_WORKSPACE));
    reply = access_call(&harness, "audit_trim", "100000", "30", NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    /* whole nodes of 100 entries go */
    assert_true(redis_harness_number(&harness, "XLEN " PREFIX "audit")
        <= 100);
    access_expect(&harness, "OK", "audit_trim", "0", "30", NULL);
    assert_true(redis_harness_number(&harness, "XLEN " PREFIX "audit")
        <= 100);
}


static int
begin(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    return 0;
}


static int
end(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_event_is_in_the_audit_and_in_the_task,
            fresh),
        cmocka_unit_test_setup(
            a_change_of_a_title_explains_nothing_where_something_else_does,
            fresh),
        cmocka_unit_test_setup(
            an_event_about_this_app_comes_before_the_others, fresh),
        cmocka_unit_test_setup(causes_are_bounded, fresh),
        cmocka_unit_test_setup(
            what_comes_while_a_loss_settles_is_not_its_cause, fresh),
        cmocka_unit_test_setup(old_entries_are_forgotten, fresh)
    };

    return cmocka_run_group_tests_name("audit", tests, begin, end);
}
