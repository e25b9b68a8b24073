#include "ngx_http_scim_reply.h"

#include "ngx_http_scim_metrics.h"
#include "scim_admin.h"


static ngx_int_t
ngx_http_scim_add_header(ngx_http_request_t *r, const char *name,
    const u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.len = len;
    h->value.data = ngx_pnalloc(r->pool, len);
    if (h->value.data == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(h->value.data, value, len);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_scim_add_text(ngx_http_request_t *r, const char *name,
    const char *value)
{
    return ngx_http_scim_add_header(r, name, (u_char *) value,
                                    ngx_strlen(value));
}


static ngx_int_t
ngx_http_scim_add_headers(ngx_http_request_t *r,
    const scim_response_t *response, ngx_str_t *transaction)
{
    u_char  number[NGX_INT_T_LEN], *last;

    if (transaction->len
        && ngx_http_scim_add_header(r, "X-Request-Id", transaction->data,
                                    transaction->len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (response->etag[0]
        && ngx_http_scim_add_text(r, "ETag", response->etag) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (response->location[0]
        && ngx_http_scim_add_text(r, "Location", response->location) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (response->allow
        && ngx_http_scim_add_text(r, "Allow", response->allow) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (response->challenge
        && ngx_http_scim_add_text(r, "WWW-Authenticate",
                                  "Bearer realm=\"scim\"")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (response->retry_after) {
        last = ngx_sprintf(number, "%ui", (ngx_uint_t) response->retry_after);
        if (ngx_http_scim_add_header(r, "Retry-After", number, last - number)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_scim_reply(ngx_http_request_t *r, const scim_response_t *response,
    ngx_str_t *transaction)
{
    ngx_int_t                  rc;
    ngx_buf_t                 *b;
    ngx_chain_t                out;
    ngx_http_scim_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);
    ngx_http_scim_count_request(slcf->kind, response->status);

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

    if (ngx_http_scim_add_headers(r, response, transaction) != NGX_OK) {
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


static void
ngx_http_scim_free_buffer(void *data)
{
    scim_buffer_free(data);
}


ngx_int_t
ngx_http_scim_reply_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, ngx_uint_t retry_after, ngx_str_t *transaction)
{
    scim_error_t               error = { 0 };
    scim_response_t           *response;
    ngx_pool_cleanup_t        *cleanup;
    ngx_http_scim_loc_conf_t  *slcf;

    cleanup = ngx_pool_cleanup_add(r->pool, 0);
    response = ngx_pcalloc(r->pool, sizeof(*response));
    if (cleanup == NULL || response == NULL) {
        return NGX_ERROR;
    }

    scim_buffer_init(&response->body, 4096);
    cleanup->handler = ngx_http_scim_free_buffer;
    cleanup->data = &response->body;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);
    scim_error_set(&error, status, SCIM_ERROR_NONE, "%s", detail);

    if (slcf->kind == NGX_HTTP_SCIM_ADMIN) {
        scim_admin_error_render(&error, &response->body);
        response->content_type = "application/json";

    } else {
        scim_error_render(&error, &response->body);
        response->content_type = "application/scim+json";
    }

    response->status = status;
    response->retry_after = retry_after;
    response->challenge = status == NGX_HTTP_UNAUTHORIZED;

    return ngx_http_scim_reply(r, response, transaction);
}
