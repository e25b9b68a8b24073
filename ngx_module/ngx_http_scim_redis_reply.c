#include "ngx_http_scim_redis_reply.h"

#define NGX_HTTP_SCIM_REPLY_NESTING  8


static ngx_int_t ngx_http_scim_redis_reply_value(
    ngx_http_scim_redis_reply_t *to, scim_reply_t *value,
    const redisReply *from, ngx_log_t *log, ngx_uint_t depth);


static scim_reply_t *
ngx_http_scim_redis_reply_alloc(ngx_http_scim_redis_reply_t *to, size_t n,
    ngx_log_t *log)
{
    scim_reply_t  *values;

    if (n <= NGX_HTTP_SCIM_REPLY_LOCAL - to->used) {
        values = &to->local[to->used];
        to->used += n;
        return values;
    }

    if (to->pool == NULL) {
        to->pool = ngx_create_pool(4096, log);
        if (to->pool == NULL) {
            return NULL;
        }
    }

    return ngx_palloc(to->pool, n * sizeof(scim_reply_t));
}


static ngx_int_t
ngx_http_scim_redis_reply_array(ngx_http_scim_redis_reply_t *to,
    scim_reply_t *value, const redisReply *from, ngx_log_t *log,
    ngx_uint_t depth)
{
    size_t         i;
    scim_reply_t  *elements;

    value->type = SCIM_REPLY_ARRAY;

    if (from->elements == 0) {
        return NGX_OK;
    }

    if (depth == NGX_HTTP_SCIM_REPLY_NESTING) {
        return NGX_ERROR;
    }

    elements = ngx_http_scim_redis_reply_alloc(to, from->elements, log);
    if (elements == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < from->elements; i++) {
        if (ngx_http_scim_redis_reply_value(to, &elements[i],
                                            from->element[i], log, depth + 1)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    value->element = elements;
    value->elements = from->elements;

    return NGX_OK;
}


static ngx_int_t
ngx_http_scim_redis_reply_value(ngx_http_scim_redis_reply_t *to,
    scim_reply_t *value, const redisReply *from, ngx_log_t *log,
    ngx_uint_t depth)
{
    ngx_memzero(value, sizeof(*value));

    switch (from->type) {

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        value->type = SCIM_REPLY_STRING;
        value->text = from->str;
        value->len = from->len;
        return NGX_OK;

    case REDIS_REPLY_INTEGER:
        value->type = SCIM_REPLY_INTEGER;
        value->integer = from->integer;
        return NGX_OK;

    case REDIS_REPLY_NIL:
        value->type = SCIM_REPLY_NIL;
        return NGX_OK;

    case REDIS_REPLY_ARRAY:
        return ngx_http_scim_redis_reply_array(to, value, from, log, depth);

    default:
        value->type = SCIM_REPLY_ERROR;
        value->text = from->str ? from->str : "";
        value->len = from->str ? from->len : 0;
        return NGX_OK;
    }
}


ngx_int_t
ngx_http_scim_redis_reply_init(ngx_http_scim_redis_reply_t *to,
    const redisReply *from, ngx_log_t *log)
{
    to->used = 0;
    to->pool = NULL;

    return ngx_http_scim_redis_reply_value(to, &to->reply, from, log, 0);
}


void
ngx_http_scim_redis_reply_free(ngx_http_scim_redis_reply_t *to)
{
    if (to->pool) {
        ngx_destroy_pool(to->pool);
    }
}
