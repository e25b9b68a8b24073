#ifndef NGX_HTTP_SCIM_ERROR_H
#define NGX_HTTP_SCIM_ERROR_H

#include "ngx_http_scim_module.h"

/*
 * Errors that nginx itself answers below a location of ours (too large, too
 * many requests, access denied, ...) get a SCIM body instead of HTML: they are
 * error pages of the location that lead back into it, where a handler in front
 * of the access checks answers them.  With `server` also those of its server
 * that come before a location is chosen (a request line or headers that are
 * too large or broken), where the request line begins with the location.
 */
ngx_int_t ngx_http_scim_take_error_pages(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_uint_t server);

/* Registers that handler. */
ngx_int_t ngx_http_scim_error_init(ngx_conf_t *cf);

#endif
