#include "ngx_http_scim_auth.h"

#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_reply.h"
#include "ngx_http_scim_run.h"
#include "ngx_http_scim_wait.h"
#include "scim_token.h"

#define NGX_HTTP_SCIM_AUTH_SLOTS    1024
#define NGX_HTTP_SCIM_AUTH_KEY_MAX  128


/* The key holds the token's SHA-256, never the token. */
typedef struct {
    ngx_msec_t        until;
    ngx_uint_t        known;              /* 0: there is no such token */
    size_t            len;                /* 0: empty slot */
    u_char            key[NGX_HTTP_SCIM_AUTH_KEY_MAX];
    scim_principal_t  principal;
} ngx_http_scim_auth_slot_t;


static ngx_int_t ngx_http_scim_token_reply(ngx_http_scim_ctx_t *ctx,
    const scim_reply_t *reply);
static ngx_int_t ngx_http_scim_unknown_reply(ngx_http_scim_ctx_t *ctx,
    const scim_reply_t *reply);


/* Direct-mapped: bounded by design, the newest token of a slot wins. */
static ngx_http_scim_auth_slot_t  ngx_http_scim_auth_slots[
                                                   NGX_HTTP_SCIM_AUTH_SLOTS];


static ngx_http_scim_auth_slot_t *
ngx_http_scim_auth_slot(ngx_http_scim_ctx_t *ctx)
{
    ngx_int_t  hash;

    /* the key ends with hex digits of a SHA-256 */
    hash = ngx_hextoi((u_char *) ctx->token_key + ctx->token_key_len - 8, 8);

    return &ngx_http_scim_auth_slots[(ngx_uint_t) hash
                                     % NGX_HTTP_SCIM_AUTH_SLOTS];
}


/* NGX_OK with ctx->principal, NGX_DECLINED, or NGX_AGAIN: ask Redis. */
static ngx_int_t
ngx_http_scim_auth_cached(ngx_http_scim_ctx_t *ctx)
{
    ngx_http_scim_auth_slot_t  *slot;

    slot = ngx_http_scim_auth_slot(ctx);

    if (slot->len != ctx->token_key_len
        || ngx_memcmp(slot->key, ctx->token_key, slot->len) != 0
        || (ngx_msec_int_t) (slot->until - ngx_current_msec) <= 0)
    {
        return NGX_AGAIN;
    }

    if (!slot->known
        || (slot->principal.expires
            && slot->principal.expires <= (int64_t) ngx_time() * 1000))
    {
        return NGX_DECLINED;
    }

    ctx->principal = slot->principal;

    return NGX_OK;
}


static void
ngx_http_scim_auth_remember(ngx_http_scim_ctx_t *ctx, ngx_uint_t known)
{
    ngx_http_scim_auth_slot_t  *slot;

    if (ctx->token_key_len > NGX_HTTP_SCIM_AUTH_KEY_MAX
        || ctx->main_conf->token_cache == 0)
    {
        return;
    }

    slot = ngx_http_scim_auth_slot(ctx);
    slot->until = ngx_current_msec + ctx->main_conf->token_cache;
    slot->known = known;
    slot->len = ctx->token_key_len;
    ngx_memcpy(slot->key, ctx->token_key, slot->len);

    if (known) {
        slot->principal = ctx->principal;
    }
}


ngx_int_t
ngx_http_scim_auth_precheck(ngx_http_scim_ctx_t *ctx)
{
    ngx_table_elt_t  *header;

    header = ctx->request->headers_in.authorization;

    if (header == NULL
        || !scim_token_key((char *) header->value.data, header->value.len,
                           ctx->token_key, &ctx->token_key_len))
    {
        return NGX_DECLINED;
    }

    ctx->scim.odd_token = scim_token_odd((char *) header->value.data,
                                         header->value.len);

    return ngx_http_scim_auth_cached(ctx) == NGX_DECLINED ? NGX_DECLINED
                                                          : NGX_OK;
}


ngx_int_t
ngx_http_scim_authenticate(ngx_http_scim_ctx_t *ctx)
{
    /* once more: the body may have taken its time */

    switch (ngx_http_scim_auth_cached(ctx)) {

    case NGX_OK:
        return ngx_http_scim_run(ctx);

    case NGX_DECLINED:
        return ngx_http_scim_unauthorized(ctx);

    default:
        ctx->argv[0] = "GET";
        ctx->argv[1] = ctx->token_key;

        return ngx_http_scim_ask(ctx, 2, ngx_http_scim_token_reply);
    }
}


static ngx_int_t
ngx_http_scim_token_reply(ngx_http_scim_ctx_t *ctx, const scim_reply_t *reply)
{
    int64_t      now;
    ngx_time_t  *tp;

    ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_TOKEN_LOOKUPS);

    if (reply->type == SCIM_REPLY_STRING) {
        tp = ngx_timeofday();
        now = (int64_t) tp->sec * 1000 + tp->msec;

        if (scim_token_read(reply->text, reply->len, now, &ctx->principal)) {
            ngx_http_scim_auth_remember(ctx, 1);
            return ngx_http_scim_run(ctx);
        }

        ngx_http_scim_auth_remember(ctx, 0);
        return ngx_http_scim_unauthorized(ctx);
    }

    if (reply->type != SCIM_REPLY_NIL) {
        return ngx_http_scim_unavailable(ctx, "the store is not ready");
    }

    /* a store that was emptied knows no token either, and must not say 401 */

    ctx->key_len = scim_key_dataset(ctx->key, 0);
    ctx->argv[0] = "HGET";
    ctx->argv[1] = ctx->key;
    ctx->argv[2] = "id";

    return ngx_http_scim_ask(ctx, 3, ngx_http_scim_unknown_reply);
}


static ngx_int_t
ngx_http_scim_unknown_reply(ngx_http_scim_ctx_t *ctx,
    const scim_reply_t *reply)
{
    scim_text_t  dataset;

    dataset = ngx_http_scim_redis_dataset();

    if (reply->type != SCIM_REPLY_STRING || dataset.len == 0
        || reply->len != dataset.len
        || ngx_memcmp(reply->text, dataset.text, dataset.len) != 0)
    {
        ngx_http_scim_redis_doubt();

        return ngx_http_scim_unavailable(ctx,
                                         "the store lacks the data set");
    }

    ngx_http_scim_auth_remember(ctx, 0);

    return ngx_http_scim_unauthorized(ctx);
}


ngx_int_t
ngx_http_scim_unauthorized(ngx_http_scim_ctx_t *ctx)
{
    return ngx_http_scim_reply_error(ctx, NGX_HTTP_UNAUTHORIZED,
                                     "a valid bearer token is needed");
}
