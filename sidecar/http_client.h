#ifndef SIDECAR_HTTP_CLIENT_H
#define SIDECAR_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "rate_limit.h"
#include "scim_app.h"

/*
 * HTTPS calls, and mails by SMTP, on the sidecar's loop: curl multi with
 * socket action, HTTP/1.1 with kept connections, no redirects, no proxies,
 * certificates verified, every peer looked at by the address guard.  A call
 * is sent once: curl's own repetition on a connection that died is off for
 * calls that change something, but DELETE.
 */
typedef struct http_client_s http_client_t;
typedef struct http_call_s   http_call_t;

typedef struct {
    scim_app_policy_t policy;
    const char       *ca_file;   /* NULL = the system's */
    unsigned          calls_max; /* above it calls wait for their turn */
} http_client_conf_t;

typedef struct {
    const char        *method;  /* NULL for a mail */
    const char        *url;     /* https, http; smtps, smtp for a mail */
    const char *const *headers; /* "Name: value", ends with NULL */
    const char        *body;    /* NULL = none */
    size_t             body_len;
    /* a mail: the body is the message; user NULL = without */
    const char        *mail_from, *mail_to, *user, *password;
    const char        *certificate; /* of ours, PEM; NULL = none */
    const char        *key;
    unsigned           timeout_ms; /* from the start of sending to the end */
    size_t             answer_max; /* bytes of the body */
} http_request_t;

typedef enum {
    HTTP_ANSWERED, /* complete: status, headers and body */
    HTTP_NOT_SENT, /* nothing of the request left this machine */
    HTTP_BROKEN    /* the app may have acted; status and body say how far */
} http_result_t;

/* Lent to the callback for its duration. */
typedef struct {
    http_result_t result;
    int           status;         /* 0 = none */
    const char   *body;           /* never NULL */
    size_t        body_len;
    int64_t       retry_after_ms; /* -1 = none; retry_after.h */
    rate_limit_advice_t advice;   /* what the app says of its limit */
    bool          more;           /* a Link header names a next page */
    const char   *next;           /* its URL; "" = none that is usable */
    const char   *problem;        /* why there is no complete answer */
} http_answer_t;

typedef void (*http_done_pt)(void *data, const http_answer_t *answer);

/*
 * NULL when curl or memory refuses.  The configuration's texts must outlive
 * the client.  curl_global_init() is the caller's.
 */
http_client_t *http_client_new(loop_t *loop, const http_client_conf_t *conf);

/* Ends every call without a callback.  Not from inside a callback. */
void http_client_free(http_client_t *client);

/*
 * Starts a call; everything in the request is copied.  `done` is called
 * exactly once, from the loop, never from inside this function.  NULL when
 * memory is short.
 */
http_call_t *http_client_start(http_client_t *client,
    const http_request_t *request, http_done_pt done, void *data);

/* Ends a call without a callback. */
void http_client_cancel(http_call_t *call);

#endif
