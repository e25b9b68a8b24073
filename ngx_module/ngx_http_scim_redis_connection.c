#include "ngx_http_scim_redis_connection.h"

#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis.h"
#include "scim_key.h"

#define NGX_HTTP_SCIM_REDIS_BACKOFF_MIN  50    /* ms */
#define NGX_HTTP_SCIM_REDIS_BACKOFF_MAX  2000
#define NGX_HTTP_SCIM_REDIS_REFRESH      5000
#define NGX_HTTP_SCIM_REDIS_RETRY        500   /* while it is not ready */
#define NGX_HTTP_SCIM_CLOCK_TRIP_MAX     50    /* ms; longer says little */
#define NGX_HTTP_SCIM_CLOCK_SKIPS_MAX    12
#define NGX_HTTP_SCIM_DATASET_LEN        64
#define NGX_HTTP_SCIM_LOG_INTERVAL       60    /* s */


/* What all connections of this worker know together. */
typedef struct {
    ngx_http_scim_main_conf_t   *conf;
    ngx_http_scim_redis_conn_t  *conns;
    ngx_uint_t                   count;
    const char                  *trouble;       /* why none is ready */
    time_t                       logged;
    int64_t                      clock_offset;  /* ms */
    ngx_uint_t                   clock_known;
    ngx_uint_t                   clock_skips;
    unsigned                     shards;
    size_t                       dataset_len;   /* 0: not learned yet */
    u_char                       dataset[NGX_HTTP_SCIM_DATASET_LEN];
} ngx_http_scim_redis_t;


static ngx_http_scim_redis_t  ngx_http_scim_redis;


static void ngx_http_scim_redis_connect(ngx_http_scim_redis_conn_t *conn);
static void ngx_http_scim_redis_connected(const redisAsyncContext *ac,
    int status);
static void ngx_http_scim_redis_disconnected(const redisAsyncContext *ac,
    int status);
static void ngx_http_scim_redis_timer(ngx_event_t *ev);
static void ngx_http_scim_redis_close_handler(void *data);
static void ngx_http_scim_redis_gone(void *data);


static u_char *
ngx_http_scim_redis_log_handler(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_str_t                  *path;
    ngx_http_scim_main_conf_t  *conf = ngx_http_scim_redis.conf;

    path = &conf->redis_path;

    if (path->len) {
        return ngx_snprintf(buf, len, ", redis: \"unix:%V\"", path);
    }

    return ngx_snprintf(buf, len, ", redis: \"%V:%d\"", &conf->redis_host,
                        (int) conf->redis_port);
}


ngx_int_t
ngx_http_scim_redis_connections(ngx_cycle_t *cycle,
    ngx_http_scim_main_conf_t *smcf)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn;

    ngx_memzero(&ngx_http_scim_redis, sizeof(ngx_http_scim_redis));
    ngx_http_scim_redis.conf = smcf;
    ngx_http_scim_redis.trouble = "the store cannot be reached";
    ngx_http_scim_redis.conns = ngx_pcalloc(cycle->pool,
        smcf->redis_connections * sizeof(ngx_http_scim_redis_conn_t));
    if (ngx_http_scim_redis.conns == NULL) {
        return NGX_ERROR;
    }

    ngx_http_scim_redis.count = smcf->redis_connections;

    for (i = 0; i < ngx_http_scim_redis.count; i++) {
        conn = &ngx_http_scim_redis.conns[i];
        conn->log = *cycle->log;
        conn->log.handler = ngx_http_scim_redis_log_handler;
        conn->log.data = NULL;
        conn->log.action = NULL;
        conn->backoff = NGX_HTTP_SCIM_REDIS_BACKOFF_MIN;
        conn->events.close = ngx_http_scim_redis_close_handler;
        conn->events.gone = ngx_http_scim_redis_gone;
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
ngx_http_scim_redis_disconnect_all(void)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn;

    for (i = 0; i < ngx_http_scim_redis.count; i++) {
        conn = &ngx_http_scim_redis.conns[i];
        ngx_http_scim_redis_close(conn);

        if (conn->timer.timer_set) {
            ngx_del_timer(&conn->timer);
        }
    }

    ngx_http_scim_redis.count = 0;
}


