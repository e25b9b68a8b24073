#ifndef SCIM_APP_CONNECTOR_H
#define SCIM_APP_CONNECTOR_H

#include "scim_app.h"
#include "scim_app_field.h"

/*
 * Validates the `connector` of a definition (a JSON object with a `type`)
 * and returns its canonical form as a new reference, NULL with *error set.
 */
json_t *scim_app_connector_validate(const json_t *connector,
    const scim_app_policy_t *policy, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * True when a secret reference, "env:NAME" or "file:/path", is well-formed
 * and within the policy's allow-lists.  Looked at again each time a secret
 * is read.
 */
bool scim_app_secret_allowed(const char *reference,
    const scim_app_policy_t *policy);

/* What people are told who do by hand what the connector cannot. */
bool scim_app_instructions(const json_t *connector,
    const scim_app_place_t *place, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
