#ifndef NGX_HTTP_SCIM_AUTH_H
#define NGX_HTTP_SCIM_AUTH_H

#include "ngx_http_scim_request.h"

/*
 * Looks at the request's token, without asking Redis, before its body is read:
 * NGX_DECLINED when it cannot be any good (absent, malformed, or known to be
 * no token), else NGX_OK.
 */
ngx_int_t ngx_http_scim_auth_precheck(ngx_http_scim_ctx_t *ctx);

/*
 * Finds out who it is, from this worker's cache or from Redis, and runs the
 * operation or answers 401.  Like ngx_http_scim_wait().
 */
ngx_int_t ngx_http_scim_authenticate(ngx_http_scim_ctx_t *ctx);

/* Answers 401. */
ngx_int_t ngx_http_scim_unauthorized(ngx_http_scim_ctx_t *ctx);

#endif
