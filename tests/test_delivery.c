#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/*
 * When an app takes calls, as a real Redis decides it for all sidecars: its
 * places, its rate, and whether it is down.
 */
#define PEOPLE 24
#define WS     "scim:{007}:" HARNESS_WORKSPACE ":"

static redis_harness_t harness;
static char            app[64], user[PEOPLE][64], task[PEOPLE][64];


/* An app and people who are to be invited to it. */
static void
make_people(const char *limits)
{
    redis_harness_flush(&harness);
    access_app(&harness, harness_format(",\"limits\":{%s}", limits), app);
    for (int i = 0; i < PEOPLE; i++) {
        access_user(&harness, harness_format("p%d", i), user[i]);
        access_share(&harness, app, user[i], "collaborator");
        access_plan(&harness, user[i]);
        snprintf(task[i], sizeof(task[i]), "%s", access_grant(&harness, app,
            user[i], "task"));
    }
}


/* The answer's code; the ms that it says to wait. */
static const char *
claim(int person, const char *owner, long long *wait)
{
    redisReply *reply = access_call(&harness, "task_claim", task[person],
        owner, "30000", NULL);
    const char *code = harness_format("%s", redis_reply_code(reply));

    if (wait) {
        *wait = redis_reply_number(reply, 1);
    }
    freeReplyObject(reply);
    return code;
}


static const char *
task_field(int person, const char *field)
{
    redisReply *reply = redis_harness_command(&harness, "HGET " WS
        "task:%s %s", task[person], field);
    const char *text = harness_format("%s", reply->str ? reply->str : "");

    freeReplyObject(reply);
    return text;
}


static long long
state_of_app(const char *field)
{
    return redis_harness_number(&harness, "HGET " WS "app:%s:delivery %s",
        app, field);
}


static void
set_state(const char *field, long long value)
{
    freeReplyObject(redis_harness_command(&harness, "HSET " WS
        "app:%s:delivery %s %lld", app, field, value));
}


/* Ends a claim; what the function says of the app: down, up or "". */
static const char *
finish_with(int person, const char *state, const char *health,
    const char *most, const char *pause, const char *learned)
{
    redisReply *reply = access_call(&harness, "task_finish", task[person],
        "one", task_field(person, "attempts"), state, "1", "0", "", "viewer",
        "because", "sidecar", "500", "", most, health, "8", pause, learned,
        "60000", NULL);
    const char *changed = harness_format("%s", redis_reply_text(reply, 5));

    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    return changed;
}


static const char *
finish(int person, const char *state, const char *health)
{
    return finish_with(person, state, health, "8", "0", "");
}


/* A claim and its outcome. */
static const char *
attempt(int person, const char *state, const char *health)
{
    assert_string_equal(claim(person, "one", NULL), "OK");
    return finish(person, state, health);
}


/* The app's queue is looked at next. */
static void
look_at_app(void)
{
    char member[128];

    snprintf(member, sizeof(member), HARNESS_WORKSPACE " %s", app);
    freeReplyObject(redis_harness_command(&harness,
        "ZADD scim:{007}:due 1 %s", member));
}


/* The next probe is due, whatever the clock says. */
static void
let_probe(void)
{
    set_state("openUntil", 1);
    for (int i = 0; i < PEOPLE; i++) {
        freeReplyObject(redis_harness_command(&harness, "ZADD " WS
            "app:%s:queue XX 1 %s", app, task[i]));
    }
}


/* ---- places ---- */

static void
all_sidecars_together_hold_to_the_places_of_an_app(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":3");
    assert_string_equal(claim(0, "one", NULL), "OK");
    assert_string_equal(claim(1, "two", NULL), "OK");
    assert_string_equal(claim(2, "three", NULL), "OK");
    assert_string_equal(claim(3, "one", &wait), "WAIT");
    assert_true(wait > 0);
    assert_string_equal(task_field(3, "state"), "queued");
    assert_string_equal(task_field(3, "attempts"), "0");
    finish(0, "done", "ok");
    assert_string_equal(claim(3, "one", NULL), "OK");
}


static void
what_is_due_is_handed_out_as_far_as_there_is_room(void **state)
{
    redisReply *reply;

    (void) state;
    make_people("\"concurrency\":1");
    for (int i = 0; i < PEOPLE; i++) {
        freeReplyObject(redis_harness_command(&harness, "ZADD " WS
            "app:%s:queue %d %s", app, i + 1, task[i]));
    }
    look_at_app();
    reply = access_call(&harness, "task_due", "10", NULL);
    assert_int_equal(reply->elements, 2 + 4 * 3); /* and two in reserve */
    assert_string_equal(redis_reply_text(reply, 3), task[0]);
    freeReplyObject(reply);
    claim(0, "one", NULL);
    look_at_app();
    reply = access_call(&harness, "task_due", "10", NULL);
    assert_int_equal(reply->elements, 2); /* its one place is taken */
    freeReplyObject(reply);
}


