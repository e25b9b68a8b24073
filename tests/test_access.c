#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Grants and tasks as a real Redis keeps them. */
static redis_harness_t harness;
static char            app[64], user[64];


static void
admin(int status, scim_method_t method, const char *path, const char *body)
{
    json_decref(harness_ask(&harness, status, method, path, NULL, body));
}


/* More members of the definition, with a comma before them. */
static void
make_app(const char *more)
{
    json_t *json = harness_ask(&harness, 201, SCIM_METHOD_POST,
        "/admin/v1/apps", NULL, harness_format("{\"name\":\"A\","
        "\"accessRoles\":[\"viewer\",\"editor\"],\"defaultAccessRole\":"
        "\"viewer\",\"settleSeconds\":0,\"connector\":{\"type\":\"http\","
        "\"baseUrl\":\"https://app.example.com\",\"invite\":{\"method\":"
        "\"POST\",\"path\":\"/m/${user.id}\"},"
        "\"remove\":{\"method\":\"DELETE\",\"path\":\"/m/${member.id}\"}}%s}",
        more));

    snprintf(app, sizeof(app), "%s", harness_text(json, "id"));
    json_decref(json);
}


static void
make_user(const char *name, char id[64])
{
    char path[64];

    harness_create(&harness, "/Users", harness_format(
        "{\"userName\":\"%s@example.com\"}", name), path);
    snprintf(id, 64, "%s", harness_id(path));
}


static void
share_user(const char *id, const char *role)
{
    admin(204, SCIM_METHOD_PUT, harness_format(
        "/admin/v1/apps/%s/shares/users/%s", app, id), harness_format(
        "{\"role\":\"%s\"}", role));
}


static void
unshare_user(const char *id)
{
    admin(204, SCIM_METHOD_DELETE, harness_format(
        "/admin/v1/apps/%s/shares/users/%s", app, id), NULL);
}


static void
set_active(const char *id, bool active)
{
    json_decref(harness_ask(&harness, 200, SCIM_METHOD_PATCH,
        harness_format("/Users/%s", id), NULL, harness_format(
        "{\"Operations\":[{\"op\":\"replace\",\"value\":{\"active\":%s}}]}",
        active ? "true" : "false")));
}


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    make_app("");
    make_user("ann", user);
    return 0;
}


static const char *
grant(const char *field)
{
    return access_grant(&harness, app, user, field);
}


static void
connect_user(const char *id, const char *role)
{
    share_user(id, role);
    access_plan(&harness, id);
    access_finish(&harness, app, id, "done", "0");
}


/* ---- the compare-and-set ---- */

static void
a_share_becomes_a_grant_and_a_task(void **state)
{
    (void) state;
    share_user(user, "collaborator");
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "pending");
    assert_string_equal(grant("accessRole"), "viewer");
    assert_string_equal(grant("email"), "ann@example.com");
    assert_string_equal(access_task(&harness, app, user, "kind"), "invite");
    assert_string_equal(access_task(&harness, app, user, "state"), "queued");
    access_finish(&harness, app, user, "done", "0");
    assert_string_equal(grant("state"), "invited");
    assert_string_equal(grant("appliedRole"), "viewer");
    assert_string_equal(grant("memberId"), harness_format("m-%s", user));
    assert_string_equal(grant("task"), "");
}


/* Whatever the planner looked at: when it changed, nothing is written. */
static void
a_plan_on_old_facts_is_refused(void **state)
{
    facts_t    *facts;
    redisReply *reply;

    (void) state;
    share_user(user, "collaborator");
    for (int i = 0; i < 5; i++) {
        facts = access_facts(&harness, user);
        switch (i) {
        case 0: set_active(user, false); break;
        case 1: unshare_user(user); break;
        case 2: share_user(user, "owner"); break;
        case 3: set_active(user, true); break;
        default:
            admin(200, SCIM_METHOD_PATCH, harness_format(
                "/admin/v1/apps/%s", app), "{\"seats\":3}");
        }
        reply = access_commit(&harness, user, facts, "old");
        assert_string_equal(redis_reply_code(reply), "CONFLICT");
        assert_string_equal(grant("state"), "");
        freeReplyObject(reply);
        facts_free(facts);
    }
}


static void
of_two_planners_one_commits(void **state)
{
    facts_t    *one, *two;
    redisReply *reply;

    (void) state;
    share_user(user, "collaborator");
    one = access_facts(&harness, user);
    two = access_facts(&harness, user);
    reply = access_commit(&harness, user, one, "one");
    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    reply = access_commit(&harness, user, two, "two");
    assert_string_equal(redis_reply_code(reply), "CONFLICT");
    freeReplyObject(reply);
    assert_string_equal(grant("task"), "one-0");
    facts_free(one);
    facts_free(two);
}


