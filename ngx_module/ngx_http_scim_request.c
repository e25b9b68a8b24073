#include "ngx_http_scim_module.h"

#include <openssl/rand.h>

#include "ngx_http_scim_auth.h"
#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis.h"
#include "ngx_http_scim_reply.h"
#include "scim_key.h"
#include "scim_token.h"
#include "scim_uuid.h"

#define NGX_HTTP_SCIM_TRANSACTION_MAX  128


/*
 * One request.  It waits for at most one reply: `wait` is set exactly while it
 * does, and so is the timer.  ctx->wait and wait->data point at each other;
 * whoever goes first clears the other's pointer.
 */
typedef struct {
    ngx_http_request_t    *request;
    ngx_http_scim_wait_t  *wait;
    ngx_event_t            timer;
    ngx_str_t              transaction;
    scim_service_t         service;
    scim_request_t         scim;
    scim_principal_t       principal;
    scim_operation_t      *operation;
    scim_command_t         auth_command;
    const char            *auth_argv[2];
    size_t                 auth_argv_len[2];
    size_t                 token_key_len;
    char                   token_key[SCIM_KEY_MAX];
} ngx_http_scim_ctx_t;


static void ngx_http_scim_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_scim_authenticate(ngx_http_scim_ctx_t *ctx);
static ngx_int_t ngx_http_scim_run(ngx_http_scim_ctx_t *ctx);
static ngx_int_t ngx_http_scim_advance(ngx_http_scim_ctx_t *ctx,
    scim_step_t step);
static ngx_int_t ngx_http_scim_wait(ngx_http_scim_ctx_t *ctx,
    const scim_command_t *command, ngx_http_scim_reply_pt handler);


static void
ngx_http_scim_detach(void *data)
{
    ngx_http_scim_ctx_t  *ctx = data;

    if (ctx->wait) {
        ngx_http_scim_redis_forget(ctx->wait);
        ctx->wait = NULL;
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }
}


static void
ngx_http_scim_free_operation(void *data)
{
    ngx_http_scim_ctx_t  *ctx = data;

    scim_operation_free(ctx->operation);
}


/* What the client calls its request, when that is fit to print. */
static ngx_int_t
ngx_http_scim_transaction(ngx_http_request_t *r, ngx_http_scim_ctx_t *ctx)
{
    u_char            c;
    ngx_uint_t        i, j;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len != sizeof("X-Request-Id") - 1
                || ngx_strcasecmp(h[i].key.data, (u_char *) "X-Request-Id")
                   != 0
                || h[i].value.len == 0
                || h[i].value.len > NGX_HTTP_SCIM_TRANSACTION_MAX)
            {
                continue;
            }

            for (j = 0; j < h[i].value.len; j++) {
                c = h[i].value.data[j];
                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                      || (c >= '0' && c <= '9') || c == '-' || c == '_'
                      || c == '.' || c == ':'))
                {
                    break;
                }
            }

            if (j == h[i].value.len) {
                ctx->transaction = h[i].value;
                return NGX_OK;
            }
        }
    }

    ctx->transaction.data = ngx_pnalloc(r->pool, SCIM_UUID_LEN + 1);
    if (ctx->transaction.data == NULL) {
        return NGX_ERROR;
    }

    scim_uuid_v7(ctx->scim.now, ctx->scim.random + 54,
                 (char *) ctx->transaction.data);
    ctx->transaction.len = SCIM_UUID_LEN;

    return NGX_OK;
}


static ngx_http_scim_ctx_t *
ngx_http_scim_create_ctx(ngx_http_request_t *r)
{
    ngx_time_t           *tp;
    ngx_http_cleanup_t   *cleanup;
    ngx_pool_cleanup_t   *pool_cleanup;
    ngx_http_scim_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(*ctx));
    cleanup = ngx_http_cleanup_add(r, 0);
    pool_cleanup = ngx_pool_cleanup_add(r->pool, 0);
    if (ctx == NULL || cleanup == NULL || pool_cleanup == NULL) {
        return NULL;
    }

    ctx->request = r;
    cleanup->handler = ngx_http_scim_detach;
    cleanup->data = ctx;
    pool_cleanup->handler = ngx_http_scim_free_operation;
    pool_cleanup->data = ctx;

    tp = ngx_timeofday();
    ctx->scim.now = (int64_t) tp->sec * 1000 + tp->msec;
    if (RAND_bytes(ctx->scim.random, sizeof(ctx->scim.random)) != 1
        || ngx_http_scim_transaction(r, ctx) != NGX_OK)
    {
        return NULL;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_scim_module);

    return ctx;
}


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


