#include "planner_step.h"

#include <string.h>

/* The life of an invite that nobody accepted yet. */
typedef enum {
    INVITE_WAITS,
    INVITE_REMIND, /* it is time for a reminder */
    INVITE_OVER,   /* it ran out */
    INVITE_AGAIN   /* it ran out, and the policy has another one sent */
} invite_life_t;


static bool
can_remind(const scim_app_t *app, const plan_grant_t *grant)
{
    return app->invites.remind_ms > 0
        && grant->reminded < (long long) app->invites.remind_max
        && json_object_get(app->connector, "remind") != NULL;
}


static int64_t
earlier(int64_t a, int64_t b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}


/* *again is when to look next (ms), 0 = never. */
static invite_life_t
invite_life(const scim_app_t *app, const plan_grant_t *grant, int64_t now,
    int64_t *again)
{
    int64_t end = app->invites.expire_ms, remind = can_remind(app, grant)
        ? app->invites.remind_ms : 0;

    *again = 0;
    if (grant->state == GRANT_PENDING) {
        /* it begins when the app has it: look before anything can be due */
        *again = earlier(end, remind) ? now + earlier(end, remind) : 0;
        return INVITE_WAITS;
    }
    if (grant->state != GRANT_INVITED || grant->invited_at == 0) {
        return INVITE_WAITS;
    }
    if (end) {
        end += grant->invited_at;
    }
    if (remind) {
        remind += grant->reminded_at ? grant->reminded_at : grant->invited_at;
    }
    if (end && end <= now) {
        return grant->reinvited < (long long) app->invites.reinvite_max
            ? INVITE_AGAIN : INVITE_OVER;
    }
    if (remind && remind <= now && grant->task[0] == '\0') {
        *again = earlier(end, now + app->invites.remind_ms);
        return INVITE_REMIND;
    }
    if (remind && remind <= now) {
        remind = now + app->invites.remind_ms; /* other work goes first */
    }
    *again = earlier(end, remind);
    return INVITE_WAITS;
}


static void
step_come_back(step_t *step, int64_t at)
{
    if (at && (step->recheck_at == 0 || at < step->recheck_at)) {
        step->recheck_at = at;
    }
}


/*
 * The invite ran out.  In the app it is withdrawn first: `before` says that
 * this is no loss of access, so that nothing takes the removal back.
 */
static void
expire(step_t *step, bool again)
{
    static const char why[] = "the invite ran out";
    const char       *type = json_string_value(
        json_object_get(step->app->app->connector, "type"));

    step->change.reinvited = step->grant.reinvited + again;
    if (grant_is_in_app(&step->grant)
        && !(type && strcmp(type, "email") == 0))
    {
        step_start_task(step, GRANT_REMOVING, "remove", why);
        step->change.before = GRANT_EXPIRED;
        step->change.replan = again;
    } else if (again) {
        step_invite(step, false, "the invite ran out: sent once more");
    } else {
        step_restore(step, GRANT_EXPIRED, why);
    }
}


/* True when the invite's own life decides what happens. */
bool
step_live(step_t *step)
{
    int64_t       again;
    invite_life_t life = invite_life(step->app->app, &step->grant,
        step->facts->now, &again);

    step_come_back(step, again);
    if (life == INVITE_REMIND && step_role_is_applied(step)) {
        step->change.reminded = step->grant.reminded + 1;
        step->change.reminded_at = step->facts->now;
        step_start_task(step, GRANT_INVITED, "remind",
            "reminded of the invite");
        return true;
    }
    if (life != INVITE_OVER && life != INVITE_AGAIN) {
        return false;
    }
    if (step_protection(step)) {
        return false;
    }
    if (grant_is_running(&step->grant)) {
        step->change.replan = true; /* when its call has ended */
    } else {
        expire(step, life == INVITE_AGAIN);
    }
    return true;
}


/* An invite that ran out is being withdrawn: that runs its course. */
bool
grant_is_withdrawn(const plan_grant_t *grant)
{
    return grant->before == GRANT_EXPIRED && grant_has_task(grant, "remove");
}


/* An operator wants the invite sent again; true when that is what happens. */
bool
step_resend(step_t *step)
{
    bool mine = step->grant.task[0] == '\0'
        || grant_has_task(&step->grant, "invite")
        || grant_has_task(&step->grant, "remind");

    if (!step->grant.resend || !mine || grant_is_running(&step->grant)) {
        return false;
    }
    switch (step->grant.state) {
    case GRANT_EXPIRED:
        step_join(step, "sent again by an operator");
        return true;
    case GRANT_PENDING:
    case GRANT_INVITED:
    case GRANT_FAILED:
    case GRANT_MANUAL:
        step->change.reinvited = 0;
        step_invite(step, grant_has_task(&step->grant, "invite")
            && grant_may_have_effect(&step->grant),
            "sent again by an operator");
        return true;
    default:
        return false;
    }
}
