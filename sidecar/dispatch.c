#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "backoff.h"
#include "engine.h"
#include "facts.h"
#include "log.h"

#define CONCURRENCY_UNKNOWN 8 /* until the app's definition was seen */
#define RENEW_PERIOD        (ENGINE_TASK_LEASE / 3)
#define FINISH_RETRY        1000 /* ms between tries to record an outcome */
#define FINISH_TRIES        25

typedef struct item_s  item_t;
typedef struct queue_s queue_t;

/* A task that waits for room at its app. */
struct item_s {
    item_t  *next;
    unsigned shard;
    char     task[ENGINE_ID_MAX];
};

typedef struct {
    item_t  *first;
    item_t **last;
} list_t;

/* One app's tasks: removals before anything else. */
struct queue_s {
    queue_t      *next;
    dispatch_t   *dispatch;
    char          workspace[64];
    char          app[ENGINE_ID_MAX];
    list_t        removals;
    list_t        others;
    unsigned      running;
    unsigned      concurrency;
    double        rate;    /* calls a second, 0 = no limit */
    double        free_at; /* loop time when the next call may start */
    loop_timer_t *timer;
};

struct dispatch_s {
    engine_t *engine;
    queue_t  *queues;
    unsigned  running;
};

/* A claimed task, from its claim until its outcome is recorded. */
typedef struct {
    queue_t            *queue;
    unsigned            shard;
    char                task[ENGINE_ID_MAX];
    unsigned            attempt;
    unsigned            tries; /* to record the outcome */
    task_kind_t         kind;
    const scim_app_t   *app; /* lent by the cache */
    person_t            person;
    char               *texts[GRANT_FIELD_COUNT]; /* the grant */
    char                user[ENGINE_ID_MAX];
    connector_task_t    call;
    loop_timer_t       *timer; /* renews the lease; later, tries again */
    /* the outcome */
    const char         *state;
    int64_t             again;
    bool                unknown;
    int                 status;
    char               *body;
    char               *member_id;
    char                why[160];
} run_t;

static void pump(queue_t *queue);
static void send_finish(run_t *run);


/* ---- queues ---- */

static void
list_push(list_t *list, item_t *item)
{
    if (list->last == NULL) {
        list->last = &list->first;
    }
    *list->last = item;
    list->last = &item->next;
}


static item_t *
list_pop(list_t *list)
{
    item_t *item = list->first;

    if (item) {
        list->first = item->next;
        if (list->first == NULL) {
            list->last = &list->first;
        }
    }
    return item;
}


static void
on_queue_timer(loop_t *loop, void *data)
{
    (void) loop;
    pump(data);
}


static queue_t *
queue_of(dispatch_t *dispatch, const char *workspace, const char *app)
{
    queue_t *queue;

    for (queue = dispatch->queues; queue; queue = queue->next) {
        if (strcmp(queue->app, app) == 0
            && strcmp(queue->workspace, workspace) == 0)
        {
            return queue;
        }
    }
    queue = calloc(1, sizeof(*queue));
    if (queue == NULL) {
        return NULL;
    }
    queue->timer = loop_timer_new(dispatch->engine->loop, on_queue_timer,
        queue);
    if (queue->timer == NULL) {
        free(queue);
        return NULL;
    }
    queue->dispatch = dispatch;
    queue->concurrency = CONCURRENCY_UNKNOWN;
    snprintf(queue->workspace, sizeof(queue->workspace), "%s", workspace);
    snprintf(queue->app, sizeof(queue->app), "%s", app);
    queue->next = dispatch->queues;
    dispatch->queues = queue;
    return queue;
}


/* ---- a run ---- */

static void
run_free(run_t *run)
{
    loop_timer_free(run->timer);
    app_cache_release(run->queue->dispatch->engine->apps, run->app);
    for (int i = 0; i < GRANT_FIELD_COUNT; i++) {
        free(run->texts[i]);
    }
    free(run->body);
    free(run->member_id);
    free(run);
}


static void
run_end(run_t *run)
{
    queue_t    *queue = run->queue;
    dispatch_t *dispatch = queue->dispatch;

    run_free(run);
    queue->running--;
    dispatch->running--;
    for (queue_t *other = dispatch->queues; other; other = other->next) {
        pump(other);
    }
    engine_check_stopped(dispatch->engine);
}


