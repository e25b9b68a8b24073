#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

/*
 * A group changed: the teams of everybody whom that may concern become what
 * the directory says.
 *
 *     the group's team and people named ──▶ pages of the groups put in or taken
 *     out, and of all that are in these ──▶ whole: the team's own pages ──▶ end
 *
 * One call at a time, each about as many people as a call may take.  What
 * follows for their apps is planned when the last one is done: so the guard
 * sees a mass removal as one, however many calls it takes to find the people.
 */
#define NAMED_MAX     100   /* people whom one call names */
#define LEASE_LONG    60000 /* ms; a job of many calls ends before that */
#define RELEASE_COUNT "1000"

typedef struct {
    engine_t        *engine;
    unsigned         shard;
    char             workspace[64];
    char             group[SCIM_KEY_MAX];
    char            *cause;
    bool             whole;
    team_job_done_pt done;
    void            *data;

    json_t    *users;   /* named: array of ids */
    size_t     user_at;
    json_t    *groups;  /* to be paged: array of ids, each once */
    json_t    *seen;    /* the same as an object */
    size_t     group_at;
    bool       team_pages; /* the team's own turn */
    bool       ended;      /* the team's record was looked at again */
    char       after[SCIM_KEY_MAX];

    long long  lease;      /* ms */
    char       until[24];  /* as the first call answered; "0" = none yet */
    bool       many;       /* more than one call: planned at the end */
    bool       touched;    /* somebody's team changed */
} job_t;

static void go_on(job_t *job);


static void
job_end(job_t *job, bool ok)
{
    team_job_done_pt done = job->done;
    void            *data = job->data;

    json_decref(job->users);
    json_decref(job->groups);
    json_decref(job->seen);
    free(job->cause);
    free(job);
    done(data, ok);
}


