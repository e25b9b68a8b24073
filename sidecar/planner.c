#include "planner.h"

#include <stdlib.h>
#include <string.h>

#include "scim_json.h"

#define SOURCES_MAX (1 << 20)

static const char *const state_names[] = {
    [GRANT_NONE] = "", [GRANT_PENDING] = "pending",
    [GRANT_INVITED] = "invited", [GRANT_ACCEPTED] = "accepted",
    [GRANT_CONNECTED] = "connected", [GRANT_REMOVING] = "removing",
    [GRANT_REMOVED] = "removed", [GRANT_WAITLISTED] = "waitlisted",
    [GRANT_MANUAL] = "manual", [GRANT_HELD] = "held",
    [GRANT_FAILED] = "failed", [GRANT_EXPIRED] = "expired"
};

/* What one person should have in one app. */
typedef struct {
    bool           wanted;
    bool           owner;
    const char    *access_role;
    scim_buffer_t  sources; /* JSON array */
} desired_t;


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


static const plan_grant_t *
grant_of(const plan_facts_t *facts, const char *app)
{
    for (size_t i = 0; i < facts->grant_count; i++) {
        if (strcmp(facts->grants[i].app, app) == 0) {
            return &facts->grants[i];
        }
    }
    return NULL;
}


static void
append_source(desired_t *desired, const plan_source_t *source,
    const char *access_role)
{
    size_t kind = strcspn(source->subject, ":");

    scim_buffer_append_text(&desired->sources,
        desired->sources.len > 1 ? ",{\"type\":\"" : "{\"type\":\"");
    scim_buffer_append(&desired->sources, source->subject, kind);
    scim_buffer_append_text(&desired->sources, "\",\"id\":\"");
    scim_buffer_append_text(&desired->sources, source->subject + kind + 1);
    scim_buffer_append_text(&desired->sources, source->owner
            ? "\",\"role\":\"owner\",\"accessRole\":"
            : "\",\"role\":\"collaborator\",\"accessRole\":");
    scim_json_write_string(access_role, strlen(access_role),
        &desired->sources);
    scim_buffer_append_char(&desired->sources, '}');
}


/* The strongest source decides: owner beats collaborator, then the app's
 * own order of access roles. */
static void
desire(const plan_facts_t *facts, const plan_app_t *app, desired_t *desired)
{
    memset(desired, 0, sizeof(*desired));
    scim_buffer_init(&desired->sources, SOURCES_MAX);
    scim_buffer_append_char(&desired->sources, '[');
    for (size_t i = 0; app->app && i < facts->source_count; i++) {
        const plan_source_t *source = &facts->sources[i];
        const char          *role = source->access_role;

        if (strcmp(source->app, app->id) != 0) {
            continue;
        }
        if (scim_app_access_rank(app->app, role) < 0) {
            role = app->app->default_access_role;
        }
        if (!desired->wanted
            || scim_app_access_rank(app->app, role)
                > scim_app_access_rank(app->app, desired->access_role))
        {
            desired->access_role = role;
        }
        desired->owner = desired->owner || source->owner;
        desired->wanted = true;
        append_source(desired, source, role);
    }
    scim_buffer_append_char(&desired->sources, ']');
    desired->wanted = desired->wanted && facts->active;
}


static plan_change_t *
add_change(plan_t *plan, const plan_grant_t *grant, const plan_app_t *app,
    desired_t *desired)
{
    plan_change_t *change, *changes = realloc(plan->changes,
        (plan->count + 1) * sizeof(*changes));

    if (changes == NULL) {
        plan->failed = true;
        return NULL;
    }
    plan->changes = changes;
    change = &changes[plan->count];
    memset(change, 0, sizeof(*change));
    change->app = app->id;
    change->email = change->user_name = change->kind = change->why = "";
    change->access_role = desired->wanted ? desired->access_role
        : grant                           ? grant->access_role
                                          : "";
    change->owner = desired->wanted ? desired->owner
                                    : grant && grant->owner;
    change->sources = scim_buffer_take(&desired->sources, NULL);
    if (change->sources == NULL) {
        plan->failed = true;
        return NULL;
    }
    if (grant) {
        change->state = grant->state;
        change->lost_at = grant->lost_at;
        change->before = grant->before;
        change->replan = grant->replan;
    }
    plan->count++;
    return change;
}


