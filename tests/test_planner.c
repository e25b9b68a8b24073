#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner_harness.h"

/* Every transition of a grant that is wanted. */

static void
somebody_new_is_invited(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(ann->plan.changes[0].access_role, "editor");
    assert_string_equal(ann->plan.changes[0].sources, TEAM_1_EDITOR);
    assert_string_equal(ann->plan.changes[0].email, "ann@example.com");
    assert_false(ann->plan.changes[0].unknown);
}


static void
nobody_is_invited_without_a_share_or_when_inactive(void **state)
{
    person_t *ann = *state;

    person_expect_nothing(ann);
    person_share(ann, "team:1", false, "editor");
    ann->facts.active = false;
    person_expect_nothing(ann);
    ann->facts.exists = false;
    person_expect_nothing(ann);
}


static void
a_removed_person_who_is_wanted_again_is_invited_again(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_REMOVED);
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
}


static void
the_strongest_source_decides(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", true, "viewer");
    person_share(ann, "team:2", false, "admin");
    person_share(ann, "user:u", false, "editor");
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_true(ann->plan.changes[0].owner);
    assert_string_equal(ann->plan.changes[0].access_role, "admin");
    assert_string_equal(ann->plan.changes[0].share, "team:2");
}


static void
of_equal_access_roles_the_owners_share_gives_it(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_share(ann, "team:2", true, "editor");
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(ann->plan.changes[0].share, "team:2");
}


static void
a_removal_names_the_share_that_was_lost(void **state)
{
    person_t *ann = *state;

    person_has(ann, GRANT_INVITED);
    ann->grants[0].sources = "[{\"type\":\"team\",\"id\":\"1\",\"role\":"
        "\"owner\",\"accessRole\":\"viewer\"},{\"type\":\"user\",\"id\":"
        "\"u\",\"role\":\"collaborator\",\"accessRole\":\"editor\"}]";
    person_settled(ann);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_string_equal(ann->plan.changes[0].share, "user:u");
}


static void
a_role_the_app_has_not_counts_as_its_default(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "gone");
    person_share(ann, "team:2", false, "");
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_string_equal(ann->plan.changes[0].access_role, "viewer");
}


static void
the_order_of_sources_does_not_matter(void **state)
{
    person_t *ann = *state;

    person_share(ann, "user:u", false, "viewer");
    person_share(ann, "team:1", false, "editor");
    person_share(ann, "team:0", true, "admin");
    person_has(ann, GRANT_INVITED);
    person_plan(ann);
    ann->grants[0].sources = strdup(ann->plan.changes[0].sources);
    ann->grants[0].owner = true;
    ann->grants[0].access_role = ann->grants[0].applied_role = "admin";
    person_expect_nothing(ann);
    for (int i = 0; i < 6; i++) {
        plan_source_t first = ann->sources[i % 2];

        ann->sources[i % 2] = ann->sources[i % 2 + 1];
        ann->sources[i % 2 + 1] = first;
        person_expect_nothing(ann);
    }
    free((char *) ann->grants[0].sources);
}


static void
losing_one_of_two_sources_keeps_the_person(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:2", false, "editor");
    person_has(ann, GRANT_CONNECTED);
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_non_null(strstr(ann->plan.changes[0].sources, "\"id\":\"2\""));
}


static void
without_a_free_seat_people_wait(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    ann->apps[0].seat = false;
    person_expect(ann, GRANT_WAITLISTED, TASK_KEEP, "");
    person_has(ann, GRANT_WAITLISTED);
    person_expect_nothing(ann);
    ann->apps[0].seat = true;
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
}


static void
an_open_invite_takes_the_role_of_the_wish(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "admin");
    person_has(ann, GRANT_PENDING);
    person_task(ann, "invite", "queued", 0, false);
    person_expect(ann, GRANT_PENDING, TASK_KEEP, "");
    assert_string_equal(ann->plan.changes[0].access_role, "admin");
    assert_false(ann->plan.changes[0].replan);
    person_task(ann, "invite", "running", 1, true);
    person_expect(ann, GRANT_PENDING, TASK_KEEP, "");
    assert_true(ann->plan.changes[0].replan);
}