static void
planning_again_commits_nothing(void **state)
{
    char version[32];

    (void) state;
    connect_user(user, "collaborator");
    snprintf(version, sizeof(version), "%s", grant("v"));
    access_plan(&harness, user);
    assert_string_equal(grant("v"), version);
}


static void
a_commit_clears_its_own_mark_alone(void **state)
{
    char        lease[32];
    facts_t    *facts;
    redisReply *reply;

    (void) state;
    share_user(user, "collaborator");
    reply = access_call(&harness, "mark_user", "10000", user, NULL);
    snprintf(lease, sizeof(lease), "%s", redis_reply_text(reply, 1));
    freeReplyObject(reply);
    facts = access_facts(&harness, user);
    /* marked again meanwhile, by another event */
    access_expect(&harness, "OK", "mark_user", "20000", user, NULL);
    access_expect(&harness, "OK", "plan_commit", user, lease, facts->digest,
        "0", "sidecar", "", "0", NULL);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:dirty"), 1);
    reply = access_call(&harness, "mark_user", "30000", user, NULL);
    access_expect(&harness, "OK", "plan_commit", user,
        redis_reply_text(reply, 1), facts->digest, "0", "sidecar", "", "0",
        NULL);
    freeReplyObject(reply);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:dirty"), 0);
    facts_free(facts);
}


static void
a_due_user_is_claimed_once(void **state)
{
    redisReply *reply;

    (void) state;
    access_expect(&harness, "OK", "mark_user", "0", user, NULL);
    reply = access_call(&harness, "dirty_claim", "10000", "10", NULL);
    assert_int_equal(reply->elements, 5);
    assert_string_equal(redis_reply_text(reply, 3), HARNESS_WORKSPACE);
    assert_string_equal(redis_reply_text(reply, 4), user);
    freeReplyObject(reply);
    reply = access_call(&harness, "dirty_claim", "10000", "10", NULL);
    assert_int_equal(reply->elements, 3); /* leased */
    freeReplyObject(reply);
}


/* ---- tasks ---- */

static void
a_task_runs_once_at_a_time(void **state)
{
    char task[64];

    (void) state;
    share_user(user, "collaborator");
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
    share_user(user, "collaborator");
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
    share_user(user, "collaborator");
    access_expect(&harness, "OK", "user_sync", "10000", user, NULL);
    facts = access_facts(&harness, user);
    share_user(user, "owner"); /* not what was planned for */
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
    share_user(user, "collaborator");
    make_user("other@example.com", other);
    share_user(other, "collaborator");
    access_plan(&harness, user);
    access_plan(&harness, other);
    snprintf(first, sizeof(first), "%s", grant("task"));
    snprintf(next, sizeof(next), "%s", access_grant(&harness, app, other,
        "task"));
    access_expect(&harness, "OK", "task_claim", first, "one", "30000", NULL);
    reply = access_call(&harness, "task_finish", first, "late", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", "0", "ok", "1", "",
        "0", "", "0", "", "none", "30000", NULL);
    assert_string_equal(redis_reply_code(reply), "STATE");
    assert_string_equal(claim_code(reply, 7, SIZE_MAX), "NOTFOUND");
    freeReplyObject(reply);
    reply = access_call(&harness, "task_finish", first, "one", "1", "done",
        "0", "0", "", "viewer", "", "sidecar", "200", "", "0", "ok", "1", "",
        "0", "", "0", "", next, "30000", NULL);
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
    share_user(user, "collaborator");
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
    share_user(user, "collaborator");
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
    connect_user(user, "collaborator");
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
    share_user(user, "collaborator");
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
    admin(204, SCIM_METHOD_POST, harness_format(
        "/admin/v1/tasks/%s/retry", grant("task")), NULL);
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
    share_user(user, "collaborator");
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
    connect_user(user, "collaborator");
    set_active(user, false);
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "removing");
    assert_string_equal(access_task(&harness, app, user, "kind"), "remove");
    access_finish(&harness, app, user, "done", "0");
    assert_string_equal(grant("state"), "removed");
    assert_string_equal(grant("memberId"), "");
    set_active(user, true);
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "pending");
}


