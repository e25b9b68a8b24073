#ifndef NGX_HTTP_SCIM_RUN_H
#define NGX_HTTP_SCIM_RUN_H

#include "ngx_http_scim_request.h"

/*
 * Runs the request's operation: a token that it needs was accepted.
 * Returns what ngx_http_finalize_request() takes, or NGX_DONE when the request
 * waits.
 */
ngx_int_t ngx_http_scim_run(ngx_http_scim_ctx_t *ctx);

#endif
