#ifndef SCIM_APP_SCIM_H
#define SCIM_APP_SCIM_H

#include "scim_app.h"
#include "scim_app_field.h"

/*
 * The connector type `scim`: the app is a SCIM 2.0 server for its own users.
 * It says little, and stands for a definition of type `http`.
 */
bool scim_app_scim_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * The definition of type `http` that a valid one stands for, as a new
 * reference; NULL when memory is gone.
 */
json_t *scim_app_scim_expand(const json_t *connector);

#endif
