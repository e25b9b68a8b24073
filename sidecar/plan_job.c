#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "facts.h"
#include "log.h"
#include "scim_join.h"
#include "scim_text.h"
#include "scim_token.h"
#include "scim_uuid.h"

#define TRIES_MAX     20
#define CLAIMS_AT     2 /* in the answer of plan_commit */

/* The ids that a change may need: random, so not the planner's business. */
typedef struct {
    char        task[SCIM_UUID_LEN + 1];
    char        code[SCIM_JOIN_CODE_LEN + 1]; /* of the invite's link */
    char        code_hash[65];
    task_run_t *run; /* the task is claimed as it is committed; NULL = not */
} new_ids_t;

/* One user's planning: facts, then the commit of what follows from them. */
typedef struct {
    engine_t *engine;
    unsigned  shard;
    char      workspace[64];
    char      user[SCIM_KEY_MAX];
    long long lease;
    unsigned  tries;
    facts_t  *facts;
    plan_t    plan;
    new_ids_t *ids; /* of the changes, in order */
    int64_t   recheck_after;
} job_t;

static void ask_facts(job_t *job);


static void
forget_plan(job_t *job)
{
    plan_free(&job->plan);
    facts_free(job->facts);
    free(job->ids);
    job->facts = NULL;
    job->ids = NULL;
}


static void
job_end(job_t *job)
{
    engine_t *engine = job->engine;

    forget_plan(job);
    free(job);
    engine->plans--;
    engine_check_stopped(engine);
}


static void
forget_places(job_t *job)
{
    for (size_t i = 0; job->ids && i < job->plan.count; i++) {
        if (job->ids[i].run) {
            task_run_claimed(job->ids[i].run, NULL);
            job->ids[i].run = NULL;
        }
    }
}


static const redisReply *
claim_at(const redisReply *reply, size_t at)
{
    const redisReply *claims = reply->elements > CLAIMS_AT
        ? reply->element[CLAIMS_AT] : NULL;

    return claims && claims->type == REDIS_REPLY_ARRAY
        && at < claims->elements ? claims->element[at] : NULL;
}


/* What was planned is durable: its tasks may run, or do already. */
static void
start_tasks(job_t *job, const redisReply *reply)
{
    size_t claimed = 0;

    for (size_t i = 0; i < job->plan.count; i++) {
        if (job->ids[i].run) {
            task_run_claimed(job->ids[i].run, claim_at(reply, claimed++));
            job->ids[i].run = NULL;
        } else if (job->plan.changes[i].action == TASK_NEW) {
            dispatch_add(job->engine->dispatch, job->shard, job->workspace,
                job->ids[i].task, job->plan.changes[i].app,
                job->plan.changes[i].kind);
        }
    }
    if (job->plan.recheck_at) {
        engine_wake_dirty(job->engine, job->shard, job->recheck_after + 1);
    }
}


static void
on_committed(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (redis_reply_ok(reply)) {
        start_tasks(job, reply);
        if (strcmp(redis_reply_text(reply, 1), "1") == 0) {
            engine_wake_dirty(job->engine, job->shard, 0);
        }
        if (reply->elements > 5) {
            log_error("workspace %s, app %s: %s; further removals wait in "
                "hold %s until somebody approves or rejects it",
                job->workspace, redis_reply_text(reply, 3),
                redis_reply_text(reply, 5), redis_reply_text(reply, 4));
        }
        job_end(job);
        return;
    }
    forget_places(job);
    if (strcmp(redis_reply_code(reply), "CONFLICT") == 0
        && ++job->tries < TRIES_MAX)
    {
        forget_plan(job);
        ask_facts(job);
        return;
    }
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("plan of user %s: %.200s", job->user, reply->str);
    }
    job_end(job); /* the mark stays: somebody plans it again */
}


