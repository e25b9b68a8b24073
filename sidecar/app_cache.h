#ifndef SIDECAR_APP_CACHE_H
#define SIDECAR_APP_CACHE_H

#include <stddef.h>

#include "scim_app.h"

/*
 * Definitions of apps, read once for as long as Redis answers with the same
 * text.  At most APP_CACHE_MAX are kept beyond those in use.
 */
#define APP_CACHE_MAX 256

typedef struct app_cache_s app_cache_t;

app_cache_t *app_cache_new(void); /* NULL when memory is short */

/* Nothing may be lent any more. */
void app_cache_free(app_cache_t *cache);

/*
 * The definition of a stored record (ten digits of version, then JSON), lent
 * until app_cache_release().  NULL when it is damaged or memory is short.
 */
const scim_app_t *app_cache_read(app_cache_t *cache, const char *record,
    size_t len);
void app_cache_release(app_cache_t *cache, const scim_app_t *app);

#endif
