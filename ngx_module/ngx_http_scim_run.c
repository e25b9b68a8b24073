#include "ngx_http_scim_run.h"

#include "ngx_http_scim_context.h"
#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_reply.h"
#include "ngx_http_scim_wait.h"
#include "scim_join.h"


static ngx_int_t ngx_http_scim_advance(ngx_http_scim_ctx_t *ctx,
    scim_step_t step);
static void ngx_http_scim_turn(ngx_event_t *ev);


ngx_int_t
ngx_http_scim_run(ngx_http_scim_ctx_t *ctx)
{
    unsigned         shards;
    scim_service_t  *service = &ctx->conf->service;

    ctx->scim.dataset = ngx_http_scim_redis_dataset();

    if (ctx->scim.dataset.len == 0) {
        return ngx_http_scim_unavailable(ctx, "the store holds no data set");
    }

    shards = ngx_http_scim_redis_shards();
    if (shards) {
        service->shard_count = shards;  /* this worker's copy */
    }

    /* from now on, however long the body took */
    ngx_http_scim_set_time(ctx);

    switch (ctx->conf->kind) {

    case NGX_HTTP_SCIM_ADMIN:
        ctx->operation = scim_admin_operation_new(service, &ctx->scim);
        break;

    case NGX_HTTP_SCIM_JOIN:
        ctx->operation = scim_join_operation_new(service, &ctx->scim);
        break;

    default:
        ctx->operation = scim_operation_new(service, &ctx->scim);
    }

    if (ctx->operation == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_scim_advance(ctx, scim_operation_start(ctx->operation));
}


static void
ngx_http_scim_operation_reply(ngx_http_scim_wait_t *wait,
    const scim_reply_t *reply)
{
    scim_step_t           step;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_http_scim_arrived(wait);

    /* a further command has as much time as the first had */
    ngx_http_scim_set_time(ctx);

    if (reply == NULL) {
        if (!wait->late) {
            ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_LOST);
        }

        step = scim_operation_lost(ctx->operation, wait->command,
                                   ngx_http_scim_no_reply(wait));
        ngx_http_scim_resume(ctx, ngx_http_scim_advance(ctx, step));
        return;
    }

    if (scim_reply_is_bug(reply)) {
        /* the texts of Redis' errors hold no input */
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "redis refused a command: \"%*s\"", reply->len,
                      reply->text);
    }

    if (scim_reply_is(reply, "DATASET")) {
        ngx_http_scim_redis_doubt();
    }

    step = scim_operation_reply(ctx->operation, wait->command, reply);
    ngx_http_scim_resume(ctx, ngx_http_scim_advance(ctx, step));
}


/*
 * Sends what the operation has.  What cannot be sent now waits for the next
 * event while others of the same request are under way.
 */
static scim_step_t
ngx_http_scim_send_commands(ngx_http_scim_ctx_t *ctx, scim_step_t step)
{
    const char      *why;
    scim_command_t  *command;

    while (step != SCIM_STEP_DONE) {
        command = ctx->held ? ctx->held
                            : scim_operation_command(ctx->operation);
        ctx->held = NULL;

        if (command == NULL) {
            break;
        }

        if (ngx_http_scim_send(ctx, command, ctx->operation->parts != NULL,
                               ngx_http_scim_operation_reply, &why)
            == NGX_OK)
        {
            continue;
        }

        if (!ngx_queue_empty(&ctx->waits)) {
            ctx->held = command;
            break;
        }

        ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_REFUSED);
        step = scim_operation_lost(ctx->operation, command, why);
    }

    return step;
}


static ngx_int_t
ngx_http_scim_advance(ngx_http_scim_ctx_t *ctx, scim_step_t step)
{
    step = ngx_http_scim_send_commands(ctx, step);

    if (step == SCIM_STEP_DONE) {
        /* what was refused was not normalized */
    if (ctx->operation->response.status < NGX_HTTP_BAD_REQUEST) {
        ngx_http_scim_count_lenient(&ctx->operation->lenient);
    }

        return ngx_http_scim_reply(ctx, &ctx->operation->response);
    }

    if (step == SCIM_STEP_YIELD && !ctx->turn.posted) {
        ngx_http_scim_yield(ctx, ngx_http_scim_turn);
    }

    return NGX_DONE;
}


static void
ngx_http_scim_turn(ngx_event_t *ev)
{
    scim_step_t           step;
    ngx_http_scim_ctx_t  *ctx = ev->data;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);
    ngx_http_scim_set_time(ctx);

    step = scim_operation_continue(ctx->operation);
    ngx_http_scim_resume(ctx, ngx_http_scim_advance(ctx, step));
}
