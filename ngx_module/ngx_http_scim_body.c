#include "ngx_http_scim_body.h"

#include "ngx_http_scim_reply.h"


static void
ngx_http_scim_body_read(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_scim_module);

    if (!r->connection->read->timedout) {
        ctx->read_body(r);
        return;
    }

    r->keepalive = 0;
    rc = ngx_http_scim_reply_error(ctx, NGX_HTTP_REQUEST_TIME_OUT,
                                   "the request took too long to arrive");

    /* the reference that reading the body took */
    ngx_http_finalize_request(r, rc);
}


ngx_int_t
ngx_http_scim_read_body(ngx_http_scim_ctx_t *ctx,
    ngx_http_client_body_handler_pt handler)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r = ctx->request;

    rc = ngx_http_read_client_request_body(r, handler);

    if (rc == NGX_AGAIN) {
        /* it is still to come, and `handler` with it */
        ctx->read_body = r->read_event_handler;
        r->read_event_handler = ngx_http_scim_body_read;
    }

    return rc;
}


static u_char *
ngx_http_scim_body_read_file(u_char *p, ngx_buf_t *b)
{
    off_t    offset;
    ssize_t  n;

    for (offset = b->file_pos; offset < b->file_last; offset += n) {
        n = ngx_read_file(b->file, p, b->file_last - offset, offset);

        if (n == NGX_ERROR || n == 0) {
            return NULL;
        }

        p += n;
    }

    return p;
}


ngx_int_t
ngx_http_scim_body(ngx_http_request_t *r, size_t max, scim_text_t *body)
{
    u_char       *p;
    off_t         size;
    ngx_buf_t    *b;
    ngx_chain_t  *bufs, *cl;

    body->text = "";
    body->len = 0;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    bufs = r->request_body->bufs;
    size = 0;

    for (cl = bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > (off_t) max) {
        return NGX_DECLINED;
    }

    if (bufs->next == NULL && ngx_buf_in_memory(bufs->buf)) {
        body->text = (const char *) bufs->buf->pos;
        body->len = size;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->text = (const char *) p;
    body->len = size;

    for (cl = bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (b->in_file) {
            p = ngx_http_scim_body_read_file(p, b);
            if (p == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}
