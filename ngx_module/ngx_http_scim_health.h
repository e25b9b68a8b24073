#ifndef NGX_HTTP_SCIM_HEALTH_H
#define NGX_HTTP_SCIM_HEALTH_H

#include "ngx_http_scim_request.h"

/*
 * Answers 200 when Redis answers and holds the data set, else 503, with a
 * JSON body that says which.  Like ngx_http_scim_wait().
 */
ngx_int_t ngx_http_scim_health(ngx_http_scim_ctx_t *ctx);

#endif
