#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner_harness.h"

/* The life of an invite: reminded of, out of time, sent again. */

/* Invited so many seconds ago, to an app with a policy. */
static void
invited_since(person_t *ann, int seconds)
{
    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_INVITED);
    ann->grants[0].invited_at = NOW - seconds * 1000;
    ann->apps[0].app = &ann->dated;
}


static void
an_invite_is_reminded_of_in_its_time_and_not_for_ever(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 29);
    person_expect_nothing(ann);
    assert_int_equal(ann->plan.recheck_at, NOW + 1000);
    invited_since(ann, 30);
    person_expect(ann, GRANT_INVITED, TASK_NEW, "remind");
    assert_int_equal(ann->plan.changes[0].reminded, 1);
    assert_int_equal(ann->plan.changes[0].reminded_at, NOW);
    assert_int_equal(ann->plan.recheck_at, NOW + 30000);
    ann->grants[0].reminded = 2;
    person_expect_nothing(ann);
    assert_int_equal(ann->plan.recheck_at, NOW + 70000);
}


static void
a_reminder_is_no_reason_to_drop_it_nor_to_wait_with_a_role(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 31);
    ann->grants[0].reminded = 1;
    ann->grants[0].reminded_at = NOW - 1000;
    person_task(ann, "remind", "queued", 0, false);
    person_expect_nothing(ann);
    ann->grants[0].state = GRANT_ACCEPTED;
    person_expect(ann, GRANT_ACCEPTED, TASK_DROP, "");
    ann->grants[0].state = GRANT_INVITED;
    ann->grants[0].applied_role = "viewer";
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
}


static void
an_invite_that_ran_out_is_withdrawn_and_sent_once_more(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 100);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(ann->plan.changes[0].replan);
    assert_int_equal(ann->plan.changes[0].guard, GUARD_NONE);
    assert_int_equal(ann->plan.changes[0].before, GRANT_EXPIRED);
    assert_int_equal(ann->plan.changes[0].reinvited, 1);
    ann->grants[0].reinvited = 1;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_false(ann->plan.changes[0].replan);
    assert_int_equal(ann->plan.changes[0].reinvited, 1);
}


static void
nothing_takes_back_an_invite_that_ran_out(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 100);
    ann->grants[0].state = GRANT_REMOVING;
    ann->grants[0].before = GRANT_EXPIRED;
    person_task(ann, "remove", "queued", 0, false);
    person_expect_nothing(ann);
    ann->grants[0].replan = true;
    person_expect_nothing(ann);
}


static void
who_accepted_is_never_out_of_time(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 1000);
    ann->grants[0].state = GRANT_ACCEPTED;
    person_expect_nothing(ann);
    ann->grants[0].state = GRANT_CONNECTED;
    person_expect_nothing(ann);
}


static void
the_last_owner_is_not_out_of_time_either(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 100);
    ann->apps[0].last_owner = true;
    person_expect_nothing(ann);
}


static void
an_invite_by_mail_just_ends(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 100);
    ann->apps[0].app = &ann->mailed;
    person_expect(ann, GRANT_EXPIRED, TASK_KEEP, "");
    person_has(ann, GRANT_EXPIRED);
    person_expect_nothing(ann);
}


static void
an_invite_under_way_is_looked_at_before_anything_is_due(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 0);
    ann->grants[0].state = GRANT_PENDING;
    ann->grants[0].invited_at = 0;
    person_task(ann, "invite", "queued", 0, false);
    person_expect_nothing(ann);
    assert_int_equal(ann->plan.recheck_at, NOW + 30000);
    ann->facts.grant_count = 0;
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(ann->plan.recheck_at, NOW + 30000);
}


static void
an_operator_has_an_invite_sent_again(void **state)
{
    person_t *ann = *state;

    invited_since(ann, 10);
    ann->grants[0].resend = true;
    ann->grants[0].reminded = 2;
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(ann->plan.changes[0].reminded, 0);
    ann->grants[0].state = GRANT_EXPIRED;
    ann->grants[0].reinvited = 1;
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_int_equal(ann->plan.changes[0].reinvited, 0);
    ann->apps[0].seat = false;
    person_expect(ann, GRANT_WAITLISTED, TASK_KEEP, "");
    ann->apps[0].seat = true;
    ann->grants[0].state = GRANT_CONNECTED;
    /* taken note of, no more */
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, person_setup, person_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_invite_is_reminded_of_in_its_time_and_not_for_ever),
        CASE(a_reminder_is_no_reason_to_drop_it_nor_to_wait_with_a_role),
        CASE(an_invite_that_ran_out_is_withdrawn_and_sent_once_more),
        CASE(nothing_takes_back_an_invite_that_ran_out),
        CASE(who_accepted_is_never_out_of_time),
        CASE(the_last_owner_is_not_out_of_time_either),
        CASE(an_invite_by_mail_just_ends),
        CASE(an_invite_under_way_is_looked_at_before_anything_is_due),
        CASE(an_operator_has_an_invite_sent_again)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
