#include "ngx_http_scim_redis_events.h"

#define NGX_HTTP_SCIM_REDIS_BATCH  8


static void ngx_http_scim_redis_read_handler(ngx_event_t *rev);
static void ngx_http_scim_redis_write_handler(ngx_event_t *wev);
static void ngx_http_scim_redis_flush_handler(ngx_event_t *ev);
static void ngx_http_scim_redis_add_read(void *data);
static void ngx_http_scim_redis_del_read(void *data);
static void ngx_http_scim_redis_add_write(void *data);
static void ngx_http_scim_redis_del_write(void *data);
static void ngx_http_scim_redis_cleanup(void *data);


ngx_int_t
ngx_http_scim_redis_attach(ngx_http_scim_redis_events_t *events,
    redisAsyncContext *context, ngx_log_t *log)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(context->c.fd, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = events;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_scim_redis_read_handler;
    c->write->handler = ngx_http_scim_redis_write_handler;

    events->context = context;
    events->connection = c;
    events->queued = 0;
    events->connected = 0;
    events->broken = 0;
    events->flush.data = events;
    events->flush.handler = ngx_http_scim_redis_flush_handler;
    events->flush.log = log;

    context->ev.data = events;
    context->ev.addRead = ngx_http_scim_redis_add_read;
    context->ev.delRead = ngx_http_scim_redis_del_read;
    context->ev.addWrite = ngx_http_scim_redis_add_write;
    context->ev.delWrite = ngx_http_scim_redis_del_write;
    context->ev.cleanup = ngx_http_scim_redis_cleanup;

    return NGX_OK;
}


/*
 * Writes without hiredis' event handler: that one would run callbacks when
 * the connection turns out to be lost, and so end a request from inside the
 * call that sends its command.
 */
static void
ngx_http_scim_redis_write(ngx_http_scim_redis_events_t *events)
{
    int           done;
    ngx_event_t  *wev;

    done = 0;
    events->queued = 0;

    if (redisBufferWrite(&events->context->c, &done) != REDIS_OK) {
        events->broken = 1;
        ngx_post_event(&events->flush, &ngx_posted_events);
        return;
    }

    wev = events->connection->write;

    if (!done && !wev->active) {
        (void) ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


void
ngx_http_scim_redis_queued(ngx_http_scim_redis_events_t *events,
    ngx_uint_t idle, ngx_uint_t more)
{
    events->queued++;

    if (!events->connected || events->connection->write->active) {
        return;         /* written when the socket can take it */
    }

    if (events->in_callback || more
        || (!idle && events->queued < NGX_HTTP_SCIM_REDIS_BATCH))
    {
        ngx_post_event(&events->flush, &ngx_posted_events);
        return;
    }

    ngx_http_scim_redis_write(events);
}


static void
ngx_http_scim_redis_flush_handler(ngx_event_t *ev)
{
    ngx_http_scim_redis_events_t  *events = ev->data;

    if (events->context == NULL) {
        return;
    }

    if (events->broken) {
        /* hiredis sees the error again and ends the connection */
        redisAsyncHandleWrite(events->context);
        return;
    }

    if (events->queued) {
        ngx_http_scim_redis_write(events);
    }
}


static void
ngx_http_scim_redis_read_handler(ngx_event_t *rev)
{
    ngx_connection_t              *c = rev->data;
    ngx_http_scim_redis_events_t  *events = c->data;

    if (c->close) {
        events->close(events->data);
        return;
    }

    /* the flag is the owner's memory, which outlives the context */
    events->in_callback = 1;
    redisAsyncHandleRead(events->context);
    events->in_callback = 0;
}


static void
ngx_http_scim_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t              *c = wev->data;
    ngx_http_scim_redis_events_t  *events = c->data;

    events->queued = 0;
    events->in_callback = 1;
    redisAsyncHandleWrite(events->context);
    events->in_callback = 0;
}


static void
ngx_http_scim_redis_add_read(void *data)
{
    ngx_event_t                   *rev;
    ngx_http_scim_redis_events_t  *events = data;

    rev = events->connection->read;

    /* level-triggered: hiredis reads 16 KB a call */
    if (!rev->active) {
        (void) ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_scim_redis_del_read(void *data)
{
    ngx_event_t                   *rev;
    ngx_http_scim_redis_events_t  *events = data;

    rev = events->connection->read;

    if (rev->active) {
        (void) ngx_del_event(rev, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_scim_redis_add_write(void *data)
{
    ngx_event_t                   *wev;
    ngx_http_scim_redis_events_t  *events = data;

    if (events->connected) {
        return;         /* ngx_http_scim_redis_queued() decides when */
    }

    wev = events->connection->write;

    if (!wev->active) {
        (void) ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_scim_redis_del_write(void *data)
{
    ngx_event_t                   *wev;
    ngx_http_scim_redis_events_t  *events = data;

    wev = events->connection->write;

    if (wev->active) {
        (void) ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }
}


static void
ngx_http_scim_redis_cleanup(void *data)
{
    ngx_connection_t              *c;
    ngx_http_scim_redis_events_t  *events = data;

    c = events->connection;
    events->context = NULL;
    events->connection = NULL;
    events->connected = 0;

    if (events->flush.posted) {
        ngx_delete_posted_event(&events->flush);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    if (ngx_del_conn) {
        ngx_del_conn(c, 0);

    } else {
        if (c->read->active) {
            ngx_del_event(c->read, NGX_READ_EVENT, 0);
        }
        if (c->write->active) {
            ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
        }
    }

    c->read->closed = 1;
    c->write->closed = 1;
    ngx_free_connection(c);

    /* hiredis closes the descriptor; a second close would hit its next owner */
    c->fd = (ngx_socket_t) -1;

    events->gone(events->data);
}
