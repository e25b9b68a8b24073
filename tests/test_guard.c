#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* The mass-removal guard's count, against a real Redis. */
#define PEOPLE 30

static redis_harness_t harness;
static char            app[64], users[PEOPLE][64], first_hold[64];


static void
admin(int status, scim_method_t method, const char *path, const char *body)
{
    json_decref(harness_ask(&harness, status, method, path, NULL, body));
}


/* An app, and `count` people who are in it. */
static void
make_app(const char *guard, int count)
{
    access_app(&harness, harness_format(",\"guard\":{%s}", guard), app);
    for (int i = 0; i < count; i++) {
        access_user(&harness, harness_format("u%d", i), users[i]);
        access_connect(&harness, app, users[i], "collaborator");
    }
}


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    return 0;
}


static const char *
state_of(int user)
{
    return access_grant(&harness, app, users[user], "state");
}


static int
count_of(const char *state)
{
    int count = 0;

    for (int i = 0; i < PEOPLE; i++) {
        count += strcmp(state_of(i), state) == 0;
    }
    return count;
}


static void
unshare(int user)
{
    access_unshare(&harness, app, users[user]);
    access_plan(&harness, users[user]);
}


static void
leave(int user)
{
    admin(204, SCIM_METHOD_DELETE, harness_format("/Users/%s", users[user]),
        NULL);
    access_plan(&harness, users[user]);
}


static long long
hold_count(void)
{
    redisReply *reply = redis_harness_command(&harness,
        "GET scim:{007}:acme:app:%s:hold", app);

    snprintf(first_hold, sizeof(first_hold), "%s",
        reply->str ? reply->str : "");
    freeReplyObject(reply);
    return redis_harness_number(&harness, "ZCARD scim:{007}:acme:holds");
}


static void
up_to_the_limit_nothing_is_held(void **state)
{
    (void) state;
    make_app("\"count\":3,\"percent\":0", 6);
    for (int i = 0; i < 3; i++) {
        unshare(i);
        access_finish(&harness, app, users[i], "done", "0");
    }
    assert_int_equal(count_of("removed"), 3);
    assert_int_equal(hold_count(), 0);
    unshare(3);
    assert_string_equal(state_of(3), "held");
    assert_string_equal(access_grant(&harness, app, users[3], "task"), "");
    assert_int_equal(hold_count(), 1);
    unshare(4);
    assert_string_equal(state_of(4), "held");
    assert_int_equal(hold_count(), 1); /* the same one */
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:hold:%s:users", first_hold), 2);
}


/* Those that were queued and never sent are held with the one too many. */
static void
queued_removals_are_held_sent_ones_are_not(void **state)
{
    (void) state;
    make_app("\"count\":3,\"percent\":0", 6);
    unshare(0);
    access_expect(&harness, "OK", "task_claim", access_grant(&harness, app,
        users[0], "task"), "one", "30000", NULL);
    for (int i = 1; i < 5; i++) {
        unshare(i);
    }
    assert_string_equal(state_of(0), "removing");
    assert_int_equal(count_of("held"), 4);
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:due"), 1);
}


static void
a_percentage_is_one_of_the_people_before(void **state)
{
    (void) state;
    make_app("\"count\":1,\"percent\":20", PEOPLE);
    for (int i = 0; i < 6; i++) { /* 20 % of 30 */
        unshare(i);
        access_finish(&harness, app, users[i], "done", "0");
    }
    assert_int_equal(count_of("removed"), 6);
    unshare(6);
    assert_string_equal(state_of(6), "held");
}