/* ---- rates ---- */

static void
a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100,\"ratePerSecond\":0.01,\"burst\":5");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(claim(i, i % 2 ? "one" : "two", NULL), "OK");
    }
    assert_string_equal(claim(5, "one", &wait), "WAIT");
    assert_in_range(wait, 90000, 100000);
    set_state("tokensAt", state_of_app("tokensAt") - 200000);
    assert_string_equal(claim(5, "one", NULL), "OK");
    assert_string_equal(claim(6, "one", NULL), "OK");
    assert_string_equal(claim(7, "one", &wait), "WAIT");
}


static void
without_a_limit_nothing_is_written_for_a_call(void **state)
{
    (void) state;
    make_people("");
    attempt(0, "done", "ok");
    assert_int_equal(redis_harness_number(&harness, "HLEN " WS
        "app:%s:delivery", app), 1);
}


static void
too_many_calls_halve_the_rate_once_and_it_comes_back(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(claim(i, "one", NULL), "OK");
    }
    for (int i = 0; i < 4; i++) { /* 8 calls a second were seen */
        finish_with(i, "waiting", "limited", "8", "1000", "");
    }
    assert_int_equal(state_of_app("slow"), 4);
    assert_string_equal(task_field(0, "excused"), "1");
    assert_string_equal(claim(5, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 1000);
    set_state("pausedUntil", 1);
    assert_string_equal(claim(5, "one", &wait), "WAIT"); /* no token yet */
    /* it doubles each minute, and at eight times of it is forgotten */
    set_state("slowAt", state_of_app("slowAt") - 200000);
    for (int i = 6; i < PEOPLE; i++) {
        assert_string_equal(claim(i, "one", NULL), "OK");
    }
}


static void
what_an_app_says_of_its_limit_holds_until_its_end(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100");
    claim(0, "one", NULL);
    finish_with(0, "done", "ok", "8", "0", "0.5");
    assert_string_equal(claim(1, "one", NULL), "OK"); /* the first token */
    assert_string_equal(claim(2, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 2000);
    set_state("learnedUntil", 1);
    assert_string_equal(claim(2, "one", NULL), "OK");
}


/* One call was left of a window of two seconds; that is over soon. */
static void
what_was_left_of_a_window_is_not_halved(void **state)
{
    (void) state;
    make_people("\"concurrency\":100");
    claim(0, "one", NULL);
    claim(1, "one", NULL);
    finish_with(0, "done", "ok", "8", "0", "0.5");
    finish_with(1, "waiting", "limited", "8", "1000", "");
    assert_int_equal(state_of_app("slow"), 4); /* of 8 that were seen */
}


static void
repetitions_have_a_budget_and_hold_up_nobody_else(void **state)
{
    int refused = 0;

    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < PEOPLE - 1; i++) { /* answered, but not done */
        attempt(i, "waiting", "ok");
    }
    for (int i = 0; i < PEOPLE - 1; i++) {
        const char *code = claim(i, "one", NULL);

        refused += strcmp(code, "LATER") == 0;
        assert_true(strcmp(code, "OK") == 0 || strcmp(code, "LATER") == 0);
    }
    assert_in_range(refused, 1, 3);
    assert_string_equal(claim(PEOPLE - 1, "one", NULL), "OK");
}


/* ---- calls that are no task's first ---- */

/* May a page of a list (or, "0", what else a task needs) be asked for? */
static const char *
further(const char *id, const char *listing, long long *wait)
{
    redisReply *reply = access_call(&harness, "call_start", app, id, "20000",
        listing, NULL);
    const char *code = harness_format("%s", redis_reply_code(reply));

    if (wait) {
        *wait = redis_reply_number(reply, 1);
    }
    freeReplyObject(reply);
    return code;
}


/* The page is read; what that says of the app. */
static const char *
page_read(const char *id, const char *health, const char *pause)
{
    redisReply *reply = access_call(&harness, "call_end", app, id, health,
        "because", "8", pause, "", "0", NULL);
    const char *changed = harness_format("%s", redis_reply_text(reply, 2));

    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    return changed;
}


