#include "call_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "dispatch.h"
#include "log.h"
#include "scim_uuid.h"

#define LEASE_MORE 15000 /* ms beside the call's own time: a token, a look-up */
#define PAUSE_MAX  10000 /* ms that a call waits for an app that asked for it */
#define AGAIN_MAX  5000  /* ms between questions */
#define REDIS_AWAY 1000  /* ms until Redis is asked again */

/*
 * asked -> waiting -> asked -> granted -> ending; the reply that is on its way
 * when it is ended frees it.
 */
struct connector_permit_s {
    engine_t           *engine;
    unsigned            shard;
    char                workspace[SCIM_WORKSPACE_MAX + 1];
    char                app[ENGINE_ID_MAX];
    char                id[SCIM_UUID_LEN + 1]; /* of a place; "" = none */
    int64_t             lease;
    bool                asking; /* a reply is on its way */
    bool                ended;
    loop_timer_t       *timer;
    connector_permit_pt done;
    void               *data;
};

static void ask_redis(connector_permit_t *permit);


static void
permit_free(connector_permit_t *permit)
{
    loop_timer_free(permit->timer);
    free(permit);
}


static void
refuse(connector_permit_t *permit, const char *problem)
{
    connector_permit_pt done = permit->done;
    void               *data = permit->data;

    permit_free(permit);
    done(data, problem);
}


static void
begin_call(const connector_permit_t *permit, redis_call_t *call,
    const char *function)
{
    redis_call_begin(call, function, false, permit->shard, permit->workspace,
        permit->engine->dataset);
    redis_call_text(call, permit->app);
    redis_call_text(call, permit->id);
}


/* ---- the end ---- */

static void
on_ended(void *data, const redisReply *reply)
{
    connector_permit_t *permit = data;
    engine_t           *engine = permit->engine;
    const char         *changed = redis_reply_ok(reply)
        ? redis_reply_text(reply, 2) : "";

    if (strcmp(changed, "down") == 0) {
        log_error("workspace %s, app %s is down: its list cannot be read; its "
            "tasks wait", permit->workspace, permit->app);
    } else if (strcmp(changed, "up") == 0) {
        log_info("workspace %s, app %s is up again", permit->workspace,
            permit->app);
    }
    if (redis_reply_ok(reply) && redis_reply_number(reply, 1) == 1) {
        dispatch_freed(engine->dispatch, permit->workspace, permit->app);
        engine_wake_due(engine, permit->shard, 0);
    }
    permit_free(permit);
}


/* The place is free, and the answer said this about the app. */
static void
give_back(connector_permit_t *permit, app_health_t health,
    const rate_limit_advice_t *advice, int64_t retry_after_ms,
    const char *reason)
{
    char                rate[32], learned[32] = "";
    int64_t             pause = advice ? advice->pause_ms : 0;
    redis_call_t        call;
    /* a refusal alone says nothing: it may be the credential's scope */
    static const char *const words[] = { "", "ok", "failed", "failed",
                                         "limited" };

    if (retry_after_ms >= 0) {
        pause = backoff_clamp(retry_after_ms);
    } else if (health == HEALTH_LIMITED && pause == 0) {
        pause = backoff_clamp(0);
    }
    snprintf(rate, sizeof(rate), "%.3f", dispatch_rate_of(
        permit->engine->dispatch, permit->workspace, permit->app));
    if (advice && advice->per_second > 0) {
        snprintf(learned, sizeof(learned), "%.6g", advice->per_second);
    }
    begin_call(permit, &call, "call_end");
    redis_call_text(&call, words[health]);
    redis_call_text(&call, reason);
    redis_call_text(&call, rate);
    redis_call_number(&call, pause);
    redis_call_text(&call, learned);
    redis_call_number(&call, advice ? advice->hold_ms : 0);
    if (!redis_call_send(&call, permit->engine->redis, on_ended, permit)) {
        permit_free(permit); /* its lease runs out */
    }
}


static void
end(connector_permit_t *permit, app_health_t health,
    const rate_limit_advice_t *advice, int64_t retry_after_ms,
    const char *reason)
{
    permit->ended = true;
    if (permit->asking) {
        return; /* the reply finds out */
    }
    if (loop_timer_armed(permit->timer) || permit->id[0] == '\0') {
        permit_free(permit);
    } else {
        give_back(permit, health, advice, retry_after_ms, reason);
    }
}


/* ---- the beginning ---- */

static void
on_timer(loop_t *loop, void *data)
{
    (void) loop;
    ask_redis(data);
}


static void
wait_for(connector_permit_t *permit, int64_t ms)
{
    loop_timer_arm(permit->timer, ms < AGAIN_MAX ? ms : AGAIN_MAX);
}


static void
take_reply(connector_permit_t *permit, const redisReply *reply)
{
    if (permit->engine->stopping) {
        refuse(permit, "the sidecar stops");
    } else if (strcmp(redis_reply_code(reply), "WAIT") == 0) {
        wait_for(permit, redis_reply_number(reply, 1));
    } else if (strcmp(redis_reply_code(reply), "PAUSED") == 0
        && redis_reply_number(reply, 1) > PAUSE_MAX)
    {
        refuse(permit, "the app asked for a pause");
    } else if (strcmp(redis_reply_code(reply), "PAUSED") == 0) {
        wait_for(permit, redis_reply_number(reply, 1));
    } else {
        wait_for(permit, REDIS_AWAY);
    }
}


static void
on_reply(void *data, const redisReply *reply)
{
    connector_permit_t *permit = data;

    permit->asking = false;
    if (redis_reply_ok(reply)) {
        if (permit->ended) {
            end(permit, HEALTH_NONE, NULL, -1, "");
        } else {
            permit->done(permit->data, NULL);
        }
    } else if (permit->ended) {
        permit_free(permit);
    } else {
        take_reply(permit, reply);
    }
}


static void
ask_redis(connector_permit_t *permit)
{
    redis_call_t call;

    begin_call(permit, &call, "call_start");
    redis_call_number(&call, permit->lease);
    redis_call_text(&call, permit->id[0] ? "1" : "0");
    permit->asking = redis_call_send(&call, permit->engine->redis, on_reply,
        permit);
    if (!permit->asking) {
        wait_for(permit, REDIS_AWAY);
    }
}


static connector_permit_t *
ask(void *data, const scim_app_t *app, const char *workspace, bool listing,
    connector_permit_pt done, void *done_data)
{
    engine_t           *engine = data;
    unsigned char       random[10];
    connector_permit_t *permit = calloc(1, sizeof(*permit));

    if (permit) {
        permit->timer = loop_timer_new(engine->loop, on_timer, permit);
    }
    if (permit == NULL || permit->timer == NULL
        || !engine_random(engine, random, sizeof(random)))
    {
        if (permit && permit->timer) {
            loop_timer_free(permit->timer);
        }
        free(permit);
        return NULL;
    }
    permit->engine = engine;
    permit->shard = scim_workspace_shard(workspace, strlen(workspace),
        engine->shard_count);
    snprintf(permit->workspace, sizeof(permit->workspace), "%s", workspace);
    snprintf(permit->app, sizeof(permit->app), "%s", app->id);
    if (listing) {
        scim_uuid_v7(loop_wall(), random, permit->id);
    }
    permit->lease = app->limits.timeout_ms + LEASE_MORE;
    permit->done = done;
    permit->data = done_data;
    ask_redis(permit);
    return permit;
}


connector_gate_t
call_gate(engine_t *engine)
{
    return (connector_gate_t) { .ask = ask, .end = end, .data = engine };
}
