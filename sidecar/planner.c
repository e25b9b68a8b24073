#include "planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "desire.h"
#include "planner_step.h"
#include "scim_text.h"

/*
 * What happens to a grant.  A removal that was not sent yet is taken back; a
 * sent one runs its course, `replan` makes an invite follow it.
 *
 *                 wanted                           not wanted (after settling)
 *   none, removed  -> pending, waitlisted          -
 *   waitlisted     -> pending when a seat is free  -> removed
 *   pending        (the invite takes the role)     -> removed, or as below
 *   invited, accepted, connected, expired, failed, manual
 *                  role task, or remove and invite -> removing, held
 *   removing       taken back, or replan           (goes on)
 *   invited        reminded; ran out: -> removing, expired, or pending again
 *   expired        an operator sends it again: as none
 *   held           -> what it was before           approved: -> removing
 *                                                  rejected: -> as before
 */
static const char *const state_names[] = {
    [GRANT_NONE] = "", [GRANT_PENDING] = "pending",
    [GRANT_INVITED] = "invited", [GRANT_ACCEPTED] = "accepted",
    [GRANT_CONNECTED] = "connected", [GRANT_REMOVING] = "removing",
    [GRANT_REMOVED] = "removed", [GRANT_WAITLISTED] = "waitlisted",
    [GRANT_MANUAL] = "manual", [GRANT_HELD] = "held",
    [GRANT_FAILED] = "failed", [GRANT_EXPIRED] = "expired"
};

static const plan_grant_t nothing = {
    .access_role = "", .applied_role = "", .sources = "", .member_id = "",
    .email = "", .user_name = "", .task = "", .task_kind = "",
    .task_state = "", .kept = ""
};


grant_state_t
grant_state_parse(const char *word)
{
    for (int i = GRANT_PENDING; i <= GRANT_EXPIRED; i++) {
        if (strcmp(state_names[i], word) == 0) {
            return (grant_state_t) i;
        }
    }
    return GRANT_NONE;
}


const char *
grant_state_name(grant_state_t state)
{
    return state_names[state];
}


void
plan_free(plan_t *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->changes[i].sources);
    }
    free(plan->changes);
    memset(plan, 0, sizeof(*plan));
}


/* ---- what is ---- */

static const plan_grant_t *
grant_of(const plan_facts_t *facts, const char *app)
{
    for (size_t i = 0; i < facts->grant_count; i++) {
        if (strcmp(facts->grants[i].app, app) == 0) {
            return &facts->grants[i];
        }
    }
    return &nothing;
}


static void
leave_hold(step_t *step, const char *why)
{
    grant_state_t state = grant_former(&step->grant);

    step_restore(step, state == GRANT_NONE ? GRANT_INVITED : state, why);
}


/* ---- wanted ---- */

/*
 * An invite still pending is withdrawn and sent again with the new role where
 * the app can withdraw, and so is a membership whose role cannot be changed.
 */
static bool
must_reissue(const step_t *step)
{
    const char *type = json_string_value(
        json_object_get(step->app->app->connector, "type"));

    if (type == NULL || strcmp(type, "http") != 0 || step_protection(step)) {
        return false;
    }
    return (step->grant.state == GRANT_INVITED
               && step_connector_has(step, "cancel"))
        || (!step_connector_has(step, "role")
            && !step_connector_has(step, "assign")
            && step_connector_has(step, "remove"));
}


static bool
wish_changed(const step_t *step)
{
    return step->grant.owner != step->change.owner
        || strcmp(step->grant.access_role, step->change.access_role) != 0;
}


/* A reminder goes on as long as there is something to remind of. */
static bool
is_reminding(const step_t *step)
{
    return grant_has_task(&step->grant, "remind")
        && step->grant.state == GRANT_INVITED;
}


/* A member gets the access role of the wish.  An open task reads the wish
 * when it runs. */
static void
fit_role(step_t *step)
{
    if (grant_is_running(&step->grant)) {
        step->change.replan = step->change.replan || wish_changed(step);
    } else if (step_role_is_applied(step)) {
        if (!grant_may_have_effect(&step->grant) && !is_reminding(step)) {
            step_drop_task(step);
        }
    } else if (step->grant.task[0] && !grant_has_task(&step->grant, "remind")) {
        return;
    } else if (must_reissue(step)) {
        step_remove(step, GUARD_NONE, "to be invited with another role");
        step->change.replan = true;
    } else {
        step_start_task(step, step->grant.state, "role", "access role changed");
    }
}


