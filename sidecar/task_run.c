#include "dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "app_cache.h"
#include "backoff.h"
#include "facts.h"
#include "log.h"
#include "scim_text.h"

#define RENEW_PERIOD (ENGINE_TASK_LEASE / 3)
#define FINISH_RETRY 1000 /* ms between tries to record an outcome */
#define FINISH_TRIES 25
#define CLAIM_AT     7 /* in the answer of task_finish: of the next task */

typedef struct run_s run_t;

/* A task from its claim until its outcome is recorded. */
struct run_s {
    queue_t            *queue;
    unsigned            shard;
    char                task[ENGINE_ID_MAX];
    bool                removal; /* as it was handed out */
    unsigned            attempt;
    unsigned            excused; /* attempts that do not count */
    unsigned            tries; /* to record the outcome */
    task_kind_t         kind;
    const scim_app_t   *app; /* lent by the cache */
    person_t            person;
    const char         *texts[GRANT_FIELD_COUNT]; /* the grant */
    char               *grant; /* where these lie */
    char                join_url[512]; /* "" = none */
    char                user[ENGINE_ID_MAX];
    connector_task_t    call;
    loop_timer_t       *timer; /* renews the lease; later, tries again */
    /* the outcome */
    const char         *state;
    int64_t             again;
    int64_t             pause; /* ms, for the app */
    unsigned            attempts_max; /* 0 = no end */
    bool                unknown;
    int                 status;
    app_health_t        health;
    unsigned            calls;
    rate_limit_advice_t advice;
    removal_word_t      removal_word;
    char               *body;
    char               *member_id;
    char                why[160];
    run_t              *next; /* claimed together with the outcome */
};

static run_t *run_new(queue_t *queue, const item_t *item);
static void send_finish(run_t *run);
static void on_claimed(void *data, const redisReply *reply);


static void
run_free(run_t *run)
{
    loop_timer_free(run->timer);
    app_cache_release(run->queue->dispatch->engine->apps, run->app);
    free(run->grant);
    free(run->body);
    free(run->member_id);
    free(run);
}


static void
run_end(run_t *run)
{
    queue_t *queue = run->queue;

    run_free(run);
    dispatch_ended(queue);
}


/* ---- the end ---- */

/* Said once, by the sidecar whose call brought it out. */
static void
log_change(const run_t *run, const char *changed)
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
log_failed(const run_t *run)
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
take_finished(run_t *run, const redisReply *reply)
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
next_claimed(run_t *run, const redisReply *reply)
{
    run_t *next = run->next;

    run->next = NULL;
    if (next) {
        on_claimed(next, reply && reply->type == REDIS_REPLY_ARRAY
            && reply->elements > CLAIM_AT ? reply->element[CLAIM_AT] : NULL);
    }
}


static void
on_finished(void *data, const redisReply *reply)
{
    run_t    *run = data;
    engine_t *engine = run->queue->dispatch->engine;

    if (reply == NULL) {
        next_claimed(run, NULL);
        if (++run->tries < FINISH_TRIES && !engine->stopping) {
            loop_timer_arm(run->timer, FINISH_RETRY);
        } else {
            run_end(run); /* its lease runs out; then it is looked up */
        }
        return;
    }
    if (redis_reply_ok(reply)) {
        take_finished(run, reply);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        log_error("task %s: %.200s", run->task, reply->str);
    }
    next_claimed(run, reply);
    run_end(run);
}


static void
on_renewed(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply; /* a lost lease shows when the task is finished */
}


