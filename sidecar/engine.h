#ifndef SIDECAR_ENGINE_H
#define SIDECAR_ENGINE_H

#include <jansson.h>

#include "app_cache.h"
#include "conf.h"
#include "connector.h"
#include "redis_call.h"
#include "scim_schema.h"
#include "scim_key.h"

/*
 * The daemon's state, passed down; no globals.  Its parts:
 *
 *   stream.c    reads events, claims those left behind, acknowledges
 *   event_job.c an event -> team jobs, user_sync, mark, or set aside
 *   team_job.c  a changed group -> team_sync, users_sync, people_sync
 *   async_job.c accepted requests -> the edge's operations -> async_finish
 *   plan_job.c  a dirty user -> facts -> planner -> plan_commit
 *   dispatch.c  tasks, app by app; task_run.c  one -> connector -> finished
 *   removal_check.c  one listing verifies many removals
 *   check_job.c checks -> the app's list beside the grants -> report
 *   dry_run_job.c what a change would do, for operators
 *   webhooks.c  the audit -> signed messages to whoever subscribed
 *   engine.c    start, shards, periodic work, the data set's guard, stop
 */
#define ENGINE_DIRTY_LEASE 10000 /* ms a user's planning may take */
#define ENGINE_TASK_LEASE  30000 /* ms a call may go unrenewed */
#define ENGINE_PERIOD      5000  /* ms between looks at every shard */
#define ENGINE_ID_MAX      40

typedef struct engine_s   engine_t;
typedef struct stream_s   stream_t;
typedef struct dispatch_s dispatch_t;
typedef struct task_run_s task_run_t;
typedef struct check_job_s check_job_t;
typedef struct removal_check_s removal_check_t;
typedef struct webhooks_s webhooks_t;
typedef struct async_job_s async_job_t;

typedef struct {
    engine_t     *engine;
    unsigned      number;
    loop_timer_t *dirty_timer;
    loop_timer_t *due_timer;
    int64_t       dirty_at; /* loop time the timer is armed for */
    int64_t       due_at;
    bool          dirty_asked; /* a claim is on its way */
    bool          due_asked;
    bool          checks_asked;
    bool          checks_again; /* more may have come since they were */
    bool          dry_runs_asked; /* likewise */
    bool          dry_runs_again;
    bool          leavers; /* some may wait whose time is over */
    bool          touched; /* events were acknowledged since the last trim */
} shard_t;

struct engine_s {
    loop_t         *loop;
    const conf_t   *conf;
    redis_address_t address;
    redis_client_t *redis;
    connectors_t   *connectors;
    app_cache_t    *apps;
    stream_t       *stream;
    const scim_schemas_t *schemas; /* of accepted requests */
    dispatch_t     *dispatch;
    webhooks_t     *webhooks;
    loop_timer_t   *period_timer;
    loop_timer_t   *stop_timer;
    shard_t        *shards;
    unsigned        shard_count;
    char            dataset[80];
    long long       appended; /* events ever, as last noted */
    unsigned char   random[1024]; /* the last `random_left` are unused */
    size_t          random_left;
    bool            ready;    /* the data set is the known one */
    bool            stopping;
    unsigned        plans;    /* plan jobs under way */
    unsigned        audit_next; /* shard whose audit was trimmed last */
    check_job_t    *checks;   /* under way */
    removal_check_t *removal_checks; /* likewise */
    unsigned        async_running; /* accepted requests under way */
    async_job_t    *async_first;   /* those that wait for their turn */
    async_job_t    *async_last;
};

/* `conf` and `schemas` outlive it. */
engine_t *engine_new(loop_t *loop, const conf_t *conf,
    const scim_schemas_t *schemas);
void engine_free(engine_t *engine);

/* Apps that are down are tried now; tokens are asked for anew. */
void engine_reload(engine_t *engine);

/* First call: finish what runs, then stop the loop.  Second: stop now. */
void engine_stop(engine_t *engine);

/* Look at the dirty users, or the due tasks, of a shard in `after` ms. */
void engine_wake_dirty(engine_t *engine, unsigned shard, int64_t after);
void engine_wake_due(engine_t *engine, unsigned shard, int64_t after);

/* Random bytes, at most 64, for ids and jitter; false when there are none. */
bool engine_random(engine_t *engine, void *out, size_t len)
    __attribute__((warn_unused_result));

