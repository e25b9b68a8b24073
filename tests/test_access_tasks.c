#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "access_harness.h"

/* Tasks as a real Redis keeps them, and what their ends make of grants. */
static redis_harness_t harness;
static char            app[64], user[64];


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    access_app(&harness, "", app);
    access_user(&harness, "ann", user);
    return 0;
}


static const char *
grant(const char *field)
{
    return access_grant(&harness, app, user, field);
}


static void
a_task_runs_once_at_a_time(void **state)
{
    char task[64];

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    snprintf(task, sizeof(task), "%s", grant("task"));
    access_expect(&harness, "OK", "task_claim", task, "one", "30000", NULL);
    access_expect(&harness, "STATE", "task_claim", task, "two", "30000",
        NULL);
    access_expect(&harness, "OK", "task_renew", task, "one", "1", "30000",
        NULL);
    access_expect(&harness, "STATE", "task_renew", task, "two", "1", "30000",
        NULL);
    access_expect(&harness, "STATE", "task_finish", task, "two", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    assert_string_equal(grant("state"), "pending");
    access_expect(&harness, "NOTFOUND", "task_claim", "none", "one", "30000",
        NULL);
}


static const char *
claim_code(const redisReply *reply, size_t at, size_t claim)
{
    assert_true(reply->elements > at);
    assert_int_equal(reply->element[at]->type, REDIS_REPLY_ARRAY);
    if (claim == SIZE_MAX) {
        return redis_reply_code(reply->element[at]);
    }
    assert_true(reply->element[at]->elements > claim);
    return redis_reply_code(reply->element[at]->element[claim]);
}


static void
a_task_is_claimed_as_it_is_committed(void **state)
{
    facts_t    *facts;
    redisReply *reply;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_expect(&harness, "OK", "user_sync", "10000", user, NULL);
    facts = access_facts(&harness, user);
    reply = access_commit_for(&harness, user, facts, "mine", "one");
    assert_string_equal(redis_reply_code(reply), "OK");
    assert_string_equal(claim_code(reply, 2, 0), "OK");
    assert_string_equal(redis_reply_text(reply->element[2]->element[0], 5),
        user);
    freeReplyObject(reply);
    facts_free(facts);
    access_expect(&harness, "STATE", "task_claim", "mine-0", "two", "30000",
        NULL);
    access_expect(&harness, "OK", "task_finish", "mine-0", "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    assert_string_equal(grant("state"), "invited");
}


static void
a_conflict_claims_nothing(void **state)
{
    facts_t    *facts;
    redisReply *reply;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_expect(&harness, "OK", "user_sync", "10000", user, NULL);
    facts = access_facts(&harness, user);
    access_share(&harness, app, user, "owner"); /* not what was planned for */
    reply = access_commit_for(&harness, user, facts, "mine", "one");
    assert_string_equal(redis_reply_code(reply), "CONFLICT");
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    facts_free(facts);
    access_expect(&harness, "NOTFOUND", "task_claim", "mine-0", "one",
        "30000", NULL);
}


/* The place of a task that ends is the next one's, even a lost one's. */
static void
the_end_of_a_task_claims_the_next(void **state)
{
    char        first[64], next[64], other[64];
    redisReply *reply;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_user(&harness, "other@example.com", other);
    access_share(&harness, app, other, "collaborator");
    access_plan(&harness, user);
    access_plan(&harness, other);
    snprintf(first, sizeof(first), "%s", grant("task"));
    snprintf(next, sizeof(next), "%s", access_grant(&harness, app, other,
        "task"));
    access_expect(&harness, "OK", "task_claim", first, "one", "30000", NULL);
    reply = access_call(&harness, "task_finish", first, "late", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", "0", "ok", "", "0",
        "", "0", "", "none", "30000", NULL);
    assert_string_equal(redis_reply_code(reply), "STATE");
    assert_string_equal(claim_code(reply, 7, SIZE_MAX), "NOTFOUND");
    freeReplyObject(reply);
    reply = access_call(&harness, "task_finish", first, "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", "0", "ok", "", "0",
        "", "0", "", next, "30000", NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    assert_string_equal(redis_reply_text(reply, 3), "done");
    assert_string_equal(claim_code(reply, 7, SIZE_MAX), "OK");
    assert_string_equal(redis_reply_text(reply->element[7], 5), other);
    freeReplyObject(reply);
    access_expect(&harness, "OK", "task_finish", next, "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "invited");
}


/* A lease that ran out is taken over; its late owner is refused. */
static void
a_lost_task_is_taken_over_as_unknown(void **state)
{
    char        task[64];
    redisReply *reply;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    snprintf(task, sizeof(task), "%s", grant("task"));
    reply = access_call(&harness, "task_claim", task, "one", "-1", NULL);
    assert_string_equal(redis_reply_text(reply, 1), "0");
    freeReplyObject(reply);
    reply = access_call(&harness, "task_claim", task, "two", "30000", NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    assert_string_equal(redis_reply_text(reply, 1), "1"); /* look first */
    assert_int_equal(redis_reply_number(reply, 2), 2);
    freeReplyObject(reply);
    access_expect(&harness, "STATE", "task_finish", task, "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    access_expect(&harness, "OK", "task_finish", task, "two", "2", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    assert_string_equal(grant("state"), "invited");
}


static void
a_restarted_owner_finds_its_calls_due(void **state)
{
    redisReply *reply;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    access_expect(&harness, "OK", "task_claim", grant("task"), "one", "30000",
        NULL);
    reply = access_call(&harness, "task_recover", "two", NULL);
    assert_int_equal(redis_reply_number(reply, 1), 0);
    freeReplyObject(reply);
    reply = access_call(&harness, "task_recover", "one", "another",
        grant("task"), NULL);
    assert_int_equal(redis_reply_number(reply, 1), 0); /* it works on it */
    freeReplyObject(reply);
    reply = access_call(&harness, "task_recover", "one", "another", NULL);
    assert_int_equal(redis_reply_number(reply, 1), 1);
    freeReplyObject(reply);
    reply = access_call(&harness, "task_due", "10", NULL);
    assert_string_equal(redis_reply_text(reply, 3), grant("task"));
    freeReplyObject(reply);
    access_expect(&harness, "OK", "task_claim", grant("task"), "one", "30000",
        NULL);
}


/* A dead letter that vanished by itself would be counted for good. */
static void
a_reminder_that_is_refused_waits_for_a_person(void **state)
{
    static const char failed[] = "ZCARD scim:{007}:acme:app:%s:failed";

    (void) state;
    access_connect(&harness, app, user, "collaborator");
    freeReplyObject(redis_harness_command(&harness, "HSET scim:{007}:acme:"
        "task:r id r app %s user %s kind remind state queued attempts 0", app,
        user));
    freeReplyObject(redis_harness_command(&harness,
        "ZADD scim:{007}:acme:tasks:queued 0 r"));
    freeReplyObject(redis_harness_command(&harness,
        "HSET scim:{007}:acme:grant:%s:%s task r", app, user));
    access_finish(&harness, app, user, "failed", "0");
    assert_string_equal(grant("state"), "invited");
    assert_string_equal(grant("task"), "");
    assert_int_equal(redis_harness_number(&harness, failed, app), 1);
    assert_int_equal(redis_harness_number(&harness,
        "TTL scim:{007}:acme:task:r"), -1);
    access_expect(&harness, "OK", "task_done", "r", "ann", "", NULL);
    assert_int_equal(redis_harness_number(&harness, failed, app), 0);
    assert_true(redis_harness_number(&harness, "TTL scim:{007}:acme:task:r")
        > 0);
}


static void
a_waiting_task_is_due_again(void **state)
{
    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    access_finish(&harness, app, user, "waiting", "1");
    assert_string_equal(grant("state"), "pending");
    assert_string_equal(access_task(&harness, app, user, "unknown"), "1");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:app:%s:queue", app), 1);
    access_finish(&harness, app, user, "failed", "0");
    assert_string_equal(grant("state"), "failed");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:app:%s:queue", app), 0);
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_POST, harness_format(
        "/admin/v1/tasks/%s/retry", grant("task")), NULL, NULL));
    assert_string_equal(grant("state"), "pending");
    access_finish(&harness, app, user, "done", "0");
    assert_string_equal(grant("state"), "invited");
}


/* Two sidecars may have been handed it before one of them tried. */
static void
a_waiting_task_is_not_taken_before_its_time(void **state)
{
    const char *task;

    (void) state;
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    task = grant("task");
    access_expect(&harness, "OK", "task_claim", task, "one", "30000", NULL);
    access_expect(&harness, "OK", "task_finish", task, "one", "1", "waiting",
        "60000", "0", "", "viewer", "", "sidecar", "500", "", NULL);
    access_expect(&harness, "STATE", "task_claim", task, "two", "30000",
        NULL);
    assert_string_equal(access_task(&harness, app, user, "attempts"), "1");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:app:%s:queue", app), 1);
}


static void
a_removal_ends_the_grant(void **state)
{
    (void) state;
    access_connect(&harness, app, user, "collaborator");
    access_set_active(&harness, user, false);
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "removing");
    assert_string_equal(access_task(&harness, app, user, "kind"), "remove");
    access_finish(&harness, app, user, "done", "0");
    assert_string_equal(grant("state"), "removed");
    assert_string_equal(grant("memberId"), "");
    access_set_active(&harness, user, true);
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "pending");
}


/* Wanted again while the removal runs: out, then in, the seat is kept. */
static void
a_removal_under_way_is_followed_by_an_invite(void **state)
{
    char task[64];

    (void) state;
    access_connect(&harness, app, user, "collaborator");
    access_unshare(&harness, app, user);
    access_plan(&harness, user);
    snprintf(task, sizeof(task), "%s", grant("task"));
    access_expect(&harness, "OK", "task_claim", task, "one", "30000", NULL);
    access_share(&harness, app, user, "collaborator");
    access_plan(&harness, user);
    assert_string_equal(grant("replan"), "1");
    access_expect(&harness, "OK", "task_finish", task, "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", NULL);
    assert_string_equal(grant("state"), "pending");
    assert_string_equal(grant("task"), "");
    access_plan(&harness, user);
    assert_string_equal(access_task(&harness, app, user, "kind"), "invite");
    assert_string_not_equal(grant("task"), task);
}


static void
work_by_hand_ends_a_manual_task(void **state)
{
    (void) state;
    access_connect(&harness, app, user, "owner");
    access_set_active(&harness, user, false);
    access_plan(&harness, user); /* the last owner */
    assert_string_equal(grant("state"), "manual");
    assert_string_equal(access_task(&harness, app, user, "state"), "manual");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:app:%s:first", app), 0);
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_POST, harness_format(
        "/admin/v1/tasks/%s/done", grant("task")), NULL, NULL));
    assert_string_equal(grant("state"), "removed");
}


