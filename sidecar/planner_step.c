#include "planner_step.h"

#include <string.h>
#include <strings.h>


/* ---- what is ---- */

bool
grant_has_task(const plan_grant_t *grant, const char *kind)
{
    return grant->task[0] && strcmp(grant->task_kind, kind) == 0;
}


bool
grant_is_running(const plan_grant_t *grant)
{
    return grant->task[0] && strcmp(grant->task_state, "running") == 0;
}


/* Was a call of the open task ever sent whose effect is not known? */
bool
grant_may_have_effect(const plan_grant_t *grant)
{
    return grant->task[0] && grant->task_attempts > 0
        && (grant_is_running(grant) || grant->task_unknown);
}


bool
grant_is_member(grant_state_t state)
{
    return state == GRANT_INVITED || state == GRANT_ACCEPTED
        || state == GRANT_CONNECTED;
}


/* Does the app hold, or may it hold, an account or an invite? */
bool
grant_is_in_app(const plan_grant_t *grant)
{
    return grant->member_id[0] || grant->applied_role[0]
        || grant->state == GRANT_HELD || grant->state == GRANT_REMOVING
        || (grant_has_task(grant, "invite") && grant_may_have_effect(grant));
}


/* A state that can be gone back to; NONE = the invite may never have come. */
grant_state_t
grant_former(const plan_grant_t *grant)
{
    return grant_is_member(grant->before) || grant->before == GRANT_EXPIRED
        ? grant->before : GRANT_NONE;
}


/* Where the person stood before what is going on; NONE = not known to be
 * in the app. */
grant_state_t
grant_origin(const plan_grant_t *grant)
{
    switch (grant->state) {
    case GRANT_PENDING:
        return GRANT_NONE;
    case GRANT_REMOVING:
    case GRANT_HELD:
        return grant_former(grant);
    case GRANT_FAILED:
    case GRANT_MANUAL:
        if (grant_has_task(grant, "invite")
            || grant_has_task(grant, "remove"))
        {
            return grant_former(grant);
        }
        return grant_is_member(grant->before) ? grant->before : GRANT_INVITED;
    default:
        return grant->state;
    }
}


/* People whom no rule removes: a person has to. */
const char *
step_protection(const step_t *step)
{
    const char *account = step->app->app->account;

    if (account && (strcasecmp(account, step->grant.email) == 0
                    || strcmp(account, step->grant.member_id) == 0))
    {
        return "the connector runs as this account: a person must remove it";
    }
    return step->app->last_owner
        ? "the app's last owner: a person must remove them" : NULL;
}


bool
step_connector_has(const step_t *step, const char *verb)
{
    return json_object_get(step->app->app->connector, verb) != NULL;
}


bool
step_role_is_applied(const step_t *step)
{
    return strcmp(step->grant.applied_role, step->change.access_role) == 0;
}


/* ---- what comes out ---- */

void
step_start_task(step_t *step, grant_state_t state, const char *kind,
    const char *why)
{
    step->change.state = step->grant.state = state;
    step->change.action = TASK_NEW;
    step->change.kind = kind;
    step->change.why = why;
}


void
step_invite(step_t *step, bool unknown, const char *why)
{
    step->change.email = step->facts->email;
    step->change.user_name = step->facts->user_name;
    step->change.replan = false;
    step->change.before = GRANT_NONE;
    step->change.unknown = unknown;
    step->change.reminded = 0;
    step->change.reminded_at = 0;
    step_start_task(step, GRANT_PENDING, "invite", why);
}


void
step_join(step_t *step, const char *why)
{
    step->change.reinvited = 0;
    if (step->app->seat) {
        step_invite(step, false, why);
    } else {
        step->change.state = GRANT_WAITLISTED;
        step->change.why = "no seat is free";
    }
}


/* The open task is not needed any more. */
void
step_drop_task(step_t *step)
{
    if (step->grant.task[0]) {
        step->grant.task = "";
        step->change.action = TASK_DROP;
    }
}


/* Back to a former state, without an open task. */
void
step_restore(step_t *step, grant_state_t state, const char *why)
{
    step_drop_task(step);
    step->change.replan = false;
    step->change.before = GRANT_NONE;
    step->change.state = step->grant.state = state;
    step->change.why = why;
}


/* The app never had the person, or it is gone itself: nothing to call. */
void
step_forget(step_t *step, const char *why)
{
    step_restore(step, GRANT_REMOVED, why);
    step->change.lost_at = 0;
}


void
step_remove(step_t *step, plan_guard_t guard, const char *why)
{
    step->change.before = grant_origin(&step->grant);
    step->change.replan = false;
    step->change.guard = guard;
    step_start_task(step, GRANT_REMOVING, "remove", why);
}
