#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_job.h"
#include "log.h"
#include "redis_reply.h"
#include "scim_async.h"
#include "scim_bulk.h"

/*
 * Executes a request that an edge accepted: the same operation that the edge
 * would have run, on our connection, and then its outcome.
 *
 *     read ─▶ execute ─▶ commands and replies ─▶ finish
 *       ▲  ╲                   │                   ▲
 *       │   ╲─ had its effect ─┼───────────────────┘
 *       └──────── DONE ────────┘
 *
 * The commit notes its effect with the request, in the same step; of a Bulk
 * request each operation's does.  Who comes later, for whatever reason (killed
 * in between, two of us at once), finds it and only does what is left.  What
 * failed without effect is executed again.
 */
#define TRIES_MAX 5
/* each may hold a whole body, and what was read of it */
#define RUNNING_MAX 32
/* bytes: the edge took the body by its own limit, which is not known here */
#define RESOURCE_MAX (16u << 20)

/* A command that is under way. */
typedef struct {
    async_job_t    *job;
    scim_command_t *command;
} sent_t;

static const char *const field_names[ASYNC_FIELDS] = {
    "state", "actor", "method", "path", "query", "ifMatch", "ifNoneMatch",
    "base", "token", "schemas", "body", "effectId"
};

static void start_next(loop_t *loop, void *data);
static void read_request(async_job_t *job);
static void advance(async_job_t *job, scim_step_t step);


void
async_job_end(async_job_t *job, bool ok)
{
    async_job_done_pt done = job->done;
    void             *data = job->data;
    engine_t         *engine = job->engine;

    scim_operation_free(job->operation);
    scim_arena_free(&job->arena);
    loop_timer_free(job->turn);
    free(job->effect);
    free(job);
    engine->async_running--;
    if (engine->async_first
        && !loop_defer(engine->loop, start_next, engine))
    {
        start_next(engine->loop, engine);
    }
    done(data, ok);
}


bool
async_job_is_bulk(const async_job_t *job)
{
    return strcmp(job->field[ASYNC_PATH].text, "/Bulk") == 0;
}


/* ---- executing ---- */

static void
on_reply(void *data, const redisReply *reply)
{
    sent_t         *sent = data;
    async_job_t    *job = sent->job;
    scim_step_t     step;
    scim_reply_t    converted;
    scim_command_t *command = sent->command;

    free(sent);
    if (reply && strcmp(redis_reply_code(reply), "DONE") == 0) {
        job->overtaken = true;
        step = scim_operation_lost(job->operation, command, "overtaken");
    } else if (reply && redis_reply_convert(reply, &converted)) {
        step = scim_operation_reply(job->operation, command, &converted);
        redis_reply_clear(&converted);
    } else {
        step = scim_operation_lost(job->operation, command, "no reply");
    }
    advance(job, step);
}


static bool
send_command(async_job_t *job, scim_command_t *command)
{
    sent_t *sent = malloc(sizeof(*sent));

    if (sent == NULL) {
        return false;
    }
    *sent = (sent_t) { job, command };
    if (!redis_client_send(job->engine->redis, (int) command->argc,
            command->argv, command->argv_len, on_reply, sent))
    {
        free(sent);
        return false;
    }
    return true;
}


static void
on_turn(loop_t *loop, void *data)
{
    async_job_t *job = data;

    (void) loop;
    advance(job, scim_operation_continue(job->operation));
}


static void
advance(async_job_t *job, scim_step_t step)
{
    scim_command_t *command;

    while (step != SCIM_STEP_DONE
           && (command = scim_operation_command(job->operation)) != NULL)
    {
        if (!send_command(job, command)) {
            step = scim_operation_lost(job->operation, command, "no store");
        }
    }
    if (step == SCIM_STEP_YIELD) {
        loop_timer_arm(job->turn, 0); /* others have their turn */
    } else if (step == SCIM_STEP_DONE && job->overtaken) {
        read_request(job);
    } else if (step == SCIM_STEP_DONE) {
        async_job_finish(job);
    }
}


static void
make_service(async_job_t *job)
{
    engine_t *engine = job->engine;

    job->service = (scim_service_t) { .schemas = engine->schemas,
        .base_url = job->field[ASYNC_BASE], .shard_count = engine->shard_count,
        .body_max = RESOURCE_MAX, .page_size = 100,
        .page_size_max = 200, .scan_max = 100000 };
}


/* The time in a UUIDv7: its first 12 digits, ms. */
static int64_t
time_of(const char *id)
{
    int64_t ms = 0;

    for (int i = 0; i < 13 && id[i]; i++) {
        if (id[i] != '-') {
            ms = 16 * ms + (id[i] <= '9' ? id[i] - '0'
                                         : (id[i] | 0x20) - 'a' + 10);
        }
    }
    return ms;
}


/*
 * The ids of what a Bulk request creates stay the same however often it is
 * begun: operations that were executed refer to others that were not.
 */
static bool
set_random(async_job_t *job)
{
    scim_request_t *request = &job->request;

    if (!async_job_is_bulk(job)) {
        return RAND_bytes(request->random, sizeof(request->random)) == 1;
    }
    request->now = time_of(job->id);
    SHA512((const unsigned char *) job->id, strlen(job->id), request->random);
    return true;
}


