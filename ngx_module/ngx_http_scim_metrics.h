#ifndef NGX_HTTP_SCIM_METRICS_H
#define NGX_HTTP_SCIM_METRICS_H

#include "ngx_http_scim_module.h"

/* Counters in shared memory: all workers add up. */
typedef enum {
    NGX_HTTP_SCIM_COUNT_REDIS_CONNECTS = 0,
    NGX_HTTP_SCIM_COUNT_REDIS_TIMEOUTS,
    NGX_HTTP_SCIM_COUNT_REDIS_REFUSED,   /* no connection, or too many wait */
    NGX_HTTP_SCIM_COUNT_EVENTS_MAX
} ngx_http_scim_count_e;

ngx_int_t ngx_http_scim_metrics_zone(ngx_conf_t *cf,
    ngx_http_scim_main_conf_t *smcf);

void ngx_http_scim_count(ngx_http_scim_count_e what);

/* One answered request: its location's kind, its status. */
void ngx_http_scim_count_request(ngx_http_scim_kind_e kind, ngx_uint_t status);

/* Adds what an operation normalized (reference, section 6). */
void ngx_http_scim_count_lenient(const scim_lenient_t *lenient);

/* Writes the whole page of scim_metrics. */
void ngx_http_scim_metrics_render(scim_buffer_t *out);

#endif
