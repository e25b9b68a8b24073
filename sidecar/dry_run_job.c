#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dry_run.h"
#include "engine.h"
#include "log.h"
#include "scim_json.h"

/* Dry runs that operators asked the edge for. */
#define CLAIM_MAX 2
#define LEASE     30000 /* ms; each page of people renews it */
#define PAGE      100
#define COLUMNS   5 /* of a claim */

/* One dry run, from its claim until its result is stored. */
typedef struct {
    engine_t  *engine;
    unsigned   shard;
    char       workspace[64];
    char       id[ENGINE_ID_MAX];
    char       attempt[24];
    dry_run_t  run;
    char       after[80]; /* the people looked at so far */
    bool       first;     /* no rows were stored yet */
    char       users[PAGE][SCIM_KEY_MAX];
    long long  places[PAGE];
    size_t     count, next;
    char      *rows[PAGE];
    size_t     row_count;
} job_t;

static void ask_page(job_t *job);
static void ask_person(job_t *job);


static void
forget_rows(job_t *job)
{
    for (size_t i = 0; i < job->row_count; i++) {
        free(job->rows[i]);
    }
    job->row_count = 0;
}


static void
job_end(job_t *job)
{
    forget_rows(job);
    dry_run_free(&job->run);
    free(job);
}


/* A lost connection, or a stop: its lease runs out, somebody begins anew. */
static bool
is_over(const job_t *job, const redisReply *reply)
{
    return reply == NULL || job->engine->stopping;
}


static void
ask(job_t *job, redis_call_t *call, redis_reply_pt done)
{
    if (!redis_call_send(call, job->engine->redis, done, job)) {
        job_end(job);
    }
}


/* A call that only its owner may make. */
static void
begin_own(job_t *job, redis_call_t *call, const char *function)
{
    redis_call_begin(call, function, false, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(call, job->id);
    redis_call_text(call, job->engine->conf->name);
    redis_call_text(call, job->attempt);
}


static void
begin_read(job_t *job, redis_call_t *call, const char *function)
{
    redis_call_begin(call, function, true, job->shard, job->workspace,
        job->engine->dataset);
}


/* ---- the end ---- */

static void
on_finished(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("dry run %s: %.200s", job->id, reply->str);
    }
    job_end(job);
}


/* `reason`: why it failed, NULL = it did not. */
static void
finish(job_t *job, const char *reason)
{
    char         hash[DRY_RUN_HASH_SIZE] = "";
    char        *counts = NULL, *guard = NULL;
    json_t      *json;
    redis_call_t call;

    if (reason == NULL) {
        json = dry_run_counts(&job->run);
        counts = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        json = dry_run_guard(&job->run);
        guard = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        if (!dry_run_hash(&job->run, hash) || !counts || !guard) {
            reason = "no memory";
        }
    }
    begin_own(job, &call, "dry_run_finish");
    redis_call_text(&call, reason ? "failed" : "done");
    redis_call_text(&call, reason ? reason : "");
    redis_call_text(&call, hash);
    redis_call_number(&call, job->run.people);
    redis_call_text(&call, counts ? counts : "");
    redis_call_text(&call, guard ? guard : "");
    free(counts);
    free(guard);
    ask(job, &call, on_finished);
}


/* ---- the people ---- */

static void
on_stored(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (is_over(job, reply) || !redis_reply_ok(reply)) {
        job_end(job); /* it is another one's by now */
        return;
    }
    forget_rows(job);
    job->first = false;
    if (job->after[0]) {
        ask_page(job);
    } else {
        finish(job, NULL);
    }
}


static void
store_rows(job_t *job)
{
    redis_call_t call;

    begin_own(job, &call, "dry_run_rows");
    redis_call_number(&call, LEASE);
    redis_call_text(&call, job->first ? "1" : "0");
    for (size_t i = 0; i < job->row_count; i++) {
        redis_call_text(&call, job->rows[i]);
    }
    ask(job, &call, on_stored);
}


static void
on_person(void *data, const redisReply *reply)
{
    bool    ok;
    json_t *row;
    job_t  *job = data;

    if (is_over(job, reply)) {
        job_end(job);
        return;
    }
    ok = dry_run_person(&job->run, job->users[job->next], reply,
        job->places[job->next], job->engine->apps, &row);
    if (ok && row) {
        job->rows[job->row_count] = json_dumps(row, JSON_COMPACT);
        ok = job->rows[job->row_count] != NULL;
        job->row_count += ok;
    }
    json_decref(row);
    job->next++;
    if (!ok) {
        finish(job, "somebody's facts cannot be read");
    } else {
        ask_person(job);
    }
}


