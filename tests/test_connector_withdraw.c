#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connector_harness.h"

/* An invite that ran out is withdrawn, and never a person who accepted it. */
typedef connector_harness_t fixture_t; /* and no more */

#define MAP "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"," \
    "\"state\":\"/state\"}"
#define LIST "\"list\":{\"method\":\"GET\",\"path\":\"/members\"," MAP "},"
#define TELLS "\"list\":{\"method\":\"GET\",\"path\":\"/members\"," MAP \
    ",\"pendingStates\":[\"open\"]},"
#define JOINED "\"list\":{\"method\":\"GET\",\"path\":\"/members\"," MAP \
    ",\"pending\":false},"
#define FIND "\"find\":{\"method\":\"GET\",\"path\":\"/find\"," MAP \
    ",\"pendingStates\":[\"open\"]},"
#define APART "\"openInvites\":{\"method\":\"GET\",\"path\":\"/invites\"," \
    MAP "}," LIST
#define CANCEL \
    "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/i/${member.id}\"},"
#define ANA(id, state) "[{\"id\":\"" id "\",\"email\":\"ana@example.com\"," \
    "\"state\":\"" state "\"}]"


static int
setup(void **state)
{
    fixture_t *f;

    connector_harness_setup(state);
    f = *state;
    f->task.kind = TASK_REMOVE;
    f->task.member_id = "7";
    f->task.withdraw = true;
    return 0;
}


/* Runs the task against an app with these verbs beside `remove`. */
static void
run(fixture_t *f, const char *verbs, outcome_kind_t kind,
    removal_word_t removal)
{
    char text[1536];

    snprintf(text, sizeof(text), "%s"
        "\"remove\":{\"method\":\"DELETE\",\"path\":\"/m/${member.id}\"}",
        verbs);
    connector_harness_define(f, text);
    connector_harness_try(f);
    assert_int_equal(f->outcome.kind, kind);
    assert_int_equal(f->outcome.removal, removal);
    assert_int_equal(mock_app_left(f->app), 0);
}


static void
was_asked(fixture_t *f, size_t count, const char *last)
{
    assert_int_equal(mock_app_count(f->app), count);
    assert_true(mock_app_is(f->app, count - 1, last));
}


static void
without_cancel_an_open_invite_is_removed(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    mock_app_answer(f->app, 204, "", "");
    run(f, TELLS, OUTCOME_DONE, REMOVAL_UNVERIFIED);
    was_asked(f, 2, "DELETE /m/7 ");
}


static void
without_cancel_who_accepted_stays(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("9", "active"));
    run(f, TELLS, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 1, "GET /members ");
    assert_string_equal(f->member_id, "9");
}


static void
who_accepted_under_another_address_stays(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", "[{\"id\":\"7\",\"email\":"
        "\"ana@home.example\",\"state\":\"active\"}]");
    run(f, TELLS, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 1, "GET /members ");
}


static void
with_cancel_who_accepted_stays(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "active"));
    run(f, CANCEL TELLS, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 1, "GET /members ");
}


/* Accepted between the look and the word. */
static void
accepted_meanwhile(fixture_t *f, int status)
{
    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    mock_app_answer(f->app, status, "", "{}");
    mock_app_answer(f->app, 200, "", ANA("7", "active"));
    run(f, CANCEL TELLS, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 3, "GET /members ");
}


static void
a_cancel_that_finds_none_is_looked_up(void **state)
{
    accepted_meanwhile(*state, 404);
}


static void
so_is_one_that_finds_none_any_more(void **state)
{
    accepted_meanwhile(*state, 410);
}


static void
so_is_one_that_the_app_refuses(void **state)
{
    accepted_meanwhile(*state, 409);
}


static void
one_that_finds_none_and_nobody_is_over(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    mock_app_answer(f->app, 404, "", "{}");
    mock_app_answer(f->app, 200, "", "[]");
    run(f, CANCEL TELLS, OUTCOME_DONE, REMOVAL_SAID);
}


static void
one_that_is_refused_while_the_invite_is_open_is_tried_again(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    mock_app_answer(f->app, 409, "", "{}");
    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    run(f, CANCEL TELLS, OUTCOME_UNKNOWN, REMOVAL_SAID);
}


