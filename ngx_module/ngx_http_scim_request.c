#include "ngx_http_scim_request.h"

#include "ngx_http_scim_auth.h"
#include "ngx_http_scim_body.h"
#include "ngx_http_scim_context.h"
#include "ngx_http_scim_health.h"
#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_metrics_apps.h"
#include "ngx_http_scim_reply.h"
#include "ngx_http_scim_run.h"
#include "scim_join.h"


static ngx_int_t ngx_http_scim_route(ngx_http_scim_ctx_t *ctx);
static ngx_int_t ngx_http_scim_page(ngx_http_scim_ctx_t *ctx);
static void ngx_http_scim_body_handler(ngx_http_request_t *r);


static scim_text_t
ngx_http_scim_text(ngx_str_t *s)
{
    scim_text_t  text;

    text.text = s->len ? (const char *) s->data : "";
    text.len = s->len;

    return text;
}


static scim_text_t
ngx_http_scim_header(ngx_table_elt_t *h)
{
    static ngx_str_t  none = ngx_null_string;

    return ngx_http_scim_text(h ? &h->value : &none);
}


/* A form is small; whoever may not be known sends no more. */
static size_t
ngx_http_scim_body_max(ngx_http_scim_ctx_t *ctx)
{
    return ctx->conf->kind == NGX_HTTP_SCIM_JOIN ? SCIM_JOIN_BODY_MAX
                                                 : ctx->main_conf->body_limit;
}


/* What needs no token, and came without one: a wrong one is still refused. */
static ngx_uint_t
ngx_http_scim_public(ngx_http_scim_ctx_t *ctx)
{
    if (ctx->conf->kind != NGX_HTTP_SCIM_RESOURCES
        || ctx->request->headers_in.authorization)
    {
        return 0;
    }

    ctx->nobody = 1;

    return ngx_http_scim_route(ctx) == NGX_OK
           && scim_request_is_public(&ctx->scim);
}


ngx_int_t
ngx_http_scim_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_uint_t            status;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_http_scim_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->conf->kind == NGX_HTTP_SCIM_METRICS
        || ctx->conf->kind == NGX_HTTP_SCIM_HEALTH)
    {
        return ngx_http_scim_page(ctx);
    }

    status = 0;

    if (ctx->conf->kind != NGX_HTTP_SCIM_JOIN
        && ngx_http_scim_auth_precheck(ctx) != NGX_OK
        && !ngx_http_scim_public(ctx))
    {
        status = NGX_HTTP_UNAUTHORIZED;

    } else if (r->headers_in.content_length_n
               > (off_t) ngx_http_scim_body_max(ctx))
    {
        status = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    } else if (ngx_http_scim_route(ctx) != NGX_OK) {
        status = NGX_HTTP_NOT_FOUND;
    }

    if (status == 0) {
        r->request_body_in_single_buf = 1;
        rc = ngx_http_scim_read_body(ctx, ngx_http_scim_body_handler);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:
        return ngx_http_scim_unauthorized(ctx);

    case NGX_HTTP_NOT_FOUND:
        return ngx_http_scim_reply_error(ctx, status, "nothing is here");

    default:
        return ngx_http_scim_too_large(ctx);
    }
}


/* ---- what a request begins with ---- */

static scim_method_t
ngx_http_scim_method(ngx_http_request_t *r)
{
    switch (r->method) {
    case NGX_HTTP_GET:
        return SCIM_METHOD_GET;
    case NGX_HTTP_HEAD:
        return SCIM_METHOD_HEAD;
    case NGX_HTTP_POST:
        return SCIM_METHOD_POST;
    case NGX_HTTP_PUT:
        return SCIM_METHOD_PUT;
    case NGX_HTTP_PATCH:
        return SCIM_METHOD_PATCH;
    case NGX_HTTP_DELETE:
        return SCIM_METHOD_DELETE;
    case NGX_HTTP_OPTIONS:
        return SCIM_METHOD_OPTIONS;
    default:
        return SCIM_METHOD_OTHER;
    }
}


/*
 * All values of a header that nginx keeps no pointer to, with commas between
 * them: several are one list.  Into `out` where that is not NULL; answers the
 * length.
 */
static size_t
ngx_http_scim_join_header(ngx_http_request_t *r, ngx_str_t *name, u_char *out)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len != name->len
                || ngx_strncasecmp(h[i].key.data, name->data, name->len) != 0)
            {
                continue;
            }

            if (out && len) {
                out = ngx_cpymem(out, ", ", 2);
            }

            if (out) {
                out = ngx_cpymem(out, h[i].value.data, h[i].value.len);
            }

            len += h[i].value.len + (len ? 2 : 0);
        }
    }

    return len;
}


