#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "webhook_job.h"

/*
 * Outgoing webhooks.  Each subscription has a cursor in the audit stream of
 * its workspace and a place in the shard's queue; a sidecar claims those that
 * are due, for a lease, and delivers (webhook_job.c).  HTTP goes through a
 * client of its own, with room for every job: a dead receiver delays neither
 * another one nor an app.
 */
#define JOBS_MAX    64
#define FAILING_MAX 32 /* of these, for receivers that accept nothing */
#define CLAIM_MAX   8
#define POLL_PERIOD 500 /* ms between looks at shards with subscriptions */


static void
on_due(void *data, const redisReply *reply)
{
    shard_t    *shard = data;
    webhooks_t *webhooks = shard->engine->webhooks;
    bool        again = webhooks->shards[shard->number].again;
    size_t      claimed = 0;

    webhooks->shards[shard->number].asked = false;
    webhooks->shards[shard->number].again = false;
    if (!redis_reply_ok(reply)) {
        if (reply && reply->type == REDIS_REPLY_ERROR) {
            log_error("webhooks: %.200s", reply->str);
        }
        return;
    }
    webhooks->shards[shard->number].count =
        (unsigned) redis_reply_number(reply, 1);
    for (size_t i = 2; i + 3 < reply->elements; i += 4, claimed++) {
        char epoch[24];

        snprintf(epoch, sizeof(epoch), "%lld",
            redis_reply_number(reply, i + 2));
        webhook_job_start(webhooks, shard->number, redis_reply_text(reply, i),
            redis_reply_text(reply, i + 1), epoch,
            redis_reply_number(reply, i + 3) == 1);
    }
    if (again || claimed == CLAIM_MAX) {
        webhooks_look(shard->engine, shard->number);
    }
}


void
webhooks_look(engine_t *engine, unsigned number)
{
    webhooks_t  *webhooks = engine->webhooks;
    redis_call_t call;
    unsigned     room = JOBS_MAX - webhooks->job_count;
    int          failing_room = FAILING_MAX - (int) webhooks->failing_count;

    if (!engine->ready || engine->stopping || room == 0) {
        return; /* who is due stays due, here or elsewhere */
    }
    if (webhooks->shards[number].asked) {
        webhooks->shards[number].again = true;
        return;
    }
    redis_call_begin(&call, "webhook_due", false, number, "",
        engine->dataset);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, WEBHOOK_LEASE);
    redis_call_number(&call, room < CLAIM_MAX ? room : CLAIM_MAX);
    redis_call_number(&call, failing_room > 0 ? failing_room : 0);
    webhooks->shards[number].asked = redis_call_send(&call, engine->redis,
        on_due, &engine->shards[number]);
}


static void
on_poll(loop_t *loop, void *data)
{
    webhooks_t *webhooks = data;
    engine_t   *engine = webhooks->engine;

    (void) loop;
    for (unsigned i = 0; i < engine->shard_count; i++) {
        if (webhooks->shards[i].count > 0) {
            webhooks_look(engine, i);
        }
    }
    loop_timer_arm(webhooks->timer, POLL_PERIOD);
}


void
webhooks_job_ended(webhooks_t *webhooks, unsigned shard, bool failing,
    bool again)
{
    webhooks->job_count--;
    webhooks->failing_count -= failing;
    if (webhooks->engine->stopping) {
        engine_check_stopped(webhooks->engine);
    } else if (again) {
        webhooks_look(webhooks->engine, shard);
    }
}


unsigned
webhooks_running(const webhooks_t *webhooks)
{
    return webhooks->job_count;
}


webhooks_t *
webhooks_new(engine_t *engine)
{
    webhooks_t        *webhooks = calloc(1, sizeof(*webhooks));
    http_client_conf_t conf = {
        .policy = engine->conf->connectors.policy,
        .ca_file = engine->conf->connectors.ca_file,
        .calls_max = JOBS_MAX * WEBHOOK_WINDOW
    };

    if (webhooks == NULL) {
        return NULL;
    }
    webhooks->engine = engine;
    webhooks->http = http_client_new(engine->loop, &conf);
    webhooks->timer = loop_timer_new(engine->loop, on_poll, webhooks);
    if (webhooks->http == NULL || webhooks->timer == NULL) {
        webhooks_free(webhooks);
        return NULL;
    }
    loop_timer_arm(webhooks->timer, POLL_PERIOD);
    return webhooks;
}


void
webhooks_free(webhooks_t *webhooks)
{
    if (webhooks == NULL) {
        return;
    }
    http_client_free(webhooks->http);
    if (webhooks->timer) {
        loop_timer_free(webhooks->timer);
    }
    free(webhooks);
}
