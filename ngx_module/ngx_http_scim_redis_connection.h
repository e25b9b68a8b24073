#ifndef NGX_HTTP_SCIM_REDIS_CONNECTION_H
#define NGX_HTTP_SCIM_REDIS_CONNECTION_H

#include "ngx_http_scim_module.h"
#include "ngx_http_scim_redis_events.h"

/*
 * One connection of this worker to Redis:
 *
 *     away ──connect──▶ asking ──data set as expected──▶ ready
 *      ▲                  │ ▲                             │ every 5 s
 *      └── lost, no answer┘ └──────── asks again ─────────┘
 *
 * `asking` means that TIME and the data set's id were asked for.  Only a ready
 * connection takes commands, and one that never had an answer yet: the
 * requests that come while a worker starts may wait.
 */
typedef struct ngx_http_scim_redis_conn_s {
    ngx_http_scim_redis_events_t  events;
    ngx_event_t                   timer;     /* the next step of the picture */
    ngx_log_t                     log;
    ngx_msec_t                    backoff;
    ngx_msec_t                    asked_at;
    ngx_uint_t                    waiting;   /* callbacks outstanding */
    size_t                        bytes;     /* of commands that wait */
    ngx_uint_t                    timeouts;  /* of requests, in a row */
    unsigned                      asking:1;
    unsigned                      ready:1;
    unsigned                      tried:1;   /* had an answer, or was lost */
    unsigned                      denied:1;  /* user or password are wrong */
    unsigned                      loading:1; /* FUNCTION LOAD is on its way */
} ngx_http_scim_redis_conn_t;

ngx_int_t ngx_http_scim_redis_connections(ngx_cycle_t *cycle,
    ngx_http_scim_main_conf_t *smcf);
void ngx_http_scim_redis_disconnect_all(void);

/* The one with the least to do; NULL when none takes commands. */
ngx_http_scim_redis_conn_t *ngx_http_scim_redis_choose(void);

/* Ends it: every callback that waits runs with NULL, then it reconnects. */
void ngx_http_scim_redis_close(ngx_http_scim_redis_conn_t *conn);

/* Asks for clock and data set now rather than at the next refresh. */
void ngx_http_scim_redis_refresh(ngx_http_scim_redis_conn_t *conn);

/*
 * A command of the connection's own; `callback` gets the connection as its
 * private data and must call ngx_http_scim_redis_own_done() first.
 */
ngx_int_t ngx_http_scim_redis_own(ngx_http_scim_redis_conn_t *conn,
    redisCallbackFn *callback, int argc, const char **argv, size_t *lengths);
void ngx_http_scim_redis_own_done(ngx_http_scim_redis_conn_t *conn);

#endif