static scim_text_t
ngx_http_scim_text(ngx_str_t *s)
{
    scim_text_t  text;

    text.text = (const char *) s->data;
    text.len = s->len;

    return text;
}


static scim_text_t
ngx_http_scim_header(ngx_table_elt_t *h)
{
    static ngx_str_t  none = ngx_null_string;

    return ngx_http_scim_text(h ? &h->value : &none);
}


#if (NGX_HTTP_HEADERS)
#define NGX_HTTP_SCIM_ACCEPT(r)  (r)->headers_in.accept
#else
/* without its modules nginx keeps no pointer to Accept */
#define NGX_HTTP_SCIM_ACCEPT(r)  NULL
#endif


static void
ngx_http_scim_fill_request(ngx_http_scim_ctx_t *ctx)
{
    ngx_str_t                   path;
    ngx_http_request_t         *r = ctx->request;
    ngx_http_scim_loc_conf_t   *slcf;
    ngx_http_scim_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);
    smcf = ngx_http_get_module_main_conf(r, ngx_http_scim_module);

    ctx->service.schemas = smcf->schemas;
    ctx->service.base_url = ngx_http_scim_text(&slcf->base_url);
    ctx->service.shard_count = SCIM_SHARD_COUNT_DEFAULT;
    ctx->service.body_max = smcf->body_limit;
    ctx->service.backlog_max = smcf->backlog_limit;
    ctx->service.page_size = 100;
    ctx->service.page_size_max = 200;
    ctx->service.scan_max = 10000;
    ctx->service.app_policy = smcf->policy;

    /* authentication and routing both stand on this one decoded path */
    path = r->uri;
    if (path.len >= slcf->prefix.len) {
        path.data += slcf->prefix.len;
        path.len -= slcf->prefix.len;
    }
    while (path.len > 1 && path.data[0] == '/' && path.data[1] == '/') {
        path.data++;
        path.len--;
    }

    ctx->scim.method = ngx_http_scim_method(r);
    ctx->scim.path = ngx_http_scim_text(&path);
    ctx->scim.query = ngx_http_scim_text(&r->args);
    ctx->scim.content_type =
        ngx_http_scim_header(r->headers_in.content_type);
    ctx->scim.accept = ngx_http_scim_header(NGX_HTTP_SCIM_ACCEPT(r));
    ctx->scim.if_match = ngx_http_scim_header(r->headers_in.if_match);
    ctx->scim.if_none_match =
        ngx_http_scim_header(r->headers_in.if_none_match);
    ctx->scim.principal = &ctx->principal;
    ctx->scim.transaction = ngx_http_scim_text(&ctx->transaction);
}


static ngx_int_t
ngx_http_scim_page(ngx_http_request_t *r, ngx_http_scim_ctx_t *ctx)
{
    ngx_int_t            rc;
    scim_response_t     *response;
    ngx_pool_cleanup_t  *cleanup;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    response = ngx_pcalloc(r->pool, sizeof(*response));
    cleanup = ngx_pool_cleanup_add(r->pool, 0);
    if (response == NULL || cleanup == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    scim_buffer_init(&response->body, 1 << 20);
    cleanup->handler = (ngx_pool_cleanup_pt) scim_buffer_free;
    cleanup->data = &response->body;
    response->status = NGX_HTTP_OK;
    response->content_type = "text/plain; version=0.0.4";
    ngx_http_scim_metrics_render(&response->body);

    return ngx_http_scim_reply(r, response, &ctx->transaction);
}


ngx_int_t
ngx_http_scim_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_scim_ctx_t        *ctx;
    ngx_http_scim_loc_conf_t   *slcf;
    ngx_http_scim_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);
    smcf = ngx_http_get_module_main_conf(r, ngx_http_scim_module);

    ctx = ngx_http_scim_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (smcf->schemas == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no scim_redis is configured");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (slcf->kind == NGX_HTTP_SCIM_METRICS) {
        return ngx_http_scim_page(r, ctx);
    }

    ngx_http_scim_fill_request(ctx);

    if (r->headers_in.content_length_n > (off_t) smcf->body_limit) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }
        return ngx_http_scim_reply_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "the body is larger than this "
                                         "service takes", 0,
                                         &ctx->transaction);
    }

    r->request_body_in_single_buf = 1;
    rc = ngx_http_read_client_request_body(r, ngx_http_scim_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* The body in one piece, wherever nginx put it. */
static ngx_int_t
ngx_http_scim_body(ngx_http_request_t *r, scim_text_t *body)
{
    u_char       *p;
    off_t         size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    body->text = "";
    body->len = 0;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;
    if (cl->next == NULL && !cl->buf->in_file) {
        body->text = (const char *) cl->buf->pos;
        body->len = cl->buf->last - cl->buf->pos;
        return NGX_OK;
    }

    size = 0;
    for ( /* void */ ; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    p = ngx_palloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->text = (const char *) p;
    body->len = size;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        while (b->file_pos < b->file_last) {
            n = ngx_read_file(b->file, p, b->file_last - b->file_pos,
                              b->file_pos);
            if (n <= 0) {
                return NGX_ERROR;
            }
            p += n;
            b->file_pos += n;
        }
    }

    return NGX_OK;
}


static void
ngx_http_scim_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_scim_ctx_t        *ctx;
    ngx_http_scim_main_conf_t  *smcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_scim_module);
    smcf = ngx_http_get_module_main_conf(r, ngx_http_scim_module);

    if (ngx_http_scim_body(r, &ctx->scim.body) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (ctx->scim.body.len > smcf->body_limit) {
        rc = ngx_http_scim_reply_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                       "the body is larger than this service "
                                       "takes", 0, &ctx->transaction);

    } else {
        rc = ngx_http_scim_authenticate(ctx);
    }

    /* NGX_DONE: it waits, and finalizes when the reply came */
    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* From any event but the client's own. */
