#ifndef SIDECAR_CONNECTOR_H
#define SIDECAR_CONNECTOR_H

#include "loop.h"
#include "rate_limit.h"
#include "scim_app.h"

/*
 * One call of work against an app.  The engine owns the task and keeps it
 * alive until `done` was called, exactly once, never from inside
 * connector_run().
 */
typedef enum {
    TASK_INVITE,
    TASK_ROLE,
    TASK_REMOVE,
    TASK_REMIND /* of an invite that was not accepted yet */
} task_kind_t;

typedef struct {
    const char *key;   /* Idempotency-Key: the task's id */
    task_kind_t kind;
    unsigned    attempt; /* 1 = first */
    unsigned    looks;   /* that still showed somebody who was removed */
    bool        unknown; /* an earlier call may have taken effect: look first */
    bool        accepted; /* the invite was accepted: `remove`, not `cancel` */
    bool        withdraw; /* the invite alone: who accepted it stays */
    const scim_app_t *app;
    const char *workspace;
    struct {
        const char *id, *email, *user_name, *display_name, *given_name,
            *family_name; /* "" when unknown, never NULL */
    } user;
    struct {
        const char *role;        /* owner | collaborator */
        const char *access_role; /* the app's own word */
    } grant;
    const char *member_id; /* the app's id of the person; "" when unknown */
    const char *join_url;  /* "" when there is none */
} connector_task_t;

typedef enum {
    OUTCOME_DONE,    /* the app said so */
    OUTCOME_RETRY,   /* definitely not done: again after `retry_after_ms` */
    OUTCOME_UNKNOWN, /* may have been done: look up, then again */
    OUTCOME_DEAD,    /* the app refused for good: dead letter */
    OUTCOME_MANUAL   /* the connector has no such verb: a person does it */
} outcome_kind_t;

/* What the answer says about the app, whoever the person is. */
typedef enum {
    HEALTH_NONE,    /* nothing: no call was made */
    HEALTH_OK,      /* it works */
    HEALTH_FAILED,  /* away, broken, or refuses the credential */
    HEALTH_DENIED,  /* refuses: because of the person, or the credential */
    HEALTH_LIMITED  /* too many calls */
} app_health_t;

/* How far a removal is known to be one. */
typedef enum {
    REMOVAL_SAID,       /* the app says so, and shows the person no more, or
                           can show nobody */
    REMOVAL_UNVERIFIED, /* its list has not been asked */
    REMOVAL_LISTED,     /* it still shows the person */
    REMOVAL_ACCEPTED    /* no removal: the invite was accepted */
} removal_word_t;

typedef struct {
    outcome_kind_t kind;
    app_health_t   health;
    removal_word_t removal;
    unsigned       calls;       /* made for the task */
    rate_limit_advice_t advice; /* the app's own limit, as last told */
    int64_t     retry_after_ms; /* < 0: the caller's own backoff decides */
    int         status;         /* HTTP status, 0 = none */
    const char *body;           /* first 1024 bytes of the answer, UTF-8 safe */
    size_t      body_len;
    const char *member_id;      /* learned; "" = nothing new */
    const char *reason;         /* short, for people; no secrets, no PII */
} connector_outcome_t;

typedef void (*connector_done_pt)(void *data,
    const connector_outcome_t *outcome);

typedef struct connectors_s connectors_t;

typedef struct {
    scim_app_policy_t policy;
    const char       *ca_file;    /* NULL = the system's */
    unsigned          calls_max;  /* calls in flight over all apps */
} connectors_conf_t;

connectors_t *connectors_new(loop_t *loop, const connectors_conf_t *conf);

/* Ends every call still running without calling `done`. */
void connectors_free(connectors_t *connectors);

/*
 * Leave to make a call that is no task's first: whoever knows what an app
 * takes.  Without one there is leave for all.
 */
typedef struct connector_permit_s connector_permit_t;

/* problem: NULL = the call may be made; else there is no permit any more */
typedef void (*connector_permit_pt)(void *data, const char *problem);

typedef struct {
    /*
     * `listing`: the call needs a place at the app; else it is its task's.
     * `done` is called once, from the loop, unless the permit is ended before.
     * NULL without memory.
     */
    connector_permit_t *(*ask)(void *data, const scim_app_t *app,
        const char *workspace, bool listing, connector_permit_pt done,
        void *done_data);
    /* The call is over, and was answered so; NULL = it was not made. */
    void (*end)(connector_permit_t *permit, app_health_t health,
        const rate_limit_advice_t *advice, int64_t retry_after_ms,
        const char *reason);
    void  *data;
} connector_gate_t;

/* `gate` is copied. */
void connectors_set_gate(connectors_t *connectors,
    const connector_gate_t *gate);

/*
 * Starts the work of a task, whose first call the dispatcher has leave for.
 * False when it could not even be queued (memory): then `done` is never
 * called.
 */
bool connector_run(connectors_t *connectors, const connector_task_t *task,
    connector_done_pt done, void *data);

/* Access tokens are asked for anew when they are needed next. */
void connectors_forget_tokens(connectors_t *connectors);

unsigned connectors_running(const connectors_t *connectors);

#endif
