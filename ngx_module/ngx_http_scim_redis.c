#include "ngx_http_scim_redis.h"

#include <openssl/rand.h>

#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis_events.h"
#include "scim_embedded.h"
#include "scim_key.h"

#define NGX_HTTP_SCIM_REDIS_BACKOFF_MIN    50     /* ms */
#define NGX_HTTP_SCIM_REDIS_BACKOFF_MAX    2000
#define NGX_HTTP_SCIM_REDIS_REFRESH        5000   /* clock and data set */
#define NGX_HTTP_SCIM_REDIS_TIMEOUTS       3      /* in a row: reconnect */
#define NGX_HTTP_SCIM_REDIS_BATCH          8      /* pending: write at once */
#define NGX_HTTP_SCIM_REDIS_NESTING        8
#define NGX_HTTP_SCIM_DATASET_LEN          64


typedef struct {
    ngx_http_scim_redis_events_t  events;
    ngx_event_t                   timer;      /* reconnect, or refresh */
    ngx_log_t                     log;
    ngx_msec_t                    backoff;
    ngx_uint_t                    waiting;    /* callbacks outstanding */
    ngx_uint_t                    queued;     /* since the last flush */
    ngx_uint_t                    timeouts;   /* in a row */
    unsigned                      up:1;
} ngx_http_scim_redis_conn_t;


struct ngx_http_scim_wait_s {
    ngx_http_scim_redis_conn_t  *conn;
    ngx_http_scim_reply_pt       handler;     /* NULL: forgotten */
    void                        *data;
    const scim_command_t        *command;     /* the waiting side's */
    unsigned                     reloaded:1;
};


static void ngx_http_scim_redis_connect(ngx_http_scim_redis_conn_t *conn);
static void ngx_http_scim_redis_connected(const redisAsyncContext *ac,
    int status);
static void ngx_http_scim_redis_disconnected(const redisAsyncContext *ac,
    int status);
static void ngx_http_scim_redis_timer(ngx_event_t *ev);
static void ngx_http_scim_redis_close(void *data);
static void ngx_http_scim_redis_callback(redisAsyncContext *ac, void *reply,
    void *data);


static ngx_http_scim_main_conf_t   *ngx_http_scim_conf;
static ngx_http_scim_redis_conn_t  *ngx_http_scim_conns;
static ngx_uint_t                   ngx_http_scim_conn_count;
static u_char                       ngx_http_scim_dataset[
                                                NGX_HTTP_SCIM_DATASET_LEN];
static size_t                       ngx_http_scim_dataset_len;
static int64_t                      ngx_http_scim_clock_offset;


static u_char *
ngx_http_scim_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    return ngx_snprintf(buf, len, " while talking to redis");
}


ngx_int_t
ngx_http_scim_redis_start(ngx_cycle_t *cycle, ngx_http_scim_main_conf_t *smcf)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn;

    ngx_http_scim_conf = smcf;
    ngx_http_scim_conns = ngx_pcalloc(cycle->pool,
        smcf->redis_connections * sizeof(ngx_http_scim_redis_conn_t));
    if (ngx_http_scim_conns == NULL) {
        return NGX_ERROR;
    }

    ngx_http_scim_conn_count = smcf->redis_connections;

    for (i = 0; i < ngx_http_scim_conn_count; i++) {
        conn = &ngx_http_scim_conns[i];
        conn->log = *ngx_cycle->log;
        conn->log.handler = ngx_http_scim_redis_log_error;
        conn->log.data = NULL;
        conn->log.action = NULL;
        conn->backoff = NGX_HTTP_SCIM_REDIS_BACKOFF_MIN;
        conn->events.close = ngx_http_scim_redis_close;
        conn->events.data = conn;
        conn->timer.handler = ngx_http_scim_redis_timer;
        conn->timer.data = conn;
        conn->timer.log = &conn->log;
        conn->timer.cancelable = 1;
        ngx_http_scim_redis_connect(conn);
    }

    return NGX_OK;
}


