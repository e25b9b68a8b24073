#include "scim_webhook.h"

#include <string.h>

#include "scim_app_connector.h"
#include "scim_app_host.h"

#define URL_MAX         1024
#define REFERENCE_MAX   1024
#define DESCRIPTION_MAX 500
#define EVENTS_MAX      64
#define APP_ID_MAX      64

static const char *const members[] = {
    "url", "secret", "previousSecret", "events", "apps", "description", NULL
};

/* What there is to subscribe to; a pattern is one of these, "grant.*", "*". */
static const char *const types[] = {
    "grant.pending", "grant.invited", "grant.accepted", "grant.connected",
    "grant.removing", "grant.removed", "grant.waitlisted", "grant.manual",
    "grant.held", "grant.failed", "grant.expired", "hold.open",
    "hold.approved", "hold.rejected", "task.done", "task.manual",
    "task.failed", "revoke.late", "check.done", "check.failed",
    "webhook.disabled", NULL
};


static bool
fits(const char *pattern, const char *type)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*'
        && (len == 1 || pattern[len - 2] == '.'))
    {
        return strncmp(pattern, type, len - 1) == 0;
    }
    return strcmp(pattern, type) == 0;
}


static bool
is_known(const char *pattern)
{
    for (size_t i = 0; types[i]; i++) {
        if (fits(pattern, types[i])) {
            return true;
        }
    }
    return false;
}


static bool
is_app_id(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    return len > 0 && len <= APP_ID_MAX && text[len] == '\0';
}


/* An array of 1 to `max` texts that `accepts` takes, or nothing at all. */
static bool
check_list(const json_t *body, const char *name, size_t max,
    bool (*accepts)(const char *text), const char *what, scim_error_t *error)
{
    size_t           index;
    json_t          *one;
    const json_t    *list = scim_app_member(body, name);
    scim_app_place_t place = { NULL, name, 0 };

    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || json_array_size(list) == 0
        || json_array_size(list) > max)
    {
        return scim_app_refuse(error, &place,
            "must be an array of 1 to %zu texts", max);
    }
    json_array_foreach(list, index, one) {
        scim_app_place_t here = { &place, NULL, index };

        if (!json_is_string(one) || !accepts(json_string_value(one))) {
            return scim_app_refuse(error, &here, "%s", what);
        }
    }
    return true;
}


static bool
check_secret(const json_t *body, const char *name, bool required,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    const char      *reference;
    scim_app_place_t here = { NULL, name, 0 };

    if (!scim_app_text(body, NULL, name, required, REFERENCE_MAX, &reference,
            error))
    {
        return false;
    }
    return reference == NULL || scim_app_secret_allowed(reference, policy)
        || scim_app_refuse(error, &here, "must be \"env:NAME\" or "
            "\"file:/path\" within what this installation allows, never the "
            "secret itself");
}


static bool
check_url(const json_t *body, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    const char      *url;
    scim_app_place_t here = { NULL, "url", 0 };

    return scim_app_text(body, NULL, "url", true, URL_MAX, &url, error)
        && scim_app_base_url(url, &here, policy, error);
}


bool
scim_webhook_validate(const json_t *body, const scim_app_policy_t *policy,
    json_t **definition, scim_error_t *error)
{
    json_t     *copy;
    const char *text;

    if (!scim_app_object(body, NULL, members, error)
        || !check_url(body, policy, error)
        || !check_secret(body, "secret", true, policy, error)
        || !check_secret(body, "previousSecret", false, policy, error)
        || !check_list(body, "events", EVENTS_MAX, is_known,
            "is no event: grant.invited, grant.*, *, ...", error)
        || !check_list(body, "apps", SCIM_WEBHOOK_APPS_MAX, is_app_id,
            "must be the id of an app", error)
        || !scim_app_text(body, NULL, "description", false, DESCRIPTION_MAX,
            &text, error))
    {
        return false;
    }
    copy = json_object();
    for (size_t i = 0; copy && members[i]; i++) {
        const json_t *member = scim_app_member(body, members[i]);

        if (member && json_object_set_new(copy, members[i],
                json_deep_copy(member)) != 0)
        {
            json_decref(copy);
            copy = NULL;
        }
    }
    if (copy == NULL) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    *definition = copy;
    return true;
}


static bool
is_among(const json_t *list, const char *text,
    bool (*matches)(const char *one, const char *text))
{
    size_t  index;
    json_t *one;

    json_array_foreach(list, index, one) {
        if (matches(json_string_value(one), text)) {
            return true;
        }
    }
    return false;
}


static bool
is_same(const char *one, const char *text)
{
    return strcmp(one, text) == 0;
}


bool
scim_webhook_wants(const json_t *definition, const char *type,
    const char *app)
{
    const json_t *events = json_object_get(definition, "events");
    const json_t *apps = json_object_get(definition, "apps");

    return is_known(type) && (events == NULL || is_among(events, type, fits))
        && (apps == NULL || is_among(apps, app, is_same));
}
