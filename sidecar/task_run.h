#ifndef SIDECAR_TASK_RUN_H
#define SIDECAR_TASK_RUN_H

#include "dispatch.h"
#include "facts.h"

#define TASK_RENEW_PERIOD (ENGINE_TASK_LEASE / 3)

/* Shared by task_claim.c (until the call) and task_run.c (from the call on). */

/* A task from its claim until its outcome is recorded. */
struct task_run_s {
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
    rate_limit_advice_t advice;
    removal_word_t      removal_word;
    char               *body;
    char               *member_id;
    char                why[160];
    task_run_t         *next; /* claimed together with the outcome */
    task_run_t         *older, *newer; /* all of this sidecar */
    bool                placeless; /* that one has its place */
};

/* Frees it; task_run_end() gives its place to others, too. */
void task_run_free(task_run_t *run);
void task_run_end(task_run_t *run);

/* Renews the lease while the call runs, then records its outcome. */
void task_run_timer(loop_t *loop, void *run);

/* The connector is done with the call of the task (connector_done_pt). */
void task_run_outcome(void *run, const connector_outcome_t *outcome);

#endif