static bool
has_task(const plan_grant_t *grant, const char *kind)
{
    return grant->task[0] && strcmp(grant->task_kind, kind) == 0;
}


static bool
is_running(const plan_grant_t *grant)
{
    return grant->task[0] && strcmp(grant->task_state, "running") == 0;
}


/* Was a call of the open task ever sent whose effect is not known? */
static bool
may_have_effect(const plan_grant_t *grant)
{
    return grant->task[0] && grant->task_attempts > 0
        && (is_running(grant) || grant->task_unknown);
}


/* Does the app hold, or may it hold, an account or an invite? */
static bool
is_in_app(const plan_grant_t *grant)
{
    return grant->member_id[0] || grant->applied_role[0]
        || (has_task(grant, "invite") && may_have_effect(grant));
}


static void
start_task(plan_change_t *change, grant_state_t state, const char *kind,
    const char *why)
{
    change->state = state;
    change->action = TASK_NEW;
    change->kind = kind;
    change->why = why;
}


static void
invite(const plan_facts_t *facts, plan_change_t *change, const char *why)
{
    change->email = facts->email;
    change->user_name = facts->user_name;
    change->lost_at = 0;
    change->replan = false;
    change->before = GRANT_NONE;
    start_task(change, GRANT_PENDING, "invite", why);
}


/* A removal that was not sent yet is taken back; a sent one runs its course
 * and is followed by an invite. */
static void
take_back(const plan_grant_t *grant, plan_change_t *change)
{
    if (grant->task_attempts == 0 || (!is_running(grant)
            && !grant->task_unknown))
    {
        change->state = grant->before == GRANT_NONE ? GRANT_INVITED
                                                    : grant->before;
        change->before = GRANT_NONE;
        change->action = TASK_DROP;
        change->why = "wanted again before the removal was sent";
        if (strcmp(grant->applied_role, change->access_role) != 0) {
            start_task(change, change->state, "role",
                "wanted again, with another role");
        }
    } else {
        change->replan = true;
    }
}


static void
change_role(const plan_grant_t *grant, plan_change_t *change)
{
    if (is_running(grant)) {
        change->replan = true; /* after the call that runs */
        return;
    }
    switch (grant->state) {
    case GRANT_INVITED:
    case GRANT_ACCEPTED:
    case GRANT_CONNECTED:
        if (strcmp(grant->applied_role, change->access_role) != 0) {
            start_task(change, grant->state, "role", "access role changed");
        } else if (has_task(grant, "role")) {
            change->action = TASK_DROP;
        }
        break;
    default:
        break; /* the invite to come takes the role from the grant */
    }
}


static bool
same_wish(const plan_grant_t *grant, const desired_t *desired)
{
    return grant->owner == desired->owner
        && strcmp(grant->access_role, desired->access_role) == 0
        && strcmp(grant->sources, desired->sources.data) == 0
        && grant->lost_at == 0;
}


static bool
is_gone(const plan_grant_t *grant)
{
    return grant == NULL || grant->state == GRANT_NONE
        || grant->state == GRANT_REMOVED || grant->state == GRANT_EXPIRED;
}


/* Is there more to do than to note sources and role? */
static bool
role_due(const plan_grant_t *grant, const desired_t *desired)
{
    bool in = grant->state == GRANT_INVITED || grant->state == GRANT_ACCEPTED
        || grant->state == GRANT_CONNECTED;

    return in && strcmp(grant->applied_role, desired->access_role) != 0
        && grant->task[0] == '\0';
}


