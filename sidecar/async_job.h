#ifndef SIDECAR_ASYNC_JOB_H
#define SIDECAR_ASYNC_JOB_H

#include "engine.h"
#include "scim_operation.h"

/* What async_job.c (reading, executing) and async_finish.c share. */
enum {
    ASYNC_STATE, ASYNC_ACTOR, ASYNC_METHOD, ASYNC_PATH, ASYNC_QUERY,
    ASYNC_IF_MATCH, ASYNC_IF_NONE_MATCH, ASYNC_BASE, ASYNC_TOKEN,
    ASYNC_SCHEMAS, ASYNC_BODY, ASYNC_EFFECT, ASYNC_FIELDS
};

struct async_job_s {
    engine_t         *engine;
    async_job_t      *next; /* waits behind this one */
    unsigned          shard;
    char              workspace[64];
    char              id[SCIM_KEY_MAX];
    async_job_done_pt done;
    void             *data;
    unsigned          tries;

    scim_arena_t      arena; /* what was read, each text with a NUL */
    scim_text_t       field[ASYNC_FIELDS];
    scim_effect_t    *effect; /* of operations of a Bulk request, or NULL */
    size_t            effect_count;
    scim_service_t    service;
    scim_principal_t  principal;
    scim_request_t    request;
    scim_operation_t *operation;
    loop_timer_t     *turn;      /* goes on with an operation that yielded */
    bool              overtaken; /* another one of us executes it, too */
    size_t            told;      /* outcomes of a Bulk request before this */
};

bool async_job_is_bulk(const async_job_t *job);

/* Frees the job; not ok: the event is read again. */
void async_job_end(async_job_t *job, bool ok);

/*
 * Each writes an outcome down and ends the job: of an operation that is done,
 * of one that had its effect when it was executed before, of a request that
 * was accepted with other schemas than ours.
 */
void async_job_finish(async_job_t *job);
void async_job_finish_effect(async_job_t *job, long long version);
void async_job_finish_other_schemas(async_job_t *job);

#endif
