#ifndef NGX_HTTP_SCIM_AUTH_H
#define NGX_HTTP_SCIM_AUTH_H

#include "ngx_http_scim_module.h"

/*
 * What this worker knows of a token, by the key of its record: NGX_OK and
 * *principal, NGX_DECLINED (known to be no token), NGX_AGAIN (ask Redis).
 */
ngx_int_t ngx_http_scim_auth_cached(const char *key, size_t len,
    scim_principal_t *principal);

/* Remembers for `keep` ms; principal NULL = no such token. */
void ngx_http_scim_auth_remember(const char *key, size_t len,
    const scim_principal_t *principal, ngx_msec_t keep);

#endif