static void
execute(async_job_t *job)
{
    const scim_text_t  json = { "application/scim+json", 21 };
    scim_request_t    *request = &job->request;
    scim_principal_t  *principal = &job->principal;

    make_service(job);
    snprintf(principal->workspace, sizeof(principal->workspace), "%s",
        job->workspace);
    snprintf(principal->token_id, sizeof(principal->token_id), "%.39s",
        job->field[ASYNC_TOKEN].text);
    snprintf(principal->actor, sizeof(principal->actor), "%.127s",
        job->field[ASYNC_ACTOR].text);
    principal->role = SCIM_ROLE_SCIM;
    principal->shard = job->shard;
    *request = (scim_request_t) {
        .method = scim_async_method(job->field[ASYNC_METHOD].text),
        .path = job->field[ASYNC_PATH], .query = job->field[ASYNC_QUERY],
        .content_type = json, .accept = json,
        .if_match = job->field[ASYNC_IF_MATCH],
        .if_none_match = job->field[ASYNC_IF_NONE_MATCH],
        .body = job->field[ASYNC_BODY], .principal = principal,
        .transaction = { job->id, strlen(job->id) },
        .execution = { job->id, strlen(job->id) },
        .dataset = { job->engine->dataset, strlen(job->engine->dataset) },
        .effect = job->effect, .effect_count = job->effect_count,
        .now = loop_wall()
    };
    if (set_random(job)) {
        job->operation = scim_operation_new(&job->service, request);
    }
    if (job->operation == NULL) {
        async_job_end(job, false);
        return;
    }
    advance(job, scim_operation_start(job->operation));
}


/* ---- reading ---- */

/* "effectId:<number>" and "effectVersion:<number>" */
static bool
read_effect(async_job_t *job, const char *name, const redisReply *value)
{
    size_t      number;
    const char *colon = strchr(name, ':');

    if (colon == NULL || value->type != REDIS_REPLY_STRING) {
        return true;
    }
    number = strtoul(colon + 1, NULL, 10);
    if (number >= SCIM_BULK_ITEM_MAX) {
        return true;
    }
    if (job->effect == NULL) {
        job->effect = calloc(SCIM_BULK_ITEM_MAX, sizeof(*job->effect));
        job->effect_count = job->effect ? SCIM_BULK_ITEM_MAX : 0;
    }
    if (job->effect && strncmp(name, "effectVersion", 13) == 0) {
        job->effect[number].version = strtoll(value->str, NULL, 10);
    }
    return job->effect != NULL;
}


/* Fields of the hash, by name; what is not there is empty. */
static bool
read_fields(async_job_t *job, const redisReply *reply, long long *version)
{
    *version = 0;
    for (int i = 0; i < ASYNC_FIELDS; i++) {
        job->field[i] = (scim_text_t) { "", 0 };
    }
    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        const redisReply *value = reply->element[i + 1];
        const char       *name = redis_reply_text(reply, i);

        if (!read_effect(job, name, value)) {
            return false;
        }
        if (strcmp(name, "effectVersion") == 0) {
            *version = redis_reply_number(reply, i + 1);
        }
        for (int j = 0; j < ASYNC_FIELDS; j++) {
            if (strcmp(name, field_names[j]) == 0
                && value->type == REDIS_REPLY_STRING)
            {
                job->field[j] = (scim_text_t) { scim_arena_copy(&job->arena,
                    value->str, (size_t) value->len), (size_t) value->len };
            }
        }
    }
    return !job->arena.failed;
}


static void
on_request(void *data, const redisReply *reply)
{
    async_job_t *job = data;
    long long    version;

    if (!redis_reply_ok(reply)) {
        /* NOTFOUND: it ended long ago */
        async_job_end(job, strcmp(redis_reply_code(reply), "NOTFOUND") == 0);
    } else if (!read_fields(job, reply, &version)) {
        async_job_end(job, false);
    } else if (strcmp(job->field[ASYNC_STATE].text, "queued") != 0) {
        async_job_end(job, true);
    } else if (job->field[ASYNC_EFFECT].len) {
        async_job_finish_effect(job, version);
    } else if (strcmp(job->field[ASYNC_SCHEMAS].text,
                   scim_schemas_digest(job->engine->schemas)) != 0)
    {
        async_job_finish_other_schemas(job);
    } else {
        execute(job);
    }
}


static void
read_request(async_job_t *job)
{
    redis_call_t call;

    scim_operation_free(job->operation);
    job->operation = NULL;
    scim_arena_free(&job->arena);
    job->overtaken = false;
    if (++job->tries > TRIES_MAX) {
        async_job_end(job, false);
        return;
    }
    redis_call_begin(&call, "async_read", true, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->id);
    if (!redis_call_send(&call, job->engine->redis, on_request, job)) {
        async_job_end(job, false);
    }
}


/* Whoever waits longest, when there is room. */
static void
start_next(loop_t *loop, void *data)
{
    engine_t    *engine = data;
    async_job_t *job = engine->async_first;

    (void) loop;
    if (job == NULL || engine->async_running == RUNNING_MAX) {
        return;
    }
    engine->async_first = job->next;
    engine->async_running++;
    if (engine->stopping) {
        async_job_end(job, false); /* another sidecar's */
    } else {
        read_request(job);
    }
}


static void
wait_for_turn(async_job_t *job)
{
    engine_t *engine = job->engine;

    if (engine->async_first) {
        engine->async_last->next = job;
    } else {
        engine->async_first = job;
    }
    engine->async_last = job;
    start_next(engine->loop, engine);
}


void
async_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *id, async_job_done_pt done, void *data)
{
    async_job_t *job = calloc(1, sizeof(*job));

    if (job) {
        job->turn = loop_timer_new(engine->loop, on_turn, job);
    }
    if (job == NULL || job->turn == NULL) {
        free(job);
        done(data, false);
        return;
    }
    job->engine = engine;
    job->shard = shard;
    job->done = done;
    job->data = data;
    snprintf(job->workspace, sizeof(job->workspace), "%s", workspace);
    snprintf(job->id, sizeof(job->id), "%s", id);
    wait_for_turn(job);
}