ngx_http_scim_redis_conn_t *
ngx_http_scim_redis_choose(void)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn, *best;

    best = NULL;

    for (i = 0; i < ngx_http_scim_redis.count; i++) {
        conn = &ngx_http_scim_redis.conns[i];

        if (!conn->ready && (conn->tried || conn->events.context == NULL)) {
            continue;
        }

        if (best == NULL || conn->ready > best->ready
            || (conn->ready == best->ready && conn->waiting < best->waiting))
        {
            best = conn;
        }
    }

    return best;
}


/* ---- coming and going ---- */

static void
ngx_http_scim_redis_count_ready(void)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < ngx_http_scim_redis.count; i++) {
        n += ngx_http_scim_redis.conns[i].ready;
    }

    ngx_http_scim_gauge(NGX_HTTP_SCIM_GAUGE_READY, n);
}


/* An outage says the same again and again; the log hears it once a minute. */
static void
ngx_http_scim_redis_complain(ngx_http_scim_redis_conn_t *conn,
    const char *trouble, const char *detail)
{
    if (ngx_http_scim_redis.trouble == trouble
        && ngx_time() - ngx_http_scim_redis.logged
           < NGX_HTTP_SCIM_LOG_INTERVAL)
    {
        return;
    }

    ngx_http_scim_redis.trouble = trouble;
    ngx_http_scim_redis.logged = ngx_time();
    ngx_log_error(NGX_LOG_ERR, &conn->log, 0, "%s%s%s", trouble,
                  detail[0] ? ": " : "", detail);
}


static void
ngx_http_scim_redis_connect(ngx_http_scim_redis_conn_t *conn)
{
    redisAsyncContext          *ac;
    ngx_http_scim_main_conf_t  *conf = ngx_http_scim_redis.conf;

    ac = conf->redis_path.len
         ? redisAsyncConnectUnix((char *) conf->redis_path.data)
         : redisAsyncConnect((char *) conf->redis_host.data,
                             conf->redis_port);

    if (ac == NULL || ac->err
        || ngx_http_scim_redis_attach(&conn->events, ac, &conn->log) != NGX_OK)
    {
        ngx_http_scim_redis_complain(conn, "the store cannot be reached",
                                     ac ? ac->errstr : "no memory");
        if (ac) {
            redisAsyncFree(ac);         /* not attached: gone() is not called */
        }
        ngx_http_scim_redis_gone(conn);
        return;
    }

    ac->data = conn;
    redisAsyncSetConnectCallback(ac, ngx_http_scim_redis_connected);
    redisAsyncSetDisconnectCallback(ac, ngx_http_scim_redis_disconnected);
    ngx_http_scim_redis_refresh(conn);
}


static void
ngx_http_scim_redis_connected(const redisAsyncContext *ac, int status)
{
    ngx_http_scim_redis_conn_t  *conn = ac->data;

    if (status != REDIS_OK) {
        /* hiredis frees the context after this callback */
        ngx_http_scim_redis_complain(conn, "the store cannot be reached",
                                     ac->errstr);
        return;
    }

    conn->events.connected = 1;
    ngx_http_scim_count(NGX_HTTP_SCIM_COUNT_REDIS_CONNECTS);
}


/* Only says why: gone() has done what is to be done. */
static void
ngx_http_scim_redis_disconnected(const redisAsyncContext *ac, int status)
{
    if (status != REDIS_OK) {
        ngx_http_scim_redis_complain(ac->data, "the store cannot be reached",
                                     ac->errstr);
    }
}


void
ngx_http_scim_redis_close(ngx_http_scim_redis_conn_t *conn)
{
    conn->ready = 0;
    conn->tried = 1;

    if (conn->events.context) {
        redisAsyncFree(conn->events.context);
    }
}


static void
ngx_http_scim_redis_close_handler(void *data)
{
    ngx_http_scim_redis_close(data);
}


