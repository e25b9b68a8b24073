#include "ngx_http_scim_metrics_apps.h"

#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis.h"
#include "ngx_http_scim_reply.h"
#include "ngx_http_scim_wait.h"
#include "scim_embedded.h"
#include "scim_key.h"
#include "scim_revoke.h"

#define NGX_HTTP_SCIM_APPS_KEPT  5000      /* ms */
#define NGX_HTTP_SCIM_APPS_WAIT  250       /* ms, for one shard */
#define NGX_HTTP_SCIM_APPS_REST  1000      /* ms, until Redis is asked again */
#define NGX_HTTP_SCIM_APPS_ARGC  7
#define NGX_HTTP_SCIM_APPS_MAX   (64 * 1024 * 1024)


/* One walk over the shards. */
typedef struct ngx_http_scim_apps_s {
    scim_app_metrics_t  metrics;
    scim_command_t      command;
    const char         *argv[NGX_HTTP_SCIM_APPS_ARGC];
    size_t              argv_len[NGX_HTTP_SCIM_APPS_ARGC];
    char                key[SCIM_KEY_MAX];
    ngx_uint_t          shard;
} ngx_http_scim_apps_t;


static ngx_int_t ngx_http_scim_apps_next(ngx_http_scim_ctx_t *ctx);


/* what the last walk of this worker brought */
static scim_buffer_t  ngx_http_scim_apps_text;
static ngx_msec_t     ngx_http_scim_apps_until;
static ngx_uint_t     ngx_http_scim_apps_known;
static ngx_msec_t     ngx_http_scim_apps_rest;    /* until then, if hung */
static ngx_uint_t     ngx_http_scim_apps_hung;


static void
ngx_http_scim_apps_cleanup(void *data)
{
    ngx_http_scim_apps_t  *apps = data;

    scim_app_metrics_free(&apps->metrics);
}


void
ngx_http_scim_metrics_apps_stop(void)
{
    scim_buffer_free(&ngx_http_scim_apps_text);
    ngx_http_scim_apps_known = 0;
}


static ngx_int_t
ngx_http_scim_apps_reply(ngx_http_scim_ctx_t *ctx, ngx_uint_t known)
{
    scim_buffer_t  *body = &ctx->response.body;

    ctx->response.status = NGX_HTTP_OK;
    ctx->response.content_type = "text/plain; version=0.0.4";

    ngx_http_scim_metrics_render(body);

    scim_buffer_printf(body, "# HELP scim_apps_known What Redis knows of the "
                       "apps is on this page.\n# TYPE scim_apps_known gauge\n"
                       "scim_apps_known %d\n", known ? 1 : 0);

    if (known) {
        scim_buffer_append(body, ngx_http_scim_apps_text.data,
                           ngx_http_scim_apps_text.len);
    }

    return ngx_http_scim_reply(ctx, &ctx->response);
}


static ngx_int_t
ngx_http_scim_apps_done(ngx_http_scim_ctx_t *ctx, ngx_http_scim_apps_t *apps)
{
    scim_buffer_t  *text = &ngx_http_scim_apps_text;

    scim_buffer_free(text);
    scim_buffer_init(text, NGX_HTTP_SCIM_APPS_MAX);
    scim_app_metrics_write(&apps->metrics, text);

    ngx_http_scim_apps_until = ngx_current_msec + NGX_HTTP_SCIM_APPS_KEPT;
    ngx_http_scim_apps_known = !scim_buffer_failed(text);

    return ngx_http_scim_apps_reply(ctx, ngx_http_scim_apps_known);
}


