#ifndef NGX_HTTP_SCIM_REPLY_H
#define NGX_HTTP_SCIM_REPLY_H

#include "ngx_http_scim_module.h"

/*
 * Sends a response; its body must live as long as the request's pool.  The
 * value goes to ngx_http_finalize_request().
 */
ngx_int_t ngx_http_scim_reply(ngx_http_request_t *r,
    const scim_response_t *response, ngx_str_t *transaction);

/* An error of the glue itself, in the shape of the location's kind. */
ngx_int_t ngx_http_scim_reply_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, ngx_uint_t retry_after, ngx_str_t *transaction);

#endif