static void
ngx_http_scim_resume(ngx_http_scim_ctx_t *ctx, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (rc == NGX_DONE) {
        return;
    }

    r = ctx->request;
    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_scim_unavailable(ngx_http_scim_ctx_t *ctx, const char *detail)
{
    return ngx_http_scim_reply_error(ctx->request,
                                     NGX_HTTP_SERVICE_UNAVAILABLE, detail, 2,
                                     &ctx->transaction);
}


static void
ngx_http_scim_timeout(ngx_event_t *ev)
{
    ngx_http_scim_ctx_t   *ctx = ev->data;
    ngx_http_scim_wait_t  *wait = ctx->wait;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    ctx->wait = NULL;
    ngx_http_scim_redis_timed_out(wait);
    ngx_http_scim_resume(ctx, ngx_http_scim_unavailable(ctx,
        "the store did not answer in time"));
}


static ngx_int_t
ngx_http_scim_wait(ngx_http_scim_ctx_t *ctx, const scim_command_t *command,
    ngx_http_scim_reply_pt handler)
{
    ngx_http_request_t         *r = ctx->request;
    ngx_http_scim_main_conf_t  *smcf;

    ctx->wait = ngx_http_scim_redis_send(command, handler, ctx);
    if (ctx->wait == NULL) {
        ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_REFUSED);
        return ngx_http_scim_unavailable(ctx, "the store cannot be reached");
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_scim_module);

    ctx->timer.handler = ngx_http_scim_timeout;
    ctx->timer.data = ctx;
    ctx->timer.log = r->connection->log;
    ngx_add_timer(&ctx->timer, smcf->redis_timeout);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->connection->log->action = "waiting for redis";

    return NGX_DONE;
}


/* Back from waiting: true when there is a reply to go on with. */
static ngx_uint_t
ngx_http_scim_arrived(ngx_http_scim_ctx_t *ctx, const scim_reply_t *reply)
{
    ctx->wait = NULL;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    if (reply) {
        return 1;
    }

    ngx_http_scim_resume(ctx, ngx_http_scim_unavailable(ctx,
        "the connection to the store was lost"));

    return 0;
}


static ngx_int_t
ngx_http_scim_unauthorized(ngx_http_scim_ctx_t *ctx)
{
    return ngx_http_scim_reply_error(ctx->request, NGX_HTTP_UNAUTHORIZED,
                                     "a valid bearer token is needed", 0,
                                     &ctx->transaction);
}


static void
ngx_http_scim_token_reply(void *data, const scim_reply_t *reply)
{
    bool                        known;
    ngx_int_t                   rc;
    scim_reply_t                error;
    ngx_http_scim_ctx_t        *ctx = data;
    ngx_http_scim_main_conf_t  *smcf;

    if (!ngx_http_scim_arrived(ctx, reply)) {
        return;
    }

    if (reply->type == SCIM_REPLY_ERROR) {
        error = *reply;
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "redis answered a token lookup with an error");
        ngx_http_scim_resume(ctx, ngx_http_scim_unavailable(ctx,
            error.len >= 7 && ngx_strncmp(error.text, "LOADING", 7) == 0
            ? "the store is starting" : "the store reported an error"));
        return;
    }

    smcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_scim_module);
    known = reply->type == SCIM_REPLY_STRING
            && scim_token_read(reply->text, reply->len, ctx->scim.now,
                               &ctx->principal);

    ngx_http_scim_auth_remember(ctx->token_key, ctx->token_key_len,
                                known ? &ctx->principal : NULL,
                                smcf->token_cache);

    rc = known ? ngx_http_scim_run(ctx) : ngx_http_scim_unauthorized(ctx);
    ngx_http_scim_resume(ctx, rc);
}