/* Wanted again while the removal runs: out, then in, the seat is kept. */
static void
a_removal_under_way_is_followed_by_an_invite(void **state)
{
    char task[64];

    (void) state;
    connect_user(user, "collaborator");
    unshare_user(user);
    access_plan(&harness, user);
    snprintf(task, sizeof(task), "%s", grant("task"));
    access_expect(&harness, "OK", "task_claim", task, "one", "30000", NULL);
    share_user(user, "collaborator");
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
    connect_user(user, "owner");
    set_active(user, false);
    access_plan(&harness, user); /* the last owner */
    assert_string_equal(grant("state"), "manual");
    assert_string_equal(access_task(&harness, app, user, "state"), "manual");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:app:%s:first", app), 0);
    admin(204, SCIM_METHOD_POST, harness_format("/admin/v1/tasks/%s/done",
        grant("task")), NULL);
    assert_string_equal(grant("state"), "removed");
}


static void
with_another_owner_an_owner_may_go(void **state)
{
    char other[64];

    (void) state;
    make_user("bob", other);
    connect_user(user, "owner");
    connect_user(other, "owner");
    set_active(user, false);
    set_active(other, false);
    access_plan(&harness, user);
    access_plan(&harness, other);
    assert_string_equal(grant("state"), "removing");
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "manual");
}


/* ---- seats ---- */

static void
people_wait_for_seats_in_order(void **state)
{
    char        id[5][64];
    redisReply *reply;

    (void) state;
    make_app(",\"seats\":2");
    for (int i = 0; i < 5; i++) {
        make_user(harness_format("u%d", i), id[i]);
        share_user(id[i], "collaborator");
    }
    for (int i = 4; i >= 0; i--) { /* arrival is when they are planned */
        access_plan(&harness, id[i]);
    }
    for (int i = 0; i < 5; i++) {
        assert_string_equal(access_grant(&harness, app, id[i], "state"),
            i >= 3 ? "pending" : "waitlisted");
    }
    access_plan(&harness, id[0]); /* asking again does not help */
    assert_string_equal(access_grant(&harness, app, id[0], "state"),
        "waitlisted");
    redis_harness_number(&harness, "DEL scim:{007}:dirty");
    unshare_user(id[4]); /* never invited: the seat is free at once */
    access_plan(&harness, id[4]);
    reply = access_call(&harness, "dirty_claim", "10000", "10", NULL);
    assert_int_equal(reply->elements, 5);
    assert_string_equal(redis_reply_text(reply, 4), id[2]);
    freeReplyObject(reply);
    access_plan(&harness, id[0]); /* not the first in line */
    assert_string_equal(access_grant(&harness, app, id[0], "state"),
        "waitlisted");
    access_plan(&harness, id[2]);
    assert_string_equal(access_grant(&harness, app, id[2], "state"),
        "pending");
}


static void
a_seat_is_free_when_the_app_said_so(void **state)
{
    char other[64];

    (void) state;
    make_app(",\"seats\":1");
    make_user("bob", other);
    connect_user(user, "collaborator");
    make_user("other@example.com", other);
    share_user(other, "collaborator");
    access_plan(&harness, other);
    unshare_user(user);
    access_plan(&harness, user);
    access_plan(&harness, other);
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "waitlisted"); /* the removal is not done */
    access_finish(&harness, app, user, "done", "0");
    access_plan(&harness, other);
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "pending");
}


/* Two plans on the same facts: the last seat is given once. */
static void
the_last_seat_is_given_once(void **state)
{
    char        other[64];
    facts_t    *one, *two;
    redisReply *reply;

    (void) state;
    make_app(",\"seats\":1");
    make_user("bob", other);
    share_user(user, "collaborator");
    make_user("other@example.com", other);
    share_user(other, "collaborator");
    one = access_facts(&harness, user);
    two = access_facts(&harness, other);
    reply = access_commit(&harness, user, one, "one");
    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    reply = access_commit(&harness, other, two, "two");
    assert_string_equal(redis_reply_code(reply), "CONFLICT");
    freeReplyObject(reply);
    access_plan(&harness, other);
    assert_string_equal(access_grant(&harness, app, other, "state"),
        "waitlisted");
    facts_free(one);
    facts_free(two);
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
        CASE(a_share_becomes_a_grant_and_a_task),
        CASE(a_plan_on_old_facts_is_refused),
        CASE(of_two_planners_one_commits),
        CASE(planning_again_commits_nothing),
        CASE(a_commit_clears_its_own_mark_alone),
        CASE(a_due_user_is_claimed_once),
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
        CASE(with_another_owner_an_owner_may_go),
        CASE(people_wait_for_seats_in_order),
        CASE(a_seat_is_free_when_the_app_said_so),
        CASE(the_last_seat_is_given_once)
    };

    return cmocka_run_group_tests_name("access", tests, start, stop);
}