static void
plan_wanted(const plan_facts_t *facts, const plan_app_t *app,
    const plan_grant_t *grant, desired_t *desired, plan_t *plan)
{
    plan_change_t *change;

    if (is_gone(grant)) {
        change = add_change(plan, grant, app, desired);
        if (change) {
            invite(facts, change, "joined");
        }
        return;
    }
    if (grant->state != GRANT_REMOVING && same_wish(grant, desired)
        && !role_due(grant, desired)
        && !(grant->state == GRANT_FAILED && has_task(grant, "remove")))
    {
        return;
    }
    if (grant->state == GRANT_REMOVING && grant->replan) {
        return; /* already noted */
    }
    change = add_change(plan, grant, app, desired);
    if (change == NULL) {
        return;
    }
    change->lost_at = 0;
    if (has_task(grant, "remove")) {
        take_back(grant, change);
    } else {
        change_role(grant, change);
    }
}


/* The app never had the person, or it is gone itself: nothing to call. */
static void
forget_grant(plan_change_t *change, const char *why)
{
    change->state = GRANT_REMOVED;
    change->action = TASK_DROP;
    change->lost_at = 0;
    change->replan = false;
    change->why = why;
}


static void
remove_grant(const plan_grant_t *grant, plan_change_t *change,
    const char *why)
{
    change->lost_at = 0;
    if (is_running(grant)) {
        change->replan = true; /* its outcome decides what to take back */
        return;
    }
    if (!is_in_app(grant)) {
        forget_grant(change, why);
        return;
    }
    change->before = grant->state == GRANT_PENDING ? GRANT_NONE
                                                   : grant->state;
    start_task(change, GRANT_REMOVING, "remove", why);
}


/* Until when a loss may still turn out to be a move; 0 = it is over. */
static int64_t
settles_at(const plan_facts_t *facts, const plan_app_t *app,
    const plan_grant_t *grant)
{
    int64_t lost_at = grant->lost_at ? grant->lost_at : facts->now;
    int64_t end = lost_at + app->app->settle_ms;

    if (!facts->active || end <= facts->now) {
        return 0;
    }
    return end;
}


static void
plan_unwanted(const plan_facts_t *facts, const plan_app_t *app,
    const plan_grant_t *grant, desired_t *desired, plan_t *plan)
{
    int64_t        end;
    plan_change_t *change;

    if (is_gone(grant)
        || (grant->state == GRANT_REMOVING && !grant->replan && app->app)
        || (grant->state == GRANT_FAILED && has_task(grant, "remove")
            && app->app)
        || (grant->state == GRANT_MANUAL && has_task(grant, "remove")
            && app->app))
    {
        return;
    }
    if (app->app == NULL) {
        change = add_change(plan, grant, app, desired);
        if (change) {
            forget_grant(change, "the app was deleted here");
        }
        return;
    }
    end = settles_at(facts, app, grant);
    if (end) {
        if (plan->recheck_at == 0 || end < plan->recheck_at) {
            plan->recheck_at = end;
        }
        if (grant->lost_at) {
            return;
        }
    } else if (is_running(grant) && grant->replan) {
        return;
    }
    change = add_change(plan, grant, app, desired);
    if (change && end) {
        change->lost_at = facts->now;
    } else if (change && grant->state == GRANT_REMOVING) {
        change->replan = false; /* unwanted once more: it goes on */
    } else if (change) {
        remove_grant(grant, change, facts->active ? "no share left"
                                                  : "left the company");
    }
}


void
plan_make(const plan_facts_t *facts, plan_t *plan)
{
    desired_t desired;

    memset(plan, 0, sizeof(*plan));
    for (size_t i = 0; i < facts->app_count && !plan->failed; i++) {
        const plan_app_t   *app = &facts->apps[i];
        const plan_grant_t *grant = grant_of(facts, app->id);

        desire(facts, app, &desired);
        if (scim_buffer_failed(&desired.sources)) {
            plan->failed = true;
        } else if (desired.wanted) {
            plan_wanted(facts, app, grant, &desired, plan);
        } else {
            plan_unwanted(facts, app, grant, &desired, plan);
        }
        scim_buffer_free(&desired.sources);
    }
}
