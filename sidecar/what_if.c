#include "what_if.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Facts of the one app alone, as they would be. */
typedef struct {
    plan_facts_t   facts;
    plan_app_t     app;
    scim_app_t     definition; /* a copy that settles nothing */
    plan_source_t *sources;
} changed_t;

static const char *const names[] = {
    [WHAT_NOTHING] = "nothing", [WHAT_SOURCES] = "sources",
    [WHAT_INVITE] = "invite", [WHAT_WAIT] = "wait", [WHAT_ROLE] = "role",
    [WHAT_REISSUE] = "reissue", [WHAT_REMOVE] = "remove",
    [WHAT_FORGET] = "forget", [WHAT_MANUAL] = "manual"
};


const char *
what_if_name(what_t what)
{
    return names[what];
}


/* ---- the facts afterwards ---- */

static bool
is_the_share(const what_if_t *what_if, const plan_source_t *source)
{
    return what_if->subject && strcmp(source->app, what_if->app) == 0
        && strcmp(source->subject, what_if->subject) == 0;
}


static bool
change_sources(const what_if_t *what_if, const plan_facts_t *facts,
    changed_t *changed)
{
    size_t count = 0;

    changed->sources = calloc(facts->source_count + 1,
        sizeof(*changed->sources));
    if (changed->sources == NULL) {
        return false;
    }
    for (size_t i = 0; i < facts->source_count; i++) {
        if (strcmp(facts->sources[i].app, what_if->app) == 0
            && !is_the_share(what_if, &facts->sources[i]))
        {
            changed->sources[count++] = facts->sources[i];
        }
    }
    if (what_if->subject && !what_if->unshared) {
        changed->sources[count++] = (plan_source_t) { what_if->app,
            what_if->subject, what_if->owner, what_if->access_role };
    }
    changed->facts.sources = changed->sources;
    changed->facts.source_count = what_if->deleted ? 0 : count;
    return true;
}


static const plan_grant_t *
grant_of(const what_if_t *what_if, const plan_facts_t *facts)
{
    for (size_t i = 0; i < facts->grant_count; i++) {
        if (strcmp(facts->grants[i].app, what_if->app) == 0) {
            return &facts->grants[i];
        }
    }
    return NULL;
}


/* Those in line come first, then who is new, as far as seats go. */
static bool
has_seat(const what_if_t *what_if, const plan_grant_t *grant, long long place)
{
    grant_state_t state = grant ? grant->state : GRANT_NONE;
    long long     free = what_if->definition->seats - what_if->seats_in_use;

    if (what_if->definition->seats < 0) {
        return true;
    }
    if (state == GRANT_WAITLISTED) {
        return place > 0 && place <= free;
    }
    if (state != GRANT_NONE && state != GRANT_REMOVED
        && state != GRANT_EXPIRED)
    {
        return true;
    }
    return what_if->newcomers < free - what_if->waiting;
}


static bool
change_facts(const what_if_t *what_if, const plan_facts_t *facts,
    long long place, changed_t *changed)
{
    const plan_grant_t *grant = grant_of(what_if, facts);

    memset(changed, 0, sizeof(*changed));
    changed->facts = *facts;
    changed->definition = *what_if->definition;
    changed->definition.settle_ms = 0;
    changed->app.id = what_if->app;
    changed->app.app = what_if->deleted ? NULL : &changed->definition;
    changed->app.seat = has_seat(what_if, grant, place);
    for (size_t i = 0; i < facts->app_count; i++) {
        if (strcmp(facts->apps[i].id, what_if->app) == 0) {
            changed->app.last_owner = facts->apps[i].last_owner;
        }
    }
    changed->facts.apps = &changed->app;
    changed->facts.app_count = 1;
    return change_sources(what_if, facts, changed);
}


/* ---- what follows ---- */

static what_t
what_of(const plan_change_t *change, const what_if_row_t *row)
{
    bool task = change->action == TASK_NEW;

    if (change->state == GRANT_WAITLISTED) {
        return row->before == GRANT_WAITLISTED ? WHAT_SOURCES : WHAT_WAIT;
    }
    if (change->action == TASK_MANUAL) {
        return WHAT_MANUAL;
    }
    if (task && strcmp(change->kind, "invite") == 0) {
        return WHAT_INVITE;
    }
    if (task && strcmp(change->kind, "role") == 0) {
        return WHAT_ROLE;
    }
    if (task) {
        return change->replan ? WHAT_REISSUE : WHAT_REMOVE;
    }
    if (change->state == GRANT_REMOVED) {
        return WHAT_FORGET;
    }
    return change->replan ? WHAT_ROLE : WHAT_SOURCES;
}


static void
describe(what_if_t *what_if, const plan_change_t *change, bool sourceless,
    what_if_row_t *row)
{
    row->after = change->state;
    row->owner = change->owner;
    row->why = change->why;
    snprintf(row->access_role, sizeof(row->access_role), "%s",
        change->access_role);
    snprintf(row->share, sizeof(row->share), "%s", change->share);
    row->what = what_of(change, row);
    if (sourceless && change->replan && row->what == WHAT_ROLE) {
        row->what = WHAT_REMOVE; /* once the call under way has ended */
    }
    row->guarded = change->guard == GUARD_LOSS;
    what_if->losses += row->guarded;
    what_if->newcomers += row->what == WHAT_INVITE
        && (row->before == GRANT_NONE || row->before == GRANT_REMOVED
            || row->before == GRANT_EXPIRED);
}


bool
what_if_person(what_if_t *what_if, const plan_facts_t *facts,
    long long place, what_if_row_t *row)
{
    bool                ok;
    plan_t              plan;
    changed_t           changed;
    const plan_grant_t *grant = grant_of(what_if, facts);

    memset(row, 0, sizeof(*row));
    row->why = "";
    row->before = row->after = grant ? grant->state : GRANT_NONE;
    if (grant) {
        snprintf(row->old_access_role, sizeof(row->old_access_role), "%s",
            grant->access_role);
    }
    ok = change_facts(what_if, facts, place, &changed);
    if (ok) {
        plan_make(&changed.facts, &plan);
        ok = !plan.failed;
        if (ok && plan.count) {
            describe(what_if, &plan.changes[0],
                changed.facts.source_count == 0, row);
        }
        plan_free(&plan);
    }
    free(changed.sources);
    return ok;
}


/* ---- the guard ---- */

long long
what_if_limit(const what_if_t *what_if)
{
    const scim_app_guard_t *guard = &what_if->definition->guard;
    double share = (double) what_if->base * guard->percent / 100;

    return share > guard->count ? (long long) share : (long long) guard->count;
}


bool
what_if_held(const what_if_t *what_if)
{
    return what_if->losses > 0
        && (what_if->hold || what_if->leaving + what_if->losses
            > what_if_limit(what_if));
}