void
ngx_http_scim_redis_stop(void)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_http_scim_conn_count; i++) {
        ngx_http_scim_redis_close(&ngx_http_scim_conns[i]);
        if (ngx_http_scim_conns[i].timer.timer_set) {
            ngx_del_timer(&ngx_http_scim_conns[i].timer);
        }
    }
}


scim_text_t
ngx_http_scim_redis_dataset(void)
{
    scim_text_t  text;

    text.text = (const char *) ngx_http_scim_dataset;
    text.len = ngx_http_scim_dataset_len;

    return text;
}


int64_t
ngx_http_scim_redis_clock_offset(void)
{
    return ngx_http_scim_clock_offset;
}


ngx_uint_t
ngx_http_scim_redis_waiting(void)
{
    ngx_uint_t  i, n;

    n = 0;
    for (i = 0; i < ngx_http_scim_conn_count; i++) {
        n += ngx_http_scim_conns[i].waiting;
    }

    return n;
}


/* nginx may close the connection for a shutdown only while nothing waits */
static void
ngx_http_scim_redis_mark_idle(ngx_http_scim_redis_conn_t *conn)
{
    if (conn->events.connection) {
        conn->events.connection->idle = conn->waiting == 0 && conn->up;
    }
}


static void
ngx_http_scim_redis_close(void *data)
{
    ngx_http_scim_redis_conn_t  *conn = data;

    if (conn->events.context) {
        /* every callback that waits runs with NULL */
        redisAsyncFree(conn->events.context);
    }
}


static void
ngx_http_scim_redis_later(ngx_http_scim_redis_conn_t *conn)
{
    ngx_msec_t  wait;

    conn->up = 0;

    if (ngx_exiting || ngx_terminate || conn->timer.timer_set) {
        return;
    }

    wait = conn->backoff / 2 + (ngx_msec_t) ngx_random() % conn->backoff;
    conn->backoff = ngx_min(conn->backoff * 2,
                            NGX_HTTP_SCIM_REDIS_BACKOFF_MAX);
    ngx_add_timer(&conn->timer, wait);
}


/* A command of our own: nobody waits, the reply goes to `callback`. */
static ngx_int_t
ngx_http_scim_redis_own(ngx_http_scim_redis_conn_t *conn,
    redisCallbackFn *callback, int argc, const char **argv, size_t *lengths)
{
    if (redisAsyncCommandArgv(conn->events.context, callback, conn, argc,
                              argv, lengths)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    conn->waiting++;
    return NGX_OK;
}


static void
ngx_http_scim_redis_own_done(ngx_http_scim_redis_conn_t *conn)
{
    conn->waiting--;
    conn->timeouts = 0;
    ngx_http_scim_redis_mark_idle(conn);
}


static void
ngx_http_scim_redis_auth_reply(redisAsyncContext *ac, void *data, void *privdata)
{
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "redis refuses the user or password of scim_redis");
    }
}


static void
ngx_http_scim_redis_time_reply(redisAsyncContext *ac, void *data, void *privdata)
{
    int64_t                      now;
    ngx_time_t                  *tp;
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2)
    {
        return;
    }

    ngx_time_update();
    tp = ngx_timeofday();
    now = ngx_atoi((u_char *) reply->element[0]->str, reply->element[0]->len)
          * (int64_t) 1000
          + ngx_atoi((u_char *) reply->element[1]->str,
                     reply->element[1]->len) / 1000;
    ngx_http_scim_clock_offset = now - ((int64_t) tp->sec * 1000 + tp->msec);
}


