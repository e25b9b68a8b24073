#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "call_gate.h"
#include "dataset_note.h"
#include "log.h"
#include "retention.h"

#define CLAIM_MAX    256
#define STOP_TIMEOUT 20000 /* ms for calls in flight */
#define DRY_RUN_TURNS 8 /* periods until each shard was looked at */

static void claim_dirty(loop_t *loop, void *data);
static void claim_due(loop_t *loop, void *data);


/* ---- looking at shards ---- */

static void
wake(shard_t *shard, loop_timer_t *timer, int64_t *at, int64_t after)
{
    int64_t when = loop_now(shard->engine->loop) + (after > 0 ? after : 0);

    if (!loop_timer_armed(timer) || when < *at) {
        *at = when;
        loop_timer_arm(timer, after);
    }
}


void
engine_wake_dirty(engine_t *engine, unsigned number, int64_t after)
{
    shard_t *shard = &engine->shards[number];

    wake(shard, shard->dirty_timer, &shard->dirty_at, after);
}


void
engine_wake_due(engine_t *engine, unsigned number, int64_t after)
{
    shard_t *shard = &engine->shards[number];

    wake(shard, shard->due_timer, &shard->due_at, after);
}


/* The function says when the next one is due; "" = none. */
static void
wake_next(shard_t *shard, const char *next, bool full,
    void (*wake_shard)(engine_t *, unsigned, int64_t))
{
    int64_t after = strtoll(next, NULL, 10);

    if (full) {
        wake_shard(shard->engine, shard->number, 0);
    } else if (*next && after < ENGINE_PERIOD) {
        wake_shard(shard->engine, shard->number, after > 0 ? after + 1 : 1);
    }
}


static void
on_dirty(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    shard->dirty_asked = false;
    if (!redis_reply_ok(reply)) {
        return;
    }
    for (size_t i = 3; i + 1 < reply->elements; i += 2) {
        plan_job_start(shard->engine, shard->number,
            redis_reply_text(reply, i), redis_reply_text(reply, i + 1),
            redis_reply_number(reply, 1));
    }
    wake_next(shard, redis_reply_text(reply, 2),
        reply->elements >= 3 + 2 * CLAIM_MAX, engine_wake_dirty);
}


static void
claim_dirty(loop_t *loop, void *data)
{
    shard_t     *shard = data;
    engine_t    *engine = shard->engine;
    redis_call_t call;

    (void) loop;
    if (!engine->ready || engine->stopping || shard->dirty_asked) {
        return;
    }
    redis_call_begin(&call, "dirty_claim", false, shard->number, "",
        engine->dataset);
    redis_call_number(&call, ENGINE_DIRTY_LEASE);
    redis_call_number(&call, CLAIM_MAX);
    shard->dirty_asked = redis_call_send(&call, engine->redis, on_dirty,
        shard);
}


static void
on_due(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    shard->due_asked = false;
    if (!redis_reply_ok(reply)) {
        return;
    }
    for (size_t i = 2; i + 3 < reply->elements; i += 4) {
        if (strcmp(redis_reply_text(reply, i + 3), "verify") == 0) {
            removal_check_start(shard->engine, shard->number,
                redis_reply_text(reply, i), redis_reply_text(reply, i + 2));
            continue;
        }
        if (strcmp(redis_reply_text(reply, i + 3), "overdue") == 0) {
            log_error("workspace %s, app %s, task %s: the removal misses its "
                "target and is still open", redis_reply_text(reply, i),
                redis_reply_text(reply, i + 2),
                redis_reply_text(reply, i + 1));
            continue;
        }
        dispatch_due(shard->engine->dispatch, shard->number,
            redis_reply_text(reply, i), redis_reply_text(reply, i + 1),
            redis_reply_text(reply, i + 2), redis_reply_text(reply, i + 3));
    }
    wake_next(shard, redis_reply_text(reply, 1),
        false, engine_wake_due);
}


static void
claim_due(loop_t *loop, void *data)
{
    shard_t     *shard = data;
    engine_t    *engine = shard->engine;
    redis_call_t call;

    (void) loop;
    if (!engine->ready || engine->stopping || shard->due_asked) {
        return;
    }
    redis_call_begin(&call, "task_due", false, shard->number, "",
        engine->dataset);
    redis_call_number(&call, CLAIM_MAX);
    shard->due_asked = redis_call_send(&call, engine->redis, on_due, shard);
}


static void
on_ignored(void *data, const redisReply *reply)
{
    (void) data;
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("redis: %.200s", reply->str);
    }
}


static void
trim(shard_t *shard)
{
    redis_call_t call;

    redis_call_begin(&call, "trim", false, shard->number, "",
        shard->engine->dataset);
    redis_call_send(&call, shard->engine->redis, on_ignored, NULL);
    shard->touched = false;
}


static void
on_leavers(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    if (redis_reply_ok(reply)) {
        shard->leavers = redis_reply_number(reply, 1) > 0;
    }
}


