#ifndef SIDECAR_WEBHOOK_JOB_H
#define SIDECAR_WEBHOOK_JOB_H

#include "engine.h"
#include "http_client.h"

/*
 * One subscription that this sidecar delivers for, from its claim until it is
 * set free again.  Shared by webhooks.c and webhook_job.c only.
 */
#define WEBHOOK_LEASE  10000 /* ms; renewed while it is worked on */
#define WEBHOOK_WINDOW 4     /* calls in flight for one subscription */

typedef struct webhook_job_s webhook_job_t;

struct webhooks_s {
    engine_t      *engine;
    http_client_t *http; /* its own: the apps' calls never wait for it */
    loop_timer_t  *timer;
    webhook_job_t *jobs;
    unsigned       job_count;
    unsigned       failing_count; /* of these, receivers that accept nothing */
    struct {
        bool     asked; /* a claim is on its way */
        bool     again; /* more may have come since it was */
        unsigned count; /* subscriptions that the shard has */
    } shards[SCIM_SHARD_COUNT_MAX];
};

/* Starts on a claimed subscription; without memory its lease runs out. */
void webhook_job_start(webhooks_t *webhooks, unsigned shard,
    const char *workspace, const char *id, const char *epoch, bool failing);

/* A job has ended (webhooks.c); `again`: there is more to do at once. */
void webhooks_job_ended(webhooks_t *webhooks, unsigned shard, bool failing,
    bool again);

#endif