static void
on_run_timer(loop_t *loop, void *data)
{
    run_t       *run = data;
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
    loop_timer_arm(run->timer, RENEW_PERIOD);
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
add_health(const run_t *run, redis_call_t *call)
{
    static const char *const words[] = { "", "ok", "failed", "denied",
                                         "limited" };
    static const char *const removals[] = { "", "unverified", "listed",
                                            "accepted" };

    redis_call_number(call, run->attempts_max);
    redis_call_text(call, words[run->health]);
    redis_call_number(call, run->calls);
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
add_next(run_t *run, redis_call_t *call)
{
    queue_t *queue = run->queue;
    item_t  *item = dispatch_follow(queue);

    run->next = item ? run_new(queue, item) : NULL;
    if (run->next) {
        redis_call_text(call, run->next->task);
        redis_call_number(call, ENGINE_TASK_LEASE);
    } else if (item) { /* it stays due */
        dispatch_unclaimed(queue);
    }
    free(item);
}


static void
send_finish(run_t *run)
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
wait_again(run_t *run, const connector_outcome_t *outcome)
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


static void
on_outcome(void *data, const connector_outcome_t *outcome)
{
    run_t *run = data;

    run->health = outcome->health;
    run->calls = outcome->calls;
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
        run_end(run);
        return;
    }
    log_debug("task %s attempt %u: %s, status %d", run->task, run->attempt,
        run->state, run->status);
    send_finish(run);
}


/* ---- from a claim to a call ---- */

static bool
read_kind(const char *word, task_kind_t *kind)
{
    static const char *const words[] = { "invite", "role", "remove",
                                         "remind" };

    for (int i = 0; i < 4; i++) {
        if (strcmp(words[i], word) == 0) {
            *kind = (task_kind_t) i;
            return true;
        }
    }
    return false;
}


/* The address that was invited is the one to take back. */
static void
remember_address(run_t *run)
{
    const char *email = run->texts[GRANT_FIELD_EMAIL];
    const char *name = run->texts[GRANT_FIELD_USER_NAME];

    if (*email && run->kind != TASK_INVITE) {
        scim_text_copy(run->person.email, sizeof(run->person.email), email);
    }
    if (*name && run->kind != TASK_INVITE) {
        scim_text_copy(run->person.user_name, sizeof(run->person.user_name),
            name);
    }
}


static void
fill_join_url(run_t *run)
{
    const char *base = run->queue->dispatch->engine->conf->join_base_url;
    const char *code = run->texts[GRANT_FIELD_CODE];

    if (*base && *code) {
        snprintf(run->join_url, sizeof(run->join_url), "%s/%s", base, code);
    }
}


/*
 * Is it the invite that is to go, and not the person?  One that ran out; or
 * one with a former role, of somebody whose role can be changed if they are a
 * member by now.  Who is not wanted any more is removed whatever they are.
 */
static bool
is_withdrawal(const run_t *run)
{
    const char *before = run->texts[GRANT_FIELD_BEFORE];
    bool        follows = strcmp(run->texts[GRANT_FIELD_REPLAN], "1") == 0;
    bool        changes = json_object_get(run->app->connector, "role")
        || json_object_get(run->app->connector, "assign");

    return strcmp(run->texts[GRANT_FIELD_SOURCES], "[]") != 0
        && (strcmp(before, "expired") == 0
            || (strcmp(before, "invited") == 0 && follows && changes));
}


static void
fill_call(run_t *run, const redisReply *reply)
{
    const char       *state = run->texts[GRANT_FIELD_STATE];
    const char       *before = run->texts[GRANT_FIELD_BEFORE];
    connector_task_t *call = &run->call;

    scim_text_copy(run->user, sizeof(run->user), redis_reply_text(reply, 5));
    call->key = run->task;
    call->kind = run->kind;
    call->attempt = run->attempt;
    call->looks = (unsigned) redis_reply_number(reply,
        9 + GRANT_FIELD_COUNT);
    call->unknown = strcmp(redis_reply_text(reply, 1), "1") == 0;
    if (strcmp(state, "removing") == 0) {
        state = before;
        call->withdraw = is_withdrawal(run);
    }
    call->accepted = strcmp(state, "accepted") == 0
        || strcmp(state, "connected") == 0;
    call->app = run->app;
    call->workspace = run->queue->workspace;
    call->user.id = run->user;
    call->user.email = run->person.email;
    call->user.user_name = run->person.user_name;
    call->user.display_name = run->person.display_name;
    call->user.given_name = run->person.given_name;
    call->user.family_name = run->person.family_name;
    call->grant.role = run->texts[GRANT_FIELD_ROLE];
    call->grant.access_role = run->texts[GRANT_FIELD_ACCESS_ROLE];
    call->member_id = run->texts[GRANT_FIELD_MEMBER_ID];
    fill_join_url(run);
    call->join_url = run->join_url;
}


/* The reply ends before the call does: its texts are copied. */
static bool
copy_grant(run_t *run, const redisReply *reply)
{
    size_t size = 0;
    char  *at;

    for (size_t i = 0; i < GRANT_FIELD_COUNT; i++) {
        size += strlen(redis_reply_text(reply, 8 + i)) + 1;
    }
    run->grant = at = malloc(size);
    for (size_t i = 0; at && i < GRANT_FIELD_COUNT; i++) {
        run->texts[i] = at;
        at = stpcpy(at, redis_reply_text(reply, 8 + i)) + 1;
    }
    return at != NULL;
}


static bool
read_claim(run_t *run, const redisReply *reply)
{
    const redisReply *app, *user;

    if (reply->elements < 8 + GRANT_FIELD_COUNT
        || !read_kind(redis_reply_text(reply, 3), &run->kind))
    {
        return false;
    }
    app = reply->element[6];
    user = reply->element[7];
    if (app->type == REDIS_REPLY_STRING) {
        run->app = app_cache_read(run->queue->dispatch->engine->apps,
            app->str, (size_t) app->len);
    }
    if (run->app == NULL) {
        return false; /* deleted: the planner ends the grant */
    }
    run->attempt = (unsigned) redis_reply_number(reply, 2);
    person_read(user->str ? user->str : "", (size_t) user->len,
        &run->person);
    if (!copy_grant(run, reply)) {
        return false;
    }
    run->excused = (unsigned) redis_reply_number(reply,
        8 + GRANT_FIELD_COUNT);
    remember_address(run);
    fill_call(run, reply);
    return true;
}


/* Not now: the app takes no call, or this task is not its next one. */
static void
claim_refused(run_t *run, const redisReply *reply)
{
    queue_t *queue = run->queue;

    queue->claiming--;
    if (reply && strcmp(redis_reply_code(reply), "WAIT") == 0) {
        dispatch_refused(queue, run->shard, run->task, run->removal,
            redis_reply_number(reply, 1));
    }
    run_end(run);
}


static void
on_claimed(void *data, const redisReply *reply)
{
    run_t    *run = data;
    queue_t  *queue = run->queue;
    engine_t *engine = queue->dispatch->engine;

    if (!redis_reply_ok(reply)) {
        claim_refused(run, reply);
        return;
    }
    dispatch_started(queue);
    if (!read_claim(run, reply)) {
        run_end(run);
        return;
    }
    queue->concurrency = run->app->limits.concurrency;
    loop_timer_arm(run->timer, RENEW_PERIOD);
    if (!connector_run(engine->connectors, &run->call, on_outcome, run)) {
        log_error("task %s: no memory for its call", run->task);
        run_end(run);
    }
}


static run_t *
run_new(queue_t *queue, const item_t *item)
{
    run_t *run = calloc(1, sizeof(*run));

    if (run) {
        run->timer = loop_timer_new(queue->dispatch->engine->loop,
            on_run_timer, run);
    }
    if (run == NULL || run->timer == NULL) {
        free(run);
        return NULL;
    }
    run->queue = queue;
    run->shard = item->shard;
    run->removal = item->removal;
    scim_text_copy(run->task, sizeof(run->task), item->task);
    return run;
}


bool
task_run_start(queue_t *queue, const item_t *item)
{
    run_t       *run = run_new(queue, item);
    engine_t    *engine = queue->dispatch->engine;
    redis_call_t call;

    if (run == NULL) {
        return false;
    }
    redis_call_begin(&call, "task_claim", false, run->shard,
        queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, ENGINE_TASK_LEASE);
    if (!redis_call_send(&call, engine->redis, on_claimed, run)) {
        run_free(run);
        return false;
    }
    return true;
}
