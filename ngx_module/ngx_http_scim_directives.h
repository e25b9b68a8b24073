#ifndef NGX_HTTP_SCIM_DIRECTIVES_H
#define NGX_HTTP_SCIM_DIRECTIVES_H

#include "ngx_http_scim_module.h"

/*
 * The setters of directives that have a grammar of their own.  Like nginx's:
 * NGX_CONF_OK, a text that follows the directive's name, or NGX_CONF_ERROR
 * when the fault has been logged.
 */

/* scim_redis unix:/path | host:port [user=] [password_file=] [connections=] */
char *ngx_http_scim_set_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* scim_connector_policy [loopback] [private] [env=a,b|*] [file=dir,dir|*] */
char *ngx_http_scim_set_policy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Reads the embedded schemas and those of scim_schemas into smcf->schemas,
 * which the configuration's pool frees.  NGX_ERROR when the fault is logged.
 */
ngx_int_t ngx_http_scim_load_schemas(ngx_conf_t *cf,
    ngx_http_scim_main_conf_t *smcf);

#endif