static void
a_refused_cancel_without_a_look_up_means_accepted(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 409, "", "{}");
    run(f, CANCEL, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 1, "DELETE /i/7 ");
}


static void
an_app_that_does_not_tell_is_a_persons_work(void **state)
{
    fixture_t *f = *state;

    run(f, "", OUTCOME_MANUAL, REMOVAL_SAID);
    assert_int_equal(mock_app_count(f->app), 0);
}


static void
so_is_one_whose_list_does_not_tell(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "active"));
    run(f, LIST, OUTCOME_MANUAL, REMOVAL_SAID);
    was_asked(f, 1, "GET /members ");
}


static void
unless_nobody_is_in_it(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", "[]");
    run(f, LIST, OUTCOME_DONE, REMOVAL_SAID);
}


static void
a_list_of_who_accepted_tells(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", "[]");
    mock_app_answer(f->app, 204, "", "");
    run(f, JOINED, OUTCOME_DONE, REMOVAL_UNVERIFIED);
    was_asked(f, 2, "DELETE /m/7 ");
}


static void
and_so_who_is_in_it_stays(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", ""));
    run(f, JOINED, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 1, "GET /members ");
}


static void
a_list_that_fails_takes_nobody_out(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 500, "", "oops");
    run(f, TELLS, OUTCOME_RETRY, REMOVAL_SAID);
    was_asked(f, 1, "GET /members ");
}


/* Accepted while it was withdrawn, as the look afterwards shows. */
static void
an_app_that_finds_people_is_asked_afterwards(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("7", "open"));
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 200, "", ANA("9", "active"));
    run(f, CANCEL FIND, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 3, "GET /find ");
    assert_string_equal(f->member_id, "9");
}


static void
where_invites_are_apart_members_stay(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", "[]");
    mock_app_answer(f->app, 200, "", ANA("m-1", ""));
    run(f, CANCEL APART, OUTCOME_DONE, REMOVAL_ACCEPTED);
    was_asked(f, 2, "GET /members ");
    assert_string_equal(f->member_id, "m-1");
}


static void
where_invites_are_apart_the_open_one_is_cancelled(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 200, "", ANA("i-1", ""));
    mock_app_answer(f->app, 200, "", "[]");
    mock_app_answer(f->app, 204, "", "");
    run(f, CANCEL APART, OUTCOME_DONE, REMOVAL_UNVERIFIED);
    was_asked(f, 3, "DELETE /i/i-1 ");
}


/* Who leaves is removed whatever they are by now. */
static void
a_leavers_cancel_that_is_refused_becomes_a_removal(void **state)
{
    fixture_t *f = *state;

    f->task.withdraw = false;
    mock_app_answer(f->app, 409, "", "{}");
    mock_app_answer(f->app, 204, "", "");
    run(f, CANCEL, OUTCOME_DONE, REMOVAL_SAID);
    was_asked(f, 2, "DELETE /m/7 ");
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, setup, connector_harness_teardown)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(without_cancel_an_open_invite_is_removed),
        CASE(without_cancel_who_accepted_stays),
        CASE(who_accepted_under_another_address_stays),
        CASE(with_cancel_who_accepted_stays),
        CASE(a_cancel_that_finds_none_is_looked_up),
        CASE(so_is_one_that_finds_none_any_more),
        CASE(so_is_one_that_the_app_refuses),
        CASE(one_that_finds_none_and_nobody_is_over),
        CASE(one_that_is_refused_while_the_invite_is_open_is_tried_again),
        CASE(a_refused_cancel_without_a_look_up_means_accepted),
        CASE(an_app_that_does_not_tell_is_a_persons_work),
        CASE(so_is_one_whose_list_does_not_tell),
        CASE(unless_nobody_is_in_it),
        CASE(a_list_of_who_accepted_tells),
        CASE(and_so_who_is_in_it_stays),
        CASE(a_list_that_fails_takes_nobody_out),
        CASE(an_app_that_finds_people_is_asked_afterwards),
        CASE(where_invites_are_apart_members_stay),
        CASE(where_invites_are_apart_the_open_one_is_cancelled),
        CASE(a_leavers_cancel_that_is_refused_becomes_a_removal)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
