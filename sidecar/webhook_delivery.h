#ifndef SIDECAR_WEBHOOK_DELIVERY_H
#define SIDECAR_WEBHOOK_DELIVERY_H

#include <jansson.h>

#include "engine.h"
#include "http_client.h"
#include "webhook_message.h"

/* One message for one subscription, and one try to deliver it. */
typedef enum {
    WEBHOOK_WAITING,
    WEBHOOK_SENDING,
    WEBHOOK_ANSWERED,   /* to be committed */
    WEBHOOK_COMMITTING,
    WEBHOOK_SETTLED,
    WEBHOOK_UNWANTED    /* by the filter */
} webhook_state_t;

typedef struct webhook_delivery_s webhook_delivery_t;

typedef void (*webhook_answered_pt)(void *data, webhook_delivery_t *delivery);

struct webhook_delivery_s {
    http_call_t        *call;  /* while it is SENDING */
    webhook_state_t     state;
    bool                again; /* tried before: the cursor is behind it */
    bool                done;  /* accepted; valid once it is ANSWERED */
    bool                later; /* not sent: the round ended before its turn */
    char                entry[ENGINE_ID_MAX];
    char                user[ENGINE_ID_MAX];
    char                id[WEBHOOK_ID_SIZE];
    char                type[WEBHOOK_TYPE_SIZE];
    char               *body;
    size_t              body_len;
    unsigned            attempt;
    int                 status; /* of HTTP; 0 = no answer */
    int64_t             wait;   /* ms until the next try */
    int64_t             pause;  /* ms that the receiver asked for, or 0 */
    char                reason[120]; /* why it was not accepted */
    webhook_answered_pt answered;
    void               *data;   /* of `answered` */
};

/* Who sends, and for which subscription; lent. */
typedef struct {
    http_client_t           *http;
    const scim_app_policy_t *policy;
    const json_t            *definition;
} webhook_sender_t;

/*
 * Makes a message of the entry that begins at element `at` of the reply.  The
 * caller has set `again` and `attempt`.
 */
void webhook_delivery_read(webhook_delivery_t *delivery,
    const redisReply *reply, size_t at, const char *workspace,
    const json_t *definition);
void webhook_delivery_free(webhook_delivery_t *delivery);

/*
 * Signs and sends.  `answered` is called from the loop; when nothing could be
 * sent it is not, and the state is ANSWERED on return.
 */
void webhook_delivery_send(webhook_delivery_t *delivery,
    const webhook_sender_t *sender);

#endif
