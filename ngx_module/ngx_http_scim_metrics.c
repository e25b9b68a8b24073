#include "ngx_http_scim_metrics.h"

#include <signal.h>

#define NGX_HTTP_SCIM_CLASSES      6       /* 1xx to 5xx */
#define NGX_HTTP_SCIM_WORKERS_MAX  256


typedef struct {
    ngx_atomic_t  pid;                     /* 0: free */
    ngx_atomic_t  gauges[NGX_HTTP_SCIM_GAUGES];
} ngx_http_scim_worker_t;


typedef struct {
    ngx_atomic_t            counts[NGX_HTTP_SCIM_COUNTS];
    ngx_atomic_t            requests[NGX_HTTP_SCIM_KINDS]
                                    [NGX_HTTP_SCIM_CLASSES];
    ngx_atomic_t            lenient[SCIM_LENIENT_COUNT];
    ngx_http_scim_worker_t  workers[NGX_HTTP_SCIM_WORKERS_MAX];
} ngx_http_scim_counters_t;


static const char *const  ngx_http_scim_count_names[][2] = {
    { "redis_connects", "Connections to Redis made." },
    { "redis_timeouts", "Requests that Redis did not answer in time." },
    { "redis_refused", "Requests that found no ready connection to Redis, or "
                       "too many that wait." },
    { "redis_lost", "Requests whose connection to Redis was lost." },
    { "token_lookups", "Tokens that were looked up in Redis." }
};

static const char *const  ngx_http_scim_gauge_names[][2] = {
    { "redis_waiting", "Commands that wait for an answer of Redis." },
    { "redis_ready", "Connections to Redis that take commands." }
};

static const char *const  ngx_http_scim_kind_names[] = {
    "", "scim", "admin", "health", "metrics", "join"
};


static ngx_http_scim_counters_t  *ngx_http_scim_counters;
static ngx_http_scim_worker_t    *ngx_http_scim_worker;


static ngx_int_t
ngx_http_scim_metrics_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data == NULL && zone->shm.exists) {
        data = pool->data;
    }

    if (data == NULL) {
        data = ngx_slab_calloc(pool, sizeof(ngx_http_scim_counters_t));
        pool->data = data;
    }

    zone->data = data;          /* a reload keeps what was counted */
    ngx_http_scim_counters = data;

    return data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_scim_metrics_zone(ngx_conf_t *cf)
{
    size_t           size;
    ngx_str_t        name = ngx_string("scim_metrics");
    ngx_shm_zone_t  *zone;

    size = ngx_max(sizeof(ngx_http_scim_counters_t), 8 * ngx_pagesize);
    zone = ngx_shared_memory_add(cf, &name, ngx_align(4 * size, ngx_pagesize),
                                 &ngx_http_scim_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_scim_metrics_init;

    return NGX_OK;
}


void
ngx_http_scim_metrics_start(ngx_cycle_t *cycle)
{
    ngx_uint_t                i;
    ngx_atomic_uint_t         pid;
    ngx_http_scim_worker_t   *worker;

    for (i = 0; i < NGX_HTTP_SCIM_WORKERS_MAX; i++) {
        worker = &ngx_http_scim_counters->workers[i];
        pid = worker->pid;

        /* also the place of one that was killed */
        if (pid && !(kill((ngx_pid_t) pid, 0) == -1 && ngx_errno == ESRCH)) {
            continue;
        }

        if (ngx_atomic_cmp_set(&worker->pid, pid, ngx_pid)) {
            ngx_memzero((void *) worker->gauges, sizeof(worker->gauges));
            ngx_http_scim_worker = worker;
            return;
        }
    }

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "more than %d workers: scim_metrics leaves this one out",
                  NGX_HTTP_SCIM_WORKERS_MAX);
}


void
ngx_http_scim_metrics_stop(void)
{
    if (ngx_http_scim_worker) {
        ngx_http_scim_worker->pid = 0;
        ngx_http_scim_worker = NULL;
    }
}


void
ngx_http_scim_count(ngx_http_scim_count_e what)
{
    (void) ngx_atomic_fetch_add(&ngx_http_scim_counters->counts[what], 1);
}


void
ngx_http_scim_gauge(ngx_http_scim_gauge_e what, ngx_int_t value)
{
    if (ngx_http_scim_worker) {
        ngx_http_scim_worker->gauges[what] = value;
    }
}


