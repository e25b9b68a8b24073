#include "scim_app_connector.h"

#include <string.h>
#include <strings.h>

#include "scim_app_email.h"
#include "scim_app_host.h"
#include "scim_app_http.h"
#include "scim_app_scim.h"

#define INSTRUCTIONS_MAX 4000

typedef struct {
    const char *type;
    bool (*validate)(const json_t *connector, const scim_app_place_t *place,
        const scim_app_policy_t *policy, scim_error_t *error);
} connector_type_t;

static const scim_app_place_t connector_place = { NULL, "connector", 0 };


bool
scim_app_instructions(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    const char      *text;
    scim_app_place_t here = { place, "instructions", 0 };
    const json_t    *instructions =
        scim_app_member(connector, "instructions");

    if (instructions == NULL) {
        return true;
    }
    text = json_string_value(instructions);
    if (text == NULL || *text == '\0' || strlen(text) > INSTRUCTIONS_MAX) {
        return scim_app_refuse(error, &here,
            "must be a string of 1 to %d bytes", INSTRUCTIONS_MAX);
    }
    return true;
}


static bool
validate_manual(const json_t *connector, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    static const char *const members[] = { "type", "instructions", NULL };

    (void) policy;
    return scim_app_object(connector, place, members, error)
        && scim_app_instructions(connector, place, error);
}


static const connector_type_t types[] = {
    { "http", scim_app_http_validate },
    { "scim", scim_app_scim_validate },
    { "email", scim_app_email_validate },
    { "manual", validate_manual }
};


/* null means "not given" everywhere outside of a body. */
static json_t *
copy_given(const json_t *object, unsigned depth)
{
    const char *name;
    json_t     *member, *copy = json_object();

    json_object_foreach((json_t *) object, name, member) {
        json_t *value;

        if (json_is_null(member)) {
            continue;
        }
        value = depth > 0 && json_is_object(member)
            && strcmp(name, "body") != 0
            ? copy_given(member, depth - 1) : json_deep_copy(member);
        if (json_object_set_new(copy, name, value) != 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}


json_t *
scim_app_connector_validate(const json_t *connector,
    const scim_app_policy_t *policy, scim_error_t *error)
{
    json_t          *copy;
    const char      *type;
    scim_app_place_t here = { &connector_place, "type", 0 };

    if (!json_is_object(connector)) {
        scim_app_refuse(error, &connector_place, connector == NULL
            ? "is required" : "must be a JSON object");
        return NULL;
    }
    if (!scim_app_text(connector, &connector_place, "type", true, 64, &type,
        error))
    {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].type, type) != 0) {
            continue;
        }
        if (!types[i].validate(connector, &connector_place, policy, error)) {
            return NULL;
        }
        copy = copy_given(connector, 3);
        if (copy == NULL) {
            scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
        }
        return copy;
    }
    scim_app_refuse(error, &here,
        "must be http, scim, email or manual, is \"%.48s\"", type);
    return NULL;
}
