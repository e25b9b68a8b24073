#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_harness.h"

/* The places and the rate of an app, decided for all sidecars. */

static void
all_sidecars_together_hold_to_the_places_of_an_app(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":3");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    assert_string_equal(delivery_claim(d, 1, "two", NULL), "OK");
    assert_string_equal(delivery_claim(d, 2, "three", NULL), "OK");
    assert_string_equal(delivery_claim(d, 3, "one", &wait), "WAIT");
    assert_true(wait > 0);
    assert_string_equal(delivery_task(d, 3, "state"), "queued");
    assert_string_equal(delivery_task(d, 3, "attempts"), "0");
    delivery_finish(d, 0, "done", "ok");
    assert_string_equal(delivery_claim(d, 3, "one", NULL), "OK");
}


static void
what_is_due_is_handed_out_as_far_as_there_is_room(void **state)
{
    redisReply *reply;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":1");
    for (int i = 0; i < PEOPLE; i++) {
        freeReplyObject(redis_harness_command(&d->redis, "ZADD " WS
            "app:%s:queue %d %s", d->app, i + 1, d->task[i]));
    }
    delivery_look_at(d);
    reply = access_call(&d->redis, "task_due", "10", NULL);
    assert_int_equal(reply->elements, 2 + 4 * 3); /* and two in reserve */
    assert_string_equal(redis_reply_text(reply, 3), d->task[0]);
    freeReplyObject(reply);
    delivery_claim(d, 0, "one", NULL);
    delivery_look_at(d);
    reply = access_call(&d->redis, "task_due", "10", NULL);
    assert_int_equal(reply->elements, 2); /* its one place is taken */
    freeReplyObject(reply);
}


static void
a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100,\"ratePerSecond\":0.01,"
        "\"burst\":5");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(delivery_claim(d, i, i % 2 ? "one" : "two", NULL),
            "OK");
    }
    assert_string_equal(delivery_claim(d, 5, "one", &wait), "WAIT");
    assert_in_range(wait, 90000, 100000);
    delivery_set_state(d, "tokensAt", delivery_state(d, "tokensAt") - 200000);
    assert_string_equal(delivery_claim(d, 5, "one", NULL), "OK");
    assert_string_equal(delivery_claim(d, 6, "one", NULL), "OK");
    assert_string_equal(delivery_claim(d, 7, "one", &wait), "WAIT");
}


static void
without_a_limit_nothing_is_written_for_a_call(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "");
    delivery_attempt(d, 0, "done", "ok");
    assert_int_equal(redis_harness_number(&d->redis, "HLEN " WS
        "app:%s:delivery", d->app), 1);
}


static void
too_many_calls_halve_the_rate_once_and_it_comes_back(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(delivery_claim(d, i, "one", NULL), "OK");
    }
    for (int i = 0; i < 4; i++) { /* 8 calls a second were seen */
        delivery_finish_with(d, i, "waiting", "limited", "8", "1000", "");
    }
    assert_int_equal(delivery_state(d, "slow"), 4);
    assert_string_equal(delivery_task(d, 0, "excused"), "1");
    assert_string_equal(delivery_claim(d, 5, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 1000);
    delivery_set_state(d, "pausedUntil", 1);
    /* no token yet */
    assert_string_equal(delivery_claim(d, 5, "one", &wait), "WAIT");
    /* it doubles each minute, and at eight times of it is forgotten */
    delivery_set_state(d, "slowAt", delivery_state(d, "slowAt") - 200000);
    for (int i = 6; i < PEOPLE; i++) {
        assert_string_equal(delivery_claim(d, i, "one", NULL), "OK");
    }
}


static void
what_an_app_says_of_its_limit_holds_until_its_end(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    delivery_claim(d, 0, "one", NULL);
    delivery_finish_with(d, 0, "done", "ok", "8", "0", "0.5");
    /* the first token */
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "OK");
    assert_string_equal(delivery_claim(d, 2, "one", &wait), "WAIT");
    assert_in_range(wait, 1, 2000);
    delivery_set_state(d, "learnedUntil", 1);
    assert_string_equal(delivery_claim(d, 2, "one", NULL), "OK");
}


/* One call was left of a window of two seconds; that is over soon. */
static void
what_was_left_of_a_window_is_not_halved(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    delivery_claim(d, 0, "one", NULL);
    delivery_claim(d, 1, "one", NULL);
    delivery_finish_with(d, 0, "done", "ok", "8", "0", "0.5");
    delivery_finish_with(d, 1, "waiting", "limited", "8", "1000", "");
    assert_int_equal(delivery_state(d, "slow"), 4); /* of 8 that were seen */
}


static void
repetitions_have_a_budget_and_hold_up_nobody_else(void **state)
{
    int         refused = 0;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < PEOPLE - 1; i++) { /* answered, but not done */
        delivery_attempt(d, i, "waiting", "ok");
    }
    for (int i = 0; i < PEOPLE - 1; i++) {
        const char *code = delivery_claim(d, i, "one", NULL);

        refused += strcmp(code, "LATER") == 0;
        assert_true(strcmp(code, "OK") == 0 || strcmp(code, "LATER") == 0);
    }
    assert_in_range(refused, 1, 3);
    assert_string_equal(delivery_claim(d, PEOPLE - 1, "one", NULL), "OK");
}


