#ifndef NGX_HTTP_SCIM_BODY_H
#define NGX_HTTP_SCIM_BODY_H

#include "ngx_http_scim_module.h"

/*
 * The body that nginx has read, in one piece, wherever nginx put it: absent,
 * one buffer, several, or a temporary file.  It lives as long as the request's
 * pool.  NGX_DECLINED when it is longer than `max`.
 */
ngx_int_t ngx_http_scim_body(ngx_http_request_t *r, size_t max,
    scim_text_t *body);

#endif
