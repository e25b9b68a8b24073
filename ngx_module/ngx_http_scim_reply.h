#ifndef NGX_HTTP_SCIM_REPLY_H
#define NGX_HTTP_SCIM_REPLY_H

#include "ngx_http_scim_request.h"

/*
 * Sends a response; its body must live as long as the request's pool.  The
 * value goes to ngx_http_finalize_request().
 */
ngx_int_t ngx_http_scim_reply(ngx_http_scim_ctx_t *ctx,
    const scim_response_t *response);

/*
 * Sends an error of the glue itself, in the shape of the location's kind:
 * ctx->response holds `allow` and `retry_after` where they are wanted.
 */
ngx_int_t ngx_http_scim_reply_error(ngx_http_scim_ctx_t *ctx,
    ngx_uint_t status, const char *detail);

#endif