/* What waited too long for somebody who left is gone for good. */
static void
look_at_leavers(shard_t *shard)
{
    redis_call_t call;

    redis_call_begin(&call, "leavers_due", false, shard->number, "",
        shard->engine->dataset);
    redis_call_number(&call, CLAIM_MAX);
    redis_call_send(&call, shard->engine->redis, on_leavers, shard);
}


/* One shard a period: all of them within minutes. */
static void
trim_kept(engine_t *engine)
{
    engine->audit_next = (engine->audit_next + 1) % engine->shard_count;
    retention_trim(engine, engine->audit_next);
    engine->shards[engine->audit_next].leavers = true; /* of other sidecars */
}


/* ---- the data set ---- */

static bool
make_shards(engine_t *engine, unsigned count)
{
    if (engine->shards) {
        return count == engine->shard_count;
    }
    engine->shards = calloc(count, sizeof(*engine->shards));
    if (engine->shards == NULL) {
        return false;
    }
    engine->shard_count = count;
    for (unsigned i = 0; i < count; i++) {
        shard_t *shard = &engine->shards[i];

        shard->engine = engine;
        shard->number = i;
        shard->dirty_timer = loop_timer_new(engine->loop, claim_dirty, shard);
        shard->due_timer = loop_timer_new(engine->loop, claim_due, shard);
        if (shard->dirty_timer == NULL || shard->due_timer == NULL) {
            return false;
        }
    }
    return true;
}


/*
 * What a former life of this name left running is due at once, and so is what
 * was claimed when the connection was lost.
 */
static void
recover(engine_t *engine)
{
    for (unsigned i = 0; i < engine->shard_count; i++) {
        redis_call_t call;

        redis_call_begin(&call, "task_recover", false, i, "",
            engine->dataset);
        redis_call_text(&call, engine->conf->name);
        dispatch_name_tasks(engine->dispatch, i, &call);
        redis_call_send(&call, engine->redis, on_ignored, NULL);
        engine->shards[i].leavers = true;
        engine_wake_dirty(engine, i, 0);
        engine_wake_due(engine, i, 0);
    }
}


static void
on_counter(void *data, const redisReply *reply)
{
    engine_t *engine = data;

    if (reply && reply->type == REDIS_REPLY_STRING) {
        engine->appended += strtoll(reply->str, NULL, 10);
    }
}


static void
on_counted(void *data, const redisReply *reply)
{
    engine_t *engine = data;

    on_counter(data, reply);
    if (reply && reply->type == REDIS_REPLY_STRING && !engine->ready) {
        engine->ready = dataset_note_allows(engine->conf, engine->dataset,
            engine->appended);
        if (engine->ready) {
            log_info("data set %s, %u shards, consumer %s", engine->dataset,
                engine->shard_count, engine->conf->name);
            recover(engine);
            stream_start(engine->stream);
        }
    }
    if (engine->ready && reply) {
        dataset_note_write(engine->conf, engine->dataset, engine->appended);
    }
}


/* Sums the shards' event counters: an older data set has fewer. */
static void
count_events(engine_t *engine)
{
    engine->appended = 0;
    for (unsigned i = 0; i < engine->shard_count; i++) {
        char         key[SCIM_KEY_MAX];
        const char  *argv[] = { "HGET", key, "appended" };
        const size_t lengths[] = { 4, scim_key_dataset(key, i), 8 };

        redis_client_send(engine->redis, 3, argv, lengths,
            i + 1 == engine->shard_count ? on_counted : on_counter, engine);
    }
}


static void
on_dataset(void *data, const redisReply *reply)
{
    engine_t   *engine = data;
    long long   shards;
    const char *id = redis_reply_text(reply, 0);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    shards = redis_reply_number(reply, 1);
    if (*id == '\0' || shards < 1 || shards > SCIM_SHARD_COUNT_MAX) {
        engine->ready = false;
        log_error("redis holds no data set: scimctl dataset create");
        return;
    }
    if (engine->dataset[0] && strcmp(engine->dataset, id) != 0) {
        engine->ready = false;
    }
    snprintf(engine->dataset, sizeof(engine->dataset), "%s", id);
    if (!make_shards(engine, (unsigned) shards)) {
        log_error("cannot work on %lld shards", shards);
        return;
    }
    count_events(engine);
}


static void
ask_dataset(engine_t *engine)
{
    char         key[SCIM_KEY_MAX];
    const char  *argv[] = { "HMGET", key, "id", "shards" };
    const size_t lengths[] = { 5, scim_key_dataset(key, 0), 2, 6 };

    redis_client_send(engine->redis, 4, argv, lengths, on_dataset, engine);
}


static void
on_redis(void *data, bool up)
{
    engine_t *engine = data;

    if (up) {
        ask_dataset(engine);
        return;
    }
    for (unsigned i = 0; i < engine->shard_count; i++) {
        engine->shards[i].dirty_asked = engine->shards[i].due_asked = false;
        engine->shards[i].checks_asked = false;
    }
    engine->ready = false;
}


