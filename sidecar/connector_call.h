#ifndef SIDECAR_CONNECTOR_CALL_H
#define SIDECAR_CONNECTOR_CALL_H

#include "connector.h"
#include "connector_list.h"
#include "connector_token.h"
#include "http_client.h"
#include "scim_buffer.h"
#include "template.h"

/* What connector*.c share, and nobody else. */

#define CONNECTOR_ANSWER_KEPT 1024
#define CONNECTOR_ANSWER_MAX (256 * 1024)
#define CONNECTOR_PAGE_MAX (4 * 1024 * 1024)
#define CONNECTOR_MEMBER_ID_SIZE 257 /* with its NUL */

typedef struct connector_call_s connector_call_t;

struct connectors_s {
    loop_t           *loop;
    loop_timer_t     *timer; /* hands over what ended in connector_run() */
    http_client_t    *http;
    connector_tokens_t *tokens;
    connectors_conf_t conf;
    connector_gate_t  gate;  /* ask NULL = none */
    connector_call_t *calls; /* all that are running */
    unsigned          count;
};

/* Which call of a task is under way. */
typedef enum {
    STEP_INVITE,
    STEP_ROLE,
    STEP_CANCEL,
    STEP_REMOVE,
    STEP_REMIND,
    STEP_REACTIVATE,
    STEP_ASSIGN,   /* the access role of the grant */
    STEP_UNASSIGN  /* each other one */
} connector_step_t;

struct connector_call_s {
    connectors_t           *connectors;
    connector_call_t       *next, *prev;
    const connector_task_t *task;
    connector_done_pt       done;
    void                   *data;
    http_call_t            *http; /* one of these four while waiting */
    connector_list_t       *list;
    connector_wait_t       *token;
    connector_permit_t     *permit;
    connector_step_t        step;
    bool                    starting;   /* inside connector_run() */
    bool                    ended;      /* `outcome` waits to be handed over */
    bool                    conflict;   /* the invite was answered by 409 */
    bool                    joined;     /* the invite made a new member */
    size_t                  other_role; /* the one that is unassigned */
    bool                    cancelled;  /* the app has no such invite */
    bool                    recalled;   /* one of another role was cancelled */
    bool                    looked_up;  /* and the list was complete */
    bool                    verifying;  /* whether a removal is one */
    unsigned                removals;   /* calls that remove, so far */
    struct {
        scim_buffer_t       email; /* folded */
        size_t              count; /* members with this address */
        char                id[CONNECTOR_MEMBER_ID_SIZE];
        bool                other_role, accepted;
        bool                invited; /* has an open invite, no more */
        char                off_id[CONNECTOR_MEMBER_ID_SIZE]; /* of one with
                                    the address who is switched off */
    } found;
    char                    member_id[CONNECTOR_MEMBER_ID_SIZE];
    char                    role_id[CONNECTOR_MEMBER_ID_SIZE];
    char                    reason[160];
    scim_buffer_t           kept; /* the answer's first bytes */
    connector_outcome_t     outcome;
};

/* The work of an app with the `http` connector (connector_http.c). */
void connector_http_begin(connector_call_t *call);

/*
 * Sends a step, after a look-up where it needs an id that is not known; or
 * looks the person up (connector_http.c).
 */
void connector_http_send(connector_call_t *call, connector_step_t step);
void connector_http_look_up(connector_call_t *call);

/*
 * An invite begins, the app answered it, the person was looked up, or the
 * open invite with another role is gone: there can be a right one
 * (connector_invite.c).
 */
void connector_invite_begin(connector_call_t *call);
void connector_invite_answered(connector_call_t *call,
    const http_answer_t *answer);
void connector_invite_looked_up(connector_call_t *call);
void connector_invite_again(connector_call_t *call);

/*
 * A removal begins, the app says it is one, it has no such invite (404, 410)
 * or does not withdraw it (409), or the person was looked up
 * (connector_removal.c).
 */
void connector_removal_begin(connector_call_t *call);
void connector_removal_done(connector_call_t *call, const char *reason);
void connector_cancel_refused(connector_call_t *call, int status);
void connector_removal_looked_up(connector_call_t *call,
    bool every_email_seen);

/*
 * The same of an invite that is to be withdrawn; it was accepted, so that
 * nothing is taken away (connector_withdraw.c).
 */
void connector_withdraw_begin(connector_call_t *call);
void connector_withdraw_send(connector_call_t *call);
void connector_withdraw_refused(connector_call_t *call, int status);
void connector_withdraw_accepted(connector_call_t *call);
void connector_withdraw_looked_up(connector_call_t *call,
    bool every_email_seen);

/* The work of an app with the `email` connector (connector_email.c). */
void connector_email_begin(connector_call_t *call);

/* The values of a task's templates. */
void connector_set_values(connector_call_t *call, template_values_t *values);

/*
 * Ends the call: `done` runs now, or from the loop when connector_run() has
 * not returned yet.  The caller must not touch the call afterwards.
 */
void connector_end(connector_call_t *call, outcome_kind_t kind,
    const char *reason);

/* The verb's definition, or NULL when the connector has no such verb. */
const json_t *connector_verb(const scim_app_t *app, const char *name);

/*
 * Starts one call of a verb (connector_request.c).  `key` is the
 * Idempotency-Key, NULL for none.  NULL with *kind and *problem (at most 96
 * bytes) saying why it cannot be made.
 */
http_call_t *connector_request(connectors_t *connectors,
    const scim_app_t *app, const json_t *verb, template_values_t *values,
    const char *key, size_t answer_max, http_done_pt done, void *data,
    outcome_kind_t *kind, char *problem, size_t problem_size);

/*
 * The status that the answer stands for: its own, or for an app that says it
 * in the body (the definition's `answer`) 409 there already, 404 not there,
 * 429 wait, 422 refused, 502 a success that is no JSON.
 */
int connector_status(const scim_app_t *app, const http_answer_t *answer);

/*
 * True when the app refused an access token that can be asked for anew: it
 * is forgotten, and the call is worth another try.
 */
bool connector_token_refused(connectors_t *connectors, const scim_app_t *app,
    const http_answer_t *answer, char *reason, size_t reason_size);

/* What an answer means that is none of the verb's own (connector_answer.c). */
outcome_kind_t connector_classify(const http_answer_t *answer, char *reason,
    size_t reason_size);

/* What an answer says about the app (connector_answer.c). */
app_health_t connector_health(const http_answer_t *answer);

/*
 * Keeps the first bytes of an answer as valid UTF-8, with the app's own
 * secret blanked out should the app have repeated it.
 */
void connector_keep(const connectors_t *connectors, const scim_app_t *app,
    const char *body, size_t len, scim_buffer_t *kept);

/* Reads an id out of an answer: 1 to 256 printable ASCII characters. */
bool connector_read_id(const json_t *value,
    char out[CONNECTOR_MEMBER_ID_SIZE]);

/* Reads an answer's body as JSON; NULL when it is none. */
json_t *connector_read_json(const http_answer_t *answer);

#endif
