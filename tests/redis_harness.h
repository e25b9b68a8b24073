#ifndef REDIS_HARNESS_H
#define REDIS_HARNESS_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include "scim_operation.h"

/*
 * A private Redis for unit tests: its own directory and unix socket, our
 * function library, one data set, and operations driven against it.  Failures
 * of the harness itself fail the test (cmocka).
 */
#define HARNESS_WORKSPACE "acme"
#define HARNESS_SHARD     7

/* commands of one operation at the same time */
#define HARNESS_PENDING_MAX 128

typedef struct {
    char              directory[64];
    char              socket[96];
    char              dataset[40];
    pid_t             pid;
    int               output; /* what Redis prints */
    redisContext     *redis;
    scim_schemas_t   *schemas;
    scim_service_t    service;
    scim_principal_t  principal;
    scim_principal_t  operator; /* asks the admin API; an owner */
    int64_t           now; /* ms, for ids: moves on with every request */
} redis_harness_t;

/* Starts Redis, loads the library, creates the data set of the shard. */
void redis_harness_start(redis_harness_t *harness);
void redis_harness_stop(redis_harness_t *harness);

/* Fills in service and principal around `schemas`; needs no Redis. */
void redis_harness_defaults(redis_harness_t *harness);

/* An empty data set again. */
void redis_harness_flush(redis_harness_t *harness);

/* Loads the library (Redis must not have it). */
void redis_harness_load(redis_harness_t *harness);

/* A command; never NULL.  The caller frees the reply. */
redisReply *redis_harness_command(redis_harness_t *harness,
    const char *format, ...);
/* An integer reply, or the value of a text one. */
long long redis_harness_number(redis_harness_t *harness, const char *format,
    ...);

/*
 * A request and its operation.  `text` like query and body is copied; free
 * the whole with harness_call_free().
 */
typedef struct {
    scim_request_t    request;
    scim_operation_t *operation;
    scim_step_t       step;
    scim_command_t   *pending[HARNESS_PENDING_MAX]; /* taken, not sent */
    unsigned          pending_count;
    unsigned          commands; /* sent so far */
    bool              admin;
    char             *text[6];
} harness_call_t;

/*
 * Prepares a request; nothing is sent yet.  NULL for query, body is none.  A
 * path below /admin/v1 is the admin API's.
 */
harness_call_t *harness_call_new(redis_harness_t *harness,
    scim_method_t method, const char *path, const char *query,
    const char *body);
/*
 * Starts it, or sends the oldest command that it waits for and hands the reply
 * over, or lets it go on.
 */
void harness_call_step(redis_harness_t *harness, harness_call_t *call);
/* Steps until it is done. */
void harness_call_run(redis_harness_t *harness, harness_call_t *call);
void harness_call_free(harness_call_t *call);

/* new + run, and the status must be this one. */
harness_call_t *harness_expect(redis_harness_t *harness, int status,
    scim_method_t method, const char *path, const char *query,
    const char *body);

/* The answer's body as JSON: a new reference. */
json_t *harness_json(const harness_call_t *call);

/* new + run + free with this status; the answer as JSON, or NULL. */
json_t *harness_ask(redis_harness_t *harness, int status,
    scim_method_t method, const char *path, const char *query,
    const char *body);

/* POST that must succeed; writes the path "/Users/<id>" (64 bytes). */
void harness_create(redis_harness_t *harness, const char *endpoint,
    const char *body, char *path);

/* The id in a path. */
const char *harness_id(const char *path);

/* A user of that userName; the id is written. */
void harness_user(redis_harness_t *harness, const char *name, char id[64]);

/* A group with up to two members, given by id (NULL = none); its own id. */
void harness_group(redis_harness_t *harness, const char *name,
    const char *one, const char *two, char id[64]);

/* A text member like "meta.version" or "members.0.value"; "" when absent. */
const char *harness_text(const json_t *json, const char *path);

/* A text of printf(), valid until 32 more were made. */
const char *harness_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Number of events, and one field of an event counted from the end (0). */
long long harness_event_count(redis_harness_t *harness);
const char *harness_event(redis_harness_t *harness, unsigned from_end,
    const char *field);

/* Commands that Redis has run so far, those inside of functions included. */
long long harness_command_count(redis_harness_t *harness);

/* hiredis' reply as the core's; freed with harness_reply_free(). */
scim_reply_t *harness_reply(const redisReply *reply);
void harness_reply_free(scim_reply_t *reply);

#endif
