#ifndef SIDECAR_CONNECTOR_TOKEN_H
#define SIDECAR_CONNECTOR_TOKEN_H

#include "connector.h"

/*
 * Access tokens for apps with `auth.oauth2` (RFC 6749, sections 4.4 and 6).
 * Kept in memory alone, asked for once for all who wait, and asked for anew
 * before they run out.
 */
typedef struct connector_tokens_s connector_tokens_t;
typedef struct connector_wait_s   connector_wait_t;

/* problem: NULL = there is a token now; else why there is none, no secrets */
typedef void (*connector_token_pt)(void *data, const char *problem);

connector_tokens_t *connector_tokens_new(connectors_t *connectors);
/* Ends every wait without a call. */
void connector_tokens_free(connector_tokens_t *tokens);

/* The app's auth has no oauth2, or its token is at hand. */
bool connector_token_ready(connector_tokens_t *tokens,
    const scim_app_t *app);

/* The token, lent until the loop goes on; NULL when there is none. */
const char *connector_token_get(connector_tokens_t *tokens,
    const scim_app_t *app);

/* The app refused it.  False when the app's auth has no oauth2. */
bool connector_token_forget(connector_tokens_t *tokens,
    const scim_app_t *app);

/* All of them are asked for anew. */
void connector_tokens_forget(connector_tokens_t *tokens);

/*
 * Asks for a token.  `done` is called once, from the loop; NULL when memory
 * is short.
 */
connector_wait_t *connector_token_wait(connector_tokens_t *tokens,
    const scim_app_t *app, connector_token_pt done, void *data);
void connector_token_cancel(connector_wait_t *wait);

#endif
