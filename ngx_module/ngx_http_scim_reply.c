#include "ngx_http_scim_reply.h"

#include "ngx_http_scim_metrics.h"
#include "scim_admin.h"
#include "scim_join_page.h"


/* `value` is copied: an operation's response may be short-lived. */
static ngx_table_elt_t *
ngx_http_scim_add_header(ngx_http_scim_ctx_t *ctx, const char *name,
    const void *value, size_t len)
{
    u_char              *copy;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r = ctx->request;

    copy = ngx_pnalloc(r->pool, len);
    if (copy == NULL) {
        return NULL;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memcpy(copy, value, len);
    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = copy;
    h->value.len = len;
    h->lowcase_key = NULL;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


static ngx_int_t
ngx_http_scim_add_text(ngx_http_scim_ctx_t *ctx, const char *name,
    const char *value)
{
    if (value == NULL || value[0] == '\0') {
        return NGX_OK;
    }

    return ngx_http_scim_add_header(ctx, name, value, ngx_strlen(value))
           ? NGX_OK : NGX_ERROR;
}


/* A page that people see: its link is a secret and must not travel on. */
static ngx_int_t
ngx_http_scim_add_page_headers(ngx_http_scim_ctx_t *ctx)
{
    ngx_uint_t  i;

    static const char *const  headers[][2] = {
        { "Cache-Control", "no-store" },
        { "Referrer-Policy", "no-referrer" },
        { "Content-Security-Policy", SCIM_JOIN_POLICY },
        { "X-Frame-Options", "DENY" },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Robots-Tag", "noindex" }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_scim_add_text(ctx, headers[i][0], headers[i][1])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_scim_add_headers(ngx_http_scim_ctx_t *ctx,
    const scim_response_t *response)
{
    u_char              number[NGX_INT_T_LEN + 1];
    ngx_table_elt_t    *etag;

    if (ngx_http_scim_add_header(ctx, "X-Request-Id", ctx->transaction.data,
                                 ctx->transaction.len)
        == NULL)
    {
        return NGX_ERROR;
    }

    if (response->etag[0]) {
        /* filters that change the body must see it */
        etag = ngx_http_scim_add_header(ctx, "ETag", response->etag,
                                        ngx_strlen(response->etag));
        if (etag == NULL) {
            return NGX_ERROR;
        }
        ctx->request->headers_out.etag = etag;
    }

    number[0] = '\0';
    if (response->retry_after) {
        *ngx_sprintf(number, "%ui", (ngx_uint_t) response->retry_after) = '\0';
    }

    if (ngx_http_scim_add_text(ctx, "Location", response->location) != NGX_OK
        || ngx_http_scim_add_text(ctx, "Allow", response->allow) != NGX_OK
        || ngx_http_scim_add_text(ctx, "Set-Txn", response->transaction)
           != NGX_OK
        || ngx_http_scim_add_text(ctx, "Preference-Applied",
               response->preference)
           != NGX_OK
        || ngx_http_scim_add_text(ctx, "Retry-After", (char *) number)
           != NGX_OK
        || ngx_http_scim_add_text(ctx, "WWW-Authenticate",
               response->challenge ? "Bearer realm=\"scim\"" : NULL)
           != NGX_OK
        || (response->page
            && ngx_http_scim_add_page_headers(ctx) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_scim_reply(ngx_http_scim_ctx_t *ctx, const scim_response_t *response)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r = ctx->request;

    ngx_http_scim_count_request(ctx->conf->kind, response->status);

    r->headers_out.status = response->status;
    r->headers_out.content_length_n = response->body.len;

    if (response->status == NGX_HTTP_NO_CONTENT
        || response->status == NGX_HTTP_NOT_MODIFIED)
    {
        r->headers_out.content_length_n = -1;
        r->header_only = 1;

    } else if (response->content_type) {
        r->headers_out.content_type.data = (u_char *) response->content_type;
        r->headers_out.content_type.len = ngx_strlen(response->content_type);
        r->headers_out.content_type_len = r->headers_out.content_type.len;
    }

    /*
     * If-Match and If-None-Match were looked at before the operation: nginx'
     * filter would compare them with the version that came out of it.
     */
    r->disable_not_modified = 1;

    if (ngx_http_scim_add_headers(ctx, response) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (response->body.len == 0) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) response->body.data;
    b->last = b->pos + response->body.len;
    b->memory = 1;
    b->last_buf = r == r->main;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_scim_reply_error(ngx_http_scim_ctx_t *ctx, ngx_uint_t status,
    const char *detail)
{
    scim_error_t      error = { 0 };
    scim_response_t  *response = &ctx->response;

    scim_error_set(&error, status, SCIM_ERROR_NONE, "%s", detail);
    scim_buffer_reset(&response->body);

    if (ctx->conf->kind == NGX_HTTP_SCIM_RESOURCES) {
        scim_error_render(&error, &response->body);
        response->content_type = scim_media_type(ctx->scim.accept);

    } else if (ctx->conf->kind == NGX_HTTP_SCIM_JOIN) {
        scim_join_page_error(status, &response->body);
        response->content_type = SCIM_JOIN_MEDIA_TYPE;
        response->page = 1;

    } else {
        scim_admin_error_render(&error, &response->body);
        response->content_type = "application/json";
    }

    response->status = status;
    response->challenge = status == NGX_HTTP_UNAUTHORIZED;

    return ngx_http_scim_reply(ctx, response);
}