static void
ask_person(job_t *job)
{
    redis_call_t call;

    if (job->next == job->count) {
        store_rows(job);
        return;
    }
    begin_read(job, &call, "facts");
    redis_call_text(&call, job->users[job->next]);
    ask(job, &call, on_person);
}


static void
on_page(void *data, const redisReply *reply)
{
    job_t *job = data;

    if (is_over(job, reply)) {
        job_end(job);
        return;
    }
    if (!redis_reply_ok(reply)) {
        finish(job, "the people cannot be read");
        return;
    }
    job->count = job->next = 0;
    for (size_t i = 2; i + 1 < reply->elements && job->count < PAGE; i += 2) {
        snprintf(job->users[job->count], sizeof(job->users[0]), "%s",
            redis_reply_text(reply, i));
        job->places[job->count++] = redis_reply_number(reply, i + 1);
    }
    snprintf(job->after, sizeof(job->after), "%s",
        redis_reply_text(reply, 1));
    ask_person(job);
}


static void
ask_page(job_t *job)
{
    redis_call_t call;

    begin_read(job, &call, "what_if_people");
    redis_call_text(&call, job->run.app);
    redis_call_text(&call, dry_run_subject(&job->run));
    redis_call_text(&call, job->after);
    redis_call_number(&call, PAGE);
    ask(job, &call, on_page);
}


/* ---- life ---- */

static void
on_app(void *data, const redisReply *reply)
{
    job_t      *job = data;
    const char *wrong;

    if (is_over(job, reply)) {
        job_end(job);
        return;
    }
    wrong = dry_run_take_app(&job->run, reply);
    if (wrong) {
        finish(job, wrong);
    } else {
        ask_page(job);
    }
}


/* From a row of dry_run_due: workspace, id, attempt, app, change. */
static void
job_start(engine_t *engine, unsigned shard, const redisReply *reply,
    size_t at)
{
    job_t        *job = calloc(1, sizeof(*job));
    json_t       *change;
    redis_call_t  call;
    const char   *text = redis_reply_text(reply, at + 4);

    if (job == NULL) {
        return; /* its lease runs out */
    }
    job->engine = engine;
    job->shard = shard;
    job->first = true;
    snprintf(job->workspace, sizeof(job->workspace), "%s",
        redis_reply_text(reply, at));
    snprintf(job->id, sizeof(job->id), "%s", redis_reply_text(reply, at + 1));
    snprintf(job->attempt, sizeof(job->attempt), "%s",
        redis_reply_text(reply, at + 2));
    change = scim_json_read(text, strlen(text), &scim_json_stored_limits,
        NULL);
    if (!dry_run_init(&job->run, redis_reply_text(reply, at + 3), change)) {
        finish(job, "the change cannot be read");
        return;
    }
    begin_read(job, &call, "what_if_app");
    redis_call_text(&call, job->run.app);
    ask(job, &call, on_app);
}


static void
on_due(void *data, const redisReply *reply)
{
    shard_t *shard = data;
    bool     again = shard->dry_runs_again;

    shard->dry_runs_asked = shard->dry_runs_again = false;
    if (!redis_reply_ok(reply) || shard->engine->stopping) {
        return;
    }
    for (size_t i = 1; i + COLUMNS <= reply->elements; i += COLUMNS) {
        job_start(shard->engine, shard->number, reply, i);
    }
    if (again || reply->elements >= 1 + COLUMNS * CLAIM_MAX) {
        dry_runs_look(shard->engine, shard->number);
    }
}


void
dry_runs_look(engine_t *engine, unsigned number)
{
    shard_t     *shard = &engine->shards[number];
    redis_call_t call;

    if (!engine->ready || engine->stopping || shard->dry_runs_asked) {
        shard->dry_runs_again = shard->dry_runs_asked;
        return;
    }
    redis_call_begin(&call, "dry_run_due", false, number, "",
        engine->dataset);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, LEASE);
    redis_call_number(&call, CLAIM_MAX);
    shard->dry_runs_asked = redis_call_send(&call, engine->redis, on_due,
        shard);
}
