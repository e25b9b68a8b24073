#include "ngx_http_scim_context.h"

#include <openssl/rand.h>

#include "ngx_http_scim_wait.h"
#include "scim_uuid.h"

#define NGX_HTTP_SCIM_TRANSACTION_MAX  128
#define NGX_HTTP_SCIM_RANDOM_POOL      4096
#define NGX_HTTP_SCIM_ANSWER_MAX       (1024 * 1024)


static void
ngx_http_scim_detach(void *data)
{
    ngx_http_scim_stop_waiting(data);
}


static void
ngx_http_scim_free(void *data)
{
    ngx_http_scim_ctx_t  *ctx = data;

    scim_operation_free(ctx->operation);
    scim_buffer_free(&ctx->response.body);
}


/* Random bytes come in bulk: OpenSSL takes a microsecond for each call. */
static ngx_int_t
ngx_http_scim_random(u_char *out, size_t len)
{
    static u_char  pool[NGX_HTTP_SCIM_RANDOM_POOL];
    static size_t  used = NGX_HTTP_SCIM_RANDOM_POOL;

    if (used + len > NGX_HTTP_SCIM_RANDOM_POOL) {
        if (RAND_bytes(pool, sizeof(pool)) != 1) {
            return NGX_ERROR;
        }
        used = 0;
    }

    /* nothing is given out twice, nor kept */
    ngx_memcpy(out, pool + used, len);
    ngx_memzero(pool + used, len);
    used += len;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_scim_printable(ngx_str_t *text)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < text->len; i++) {
        c = text->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'
              || c == ':'))
        {
            return 0;
        }
    }

    return text->len && text->len <= NGX_HTTP_SCIM_TRANSACTION_MAX;
}


/* What the client calls its request when that is fit to print, or a new id. */
static ngx_int_t
ngx_http_scim_transaction(ngx_http_scim_ctx_t *ctx)
{
    ngx_uint_t           i;
    ngx_list_part_t     *part;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("X-Request-Id") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "X-Request-Id",
                                   h[i].key.len)
                   == 0
                && ngx_http_scim_printable(&h[i].value))
            {
                ctx->transaction = h[i].value;
                return NGX_OK;
            }
        }
    }

    ctx->transaction.data = ngx_pnalloc(r->pool, SCIM_UUID_LEN + 1);
    if (ctx->transaction.data == NULL) {
        return NGX_ERROR;
    }

    ctx->transaction.len = SCIM_UUID_LEN;
    scim_uuid_v7(ctx->scim.now,
                 ctx->scim.random + sizeof(ctx->scim.random) - 10,
                 (char *) ctx->transaction.data);

    return NGX_OK;
}


/*
 * What error messages say of a request.  nginx would write the whole request
 * line: filters carry people's addresses, links of /join are secrets.
 */
static u_char *
ngx_http_scim_log_request(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                    *p;
    ngx_str_t                  path;
    ngx_http_scim_ctx_t       *ctx;
    ngx_http_scim_loc_conf_t  *slcf;
    ngx_http_core_srv_conf_t  *cscf;

    path = r->unparsed_uri;
    p = ngx_strlchr(path.data, path.data + path.len, '?');
    if (p) {
        path.len = p - path.data;
    }

    slcf = ngx_http_get_module_loc_conf(sr, ngx_http_scim_module);
    if (slcf->kind == NGX_HTTP_SCIM_JOIN) {
        path = slcf->prefix;
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    p = ngx_snprintf(buf, len, ", server: %V, request: \"%V %V\"",
                     &cscf->server_name, &r->method_name, &path);
    len -= p - buf;

    ctx = ngx_http_get_module_ctx(sr, ngx_http_scim_module);
    if (ctx) {
        p = ngx_snprintf(p, len, ", txn: \"%V\"", &ctx->transaction);
    }

    return p;
}


void
ngx_http_scim_guard_log(ngx_http_request_t *r)
{
    r->log_handler = ngx_http_scim_log_request;
}


void
ngx_http_scim_set_time(ngx_http_scim_ctx_t *ctx)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    ctx->scim.now = (int64_t) tp->sec * 1000 + tp->msec;
    ctx->scim.deadline = ctx->scim.now + ngx_http_scim_redis_clock_offset()
                         + (int64_t) ctx->main_conf->redis_timeout;
}


#if (NGX_HTTP_HEADERS)
#define ngx_http_scim_accept(r)  (r)->headers_in.accept
#else
/* without its modules that want it nginx keeps no pointer to Accept */
#define ngx_http_scim_accept(r)  NULL
#endif


static void
ngx_http_scim_set_accept(ngx_http_scim_ctx_t *ctx)
{
    ngx_table_elt_t  *accept;

    accept = ngx_http_scim_accept(ctx->request);

    ctx->scim.accept.text = "";

    if (accept && accept->value.len) {
        ctx->scim.accept.text = (const char *) accept->value.data;
        ctx->scim.accept.len = accept->value.len;
    }
}


ngx_http_scim_ctx_t *
ngx_http_scim_create_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t   *cleanup;
    ngx_pool_cleanup_t   *pool_cleanup;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(*ctx));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ngx_queue_init(&ctx->waits);
    ctx->conf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);
    ctx->main_conf = ngx_http_get_module_main_conf(r, ngx_http_scim_module);
    scim_buffer_init(&ctx->response.body, NGX_HTTP_SCIM_ANSWER_MAX);

    pool_cleanup = ngx_pool_cleanup_add(r->pool, 0);
    if (pool_cleanup == NULL) {
        return NULL;
    }

    pool_cleanup->handler = ngx_http_scim_free;
    pool_cleanup->data = ctx;

    cleanup = ngx_http_cleanup_add(r, 0);
    if (cleanup == NULL) {
        return NULL;
    }

    cleanup->handler = ngx_http_scim_detach;
    cleanup->data = ctx;

    ngx_http_scim_set_time(ctx);
    ngx_http_scim_set_accept(ctx);

    if (ngx_http_scim_random(ctx->scim.random, sizeof(ctx->scim.random))
        != NGX_OK
        || ngx_http_scim_transaction(ctx) != NGX_OK)
    {
        return NULL;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_scim_module);
    ngx_http_scim_guard_log(r);

    return ctx;
}
