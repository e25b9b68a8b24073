#ifndef NGX_HTTP_SCIM_REDIS_EVENTS_H
#define NGX_HTTP_SCIM_REDIS_EVENTS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <hiredis/hiredis.h>
#include <hiredis/async.h>

/*
 * The hiredis adapter: one context on one nginx connection.  It never closes
 * the descriptor (hiredis does), and nothing touches the context after an
 * event was handed to it.
 */
typedef struct {
    redisAsyncContext  *context;           /* NULL: not attached */
    ngx_connection_t   *connection;
    ngx_event_t         flush;             /* posted: write what is queued */
    ngx_uint_t          queued;            /* commands since the last write */
    unsigned            connected:1;       /* set by the owner's callback */
    unsigned            in_callback:1;
    unsigned            broken:1;          /* a write failed */
    void              (*close)(void *data);  /* nginx wants it closed */
    void              (*gone)(void *data);   /* the context is being freed */
    void               *data;              /* of both */
} ngx_http_scim_redis_events_t;

/*
 * Attaches a fresh context; close, gone and data are set already.  NGX_ERROR
 * when nginx has no connection left; the caller frees the context then.
 */
ngx_int_t ngx_http_scim_redis_attach(ngx_http_scim_redis_events_t *events,
    redisAsyncContext *context, ngx_log_t *log);

/*
 * One more command is queued.  It is written at once when Redis has nothing to
 * do (`idle`) or a batch is full, else, and if `more` are known to follow, at
 * the end of this iteration of the event loop: what Redis reads at once has one
 * fsync.  Never runs a callback.
 */
void ngx_http_scim_redis_queued(ngx_http_scim_redis_events_t *events,
    ngx_uint_t idle, ngx_uint_t more);

#endif