static void
with_another_owner_an_owner_may_go(void **state)
{
    char other[64];

    (void) state;
    access_user(&harness, "bob", other);
    access_connect(&harness, app, user, "owner");
    access_connect(&harness, app, other, "owner");
    access_set_active(&harness, user, false);
    access_set_active(&harness, other, false);
    access_plan(&harness, user);
    access_plan(&harness, other);
    assert_string_equal(grant("state"), "removing");
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "manual");
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


#define CASE(name) cmocka_unit_test_setup(name, fresh)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_task_runs_once_at_a_time),
        CASE(a_task_is_claimed_as_it_is_committed),
        CASE(a_conflict_claims_nothing),
        CASE(the_end_of_a_task_claims_the_next),
        CASE(a_lost_task_is_taken_over_as_unknown),
        CASE(a_restarted_owner_finds_its_calls_due),
        CASE(a_reminder_that_is_refused_waits_for_a_person),
        CASE(a_waiting_task_is_due_again),
        CASE(a_waiting_task_is_not_taken_before_its_time),
        CASE(a_removal_ends_the_grant),
        CASE(a_removal_under_way_is_followed_by_an_invite),
        CASE(work_by_hand_ends_a_manual_task),
        CASE(with_another_owner_an_owner_may_go)
    };

    return cmocka_run_group_tests_name("access: tasks", tests, start, stop);
}
