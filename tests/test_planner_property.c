#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner_harness.h"

/* What is so of every plan, whatever the facts are. */

static uint32_t seed;

static uint32_t
any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}


static bool
coin(void)
{
    return any(2) == 1;
}


/* Facts that a store may hold, possible ones and a few that are not. */
static void
make_facts(person_t *ann)
{
    static const char *const roles[] = { "", "viewer", "editor", "admin" };
    static const char *const subjects[] = { "team:1", "team:2", "user:u" };
    static const char *const kinds[] = { "invite", "role", "remove" };
    static const char *const states[] = { "queued", "running", "waiting",
                                          "manual", "failed" };
    static const char *const kept[] = { "", "", "unshared", "inactive" };
    const scim_app_t  *definitions[] = { &ann->app, &ann->cancelling,
                                         &ann->roleless, NULL };
    plan_grant_t      *grant = &ann->grants[0];

    person_reset(ann);
    ann->facts.exists = any(8) > 0;
    ann->facts.active = ann->facts.exists && any(5) > 0;
    for (int i = 0; i < 3; i++) {
        if (any(3) == 0) {
            person_share(ann, subjects[i], coin(), roles[any(4)]);
        }
    }
    ann->apps[0].app = definitions[any(7) % 4];
    ann->apps[0].seat = any(4) > 0;
    ann->apps[0].last_owner = any(8) == 0;
    if (any(10) == 0) {
        return;
    }
    person_has(ann, (grant_state_t) (GRANT_PENDING + any(GRANT_EXPIRED)));
    grant->owner = coin();
    grant->access_role = roles[1 + any(3)];
    grant->applied_role = roles[any(4)];
    grant->member_id = coin() ? "m1" : "";
    grant->lost_at = coin() ? 0 : NOW - any(10000);
    grant->before = (grant_state_t) any(GRANT_CONNECTED + 1);
    grant->replan = any(4) == 0;
    grant->hold = (hold_state_t) any(4);
    grant->held_leaver = coin();
    grant->kept = kept[any(4)];
    if (any(3) > 0) {
        person_task(ann, kinds[any(3)], states[any(5)], (int) any(3), coin());
    }
}


/* What the store makes of a change; nothing is held. */
static void
apply(person_t *ann, const plan_change_t *change, char *kept_sources,
    size_t size)
{
    plan_grant_t *grant = &ann->grants[0];

    ann->facts.grant_count = 1;
    assert_true(strlen(change->sources) < size);
    snprintf(kept_sources, size, "%s", change->sources);
    grant->state = change->state;
    grant->owner = change->owner;
    grant->access_role = change->access_role;
    grant->sources = kept_sources;
    grant->lost_at = change->lost_at;
    grant->before = change->before;
    grant->replan = change->replan;
    grant->kept = change->kept;
    if (change->action != TASK_KEEP) {
        grant->task = "";
    }
    if (change->action == TASK_NEW || change->action == TASK_MANUAL) {
        person_task(ann, change->kind, change->action == TASK_NEW
            ? "queued" : "manual", 0, change->unknown);
    }
    if (change->state == GRANT_REMOVED) {
        grant->member_id = grant->applied_role = "";
    }
}


static void
planning_again_changes_nothing(void **state)
{
    char      kept_sources[1024];
    person_t *ann = *state;

    for (uint32_t i = 0; i < 200000; i++) {
        seed = i;
        make_facts(ann);
        if (person_plan(ann) == NULL) {
            continue;
        }
        apply(ann, &ann->plan.changes[0], kept_sources, sizeof(kept_sources));
        if (person_plan(ann) != NULL) {
            fail_msg("seed %u: %s again (%s)", (unsigned) i,
                grant_state_name(ann->plan.changes[0].state),
                ann->plan.changes[0].why);
        }
    }
}


/* No call for people in peace, and none but removals for the unwanted. */
static void
no_plan_calls_the_app_for_the_wrong_people(void **state)
{
    person_t     *ann = *state;
    plan_grant_t *grant = &ann->grants[0];

    for (uint32_t i = 0; i < 200000; i++) {
        const plan_change_t *change;
        bool                 wanted;

        seed = i;
        make_facts(ann);
        wanted = ann->facts.active && ann->facts.source_count
            && ann->apps[0].app;
        change = person_plan(ann);
        if (change == NULL || change->action == TASK_KEEP
            || change->action == TASK_DROP)
        {
            continue;
        }
        if (strcmp(change->kind, "remove") != 0) {
            assert_true(wanted);
        } else if (wanted) {
            assert_true(change->replan); /* an invite follows */
        }
        if (strcmp(change->kind, "invite") == 0 && grant->task[0] == '\0'
            && (ann->facts.grant_count == 0 || grant->state == GRANT_REMOVED
                || grant->state == GRANT_WAITLISTED))
        {
            assert_true(ann->apps[0].seat);
        }
        if (ann->apps[0].last_owner && strcmp(change->kind, "remove") == 0) {
            assert_int_equal(change->action, TASK_MANUAL);
        }
    }
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, person_setup, person_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(planning_again_changes_nothing),
        CASE(no_plan_calls_the_app_for_the_wrong_people)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