static void
a_page_of_a_list_takes_a_place(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":2");
    assert_string_equal(claim(0, "one", NULL), "OK");
    assert_string_equal(further("l1", "1", NULL), "OK");
    assert_string_equal(claim(1, "one", NULL), "WAIT");
    assert_string_equal(further("l2", "1", &wait), "WAIT");
    assert_in_range(wait, 1, 100);
    /* what a task needs besides has the task's place */
    assert_string_equal(further("", "0", NULL), "OK");
    page_read("l1", "ok", "0");
    assert_string_equal(claim(1, "one", NULL), "OK");
    /* one that is forgotten frees its place when its lease is over */
    finish_with(0, "done", "ok", "8", "0", "");
    assert_string_equal(further("l3", "1", NULL), "OK");
    freeReplyObject(redis_harness_command(&harness, "ZADD " WS
        "app:%s:listing 1 l3", app));
    assert_string_equal(claim(2, "one", NULL), "OK");
}


static void
a_page_that_waits_long_enough_is_next(void **state)
{
    (void) state;
    make_people("\"concurrency\":1");
    assert_string_equal(claim(0, "one", NULL), "OK");
    assert_string_equal(further("l1", "1", NULL), "WAIT");
    finish_with(0, "done", "ok", "8", "0", "");
    assert_string_equal(claim(1, "one", NULL), "OK"); /* not at once */
    assert_string_equal(further("l1", "1", NULL), "WAIT");
    finish_with(1, "done", "ok", "8", "0", "");
    set_state("askedSince", state_of_app("askedSince") - 1000);
    assert_string_equal(claim(2, "one", NULL), "WAIT");
    assert_string_equal(further("l1", "1", NULL), "OK");
    assert_string_equal(page_read("l1", "ok", "0"), "");
    assert_string_equal(claim(2, "one", NULL), "OK");
    /* who asks no more is not waited for */
    assert_string_equal(further("l1", "1", NULL), "WAIT");
    finish_with(2, "done", "ok", "8", "0", "");
    set_state("askedSince", state_of_app("askedSince") - 1000);
    set_state("asked", 1);
    assert_string_equal(claim(3, "one", NULL), "OK");
}


static void
all_calls_share_the_rate(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100,\"ratePerSecond\":1,\"burst\":3");
    assert_string_equal(claim(0, "one", NULL), "OK");
    assert_string_equal(further("", "0", NULL), "OK");
    assert_string_equal(further("l1", "1", NULL), "OK");
    assert_string_equal(claim(1, "one", NULL), "WAIT");
    assert_string_equal(further("", "0", &wait), "WAIT");
    assert_in_range(wait, 1, 1000);
    /* the next token is for the one who has waited */
    set_state("askedSince", state_of_app("askedSince") - 1000);
    set_state("tokensAt", state_of_app("tokensAt") - 1500);
    assert_string_equal(claim(1, "one", NULL), "WAIT");
    assert_string_equal(further("", "0", NULL), "OK");
}


static void
a_list_tells_of_the_app_as_tasks_do(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(further("l1", "1", NULL), "OK");
        assert_string_equal(page_read("l1", "failed", "0"), "");
    }
    assert_string_equal(further("l1", "1", NULL), "OK");
    assert_string_equal(page_read("l1", "failed", "0"), "down");
    assert_string_equal(claim(0, "one", NULL), "WAIT");
    /* whoever asks for a list now makes a probe of it, one at a time */
    assert_string_equal(further("l1", "1", NULL), "OK");
    assert_string_equal(further("l2", "1", NULL), "WAIT");
    assert_string_equal(page_read("l1", "ok", "0"), "up");
    assert_string_equal(claim(0, "one", NULL), "OK");
    assert_string_equal(further("l1", "1", NULL), "OK");
    page_read("l1", "limited", "60000");
    assert_string_equal(claim(1, "one", &wait), "WAIT");
    assert_in_range(wait, 50000, 60000);
    assert_string_equal(further("l1", "1", &wait), "PAUSED");
    assert_in_range(wait, 50000, 60000);
}


/* ---- down and up ---- */

static void
five_failures_in_a_row_and_the_app_is_down(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(attempt(i, "waiting", "failed"), "");
    }
    assert_string_equal(attempt(4, "done", "ok"), "");
    for (int i = 5; i < 9; i++) {
        assert_string_equal(attempt(i, "waiting", "failed"), "");
    }
    assert_string_equal(attempt(9, "waiting", "failed"), "down");
    assert_string_equal(claim(10, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 2000);
    assert_string_equal(task_field(9, "excused"), "1");
}


