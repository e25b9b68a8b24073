#include "scim_app_email.h"

#include <stdio.h>
#include <string.h>

#include "scim_app_connector.h"
#include "scim_app_host.h"
#include "scim_app_http.h"
#include "scim_app_template.h"

#define SERVER_MAX  300
#define SUBJECT_MAX 256
#define TEXT_MAX    20000
#define ADDRESS_MAX 254

#define MAIL_VARIABLES (SCIM_APP_VARIABLE(SCIM_APP_USER_EMAIL) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_USER_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_DISPLAY_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_GIVEN_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_FAMILY_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ACCESS_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_JOIN_URL) \
    | SCIM_APP_VARIABLE(SCIM_APP_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_WORKSPACE))

static const char *const members[] = {
    "type", "server", "auth", "from", "replyTo", "subject", "text",
    "remind", "instructions", NULL
};
static const char *const mail_members[] = { "subject", "text", NULL };


bool
scim_app_mail_address(const char *address)
{
    const char *at = strchr(address, '@');

    if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@')
        || strlen(address) > ADDRESS_MAX || address[0] == '-')
    {
        return false;
    }
    for (const char *p = address; *p; p++) {
        if (*p <= 0x20 || *p > 0x7e || strchr("<>()[],;:\\\"", *p)) {
            return false;
        }
    }
    return true;
}


static bool
check_server(const json_t *connector, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    char             url[SERVER_MAX + 16];
    const char      *server, *host;
    scim_app_place_t here = { place, "server", 0 };
    scim_error_t     ignored = { 0 };

    if (!scim_app_text(connector, place, "server", true, SERVER_MAX, &server,
            error))
    {
        return false;
    }
    host = strncmp(server, "smtps://", 8) == 0 ? server + 8
        : strncmp(server, "smtp://", 7) == 0 ? server + 7 : NULL;
    if (host == NULL || strchr(host, '/')) {
        return scim_app_refuse(error, &here, "must be smtps://host[:port], "
            "or smtp://host[:port] for STARTTLS");
    }
    /* the hosts that connectors may call are the same ones */
    snprintf(url, sizeof(url), "https://%s", host);
    if (!scim_app_base_url(url, &here, policy, &ignored)) {
        return scim_app_refuse(error, &here,
            "must name a host that connectors may call");
    }
    return true;
}


static bool
check_address(const json_t *connector, const scim_app_place_t *place,
    const char *name, bool required, scim_error_t *error)
{
    const char      *address;
    scim_app_place_t here = { place, name, 0 };

    if (!scim_app_text(connector, place, name, required, ADDRESS_MAX,
            &address, error))
    {
        return false;
    }
    return address == NULL || scim_app_mail_address(address) ? true
        : scim_app_refuse(error, &here,
            "must be an address as access@example.com, without a name");
}


static bool
check_words(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    const char      *subject;
    const json_t    *text = scim_app_member(connector, "text");
    scim_app_place_t subject_here = { place, "subject", 0 };
    scim_app_place_t text_here = { place, "text", 0 };

    if (!scim_app_text(connector, place, "subject", true, SUBJECT_MAX,
            &subject, error)
        || !scim_app_template_check(subject, &subject_here, MAIL_VARIABLES,
            NULL, error))
    {
        return false;
    }
    if (!json_is_string(text) || json_string_length(text) == 0
        || json_string_length(text) > TEXT_MAX)
    {
        return scim_app_refuse(error, &text_here,
            "must be a string of 1 to %d bytes", TEXT_MAX);
    }
    return scim_app_template_check(json_string_value(text), &text_here,
        MAIL_VARIABLES, NULL, error);
}


/* The mail that reminds of the first one. */
static bool
check_reminder(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    const json_t    *remind = scim_app_member(connector, "remind");
    scim_app_place_t here = { place, "remind", 0 };

    return remind == NULL
        || (scim_app_object(remind, &here, mail_members, error)
            && check_words(remind, &here, error));
}


bool
scim_app_email_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    return scim_app_object(connector, place, members, error)
        && check_server(connector, place, policy, error)
        && scim_app_basic(connector, "auth", place, policy, error)
        && check_address(connector, place, "from", true, error)
        && check_address(connector, place, "replyTo", false, error)
        && check_words(connector, place, error)
        && check_reminder(connector, place, error)
        && scim_app_instructions(connector, place, error);
}
