#ifndef SIDECAR_PLANNER_STEP_H
#define SIDECAR_PLANNER_STEP_H

#include "desire.h"
#include "planner.h"

/* What planner*.c share, and nobody else: the step of one person in one app. */

/* One app's step: what is, what should be, what comes out. */
typedef struct {
    const plan_facts_t *facts;
    const plan_app_t   *app;
    const plan_grant_t *stored;
    plan_grant_t        grant; /* a copy that moves on */
    desire_t            desire;
    plan_change_t       change;
    int64_t             recheck_at;
} step_t;

/* ---- what is (planner_step.c) ---- */

bool grant_has_task(const plan_grant_t *grant, const char *kind);
bool grant_is_running(const plan_grant_t *grant);

/* Was a call of the open task ever sent whose effect is not known? */
bool grant_may_have_effect(const plan_grant_t *grant);

bool grant_is_member(grant_state_t state);

/* Does the app hold, or may it hold, an account or an invite? */
bool grant_is_in_app(const plan_grant_t *grant);

/* A state that can be gone back to; NONE = the invite may never have come. */
grant_state_t grant_former(const plan_grant_t *grant);

/* Where the person stood before what is going on; NONE = not known to be in
 * the app. */
grant_state_t grant_origin(const plan_grant_t *grant);

/* Why no rule removes this person, or NULL. */
const char *step_protection(const step_t *step);
bool step_connector_has(const step_t *step, const char *verb);
bool step_role_is_applied(const step_t *step);

/* ---- what comes out ---- */

void step_start_task(step_t *step, grant_state_t state, const char *kind,
    const char *why);
void step_invite(step_t *step, bool unknown, const char *why);

/* Invited, or in line for a seat. */
void step_join(step_t *step, const char *why);

/* The open task is not needed any more. */
void step_drop_task(step_t *step);

/* Back to a former state, without an open task. */
void step_restore(step_t *step, grant_state_t state, const char *why);

/* Removed without a call: the app has nobody, or is gone itself. */
void step_forget(step_t *step, const char *why);
void step_remove(step_t *step, plan_guard_t guard, const char *why);

/* ---- invites (planner_invite.c) ---- */

/* An operator wants the invite sent again; true when that is what happens. */
bool step_resend(step_t *step);

/* True when the invite's own life (reminders, expiry) decides. */
bool step_live(step_t *step);

/* An invite that ran out is being withdrawn: that runs its course. */
bool grant_is_withdrawn(const plan_grant_t *grant);

#endif
