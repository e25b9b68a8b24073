#ifndef SCIM_APP_EMAIL_H
#define SCIM_APP_EMAIL_H

#include "scim_app.h"
#include "scim_app_field.h"

/*
 * Validates a connector of type `email`: the invite is a mail, and everything
 * else a task for a person.
 */
bool scim_app_email_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * Is it an address that can stand in SMTP and in a header as it is: printable
 * ASCII, one @ with something on both sides, no space, quote or bracket?
 */
bool scim_app_mail_address(const char *address);

#endif