static void
ngx_http_scim_apps_answered(ngx_http_scim_wait_t *wait,
    const scim_reply_t *reply)
{
    ngx_int_t              rc;
    ngx_http_scim_ctx_t   *ctx;
    ngx_http_scim_apps_t  *apps;

    ctx = ngx_http_scim_arrived(wait);
    apps = ctx->apps;

    if (reply == NULL || !scim_reply_is(reply, "OK")) {
        rc = ngx_http_scim_apps_reply(ctx, 0);

    } else {
        scim_app_metrics_add(&apps->metrics, reply);
        apps->shard++;
        rc = ngx_http_scim_apps_next(ctx);
    }

    ngx_http_scim_resume(ctx, rc);
}


/*
 * A Redis that hangs is what the page is looked at for: it comes without what
 * Redis knows then, long before a request would be given up.
 */
static void
ngx_http_scim_apps_give_up(ngx_event_t *ev)
{
    ngx_http_scim_ctx_t  *ctx = ev->data;

    ngx_http_scim_apps_hung = 1;
    ngx_http_scim_apps_rest = ngx_current_msec + NGX_HTTP_SCIM_APPS_REST;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);
    ngx_http_scim_stop_waiting(ctx);
    ngx_http_scim_resume(ctx, ngx_http_scim_apps_reply(ctx, 0));
}


static ngx_int_t
ngx_http_scim_apps_next(ngx_http_scim_ctx_t *ctx)
{
    const char            *why;
    ngx_http_scim_apps_t  *apps = ctx->apps;

    if (apps->shard >= ngx_http_scim_redis_shards()) {
        return ngx_http_scim_apps_done(ctx, apps);
    }

    apps->argv_len[3] = scim_key_events(apps->key, apps->shard);

    if (ngx_http_scim_send(ctx, &apps->command, 0,
                           ngx_http_scim_apps_answered, &why)
        != NGX_OK)
    {
        return ngx_http_scim_apps_reply(ctx, 0);
    }

    ctx->timer.handler = ngx_http_scim_apps_give_up;
    ngx_add_timer(&ctx->timer, NGX_HTTP_SCIM_APPS_WAIT);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_scim_apps_start(ngx_http_scim_ctx_t *ctx)
{
    ngx_uint_t             i;
    ngx_pool_cleanup_t    *cln;
    ngx_http_scim_apps_t  *apps;
    static const char     *words[] = { "FCALL_RO",
                                       SCIM_FUNCTION_PREFIX "metrics", "1",
                                       "", "", "", "0" };

    cln = ngx_pool_cleanup_add(ctx->request->pool,
                               sizeof(ngx_http_scim_apps_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    apps = cln->data;
    ngx_memzero(apps, sizeof(ngx_http_scim_apps_t));
    scim_app_metrics_init(&apps->metrics);
    cln->handler = ngx_http_scim_apps_cleanup;

    for (i = 0; i < NGX_HTTP_SCIM_APPS_ARGC; i++) {
        apps->argv[i] = words[i];
        apps->argv_len[i] = ngx_strlen(words[i]);
    }

    apps->argv[3] = apps->key;
    apps->command.argc = NGX_HTTP_SCIM_APPS_ARGC;
    apps->command.argv = apps->argv;
    apps->command.argv_len = apps->argv_len;
    ctx->apps = apps;

    return ngx_http_scim_apps_next(ctx);
}


ngx_int_t
ngx_http_scim_metrics_page(ngx_http_scim_ctx_t *ctx)
{
    if (ngx_http_scim_apps_known
        && (ngx_msec_int_t) (ngx_http_scim_apps_until - ngx_current_msec) > 0)
    {
        return ngx_http_scim_apps_reply(ctx, 1);
    }

    if (ngx_http_scim_apps_hung
        && (ngx_msec_int_t) (ngx_http_scim_apps_rest - ngx_current_msec) > 0)
    {
        return ngx_http_scim_apps_reply(ctx, 0);
    }

    ngx_http_scim_apps_hung = 0;

    if (ngx_http_scim_redis_trouble() || ngx_http_scim_redis_shards() == 0) {
        return ngx_http_scim_apps_reply(ctx, 0);
    }

    return ngx_http_scim_apps_start(ctx);
}