static void
on_period(loop_t *loop, void *data)
{
    engine_t *engine = data;

    (void) loop;
    if (redis_client_up(engine->redis)) {
        ask_dataset(engine);
    }
    for (unsigned i = 0; engine->ready && i < engine->shard_count; i++) {
        engine_wake_dirty(engine, i, 0);
        engine_wake_due(engine, i, 0);
        checks_look(engine, i);
        if (i % DRY_RUN_TURNS == engine->audit_next % DRY_RUN_TURNS) {
            dry_runs_look(engine, i); /* those that somebody died over */
        }
        webhooks_look(engine, i);
        if (engine->shards[i].touched) {
            trim(&engine->shards[i]);
        }
        if (engine->shards[i].leavers) {
            look_at_leavers(&engine->shards[i]);
        }
    }
    if (engine->ready) {
        trim_kept(engine);
    }
    loop_timer_arm(engine->period_timer,
        ENGINE_PERIOD - ENGINE_PERIOD / 10 + random() % (ENGINE_PERIOD / 5));
}


static void
on_probed(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    on_ignored(NULL, reply);
    if (redis_reply_ok(reply) && redis_reply_number(reply, 1) > 0) {
        dispatch_hurry(shard->engine->dispatch);
        engine_wake_due(shard->engine, shard->number, 0);
    }
}


void
engine_reload(engine_t *engine)
{
    log_info("secrets are read again, apps that are down are tried");
    connectors_forget_tokens(engine->connectors);
    for (unsigned i = 0; engine->ready && i < engine->shard_count; i++) {
        redis_call_t call;

        redis_call_begin(&call, "probe_all", false, i, "", engine->dataset);
        redis_call_send(&call, engine->redis, on_probed, &engine->shards[i]);
    }
}


/* ---- life ---- */

static void
stop_now(loop_t *loop, void *data)
{
    (void) data;
    loop_stop(loop, 0);
}


engine_t *
engine_new(loop_t *loop, const conf_t *conf, const scim_schemas_t *schemas)
{
    engine_t        *engine = calloc(1, sizeof(*engine));
    connector_gate_t gate;

    if (engine == NULL) {
        return NULL;
    }
    engine->loop = loop;
    engine->conf = conf;
    engine->schemas = schemas;
    engine->address.address = conf->redis;
    engine->address.user = conf->redis_user;
    engine->address.password = conf->redis_password;
    engine->connectors = connectors_new(loop, &conf->connectors);
    engine->apps = app_cache_new();
    engine->dispatch = dispatch_new(engine);
    engine->stream = stream_new(engine);
    engine->webhooks = webhooks_new(engine);
    engine->period_timer = loop_timer_new(loop, on_period, engine);
    engine->stop_timer = loop_timer_new(loop, stop_now, engine);
    engine->redis = redis_client_new(loop, &engine->address, on_redis,
        engine);
    if (engine->connectors == NULL || engine->apps == NULL
        || engine->dispatch == NULL || engine->stream == NULL
        || engine->webhooks == NULL
        || engine->period_timer == NULL || engine->stop_timer == NULL
        || engine->redis == NULL)
    {
        engine_free(engine);
        return NULL;
    }
    gate = call_gate(engine);
    connectors_set_gate(engine->connectors, &gate);
    loop_timer_arm(engine->period_timer, ENGINE_PERIOD);
    return engine;
}


void
engine_free(engine_t *engine)
{
    if (engine == NULL) {
        return;
    }
    engine->stopping = true;
    checks_cancel(engine);
    removal_checks_cancel(engine);
    webhooks_cancel(engine->webhooks);
    connectors_free(engine->connectors);
    redis_client_free(engine->redis);
    webhooks_free(engine->webhooks);
    stream_free(engine->stream);
    dispatch_free(engine->dispatch);
    for (unsigned i = 0; i < engine->shard_count; i++) {
        loop_timer_free(engine->shards[i].dirty_timer);
        loop_timer_free(engine->shards[i].due_timer);
    }
    free(engine->shards);
    app_cache_free(engine->apps);
    loop_timer_free(engine->period_timer);
    loop_timer_free(engine->stop_timer);
    free(engine);
}


/* OpenSSL asks the kernel who we are for every single draw. */
bool
engine_random(engine_t *engine, void *out, size_t len)
{
    if (len > engine->random_left) {
        if (RAND_bytes(engine->random, sizeof(engine->random)) != 1) {
            return false;
        }
        engine->random_left = sizeof(engine->random);
    }
    engine->random_left -= len;
    memcpy(out, engine->random + engine->random_left, len);
    return true;
}


void
engine_check_stopped(engine_t *engine)
{
    if (engine->stopping && engine->plans == 0
        && dispatch_running(engine->dispatch) == 0
        && webhooks_running(engine->webhooks) == 0
        && stream_busy(engine->stream) == 0)
    {
        loop_stop(engine->loop, 0);
    }
}


void
engine_stop(engine_t *engine)
{
    if (engine->stopping) {
        loop_stop(engine->loop, 0);
        return;
    }
    engine->stopping = true;
    log_info("stopping: %u calls and %u plans under way",
        dispatch_running(engine->dispatch), engine->plans);
    loop_timer_arm(engine->stop_timer, STOP_TIMEOUT);
    engine_check_stopped(engine);
}
