#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "access_harness.h"

/* Grants and seats as a real Redis keeps them. */
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


/* ---- the compare-and-set ---- */

static void
a_share_becomes_a_grant_and_a_task(void **state)
{
    (void) state;
    access_share(&harness, app, user, "collaborator");
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
    access_share(&harness, app, user, "collaborator");
    for (int i = 0; i < 5; i++) {
        facts = access_facts(&harness, user);
        switch (i) {
        case 0: access_set_active(&harness, user, false); break;
        case 1: access_unshare(&harness, app, user); break;
        case 2: access_share(&harness, app, user, "owner"); break;
        case 3: access_set_active(&harness, user, true); break;
        default:
            json_decref(harness_ask(&harness, 200, SCIM_METHOD_PATCH,
                harness_format("/admin/v1/apps/%s", app), NULL,
                "{\"seats\":3}"));
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
    access_share(&harness, app, user, "collaborator");
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
    access_connect(&harness, app, user, "collaborator");
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
    access_share(&harness, app, user, "collaborator");
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


/* ---- seats ---- */

static void
people_wait_for_seats_in_order(void **state)
{
    char        id[5][64];
    redisReply *reply;

    (void) state;
    access_app(&harness, ",\"seats\":2", app);
    for (int i = 0; i < 5; i++) {
        access_user(&harness, harness_format("u%d", i), id[i]);
        access_share(&harness, app, id[i], "collaborator");
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
    /* never invited: the seat is free at once */
    access_unshare(&harness, app, id[4]);
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
    access_app(&harness, ",\"seats\":1", app);
    access_user(&harness, "bob", other);
    access_connect(&harness, app, user, "collaborator");
    access_user(&harness, "other@example.com", other);
    access_share(&harness, app, other, "collaborator");
    access_plan(&harness, other);
    access_unshare(&harness, app, user);
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
    access_app(&harness, ",\"seats\":1", app);
    access_user(&harness, "bob", other);
    access_share(&harness, app, user, "collaborator");
    access_user(&harness, "other@example.com", other);
    access_share(&harness, app, other, "collaborator");
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
        CASE(people_wait_for_seats_in_order),
        CASE(a_seat_is_free_when_the_app_said_so),
        CASE(the_last_seat_is_given_once)
    };

    return cmocka_run_group_tests_name("access", tests, start, stop);
}