static void
a_pending_grant_without_a_task_is_invited(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_PENDING);
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
}


static void
a_member_gets_another_role(void **state)
{
    person_t     *ann = *state;
    grant_state_t in[] = { GRANT_INVITED, GRANT_ACCEPTED, GRANT_CONNECTED };

    person_share(ann, "team:1", false, "admin");
    for (int i = 0; i < 3; i++) {
        person_has(ann, in[i]);
        person_expect(ann, in[i], TASK_NEW, "role");
        assert_string_equal(ann->plan.changes[0].access_role, "admin");
    }
    person_task(ann, "role", "running", 1, true); /* for editor */
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
    assert_true(ann->plan.changes[0].replan);
}


static void
an_open_role_task_takes_the_role_of_the_wish(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "admin");
    person_has(ann, GRANT_CONNECTED);
    ann->grants[0].applied_role = "viewer";
    person_task(ann, "role", "queued", 0, false);
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_role_that_is_there_again_needs_no_task(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_CONNECTED);
    ann->grants[0].access_role = "admin";
    person_task(ann, "role", "queued", 0, false);
    person_expect(ann, GRANT_CONNECTED, TASK_DROP, "");
    person_task(ann, "role", "waiting", 2, true); /* admin may have been set */
    person_expect(ann, GRANT_CONNECTED, TASK_KEEP, "");
}


static void
a_failed_role_ends_when_the_old_one_is_wanted(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_FAILED);
    ann->grants[0].access_role = "admin";
    ann->grants[0].before = GRANT_CONNECTED;
    person_task(ann, "role", "failed", 1, false);
    person_expect(ann, GRANT_CONNECTED, TASK_DROP, "");
    ann->sources[0].access_role = "viewer";
    person_expect(ann, GRANT_CONNECTED, TASK_NEW, "role");
    ann->sources[0].access_role = "admin";
    person_plan(ann);
    assert_int_equal(ann->plan.count, 1); /* sources are noted */
    assert_int_equal(ann->plan.changes[0].state, GRANT_FAILED);
}


static void
a_pending_invite_is_withdrawn_and_sent_again(void **state)
{
    person_t *ann = *state;

    ann->apps[0].app = &ann->cancelling;
    person_share(ann, "team:1", false, "admin");
    person_has(ann, GRANT_INVITED);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(ann->plan.changes[0].replan);
    assert_int_equal(ann->plan.changes[0].guard, GUARD_NONE);
    person_has(ann, GRANT_CONNECTED);
    person_expect(ann, GRANT_CONNECTED, TASK_NEW, "role");
}


static void
a_withdrawal_under_way_is_left_alone_or_taken_back(void **state)
{
    person_t *ann = *state;

    ann->apps[0].app = &ann->cancelling;
    person_share(ann, "team:1", false, "admin");
    person_has(ann, GRANT_REMOVING);
    ann->grants[0].before = GRANT_INVITED;
    ann->grants[0].replan = true;
    person_task(ann, "remove", "queued", 0, false);
    person_expect(ann, GRANT_REMOVING, TASK_KEEP, ""); /* the wish is noted */
    ann->sources[0].access_role = "editor"; /* which the app has */
    person_expect(ann, GRANT_INVITED, TASK_DROP, "");
    person_task(ann, "remove", "failed", 1, false);
    ann->grants[0].state = GRANT_FAILED;
    ann->sources[0].access_role = "admin";
    /* not once more without end */
    person_expect(ann, GRANT_FAILED, TASK_KEEP, "");
}


static void
without_a_role_verb_the_person_is_invited_again(void **state)
{
    person_t *ann = *state;

    ann->apps[0].app = &ann->roleless;
    person_share(ann, "team:1", false, "admin");
    person_has(ann, GRANT_CONNECTED);
    person_expect(ann, GRANT_REMOVING, TASK_NEW, "remove");
    assert_true(ann->plan.changes[0].replan);
    ann->apps[0].last_owner = true; /* never removed by a rule */
    person_expect(ann, GRANT_CONNECTED, TASK_NEW, "role");
}