static void
half_of_the_last_twenty_and_the_app_is_down(void **state)
{
    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < 19; i++) {
        assert_string_equal(i % 2 ? attempt(i, "done", "ok")
            : attempt(i, "waiting", "failed"), "");
    }
    assert_string_equal(attempt(20, "waiting", "failed"), "down");
}


/* They say nothing that the calls before did not say. */
static void
calls_under_way_put_off_no_probe(void **state)
{
    int count = 8;

    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < count; i++) {
        assert_string_equal(claim(i, "one", NULL), "OK");
    }
    for (int i = 0; i < count; i++) {
        assert_string_equal(finish(i, "waiting", "failed"),
            i == 4 ? "down" : "");
    }
    assert_int_equal(state_of_app("probes"), 1);
    let_probe();
    attempt(count, "waiting", "failed");
    assert_int_equal(state_of_app("probes"), 2);
}


static void
one_probe_at_a_time_each_by_another_task(void **state)
{
    long long wait;

    (void) state;
    make_people("\"concurrency\":100");
    attempt(9, "done", "ok");
    for (int i = 0; i < 5; i++) {
        attempt(i, "waiting", "failed");
    }
    let_probe();
    assert_string_equal(claim(5, "one", NULL), "OK");
    assert_string_equal(claim(6, "two", &wait), "WAIT");
    assert_string_equal(finish(5, "waiting", "failed"), "");
    assert_string_equal(task_field(5, "excused"), "1");
    assert_true(strtoll(task_field(5, "nextAt"), NULL, 10)
        > state_of_app("openUntil"));
    assert_string_equal(claim(6, "two", &wait), "WAIT");
    assert_in_range(wait, 2001, 4000); /* the next one is later */
    let_probe();
    assert_string_equal(attempt(6, "done", "ok"), "up");
    for (int i = 0; i < 6; i++) { /* who waited is next */
        assert_true(redis_harness_number(&harness, "ZSCORE " WS
            "app:%s:queue %s", app, task[i]) <= state_of_app("okAt")
            || state_of_app("okAt") == 0);
        assert_string_equal(claim(i, "one", NULL), "OK");
    }
}


static void
no_attempt_counts_while_the_app_is_down(void **state)
{
    (void) state;
    make_people("\"concurrency\":100,\"maxAttempts\":2");
    attempt(9, "done", "ok");
    for (int i = 0; i < 5; i++) {
        attempt(i, "waiting", "failed");
    }
    for (int i = 0; i < 20; i++) {
        let_probe();
        assert_string_equal(claim(7, "one", NULL), "OK");
        finish_with(7, "waiting", "failed", "2", "0", "");
        assert_string_equal(task_field(7, "state"), "waiting");
    }
    let_probe();
    attempt(8, "done", "ok");
    assert_string_equal(claim(7, "one", NULL), "OK"); /* the first that does */
    finish_with(7, "waiting", "failed", "2", "0", "");
    assert_string_equal(task_field(7, "state"), "waiting");
    claim(7, "one", NULL);
    finish_with(7, "waiting", "failed", "2", "0", "");
    assert_string_equal(task_field(7, "state"), "failed");
}


/* Though those it worked for are not among the first of its people. */
static void
an_outage_of_an_app_that_worked_is_no_dead_letter(void **state)
{
    (void) state;
    make_people("\"concurrency\":100,\"maxAttempts\":2");
    attempt(PEOPLE - 1, "done", "ok");
    for (int i = 0; i < 7; i++) {
        let_probe();
        assert_string_equal(claim(0, "one", NULL), "OK");
        finish_with(0, "waiting", "failed", "2", "0", "");
    }
    freeReplyObject(redis_harness_command(&harness, "HINCRBY " WS
        "task:%s failedAt -20000", task[0]));
    let_probe();
    assert_string_equal(claim(0, "one", NULL), "OK");
    finish_with(0, "waiting", "failed", "2", "0", "");
    assert_string_equal(task_field(0, "state"), "waiting");
}


/* An error of its own each time, and never anything else: no outage. */
static void
an_app_that_never_worked_makes_dead_letters(void **state)
{
    (void) state;
    make_people("\"concurrency\":100,\"maxAttempts\":2");
    for (int i = 0; i < 7; i++) {
        let_probe();
        assert_string_equal(claim(0, "one", NULL), "OK");
        finish_with(0, "waiting", "failed", "2", "0", "");
        assert_string_equal(task_field(0, "state"), "waiting"); /* too soon */
    }
    freeReplyObject(redis_harness_command(&harness, "HINCRBY " WS
        "task:%s failedAt -20000", task[0]));
    let_probe();
    assert_string_equal(claim(0, "one", NULL), "OK");
    finish_with(0, "waiting", "failed", "2", "0", "");
    assert_string_equal(task_field(0, "state"), "failed");
    assert_int_equal(redis_harness_number(&harness, "ZCARD " WS
        "app:%s:failed", app), 1);
}


