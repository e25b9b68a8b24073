#include "ngx_http_scim_health.h"

#include "ngx_http_scim_reply.h"
#include "ngx_http_scim_wait.h"


static ngx_int_t
ngx_http_scim_health_reply(ngx_http_scim_ctx_t *ctx, const scim_reply_t *reply)
{
    scim_response_t  *response = &ctx->response;

    if (reply->type != SCIM_REPLY_STRING) {
        /* PING too fails when Redis loads or cannot write to its disk */
        return ngx_http_scim_unavailable(ctx, "the store is not ready");
    }

    response->status = NGX_HTTP_OK;
    response->content_type = "application/json";
    scim_buffer_append_text(&response->body, "{\"status\":\"ok\"}");

    return ngx_http_scim_reply(ctx, response);
}


ngx_int_t
ngx_http_scim_health(ngx_http_scim_ctx_t *ctx)
{
    const char  *trouble;

    trouble = ngx_http_scim_redis_trouble();

    if (trouble) {
        return ngx_http_scim_unavailable(ctx, trouble);
    }

    ctx->argv[0] = "PING";

    return ngx_http_scim_ask(ctx, 1, ngx_http_scim_health_reply);
}
