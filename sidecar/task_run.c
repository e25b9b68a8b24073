#include "task_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "app_cache.h"
#include "backoff.h"
#include "log.h"
#include "scim_text.h"

#define FINISH_RETRY 1000 /* ms between tries to record an outcome */
#define FINISH_TRIES 25
#define CLAIM_AT     7 /* in the answer of task_finish: of the next task */

static void send_finish(task_run_t *run);


static void
delist(task_run_t *run)
{
    if (run->newer) {
        run->newer->older = run->older;
    } else {
        run->queue->dispatch->runs = run->older;
    }
    if (run->older) {
        run->older->newer = run->newer;
    }
}


void
task_run_free(task_run_t *run)
{
    delist(run);
    loop_timer_free(run->timer);
    app_cache_release(run->queue->dispatch->engine->apps, run->app);
    free(run->grant);
    free(run->body);
    free(run->member_id);
    free(run);
}


void
task_run_end(task_run_t *run)
{
    bool     placeless = run->placeless;
    queue_t *queue = run->queue;

    task_run_free(run);
    if (!placeless) {
        dispatch_ended(queue);
    }
}


void
dispatch_name_tasks(const dispatch_t *dispatch, unsigned shard,
    redis_call_t *call)
{
    for (const task_run_t *run = dispatch->runs; run; run = run->older) {
        if (run->shard == shard) {
            redis_call_text(call, run->task);
        }
    }
}


/* ---- the end ---- */

/* Said once, by the sidecar whose call brought it out. */
static void
log_change(const task_run_t *run, const char *changed)
{
    const queue_t *queue = run->queue;

    if (strcmp(changed, "down") == 0) {
        log_error("workspace %s, app %s is down: %s; its tasks wait",
            queue->workspace, queue->app, run->why);
    } else if (strcmp(changed, "up") == 0) {
        log_info("workspace %s, app %s is up again", queue->workspace,
            queue->app);
    }
}


/* A dead letter; who was to be removed is still in the app. */
static void
log_failed(const task_run_t *run)
{
    const queue_t *queue = run->queue;

    if (run->kind == TASK_REMOVE) {
        log_error("workspace %s, app %s, task %s: the app refuses the "
            "removal: %s; the person is still in the app, task retry has it "
            "tried again", queue->workspace, queue->app, run->task, run->why);
    } else {
        log_info("workspace %s, app %s, task %s is a dead letter: %s",
            queue->workspace, queue->app, run->task, run->why);
    }
}


static void
take_finished(task_run_t *run, const redisReply *reply)
{
    queue_t  *queue = run->queue;
    engine_t *engine = queue->dispatch->engine;

    if (strcmp(redis_reply_text(reply, 3), "failed") == 0) {
        log_failed(run);
    }
    if (strcmp(redis_reply_text(reply, 3), "waiting") == 0) {
        engine_wake_due(engine, run->shard,
            redis_reply_number(reply, 4) + 1);
    }
    if (strcmp(redis_reply_text(reply, 1), "1") == 0) {
        engine_wake_dirty(engine, run->shard, 0);
    }
    log_change(run, redis_reply_text(reply, 5));
    if (strcmp(redis_reply_text(reply, 6), "1") == 0) {
        log_error("workspace %s, app %s, task %s: the app confirmed the "
            "removal and still shows the person", queue->workspace,
            queue->app, run->task);
    }
    if (strcmp(redis_reply_text(reply, 5), "up") == 0) {
        queue->free_at = 0;
    }
    if (queue->length == 0 && strcmp(redis_reply_text(reply, 2), "1") == 0) {
        engine_wake_due(engine, run->shard, 0);
    }
}


static void
next_claimed(task_run_t *run, const redisReply *reply)
{
    task_run_t *next = run->next;

    run->next = NULL;
    if (next) {
        task_run_claimed(next, reply && reply->type == REDIS_REPLY_ARRAY
            && reply->elements > CLAIM_AT ? reply->element[CLAIM_AT] : NULL);
    }
}


static void
on_finished(void *data, const redisReply *reply)
{
    task_run_t *run = data;
    engine_t   *engine = run->queue->dispatch->engine;

    if (reply == NULL) {
        next_claimed(run, NULL);
        if (run->placeless) {
            run->placeless = false;
            dispatch_return(run->queue);
        }
        if (++run->tries < FINISH_TRIES && !engine->stopping) {
            loop_timer_arm(run->timer, FINISH_RETRY);
        } else {
            task_run_end(run); /* its lease runs out; then it is looked up */
        }
        return;
    }
    if (redis_reply_ok(reply)) {
        take_finished(run, reply);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        log_error("task %s: %.200s", run->task, reply->str);
    }
    next_claimed(run, reply);
    task_run_end(run);
}


static void
on_renewed(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply; /* a lost lease shows when the task is finished */
}


