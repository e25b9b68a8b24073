#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connector_harness.h"

/* A removal is one when the app, asked who is there, agrees. */
typedef connector_harness_t fixture_t; /* and no more */

#define FIND "\"find\":{\"method\":\"GET\"," \
    "\"path\":\"/find?q=${user.email}\",\"items\":\"\"," \
    "\"map\":{\"id\":\"/id\",\"email\":\"/email\"," \
    "\"state\":\"/state\",\"active\":\"/active\"}," \
    "\"pendingStates\":[\"invited\"]},"
#define LIST "\"list\":{\"method\":\"GET\",\"path\":\"/members\"," \
    "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"}},"
#define THERE "[{\"id\":\"7\",\"email\":\"ana@example.com\"}]"


static int
setup(void **state)
{
    fixture_t *f;

    connector_harness_setup(state);
    f = *state;
    f->task.kind = TASK_REMOVE;
    f->task.member_id = "7";
    f->task.accepted = true;
    return 0;
}


/* Runs the task against an app that is defined with these verbs as well. */
static void
run(fixture_t *f, const char *verbs, outcome_kind_t kind,
    removal_word_t removal)
{
    char text[1536];

    snprintf(text, sizeof(text), "%s"
        "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/i/${member.id}\"},"
        "\"remove\":{\"method\":\"DELETE\",\"path\":\"/m/${member.id}\"}",
        verbs);
    connector_harness_define(f, text);
    connector_harness_try(f);
    assert_int_equal(f->outcome.kind, kind);
    assert_int_equal(f->outcome.removal, removal);
    assert_int_equal(mock_app_left(f->app), 0);
}


static void
an_app_that_can_show_nobody_is_taken_at_its_word(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    run(f, "", OUTCOME_DONE, REMOVAL_SAID);
}


static void
one_that_finds_people_is_asked(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[]");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
    assert_true(mock_app_is(f->app, 1, "GET /find?q=Ana%40Example.com "));
}


static void
not_found_is_an_answer_to_that(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 404, "", "{}");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
}


static void
who_is_switched_off_is_out(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[{\"id\":\"7\",\"email\":"
        "\"ana@example.com\",\"active\":false}]");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
}


static void
one_with_a_list_alone_is_left_to_the_caller(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    run(f, LIST, OUTCOME_DONE, REMOVAL_UNVERIFIED);
    assert_int_equal(mock_app_count(f->app), 1);
}


static void
who_is_still_there_is_not_removed(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", THERE);
    run(f, FIND, OUTCOME_UNKNOWN, REMOVAL_LISTED);
    assert_int_equal(f->outcome.health, HEALTH_OK);
}


static void
one_that_hides_the_address_is_known_by_the_id(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 404, "", "");
    mock_app_answer(f->app, 200, "", "[{\"id\":\"7\"}]");
    run(f, FIND, OUTCOME_UNKNOWN, REMOVAL_LISTED);
}


/* The list lagged: nothing is sent a second time. */
static void
another_try_begins_with_a_look(void **state)
{
    fixture_t *f = *state;

    f->task.looks = 1;
    mock_app_answer(f->app, 200, "", "[]");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
    assert_true(mock_app_is(f->app, 0, "GET "));
}


static void
who_is_there_then_is_removed_once_more_with_a_key_of_its_own(void **state)
{
    fixture_t *f = *state;

    f->task.looks = 2;
    mock_app_answer(f->app, 200, "", "[{\"id\":\"9\",\"email\":"
        "\"ana@example.com\"}]");
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[]");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
    assert_true(mock_app_is(f->app, 1, "DELETE /m/9 HTTP"));
    assert_true(mock_app_has(f->app, 1,
        "Idempotency-Key: task-1:remove2"));
}


/* Accepted between our look and our word. */
static void
an_invite_that_was_accepted_meanwhile_is_undone(void **state)
{
    fixture_t *f = *state;

    f->task.accepted = false;
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[{\"id\":\"9\",\"email\":"
        "\"ana@example.com\",\"state\":\"active\"}]");
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[]");
    run(f, FIND, OUTCOME_DONE, REMOVAL_SAID);
    assert_true(mock_app_is(f->app, 0, "DELETE /i/7 HTTP"));
    assert_true(mock_app_is(f->app, 2, "DELETE /m/9 HTTP"));
}


static void
an_invite_that_is_still_open_is_not_withdrawn(void **state)
{
    fixture_t *f = *state;

    f->task.accepted = false;
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", "[{\"id\":\"7\",\"email\":"
        "\"ana@example.com\",\"state\":\"invited\"}]");
    run(f, FIND, OUTCOME_UNKNOWN, REMOVAL_LISTED);
}


static void
a_look_that_fails_says_nothing(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 500, "", "");
    run(f, FIND, OUTCOME_UNKNOWN, REMOVAL_SAID);
    assert_int_equal(f->outcome.health, HEALTH_FAILED);
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, setup, connector_harness_teardown)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_app_that_can_show_nobody_is_taken_at_its_word),
        CASE(one_that_finds_people_is_asked),
        CASE(not_found_is_an_answer_to_that),
        CASE(who_is_switched_off_is_out),
        CASE(one_with_a_list_alone_is_left_to_the_caller),
        CASE(who_is_still_there_is_not_removed),
        CASE(one_that_hides_the_address_is_known_by_the_id),
        CASE(another_try_begins_with_a_look),
        CASE(who_is_there_then_is_removed_once_more_with_a_key_of_its_own),
        CASE(an_invite_that_was_accepted_meanwhile_is_undone),
        CASE(an_invite_that_is_still_open_is_not_withdrawn),
        CASE(a_look_that_fails_says_nothing)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