/* Whatever ended it, all its callbacks have run. */
static void
ngx_http_scim_redis_gone(void *data)
{
    ngx_msec_t                   wait;
    ngx_http_scim_redis_conn_t  *conn = data;

    conn->ready = 0;
    conn->tried = 1;
    conn->asking = 0;
    conn->loading = 0;
    conn->waiting = 0;
    conn->bytes = 0;
    conn->timeouts = 0;
    ngx_http_scim_redis_count_ready();

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    /* half of it by chance, so that workers and servers do not come at once */
    wait = conn->backoff / 2 + (ngx_msec_t) ngx_random() % conn->backoff;
    conn->backoff = ngx_min(conn->backoff * 2,
                            NGX_HTTP_SCIM_REDIS_BACKOFF_MAX);
    ngx_add_timer(&conn->timer, wait);
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

    if (conn->asking) {
        ngx_http_scim_redis_complain(conn, "the store does not answer", "");
        ngx_http_scim_redis_close(conn);
        return;
    }

    ngx_http_scim_redis_refresh(conn);
}


/* ---- commands of the connection's own ---- */

ngx_int_t
ngx_http_scim_redis_own(ngx_http_scim_redis_conn_t *conn,
    redisCallbackFn *callback, int argc, const char **argv, size_t *lengths)
{
    if (redisAsyncCommandArgv(conn->events.context, callback, conn, argc,
                              argv, lengths)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_scim_redis_queued(&conn->events, conn->waiting == 0, 0);
    conn->waiting++;

    return NGX_OK;
}


void
ngx_http_scim_redis_own_done(ngx_http_scim_redis_conn_t *conn)
{
    conn->waiting--;
}


static void
ngx_http_scim_redis_auth_reply(redisAsyncContext *ac, void *data,
    void *privdata)
{
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    conn->denied = reply && reply->type == REDIS_REPLY_ERROR;

    if (conn->denied) {
        ngx_http_scim_redis_complain(conn, "the store refuses this server",
                                     "user or password of scim_redis");
    }
}


static void
ngx_http_scim_redis_time_reply(redisAsyncContext *ac, void *data,
    void *privdata)
{
    int64_t                      seconds, micros;
    ngx_time_t                  *tp;
    redisReply                  *reply = data;
    ngx_http_scim_redis_t       *redis = &ngx_http_scim_redis;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2)
    {
        return;
    }

    ngx_time_update();

    /*
     * Redis looked at its clock before now: the offset comes out too small by
     * up to the trip, deadlines too early, never too late.
     */
    if (redis->clock_known && redis->clock_skips < NGX_HTTP_SCIM_CLOCK_SKIPS_MAX
        && ngx_current_msec - conn->asked_at > NGX_HTTP_SCIM_CLOCK_TRIP_MAX)
    {
        redis->clock_skips++;
        return;
    }

    tp = ngx_timeofday();
    seconds = ngx_atoi((u_char *) reply->element[0]->str,
                       reply->element[0]->len);
    micros = ngx_atoi((u_char *) reply->element[1]->str,
                      reply->element[1]->len);
    redis->clock_offset = (seconds - tp->sec) * 1000 + micros / 1000 - tp->msec;
    redis->clock_known = 1;
    redis->clock_skips = 0;
}


static ngx_uint_t
ngx_http_scim_redis_is_dataset(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
           && (size_t) reply->len == ngx_http_scim_redis.dataset_len
           && ngx_memcmp(reply->str, ngx_http_scim_redis.dataset, reply->len)
              == 0;
}


/* HMGET scim:{000}:dataset id shards; whether it is the one to work with. */
static ngx_uint_t
ngx_http_scim_redis_check_dataset(ngx_http_scim_redis_conn_t *conn,
    const redisReply *reply)
{
    ngx_int_t               shards;
    const redisReply       *id;
    ngx_http_scim_redis_t  *redis = &ngx_http_scim_redis;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        ngx_http_scim_redis_complain(conn, "the store is not ready",
            reply->type == REDIS_REPLY_ERROR ? reply->str : "strange answer");
        return 0;
    }

    id = reply->element[0];

    if (id->type != REDIS_REPLY_STRING || id->len == 0
        || id->len > NGX_HTTP_SCIM_DATASET_LEN)
    {
        ngx_http_scim_redis_complain(conn, "the store holds no data set", "");
        return 0;
    }

    if (redis->dataset_len == 0) {
        ngx_memcpy(redis->dataset, id->str, id->len);
        redis->dataset_len = id->len;

        if (reply->element[1]->type == REDIS_REPLY_STRING) {
            shards = ngx_atoi((u_char *) reply->element[1]->str,
                              reply->element[1]->len);
            redis->shards = ngx_max(shards, 0);
        }
    }

    if (!ngx_http_scim_redis_is_dataset(id)) {
        ngx_http_scim_redis_complain(conn, "the store holds another data set",
                                     "refusing until the known one is back "
                                     "or nginx is reloaded");
        return 0;
    }

    return 1;
}