/* May a page of a list (or, "0", what else a task needs) be asked for? */
static const char *
further(delivery_t *d, const char *id, const char *listing, long long *wait)
{
    redisReply *reply = access_call(&d->redis, "call_start", d->app, id,
        "20000", listing, NULL);
    const char *code = harness_format("%s", redis_reply_code(reply));

    if (wait) {
        *wait = redis_reply_number(reply, 1);
    }
    freeReplyObject(reply);
    return code;
}


/* The page is read; what that says of the app. */
static const char *
page_read(delivery_t *d, const char *id, const char *health, const char *pause)
{
    redisReply *reply = access_call(&d->redis, "call_end", d->app, id, health,
        "because", "8", pause, "", "0", NULL);
    const char *changed = harness_format("%s", redis_reply_text(reply, 2));

    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    return changed;
}


static void
a_page_of_a_list_takes_a_place(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":2");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "WAIT");
    assert_string_equal(further(d, "l2", "1", &wait), "WAIT");
    assert_in_range(wait, 1, 100);
    /* what a task needs besides has the task's place */
    assert_string_equal(further(d, "", "0", NULL), "OK");
    page_read(d, "l1", "ok", "0");
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "OK");
    /* one that is forgotten frees its place when its lease is over */
    delivery_finish_with(d, 0, "done", "ok", "8", "0", "");
    assert_string_equal(further(d, "l3", "1", NULL), "OK");
    freeReplyObject(redis_harness_command(&d->redis, "ZADD " WS
        "app:%s:listing 1 l3", d->app));
    assert_string_equal(delivery_claim(d, 2, "one", NULL), "OK");
}


static void
a_page_that_waits_long_enough_is_next(void **state)
{
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":1");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    assert_string_equal(further(d, "l1", "1", NULL), "WAIT");
    delivery_finish_with(d, 0, "done", "ok", "8", "0", "");
    /* not at once */
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "OK");
    assert_string_equal(further(d, "l1", "1", NULL), "WAIT");
    delivery_finish_with(d, 1, "done", "ok", "8", "0", "");
    delivery_set_state(d, "askedSince", delivery_state(d, "askedSince") - 1000);
    assert_string_equal(delivery_claim(d, 2, "one", NULL), "WAIT");
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    assert_string_equal(page_read(d, "l1", "ok", "0"), "");
    assert_string_equal(delivery_claim(d, 2, "one", NULL), "OK");
    /* who asks no more is not waited for */
    assert_string_equal(further(d, "l1", "1", NULL), "WAIT");
    delivery_finish_with(d, 2, "done", "ok", "8", "0", "");
    delivery_set_state(d, "askedSince", delivery_state(d, "askedSince") - 1000);
    delivery_set_state(d, "asked", 1);
    assert_string_equal(delivery_claim(d, 3, "one", NULL), "OK");
}


static void
all_calls_share_the_rate(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100,\"ratePerSecond\":1,\"burst\":3");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    assert_string_equal(further(d, "", "0", NULL), "OK");
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "WAIT");
    assert_string_equal(further(d, "", "0", &wait), "WAIT");
    assert_in_range(wait, 1, 1000);
    /* the next token is for the one who has waited */
    delivery_set_state(d, "askedSince", delivery_state(d, "askedSince") - 1000);
    delivery_set_state(d, "tokensAt", delivery_state(d, "tokensAt") - 1500);
    assert_string_equal(delivery_claim(d, 1, "one", NULL), "WAIT");
    assert_string_equal(further(d, "", "0", NULL), "OK");
}


static void
a_list_tells_of_the_app_as_tasks_do(void **state)
{
    long long   wait;
    delivery_t *d = *state;

    delivery_people(d, "\"concurrency\":100");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(further(d, "l1", "1", NULL), "OK");
        assert_string_equal(page_read(d, "l1", "failed", "0"), "");
    }
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    assert_string_equal(page_read(d, "l1", "failed", "0"), "down");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "WAIT");
    /* whoever asks for a list now makes a probe of it, one at a time */
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    assert_string_equal(further(d, "l2", "1", NULL), "WAIT");
    assert_string_equal(page_read(d, "l1", "ok", "0"), "up");
    assert_string_equal(delivery_claim(d, 0, "one", NULL), "OK");
    assert_string_equal(further(d, "l1", "1", NULL), "OK");
    page_read(d, "l1", "limited", "60000");
    assert_string_equal(delivery_claim(d, 1, "one", &wait), "WAIT");
    assert_in_range(wait, 50000, 60000);
    assert_string_equal(further(d, "l1", "1", &wait), "PAUSED");
    assert_in_range(wait, 50000, 60000);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sidecars_together_hold_to_the_places_of_an_app),
        cmocka_unit_test(what_is_due_is_handed_out_as_far_as_there_is_room),
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(without_a_limit_nothing_is_written_for_a_call),
        cmocka_unit_test(too_many_calls_halve_the_rate_once_and_it_comes_back),
        cmocka_unit_test(what_an_app_says_of_its_limit_holds_until_its_end),
        cmocka_unit_test(what_was_left_of_a_window_is_not_halved),
        cmocka_unit_test(repetitions_have_a_budget_and_hold_up_nobody_else),
        cmocka_unit_test(a_page_of_a_list_takes_a_place),
        cmocka_unit_test(a_page_that_waits_long_enough_is_next),
        cmocka_unit_test(all_calls_share_the_rate),
        cmocka_unit_test(a_list_tells_of_the_app_as_tasks_do)
    };

    return cmocka_run_group_tests_name("delivery", tests, delivery_start,
        delivery_stop);
}