static void
on_finished(void *data, const redisReply *reply)
{
    run_t    *run = data;
    engine_t *engine = run->queue->dispatch->engine;

    if (reply == NULL) {
        if (++run->tries < FINISH_TRIES && !engine->stopping) {
            loop_timer_arm(run->timer, FINISH_RETRY);
        } else {
            run_end(run); /* its lease runs out; then it is looked up */
        }
        return;
    }
    if (redis_reply_ok(reply)) {
        if (strcmp(run->state, "waiting") == 0) {
            engine_wake_due(engine, run->shard, run->again + 1);
        }
        if (strcmp(redis_reply_text(reply, 1), "1") == 0) {
            engine_wake_dirty(engine, run->shard, 0);
        }
    } else if (reply->type == REDIS_REPLY_ERROR) {
        log_error("task %s: %.200s", run->task, reply->str);
    }
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
    char         attempt[24], lease[24];
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
    redis_call_number(&call, run->attempt, attempt);
    redis_call_number(&call, ENGINE_TASK_LEASE, lease);
    redis_call_send(&call, engine->redis, on_renewed, NULL);
    loop_timer_arm(run->timer, RENEW_PERIOD);
}


static void
send_finish(run_t *run)
{
    char         attempt[24], again[24], status[24];
    engine_t    *engine = run->queue->dispatch->engine;
    redis_call_t call;

    redis_call_begin(&call, "task_finish", false, run->shard,
        run->queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, run->attempt, attempt);
    redis_call_text(&call, run->state);
    redis_call_number(&call, run->again, again);
    redis_call_text(&call, run->unknown ? "1" : "0");
    redis_call_text(&call, run->member_id);
    redis_call_text(&call, run->texts[GRANT_FIELD_ACCESS_ROLE]);
    redis_call_text(&call, run->why);
    redis_call_text(&call, "sidecar");
    redis_call_number(&call, run->status, status);
    redis_call_text(&call, run->body);
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


/* The app asked for a pause: nothing else is sent to it meanwhile. */
static void
pause_queue(queue_t *queue, int64_t ms)
{
    double until = (double) loop_now(queue->dispatch->engine->loop)
        + (double) ms;

    if (until > queue->free_at) {
        queue->free_at = until;
    }
}


static void
wait_again(run_t *run, const connector_outcome_t *outcome)
{
    bool told = outcome->retry_after_ms >= 0;

    run->unknown = outcome->kind == OUTCOME_UNKNOWN;
    if (!told && run->kind != TASK_REMOVE
        && run->attempt >= run->app->limits.max_attempts)
    {
        run->state = "failed"; /* removals are never given up */
        return;
    }
    run->state = "waiting";
    run->again = told ? backoff_clamp(outcome->retry_after_ms)
                      : backoff_wait(run->attempt, random_bits());
    if (told) {
        pause_queue(run->queue, run->again);
    }
}


static void
on_outcome(void *data, const connector_outcome_t *outcome)
{
    run_t *run = data;

    switch (outcome->kind) {
    case OUTCOME_DONE:
        run->state = "done";
        break;
    case OUTCOME_DEAD:
        run->state = "failed";
        break;
    case OUTCOME_MANUAL:
        run->state = "manual";
        break;
    default:
        wait_again(run, outcome);
        break;
    }
    run->status = outcome->status;
    run->body = strndup(outcome->body ? outcome->body : "",
        outcome->body ? outcome->body_len : 0);
    run->member_id = strdup(outcome->member_id ? outcome->member_id : "");
    snprintf(run->why, sizeof(run->why), "%s",
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
    static const char *const words[] = { "invite", "role", "remove" };

    for (int i = 0; i < 3; i++) {
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
        snprintf(run->person.email, sizeof(run->person.email), "%s", email);
    }
    if (*name && run->kind != TASK_INVITE) {
        snprintf(run->person.user_name, sizeof(run->person.user_name), "%s",
            name);
    }
}


static void
fill_call(run_t *run, const redisReply *reply)
{
    const char       *state = run->texts[GRANT_FIELD_STATE];
    const char       *before = run->texts[GRANT_FIELD_BEFORE];
    connector_task_t *call = &run->call;

    snprintf(run->user, sizeof(run->user), "%s", redis_reply_text(reply, 5));
    call->key = run->task;
    call->kind = run->kind;
    call->attempt = run->attempt;
    call->unknown = strcmp(redis_reply_text(reply, 1), "1") == 0;
    if (strcmp(state, "removing") == 0) {
        state = before;
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
    call->join_url = "";
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
    for (int i = 0; i < GRANT_FIELD_COUNT; i++) {
        run->texts[i] = strdup(redis_reply_text(reply, 8 + (size_t) i));
        if (run->texts[i] == NULL) {
            return false;
        }
    }
    remember_address(run);
    fill_call(run, reply);
    return true;
}


static void
on_claimed(void *data, const redisReply *reply)
{
    run_t    *run = data;
    queue_t  *queue = run->queue;
    engine_t *engine = queue->dispatch->engine;

    if (!redis_reply_ok(reply) || !read_claim(run, reply)) {
        run_end(run);
        return;
    }
    queue->concurrency = run->app->limits.concurrency;
    queue->rate = run->app->limits.rate_per_second;
    loop_timer_arm(run->timer, RENEW_PERIOD);
    if (!connector_run(engine->connectors, &run->call, on_outcome, run)) {
        log_error("task %s: no memory for its call", run->task);
        run_end(run);
    }
}


static void
claim(queue_t *queue, item_t *item)
{
    char         lease[24];
    run_t       *run = calloc(1, sizeof(*run));
    engine_t    *engine = queue->dispatch->engine;
    redis_call_t call;

    if (run) {
        run->timer = loop_timer_new(engine->loop, on_run_timer, run);
    }
    if (run == NULL || run->timer == NULL) {
        free(run);
        return; /* it stays due */
    }
    run->queue = queue;
    run->shard = item->shard;
    snprintf(run->task, sizeof(run->task), "%s", item->task);
    queue->running++;
    queue->dispatch->running++;
    redis_call_begin(&call, "task_claim", false, run->shard,
        queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, ENGINE_TASK_LEASE, lease);
    if (!redis_call_send(&call, engine->redis, on_claimed, run)) {
        queue->running--;
        queue->dispatch->running--;
        run_free(run);
    }
}


static bool
has_room(queue_t *queue)
{
    double    now = (double) loop_now(queue->dispatch->engine->loop);
    engine_t *engine = queue->dispatch->engine;

    if (engine->stopping || queue->running >= queue->concurrency
        || queue->dispatch->running >= engine->conf->connectors.calls_max)
    {
        return false;
    }
    if (queue->free_at > now) {
        if (!loop_timer_armed(queue->timer)) {
            loop_timer_arm(queue->timer, (int64_t) (queue->free_at - now) + 1);
        }
        return false;
    }
    return true;
}


static void
pump(queue_t *queue)
{
    item_t *item;
    double  now = (double) loop_now(queue->dispatch->engine->loop);

    while ((queue->removals.first || queue->others.first)
           && has_room(queue))
    {
        item = list_pop(&queue->removals);
        if (item == NULL) {
            item = list_pop(&queue->others);
        }
        if (queue->rate > 0) {
            queue->free_at = (queue->free_at > now ? queue->free_at : now)
                + 1000.0 / queue->rate;
        }
        claim(queue, item);
        free(item);
    }
}


void
dispatch_add(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind)
{
    item_t  *item = calloc(1, sizeof(*item));
    queue_t *queue = queue_of(dispatch, workspace, app);

    if (item == NULL || queue == NULL) {
        free(item);
        return; /* it stays due */
    }
    item->shard = shard;
    snprintf(item->task, sizeof(item->task), "%s", task);
    list_push(strcmp(kind, "remove") == 0 ? &queue->removals
                                          : &queue->others, item);
    pump(queue);
}


unsigned
dispatch_running(const dispatch_t *dispatch)
{
    return dispatch->running;
}


dispatch_t *
dispatch_new(engine_t *engine)
{
    dispatch_t *dispatch = calloc(1, sizeof(*dispatch));

    if (dispatch) {
        dispatch->engine = engine;
    }
    return dispatch;
}


void
dispatch_free(dispatch_t *dispatch)
{
    item_t  *item;
    queue_t *queue, *next;

    for (queue = dispatch ? dispatch->queues : NULL; queue; queue = next) {
        next = queue->next;
        while ((item = list_pop(&queue->removals))
               || (item = list_pop(&queue->others)))
        {
            free(item);
        }
        loop_timer_free(queue->timer);
        free(queue);
    }
    free(dispatch);
}