static void
ngx_http_scim_redis_dataset_reply(redisAsyncContext *ac, void *data,
    void *privdata)
{
    redisReply                  *reply = data;
    static time_t                logged;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        return;
    }

    if (reply->type == REDIS_REPLY_STRING && ngx_http_scim_dataset_len == 0
        && reply->len <= NGX_HTTP_SCIM_DATASET_LEN)
    {
        ngx_memcpy(ngx_http_scim_dataset, reply->str, reply->len);
        ngx_http_scim_dataset_len = reply->len;
        return;
    }

    if (reply->type == REDIS_REPLY_STRING
        && (size_t) reply->len == ngx_http_scim_dataset_len
        && ngx_memcmp(reply->str, ngx_http_scim_dataset, reply->len) == 0)
    {
        return;
    }

    if (ngx_time() - logged >= 60) {
        logged = ngx_time();
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      reply->type == REDIS_REPLY_STRING
                      ? "redis holds another data set than before"
                      : "redis holds no data set; scimctl dataset create");
    }
}


static void
ngx_http_scim_redis_refresh(ngx_http_scim_redis_conn_t *conn)
{
    char         key[SCIM_KEY_MAX];
    size_t       lengths[3];
    const char  *argv[3];

    argv[0] = "TIME";
    lengths[0] = 4;
    (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_time_reply, 1,
                                   argv, lengths);

    argv[0] = "HGET";
    argv[1] = key;
    lengths[1] = scim_key_dataset(key, 0);
    argv[2] = "id";
    lengths[2] = 2;
    (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_dataset_reply, 3,
                                   argv, lengths);
}


/* The first commands of a connection; requests may already queue behind. */
static void
ngx_http_scim_redis_greet(ngx_http_scim_redis_conn_t *conn)
{
    int                         argc = 0;
    size_t                      lengths[3];
    const char                 *argv[3];
    ngx_http_scim_main_conf_t  *smcf = ngx_http_scim_conf;

    if (smcf->redis_password.len) {
        argv[argc] = "AUTH";
        lengths[argc++] = 4;
        if (smcf->redis_user.len) {
            argv[argc] = (char *) smcf->redis_user.data;
            lengths[argc++] = smcf->redis_user.len;
        }
        argv[argc] = (char *) smcf->redis_password.data;
        lengths[argc++] = smcf->redis_password.len;
        (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_auth_reply,
                                       argc, argv, lengths);
    }

    ngx_http_scim_redis_refresh(conn);
}


static void
ngx_http_scim_redis_connect(ngx_http_scim_redis_conn_t *conn)
{
    redisAsyncContext          *ac;
    ngx_http_scim_main_conf_t  *smcf = ngx_http_scim_conf;

    if (smcf->redis_path.len) {
        ac = redisAsyncConnectUnix((char *) smcf->redis_path.data);

    } else {
        ac = redisAsyncConnect((char *) smcf->redis_host.data,
                               smcf->redis_port);
    }

    if (ac == NULL || ac->err) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0, "cannot connect: %s",
                      ac ? ac->errstr : "no memory");
        if (ac) {
            redisAsyncFree(ac);
        }
        ngx_http_scim_redis_later(conn);
        return;
    }

    ac->data = conn;

    if (ngx_http_scim_redis_attach(&conn->events, ac, &conn->log) != NGX_OK) {
        redisAsyncFree(ac);
        ngx_http_scim_redis_later(conn);
        return;
    }

    conn->waiting = 0;
    conn->queued = 0;
    conn->timeouts = 0;
    redisAsyncSetConnectCallback(ac, ngx_http_scim_redis_connected);
    redisAsyncSetDisconnectCallback(ac, ngx_http_scim_redis_disconnected);
    ngx_http_scim_redis_greet(conn);
    conn->up = 1;

    if (!conn->timer.timer_set) {
        ngx_add_timer(&conn->timer, NGX_HTTP_SCIM_REDIS_REFRESH);
    }
}


static void
ngx_http_scim_redis_connected(const redisAsyncContext *ac, int status)
{
    ngx_http_scim_redis_conn_t  *conn = ac->data;

    if (status != REDIS_OK) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0, "cannot connect: %s",
                      ac->errstr);
        /* hiredis frees the context after this callback */
        ngx_http_scim_redis_later(conn);
        return;
    }

    conn->backoff = NGX_HTTP_SCIM_REDIS_BACKOFF_MIN;
    conn->events.connected = 1;
    ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_CONNECTS);
}


