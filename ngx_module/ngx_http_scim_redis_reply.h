#ifndef NGX_HTTP_SCIM_REDIS_REPLY_H
#define NGX_HTTP_SCIM_REDIS_REPLY_H

#include <hiredis/hiredis.h>

#include "ngx_http_scim_module.h"

#define NGX_HTTP_SCIM_REPLY_LOCAL  64

/* A reply as the core reads it; its texts stay in hiredis' reply. */
typedef struct {
    scim_reply_t  reply;
    ngx_uint_t    used;
    ngx_pool_t   *pool;      /* of what `local` does not hold, or NULL */
    scim_reply_t  local[NGX_HTTP_SCIM_REPLY_LOCAL];
} ngx_http_scim_redis_reply_t;

/* NGX_ERROR when memory is gone or arrays are nested too deep. */
ngx_int_t ngx_http_scim_redis_reply_init(ngx_http_scim_redis_reply_t *to,
    const redisReply *from, ngx_log_t *log);
void ngx_http_scim_redis_reply_free(ngx_http_scim_redis_reply_t *to);

#endif
