#include "ngx_http_scim_metrics.h"

#include "ngx_http_scim_redis.h"

#define NGX_HTTP_SCIM_KINDS    5
#define NGX_HTTP_SCIM_CLASSES  6


typedef struct {
    ngx_atomic_t  events[NGX_HTTP_SCIM_COUNT_EVENTS_MAX];
    ngx_atomic_t  requests[NGX_HTTP_SCIM_KINDS][NGX_HTTP_SCIM_CLASSES];
    ngx_atomic_t  lenient[SCIM_LENIENT_COUNT];
} ngx_http_scim_counters_t;


static ngx_http_scim_counters_t  *ngx_http_scim_counters;


static ngx_int_t
ngx_http_scim_metrics_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    if (data) {
        zone->data = data;      /* a reload keeps what was counted */
        ngx_http_scim_counters = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    zone->data = ngx_slab_calloc(pool, sizeof(ngx_http_scim_counters_t));
    ngx_http_scim_counters = zone->data;

    return zone->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_scim_metrics_zone(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf)
{
    ngx_str_t  name = ngx_string("scim_metrics");

    smcf->zone = ngx_shared_memory_add(cf, &name, 16 * ngx_pagesize,
                                       &ngx_http_scim_module);
    if (smcf->zone == NULL) {
        return NGX_ERROR;
    }

    smcf->zone->init = ngx_http_scim_metrics_init;

    return NGX_OK;
}


void
ngx_http_scim_count(ngx_http_scim_count_e what)
{
    if (ngx_http_scim_counters) {
        (void) ngx_atomic_fetch_add(&ngx_http_scim_counters->events[what], 1);
    }
}


void
ngx_http_scim_count_request(ngx_http_scim_kind_e kind, ngx_uint_t status)
{
    ngx_uint_t  class = status / 100;

    if (ngx_http_scim_counters && class < NGX_HTTP_SCIM_CLASSES) {
        (void) ngx_atomic_fetch_add(
            &ngx_http_scim_counters->requests[kind][class], 1);
    }
}


void
ngx_http_scim_count_lenient(const scim_lenient_t *lenient)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_scim_counters && i < SCIM_LENIENT_COUNT; i++) {
        if (lenient->count[i]) {
            (void) ngx_atomic_fetch_add(&ngx_http_scim_counters->lenient[i],
                                        lenient->count[i]);
        }
    }
}


static void
ngx_http_scim_metrics_requests(scim_buffer_t *out)
{
    ngx_uint_t                kind, class;
    static const char *const  names[] = { "", "scim", "admin", "health",
                                          "metrics" };

    scim_buffer_append_text(out,
        "# HELP scim_requests_total Requests answered.\n"
        "# TYPE scim_requests_total counter\n");

    for (kind = 1; kind < NGX_HTTP_SCIM_KINDS; kind++) {
        for (class = 2; class < NGX_HTTP_SCIM_CLASSES; class++) {
            scim_buffer_printf(out,
                "scim_requests_total{api=\"%s\",status=\"%luxx\"} %lu\n",
                names[kind], (unsigned long) class,
                (unsigned long) ngx_http_scim_counters->requests[kind][class]);
        }
    }
}


static void
ngx_http_scim_metrics_lenient(scim_buffer_t *out)
{
    ngx_uint_t                i;
    static const char *const  rules[] = {
#define NGX_HTTP_SCIM_RULE(name, rule)  rule,
        SCIM_LENIENT_RULES(NGX_HTTP_SCIM_RULE)
    };

    scim_buffer_append_text(out,
        "# HELP scim_lenient_total Deviations of clients that were "
        "normalized, by rule.\n"
        "# TYPE scim_lenient_total counter\n");

    for (i = 0; i < SCIM_LENIENT_COUNT; i++) {
        scim_buffer_printf(out, "scim_lenient_total{rule=\"%s\"} %lu\n",
            rules[i], (unsigned long) ngx_http_scim_counters->lenient[i]);
    }
}


void
ngx_http_scim_metrics_render(scim_buffer_t *out)
{
    ngx_uint_t                i;
    static const char *const  events[][2] = {
        { "connects", "Connections to Redis made." },
        { "timeouts", "Requests that Redis did not answer in time." },
        { "refused", "Requests that found no connection to Redis." }
    };

    if (ngx_http_scim_counters == NULL) {
        return;
    }

    ngx_http_scim_metrics_requests(out);
    ngx_http_scim_metrics_lenient(out);

    for (i = 0; i < NGX_HTTP_SCIM_COUNT_EVENTS_MAX; i++) {
        scim_buffer_printf(out,
            "# HELP scim_redis_%s_total %s\n"
            "# TYPE scim_redis_%s_total counter\n"
            "scim_redis_%s_total %lu\n", events[i][0], events[i][1],
            events[i][0], events[i][0],
            (unsigned long) ngx_http_scim_counters->events[i]);
    }

    scim_buffer_printf(out,
        "# HELP scim_redis_waiting Commands of this worker without an "
        "answer yet.\n"
        "# TYPE scim_redis_waiting gauge\n"
        "scim_redis_waiting %lu\n",
        (unsigned long) ngx_http_scim_redis_waiting());
}
