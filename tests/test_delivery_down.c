#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_harness.h"

/* Whether an app is down, and what becomes of its tasks then. */

static void
five_failures_in_a_row_and_the_app_is_down(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(delivery_attempt(d, i, "waiting", "failed"), "");
    }
    assert_string_equal(delivery_attempt(d, 4, "done", "ok"), "");
    for (int i = 5; i < 9; i++) {
        assert_string_equal(delivery_attempt(d, i, "waiting", "failed"), "");
    }
    assert_string_equal(delivery_attempt(d, 9, "waiting", "failed"), "down");
    assert_string_equal(delivery_claim(d, 10, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 2000);
    assert_string_equal(delivery_task(d, 9, "excused"), "1");
}


static void
half_of_the_last_twenty_and_the_app_is_down(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < 19; i++) {
        assert_string_equal(i % 2 ? delivery_attempt(d, i, "done", "ok")
            : delivery_attempt(d, i, "waiting", "failed"), "");
    }
    assert_string_equal(delivery_attempt(d, 20, "waiting", "failed"), "down");
}


/* They say nothing that the calls before did not say. */
static void
calls_under_way_put_off_no_probe(void **state)
{
    int         count = 8;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < count; i++) {
        assert_string_equal(delivery_claim(d, i, "one", NULL), "OK");
    }
    for (int i = 0; i < count; i++) {
        assert_string_equal(delivery_finish(d, i, "waiting", "failed"),
            i == 4 ? "down" : "");
    }
    assert_int_equal(delivery_state(d, "probes"), 1);
    delivery_let_probe(d);
    delivery_attempt(d, count, "waiting", "failed");
    assert_int_equal(delivery_state(d, "probes"), 2);
}


static void
one_probe_at_a_time_each_by_another_task(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    delivery_attempt(d, 9, "done", "ok");
    for (int i = 0; i < 5; i++) {
        delivery_attempt(d, i, "waiting", "failed");
    }
    delivery_let_probe(d);
    assert_string_equal(delivery_claim(d, 5, "one", NULL), "OK");
    assert_string_equal(delivery_claim(d, 6, "two", &wait), "WAIT");
    assert_string_equal(delivery_finish(d, 5, "waiting", "failed"), "");
    assert_string_equal(delivery_task(d, 5, "excused"), "1");
    assert_true(strtoll(delivery_task(d, 5, "nextAt"), NULL, 10)
        > delivery_state(d, "openUntil"));
    assert_string_equal(delivery_claim(d, 6, "two", &wait), "WAIT");
    assert_in_range(wait, 2001, 4000); /* the next one is later */
    delivery_let_probe(d);
    assert_string_equal(delivery_attempt(d, 6, "done", "ok"), "up");
    for (int i = 0; i < 6; i++) { /* who waited is next */
        assert_true(redis_harness_number(&d->redis, "ZSCORE " WS
            "app:%s:queue %s", d->app, d->task[i]) <= delivery_state(d, "okAt")
            || delivery_state(d, "okAt") == 0);
        assert_string_equal(delivery_claim(d, i, "one", NULL), "OK");
    }
}


static void
no_attempt_counts_while_the_app_is_down(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100,\"maxAttempts\":2");
    delivery_attempt(d, 9, "done", "ok");
    for (int i = 0; i < 5; i++) {
        delivery_attempt(d, i, "waiting", "failed");
    }
    for (int i = 0; i < 20; i++) {
        delivery_let_probe(d);
        assert_string_equal(delivery_claim(d, 7, "one", NULL), "OK");
        delivery_finish_with(d, 7, "waiting", "failed", "2", "0", "");
        assert_string_equal(delivery_task(d, 7, "state"), "waiting");
    }
    delivery_let_probe(d);
    delivery_attempt(d, 8, "done", "ok");
    /* the first that does */
    assert_string_equal(delivery_claim(d, 7, "one", NULL), "OK");
    delivery_finish_with(d, 7, "waiting", "failed", "2", "0", "");
    assert_string_equal(delivery_task(d, 7, "state"), "waiting");
    delivery_claim(d, 7, "one", NULL);
    delivery_finish_with(d, 7, "waiting", "failed", "2", "0", "");
    assert_string_equal(delivery_task(d, 7, "state"), "failed");
}


