#ifndef NGX_HTTP_SCIM_REQUEST_H
#define NGX_HTTP_SCIM_REQUEST_H

#include "ngx_http_scim_module.h"
#include "ngx_http_scim_redis.h"
#include "scim_key.h"

typedef struct ngx_http_scim_ctx_s  ngx_http_scim_ctx_t;

/*
 * Goes on with a reply.  Returns what ngx_http_finalize_request() takes, or
 * NGX_DONE when the request waits again.
 */
typedef ngx_int_t (*ngx_http_scim_next_pt)(ngx_http_scim_ctx_t *ctx,
    const scim_reply_t *reply);

/*
 * One request.  `waits` are its commands under way, the oldest first; the timer
 * runs while there are any, and while `turn` is posted.  ctx->waits and
 * wait->data point at each other; whoever goes first takes itself out.
 */
struct ngx_http_scim_ctx_s {
    ngx_http_request_t         *request;
    ngx_http_scim_loc_conf_t   *conf;
    ngx_http_scim_main_conf_t  *main_conf;

    ngx_queue_t                 waits;
    ngx_event_t                 timer;
    ngx_event_t                 turn;        /* the operation goes on */
    scim_command_t             *held;        /* not sent yet, or NULL */
    ngx_http_scim_next_pt       next;        /* of the glue's own command */
    ngx_http_event_handler_pt   read_body;   /* nginx', while it comes */

    ngx_str_t                   transaction;
    scim_request_t              scim;
    ngx_uint_t                  nobody;      /* came without a token */
    scim_principal_t            principal;
    scim_operation_t           *operation;
    scim_response_t             response;    /* of the glue's own answers */
    struct ngx_http_scim_apps_s *apps;       /* scim_metrics */

    /* a command of the glue's own (token, data set, ping) */
    scim_command_t              command;
    const char                 *argv[3];
    size_t                      argv_len[3];
    size_t                      key_len;
    char                        key[SCIM_KEY_MAX];
    size_t                      token_key_len;
    char                        token_key[SCIM_KEY_MAX];
};

/* The content handler of every kind of location. */
ngx_int_t ngx_http_scim_handler(ngx_http_request_t *r);

/* Ends with 503 and Retry-After; with 413. */
ngx_int_t ngx_http_scim_unavailable(ngx_http_scim_ctx_t *ctx,
    const char *detail);
ngx_int_t ngx_http_scim_too_large(ngx_http_scim_ctx_t *ctx);

#endif