static void
ngx_http_scim_ping_reply(void *data, const scim_reply_t *reply)
{
    ngx_http_scim_ctx_t  *ctx = data;

    if (!ngx_http_scim_arrived(ctx, reply)) {
        return;
    }

    if (reply->type != SCIM_REPLY_INTEGER || reply->integer == 0) {
        ngx_http_scim_resume(ctx, ngx_http_scim_unavailable(ctx,
            reply->type == SCIM_REPLY_INTEGER ? "the store holds no data set"
                                              : "the store reported an error"));
        return;
    }

    ngx_http_scim_resume(ctx, ngx_http_scim_reply_error(ctx->request,
        NGX_HTTP_OK, "the store answers", 0, &ctx->transaction));
}


static ngx_int_t
ngx_http_scim_ask(ngx_http_scim_ctx_t *ctx, const char *verb,
    ngx_http_scim_reply_pt handler)
{
    ctx->auth_argv[0] = verb;
    ctx->auth_argv_len[0] = ngx_strlen(verb);
    ctx->auth_argv[1] = ctx->token_key;
    ctx->auth_argv_len[1] = ctx->token_key_len;
    ctx->auth_command.argc = 2;
    ctx->auth_command.argv = ctx->auth_argv;
    ctx->auth_command.argv_len = ctx->auth_argv_len;

    return ngx_http_scim_wait(ctx, &ctx->auth_command, handler);
}


static ngx_int_t
ngx_http_scim_authenticate(ngx_http_scim_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_str_t                 *header;
    ngx_http_request_t        *r = ctx->request;
    ngx_http_scim_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_scim_module);

    if (slcf->kind == NGX_HTTP_SCIM_HEALTH) {
        ctx->token_key_len = scim_key_dataset(ctx->token_key, 0);
        return ngx_http_scim_ask(ctx, "HLEN", ngx_http_scim_ping_reply);
    }

    if (r->headers_in.authorization == NULL) {
        return ngx_http_scim_unauthorized(ctx);
    }

    header = &r->headers_in.authorization->value;

    if (!scim_token_key((char *) header->data, header->len, ctx->token_key,
                        &ctx->token_key_len))
    {
        return ngx_http_scim_unauthorized(ctx);
    }

    rc = ngx_http_scim_auth_cached(ctx->token_key, ctx->token_key_len,
                                   &ctx->principal);

    if (rc == NGX_OK) {
        return ngx_http_scim_run(ctx);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_scim_unauthorized(ctx);
    }

    return ngx_http_scim_ask(ctx, "GET", ngx_http_scim_token_reply);
}


static ngx_int_t
ngx_http_scim_run(ngx_http_scim_ctx_t *ctx)
{
    ngx_http_scim_loc_conf_t   *slcf;
    ngx_http_scim_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_scim_module);
    smcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_scim_module);

    ctx->scim.dataset = ngx_http_scim_redis_dataset();
    ctx->scim.deadline = ctx->scim.now + ngx_http_scim_redis_clock_offset()
                         + smcf->redis_timeout;

    ctx->operation = slcf->kind == NGX_HTTP_SCIM_ADMIN
                     ? scim_admin_operation_new(&ctx->service, &ctx->scim)
                     : scim_operation_new(&ctx->service, &ctx->scim);
    if (ctx->operation == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_scim_advance(ctx, scim_operation_start(ctx->operation));
}


static void
ngx_http_scim_operation_reply(void *data, const scim_reply_t *reply)
{
    scim_step_t           step;
    ngx_http_scim_ctx_t  *ctx = data;

    if (!ngx_http_scim_arrived(ctx, reply)) {
        return;
    }

    step = scim_operation_reply(ctx->operation, reply);

    if (step == SCIM_STEP_DONE && ctx->operation->response.status == 500
        && reply->type == SCIM_REPLY_ERROR)
    {
        /* our bug: what Redis said is ours to see, and holds no input */
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "redis refused a command: %*s", reply->len,
                      reply->text);
    }

    ngx_http_scim_resume(ctx, ngx_http_scim_advance(ctx, step));
}


static ngx_int_t
ngx_http_scim_advance(ngx_http_scim_ctx_t *ctx, scim_step_t step)
{
    if (step == SCIM_STEP_SEND) {
        return ngx_http_scim_wait(ctx, &ctx->operation->command,
                                  ngx_http_scim_operation_reply);
    }

    ngx_http_scim_count_lenient(&ctx->operation->lenient);

    return ngx_http_scim_reply(ctx->request, &ctx->operation->response,
                               &ctx->transaction);
}
