#include "scim_app_invites.h"

#include <string.h>

#include "scim_app_field.h"

#define YEAR 31536000

static const char *const members[] = {
    "expireSeconds", "onExpiry", "reinviteMax", "remindEverySeconds",
    "remindMax", NULL
};

static const scim_app_place_t  place = { NULL, "invites", 0 };
static const scim_app_number_t expire_seconds = {
    "expireSeconds", 1, YEAR, 0, true
};
static const scim_app_number_t reinvite_max = {
    "reinviteMax", 1, 10, 1, true
};
static const scim_app_number_t remind_seconds = {
    "remindEverySeconds", 1, YEAR, 0, true
};
static const scim_app_number_t remind_max = { "remindMax", 1, 20, 3, true };


static bool
refuse(scim_error_t *error, const char *name, const char *message)
{
    scim_app_place_t here = { &place, name, 0 };

    return scim_app_refuse(error, &here, "%s", message);
}


/* What happens to an invite that ran out. */
static bool
read_expiry(const json_t *invites, json_t *out, scim_error_t *error)
{
    bool        again;
    const char *word = NULL;

    if (!scim_app_text(invites, &place, "onExpiry", false, 32, &word, error))
    {
        return false;
    }
    if (scim_app_member(invites, "expireSeconds") == NULL) {
        return word == NULL && scim_app_member(invites, "reinviteMax") == NULL
            ? true : refuse(error, "expireSeconds", "is required beside "
                "onExpiry and reinviteMax");
    }
    again = word && strcmp(word, "reinvite") == 0;
    if (word && !again && strcmp(word, "expire") != 0) {
        return refuse(error, "onExpiry", "must be expire or reinvite");
    }
    if (!again && scim_app_member(invites, "reinviteMax")) {
        return refuse(error, "reinviteMax", "needs onExpiry \"reinvite\"");
    }
    json_object_set_new(out, "onExpiry", json_string(again ? "reinvite"
                                                           : "expire"));
    return scim_app_number(invites, &place, &expire_seconds, out, error)
        && (!again || scim_app_number(invites, &place, &reinvite_max, out,
               error));
}


static bool
read_reminders(const json_t *invites, const json_t *connector, json_t *out,
    scim_error_t *error)
{
    if (scim_app_member(invites, "remindEverySeconds") == NULL) {
        return scim_app_member(invites, "remindMax") == NULL ? true
            : refuse(error, "remindEverySeconds", "is required beside "
                "remindMax");
    }
    if (json_object_get(connector, "remind") == NULL) {
        return refuse(error, "remindEverySeconds", "needs a connector with "
            "remind");
    }
    return scim_app_number(invites, &place, &remind_seconds, out, error)
        && scim_app_number(invites, &place, &remind_max, out, error);
}


bool
scim_app_invites_validate(const json_t *body, json_t *definition,
    scim_error_t *error)
{
    json_t       *out;
    const json_t *invites = scim_app_member(body, "invites");
    const json_t *connector = json_object_get(definition, "connector");
    const char   *type = json_string_value(json_object_get(connector,
        "type"));

    if (invites == NULL) {
        return true;
    }
    if (!scim_app_object(invites, &place, members, error)) {
        return false;
    }
    if (type && strcmp(type, "scim") == 0) {
        /* whoever is not active in the sense of an invite works there */
        return scim_app_refuse(error, &place, "is not for a connector that "
            "makes accounts: there is nothing to accept");
    }
    out = json_object();
    if (json_object_set_new(definition, "invites", out) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    return read_expiry(invites, out, error)
        && read_reminders(invites, connector, out, error);
}


static int64_t
whole(const json_t *object, const char *name)
{
    long long value = json_integer_value(json_object_get(object, name));

    return value > 0 && value <= YEAR ? value : 0;
}


scim_app_invites_t
scim_app_invites_read(const json_t *definition)
{
    const json_t      *invites = json_object_get(definition, "invites");
    scim_app_invites_t read = {
        .expire_ms = whole(invites, "expireSeconds") * 1000,
        .remind_ms = whole(invites, "remindEverySeconds") * 1000,
        .remind_max = (unsigned) whole(invites, "remindMax"),
        .reinvite_max = (unsigned) whole(invites, "reinviteMax")
    };

    return read;
}