static void
ngx_http_scim_redis_dataset_reply(redisAsyncContext *ac, void *data,
    void *privdata)
{
    ngx_uint_t                   was_ready;
    redisReply                  *reply = data;
    ngx_http_scim_redis_conn_t  *conn = privdata;

    ngx_http_scim_redis_own_done(conn);

    if (reply == NULL) {
        return;         /* gone() follows */
    }

    conn->asking = 0;
    conn->tried = 1;
    was_ready = conn->ready;
    /* Redis may let nobody in particular read: that is not who we are */
    conn->ready = !conn->denied
                  && ngx_http_scim_redis_check_dataset(conn, reply);
    ngx_http_scim_redis_count_ready();

    if (conn->ready) {
        conn->backoff = NGX_HTTP_SCIM_REDIS_BACKOFF_MIN;

        if (!was_ready) {
            ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0, "the store is ready");
        }
    }

    ngx_add_timer(&conn->timer, conn->ready ? NGX_HTTP_SCIM_REDIS_REFRESH
                                            : NGX_HTTP_SCIM_REDIS_RETRY);
}


static void
ngx_http_scim_redis_authenticate(ngx_http_scim_redis_conn_t *conn)
{
    int                         argc;
    size_t                      lengths[3];
    const char                 *argv[3];
    ngx_http_scim_main_conf_t  *conf = ngx_http_scim_redis.conf;

    argc = 0;
    argv[argc] = "AUTH";
    lengths[argc++] = 4;

    if (conf->redis_user.len) {
        argv[argc] = (char *) conf->redis_user.data;
        lengths[argc++] = conf->redis_user.len;
    }

    argv[argc] = (char *) conf->redis_password.data;
    lengths[argc++] = conf->redis_password.len;

    (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_auth_reply, argc,
                                   argv, lengths);
}


void
ngx_http_scim_redis_refresh(ngx_http_scim_redis_conn_t *conn)
{
    char         key[SCIM_KEY_MAX];
    size_t       lengths[4];
    const char  *argv[4];

    if (conn->asking || conn->events.context == NULL) {
        return;
    }

    conn->asking = 1;
    conn->asked_at = ngx_current_msec;
    ngx_add_timer(&conn->timer, ngx_http_scim_redis.conf->redis_timeout);

    if (!conn->ready && ngx_http_scim_redis.conf->redis_password.len) {
        ngx_http_scim_redis_authenticate(conn);
    }

    argv[0] = "TIME";
    lengths[0] = 4;
    (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_time_reply, 1,
                                   argv, lengths);

    argv[0] = "HMGET";
    lengths[0] = 5;
    argv[1] = key;
    lengths[1] = scim_key_dataset(key, 0);
    argv[2] = "id";
    lengths[2] = 2;
    argv[3] = "shards";
    lengths[3] = 6;
    (void) ngx_http_scim_redis_own(conn, ngx_http_scim_redis_dataset_reply, 4,
                                   argv, lengths);
}


/* ---- what requests want to know ---- */

scim_text_t
ngx_http_scim_redis_dataset(void)
{
    scim_text_t  text;

    text.text = (const char *) ngx_http_scim_redis.dataset;
    text.len = ngx_http_scim_redis.dataset_len;

    return text;
}


unsigned
ngx_http_scim_redis_shards(void)
{
    return ngx_http_scim_redis.shards;
}


int64_t
ngx_http_scim_redis_clock_offset(void)
{
    return ngx_http_scim_redis.clock_offset;
}


const char *
ngx_http_scim_redis_trouble(void)
{
    ngx_uint_t                   i;
    ngx_http_scim_redis_conn_t  *conn;

    for (i = 0; i < ngx_http_scim_redis.count; i++) {
        conn = &ngx_http_scim_redis.conns[i];

        if (conn->ready && conn->timeouts == 0) {
            return NULL;
        }
    }

    return ngx_http_scim_redis.trouble;
}
