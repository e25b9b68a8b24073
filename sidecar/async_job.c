#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"
#include "redis_reply.h"
#include "scim_async.h"
#include "scim_json.h"

/*
 * Executes a request that an edge accepted: the same operation that the edge
 * would have run, on our connection, and then its outcome.
 *
 *     read ─▶ execute ─▶ commands and replies ─▶ finish
 *       ▲  ╲                   │                   ▲
 *       │   ╲─ had its effect ─┼───────────────────┘
 *       └──────── DONE ────────┘
 *
 * The commit notes its effect with the request, in the same step.  Who comes
 * later, for whatever reason (killed in between, two of us at once), finds it
 * and only writes the outcome down.  What failed without effect is executed
 * again.
 */
#define TRIES_MAX 5
#define FIELDS    12
/* bytes: the edge took the body by its own limit, which is not known here */
#define RESOURCE_MAX (16u << 20)

typedef struct {
    engine_t         *engine;
    unsigned          shard;
    char              workspace[64];
    char              id[SCIM_KEY_MAX];
    async_job_done_pt done;
    void             *data;
    unsigned          tries;

    scim_arena_t      arena; /* what was read, each text with a NUL */
    scim_text_t       field[FIELDS];
    scim_service_t    service;
    scim_principal_t  principal;
    scim_request_t    request;
    scim_operation_t *operation;
    scim_command_t   *command; /* under way */
} job_t;

enum { STATE, ACTOR, METHOD, PATH, QUERY, IF_MATCH, IF_NONE_MATCH, BASE,
       TOKEN, SCHEMAS, BODY, EFFECT };

static const char *const field_names[FIELDS] = {
    "state", "actor", "method", "path", "query", "ifMatch", "ifNoneMatch",
    "base", "token", "schemas", "body", "effectId"
};

static void read_request(job_t *job);
static void advance(job_t *job, scim_step_t step);


static void
job_end(job_t *job, bool ok)
{
    async_job_done_pt done = job->done;
    void             *data = job->data;

    scim_operation_free(job->operation);
    scim_arena_free(&job->arena);
    free(job);
    done(data, ok);
}


/* ---- the outcome ---- */

typedef struct {
    const char *path;   /* "/Users/<id>", "/Users" when none was made */
    int         status;
    long long   version;  /* 0 = none */
    const char *location; /* "" = none */
    json_t     *response; /* of a failure; owned, or NULL */
} outcome_t;


/* Type and id of a path as the edge wrote it. */
static const char *
subject(const job_t *job, const char *path, const char **id)
{
    const scim_schemas_t *schemas = job->engine->schemas;

    for (size_t i = 0; i < scim_resource_type_count(schemas); i++) {
        const scim_resource_type_t *type = scim_resource_type_at(schemas, i);
        size_t                      len = strlen(type->endpoint);

        if (strncmp(path, type->endpoint, len) == 0
            && (path[len] == '\0' || path[len] == '/'))
        {
            *id = path + len + (path[len] == '/');
            return type->key_word;
        }
    }
    *id = "";
    return "";
}


static char *
outcome_text(const job_t *job, const outcome_t *outcome)
{
    char   *text;
    json_t *data = json_pack("{s:s,s:o}", "method", job->field[METHOD].text,
        "status", json_sprintf("%d", outcome->status));

    if (outcome->version) {
        json_object_set_new(data, "version", json_sprintf("W/\"%lld\"",
            outcome->version));
    }
    if (outcome->location[0]) {
        json_object_set_new(data, "location", json_string(outcome->location));
    }
    if (outcome->response) {
        json_object_set(data, "response", outcome->response);
    }
    text = json_dumps(data, JSON_COMPACT);
    json_decref(data);
    return text;
}


static void
on_finished(void *data, const redisReply *reply)
{
    job_t *job = data;

    /* STATE: another one was faster */
    job_end(job, redis_reply_ok(reply)
        || strcmp(redis_reply_code(reply), "STATE") == 0);
}


