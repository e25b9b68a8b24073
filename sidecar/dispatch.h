#ifndef SIDECAR_DISPATCH_H
#define SIDECAR_DISPATCH_H

#include "engine.h"

/* Shared by dispatch.c (which task is next) and task_run.c (its call). */
typedef struct item_s  item_t;
typedef struct queue_s queue_t;

/* A task that waits for room at its app. */
struct item_s {
    item_t  *next;
    unsigned shard;
    bool     removal;
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
    unsigned      length;      /* of both */
    unsigned      running;     /* claims included */
    unsigned      claiming;
    unsigned      careful;     /* so many claims go one by one: the last was
                                  refused */
    unsigned      concurrency;
    int64_t       free_at;     /* loop time when the app takes calls again */
    unsigned      started;     /* calls in the window that began at: */
    int64_t       started_at;
    double        observed;    /* calls a second in the last window */
    loop_timer_t *timer;
};

struct dispatch_s {
    engine_t   *engine;
    queue_t    *queues;
    unsigned    running;
    task_run_t *runs; /* the newest first */
};

/* A task that is to be claimed; NULL without memory. */
task_run_t *task_run_new(queue_t *queue, const item_t *item);

/* Claims the task and makes its call; false without memory or Redis. */
bool task_run_start(queue_t *queue, const item_t *item);

/*
 * The task to claim in the place of one whose outcome is about to be
 * recorded, which has none from then on; NULL = none, and the place is kept.
 * The caller frees it.
 */
item_t *dispatch_follow(queue_t *queue);

/* It could not be recorded: who gave its place away has one again. */
void dispatch_return(queue_t *queue);

/* A task that has a place was not even claimed: the place is free. */
void dispatch_unclaimed(queue_t *queue);

/* It ended: its place is free.  The queue is looked at again. */
void dispatch_ended(queue_t *queue);

/* The app takes no call for so long: the task goes back to the front. */
void dispatch_refused(queue_t *queue, unsigned shard, const char *task,
    bool removal, int64_t wait_ms);

/* A claim was answered by yes: a call starts. */
void dispatch_started(queue_t *queue);

/* Calls a second, as this sidecar makes them. */
double dispatch_observed(const queue_t *queue);

/* The same for an app, at least 1 (call_gate.c). */
double dispatch_rate_of(const dispatch_t *dispatch, const char *workspace,
    const char *app);

/* A call that was no task's ended: tasks may take its place. */
void dispatch_freed(dispatch_t *dispatch, const char *workspace,
    const char *app);

#endif