void
ngx_http_scim_gauge_add(ngx_http_scim_gauge_e what, ngx_int_t change)
{
    /* this worker alone writes it */

    if (ngx_http_scim_worker) {
        ngx_http_scim_worker->gauges[what] += change;
    }
}


void
ngx_http_scim_count_request(ngx_http_scim_kind_e kind, ngx_uint_t status)
{
    ngx_uint_t  class;

    class = ngx_min(status / 100, NGX_HTTP_SCIM_CLASSES - 1);

    (void) ngx_atomic_fetch_add(&ngx_http_scim_counters->requests[kind][class],
                                1);
}


void
ngx_http_scim_count_lenient(const scim_lenient_t *lenient)
{
    ngx_uint_t  i;

    for (i = 0; i < SCIM_LENIENT_COUNT; i++) {
        if (lenient->count[i]) {
            (void) ngx_atomic_fetch_add(&ngx_http_scim_counters->lenient[i],
                                        lenient->count[i]);
        }
    }
}


static void
ngx_http_scim_metrics_head(scim_buffer_t *out, const char *name,
    const char *type, const char *help)
{
    scim_buffer_printf(out, "# HELP scim_%s %s\n# TYPE scim_%s %s\n", name,
                       help, name, type);
}


static void
ngx_http_scim_metrics_requests(scim_buffer_t *out)
{
    ngx_uint_t  kind, class;

    ngx_http_scim_metrics_head(out, "requests_total", "counter",
                               "Requests answered, by kind of location and "
                               "class of status.");

    for (kind = 1; kind < NGX_HTTP_SCIM_KINDS; kind++) {
        for (class = 2; class < NGX_HTTP_SCIM_CLASSES; class++) {
            scim_buffer_printf(out,
                "scim_requests_total{api=\"%s\",status=\"%luxx\"} %lu\n",
                ngx_http_scim_kind_names[kind], (unsigned long) class,
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

    ngx_http_scim_metrics_head(out, "lenient_total", "counter",
                               "Deviations of clients that were normalized, "
                               "by rule.");

    for (i = 0; i < SCIM_LENIENT_COUNT; i++) {
        scim_buffer_printf(out, "scim_lenient_total{rule=\"%s\"} %lu\n",
            rules[i], (unsigned long) ngx_http_scim_counters->lenient[i]);
    }
}


static void
ngx_http_scim_metrics_gauges(scim_buffer_t *out)
{
    ngx_uint_t               i, j, workers;
    unsigned long            sums[NGX_HTTP_SCIM_GAUGES] = { 0 };
    ngx_http_scim_worker_t  *worker;

    workers = 0;

    for (i = 0; i < NGX_HTTP_SCIM_WORKERS_MAX; i++) {
        worker = &ngx_http_scim_counters->workers[i];

        if (worker->pid == 0
            || (kill((ngx_pid_t) worker->pid, 0) == -1 && ngx_errno == ESRCH))
        {
            continue;
        }

        workers++;
        for (j = 0; j < NGX_HTTP_SCIM_GAUGES; j++) {
            sums[j] += worker->gauges[j];
        }
    }

    ngx_http_scim_metrics_head(out, "workers", "gauge",
                               "Worker processes of nginx.");
    scim_buffer_printf(out, "scim_workers %lu\n", (unsigned long) workers);

    for (j = 0; j < NGX_HTTP_SCIM_GAUGES; j++) {
        ngx_http_scim_metrics_head(out, ngx_http_scim_gauge_names[j][0],
                                   "gauge", ngx_http_scim_gauge_names[j][1]);
        scim_buffer_printf(out, "scim_%s %lu\n",
                           ngx_http_scim_gauge_names[j][0], sums[j]);
    }
}


void
ngx_http_scim_metrics_render(scim_buffer_t *out)
{
    char        name[64];
    ngx_uint_t  i;

    ngx_http_scim_metrics_requests(out);
    ngx_http_scim_metrics_lenient(out);
    ngx_http_scim_metrics_gauges(out);

    for (i = 0; i < NGX_HTTP_SCIM_COUNTS; i++) {
        *ngx_snprintf((u_char *) name, sizeof(name) - 1, "%s_total",
                      ngx_http_scim_count_names[i][0]) = '\0';
        ngx_http_scim_metrics_head(out, name, "counter",
                                   ngx_http_scim_count_names[i][1]);
        scim_buffer_printf(out, "scim_%s %lu\n", name,
            (unsigned long) ngx_http_scim_counters->counts[i]);
    }
}