static void
a_leaver_does_not_wait_for_others(void **state)
{
    (void) state;
    make_app("\"count\":2,\"percent\":0", 10);
    for (int i = 0; i < 4; i++) {
        unshare(i);
    }
    assert_int_equal(count_of("held"), 4);
    leave(5);
    assert_string_equal(state_of(5), "removing");
    leave(0); /* was held for a lost share */
    assert_string_equal(state_of(0), "removing");
    assert_int_equal(redis_harness_number(&harness,
        "ZCARD scim:{007}:acme:hold:%s:users",
        (hold_count(), first_hold)), 3);
    leave(6); /* the third leaver, those two were not sent */
    assert_string_equal(state_of(6), "held");
    assert_string_equal(state_of(5), "held");
    assert_string_equal(state_of(0), "held");
    access_plan(&harness, users[6]); /* looking again changes nothing */
    assert_string_equal(state_of(6), "held");
}


static void
a_window_that_has_passed_does_not_count(void **state)
{
    (void) state;
    make_app("\"count\":2,\"percent\":0,\"windowSeconds\":60", 6);
    unshare(0);
    unshare(1);
    for (int i = 0; i < 2; i++) {
        redis_harness_number(&harness,
            "ZINCRBY scim:{007}:acme:app:%s:leaving -60001 %s", app,
            users[i]);
    }
    unshare(2);
    assert_string_equal(state_of(2), "removing");
    assert_int_equal(hold_count(), 0);
}


static void
after_a_decision_the_count_begins_anew(void **state)
{
    (void) state;
    make_app("\"count\":2,\"percent\":0", 10);
    for (int i = 0; i < 4; i++) {
        unshare(i);
    }
    hold_count();
    admin(204, SCIM_METHOD_POST, harness_format("/admin/v1/holds/%s/approve",
        first_hold), NULL);
    assert_string_equal(harness_event(&harness, 0, "op"), "hold.approved");
    admin(409, SCIM_METHOD_POST, harness_format("/admin/v1/holds/%s/reject",
        first_hold), NULL);
    for (int i = 0; i < 4; i++) {
        access_plan(&harness, users[i]);
        assert_string_equal(state_of(i), "removing");
    }
    unshare(4);
    unshare(5);
    assert_int_equal(count_of("removing"), 6);
    unshare(6);
    assert_string_equal(state_of(6), "held");
    assert_int_equal(hold_count(), 2);
}


static void
a_hold_that_nobody_is_left_in_closes(void **state)
{
    (void) state;
    make_app("\"count\":0,\"percent\":0", 1);
    unshare(0);
    assert_string_equal(state_of(0), "held");
    hold_count();
    access_share(&harness, app, users[0], "collaborator");
    access_plan(&harness, users[0]);
    assert_string_equal(state_of(0), "invited");
    admin(409, SCIM_METHOD_POST, harness_format("/admin/v1/holds/%s/approve",
        first_hold), NULL);
}


/* The planner of one sidecar knew nothing of the removals of another. */
static void
old_facts_do_not_slip_past(void **state)
{
    facts_t    *facts[4];
    redisReply *reply;

    (void) state;
    make_app("\"count\":2,\"percent\":0", 4);
    for (int i = 0; i < 4; i++) {
        access_unshare(&harness, app, users[i]);
        facts[i] = access_facts(&harness, users[i]);
    }
    for (int i = 0; i < 4; i++) {
        reply = access_commit(&harness, users[i], facts[i],
            harness_format("t%d", i));
        assert_string_equal(redis_reply_code(reply), "OK");
        assert_int_equal(reply->elements, i == 2 ? 6 : 3);
        freeReplyObject(reply);
        facts_free(facts[i]);
    }
    assert_int_equal(count_of("held"), 4);
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
        CASE(up_to_the_limit_nothing_is_held),
        CASE(queued_removals_are_held_sent_ones_are_not),
        CASE(a_percentage_is_one_of_the_people_before),
        CASE(a_leaver_does_not_wait_for_others),
        CASE(a_window_that_has_passed_does_not_count),
        CASE(after_a_decision_the_count_begins_anew),
        CASE(a_hold_that_nobody_is_left_in_closes),
        CASE(old_facts_do_not_slip_past)
    };

    return cmocka_run_group_tests_name("guard", tests, start, stop);
}