static void
finish(job_t *job, outcome_t *outcome)
{
    bool         sent;
    char        *text = outcome_text(job, outcome);
    const char  *id, *type = subject(job, outcome->path, &id);
    redis_call_t call;

    json_decref(outcome->response);
    if (text == NULL) {
        job_end(job, false);
        return;
    }
    redis_call_begin(&call, "async_finish", false, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->id);
    redis_call_text(&call, type);
    redis_call_text(&call, id);
    redis_call_number(&call, outcome->version);
    redis_call_text(&call, text);
    sent = redis_call_send(&call, job->engine->redis, on_finished, job);
    free(text);
    if (!sent) {
        job_end(job, false);
    }
}


/* It was executed by somebody who could not write that down. */
static void
finish_effect(job_t *job, long long version)
{
    char          path[256], location[512];
    const char   *id, *type = subject(job, job->field[PATH].text, &id);
    outcome_t     outcome = { path, 200, version, location, NULL };
    scim_method_t method = scim_async_method(job->field[METHOD].text);

    snprintf(path, sizeof(path), "%.*s/%s",
        (int) (strcspn(job->field[PATH].text + 1, "/") + 1),
        job->field[PATH].text, job->field[EFFECT].text);
    snprintf(location, sizeof(location), "%s%.250s", job->field[BASE].text,
        path);
    if (method == SCIM_METHOD_POST) {
        outcome.status = 201;
    } else if (method == SCIM_METHOD_DELETE) {
        outcome.status = 204;
        outcome.version = 0;
        location[0] = '\0';
    } else if (method == SCIM_METHOD_PATCH && strcmp(type, "group") == 0) {
        outcome.status = 204;
    }
    finish(job, &outcome);
}


static void
finish_operation(job_t *job)
{
    const char            *base = job->field[BASE].text;
    const scim_response_t *response = &job->operation->response;
    outcome_t              outcome = { job->field[PATH].text,
                                       response->status, 0,
                                       response->location, NULL };

    if (response->status == 503) {
        job_end(job, false); /* nothing to tell yet: it is done later */
        return;
    }
    if (strncmp(response->etag, "W/\"", 3) == 0) {
        outcome.version = strtoll(response->etag + 3, NULL, 10);
    }
    if (strncmp(response->location, base, strlen(base)) == 0) {
        outcome.path = response->location + strlen(base);
    }
    if (response->status >= 400) {
        outcome.response = scim_json_read(response->body.data,
            response->body.len, &scim_json_stored_limits, NULL);
    }
    if (response->status >= 500) {
        log_error("request %s of workspace %s: status %d", job->id,
            job->workspace, response->status);
    }
    finish(job, &outcome);
}


/* A request that was normalized by other schemas would lose attributes. */
static void
finish_other_schemas(job_t *job)
{
    scim_error_t  error = { 0 };
    scim_buffer_t text;
    outcome_t     outcome = { job->field[PATH].text, 500, 0, "", NULL };

    log_error("request %s of workspace %s was accepted with other schemas "
        "than ours: scim_schemas of nginx and of sidecar.conf differ", job->id,
        job->workspace);
    scim_buffer_init(&text, 4096);
    scim_error_set(&error, 500, SCIM_ERROR_NONE, "the schemas of the server "
        "and of its sidecar differ; nothing was done");
    scim_error_render(&error, &text);
    outcome.response = scim_buffer_failed(&text) ? NULL : scim_json_read(
        text.data, text.len, &scim_json_stored_limits, NULL);
    scim_buffer_free(&text);
    finish(job, &outcome);
}


/* ---- executing ---- */

static void
on_reply(void *data, const redisReply *reply)
{
    job_t          *job = data;
    scim_step_t     step;
    scim_reply_t    converted;
    scim_command_t *command = job->command;

    job->command = NULL;
    if (reply && strcmp(redis_reply_code(reply), "DONE") == 0) {
        read_request(job);
        return;
    }
    if (reply && redis_reply_convert(reply, &converted)) {
        step = scim_operation_reply(job->operation, command, &converted);
        redis_reply_clear(&converted);
    } else {
        step = scim_operation_lost(job->operation, command, "no reply");
    }
    advance(job, step);
}


static void
advance(job_t *job, scim_step_t step)
{
    while (step != SCIM_STEP_DONE && job->command == NULL) {
        job->command = scim_operation_command(job->operation);
        if (job->command == NULL) {
            step = scim_operation_continue(job->operation);
        } else if (!redis_client_send(job->engine->redis,
                       (int) job->command->argc, job->command->argv,
                       job->command->argv_len, on_reply, job))
        {
            scim_command_t *command = job->command;

            job->command = NULL;
            step = scim_operation_lost(job->operation, command, "no store");
        }
    }
    if (step == SCIM_STEP_DONE) {
        finish_operation(job);
    }
}


