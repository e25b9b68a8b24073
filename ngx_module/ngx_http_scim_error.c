#include "ngx_http_scim_error.h"

#include "ngx_http_scim_context.h"
#include "ngx_http_scim_reply.h"


typedef struct {
    ngx_int_t  status;
    ngx_int_t  overwrite;
} ngx_http_scim_error_page_t;


static ngx_int_t ngx_http_scim_push_error_pages(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri,
    const ngx_http_scim_error_page_t *pages, ngx_uint_t n);
static ngx_int_t ngx_http_scim_forget_length(ngx_http_request_t *r);
static ngx_int_t ngx_http_scim_error_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_scim_meant_for_us(ngx_http_request_t *r,
    ngx_str_t *prefix);
static u_char *ngx_http_scim_behind_method(u_char *p, u_char *end);
static ngx_uint_t ngx_http_scim_without_tls(ngx_http_request_t *r);
static ngx_int_t ngx_http_scim_error_reply(ngx_http_scim_ctx_t *ctx);


/* what nginx answers once it knows the location */

static const ngx_http_scim_error_page_t  ngx_http_scim_location_errors[] = {
    { 400, 400 }, { 401, 401 }, { 403, 403 }, { 404, 404 }, { 405, 405 },
    { 408, 408 }, { 409, 409 }, { 411, 411 }, { 412, 412 }, { 413, 413 },
    { 414, 414 }, { 415, 415 }, { 416, 416 }, { 421, 421 }, { 429, 429 },
    { 431, 431 }, { 500, 500 }, { 501, 501 }, { 502, 502 }, { 503, 503 },
    { 504, 504 }, { 505, 505 }, { 507, 507 }
};

/*
 * and before, from the request line, the headers and the connection; 494 and
 * those behind it (certificates, no TLS) are nginx' own
 */

static const ngx_http_scim_error_page_t  ngx_http_scim_server_errors[] = {
    { 400, 400 }, { 405, 405 }, { 414, 414 }, { 421, 421 }, { 494, 431 },
    { 495, 400 }, { 496, 400 }, { 497, 400 }, { 501, 501 }, { 505, 505 }
};


ngx_int_t
ngx_http_scim_take_error_pages(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_uint_t server)
{
    ngx_http_core_srv_conf_t  *cscf;

    if (clcf->name.len == 0 || clcf->name.data[0] != '/') {
        return NGX_OK;
    }

    if (server) {
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

        if (ngx_http_scim_push_error_pages(cf,
                cscf->ctx->loc_conf[ngx_http_core_module.ctx_index],
                &clcf->name, ngx_http_scim_server_errors,
                sizeof(ngx_http_scim_server_errors)
                / sizeof(ngx_http_scim_server_errors[0]))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_scim_push_error_pages(cf, clcf, &clcf->name,
               ngx_http_scim_location_errors,
               sizeof(ngx_http_scim_location_errors)
               / sizeof(ngx_http_scim_location_errors[0]));
}


static ngx_int_t
ngx_http_scim_push_error_pages(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_str_t *uri, const ngx_http_scim_error_page_t *pages, ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_http_err_page_t  *page;

    if (clcf->error_pages == NULL) {
        clcf->error_pages = ngx_array_create(cf->pool, n, sizeof(*page));
        if (clcf->error_pages == NULL) {
            return NGX_ERROR;
        }
    }

    /* an error_page that stands before ours wins */

    for (i = 0; i < n; i++) {
        page = ngx_array_push(clcf->error_pages);
        if (page == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(page, sizeof(*page));
        page->status = pages[i].status;
        page->overwrite = pages[i].overwrite;
        page->value.value = *uri;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_scim_error_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_scim_forget_length;

    /*
     * in front of the location's own `return`, which would answer the error
     * page once more: the handler that comes last is called first
     */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_scim_error_handler;

    return NGX_OK;
}


/*
 * A body that is too large is found once more on the way to the error page,
 * unless it is being discarded; over HTTP/2 nginx passes over it without
 * saying so, and would answer the second 413 with its own page.
 */
static ngx_int_t
ngx_http_scim_forget_length(ngx_http_request_t *r)
{
    if (r->internal && r->error_page && !r->discard_body
        && r->err_status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE)
    {
        r->headers_in.content_length_n = -1;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_scim_error_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_scim_ctx_t       *ctx;
    ngx_http_scim_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);

    if (slcf->kind == NGX_HTTP_SCIM_NONE) {
        return NGX_DECLINED;
    }

    /* before limit_req and the like have something to say */
    ngx_http_scim_guard_log(r);

    if (!r->internal || !r->error_page
        || r->err_status < NGX_HTTP_BAD_REQUEST)
    {
        return NGX_DECLINED;
    }

    if (!ngx_http_scim_meant_for_us(r, &slcf->prefix)) {
        /* another location of the server: nginx' own page */
        return r->err_status;
    }

    ctx = ngx_http_scim_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_discard_request_body(r);

    rc = ngx_http_scim_error_reply(ctx);

    /* as the content phase would: the phases after this one do not run */
    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static u_char *
ngx_http_scim_behind_method(u_char *p, u_char *end)
{
    while (p < end && *p != ' ') {
        p++;
    }

    while (p < end && *p == ' ') {
        p++;
    }

    return p;
}


/* By the request line as it came: there may be no more of the request. */
static ngx_int_t
ngx_http_scim_meant_for_us(ngx_http_request_t *r, ngx_str_t *prefix)
{
    size_t   len;
    u_char  *p, *end;

    p = r->request_line.data;
    end = p + r->request_line.len;

    if (p == NULL && r->request_start) {
        /* one that nginx could not read to its end */
        p = r->request_start;
        end = r->header_in->last;
    }

    if (p == NULL) {
        /* HTTP/2 has none before all pseudo-headers are read */
        p = r->uri_start;
        end = r->uri_end;

    } else {
        p = ngx_http_scim_behind_method(p, end);
    }

    len = end - p;

    return len >= prefix->len
           && ngx_strncmp(p, prefix->data, prefix->len) == 0
           && (len == prefix->len || ngx_strlchr((u_char *) "/? ",
                   (u_char *) "/? " + 3, p[prefix->len]) != NULL);
}


/* Plain HTTP at a port of HTTPS. */
static ngx_uint_t
ngx_http_scim_without_tls(ngx_http_request_t *r)
{
#if (NGX_HTTP_SSL)
    return r->http_connection->ssl && r->connection->ssl == NULL;
#else
    return 0;
#endif
}


static ngx_int_t
ngx_http_scim_error_reply(ngx_http_scim_ctx_t *ctx)
{
    ngx_uint_t   status;
    const char  *detail;

    status = ctx->request->err_status;

    if (ngx_http_scim_without_tls(ctx->request)) {
        return ngx_http_scim_reply_error(ctx, status,
                                         "this port speaks HTTPS only");
    }

    switch (status) {

    case NGX_HTTP_FORBIDDEN:
        detail = "this server does not allow it";
        break;

    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
        detail = "the URI is too long";
        break;

    case 431:
        detail = "the request's headers are too large";
        break;

    case NGX_HTTP_REQUEST_TIME_OUT:
        detail = "the request took too long to arrive";
        break;

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return ngx_http_scim_too_large(ctx);

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        ctx->response.retry_after = SCIM_RETRY_AFTER;
        detail = "too many requests";
        break;

    default:
        detail = status < NGX_HTTP_INTERNAL_SERVER_ERROR
                 ? "this server does not understand the request"
                 : "this server failed";
    }

    return ngx_http_scim_reply_error(ctx, status, detail);
}
