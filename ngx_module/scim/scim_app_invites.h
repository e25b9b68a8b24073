#ifndef SCIM_APP_INVITES_H
#define SCIM_APP_INVITES_H

#include "scim_app.h"

/*
 * The policy of an app's invites, its member `invites`: when they run out,
 * what follows, how often people are reminded.  Shared by scim_app*.c only.
 */

/* Writes the canonical form into `definition`, which has its connector. */
bool scim_app_invites_validate(const json_t *body, json_t *definition,
    scim_error_t *error) __attribute__((warn_unused_result));

/* What a stored definition says; all zero when it says nothing. */
scim_app_invites_t scim_app_invites_read(const json_t *definition);

#endif