static void
make_service(job_t *job)
{
    engine_t *engine = job->engine;

    job->service = (scim_service_t) { .schemas = engine->schemas,
        .base_url = job->field[BASE], .shard_count = engine->shard_count,
        .body_max = RESOURCE_MAX, .page_size = 100,
        .page_size_max = 200, .scan_max = 100000 };
}


static void
execute(job_t *job)
{
    const scim_text_t  json = { "application/scim+json", 21 };
    scim_request_t    *request = &job->request;
    scim_principal_t  *principal = &job->principal;

    make_service(job);
    snprintf(principal->workspace, sizeof(principal->workspace), "%s",
        job->workspace);
    snprintf(principal->token_id, sizeof(principal->token_id), "%.39s",
        job->field[TOKEN].text);
    snprintf(principal->actor, sizeof(principal->actor), "%.127s",
        job->field[ACTOR].text);
    principal->role = SCIM_ROLE_SCIM;
    principal->shard = job->shard;
    *request = (scim_request_t) {
        .method = scim_async_method(job->field[METHOD].text),
        .path = job->field[PATH], .query = job->field[QUERY],
        .content_type = json, .accept = json,
        .if_match = job->field[IF_MATCH],
        .if_none_match = job->field[IF_NONE_MATCH],
        .body = job->field[BODY], .principal = principal,
        .transaction = { job->id, strlen(job->id) },
        .execution = { job->id, strlen(job->id) },
        .dataset = { job->engine->dataset, strlen(job->engine->dataset) },
        .now = loop_wall()
    };
    if (RAND_bytes(request->random, sizeof(request->random)) == 1) {
        job->operation = scim_operation_new(&job->service, request);
    }
    if (job->operation == NULL) {
        job_end(job, false);
        return;
    }
    advance(job, scim_operation_start(job->operation));
}


/* ---- reading ---- */

/* Fields of the hash, by name; what is not there is empty. */
static bool
read_fields(job_t *job, const redisReply *reply, long long *version)
{
    *version = 0;
    for (int i = 0; i < FIELDS; i++) {
        job->field[i] = (scim_text_t) { "", 0 };
    }
    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        const redisReply *value = reply->element[i + 1];
        const char       *name = redis_reply_text(reply, i);

        if (strcmp(name, "effectVersion") == 0) {
            *version = redis_reply_number(reply, i + 1);
        }
        for (int j = 0; j < FIELDS; j++) {
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
    job_t    *job = data;
    long long version;

    if (!redis_reply_ok(reply)) {
        /* NOTFOUND: it ended long ago */
        job_end(job, strcmp(redis_reply_code(reply), "NOTFOUND") == 0);
    } else if (!read_fields(job, reply, &version)) {
        job_end(job, false);
    } else if (strcmp(job->field[STATE].text, "queued") != 0) {
        job_end(job, true);
    } else if (job->field[EFFECT].len) {
        finish_effect(job, version);
    } else if (strcmp(job->field[SCHEMAS].text,
                   scim_schemas_digest(job->engine->schemas)) != 0)
    {
        finish_other_schemas(job);
    } else {
        execute(job);
    }
}


static void
read_request(job_t *job)
{
    redis_call_t call;

    scim_operation_free(job->operation);
    job->operation = NULL;
    scim_arena_free(&job->arena);
    if (++job->tries > TRIES_MAX) {
        job_end(job, false);
        return;
    }
    redis_call_begin(&call, "async_read", true, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->id);
    if (!redis_call_send(&call, job->engine->redis, on_request, job)) {
        job_end(job, false);
    }
}


void
async_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *id, async_job_done_pt done, void *data)
{
    job_t *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        done(data, false);
        return;
    }
    job->engine = engine;
    job->shard = shard;
    job->done = done;
    job->data = data;
    snprintf(job->workspace, sizeof(job->workspace), "%s", workspace);
    snprintf(job->id, sizeof(job->id), "%s", id);
    read_request(job);
}
