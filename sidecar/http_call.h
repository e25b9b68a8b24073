#ifndef SIDECAR_HTTP_CALL_H
#define SIDECAR_HTTP_CALL_H

#include <curl/curl.h>

#include "http_client.h"
#include "scim_buffer.h"

#define HTTP_HEADER_KEPT 64
#define HTTP_LINK_KEPT 2048

/*
 * One call as curl sees it: options, callbacks, answer.  Shared by
 * http_client.c and http_call.c only.
 */
struct http_call_s {
    http_client_t     *client;
    const http_client_conf_t *conf; /* the client's */
    http_call_t       *next, *prev; /* in client->running or ->waiting */
    CURL              *easy;        /* NULL while it waits for its turn */
    struct curl_slist *headers;
    char              *method, *url, *body;
    char              *certificate, *key; /* NULL = none */
    char              *mail_from, *user, *password;
    struct curl_slist *mail_to; /* NULL for a call over HTTP */
    size_t             body_len, body_sent;
    size_t             headers_len; /* bytes of the answer's headers */
    unsigned           timeout_ms;
    bool               https, refused; /* refused: by the address guard */
    bool               sending, again; /* again: curl would send it twice */
    bool               too_big, more;
    bool               too_slow;
    int64_t            answered_at; /* loop time of the first byte, 0 = none */
    size_t             answered_len;
    rate_limit_t       limit;
    char               retry_after[HTTP_HEADER_KEPT], date[HTTP_HEADER_KEPT];
    char               link_next[HTTP_LINK_KEPT];
    char               problem[CURL_ERROR_SIZE];
    scim_buffer_t      answer;
    http_done_pt       done;
    void              *data;
};

/* A copy of the request, in no list yet; NULL when memory is short. */
http_call_t *http_call_new(const http_client_conf_t *conf,
    const http_request_t *request, http_done_pt done, void *data);

void http_call_free(http_call_t *call);

/* Sets what is the same for every call, on a fresh handle. */
void http_call_equip(CURL *easy, const http_client_conf_t *conf);

/* Sets the rest, on call->easy; the last call's is overwritten. */
void http_call_prepare(http_call_t *call);

/* Leaves nothing in call->easy, which is kept, that is the call's. */
void http_call_strip(http_call_t *call);

/* What came of it; lent as long as the call and its handle live. */
void http_call_answer(http_call_t *call, CURLcode code,
    http_answer_t *answer);

#endif
