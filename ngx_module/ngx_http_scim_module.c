#include "ngx_http_scim_module.h"

#include <jansson.h>
#include <openssl/rand.h>

#include "ngx_http_scim_auth.h"
#include "ngx_http_scim_metrics.h"
#include "ngx_http_scim_redis.h"
#include "scim_embedded.h"

#define NGX_HTTP_SCIM_PAGE_SIZE      100
#define NGX_HTTP_SCIM_PAGE_SIZE_MAX  200
#define NGX_HTTP_SCIM_SCAN_MAX       10000


static void *ngx_http_scim_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_scim_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_scim_create_loc_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_scim_init_process(ngx_cycle_t *cycle);
static void ngx_http_scim_exit_process(ngx_cycle_t *cycle);
static char *ngx_http_scim_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_scim_policy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_scim_location(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_num_bounds_t  ngx_http_scim_waits_bounds = {
    ngx_conf_check_num_bounds, 1, 1000000
};


static ngx_command_t  ngx_http_scim_commands[] = {

    { ngx_string("scim_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_scim_redis,
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

    { ngx_string("scim_connector_policy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_scim_policy,
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
    NULL,                                  /* postconfiguration */

    ngx_http_scim_create_main_conf,        /* create main configuration */
    ngx_http_scim_init_main_conf,          /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_scim_create_loc_conf,         /* create location configuration */
    NULL                                   /* merge location configuration */
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

    /* a seed of each worker's own; OpenSSL's generator minds the fork */
    json_object_seed(0);

    return ngx_http_scim_redis_start(cycle, smcf);
}


static void
ngx_http_scim_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_scim_redis_stop();
}


static void
ngx_http_scim_free_schemas(void *data)
{
    scim_schemas_free(data);
}


static ngx_int_t
ngx_http_scim_load_schemas(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf)
{
    scim_error_t         error = { 0 };
    ngx_pool_cleanup_t  *cleanup;

    cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (cleanup == NULL) {
        return NGX_ERROR;
    }

    smcf->schemas = scim_schemas_new(scim_embedded_schemas,
                                     scim_embedded_schema_count, &error);
    if (smcf->schemas == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "scim schemas: %s",
                           error.detail);
        return NGX_ERROR;
    }

    cleanup->handler = ngx_http_scim_free_schemas;
    cleanup->data = smcf->schemas;

    return NGX_OK;
}


/* "password_file=": the file's first line, so that no secret is in the conf */
static char *
ngx_http_scim_read_password(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *password)
{
    u_char     *p, line[512];
    ssize_t     n;
    ngx_file_t  file;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *name;
    file.log = cf->log;
    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_file(&file, line, sizeof(line), 0);
    ngx_close_file(file.fd);

    if (n <= 0) {
        return "has an empty password file";
    }

    p = ngx_strlchr(line, line + n, '\n');
    password->len = (p ? p : line + n) - line;
    password->data = ngx_pnalloc(cf->pool, password->len + 1);
    if (password->data == NULL) {
        return NGX_CONF_ERROR;
    }

    *ngx_cpymem(password->data, line, password->len) = '\0';
    ngx_explicit_memzero(line, sizeof(line));

    return NGX_CONF_OK;
}


static char *
ngx_http_scim_redis_address(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf,
    ngx_str_t *value)
{
    u_char     *host;
    size_t      len;
    ngx_url_t   url;

    ngx_memzero(&url, sizeof(ngx_url_t));
    url.url = *value;
    url.default_port = 6379;

    if (ngx_parse_url(cf->pool, &url) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in scim_redis \"%V\"",
                           url.err ? url.err : "invalid address", value);
        return NGX_CONF_ERROR;
    }

    if (url.family == AF_UNIX) {
        smcf->redis_path.len = value->len - (sizeof("unix:") - 1);
        smcf->redis_path.data = value->data + sizeof("unix:") - 1;
        return NGX_CONF_OK;
    }

    /* resolved here, once: hiredis would block on a name */
    host = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
    if (host == NULL) {
        return NGX_CONF_ERROR;
    }

    len = ngx_sock_ntop(url.addrs[0].sockaddr, url.addrs[0].socklen, host,
                        NGX_SOCKADDR_STRLEN, 0);
    host[len] = '\0';
    smcf->redis_host.data = host;
    smcf->redis_host.len = len;
    smcf->redis_port = ngx_inet_get_port(url.addrs[0].sockaddr);

    return NGX_CONF_OK;
}


static char *
ngx_http_scim_redis_parameter(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf,
    ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  rest;

    if (ngx_strncmp(value->data, "user=", 5) == 0) {
        smcf->redis_user.data = value->data + 5;
        smcf->redis_user.len = value->len - 5;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "password_file=", 14) == 0) {
        rest.data = value->data + 14;
        rest.len = value->len - 14;
        return ngx_http_scim_read_password(cf, &rest, &smcf->redis_password);
    }

    if (ngx_strncmp(value->data, "connections=", 12) == 0) {
        n = ngx_atoi(value->data + 12, value->len - 12);
        if (n < 1 || n > 64) {
            return "has connections outside 1 to 64";
        }
        smcf->redis_connections = n;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of scim_redis", value);
    return NGX_CONF_ERROR;
}


static char *
ngx_http_scim_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                       *rv;
    ngx_str_t                  *value = cf->args->elts;
    ngx_uint_t                  i;
    ngx_http_scim_main_conf_t  *smcf = conf;

    if (smcf->redis_path.len || smcf->redis_host.len) {
        return "is duplicate";
    }

    rv = ngx_http_scim_redis_address(cf, smcf, &value[1]);

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {
        rv = ngx_http_scim_redis_parameter(cf, smcf, &value[i]);
    }

    return rv;
}


/* loopback | private | env=NAME[,NAME] | env=* | file=DIR[,DIR] | file=* */
static char *
ngx_http_scim_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                     *p, **list;
    ngx_str_t                  *value = cf->args->elts;
    ngx_uint_t                  i;
    ngx_http_scim_main_conf_t  *smcf = conf;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_strcmp(value[i].data, "loopback") == 0) {
            smcf->policy.allow_loopback = true;
            continue;
        }

        if (ngx_strcmp(value[i].data, "private") == 0) {
            smcf->policy.allow_private = true;
            continue;
        }

        if (ngx_strncmp(value[i].data, "env=", 4) == 0) {
            list = (u_char **) &smcf->policy.secret_env;
            p = value[i].data + 4;

        } else if (ngx_strncmp(value[i].data, "file=", 5) == 0) {
            list = (u_char **) &smcf->policy.secret_files;
            p = value[i].data + 5;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown scim_connector_policy \"%V\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        *list = p;
        for ( /* void */ ; *p; p++) {
            if (*p == ',') {
                *p = ' ';
            }
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_scim_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value = cf->args->elts;
    ngx_http_core_loc_conf_t  *clcf;
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

    slcf->kind = cmd->offset;
    slcf->prefix = clcf->name;

    if (slcf->kind == NGX_HTTP_SCIM_RESOURCES) {
        slcf->base_url = value[1];
        while (slcf->base_url.len
               && slcf->base_url.data[slcf->base_url.len - 1] == '/')
        {
            slcf->base_url.len--;
        }

        if (ngx_strncmp(value[1].data, "https://", 8) != 0
            && ngx_strncmp(value[1].data, "http://", 7) != 0)
        {
            return "needs the public base URL, with its scheme";
        }
    }

    clcf->handler = ngx_http_scim_handler;

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
     * set by ngx_pcalloc(): strings and policy empty, schemas and zone NULL
     */

    smcf->redis_connections = 1;
    smcf->redis_timeout = NGX_CONF_UNSET_MSEC;
    smcf->redis_waits = NGX_CONF_UNSET_UINT;
    smcf->token_cache = NGX_CONF_UNSET_MSEC;
    smcf->backlog_limit = NGX_CONF_UNSET;
    smcf->body_limit = NGX_CONF_UNSET_SIZE;

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

    if (smcf->redis_path.len == 0 && smcf->redis_host.len == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_http_scim_load_schemas(cf, smcf) != NGX_OK
        || ngx_http_scim_metrics_zone(cf, smcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_scim_create_loc_conf(ngx_conf_t *cf)
{
    /* not inherited: a location says itself what it serves */
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_scim_loc_conf_t));
}
