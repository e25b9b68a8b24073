#include "webhook_delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "backoff.h"
#include "log.h"
#include "scim_webhook.h"
#include "secret.h"
#include "webhook_sign.h"

#define TIMEOUT_MS    15000
#define BODY_MAX      16384
#define ANSWER_MAX    65536 /* of which nothing is kept */
#define SIGNATURE_MAX 256
#define BACKOFF_MIN   500   /* ms */


void
webhook_delivery_read(webhook_delivery_t *delivery, const redisReply *reply,
    size_t at, const char *workspace, const json_t *definition)
{
    bool          test;
    const char   *entry[WEBHOOK_ENTRY_FIELDS];
    scim_buffer_t body;

    for (size_t i = 0; i < WEBHOOK_ENTRY_FIELDS; i++) {
        entry[i] = redis_reply_text(reply, at + i);
    }
    snprintf(delivery->entry, sizeof(delivery->entry), "%s",
        entry[WEBHOOK_ENTRY_ID]);
    snprintf(delivery->user, sizeof(delivery->user), "%s",
        entry[WEBHOOK_ENTRY_USER]);
    webhook_type(entry, delivery->type);
    webhook_id(entry, workspace, delivery->id);
    /* a test stands where it waits for nobody, and is for one alone */
    test = strcmp(delivery->type, "webhook.test") == 0;
    if (!delivery->again && (test || !scim_webhook_wants(definition,
            delivery->type, entry[WEBHOOK_ENTRY_APP])))
    {
        delivery->state = WEBHOOK_UNWANTED;
        return;
    }
    scim_buffer_init(&body, BODY_MAX);
    if (!webhook_body(entry, workspace, delivery->type, &body)) {
        log_error("entry %s cannot be written for webhooks",
            delivery->entry);
        delivery->state = WEBHOOK_UNWANTED;
    }
    delivery->body = scim_buffer_take(&body, &delivery->body_len);
    scim_buffer_free(&body);
}


void
webhook_delivery_free(webhook_delivery_t *delivery)
{
    if (delivery->call) {
        http_client_cancel(delivery->call);
    }
    free(delivery->body);
}


static void
fail(webhook_delivery_t *delivery, const char *reason)
{
    uint64_t random = 0;

    (void) RAND_bytes((unsigned char *) &random, sizeof(random));
    delivery->wait = BACKOFF_MIN + backoff_wait(delivery->attempt, random);
    if (delivery->wait < delivery->pause) {
        delivery->wait = delivery->pause;
    }
    snprintf(delivery->reason, sizeof(delivery->reason), "%s", reason);
    delivery->done = false;
    delivery->state = WEBHOOK_ANSWERED;
}


/* What the body says, or whether all of it came, does not count. */
static void
on_answer(void *data, const http_answer_t *answer)
{
    char                reason[96];
    webhook_delivery_t *delivery = data;

    delivery->call = NULL;
    delivery->status = answer->status;
    if (answer->status >= 200 && answer->status < 300) {
        delivery->done = true;
        delivery->state = WEBHOOK_ANSWERED;
    } else if (answer->status) {
        if (answer->retry_after_ms > 0) {
            delivery->pause = answer->retry_after_ms;
        }
        snprintf(reason, sizeof(reason), "answered %d", answer->status);
        fail(delivery, reason);
    } else {
        snprintf(reason, sizeof(reason), "%.90s", answer->problem);
        fail(delivery, reason);
    }
    delivery->answered(delivery->data, delivery);
}


/* Adds the signature by the secret that this member refers to. */
static bool
add_signature(const webhook_delivery_t *delivery,
    const webhook_sender_t *sender, const char *member, int64_t seconds,
    scim_buffer_t *out, const char **problem)
{
    bool          ok;
    const char   *reference = json_string_value(json_object_get(
        sender->definition, member));
    scim_buffer_t secret;

    if (reference == NULL) {
        *problem = "there is no secret";
        return false;
    }
    scim_buffer_init(&secret, SECRET_MAX + 1);
    ok = secret_read(reference, sender->policy, &secret, problem)
        && webhook_sign(secret.data, delivery->id, seconds, delivery->body,
            delivery->body_len, out, problem);
    secret_free(&secret);
    return ok;
}


static bool
sign(const webhook_delivery_t *delivery, const webhook_sender_t *sender,
    int64_t seconds, scim_buffer_t *out, const char **problem)
{
    const char *ignored;

    if (!add_signature(delivery, sender, "secret", seconds, out, problem)) {
        return false;
    }
    /* the former secret may be gone already where we run */
    if (!add_signature(delivery, sender, "previousSecret", seconds, out,
            &ignored))
    {
        log_debug("%s is signed with one secret", delivery->id);
    }
    return true;
}


static bool
start_call(webhook_delivery_t *delivery, const webhook_sender_t *sender,
    const char *signature, int64_t seconds)
{
    char           id[WEBHOOK_ID_SIZE + 16], time[48];
    char           signed_by[SIGNATURE_MAX + 24];
    const char    *headers[] = { "Content-Type: application/json",
        "User-Agent: ngx_scim", id, time, signed_by, NULL };
    http_request_t request = {
        .method = "POST",
        .url = json_string_value(json_object_get(sender->definition, "url")),
        .headers = headers,
        .body = delivery->body,
        .body_len = delivery->body_len,
        .timeout_ms = TIMEOUT_MS,
        .answer_max = ANSWER_MAX
    };

    snprintf(id, sizeof(id), "webhook-id: %s", delivery->id);
    snprintf(time, sizeof(time), "webhook-timestamp: %" PRId64, seconds);
    snprintf(signed_by, sizeof(signed_by), "webhook-signature: %s",
        signature);
    delivery->call = http_client_start(sender->http, &request, on_answer,
        delivery);
    return delivery->call != NULL;
}


void
webhook_delivery_send(webhook_delivery_t *delivery,
    const webhook_sender_t *sender)
{
    int64_t       seconds = loop_wall() / 1000;
    const char   *problem = "no memory";
    scim_buffer_t signature;

    delivery->attempt++;
    scim_buffer_init(&signature, SIGNATURE_MAX);
    if (sign(delivery, sender, seconds, &signature, &problem)
        && start_call(delivery, sender, signature.data, seconds))
    {
        delivery->state = WEBHOOK_SENDING;
    } else {
        fail(delivery, problem);
    }
    scim_buffer_free(&signature);
}
