#ifndef NGX_HTTP_SCIM_METRICS_H
#define NGX_HTTP_SCIM_METRICS_H

#include "ngx_http_scim_module.h"

/* Counters and gauges in shared memory: what all workers do, added up. */
typedef enum {
    NGX_HTTP_SCIM_COUNT_REDIS_CONNECTS = 0,
    NGX_HTTP_SCIM_COUNT_REDIS_TIMEOUTS,
    NGX_HTTP_SCIM_COUNT_REDIS_REFUSED,   /* none ready, or too many wait */
    NGX_HTTP_SCIM_COUNT_REDIS_LOST,      /* the outcome is unknown */
    NGX_HTTP_SCIM_COUNT_TOKEN_LOOKUPS,
    NGX_HTTP_SCIM_COUNTS
} ngx_http_scim_count_e;

/* Of one worker; those of a worker that is gone do not count. */
typedef enum {
    NGX_HTTP_SCIM_GAUGE_WAITING = 0,     /* commands without an answer yet */
    NGX_HTTP_SCIM_GAUGE_READY,           /* connections ready */
    NGX_HTTP_SCIM_GAUGES
} ngx_http_scim_gauge_e;

ngx_int_t ngx_http_scim_metrics_zone(ngx_conf_t *cf);

/* A worker takes and gives back its own gauges. */
void ngx_http_scim_metrics_start(ngx_cycle_t *cycle);
void ngx_http_scim_metrics_stop(void);

void ngx_http_scim_count(ngx_http_scim_count_e what);
void ngx_http_scim_gauge(ngx_http_scim_gauge_e what, ngx_int_t value);
void ngx_http_scim_gauge_add(ngx_http_scim_gauge_e what, ngx_int_t change);

/* One answered request: its location's kind, its status. */
void ngx_http_scim_count_request(ngx_http_scim_kind_e kind, ngx_uint_t status);

/* Adds what an operation normalized (reference, section 6). */
void ngx_http_scim_count_lenient(const scim_lenient_t *lenient);

/* Writes the whole page of scim_metrics. */
void ngx_http_scim_metrics_render(scim_buffer_t *out);

#endif
