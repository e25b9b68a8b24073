#include "ngx_http_scim_error.h"

#include "ngx_http_scim_context.h"
#include "ngx_http_scim_reply.h"


static ngx_int_t ngx_http_scim_error_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_scim_error_reply(ngx_http_scim_ctx_t *ctx);


ngx_int_t
ngx_http_scim_take_error_pages(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t            i;
    ngx_http_err_page_t  *page;

    static const ngx_int_t  statuses[] = {
        400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 415, 416, 421,
        429, 431, 500, 501, 502, 503, 504, 505, 507
    };

    if (clcf->name.len == 0 || clcf->name.data[0] != '/') {
        return NGX_OK;
    }

    if (clcf->error_pages == NULL) {
        clcf->error_pages = ngx_array_create(cf->pool,
            sizeof(statuses) / sizeof(statuses[0]),
            sizeof(ngx_http_err_page_t));
        if (clcf->error_pages == NULL) {
            return NGX_ERROR;
        }
    }

    /* an error_page of the location's own that stands before us wins */

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        page = ngx_array_push(clcf->error_pages);
        if (page == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(page, sizeof(*page));
        page->status = statuses[i];
        page->overwrite = statuses[i];
        page->value.value = clcf->name;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_scim_error_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_scim_error_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_scim_error_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_scim_ctx_t       *ctx;
    ngx_http_scim_loc_conf_t  *slcf;

    if (!r->internal || !r->error_page
        || r->err_status < NGX_HTTP_BAD_REQUEST)
    {
        return NGX_DECLINED;
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);

    if (slcf->kind == NGX_HTTP_SCIM_NONE) {
        return NGX_DECLINED;
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


static ngx_int_t
ngx_http_scim_error_reply(ngx_http_scim_ctx_t *ctx)
{
    ngx_uint_t   status;
    const char  *detail;

    status = ctx->request->err_status;

    switch (status) {

    case NGX_HTTP_FORBIDDEN:
        detail = "this server does not allow it";
        break;

    case NGX_HTTP_REQUEST_TIME_OUT:
        detail = "the request took too long to arrive";
        break;

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return ngx_http_scim_too_large(ctx);

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        ctx->response.retry_after = NGX_HTTP_SCIM_RETRY_AFTER;
        detail = "too many requests";
        break;

    default:
        detail = status < NGX_HTTP_INTERNAL_SERVER_ERROR
                 ? "this server does not understand the request"
                 : "this server failed";
    }

    return ngx_http_scim_reply_error(ctx, status, detail);
}
