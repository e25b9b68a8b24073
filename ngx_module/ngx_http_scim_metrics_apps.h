#ifndef NGX_HTTP_SCIM_METRICS_APPS_H
#define NGX_HTTP_SCIM_METRICS_APPS_H

#include "ngx_http_scim_request.h"

/*
 * The page of scim_metrics: this nginx's own counters, and what Redis knows of
 * the apps, asked for at most every few seconds by a worker, shard by shard.
 * Without Redis the page has the counters alone, and scim_apps_known 0.
 * Returns what ngx_http_finalize_request() takes, or NGX_DONE: it waits.
 */
ngx_int_t ngx_http_scim_metrics_page(ngx_http_scim_ctx_t *ctx);

/* The worker ends. */
void ngx_http_scim_metrics_apps_stop(void);

#endif
