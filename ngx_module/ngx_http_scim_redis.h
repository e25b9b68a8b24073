#ifndef NGX_HTTP_SCIM_REDIS_H
#define NGX_HTTP_SCIM_REDIS_H

#include "ngx_http_scim_module.h"

/*
 * A worker's connections to Redis.  A request waits through a wait object
 * that both sides can forget: hiredis' callback frees it, nothing else does.
 */
typedef struct ngx_http_scim_wait_s  ngx_http_scim_wait_t;

/* reply NULL: the connection was lost, the outcome is unknown */
typedef void (*ngx_http_scim_reply_pt)(void *data, const scim_reply_t *reply);

ngx_int_t ngx_http_scim_redis_start(ngx_cycle_t *cycle,
    ngx_http_scim_main_conf_t *smcf);

/* Frees every connection; callbacks run with NULL. */
void ngx_http_scim_redis_stop(void);

/*
 * Sends a command and calls `handler` once with its reply, later.  The
 * command must stay as it is until then: it is sent again when Redis lacked
 * our functions.  NULL when there is no connection or too many wait: the
 * handler is never called then.
 */
ngx_http_scim_wait_t *ngx_http_scim_redis_send(const scim_command_t *command,
    ngx_http_scim_reply_pt handler, void *data);

/* The waiting side goes away; a late reply is dropped. */
void ngx_http_scim_redis_forget(ngx_http_scim_wait_t *wait);

/* The waiting side gave up: counts against the connection, then forgets. */
void ngx_http_scim_redis_timed_out(ngx_http_scim_wait_t *wait);

/* The data set's id as learned, empty until then. */
scim_text_t ngx_http_scim_redis_dataset(void);

/* Milliseconds to add to the local clock to get Redis' clock. */
int64_t ngx_http_scim_redis_clock_offset(void);

/* Commands that wait for a reply now. */
ngx_uint_t ngx_http_scim_redis_waiting(void);

#endif
