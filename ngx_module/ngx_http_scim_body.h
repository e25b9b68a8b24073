#ifndef NGX_HTTP_SCIM_BODY_H
#define NGX_HTTP_SCIM_BODY_H

#include "ngx_http_scim_request.h"

/*
 * ngx_http_read_client_request_body(), but a body that takes longer than
 * client_body_timeout between two pieces is answered 408: nginx itself would
 * hang up without a word.
 */
ngx_int_t ngx_http_scim_read_body(ngx_http_scim_ctx_t *ctx,
    ngx_http_client_body_handler_pt handler);

/*
 * The body that nginx has read, in one piece, wherever nginx put it: absent,
 * one buffer, several, or a temporary file.  It lives as long as the request's
 * pool.  NGX_DECLINED when it is longer than `max`.
 */
ngx_int_t ngx_http_scim_body(ngx_http_request_t *r, size_t max,
    scim_text_t *body);

#endif