void
task_run_timer(loop_t *loop, void *data)
{
    task_run_t  *run = data;
    engine_t    *engine = run->queue->dispatch->engine;
    redis_call_t call;

    (void) loop;
    if (run->state) {
        send_finish(run);
        return;
    }
    redis_call_begin(&call, "task_renew", false, run->shard,
        run->queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, run->attempt);
    redis_call_number(&call, ENGINE_TASK_LEASE);
    redis_call_send(&call, engine->redis, on_renewed, NULL);
    loop_timer_arm(run->timer, TASK_RENEW_PERIOD);
}


/* Calls a second; "" = not known. */
static void
add_rate(redis_call_t *call, double rate)
{
    char text[32] = "";

    if (rate > 0) {
        snprintf(text, sizeof(text), "%.6g", rate);
    }
    redis_call_text(call, text);
}


/* What the answer says about the app, for all sidecars. */
static void
add_health(const task_run_t *run, redis_call_t *call)
{
    static const char *const words[] = { "", "ok", "failed", "denied",
                                         "limited" };
    static const char *const removals[] = { "", "unverified", "listed",
                                            "accepted" };

    redis_call_number(call, run->attempts_max);
    redis_call_text(call, words[run->health]);
    /* who is too fast is told how fast that was */
    add_rate(call, run->health == HEALTH_LIMITED
        ? dispatch_observed(run->queue) : 0);
    redis_call_number(call, run->pause);
    add_rate(call, run->advice.per_second);
    redis_call_number(call, run->advice.hold_ms);
    redis_call_text(call, removals[run->removal_word]);
}


/* While others wait, one call to Redis ends this task and claims another. */
static void
add_next(task_run_t *run, redis_call_t *call)
{
    queue_t *queue = run->queue;
    item_t  *item = dispatch_follow(queue);

    run->next = item ? task_run_new(queue, item) : NULL;
    run->placeless = run->next != NULL;
    if (run->next) {
        redis_call_text(call, run->next->task);
        redis_call_number(call, ENGINE_TASK_LEASE);
    } else if (item) { /* it stays due */
        dispatch_unclaimed(queue);
        dispatch_return(queue);
    }
    free(item);
}


static void
send_finish(task_run_t *run)
{
    engine_t    *engine = run->queue->dispatch->engine;
    redis_call_t call;

    redis_call_begin(&call, "task_finish", false, run->shard,
        run->queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, run->attempt);
    redis_call_text(&call, run->state);
    redis_call_number(&call, run->again);
    redis_call_text(&call, run->unknown ? "1" : "0");
    redis_call_text(&call, run->member_id);
    redis_call_text(&call, run->texts[GRANT_FIELD_ACCESS_ROLE]);
    redis_call_text(&call, run->why);
    redis_call_text(&call, "sidecar");
    redis_call_number(&call, run->status);
    redis_call_text(&call, run->body);
    add_health(run, &call);
    add_next(run, &call);
    if (!redis_call_send(&call, engine->redis, on_finished, run)) {
        on_finished(run, NULL);
    }
}


static uint64_t
random_bits(void)
{
    uint64_t bits = 0;

    RAND_bytes((unsigned char *) &bits, sizeof(bits));
    return bits;
}


static void
wait_again(task_run_t *run, const connector_outcome_t *outcome)
{
    bool     told = outcome->retry_after_ms >= 0;
    unsigned counted = run->attempt - run->excused;

    run->state = "waiting";
    run->unknown = outcome->kind == OUTCOME_UNKNOWN;
    run->attempts_max = told || run->kind == TASK_REMOVE ? 0
        : run->app->limits.max_attempts; /* removals are never given up */
    run->again = told ? backoff_clamp(outcome->retry_after_ms)
                      : backoff_wait(counted, random_bits());
    if (told) {
        run->pause = run->again;
    } else if (outcome->health == HEALTH_LIMITED && run->pause == 0) {
        run->pause = backoff_clamp(run->again);
    }
}


static const char *
ended_state(outcome_kind_t kind)
{
    return kind == OUTCOME_DONE ? "done" : kind == OUTCOME_DEAD ? "failed"
        : "manual";
}


void
task_run_outcome(void *data, const connector_outcome_t *outcome)
{
    task_run_t *run = data;

    run->health = outcome->health;
    run->advice = outcome->advice;
    run->removal_word = outcome->removal;
    run->pause = outcome->advice.pause_ms;
    if (outcome->kind == OUTCOME_RETRY || outcome->kind == OUTCOME_UNKNOWN) {
        wait_again(run, outcome);
    } else {
        run->state = ended_state(outcome->kind);
    }
    run->status = outcome->status;
    run->body = strndup(outcome->body ? outcome->body : "",
        outcome->body ? outcome->body_len : 0);
    run->member_id = strdup(outcome->member_id ? outcome->member_id : "");
    scim_text_copy(run->why, sizeof(run->why),
        outcome->reason ? outcome->reason : "");
    if (run->body == NULL || run->member_id == NULL) {
        task_run_end(run);
        return;
    }
    log_debug("task %s attempt %u: %s, status %d", run->task, run->attempt,
        run->state, run->status);
    send_finish(run);
}
