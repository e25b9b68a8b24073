#ifndef NGX_HTTP_SCIM_WAIT_H
#define NGX_HTTP_SCIM_WAIT_H

#include "ngx_http_scim_request.h"

/* What a request waits for: its commands, their timer, its end. */

/*
 * Sends a command, together with those that follow it if there are `more` of
 * this request; `handler` is called once, by the reply, or with NULL when
 * the connection is lost or the time is over (wait->late).  It begins with
 * ngx_http_scim_arrived() and ends with ngx_http_scim_resume().  NGX_DECLINED:
 * it was not sent, for the reason *why, and the handler is never called.
 */
ngx_int_t ngx_http_scim_send(ngx_http_scim_ctx_t *ctx,
    scim_command_t *command, ngx_uint_t more, ngx_http_scim_reply_pt handler,
    const char **why);

/* The request of a wait that ends here. */
ngx_http_scim_ctx_t *ngx_http_scim_arrived(ngx_http_scim_wait_t *wait);

/* Why there is no reply, in words for the client. */
const char *ngx_http_scim_no_reply(const ngx_http_scim_wait_t *wait);

/*
 * The end of an event that is not the client's; `rc` is what goes to
 * ngx_http_finalize_request(), NGX_DONE: the request waits.
 */
void ngx_http_scim_resume(ngx_http_scim_ctx_t *ctx, ngx_int_t rc);

/*
 * A command of the glue's own: the first `argc` of ctx->argv.  `next` goes on
 * with its reply.  NGX_DONE: it waits.  Otherwise the 503 has been sent, and
 * the value goes to ngx_http_finalize_request().
 */
ngx_int_t ngx_http_scim_ask(ngx_http_scim_ctx_t *ctx, ngx_uint_t argc,
    ngx_http_scim_next_pt next);

/* The request calls ctx->turn's handler when others have had their turn. */
void ngx_http_scim_yield(ngx_http_scim_ctx_t *ctx,
    ngx_event_handler_pt handler);

/* The client is gone, or it is over: a late reply finds nobody. */
void ngx_http_scim_stop_waiting(ngx_http_scim_ctx_t *ctx);

#endif
