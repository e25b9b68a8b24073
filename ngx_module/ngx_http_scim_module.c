#include "ngx_http_scim_module.h"

#include <jansson.h>

#include "ngx_http_scim_directives.h"
#include "ngx_http_scim_error.h"
#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_metrics_apps.h"
#include "ngx_http_scim_redis.h"
#include "ngx_http_scim_request.h"
#include "scim_key.h"

#define NGX_HTTP_SCIM_PAGE_SIZE      100
#define NGX_HTTP_SCIM_PAGE_SIZE_MAX  200


static void *ngx_http_scim_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_scim_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_scim_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_scim_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_scim_init_process(ngx_cycle_t *cycle);
static void ngx_http_scim_exit_process(ngx_cycle_t *cycle);
static char *ngx_http_scim_location(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_num_bounds_t  ngx_http_scim_waits_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};

static ngx_conf_num_bounds_t  ngx_http_scim_scan_bounds = {
    ngx_conf_check_num_bounds, 1, 100000000
};


static ngx_command_t  ngx_http_scim_commands[] = {

    { ngx_string("scim_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_scim_set_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("scim_redis_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, redis_timeout),
      NULL },

    { ngx_string("scim_redis_waits"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, redis_waits),
      &ngx_http_scim_waits_bounds },

    { ngx_string("scim_token_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, token_cache),
      NULL },

    { ngx_string("scim_backlog_limit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, backlog_limit),
      NULL },

    { ngx_string("scim_body_limit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, body_limit),
      NULL },

    { ngx_string("scim_scan_limit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, scan_limit),
      &ngx_http_scim_scan_bounds },

    { ngx_string("scim_async"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, async),
      NULL },

    { ngx_string("scim_schemas"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_scim_main_conf_t, schemas_dir),
      NULL },

    { ngx_string("scim_connector_policy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_scim_set_policy,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("scim"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_scim_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_SCIM_RESOURCES,
      NULL },

    { ngx_string("scim_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_scim_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_SCIM_ADMIN,
      NULL },

    { ngx_string("scim_join"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_scim_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_SCIM_JOIN,
      NULL },

    { ngx_string("scim_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_scim_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_SCIM_HEALTH,
      NULL },

    { ngx_string("scim_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_scim_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_HTTP_SCIM_METRICS,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_scim_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_scim_error_init,              /* postconfiguration */

    ngx_http_scim_create_main_conf,        /* create main configuration */
    ngx_http_scim_init_main_conf,          /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_scim_create_loc_conf,         /* create location configuration */
    ngx_http_scim_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_scim_module = {
    NGX_MODULE_V1,
    &ngx_http_scim_module_ctx,             /* module context */
    ngx_http_scim_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_scim_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_scim_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_scim_init_process(ngx_cycle_t *cycle)
{
    ngx_http_scim_main_conf_t  *smcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_scim_module);

    if (smcf == NULL || smcf->schemas == NULL) {
        return NGX_OK;
    }

    ngx_http_scim_metrics_start(cycle);

    return ngx_http_scim_redis_start(cycle, smcf);
}


static void
ngx_http_scim_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_scim_redis_stop();
    ngx_http_scim_metrics_apps_stop();
    ngx_http_scim_metrics_stop();
}


/* A public base URL, without the slashes at its end. */
static ngx_int_t
ngx_http_scim_read_base_url(ngx_str_t *value, ngx_str_t *base_url)
{
    *base_url = *value;

    while (base_url->len && base_url->data[base_url->len - 1] == '/') {
        base_url->len--;
    }

    if ((base_url->len > 8
         && ngx_strncmp(value->data, "https://", 8) == 0)
        || (base_url->len > 7
            && ngx_strncmp(value->data, "http://", 7) == 0))
    {
        return NGX_OK;
    }

    return NGX_ERROR;
}


static char *
ngx_http_scim_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value = cf->args->elts;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_scim_main_conf_t *smcf;
    ngx_http_scim_loc_conf_t  *slcf = conf;

    if (slcf->kind != NGX_HTTP_SCIM_NONE) {
        return "conflicts with another scim directive of this location";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

#if (NGX_PCRE)
    if (clcf->regex) {
        return "cannot be used in a location given by regular expression";
    }
#endif

    if (clcf->noname) {
        return "cannot be used in an \"if\" block";
    }

    slcf->kind = cmd->offset;
    slcf->prefix = clcf->name;

    while (slcf->prefix.len
           && slcf->prefix.data[slcf->prefix.len - 1] == '/')
    {
        slcf->prefix.len--;
    }

    if (cf->args->nelts > 1
        && ngx_http_scim_read_base_url(&value[1], &slcf->base_url) != NGX_OK)
    {
        return "needs the public base URL, with its scheme";
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_scim_module);

    if (slcf->kind == NGX_HTTP_SCIM_JOIN && smcf->join_url.len == 0) {
        smcf->join_url = slcf->base_url;
    }

    clcf->handler = ngx_http_scim_handler;

    if (ngx_http_scim_take_error_pages(cf, clcf,
            slcf->kind == NGX_HTTP_SCIM_RESOURCES) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_scim_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_scim_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(*smcf));
    if (smcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc(): strings and policy empty, schemas NULL
     */

    smcf->redis_connections = 1;
    smcf->redis_timeout = NGX_CONF_UNSET_MSEC;
    smcf->redis_waits = NGX_CONF_UNSET_UINT;
    smcf->token_cache = NGX_CONF_UNSET_MSEC;
    smcf->backlog_limit = NGX_CONF_UNSET;
    smcf->body_limit = NGX_CONF_UNSET_SIZE;
    smcf->scan_limit = NGX_CONF_UNSET_UINT;
    smcf->async = NGX_CONF_UNSET;

    return smcf;
}


static char *
ngx_http_scim_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_scim_main_conf_t  *smcf = conf;

    ngx_conf_init_msec_value(smcf->redis_timeout, 2000);
    ngx_conf_init_uint_value(smcf->redis_waits, 4096);
    ngx_conf_init_msec_value(smcf->token_cache, 1000);
    ngx_conf_init_value(smcf->backlog_limit, 5000000);
    ngx_conf_init_size_value(smcf->body_limit, 1024 * 1024);
    ngx_conf_init_uint_value(smcf->scan_limit, 100000);
    ngx_conf_init_value(smcf->async, 1);

    if (smcf->redis_timeout == 0) {
        return "scim_redis_timeout must not be 0";
    }

    if (smcf->redis_path.len == 0 && smcf->redis_host.len == 0) {
        return NGX_CONF_OK;
    }

    /* before the first table is made: workers share what is built here */
    json_object_seed(0);

    if (ngx_http_scim_load_schemas(cf, smcf) != NGX_OK
        || ngx_http_scim_metrics_zone(cf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_scim_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_scim_loc_conf_t));
}


/* Nothing is inherited: a location says itself what it serves. */
static char *
ngx_http_scim_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    scim_service_t             *service;
    ngx_http_scim_loc_conf_t   *conf = child;
    ngx_http_scim_main_conf_t  *smcf;

    if (conf->kind == NGX_HTTP_SCIM_NONE) {
        return NGX_CONF_OK;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_scim_module);

    if (smcf->schemas == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V/\" needs \"scim_redis\" in the http block",
                      &conf->prefix);
        return NGX_CONF_ERROR;
    }

    service = &conf->service;
    service->schemas = smcf->schemas;
    service->base_url.text = (const char *) conf->base_url.data;
    service->base_url.len = conf->base_url.len;
    service->shard_count = SCIM_SHARD_COUNT_DEFAULT;
    service->body_max = smcf->body_limit;
    service->backlog_max = smcf->backlog_limit;
    service->page_size = NGX_HTTP_SCIM_PAGE_SIZE;
    service->page_size_max = NGX_HTTP_SCIM_PAGE_SIZE_MAX;
    service->scan_max = smcf->scan_limit;
    service->app_policy = smcf->policy;
    service->async = smcf->async;
    service->wait_max = (smcf->redis_timeout + 999) / 1000;
    service->join_url.text = (const char *) smcf->join_url.data;
    service->join_url.len = smcf->join_url.len;

    return NGX_CONF_OK;
}
