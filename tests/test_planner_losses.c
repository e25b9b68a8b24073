#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner_harness.h"

/* Every transition of a grant that is wanted no more, or held. */

static void
a_loss_settles_before_it_counts(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_CONNECTED);
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_int_equal(ann->plan.changes[0].lost_at, NOW);
    assert_int_equal(ann->plan.recheck_at, NOW + 5000);
    ann->grants[0].lost_at = NOW;
    ann->grants[0].sources = "[]";
    ann->facts.now = NOW + 4999;
    person_expect_nothing(ann);
    assert_int_equal(ann->plan.recheck_at, NOW + 5000);
    ann->facts.now = NOW + 5000;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].guard, GUARD_LOSS);
    assert_int_equal(ann->plan.changes[0].before, GRANT_CONNECTED);
    assert_int_equal(ann->plan.recheck_at, 0);
    ann->facts.now = NOW;
}


static void
a_move_between_groups_is_one_role_change(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_CONNECTED);
    ann->grants[0].lost_at = NOW - 3000;
    ann->grants[0].sources = "[]";
    person_share(ann, "team:2", false, "admin");
    person_expect(ann, GRANT_CONNECTED, TASK_NEW, "role");
    assert_int_equal(ann->plan.changes[0].lost_at, 0);
}


static void
a_leaver_goes_at_once(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_CONNECTED);
    ann->facts.active = false;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].guard, GUARD_LEAVER);
    assert_string_equal(ann->plan.changes[0].sources, "[]");
    ann->facts.exists = false;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
}


static void
an_invite_never_sent_is_forgotten(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_PENDING);
    person_settled(ann);
    person_task(ann, "invite", "queued", 0, false);
    person_expect(ann, GRANT_REMOVED, TASK_DROP, "");
    /* the app said: not done */
    person_task(ann, "invite", "waiting", 3, false);
    person_expect(ann, GRANT_REMOVED, TASK_DROP, "");
    person_task(ann, "invite", "waiting", 3, true);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].before, GRANT_NONE);
    person_has(ann, GRANT_WAITLISTED);
    person_task(ann, "", "", 0, false);
    ann->grants[0].task = "";
    person_expect(ann, GRANT_REMOVED, TASK_KEEP, "");
}


static void
the_place_in_line_settles_too(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_WAITLISTED);
    person_expect(ann, GRANT_WAITLISTED, TASK_KEEP, "");
    assert_int_equal(ann->plan.recheck_at, NOW + 5000);
}


static void
a_call_that_runs_is_waited_for(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_PENDING);
    person_settled(ann);
    person_task(ann, "invite", "running", 1, true);
    person_expect(ann, GRANT_PENDING, TASK_KEEP, "");
    assert_true(ann->plan.changes[0].replan);
    ann->grants[0].replan = true;
    ann->grants[0].sources = "[]";
    person_expect_nothing(ann);
}


static void
a_removal_goes_on(void **state)
{
    person_t *ann = *state;

    ann->grants[0].sources = "[]";
    person_has(ann, GRANT_REMOVING);
    ann->grants[0].sources = "[]";
    ann->grants[0].before = GRANT_INVITED;
    person_task(ann, "remove", "running", 1, true);
    person_expect_nothing(ann);
    ann->grants[0].replan = true; /* wanted meanwhile, and now no more */
    person_settled(ann);
    person_expect(ann, GRANT_REMOVING, TASK_KEEP, "");
    assert_false(ann->plan.changes[0].replan);
    ann->grants[0].replan = false;
    ann->grants[0].lost_at = 0;
    ann->grants[0].state = GRANT_FAILED;
    person_task(ann, "remove", "failed", 1, false);
    person_expect_nothing(ann);
}


static void
a_failed_invite_or_role_ends_too(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_FAILED);
    person_settled(ann);
    ann->grants[0].before = GRANT_ACCEPTED;
    person_task(ann, "role", "failed", 8, true);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].before, GRANT_ACCEPTED);
    ann->grants[0].applied_role = ann->grants[0].member_id = "";
    ann->grants[0].before = GRANT_NONE;
    person_task(ann, "invite", "failed", 1, false);
    person_expect(ann, GRANT_REMOVED, TASK_DROP, "");
    person_has(ann, GRANT_EXPIRED);
    ann->grants[0].task = "";
    person_settled(ann);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
}