static void
ngx_http_scim_redis_disconnected(const redisAsyncContext *ac, int status)
{
    ngx_http_scim_redis_conn_t  *conn = ac->data;

    if (status != REDIS_OK) {
        ngx_log_error(NGX_LOG_WARN, &conn->log, 0, "connection lost: %s",
                      ac->errstr);
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_http_scim_redis_later(conn);
}


static void
ngx_http_scim_redis_timer(ngx_event_t *ev)
{
    ngx_http_scim_redis_conn_t  *conn = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (conn->events.context == NULL) {
        ngx_http_scim_redis_connect(conn);
        return;
    }

    if (conn->waiting < ngx_http_scim_conf->redis_waits) {
        ngx_http_scim_redis_refresh(conn);
        ngx_http_scim_redis_flush(&conn->events, 1);
    }

    ngx_add_timer(ev, NGX_HTTP_SCIM_REDIS_REFRESH);
}


static ngx_http_scim_redis_conn_t *
ngx_http_scim_redis_choose(void)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn, *best;

    best = NULL;

    for (i = 0; i < ngx_http_scim_conn_count; i++) {
        conn = &ngx_http_scim_conns[i];

        if (conn->up && (best == NULL || conn->waiting < best->waiting)) {
            best = conn;
        }
    }

    if (best == NULL && ngx_exiting && ngx_http_scim_conn_count) {
        /* the idle connection was closed, yet a request came to its end */
        conn = &ngx_http_scim_conns[0];
        if (conn->events.context == NULL) {
            ngx_http_scim_redis_connect(conn);
            best = conn->up ? conn : NULL;
        }
    }

    if (best && best->waiting >= ngx_http_scim_conf->redis_waits) {
        return NULL;
    }

    return best;
}


