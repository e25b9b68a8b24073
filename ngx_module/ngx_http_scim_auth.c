#include "ngx_http_scim_auth.h"

#include "scim_key.h"

#define NGX_HTTP_SCIM_AUTH_SLOTS  1024


typedef struct {
    ngx_msec_t        until;
    ngx_uint_t        known;              /* 0: no such token */
    size_t            len;                /* 0: empty slot */
    u_char            key[128];
    scim_principal_t  principal;
} ngx_http_scim_auth_slot_t;


/* Direct-mapped: bounded by design, the newest token of a slot wins. */
static ngx_http_scim_auth_slot_t  ngx_http_scim_auth_slots[
                                                   NGX_HTTP_SCIM_AUTH_SLOTS];


static ngx_http_scim_auth_slot_t *
ngx_http_scim_auth_slot(const char *key, size_t len)
{
    return &ngx_http_scim_auth_slots[ngx_crc32_short((u_char *) key, len)
                                     % NGX_HTTP_SCIM_AUTH_SLOTS];
}


ngx_int_t
ngx_http_scim_auth_cached(const char *key, size_t len,
    scim_principal_t *principal)
{
    ngx_http_scim_auth_slot_t  *slot;

    slot = ngx_http_scim_auth_slot(key, len);

    if (slot->len != len || ngx_memcmp(slot->key, key, len) != 0
        || (ngx_msec_int_t) (slot->until - ngx_current_msec) <= 0)
    {
        return NGX_AGAIN;
    }

    if (!slot->known) {
        return NGX_DECLINED;
    }

    if (slot->principal.expires
        && slot->principal.expires <= (int64_t) ngx_time() * 1000)
    {
        return NGX_DECLINED;
    }

    *principal = slot->principal;

    return NGX_OK;
}


void
ngx_http_scim_auth_remember(const char *key, size_t len,
    const scim_principal_t *principal, ngx_msec_t keep)
{
    ngx_http_scim_auth_slot_t  *slot;

    if (len > sizeof(slot->key) || keep == 0) {
        return;
    }

    slot = ngx_http_scim_auth_slot(key, len);
    slot->until = ngx_current_msec + keep;
    slot->len = len;
    ngx_memcpy(slot->key, key, len);
    slot->known = principal != NULL;

    if (principal) {
        slot->principal = *principal;
    }
}