static void
call_begin(const job_t *job, redis_call_t *call, const char *function)
{
    redis_call_begin(call, function, false, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_because(call, job->cause);
}


static void
call_send(job_t *job, redis_call_t *call, redis_reply_pt reply)
{
    if (!redis_call_send(call, job->engine->redis, reply, job)) {
        job_end(job, false);
    }
}


/* ---- whose access must be planned ---- */

/*
 * The users from element `first` on are marked and leased to us.  When this
 * call is the only one they are planned at once.
 */
static void
take_users(job_t *job, const redisReply *reply, size_t first, bool last)
{
    snprintf(job->until, sizeof(job->until), "%s",
        redis_reply_text(reply, 1));
    job->touched = job->touched || reply->elements > first;
    job->many = job->many || !last;
    for (size_t i = first; !job->many && i < reply->elements; i++) {
        plan_job_start(job->engine, job->shard, job->workspace,
            redis_reply_text(reply, i), strtoll(job->until, NULL, 10));
    }
}


static void
on_released(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (!redis_reply_ok(reply)) {
        job_end(job, false);
        return;
    }
    engine_wake_dirty(job->engine, job->shard, 0);
    if (redis_reply_number(reply, 1) == strtoll(RELEASE_COUNT, NULL, 10)) {
        go_on(job);
        return;
    }
    job_end(job, true);
}


static void
release(job_t *job)
{
    redis_call_t call;

    call_begin(job, &call, "dirty_release");
    redis_call_text(&call, job->until);
    redis_call_text(&call, RELEASE_COUNT);
    call_send(job, &call, on_released);
}


/* ---- the team's record ---- */

static void
on_team(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (redis_reply_ok(reply)) {
        go_on(job);
    } else {
        job_end(job, false);
    }
}


static void
sync_team(job_t *job)
{
    redis_call_t call;

    call_begin(job, &call, "team_sync");
    redis_call_text(&call, job->group);
    call_send(job, &call, on_team);
}


/* ---- people ---- */

static bool
is_last(const job_t *job)
{
    return job->user_at == json_array_size(job->users)
        && job->group_at == json_array_size(job->groups) && !job->whole;
}


static void
on_users(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (!redis_reply_ok(reply)) {
        job_end(job, false);
        return;
    }
    job->user_at += (size_t) redis_reply_number(reply, 2);
    take_users(job, reply, 3, is_last(job));
    go_on(job);
}


static void
sync_users(job_t *job)
{
    size_t       count = json_array_size(job->users) - job->user_at;
    redis_call_t call;

    call_begin(job, &call, "users_sync");
    redis_call_number(&call, job->lease);
    redis_call_text(&call, job->until);
    /* the first call looks at the team's record, too: one wait less */
    redis_call_text(&call, job->user_at == 0 ? job->group : "");
    for (size_t i = 0; i < count && i < NAMED_MAX; i++) {
        redis_call_text(&call, json_string_value(json_array_get(job->users,
            job->user_at + i)));
    }
    call_send(job, &call, on_users);
}


static bool
add_group(job_t *job, const char *id)
{
    return json_object_get(job->seen, id) != NULL
        || (json_object_set_new(job->seen, id, json_true()) == 0
            && json_array_append_new(job->groups, json_string(id)) == 0);
}


static void
on_people(void *data, const redisReply *reply)
{
    job_t *job = data;
    bool   ok = redis_reply_ok(reply);
    size_t groups;

    groups = ok ? (size_t) redis_reply_number(reply, 3) : 0;
    ok = ok && groups <= reply->elements - 4;
    for (size_t i = 0; ok && i < groups; i++) {
        ok = add_group(job, redis_reply_text(reply, 4 + i));
    }
    if (!ok) {
        job_end(job, false);
        return;
    }
    snprintf(job->after, sizeof(job->after), "%s",
        redis_reply_text(reply, 2));
    if (job->after[0] == '\0') {
        job->group_at += !job->team_pages;
        job->whole = job->whole && !job->team_pages;
    }
    take_users(job, reply, 4 + groups, job->after[0] == '\0'
        && is_last(job));
    go_on(job);
}


static void
sync_page(job_t *job, const char *kind, const char *id)
{
    redis_call_t call;

    call_begin(job, &call, "people_sync");
    redis_call_number(&call, job->lease);
    redis_call_text(&call, job->until);
    redis_call_text(&call, kind);
    redis_call_text(&call, id);
    redis_call_text(&call, job->after);
    call_send(job, &call, on_people);
}


/* ---- from step to step ---- */

static void
go_on(job_t *job)
{
    if (job->user_at < json_array_size(job->users)) {
        sync_users(job);
    } else if (job->group_at < json_array_size(job->groups)) {
        sync_page(job, "group", json_string_value(json_array_get(job->groups,
            job->group_at)));
    } else if (job->whole) {
        job->team_pages = true;
        sync_page(job, "team", job->group);
    } else if (job->team_pages && !job->ended) {
        job->ended = true;
        sync_team(job); /* a deleted group's team goes now */
    } else if (job->many && job->touched) {
        release(job);
    } else {
        job_end(job, true);
    }
}


/* What the event names; what is no id of ours is none of our people. */
static bool
read_members(job_t *job, const json_t *members)
{
    bool          ok = true;
    size_t        i;
    json_t       *id;
    const json_t *lists[] = { json_object_get(members, "add"),
                             json_object_get(members, "remove") };

    json_array_foreach(json_object_get(members, "groups"), i, id) {
        ok = ok && json_is_string(id)
            && add_group(job, json_string_value(id));
    }
    for (int list = 0; list < 2; list++) {
        json_array_foreach((json_t *) lists[list], i, id) {
            if (json_is_string(id)
                && json_object_get(job->seen, json_string_value(id)) == NULL)
            {
                ok = ok && json_array_append(job->users, id) == 0;
            }
        }
    }
    return ok;
}


void
team_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *group, const char *cause, const json_t *members, bool whole,
    team_job_done_pt done, void *data)
{
    bool   ok;
    job_t *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        done(data, false);
        return;
    }
    job->engine = engine;
    job->shard = shard;
    job->whole = whole;
    job->done = done;
    job->data = data;
    job->users = json_array();
    job->groups = json_array();
    job->seen = json_object();
    snprintf(job->workspace, sizeof(job->workspace), "%s", workspace);
    snprintf(job->group, sizeof(job->group), "%s", group);
    snprintf(job->until, sizeof(job->until), "0");
    job->cause = strdup(cause);
    ok = job->users && job->groups && job->seen && job->cause
        && (whole ? add_group(job, group) : read_members(job, members));
    if (!ok) {
        log_error("no memory to look at group %s", group);
        job_end(job, false);
        return;
    }
    job->lease = whole || json_array_size(job->groups)
            || json_array_size(job->users) > NAMED_MAX
        ? LEASE_LONG : ENGINE_DIRTY_LEASE;
    if (json_array_size(job->users)) {
        go_on(job);
    } else {
        sync_team(job);
    }
}