static ngx_int_t
ngx_http_scim_redis_write(ngx_http_scim_wait_t *wait,
    const scim_command_t *command)
{
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    if (redisAsyncCommandArgv(conn->events.context,
                              ngx_http_scim_redis_callback, wait,
                              (int) command->argc, command->argv,
                              command->argv_len)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    /* Redis idle: let it begin.  Redis busy: a batch costs both sides less. */
    conn->queued++;
    if (conn->waiting == 0 || conn->queued >= NGX_HTTP_SCIM_REDIS_BATCH) {
        conn->queued = 0;
        conn->waiting++;
        ngx_http_scim_redis_mark_idle(conn);
        ngx_http_scim_redis_flush(&conn->events, 1);

    } else {
        conn->waiting++;
        ngx_http_scim_redis_mark_idle(conn);
        ngx_http_scim_redis_flush(&conn->events, 0);
    }

    return NGX_OK;
}


ngx_http_scim_wait_t *
ngx_http_scim_redis_send(const scim_command_t *command,
    ngx_http_scim_reply_pt handler, void *data)
{
    ngx_http_scim_wait_t        *wait;
    ngx_http_scim_redis_conn_t  *conn;

    conn = ngx_http_scim_redis_choose();
    if (conn == NULL) {
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
    wait->reloaded = 0;

    if (ngx_http_scim_redis_write(wait, command) != NGX_OK) {
        ngx_free(wait);         /* no callback will come */
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

    ngx_http_scim_redis_forget(wait);
    ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_TIMEOUTS);

    if (++conn->timeouts == NGX_HTTP_SCIM_REDIS_TIMEOUTS
        && conn->events.context && !conn->events.in_callback)
    {
        ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                      "no answer for a while, connecting anew");
        ngx_http_scim_redis_close(conn);
    }
}


static ngx_int_t
ngx_http_scim_redis_convert(const redisReply *from, scim_reply_t *to,
    ngx_pool_t **pool, ngx_log_t *log, ngx_uint_t depth)
{
    size_t         i;
    scim_reply_t  *element;

    ngx_memzero(to, sizeof(*to));

    switch (from->type) {

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        to->type = SCIM_REPLY_STRING;
        to->text = from->str;
        to->len = from->len;
        return NGX_OK;

    case REDIS_REPLY_INTEGER:
        to->type = SCIM_REPLY_INTEGER;
        to->integer = from->integer;
        return NGX_OK;

    case REDIS_REPLY_NIL:
        to->type = SCIM_REPLY_NIL;
        return NGX_OK;

    case REDIS_REPLY_ARRAY:
        break;

    default:
        to->type = SCIM_REPLY_ERROR;
        to->text = from->str ? from->str : "";
        to->len = from->len;
        return NGX_OK;
    }

    to->type = SCIM_REPLY_ARRAY;
    to->elements = from->elements;

    if (from->elements == 0) {
        return NGX_OK;
    }

    if (*pool == NULL) {
        *pool = ngx_create_pool(4096, log);
    }

    if (*pool == NULL || depth == NGX_HTTP_SCIM_REDIS_NESTING) {
        return NGX_ERROR;
    }

    element = ngx_palloc(*pool, from->elements * sizeof(scim_reply_t));
    if (element == NULL) {
        return NGX_ERROR;
    }

    to->element = element;

    for (i = 0; i < from->elements; i++) {
        if (ngx_http_scim_redis_convert(from->element[i], &element[i], pool,
                                        log, depth + 1)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_scim_redis_loaded(redisAsyncContext *ac, void *data, void *privdata)
{
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_strstr(reply->str, "already exists") == NULL)
    {
        ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                      "redis does not load our functions: %s", reply->str);
    }
}


/* This node lacks our functions: load them, and send the command once more. */
static ngx_int_t
ngx_http_scim_redis_reload(ngx_http_scim_wait_t *wait, const redisReply *reply)
{
    size_t       lengths[3];
    const char  *argv[3];

    if (reply->type != REDIS_REPLY_ERROR || wait->reloaded
        || wait->command == NULL
        || ngx_strncmp(reply->str, "ERR Function not found", 22) != 0)
    {
        return NGX_DECLINED;
    }

    argv[0] = "FUNCTION";
    lengths[0] = 8;
    argv[1] = "LOAD";
    lengths[1] = 4;
    argv[2] = scim_function_library;
    lengths[2] = scim_function_library_len;

    if (ngx_http_scim_redis_own(wait->conn, ngx_http_scim_redis_loaded, 3,
                                argv, lengths)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    wait->reloaded = 1;

    return ngx_http_scim_redis_write(wait, wait->command);
}


static void
ngx_http_scim_redis_callback(redisAsyncContext *ac, void *data, void *privdata)
{
    ngx_int_t                    rc;
    ngx_pool_t                  *pool;
    redisReply                  *reply = data;
    scim_reply_t                 converted;
    ngx_http_scim_wait_t        *wait = privdata;
    ngx_http_scim_redis_conn_t  *conn = wait->conn;

    conn->waiting--;
    ngx_http_scim_redis_mark_idle(conn);

    if (reply) {
        conn->timeouts = 0;
        if (ngx_http_scim_redis_reload(wait, reply) == NGX_OK) {
            return;
        }
    }

    if (wait->handler) {
        pool = NULL;
        rc = reply ? ngx_http_scim_redis_convert(reply, &converted, &pool,
                                                 &conn->log, 0)
                   : NGX_ERROR;
        wait->handler(wait->data, rc == NGX_OK ? &converted : NULL);

        if (pool) {
            ngx_destroy_pool(pool);
        }
    }

    ngx_free(wait);

    if (ngx_exiting && conn->waiting == 0 && conn->events.context) {
        redisAsyncDisconnect(conn->events.context);
    }
}