static void
a_removal_not_sent_is_taken_back(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_REMOVING);
    ann->grants[0].before = GRANT_ACCEPTED;
    person_task(ann, "remove", "queued", 0, false);
    person_expect(ann, GRANT_ACCEPTED, TASK_DROP, "");
    person_task(ann, "remove", "waiting", 1, false); /* the app said: later */
    person_expect(ann, GRANT_ACCEPTED, TASK_DROP, "");
    ann->sources[0].access_role = "admin";
    person_expect(ann, GRANT_ACCEPTED, TASK_NEW, "role");
}


static void
a_removal_that_may_have_happened_is_followed_by_an_invite(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_REMOVING);
    ann->grants[0].before = GRANT_ACCEPTED;
    person_task(ann, "remove", "running", 1, true);
    person_expect(ann, GRANT_REMOVING, TASK_KEEP, "");
    assert_true(ann->plan.changes[0].replan);
    person_task(ann, "remove", "waiting", 1, true);
    person_expect(ann, GRANT_REMOVING, TASK_KEEP, "");
    ann->grants[0].replan = true;
    person_expect_nothing(ann);
}


static void
an_invite_of_unknown_outcome_is_looked_up_when_wanted_again(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_REMOVING);
    ann->grants[0].applied_role = ann->grants[0].member_id = "";
    person_task(ann, "remove", "queued", 0, false);
    person_expect(ann, GRANT_PENDING, TASK_NEW, "invite");
    assert_true(ann->plan.changes[0].unknown);
}


static void
a_failed_or_manual_removal_is_taken_back(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_FAILED);
    ann->grants[0].before = GRANT_CONNECTED;
    person_task(ann, "remove", "failed", 1, false);
    person_expect(ann, GRANT_CONNECTED, TASK_DROP, "");
    ann->grants[0].state = GRANT_MANUAL;
    person_task(ann, "remove", "manual", 0, false);
    person_expect(ann, GRANT_CONNECTED, TASK_DROP, "");
}


static void
an_expired_or_failed_invite_is_not_sent_again_by_itself(void **state)
{
    person_t *ann = *state;

    person_share(ann, "team:1", false, "editor");
    person_has(ann, GRANT_EXPIRED);
    person_expect_nothing(ann);
    person_has(ann, GRANT_FAILED);
    ann->grants[0].applied_role = "";
    person_task(ann, "invite", "failed", 8, false);
    person_expect_nothing(ann);
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, person_setup, person_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(somebody_new_is_invited),
        CASE(nobody_is_invited_without_a_share_or_when_inactive),
        CASE(a_removed_person_who_is_wanted_again_is_invited_again),
        CASE(the_strongest_source_decides),
        CASE(of_equal_access_roles_the_owners_share_gives_it),
        CASE(a_removal_names_the_share_that_was_lost),
        CASE(a_role_the_app_has_not_counts_as_its_default),
        CASE(the_order_of_sources_does_not_matter),
        CASE(losing_one_of_two_sources_keeps_the_person),
        CASE(without_a_free_seat_people_wait),
        CASE(an_open_invite_takes_the_role_of_the_wish),
        CASE(a_pending_grant_without_a_task_is_invited),
        CASE(a_member_gets_another_role),
        CASE(an_open_role_task_takes_the_role_of_the_wish),
        CASE(a_role_that_is_there_again_needs_no_task),
        CASE(a_failed_role_ends_when_the_old_one_is_wanted),
        CASE(a_pending_invite_is_withdrawn_and_sent_again),
        CASE(a_withdrawal_under_way_is_left_alone_or_taken_back),
        CASE(without_a_role_verb_the_person_is_invited_again),
        CASE(a_removal_not_sent_is_taken_back),
        CASE(a_removal_that_may_have_happened_is_followed_by_an_invite),
        CASE(an_invite_of_unknown_outcome_is_looked_up_when_wanted_again),
        CASE(a_failed_or_manual_removal_is_taken_back),
        CASE(an_expired_or_failed_invite_is_not_sent_again_by_itself)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
