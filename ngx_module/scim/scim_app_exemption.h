#ifndef SCIM_APP_EXEMPTION_H
#define SCIM_APP_EXEMPTION_H

#include <stdint.h>

#include "scim_app_field.h"

/*
 * Exemptions: members of an app that checks leave alone, each with a reason,
 * an owner and an end.  Optional in a definition.
 */
bool scim_app_exemptions_validate(const json_t *body, json_t *definition,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * The member (address or the app's id) of a stored exemption that is in force
 * at `now` (ms since 1970); NULL when it has ended.
 */
const char *scim_app_exemption_member(const json_t *exemption, int64_t now);

#endif