static scim_text_t
ngx_http_scim_other_header(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_str_t  value;

    value.len = ngx_http_scim_join_header(r, name, NULL);
    value.data = value.len ? ngx_pnalloc(r->pool, value.len) : NULL;

    if (value.data) {
        (void) ngx_http_scim_join_header(r, name, value.data);

    } else {
        value.len = 0;
    }

    return ngx_http_scim_text(&value);
}


/* A slash that was written as %2F belongs to an id; no id of ours has one. */
static ngx_int_t
ngx_http_scim_hidden_slash(ngx_str_t *uri)
{
    u_char  *p, *end;

    end = uri->data + uri->len;

    for (p = uri->data; p + 2 < end && *p != '?'; p++) {
        if (p[0] == '%' && p[1] == '2' && (p[2] | 0x20) == 'f') {
            return 1;
        }
    }

    return 0;
}


/* Method, path and headers; NGX_DECLINED when the path is not below us. */
static ngx_int_t
ngx_http_scim_route(ngx_http_scim_ctx_t *ctx)
{
    ngx_str_t            path, *prefix;
    scim_request_t      *scim = &ctx->scim;
    ngx_http_request_t  *r = ctx->request;

    static ngx_str_t     prefer = ngx_string("Prefer");

    /* the one decoded and merged path, the same that chose the location */
    path = r->uri;
    prefix = &ctx->conf->prefix;

    if (path.len < prefix->len
        || ngx_strncmp(path.data, prefix->data, prefix->len) != 0)
    {
        return NGX_DECLINED;
    }

    path.data += prefix->len;
    path.len -= prefix->len;

    if ((path.len && path.data[0] != '/')
        || ngx_http_scim_hidden_slash(&r->unparsed_uri))
    {
        return NGX_DECLINED;
    }

    scim->method = ngx_http_scim_method(r);
    scim->path = ngx_http_scim_text(&path);
    scim->query = ngx_http_scim_text(&r->args);
    scim_request_take_flag(scim);
    scim->content_type = ngx_http_scim_header(r->headers_in.content_type);
    scim->if_match = ngx_http_scim_header(r->headers_in.if_match);
    scim->if_none_match = ngx_http_scim_header(r->headers_in.if_none_match);
    scim->prefer = ngx_http_scim_other_header(r, &prefer);
    scim->principal = ctx->nobody ? NULL : &ctx->principal;
    scim->transaction = ngx_http_scim_text(&ctx->transaction);

    return NGX_OK;
}


/* ---- answers without an operation ---- */

ngx_int_t
ngx_http_scim_too_large(ngx_http_scim_ctx_t *ctx)
{
    u_char  detail[80];

    *ngx_snprintf(detail, sizeof(detail) - 1,
                  "the body is larger than %uz bytes (maxPayloadSize)",
                  ngx_http_scim_body_max(ctx)) = '\0';

    return ngx_http_scim_reply_error(ctx, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                     (char *) detail);
}


ngx_int_t
ngx_http_scim_unavailable(ngx_http_scim_ctx_t *ctx, const char *detail)
{
    ctx->response.retry_after = SCIM_RETRY_AFTER;

    return ngx_http_scim_reply_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     detail);
}


/* scim_health and scim_metrics */
static ngx_int_t
ngx_http_scim_page(ngx_http_scim_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r = ctx->request;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ctx->response.allow = "GET, HEAD";
        return ngx_http_scim_reply_error(ctx, NGX_HTTP_NOT_ALLOWED,
                                         "only GET and HEAD are served here");
    }

    rc = ctx->conf->kind == NGX_HTTP_SCIM_HEALTH
         ? ngx_http_scim_health(ctx) : ngx_http_scim_metrics_page(ctx);

    if (rc == NGX_DONE) {
        r->main->count++;   /* the wait's, spent when it ends */
    }

    return rc;
}


/* ---- body ---- */

static void
ngx_http_scim_body_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_scim_module);
    rc = ngx_http_scim_body(r, ngx_http_scim_body_max(ctx), &ctx->scim.body);

    switch (rc) {

    case NGX_OK:
        rc = ctx->conf->kind == NGX_HTTP_SCIM_JOIN
             || ctx->scim.principal == NULL
             ? ngx_http_scim_run(ctx) : ngx_http_scim_authenticate(ctx);
        break;

    case NGX_DECLINED:
        rc = ngx_http_scim_too_large(ctx);
        break;

    default:
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_DONE) {
        /* the reference that reading the body took */
        ngx_http_finalize_request(r, rc);
    }
}