/* Refused like everybody else: the credential.  The only one: the person. */
static void
a_refusal_of_one_is_an_answer_one_of_all_is_not(void **state)
{
    (void) state;
    make_people("\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(attempt(i, "waiting", "denied"), "");
        assert_string_equal(task_field(i, "state"), "waiting");
    }
    assert_string_equal(attempt(4, "waiting", "denied"), "down");
    let_probe();
    attempt(5, "done", "ok");
    attempt(6, "waiting", "denied");
    assert_string_equal(task_field(6, "state"), "waiting"); /* not known yet */
    attempt(7, "done", "ok");
    freeReplyObject(redis_harness_command(&harness, "HINCRBY " WS
        "task:%s failedAt -1", task[6]));
    attempt(6, "waiting", "denied");
    assert_string_equal(task_field(6, "state"), "failed");
}


static void
an_app_that_is_down_says_since_when_and_why(void **state)
{
    json_t *json;

    (void) state;
    make_people("");
    for (int i = 0; i < 5; i++) {
        attempt(i, "waiting", "failed");
    }
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s", app), NULL, NULL);
    assert_string_equal(harness_text(json, "delivery.state"), "down");
    assert_string_equal(harness_text(json, "delivery.why"), "because");
    json_decref(json);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/admin/v1/stats",
        NULL, NULL);
    assert_string_equal(harness_text(json, "appsDown.0.app"), app);
    assert_string_equal(harness_text(json, "appsDown.0.why"), "because");
    json_decref(json);
    let_probe();
    attempt(6, "done", "ok");
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s", app), NULL, NULL);
    assert_string_equal(harness_text(json, "delivery.state"), "up");
    assert_string_equal(harness_text(json, "delivery.why"), "");
    json_decref(json);
}


static void
told_to_all_apps_that_are_down_are_tried_at_once(void **state)
{
    redisReply *reply;

    (void) state;
    make_people("");
    for (int i = 0; i < 5; i++) {
        attempt(i, "waiting", "failed");
    }
    set_state("openUntil", state_of_app("openUntil") + 1000000);
    assert_string_equal(claim(6, "one", NULL), "WAIT");
    reply = access_call(&harness, "probe_all", NULL);
    assert_int_equal(redis_reply_number(reply, 1), 1);
    freeReplyObject(reply);
    assert_string_equal(claim(6, "one", NULL), "OK");
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
        cmocka_unit_test(all_sidecars_together_hold_to_the_places_of_an_app),
        cmocka_unit_test(what_is_due_is_handed_out_as_far_as_there_is_room),
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(without_a_limit_nothing_is_written_for_a_call),
        cmocka_unit_test(
            too_many_calls_halve_the_rate_once_and_it_comes_back),
        cmocka_unit_test(what_an_app_says_of_its_limit_holds_until_its_end),
        cmocka_unit_test(what_was_left_of_a_window_is_not_halved),
        cmocka_unit_test(repetitions_have_a_budget_and_hold_up_nobody_else),
        cmocka_unit_test(a_page_of_a_list_takes_a_place),
        cmocka_unit_test(a_page_that_waits_long_enough_is_next),
        cmocka_unit_test(all_calls_share_the_rate),
        cmocka_unit_test(a_list_tells_of_the_app_as_tasks_do),
        cmocka_unit_test(five_failures_in_a_row_and_the_app_is_down),
        cmocka_unit_test(half_of_the_last_twenty_and_the_app_is_down),
        cmocka_unit_test(calls_under_way_put_off_no_probe),
        cmocka_unit_test(one_probe_at_a_time_each_by_another_task),
        cmocka_unit_test(no_attempt_counts_while_the_app_is_down),
        cmocka_unit_test(an_outage_of_an_app_that_worked_is_no_dead_letter),
        cmocka_unit_test(an_app_that_never_worked_makes_dead_letters),
        cmocka_unit_test(a_refusal_of_one_is_an_answer_one_of_all_is_not),
        cmocka_unit_test(an_app_that_is_down_says_since_when_and_why),
        cmocka_unit_test(told_to_all_apps_that_are_down_are_tried_at_once)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
