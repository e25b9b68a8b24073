#ifndef NGX_HTTP_SCIM_REDIS_EVENTS_H
#define NGX_HTTP_SCIM_REDIS_EVENTS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <hiredis/async.h>

/*
 * The hiredis adapter: one context on one nginx connection.  It never closes
 * the descriptor (hiredis does), and nothing touches the context after an
 * event was handed to it.
 */
typedef struct {
    redisAsyncContext  *context;
    ngx_connection_t   *connection;
    ngx_event_t         flush;      /* posted: write what was queued */
    unsigned            connected:1;
    unsigned            in_callback:1;
    unsigned            flushing:1;
    void              (*close)(void *data);  /* nginx wants it closed */
    void               *data;
} ngx_http_scim_redis_events_t;

/*
 * Attaches a fresh context.  NGX_ERROR when nginx has no connection left; the
 * caller frees the context then.
 */
ngx_int_t ngx_http_scim_redis_attach(ngx_http_scim_redis_events_t *events,
    redisAsyncContext *context, ngx_log_t *log);

/*
 * Writes queued commands now when that is allowed, else at the end of this
 * iteration of the event loop.
 */
void ngx_http_scim_redis_flush(ngx_http_scim_redis_events_t *events,
    ngx_uint_t now);

#endif