/* A role change that failed, or that a person is to make. */
static void
fit_failed_role(step_t *step)
{
    bool settled = step_role_is_applied(step)
        && !grant_may_have_effect(&step->grant);

    if (settled || (step->grant.state == GRANT_FAILED && wish_changed(step))) {
        step_restore(step, grant_origin(&step->grant), "access role changed");
        fit_role(step);
    }
}


static void
take_back(step_t *step)
{
    bool reissue = step->stored->replan && !step_role_is_applied(step);

    if (grant_may_have_effect(&step->grant)) {
        step->change.replan = true;
        return;
    }
    if (reissue) {
        return; /* the invite to come takes the role of the wish */
    }
    if (grant_former(&step->grant) == GRANT_NONE) {
        step_invite(step, true, "wanted again before the removal was sent");
        return;
    }
    step_restore(step, grant_former(&step->grant),
        "wanted again before the removal was sent");
    if (grant_is_member(step->grant.state)) {
        fit_role(step);
    }
}


static void
plan_wanted(step_t *step)
{
    step->change.owner = step->desire.owner;
    step->change.access_role = step->desire.access_role;
    step->change.lost_at = 0;
    step->change.kept = "";
    if (grant_is_withdrawn(&step->grant)) {
        return;
    }
    if (grant_has_task(&step->grant, "remove")
        || step->grant.state == GRANT_REMOVING)
    {
        take_back(step);
        return;
    }
    if (step_resend(step)) {
        return;
    }
    switch (step->grant.state) {
    case GRANT_NONE:
    case GRANT_REMOVED:
        step_join(step, "joined");
        break;
    case GRANT_WAITLISTED:
        step_join(step, "a seat is free");
        break;
    case GRANT_PENDING:
        if (step->grant.task[0] == '\0') {
            step_invite(step, false, "invited again");
        } else if (grant_is_running(&step->grant) && wish_changed(step)) {
            step->change.replan = true;
        }
        break;
    case GRANT_HELD:
        leave_hold(step, "wanted again");
        if (grant_is_member(step->grant.state)) {
            fit_role(step);
        }
        break;
    case GRANT_FAILED:
    case GRANT_MANUAL:
        if (grant_has_task(&step->grant, "role")) {
            fit_failed_role(step);
        }
        break;
    case GRANT_EXPIRED:
        break; /* nobody is asked again without end: an operator re-sends */
    default:
        if (!step_live(step)) {
            fit_role(step);
        }
    }
}


/* ---- not wanted ---- */

/* Which loss it is: a rejected hold keeps people until that changes. */
static const char *
loss_of(const plan_facts_t *facts)
{
    return !facts->exists ? "deleted" : !facts->active ? "inactive"
                                                       : "unshared";
}


static const char *
why_lost(const step_t *step)
{
    return step->facts->active ? "no share left" : "left the company";
}


static void
end_access(step_t *step, plan_guard_t guard, const char *why)
{
    const char *protected;

    step->change.lost_at = 0;
    if (!grant_is_in_app(&step->grant)) {
        step_forget(step, why);
        return;
    }
    protected = step_protection(step);
    step_remove(step, protected ? GUARD_NONE : guard,
        protected ? protected : why);
    if (protected) {
        step->change.state = GRANT_MANUAL;
        step->change.action = TASK_MANUAL;
    }
}


static void
plan_held(step_t *step, plan_guard_t guard)
{
    switch (step->grant.hold) {
    case HOLD_APPROVED:
        end_access(step, GUARD_NONE, "the held removal was approved");
        break;
    case HOLD_REJECTED:
        leave_hold(step, "the held removal was rejected");
        step->change.kept = loss_of(step->facts);
        break;
    case HOLD_OPEN:
        /* who has left the company does not wait for others' removals */
        if (guard == GUARD_LEAVER && !step->grant.held_leaver) {
            end_access(step, guard, why_lost(step));
        }
        break;
    default:
        end_access(step, guard, why_lost(step));
    }
}


/* May the loss still turn out to be a move?  Then it is looked at later. */
static bool
is_settling(step_t *step)
{
    const plan_facts_t *facts = step->facts;
    int64_t lost_at = step->grant.lost_at ? step->grant.lost_at : facts->now;
    int64_t end = lost_at + step->app->app->settle_ms;

    if (!facts->active || end <= facts->now) {
        return false;
    }
    step->change.lost_at = lost_at;
    step->recheck_at = end;
    return true;
}


