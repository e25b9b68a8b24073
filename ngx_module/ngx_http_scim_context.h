#ifndef NGX_HTTP_SCIM_CONTEXT_H
#define NGX_HTTP_SCIM_CONTEXT_H

#include "ngx_http_scim_request.h"

/*
 * Makes the request's context, with its random bytes, its time and its
 * X-Request-Id, and the clean-ups that detach it from Redis and free it.
 * NULL when memory or randomness is gone.
 */
ngx_http_scim_ctx_t *ngx_http_scim_create_ctx(ngx_http_request_t *r);

/* Error messages name the request without its query, or its code of /join. */
void ngx_http_scim_guard_log(ngx_http_request_t *r);

/* Sets the request's clock to now and its deadline by Redis' clock. */
void ngx_http_scim_set_time(ngx_http_scim_ctx_t *ctx);

#endif
