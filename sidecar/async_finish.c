#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_job.h"
#include "log.h"
#include "scim_async.h"
#include "scim_bulk.h"
#include "scim_json.h"

/* What came of a request that an edge accepted, written down. */
#define OUTCOMES_MAX 100 /* in one call: less than a millisecond of Redis */
#define OUTCOME_MAX  ((size_t) 1 << 20) /* bytes */

typedef struct {
    const char *path;   /* "/Users/<id>", "/Users" when none was made */
    int         status;
    long long   version;  /* 0 = none */
    const char *location; /* "" = none */
    json_t     *response; /* of a failure; owned, or NULL */
} outcome_t;


static const scim_resource_type_t *
type_of(const scim_schemas_t *schemas, const char *word)
{
    const scim_resource_type_t *type;

    for (size_t i = 0; i < scim_resource_type_count(schemas); i++) {
        type = scim_resource_type_at(schemas, i);
        if (strcmp(type->key_word, word) == 0) {
            return type;
        }
    }
    return NULL;
}


/* Type and id of a path as the edge wrote it. */
static const char *
subject(const async_job_t *job, const char *path, const char **id)
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
    return async_job_is_bulk(job) ? "bulk" : "";
}


static char *
outcome_text(const async_job_t *job, const outcome_t *outcome)
{
    char   *text;
    json_t *data = json_pack("{s:s,s:o}", "method",
        job->field[ASYNC_METHOD].text, "status", json_sprintf("%d",
            outcome->status));

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
    async_job_t *job = data;

    /* STATE: another one was faster */
    async_job_end(job, redis_reply_ok(reply)
        || strcmp(redis_reply_code(reply), "STATE") == 0);
}


static void
finish(async_job_t *job, outcome_t *outcome)
{
    bool         sent;
    char        *text = outcome_text(job, outcome);
    const char  *id, *type = subject(job, outcome->path, &id);
    redis_call_t call;

    json_decref(outcome->response);
    if (text == NULL) {
        async_job_end(job, false);
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
        async_job_end(job, false);
    }
}


/* It was executed by somebody who could not write that down. */
void
async_job_finish_effect(async_job_t *job, long long version)
{
    char          path[256], location[512];
    const char   *id, *type = subject(job, job->field[ASYNC_PATH].text, &id);
    outcome_t     outcome = { path, 0, version, location, NULL };
    scim_method_t method = scim_async_method(job->field[ASYNC_METHOD].text);

    snprintf(path, sizeof(path), "%.*s/%s",
        (int) (strcspn(job->field[ASYNC_PATH].text + 1, "/") + 1),
        job->field[ASYNC_PATH].text, job->field[ASYNC_EFFECT].text);
    snprintf(location, sizeof(location), "%s%.250s",
        job->field[ASYNC_BASE].text, path);
    outcome.status = scim_async_effect_status(method,
        type_of(job->engine->schemas, type));
    if (method == SCIM_METHOD_DELETE) {
        outcome.version = 0;
        location[0] = '\0';
    }
    finish(job, &outcome);
}


/* ---- of a Bulk request ---- */

typedef struct {
    size_t              count;
    char                number[OUTCOMES_MAX][24];
    scim_bulk_outcome_t outcome[OUTCOMES_MAX];
    scim_text_t         text[OUTCOMES_MAX];
    scim_arena_t        arena; /* of the texts */
} page_t;

static void tell_page(async_job_t *job);


static void
on_told(void *data, const redisReply *reply)
{
    async_job_t *job = data;

    if (redis_reply_ok(reply)
        && job->told < scim_bulk_count(job->operation))
    {
        tell_page(job);
        return;
    }
    on_finished(data, reply);
}


/* The next ones; false when memory is gone. */
static bool
fill_page(async_job_t *job, page_t *page)
{
    bool          ok;
    size_t        n, count = scim_bulk_count(job->operation);
    scim_buffer_t text;

    scim_buffer_init(&text, OUTCOME_MAX);
    while (job->told < count && page->count < OUTCOMES_MAX) {
        n = page->count;
        page->outcome[n].text = &text;
        snprintf(page->number[n], sizeof(page->number[n]), "%zu", job->told);
        if (scim_bulk_outcome(job->operation, job->told++,
                &page->outcome[n]))
        {
            page->text[n].len = text.len;
            page->text[n].text = scim_arena_copy(&page->arena, text.data,
                text.len);
            page->count++;
        }
    }
    ok = !scim_buffer_failed(&text) && !page->arena.failed;
    scim_buffer_free(&text);
    return ok;
}


static bool
send_page(async_job_t *job, page_t *page)
{
    bool         last = job->told == scim_bulk_count(job->operation);
    redis_call_t call;

    redis_call_begin(&call, "async_finish_bulk", false, job->shard,
        job->workspace, job->engine->dataset);
    redis_call_text(&call, job->id);
    redis_call_text(&call, last ? "1" : "0");
    redis_call_number(&call, (long long) page->count);
    for (size_t i = 0; i < page->count; i++) {
        const scim_bulk_outcome_t *outcome = &page->outcome[i];

        redis_call_text(&call, page->number[i]);
        redis_call_text(&call, outcome->type);
        redis_call_add(&call, outcome->id.text, outcome->id.len);
        redis_call_number(&call, outcome->version);
        redis_call_add(&call, page->text[i].text, page->text[i].len);
    }
    return redis_call_send(&call, job->engine->redis, on_told, job);
}


static void
tell_page(async_job_t *job)
{
    bool    sent;
    page_t *page = calloc(1, sizeof(*page));

    sent = page && fill_page(job, page) && send_page(job, page);
    if (page) {
        scim_arena_free(&page->arena);
    }
    free(page);
    if (!sent) {
        async_job_end(job, false);
    }
}


/* ---- of an operation that is done ---- */

static void
finish_bulk(async_job_t *job)
{
    if (scim_bulk_unavailable(job->operation)) {
        async_job_end(job, false); /* what was not done is done later */
        return;
    }
    job->told = 0;
    tell_page(job);
}


void
async_job_finish(async_job_t *job)
{
    const char            *base = job->field[ASYNC_BASE].text;
    const scim_response_t *response = &job->operation->response;
    outcome_t              outcome = { job->field[ASYNC_PATH].text,
                                       response->status, 0,
                                       response->location, NULL };

    if (response->status == 503) {
        async_job_end(job, false); /* nothing to tell yet: it is done later */
        return;
    }
    if (async_job_is_bulk(job) && response->status == 200) {
        finish_bulk(job);
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
void
async_job_finish_other_schemas(async_job_t *job)
{
    scim_error_t  error = { 0 };
    scim_buffer_t text;
    outcome_t     outcome = { job->field[ASYNC_PATH].text, 500, 0, "", NULL };

    log_error("request %s of workspace %s was accepted with other schemas "
        "than ours: scim_schemas of nginx and of sidecar.conf differ", job->id,
        job->workspace);
    scim_buffer_init(&text, 4096);
    scim_error_set(&error, 500, SCIM_ERROR_NONE, "the schemas of the server "
        "and of its sidecar differ; %s", job->effect
            ? "only some of its operations were done" : "nothing was done");
    scim_error_render(&error, &text);
    outcome.response = scim_buffer_failed(&text) ? NULL : scim_json_read(
        text.data, text.len, &scim_json_stored_limits, NULL);
    scim_buffer_free(&text);
    finish(job, &outcome);
}


