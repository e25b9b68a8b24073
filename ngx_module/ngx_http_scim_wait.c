#include "ngx_http_scim_wait.h"

#include "ngx_http_scim_metrics.h"


static void ngx_http_scim_timeout(ngx_event_t *ev);


/* One timer for all: each has the same time, so the oldest is due first. */
static void
ngx_http_scim_set_timer(ngx_http_scim_ctx_t *ctx)
{
    ngx_msec_t             wait;
    ngx_queue_t           *q;
    ngx_msec_int_t         left;
    ngx_http_scim_wait_t  *oldest;

    wait = ctx->main_conf->redis_timeout;

    if (!ngx_queue_empty(&ctx->waits)) {
        q = ngx_queue_head(&ctx->waits);
        oldest = ngx_queue_data(q, ngx_http_scim_wait_t, queue);
        left = (ngx_msec_int_t) (oldest->until - ngx_current_msec);
        wait = ngx_max(left, 0);
    }

    ctx->timer.handler = ngx_http_scim_timeout;
    ctx->timer.data = ctx;
    ctx->timer.log = ctx->request->connection->log;
    ngx_add_timer(&ctx->timer, wait);
}


static void
ngx_http_scim_waits(ngx_http_scim_ctx_t *ctx, const char *action)
{
    ngx_http_request_t  *r = ctx->request;

    if (!ctx->timer.timer_set) {
        ngx_http_scim_set_timer(ctx);
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->connection->log->action = (char *) action;
}


ngx_int_t
ngx_http_scim_send(ngx_http_scim_ctx_t *ctx, scim_command_t *command,
    ngx_uint_t more, ngx_http_scim_reply_pt handler, const char **why)
{
    ngx_queue_t           *q;
    ngx_http_scim_wait_t  *wait, *before;

    before = NULL;

    if (!ngx_queue_empty(&ctx->waits)) {
        q = ngx_queue_last(&ctx->waits);
        before = ngx_queue_data(q, ngx_http_scim_wait_t, queue);
    }

    wait = ngx_http_scim_redis_send(command, before, more, handler, ctx, why);
    if (wait == NULL) {
        return NGX_DECLINED;
    }

    wait->until = ngx_current_msec + ctx->main_conf->redis_timeout;
    ngx_queue_insert_tail(&ctx->waits, &wait->queue);
    ngx_http_scim_waits(ctx, "waiting for redis");

    return NGX_OK;
}


ngx_http_scim_ctx_t *
ngx_http_scim_arrived(ngx_http_scim_wait_t *wait)
{
    ngx_http_scim_ctx_t  *ctx = wait->data;

    ngx_queue_remove(&wait->queue);

    if (ngx_queue_empty(&ctx->waits) && !ctx->turn.posted
        && ctx->timer.timer_set)
    {
        ngx_del_timer(&ctx->timer);
    }

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    return ctx;
}


const char *
ngx_http_scim_no_reply(const ngx_http_scim_wait_t *wait)
{
    if (wait->late) {
        return "the store did not answer in time";
    }

    return "the connection to the store was lost; what came of the request is "
           "unknown";
}


void
ngx_http_scim_resume(ngx_http_scim_ctx_t *ctx, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (rc == NGX_DONE) {
        return;         /* it waits again */
    }

    r = ctx->request;
    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/* ---- a command of the glue's own ---- */

static void
ngx_http_scim_asked(ngx_http_scim_wait_t *wait, const scim_reply_t *reply)
{
    ngx_int_t             rc;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_http_scim_arrived(wait);

    if (reply) {
        rc = ctx->next(ctx, reply);

    } else {
        if (!wait->late) {
            ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_LOST);
        }

        rc = ngx_http_scim_unavailable(ctx, ngx_http_scim_no_reply(wait));
    }

    ngx_http_scim_resume(ctx, rc);
}


ngx_int_t
ngx_http_scim_ask(ngx_http_scim_ctx_t *ctx, ngx_uint_t argc,
    ngx_http_scim_next_pt next)
{
    ngx_uint_t   i;
    const char  *why;

    for (i = 0; i < argc; i++) {
        ctx->argv_len[i] = ngx_strlen(ctx->argv[i]);
    }

    ctx->command.argc = argc;
    ctx->command.argv = ctx->argv;
    ctx->command.argv_len = ctx->argv_len;
    ctx->next = next;

    if (ngx_http_scim_send(ctx, &ctx->command, 0, ngx_http_scim_asked, &why)
        != NGX_OK)
    {
        ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_REFUSED);
        return ngx_http_scim_unavailable(ctx, why);
    }

    return NGX_DONE;
}


/* ---- timers ---- */

void
ngx_http_scim_yield(ngx_http_scim_ctx_t *ctx, ngx_event_handler_pt handler)
{
    ctx->turn.handler = handler;
    ctx->turn.data = ctx;
    ctx->turn.log = ctx->request->connection->log;

    /* not ngx_posted_events: those run before anybody else does */
    ngx_post_event(&ctx->turn, &ngx_posted_next_events);

    ngx_http_scim_waits(ctx, "working on the request");
}


static void
ngx_http_scim_timeout(ngx_event_t *ev)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_http_scim_ctx_t   *ctx = ev->data;
    ngx_http_scim_wait_t  *wait, *oldest;

    n = 0;

    for (q = ngx_queue_head(&ctx->waits);
         q != ngx_queue_sentinel(&ctx->waits);
         q = ngx_queue_next(q))
    {
        wait = ngx_queue_data(q, ngx_http_scim_wait_t, queue);

        if ((ngx_msec_int_t) (wait->until - ngx_current_msec) > 0) {
            break;
        }

        n++;
    }

    if (!ngx_queue_empty(&ctx->waits) || ctx->turn.posted) {
        ngx_http_scim_set_timer(ctx);
    }

    oldest = NULL;

    /* the last may end the request, none before it does */
    while (n--) {
        q = ngx_queue_head(&ctx->waits);
        wait = ngx_queue_data(q, ngx_http_scim_wait_t, queue);
        oldest = oldest ? oldest : wait;
        wait->late = 1;
        wait->handler(wait, NULL);
        ngx_http_scim_redis_forget(wait);
    }

    if (oldest) {
        /* last, as it may answer others too; the wait is the callback's */
        ngx_http_scim_redis_timed_out(oldest);
    }
}


void
ngx_http_scim_stop_waiting(ngx_http_scim_ctx_t *ctx)
{
    ngx_queue_t           *q;
    ngx_http_scim_wait_t  *wait;

    while (!ngx_queue_empty(&ctx->waits)) {
        q = ngx_queue_head(&ctx->waits);
        ngx_queue_remove(q);
        wait = ngx_queue_data(q, ngx_http_scim_wait_t, queue);
        ngx_http_scim_redis_forget(wait);
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->turn.posted) {
        ngx_delete_posted_event(&ctx->turn);
    }
}
