#ifndef NGX_HTTP_SCIM_REDIS_H
#define NGX_HTTP_SCIM_REDIS_H

#include "ngx_http_scim_module.h"

/*
 * Commands of requests.  A request waits for each through a wait object that
 * both sides can forget: hiredis' callback frees it, nothing else does.
 */
typedef struct ngx_http_scim_wait_s  ngx_http_scim_wait_t;

/* reply NULL: the connection was lost, the outcome is unknown */
typedef void (*ngx_http_scim_reply_pt)(ngx_http_scim_wait_t *wait,
    const scim_reply_t *reply);

struct ngx_http_scim_wait_s {
    /* the waiting side's; nothing else looks at these three */
    ngx_queue_t                           queue;
    ngx_msec_t                            until;
    unsigned                              late:1;

    void                                 *data;
    scim_command_t                       *command;   /* the waiting side's */
    ngx_http_scim_reply_pt                handler;   /* NULL: forgotten */
    struct ngx_http_scim_redis_conn_s    *conn;
    size_t                                bytes;     /* of the command */
    unsigned                              repeated:1;
    unsigned                              more:1;    /* others follow it */
};

ngx_int_t ngx_http_scim_redis_start(ngx_cycle_t *cycle,
    ngx_http_scim_main_conf_t *smcf);

/* Frees every connection; callbacks run with NULL. */
void ngx_http_scim_redis_stop(void);

/*
 * Sends a command and calls `handler` once with its reply, later, never from
 * inside this call; wait->data is `data` then.  The command must stay as it is
 * until then: it is sent again when Redis lacked our functions.  What a request
 * sends while it waits for `before` (or NULL) takes the same connection, so
 * that Redis sees both in order; with `more` they are written together.  NULL
 * when no connection is ready or too much waits for it (*why says which, in
 * words for the client): the handler is never called then.
 */
ngx_http_scim_wait_t *ngx_http_scim_redis_send(scim_command_t *command,
    const ngx_http_scim_wait_t *before, ngx_uint_t more,
    ngx_http_scim_reply_pt handler, void *data, const char **why);

/* The waiting side goes away; a late reply is dropped. */
void ngx_http_scim_redis_forget(ngx_http_scim_wait_t *wait);

/*
 * A wait that was forgotten because it took too long counts against its
 * connection, and may end it.  Other requests are answered then, from inside
 * this call.
 */
void ngx_http_scim_redis_timed_out(ngx_http_scim_wait_t *wait);

/* The data set seems to be another one: looks before the next refresh. */
void ngx_http_scim_redis_doubt(void);

/* The data set's id and number of shards as learned; empty, 0 until then. */
scim_text_t ngx_http_scim_redis_dataset(void);
unsigned ngx_http_scim_redis_shards(void);

/* Milliseconds to add to the local clock to get Redis' clock. */
int64_t ngx_http_scim_redis_clock_offset(void);

/* Why Redis cannot be used now, in words for the client; NULL = it can. */
const char *ngx_http_scim_redis_trouble(void);

#endif