/* Something ended: when stopping, maybe everything did. */
void engine_check_stopped(engine_t *engine);

/* ---- stream.c ---- */
stream_t *stream_new(engine_t *engine);
void stream_free(stream_t *stream);
void stream_start(stream_t *stream); /* once the data set is known */
unsigned stream_busy(const stream_t *stream);

/* ---- team_job.c ---- */
typedef void (*team_job_done_pt)(void *data, bool ok);
/*
 * Makes the teams of everybody follow whom the change of a group may concern,
 * then has them planned.  `members` is what the event's data says of them (may
 * be NULL); `whole`: it does not name them, so everybody of the group and of
 * its team.  `cause`: of the event, as lines.  `done` is called once; not ok:
 * the event must be read again.
 */
void team_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *group, const char *cause, const json_t *members, bool whole,
    team_job_done_pt done, void *data);

/* ---- async_job.c ---- */
typedef void (*async_job_done_pt)(void *data, bool ok);
/* Executes an accepted request and writes down what came of it. */
void async_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *id, async_job_done_pt done, void *data);

/* ---- event_job.c ---- */
/* An event is over; `ok`: every step that it asked for is committed. */
typedef void (*event_job_pt)(void *data, unsigned shard, const char *stream_id,
    bool ok);
/*
 * Works on one entry of a shard's stream: has people and teams looked at, or,
 * when it cannot be understood, sets it aside.  `done` is called exactly once,
 * perhaps from inside; never when false is returned: no memory.
 */
bool event_job_start(engine_t *engine, unsigned shard,
    const redisReply *entry, event_job_pt done, void *data);

/* ---- plan_job.c ---- */
/* Plans one user whose dirty mark is leased to us until `lease`. */
void plan_job_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *user, long long lease);

/* ---- dispatch.c ---- */
dispatch_t *dispatch_new(engine_t *engine);
void dispatch_free(dispatch_t *dispatch);
/* A new task, to be claimed and run as soon as its app has room. */
void dispatch_add(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind);
/*
 * A place for the call of a task that is about to be committed and claimed at
 * once, NULL = it waits its turn like others.  What came of the claim, as
 * task_claim answers, is told by task_run_claimed(); NULL = nothing.
 */
task_run_t *dispatch_reserve(dispatch_t *dispatch, unsigned shard,
    const char *workspace, const char *task, const char *app,
    const char *kind);
void task_run_claimed(task_run_t *run, const redisReply *reply);
/* The same for one that Redis says is due. */
void dispatch_due(dispatch_t *dispatch, unsigned shard, const char *workspace,
    const char *task, const char *app, const char *kind);
/* Whatever waits for its app is tried now. */
void dispatch_hurry(dispatch_t *dispatch);
unsigned dispatch_running(const dispatch_t *dispatch);

/* Adds the ids of the shard's tasks that are claimed here, or about to be. */
void dispatch_name_tasks(const dispatch_t *dispatch, unsigned shard,
    redis_call_t *call);

/* ---- removal_check.c ---- */
/* Lists an app; its removals that are done are verified, or go on. */
void removal_check_start(engine_t *engine, unsigned shard,
    const char *workspace, const char *app);
/* Ends what is listing; another sidecar begins anew. */
void removal_checks_cancel(engine_t *engine);

/* ---- check_job.c ---- */
/* Claims and starts the checks of a shard that are due. */
void checks_look(engine_t *engine, unsigned shard);
/* Ends what is listing; their leases run out, and somebody begins anew. */
void checks_cancel(engine_t *engine);

/* ---- dry_run_job.c ---- */
/* Claims and starts the dry runs of a shard that wait. */
void dry_runs_look(engine_t *engine, unsigned shard);

/* ---- webhooks.c, webhook_job.c ---- */
webhooks_t *webhooks_new(engine_t *engine);
/* After the connection to Redis, whose last replies end the last jobs. */
void webhooks_free(webhooks_t *webhooks);
/* Claims and starts what is due in a shard. */
void webhooks_look(engine_t *engine, unsigned shard);
/* Ends what is under way; leases run out, and somebody goes on. */
void webhooks_cancel(webhooks_t *webhooks);
unsigned webhooks_running(const webhooks_t *webhooks);

#endif
