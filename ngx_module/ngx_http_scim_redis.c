#include "ngx_http_scim_redis.h"

#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis_connection.h"
#include "ngx_http_scim_redis_reply.h"
#include "scim_embedded.h"
#include "scim_wire.h"

#define NGX_HTTP_SCIM_REDIS_TIMEOUTS   3      /* in a row: connect anew */
#define NGX_HTTP_SCIM_REDIS_BYTES_MAX  (64 * 1024 * 1024)


static void ngx_http_scim_redis_callback(redisAsyncContext *ac, void *data,
    void *privdata);


static ngx_http_scim_main_conf_t  *ngx_http_scim_redis_conf;


ngx_int_t
ngx_http_scim_redis_start(ngx_cycle_t *cycle, ngx_http_scim_main_conf_t *smcf)
{
    ngx_http_scim_redis_conf = smcf;

    return ngx_http_scim_redis_connections(cycle, smcf);
}


void
ngx_http_scim_redis_stop(void)
{
    ngx_http_scim_redis_disconnect_all();
}


/* What hiredis does, for a call of a function in a quarter of the time. */
static int
ngx_http_scim_redis_write(ngx_http_scim_wait_t *wait)
{
    int                          rc;
    char                        *text, *begin, *p;
    size_t                       i, size;
    const scim_command_t        *command = wait->command;
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    size = SCIM_WIRE_LENGTH;
    for (i = 0; i < command->argc; i++) {
        size += scim_wire_room(command->argv_len[i]);
    }

    text = ngx_alloc(size, &conn->log);
    if (text == NULL) {
        return REDIS_ERR;
    }

    p = text + SCIM_WIRE_LENGTH;
    begin = scim_wire_length(p, '*', command->argc);
    for (i = 0; i < command->argc; i++) {
        p = scim_wire_argument(p, command->argv[i], command->argv_len[i]);
    }

    rc = redisAsyncFormattedCommand(conn->events.context,
                                    ngx_http_scim_redis_callback, wait,
                                    begin, p - begin);
    ngx_free(text);

    return rc;
}


static ngx_int_t
ngx_http_scim_redis_command(ngx_http_scim_wait_t *wait)
{
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    if (ngx_http_scim_redis_write(wait) != REDIS_OK) {
        return NGX_ERROR;
    }

    ngx_http_scim_redis_queued(&conn->events, conn->waiting == 0, wait->more);
    conn->waiting++;
    conn->bytes += wait->bytes;
    ngx_http_scim_gauge_add(NGX_HTTP_SCIM_GAUGE_WAITING, 1);

    return NGX_OK;
}


ngx_http_scim_wait_t *
ngx_http_scim_redis_send(scim_command_t *command,
    const ngx_http_scim_wait_t *before, ngx_uint_t more,
    ngx_http_scim_reply_pt handler, void *data, const char **why)
{
    size_t                       i, bytes;
    ngx_http_scim_wait_t        *wait;
    ngx_http_scim_redis_conn_t  *conn;

    conn = before && before->conn->ready ? before->conn
                                         : ngx_http_scim_redis_choose();
    if (conn == NULL) {
        *why = ngx_http_scim_redis_trouble();
        if (*why == NULL) {
            *why = "the store cannot be reached";
        }
        return NULL;
    }

    bytes = 0;
    for (i = 0; i < command->argc; i++) {
        bytes += command->argv_len[i];
    }

    *why = "too many requests wait for the store";

    if (conn->waiting >= ngx_http_scim_redis_conf->redis_waits
        || (conn->bytes && conn->bytes + bytes > NGX_HTTP_SCIM_REDIS_BYTES_MAX))
    {
        return NULL;
    }

    wait = ngx_alloc(sizeof(*wait), &conn->log);
    if (wait == NULL) {
        return NULL;
    }

    wait->conn = conn;
    wait->handler = handler;
    wait->data = data;
    wait->command = command;
    wait->bytes = bytes;
    wait->repeated = 0;
    wait->more = more;
    wait->late = 0;

    if (ngx_http_scim_redis_command(wait) != NGX_OK) {
        ngx_free(wait);         /* no callback will come */
        *why = "the store cannot be reached";
        return NULL;
    }

    return wait;
}


void
ngx_http_scim_redis_forget(ngx_http_scim_wait_t *wait)
{
    wait->handler = NULL;
    wait->data = NULL;
    wait->command = NULL;
}


void
ngx_http_scim_redis_timed_out(ngx_http_scim_wait_t *wait)
{
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_TIMEOUTS);

    if (++conn->timeouts >= NGX_HTTP_SCIM_REDIS_TIMEOUTS) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "no answer to %ui requests, connecting anew",
                      conn->timeouts);
        ngx_http_scim_redis_close(conn);
    }
}


void
ngx_http_scim_redis_doubt(void)
{
    ngx_http_scim_redis_conn_t  *conn;

    conn = ngx_http_scim_redis_choose();

    if (conn) {
        ngx_http_scim_redis_refresh(conn);
    }
}


static void
ngx_http_scim_redis_loaded(redisAsyncContext *ac, void *data, void *privdata)
{
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);
    conn->loading = 0;

    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_strstr(reply->str, "already exists") == NULL)
    {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "redis does not load our functions: %s", reply->str);
    }
}


/*
 * This node lacks our functions (it is new, or was promoted): loads them, and
 * sends the same command once more behind that.  NGX_DECLINED = this is not
 * the case, the reply stands.
 */
static ngx_int_t
ngx_http_scim_redis_repeat(ngx_http_scim_wait_t *wait,
    const redisReply *reply)
{
    size_t                       lengths[3];
    const char                  *argv[3];
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    if (reply->type != REDIS_REPLY_ERROR || wait->repeated
        || wait->command == NULL
        || ngx_strncmp(reply->str, "ERR Function not found", 22) != 0)
    {
        return NGX_DECLINED;
    }

    if (!conn->loading) {
        argv[0] = "FUNCTION";
        lengths[0] = 8;
        argv[1] = "LOAD";
        lengths[1] = 4;
        argv[2] = scim_function_library;
        lengths[2] = scim_function_library_len;

        if (ngx_http_scim_redis_own(conn, ngx_http_scim_redis_loaded, 3, argv,
                                    lengths)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        conn->loading = 1;
    }

    wait->repeated = 1;

    return ngx_http_scim_redis_command(wait) == NGX_OK ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_scim_redis_callback(redisAsyncContext *ac, void *data, void *privdata)
{
    redisReply                   *reply = data;
    ngx_http_scim_wait_t         *wait = privdata;
    ngx_http_scim_redis_conn_t   *conn = wait->conn;
    ngx_http_scim_redis_reply_t   converted;

    /* first the books: the handler may send the next command */
    conn->waiting--;
    conn->bytes -= wait->bytes;
    ngx_http_scim_gauge_add(NGX_HTTP_SCIM_GAUGE_WAITING, -1);

    if (reply == NULL) {
        conn->ready = 0;
        conn->tried = 1;

        if (wait->handler) {
            wait->handler(wait, NULL);
        }

        ngx_free(wait);
        return;
    }

    conn->timeouts = 0;

    if (ngx_http_scim_redis_repeat(wait, reply) == NGX_OK) {
        return;
    }

    if (wait->handler) {
        if (ngx_http_scim_redis_reply_init(&converted, reply, &conn->log)
            == NGX_OK)
        {
            wait->handler(wait, &converted.reply);

        } else {
            wait->handler(wait, NULL);
        }

        ngx_http_scim_redis_reply_free(&converted);
    }

    ngx_free(wait);
}