static void
plan_unwanted(step_t *step)
{
    plan_guard_t guard = step->facts->active ? GUARD_LOSS : GUARD_LEAVER;

    if (strcmp(step->grant.kept, loss_of(step->facts)) == 0) {
        return;
    }
    step->change.kept = "";
    if (step->grant.state == GRANT_HELD) {
        plan_held(step, guard);
    } else if (grant_has_task(&step->grant, "remove") && !step->grant.replan) {
        step->change.lost_at = 0;
    } else if (is_settling(step)) {
        return;
    } else if (grant_has_task(&step->grant, "remove")) {
        step->change.lost_at = 0;
        step->change.replan = false; /* unwanted once more: it goes on */
    } else if (grant_is_running(&step->grant)) {
        step->change.replan = true; /* its outcome says what to take back */
    } else {
        end_access(step, guard, why_lost(step));
    }
}


/* ---- the plan ---- */

static bool
is_changed(const step_t *step)
{
    const plan_grant_t  *grant = step->stored;
    const plan_change_t *change = &step->change;

    return change->action != TASK_KEEP || change->state != grant->state
        || change->owner != grant->owner
        || strcmp(change->access_role, grant->access_role) != 0
        || strcmp(step->desire.sources.data, grant->sources) != 0
        || change->lost_at != grant->lost_at
        || change->before != grant->before
        || change->replan != grant->replan || grant->resend
        || change->reinvited != grant->reinvited
        || strcmp(change->kept, grant->kept) != 0;
}


static void
add_change(plan_t *plan, step_t *step)
{
    plan_change_t *changes = realloc(plan->changes,
        (plan->count + 1) * sizeof(*changes));

    if (changes == NULL) {
        plan->failed = true;
        return;
    }
    plan->changes = changes;
    step->change.sources = scim_buffer_take(&step->desire.sources, NULL);
    if (step->desire.share) {
        scim_text_copy(step->change.share, sizeof(step->change.share),
            step->desire.share);
    } else {
        desire_strongest(step->app, step->stored->sources,
            step->change.share);
    }
    changes[plan->count++] = step->change;
}


static void
begin_step(step_t *step, const plan_facts_t *facts, const plan_app_t *app)
{
    const plan_grant_t *grant = grant_of(facts, app->id);

    memset(step, 0, sizeof(*step));
    step->facts = facts;
    step->app = app;
    step->stored = grant;
    step->grant = *grant;
    step->change.app = app->id;
    step->change.state = grant->state;
    step->change.owner = grant->owner;
    step->change.access_role = grant->access_role;
    step->change.lost_at = grant->lost_at;
    step->change.before = grant->before;
    step->change.replan = grant->replan;
    step->change.kept = grant->kept;
    step->change.reminded = grant->reminded;
    step->change.reminded_at = grant->reminded_at;
    step->change.reinvited = grant->reinvited;
    step->change.email = step->change.user_name = "";
    step->change.kind = step->change.why = "";
    desire_make(facts, app, &step->desire);
}


static void
plan_app(const plan_facts_t *facts, const plan_app_t *app, plan_t *plan)
{
    bool   gone;
    step_t step;

    begin_step(&step, facts, app);
    gone = step.grant.state == GRANT_NONE
        || step.grant.state == GRANT_REMOVED;
    if (scim_buffer_failed(&step.desire.sources)) {
        plan->failed = true;
    } else if (step.desire.wanted || !gone) {
        if (step.desire.wanted) {
            plan_wanted(&step);
            if (step.grant.state == GRANT_PENDING) {
                (void) step_live(&step); /* when to look at it again */
            }
        } else if (app->app == NULL) {
            step_forget(&step, "the app was deleted here");
        } else {
            plan_unwanted(&step);
        }
        if (step.recheck_at && (plan->recheck_at == 0
                                || step.recheck_at < plan->recheck_at))
        {
            plan->recheck_at = step.recheck_at;
        }
        if (is_changed(&step)) {
            add_change(plan, &step);
        }
    }
    scim_buffer_free(&step.desire.sources);
}


void
plan_make(const plan_facts_t *facts, plan_t *plan)
{
    memset(plan, 0, sizeof(*plan));
    for (size_t i = 0; i < facts->app_count && !plan->failed; i++) {
        plan_app(facts, &facts->apps[i], plan);
    }
}
