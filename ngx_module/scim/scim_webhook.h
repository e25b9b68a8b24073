#ifndef SCIM_WEBHOOK_H
#define SCIM_WEBHOOK_H

#include "scim_app.h"

/*
 * A subscription to events as the admin API takes it and Redis keeps it:
 * pure validation and the filter, shared by the edge and the sidecar.
 *
 *   { "url", "secret": ref, "previousSecret"?: ref, "events"?: ["grant.*"],
 *     "apps"?: [ids], "description"? }
 */
#define SCIM_WEBHOOK_APPS_MAX 100

/*
 * Validates a definition and writes its canonical form, a new reference, to
 * *definition.  The URL is under the same rules as a connector's; `secret` is
 * a reference, never the secret.  False with *error (400), whose detail
 * begins with the field and a colon.
 */
bool scim_webhook_validate(const json_t *body,
    const scim_app_policy_t *policy, json_t **definition,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * Does the subscription ask for events of this type that concern this app
 * ("" = none in particular)?
 */
bool scim_webhook_wants(const json_t *definition, const char *type,
    const char *app);

#endif
