#include "dispatch.h"
#include "scim_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONCURRENCY_UNKNOWN 8 /* until the app's definition was seen */
#define LENGTH_MAX          4096 /* of a queue; more are due a little later */
#define ASK_AGAIN           5000 /* ms: another sidecar may see it is up */
#define WINDOW              2000 /* ms that calls a second are counted over */

static void pump(queue_t *queue);


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


static void
list_push_front(list_t *list, item_t *item)
{
    if (list->first == NULL) {
        list_push(list, item);
        return;
    }
    item->next = list->first;
    list->first = item;
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


static bool
list_has(const list_t *list, const char *task)
{
    for (const item_t *item = list->first; item; item = item->next) {
        if (strcmp(item->task, task) == 0) {
            return true;
        }
    }
    return false;
}


static item_t *
queue_pop(queue_t *queue)
{
    item_t *item = list_pop(&queue->removals);

    if (item == NULL) {
        item = list_pop(&queue->others);
    }
    queue->length -= item != NULL;
    return item;
}


static void
on_queue_timer(loop_t *loop, void *data)
{
    (void) loop;
    pump(data);
}


static queue_t *
queue_new(dispatch_t *dispatch, const char *workspace, const char *app)
{
    queue_t *queue = calloc(1, sizeof(*queue));

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
    scim_text_copy(queue->workspace, sizeof(queue->workspace), workspace);
    scim_text_copy(queue->app, sizeof(queue->app), app);
    queue->next = dispatch->queues;
    dispatch->queues = queue;
    return queue;
}


static queue_t *
find_queue(const dispatch_t *dispatch, const char *workspace,
    const char *app)
{
    queue_t *queue;

    for (queue = dispatch->queues; queue; queue = queue->next) {
        if (strcmp(queue->app, app) == 0
            && strcmp(queue->workspace, workspace) == 0)
        {
            break;
        }
    }
    return queue;
}


static queue_t *
queue_of(dispatch_t *dispatch, const char *workspace, const char *app)
{
    queue_t *queue = find_queue(dispatch, workspace, app);

    return queue ? queue : queue_new(dispatch, workspace, app);
}


/* ---- which call is next ---- */

/*
 * No app takes more than half of what the others leave, so that there is
 * always room for one that was not heard of yet.
 */
static bool
has_room(const queue_t *queue)
{
    unsigned  others, share;
    engine_t *engine = queue->dispatch->engine;

    others = queue->dispatch->running - queue->running;
    if (engine->stopping || queue->running >= queue->concurrency
        || others >= engine->conf->connectors.calls_max
        || (queue->careful > 0 && queue->claiming > 0))
    {
        return false;
    }
    share = (engine->conf->connectors.calls_max - others) / 2;
    return queue->running < (share > 0 ? share : 1);
}


static bool
is_paused(queue_t *queue)
{
    int64_t now = loop_now(queue->dispatch->engine->loop);

    if (queue->free_at <= now) {
        return false;
    }
    if (!loop_timer_armed(queue->timer)) {
        loop_timer_arm(queue->timer, queue->free_at - now);
    }
    return true;
}


void
dispatch_return(queue_t *queue)
{
    queue->running++;
    queue->dispatch->running++;
}


/* A task's claim is about to be sent: it counts as running. */
static void
take_place(queue_t *queue)
{
    queue->claiming++;
    dispatch_return(queue);
}


/* The next task, if it may be claimed now. */
static item_t *
take_next(queue_t *queue)
{
    if (queue->length == 0 || !has_room(queue) || is_paused(queue)) {
        return NULL;
    }
    take_place(queue);
    return queue_pop(queue);
}


static void
leave_place(queue_t *queue)
{
    queue->running--;
    queue->dispatch->running--;
}


void
dispatch_unclaimed(queue_t *queue)
{
    queue->claiming--;
    leave_place(queue);
}


static void
pump(queue_t *queue)
{
    item_t *item;

    while ((item = take_next(queue)) != NULL) {
        if (!task_run_start(queue, item)) { /* it stays due */
            dispatch_unclaimed(queue);
        }
        free(item);
    }
}


item_t *
dispatch_follow(queue_t *queue)
{
    item_t *item;

    leave_place(queue);
    item = take_next(queue);
    if (item == NULL) {
        dispatch_return(queue);
    }
    return item;
}


void
dispatch_started(queue_t *queue)
{
    int64_t now = loop_now(queue->dispatch->engine->loop);

    queue->claiming--;
    queue->careful -= queue->careful > 0;
    if (now - queue->started_at >= WINDOW) {
        queue->observed = queue->started * 1000.0
            / (double) (now - queue->started_at);
        queue->started_at = now;
        queue->started = 0;
    }
    queue->started++;
    if (queue->careful > 0) {
        pump(queue);
    }
}


double
dispatch_observed(const queue_t *queue)
{
    int64_t age = loop_now(queue->dispatch->engine->loop)
        - queue->started_at;
    double  current = queue->started * 1000.0
        / (double) (age > WINDOW ? age : WINDOW);

    return current > queue->observed || age > 2 * WINDOW ? current
        : queue->observed;
}


double
dispatch_rate_of(const dispatch_t *dispatch, const char *workspace,
    const char *app)
{
    const queue_t *queue = find_queue(dispatch, workspace, app);
    double         rate = queue ? dispatch_observed(queue) : 0;

    return rate > 1 ? rate : 1;
}


void
dispatch_freed(dispatch_t *dispatch, const char *workspace, const char *app)
{
    queue_t *queue = find_queue(dispatch, workspace, app);

    if (queue) {
        queue->free_at = 0;
        pump(queue);
    }
}


void
dispatch_ended(queue_t *queue)
{
    dispatch_t *dispatch = queue->dispatch;

    leave_place(queue);
    for (queue_t *other = dispatch->queues; other; other = other->next) {
        pump(other);
    }
    engine_check_stopped(dispatch->engine);
}


void
dispatch_refused(queue_t *queue, unsigned shard, const char *task,
    bool removal, int64_t wait_ms)
{
    item_t *item = calloc(1, sizeof(*item));

    queue->careful = queue->concurrency;
    queue->free_at = loop_now(queue->dispatch->engine->loop)
        + (wait_ms < ASK_AGAIN ? wait_ms : ASK_AGAIN);
    if (item) {
        item->shard = shard;
        item->removal = removal;
        scim_text_copy(item->task, sizeof(item->task), task);
        list_push_front(removal ? &queue->removals : &queue->others, item);
        queue->length++;
    }
}


static void
add(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind, bool fresh)
{
    item_t  *item;
    list_t  *list;
    bool     removal = strcmp(kind, "remove") == 0;
    queue_t *queue = queue_of(dispatch, workspace, app);

    if (queue == NULL) {
        return; /* it stays due */
    }
    list = removal ? &queue->removals : &queue->others;
    if (queue->length >= (fresh ? LENGTH_MAX : 3 * queue->concurrency)
        || (!fresh && list_has(list, task)))
    {
        return;
    }
    item = calloc(1, sizeof(*item));
    if (item == NULL) {
        return;
    }
    item->shard = shard;
    item->removal = removal;
    scim_text_copy(item->task, sizeof(item->task), task);
    list_push(list, item);
    queue->length++;
    pump(queue);
}


void
dispatch_add(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind)
{
    add(dispatch, shard, workspace, task, app, kind, true);
}


task_run_t *
dispatch_reserve(dispatch_t *dispatch, unsigned shard,
    const char *workspace, const char *task, const char *app,
    const char *kind)
{
    item_t      item = { .shard = shard };
    queue_t    *queue = queue_of(dispatch, workspace, app);
    task_run_t *run;

    /* who waits already is first */
    if (queue == NULL || queue->length > 0 || !has_room(queue)
        || is_paused(queue))
    {
        return NULL;
    }
    item.removal = strcmp(kind, "remove") == 0;
    scim_text_copy(item.task, sizeof(item.task), task);
    run = task_run_new(queue, &item);
    if (run) {
        take_place(queue);
    }
    return run;
}


void
dispatch_due(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind)
{
    add(dispatch, shard, workspace, task, app, kind, false);
}


void
dispatch_hurry(dispatch_t *dispatch)
{
    for (queue_t *queue = dispatch->queues; queue; queue = queue->next) {
        queue->free_at = 0;
        pump(queue);
    }
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
        while ((item = queue_pop(queue))) {
            free(item);
        }
        loop_timer_free(queue->timer);
        free(queue);
    }
    free(dispatch);
}