static void
the_last_owner_and_the_own_account_wait_for_a_person(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_CONNECTED);
    ann->facts.active = false;
    ann->apps[0].last_owner = true;
    person_expect(ann, GRANT_MANUAL, TASK_MANUAL, "remove");
    assert_int_equal(ann->plan.changes[0].before, GRANT_CONNECTED);
    ann->apps[0].last_owner = false;
    ann->grants[0].email = "bot@EXAMPLE.com";
    person_expect(ann, GRANT_MANUAL, TASK_MANUAL, "remove");
    ann->grants[0].state = GRANT_MANUAL;
    ann->grants[0].before = GRANT_CONNECTED;
    ann->grants[0].sources = "[]";
    person_task(ann, "remove", "manual", 0, false);
    person_expect_nothing(ann);
}


static void
a_deleted_app_is_forgotten(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_CONNECTED);
    ann->apps[0].app = NULL;
    person_expect(ann, GRANT_REMOVED, TASK_KEEP, "");
    person_has(ann, GRANT_PENDING);
    person_task(ann, "invite", "running", 1, true);
    person_expect(ann, GRANT_REMOVED, TASK_DROP, "");
}


static void
hold(person_t *ann, hold_state_t decision)
{
    person_has(ann, GRANT_HELD);
    ann->grants[0].sources = "[]";
    ann->grants[0].before = GRANT_CONNECTED;
    ann->grants[0].hold = decision;
}


static void
an_open_hold_keeps_people(void **state)
{
    person_t *ann = *state;

    hold(ann, HOLD_OPEN);
    person_expect_nothing(ann);
    ann->facts.active = false;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].guard, GUARD_LEAVER);
    ann->grants[0].held_leaver = true;
    person_expect_nothing(ann);
}


static void
an_approved_hold_acts_on_what_is_now(void **state)
{
    person_t *ann = *state;

    hold(ann, HOLD_APPROVED);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_int_equal(ann->plan.changes[0].guard, GUARD_NONE);
    assert_int_equal(ann->plan.changes[0].before, GRANT_CONNECTED);
    person_share(ann, "team:1", false, "editor");
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_rejected_hold_keeps_people_until_the_directory_changes(void **state)
{
    person_t *ann = *state;

    hold(ann, HOLD_REJECTED);
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(ann->plan.changes[0].kept, "unshared");
    ann->grants[0].state = GRANT_CONNECTED;
    ann->grants[0].before = GRANT_NONE;
    ann->grants[0].kept = "unshared";
    ann->grants[0].hold = HOLD_NONE;
    person_expect_nothing(ann);
    ann->facts.active = false;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    ann->facts.active = true;
    person_share(ann, "team:1", false, "editor");
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(ann->plan.changes[0].kept, "");
}


static void
a_rejected_leaver_stays_until_deleted(void **state)
{
    person_t *ann = *state;

    hold(ann, HOLD_REJECTED);
    ann->facts.active = false;
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_string_equal(ann->plan.changes[0].kept, "inactive");
    ann->grants[0].state = GRANT_CONNECTED;
    ann->grants[0].before = GRANT_NONE;
    ann->grants[0].kept = "inactive";
    person_expect_nothing(ann);
    ann->facts.exists = false;
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, person_setup, person_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_loss_settles_before_it_counts),
        CASE(a_move_between_groups_is_one_role_change),
        CASE(a_leaver_goes_at_once),
        CASE(an_invite_never_sent_is_forgotten),
        CASE(the_place_in_line_settles_too),
        CASE(a_call_that_runs_is_waited_for),
        CASE(a_removal_goes_on),
        CASE(a_failed_invite_or_role_ends_too),
        CASE(the_last_owner_and_the_own_account_wait_for_a_person),
        CASE(a_deleted_app_is_forgotten),
        CASE(an_open_hold_keeps_people),
        CASE(an_approved_hold_acts_on_what_is_now),
        CASE(a_rejected_hold_keeps_people_until_the_directory_changes),
        CASE(a_rejected_leaver_stays_until_deleted)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
