#ifndef SCIM_APP_HTTP_H
#define SCIM_APP_HTTP_H

#include "scim_app.h"
#include "scim_app_field.h"

/* Validates a connector of type `http` completely (design.md, Contract). */
bool scim_app_http_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error) __attribute__((warn_unused_result));

/* Its baseUrl, auth and headers; for other types that call over HTTP. */
bool scim_app_endpoint(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error) __attribute__((warn_unused_result));

/* Its `roleIds`: what the access roles are called in the app. */
bool scim_app_role_ids(const json_t *connector,
    const scim_app_place_t *place, scim_error_t *error)
    __attribute__((warn_unused_result));

/* A user with a secret password, where it is given, as {"user","password"}. */
bool scim_app_basic(const json_t *connector, const char *name,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error) __attribute__((warn_unused_result));

#endif