static void
add_change(redis_call_t *call, job_t *job, size_t i)
{
    plan_change_t *change = &job->plan.changes[i];
    static const char *const actions[] = { "keep", "new", "manual", "drop" };
    static const char *const guards[] = { "", "loss", "leaver" };

    redis_call_text(call, change->app);
    redis_call_text(call, grant_state_name(change->state));
    redis_call_text(call, change->owner ? "owner" : "collaborator");
    redis_call_text(call, change->access_role);
    redis_call_text(call, change->sources);
    redis_call_text(call, change->email);
    redis_call_text(call, change->user_name);
    if (change->lost_at) {
        redis_call_number(call, change->lost_at);
    } else {
        redis_call_text(call, "");
    }
    redis_call_text(call, grant_state_name(change->before));
    redis_call_text(call, change->replan ? "1" : "");
    redis_call_text(call, change->kept);
    redis_call_text(call, guards[change->guard]);
    redis_call_text(call, actions[change->action]);
    redis_call_text(call, job->ids[i].task);
    redis_call_text(call, change->kind);
    redis_call_text(call, change->unknown ? "1" : "0");
    redis_call_text(call, change->why);
    redis_call_text(call, change->share);
    redis_call_text(call, job->ids[i].code);
    redis_call_text(call, job->ids[i].code_hash);
    redis_call_number(call, change->reminded_at);
    redis_call_number(call, change->reminded);
    redis_call_number(call, change->reinvited);
}


static bool
make_ids(job_t *job)
{
    struct {
        unsigned char task[10], code[SCIM_JOIN_RANDOM_LEN];
    } random;

    job->ids = calloc(job->plan.count + 1, sizeof(*job->ids));
    if (job->ids == NULL) {
        return false;
    }
    for (size_t i = 0; i < job->plan.count; i++) {
        new_ids_t *ids = &job->ids[i];

        if (!engine_random(job->engine, &random, sizeof(random))) {
            return false;
        }
        scim_uuid_v7(loop_wall(), random.task, ids->task);
        scim_join_code_make(job->shard, random.code, ids->code);
        scim_token_hash(ids->code, SCIM_JOIN_CODE_LEN, ids->code_hash);
    }
    return true;
}


/* Tasks that their app has room for need no call of their own to be claimed. */
static void
add_claims(redis_call_t *call, job_t *job)
{
    bool      any = false;
    engine_t *engine = job->engine;

    for (size_t i = 0; i < job->plan.count; i++) {
        const plan_change_t *change = &job->plan.changes[i];

        if (change->action != TASK_NEW) {
            continue;
        }
        job->ids[i].run = dispatch_reserve(engine->dispatch, job->shard,
            job->workspace, job->ids[i].task, change->app, change->kind);
        if (job->ids[i].run && !any) {
            redis_call_text(call, engine->conf->name);
            redis_call_number(call, ENGINE_TASK_LEASE);
            any = true;
        }
        if (job->ids[i].run) {
            redis_call_number(call, (long long) i + 1);
        }
    }
}


static void
commit(job_t *job)
{
    redis_call_t call;

    if (!make_ids(job)) {
        job_end(job);
        return;
    }
    redis_call_begin(&call, "plan_commit", false, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->user);
    redis_call_number(&call, job->lease);
    redis_call_text(&call, job->facts->digest);
    redis_call_number(&call, job->plan.recheck_at);
    redis_call_text(&call, "sidecar");
    redis_call_text(&call, "");
    redis_call_number(&call, (long long) job->plan.count);
    for (size_t i = 0; i < job->plan.count; i++) {
        add_change(&call, job, i);
    }
    add_claims(&call, job);
    if (!redis_call_send(&call, job->engine->redis, on_committed, job)) {
        forget_places(job);
        job_end(job);
    }
}


static void
on_facts(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (redis_reply_ok(reply)) {
        job->facts = facts_read(reply, job->engine->apps);
    }
    if (job->facts == NULL) {
        log_error("facts of user %s cannot be read", job->user);
        job_end(job);
        return;
    }
    plan_make(&job->facts->plan, &job->plan);
    if (job->plan.failed) {
        job_end(job);
        return;
    }
    job->recheck_after = job->plan.recheck_at
        ? job->plan.recheck_at - job->facts->plan.now : 0;
    commit(job);
}


static void
ask_facts(job_t *job)
{
    redis_call_t call;

    redis_call_begin(&call, "facts", true, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->user);
    if (!redis_call_send(&call, job->engine->redis, on_facts, job)) {
        job_end(job);
    }
}


void
plan_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *user, long long lease)
{
    job_t *job = calloc(1, sizeof(*job));

    if (job == NULL || engine->stopping) {
        free(job);
        return; /* the mark stays, its lease runs out */
    }
    job->engine = engine;
    job->shard = shard;
    job->lease = lease;
    scim_text_copy(job->workspace, sizeof(job->workspace), workspace);
    scim_text_copy(job->user, sizeof(job->user), user);
    engine->plans++;
    ask_facts(job);
}
