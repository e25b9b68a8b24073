#ifndef NGX_HTTP_SCIM_MODULE_H
#define NGX_HTTP_SCIM_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "scim_operation.h"

/* What a location serves. */
typedef enum {
    NGX_HTTP_SCIM_NONE = 0,
    NGX_HTTP_SCIM_RESOURCES, /* scim */
    NGX_HTTP_SCIM_ADMIN,     /* scim_admin */
    NGX_HTTP_SCIM_HEALTH,    /* scim_health */
    NGX_HTTP_SCIM_METRICS,   /* scim_metrics */
    NGX_HTTP_SCIM_JOIN       /* scim_join */
} ngx_http_scim_kind_e;

#define NGX_HTTP_SCIM_KINDS  6


typedef struct {
    ngx_str_t             redis_host;      /* numeric address */
    ngx_str_t             redis_path;      /* unix socket, or empty */
    in_port_t             redis_port;
    ngx_str_t             redis_user;
    ngx_str_t             redis_password;  /* read from a file */
    ngx_uint_t            redis_connections;
    ngx_msec_t            redis_timeout;
    ngx_uint_t            redis_waits;     /* per connection, at most */
    ngx_msec_t            token_cache;
    ngx_int_t             backlog_limit;   /* events; 0 = none */
    size_t                body_limit;
    ngx_uint_t            scan_limit;      /* documents of one query */
    ngx_flag_t            async;           /* Prefer: respond-async is heard */
    ngx_str_t             schemas_dir;     /* of additional schemas, or empty */
    scim_schemas_t       *schemas;         /* NULL: scim_redis is not set */
    scim_app_policy_t     policy;
    ngx_str_t             join_url;        /* of the first scim_join */
} ngx_http_scim_main_conf_t;


typedef struct {
    ngx_http_scim_kind_e  kind;
    ngx_str_t             base_url;
    ngx_str_t             prefix;          /* the location's name */
    scim_service_t        service;         /* what its operations share */
} ngx_http_scim_loc_conf_t;


extern ngx_module_t  ngx_http_scim_module;

#endif