/* Though those it worked for are not among the first of its people. */
static void
an_outage_of_an_app_that_worked_is_no_dead_letter(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100,\"maxAttempts\":2");
    delivery_attempt(d, PEOPLE - 1, "done", "ok");
    for (int i = 0; i < 7; i++) {
        delivery_let_probe(d);
        assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
        delivery_finish_with(d, 0, "waiting", "failed", "2", "0", "");
    }
    freeReplyObject(redis_harness_command(&d->redis, "HINCRBY " WS
        "task:%s failedAt -20000", d->task[0]));
    delivery_let_probe(d);
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    delivery_finish_with(d, 0, "waiting", "failed", "2", "0", "");
    assert_string_equal(delivery_task(d, 0, "state"), "waiting");
}


/* An error of its own each time, and never anything else: no outage. */
static void
an_app_that_never_worked_makes_dead_letters(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100,\"maxAttempts\":2");
    for (int i = 0; i < 7; i++) {
        delivery_let_probe(d);
        assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
        delivery_finish_with(d, 0, "waiting", "failed", "2", "0", "");
        /* too soon */
        assert_string_equal(delivery_task(d, 0, "state"), "waiting");
    }
    freeReplyObject(redis_harness_command(&d->redis, "HINCRBY " WS
        "task:%s failedAt -20000", d->task[0]));
    delivery_let_probe(d);
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    delivery_finish_with(d, 0, "waiting", "failed", "2", "0", "");
    assert_string_equal(delivery_task(d, 0, "state"), "failed");
    assert_int_equal(redis_harness_number(&d->redis, "ZCARD " WS
        "app:%s:failed", d->app), 1);
}


/* Refused like everybody else: the credential.  The only one: the person. */
static void
a_refusal_of_one_is_an_answer_one_of_all_is_not(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(delivery_attempt(d, i, "waiting", "denied"), "");
        assert_string_equal(delivery_task(d, i, "state"), "waiting");
    }
    assert_string_equal(delivery_attempt(d, 4, "waiting", "denied"), "down");
    delivery_let_probe(d);
    delivery_attempt(d, 5, "done", "ok");
    delivery_attempt(d, 6, "waiting", "denied");
    /* not known yet */
    assert_string_equal(delivery_task(d, 6, "state"), "waiting");
    delivery_attempt(d, 7, "done", "ok");
    freeReplyObject(redis_harness_command(&d->redis, "HINCRBY " WS
        "task:%s failedAt -1", d->task[6]));
    delivery_attempt(d, 6, "waiting", "denied");
    assert_string_equal(delivery_task(d, 6, "state"), "failed");
}


static void
an_app_that_is_down_says_since_when_and_why(void **state)
{
    json_t     *json;
    delivery_t *d = *state;

    delivery_people(d, "");
    for (int i = 0; i < 5; i++) {
        delivery_attempt(d, i, "waiting", "failed");
    }
    json = harness_ask(&d->redis, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s", d->app), NULL, NULL);
    assert_string_equal(harness_text(json, "delivery.state"), "down");
    assert_string_equal(harness_text(json, "delivery.why"), "because");
    json_decref(json);
    json = harness_ask(&d->redis, 200, SCIM_METHOD_GET, "/admin/v1/stats",
        NULL, NULL);
    assert_string_equal(harness_text(json, "appsDown.0.app"), d->app);
    assert_string_equal(harness_text(json, "appsDown.0.why"), "because");
    json_decref(json);
    delivery_let_probe(d);
    delivery_attempt(d, 6, "done", "ok");
    json = harness_ask(&d->redis, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s", d->app), NULL, NULL);
    assert_string_equal(harness_text(json, "delivery.state"), "up");
    assert_string_equal(harness_text(json, "delivery.why"), "");
    json_decref(json);
}


static void
told_to_all_apps_that_are_down_are_tried_at_once(void **state)
{
    redisReply *reply;
    delivery_t *d = *state;

    delivery_people(d, "");
    for (int i = 0; i < 5; i++) {
        delivery_attempt(d, i, "waiting", "failed");
    }
    delivery_set_state(d, "openUntil",
        delivery_state(d, "openUntil") + 1000000);
    assert_string_equal(delivery_claim(d, 6, "one", NULL), "WAIT");
    reply = access_call(&d->redis, "probe_all", NULL);
    assert_int_equal(redis_reply_number(reply, 1), 1);
    freeReplyObject(reply);
    assert_string_equal(delivery_claim(d, 6, "one", NULL), "OK");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
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

    return cmocka_run_group_tests_name("delivery: down", tests, delivery_start,
        delivery_stop);
}
