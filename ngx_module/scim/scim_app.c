#include "scim_app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scim_app_connector.h"
#include "scim_app_exemption.h"
#include "scim_app_field.h"
#include "scim_app_invites.h"
#include "scim_app_list.h"
#include "scim_app_scim.h"
#include "scim_json.h"

#define NAME_MAX_BYTES 256
#define DESCRIPTION_MAX 2000
#define ACCOUNT_MAX 320
#define ROLE_MAX_BYTES 128
#define ROLE_COUNT_MAX 64

static const char *const app_members[] = {
    "id", "name", "description", "seats", "accessRoles", "defaultAccessRole",
    "connector", "account", "limits", "guard", "settleSeconds",
    "revokeTargetSeconds", "checks", "exemptions", "invites",
    "restoreDays", NULL
};

static const scim_app_number_t concurrency = {
    "concurrency", 1, 256, 8, true
};
static const scim_app_number_t rate_per_second = {
    "ratePerSecond", 0.001, 100000, 0, false
};
static const scim_app_number_t burst = { "burst", 1, 100000, 0, true };
static const scim_app_number_t revoke_target = {
    "revokeTargetSeconds", 1, 2592000, 60, false
};
static const scim_app_number_t timeout_ms = {
    "timeoutMs", 10, 600000, 10000, true
};
static const scim_app_number_t max_attempts = {
    "maxAttempts", 1, 100, 8, true
};
static const scim_app_number_t percent = { "percent", 0, 100, 20, false };
static const scim_app_number_t count = { "count", 0, 1000000, 10, true };
static const scim_app_number_t window_seconds = {
    "windowSeconds", 1, 2592000, 600, true
};
static const scim_app_number_t settle_seconds = {
    "settleSeconds", 0, 86400, 5, false
};
static const scim_app_number_t restore_days = {
    "restoreDays", 0, 3650, 30, false
};
static const scim_app_number_t every_seconds = {
    "everySeconds", 1, 31536000, 86400, true
};
static const scim_app_number_t seats = { "seats", 1, 100000000, 0, true };


/* Copies a member that has no default; absent stays absent. */
static bool
copy_member(const json_t *body, const char *name, json_t *definition,
    scim_error_t *error)
{
    const json_t *member = scim_app_member(body, name);

    if (member != NULL && json_object_set_new(definition, name,
        json_deep_copy(member)) != 0)
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    return true;
}


static bool
read_texts(const json_t *body, json_t *definition, scim_error_t *error)
{
    const char *name, *description, *account;

    return scim_app_text(body, NULL, "name", true, NAME_MAX_BYTES, &name,
            error)
        && scim_app_text(body, NULL, "description", false, DESCRIPTION_MAX,
            &description, error)
        && scim_app_text(body, NULL, "account", false, ACCOUNT_MAX, &account,
            error)
        && copy_member(body, "name", definition, error)
        && copy_member(body, "description", definition, error)
        && copy_member(body, "account", definition, error);
}


/* The role at an index: a non-empty string that no earlier one equals. */
static bool
check_role(const json_t *roles, size_t index, const scim_app_place_t *place,
    scim_error_t *error)
{
    const json_t    *role = json_array_get(roles, index);
    scim_app_place_t here = { place, NULL, index };

    if (!json_is_string(role) || json_string_length(role) == 0
        || json_string_length(role) > ROLE_MAX_BYTES)
    {
        return scim_app_refuse(error, &here,
            "must be a string of 1 to %d bytes", ROLE_MAX_BYTES);
    }
    for (const char *p = json_string_value(role); *p; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            return scim_app_refuse(error, &here,
                "must not hold control characters");
        }
    }
    for (size_t i = 0; i < index; i++) {
        if (json_equal(json_array_get(roles, i), role)) {
            return scim_app_refuse(error, &here, "is there twice");
        }
    }
    return true;
}


static bool
read_roles(const json_t *body, json_t *definition, scim_error_t *error)
{
    const char      *default_role;
    const json_t    *roles = scim_app_member(body, "accessRoles");
    scim_app_place_t place = { NULL, "accessRoles", 0 };
    scim_app_place_t default_place = { NULL, "defaultAccessRole", 0 };

    if (!json_is_array(roles) || json_array_size(roles) == 0
        || json_array_size(roles) > ROLE_COUNT_MAX)
    {
        return scim_app_refuse(error, &place,
            "must be an array of 1 to %d strings, weakest first",
            ROLE_COUNT_MAX);
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        if (!check_role(roles, i, &place, error)) {
            return false;
        }
    }
    if (!scim_app_text(body, NULL, "defaultAccessRole", true, ROLE_MAX_BYTES,
        &default_role, error))
    {
        return false;
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        if (strcmp(json_string_value(json_array_get(roles, i)),
            default_role) == 0)
        {
            return copy_member(body, "accessRoles", definition, error)
                && copy_member(body, "defaultAccessRole", definition, error);
        }
    }
    return scim_app_refuse(error, &default_place,
        "must be one of accessRoles");
}


/*
 * An optional object of numbers, written whole with its defaults.  `bare` are
 * numbers without a default: absent stays absent.
 */
static bool
read_numbers(const json_t *body, const char *name,
    const char *const *members, const scim_app_number_t *const *numbers,
    const scim_app_number_t *const *bare, json_t *definition,
    scim_error_t *error)
{
    json_t          *out = json_object();
    const json_t    *object = scim_app_member(body, name);
    scim_app_place_t place = { NULL, name, 0 };

    if (json_object_set_new(definition, name, out) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    if (object && !scim_app_object(object, &place, members, error)) {
        return false;
    }
    for (; *numbers; numbers++) {
        if (!scim_app_number(object, &place, *numbers, out, error)) {
            return false;
        }
    }
    for (; bare && *bare; bare++) {
        if (scim_app_member(object, (*bare)->name)
            && !scim_app_number(object, &place, *bare, out, error))
        {
            return false;
        }
    }
    return true;
}


static bool
read_limits(const json_t *body, json_t *definition, scim_error_t *error)
{
    static const char *const members[] = {
        "concurrency", "ratePerSecond", "burst", "timeoutMs", "maxAttempts",
        NULL
    };
    static const scim_app_number_t *const numbers[] = {
        &concurrency, &timeout_ms, &max_attempts, NULL
    };
    static const scim_app_number_t *const bare[] = {
        &rate_per_second, &burst, NULL
    };

    return read_numbers(body, "limits", members, numbers, bare, definition,
        error);
}


static bool
read_guard(const json_t *body, json_t *definition, scim_error_t *error)
{
    static const char *const members[] = {
        "percent", "count", "windowSeconds", NULL
    };
    static const scim_app_number_t *const numbers[] = {
        &percent, &count, &window_seconds, NULL
    };

    return read_numbers(body, "guard", members, numbers, NULL, definition,
        error);
}


/*
 * A connector that names the roles names all of them, and one that cannot
 * tell roles apart has only one to give.
 */
static bool
check_connector_roles(const json_t *definition, scim_error_t *error)
{
    size_t           index;
    json_t          *role;
    const json_t    *roles = json_object_get(definition, "accessRoles");
    const json_t    *connector = json_object_get(definition, "connector");
    const json_t    *ids = json_object_get(connector, "roleIds");
    const char      *type = json_string_value(json_object_get(connector,
        "type"));
    scim_app_place_t place = { NULL, "connector", 0 };
    scim_app_place_t ids_place = { &place, "roleIds", 0 };
    scim_app_place_t roles_place = { &place, "roles", 0 };

    if (type && strcmp(type, "scim") == 0 && json_array_size(roles) > 1
        && json_object_get(connector, "roles") == NULL)
    {
        return scim_app_refuse(error, &roles_place, "is required where "
            "there are several accessRoles: attribute or groups");
    }
    json_array_foreach(roles, index, role) {
        if (ids && json_object_get(ids, json_string_value(role)) == NULL) {
            return scim_app_refuse(error, &ids_place,
                "must name every one of accessRoles");
        }
    }
    return true;
}


/* A schedule for checks; absent = only when asked for. */
static bool
read_checks(const json_t *body, json_t *definition, scim_error_t *error)
{
    json_t                  *out;
    const json_t            *checks = scim_app_member(body, "checks");
    const json_t            *apply = scim_app_member(checks, "apply");
    scim_app_place_t         place = { NULL, "checks", 0 };
    scim_app_place_t         apply_place = { &place, "apply", 0 };
    scim_app_place_t         every_place = { &place, "everySeconds", 0 };
    static const char *const members[] = { "everySeconds", "apply", NULL };

    if (checks == NULL) {
        return true;
    }
    if (!scim_app_object(checks, &place, members, error)) {
        return false;
    }
    if (scim_app_member(checks, "everySeconds") == NULL) {
        return scim_app_refuse(error, &every_place, "is required");
    }
    if (apply && !json_is_boolean(apply)) {
        return scim_app_refuse(error, &apply_place, "must be true or false");
    }
    if (!scim_app_can_list(json_object_get(definition, "connector"))) {
        return scim_app_refuse(error, &place,
            "needs a connector that can list the members");
    }
    out = json_pack("{sb}", "apply", json_is_true(apply));
    if (json_object_set_new(definition, "checks", out) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    return scim_app_number(checks, &place, &every_seconds, out, error);
}


static bool
read_connector(const json_t *body, const scim_app_policy_t *policy,
    json_t *definition, scim_error_t *error)
{
    json_t *connector = scim_app_connector_validate(
        scim_app_member(body, "connector"), policy, error);

    if (connector == NULL) {
        return false;
    }
    if (json_object_set_new(definition, "connector", connector) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    return true;
}


bool
scim_app_validate(const json_t *body, const scim_app_policy_t *policy,
    json_t **definition, scim_error_t *error)
{
    json_t *out = json_object();
    bool    valid;

    valid = scim_app_object(body, NULL, app_members, error)
        && read_texts(body, out, error)
        && (scim_app_member(body, "seats") == NULL
            || scim_app_number(body, NULL, &seats, out, error))
        && read_roles(body, out, error)
        && read_connector(body, policy, out, error)
        && check_connector_roles(out, error)
        && read_limits(body, out, error)
        && read_guard(body, out, error)
        && scim_app_number(body, NULL, &settle_seconds, out, error)
        && scim_app_number(body, NULL, &revoke_target, out, error)
        && scim_app_number(body, NULL, &restore_days, out, error)
        && read_checks(body, out, error)
        && scim_app_exemptions_validate(body, out, error)
        && scim_app_invites_validate(body, out, error);
    if (!valid) {
        json_decref(out);
        return false;
    }
    *definition = out;
    return true;
}


/* A number of a stored definition, or the default of older ones. */
static double
stored_number(const json_t *object, const scim_app_number_t *number)
{
    const json_t *member = json_object_get(object, number->name);
    double        value = json_number_value(member);

    return json_is_number(member) && value >= number->min
        && value <= number->max ? value : number->value;
}


static bool
read_stored_roles(scim_app_t *app)
{
    const json_t *roles = json_object_get(app->json, "accessRoles");
    size_t        size = json_array_size(roles);

    if (size == 0) {
        return false;
    }
    app->access_roles = calloc(size, sizeof(*app->access_roles));
    if (app->access_roles == NULL) {
        return false;
    }
    for (; app->access_role_count < size; app->access_role_count++) {
        const char *role = json_string_value(
            json_array_get(roles, app->access_role_count));

        if (role == NULL) {
            return false;
        }
        app->access_roles[app->access_role_count] = role;
    }
    app->default_access_role = json_string_value(
        json_object_get(app->json, "defaultAccessRole"));
    return app->default_access_role != NULL
        && scim_app_access_rank(app, app->default_access_role) >= 0;
}


static void
read_stored_numbers(scim_app_t *app)
{
    const json_t *limits = json_object_get(app->json, "limits");
    const json_t *guard = json_object_get(app->json, "guard");
    const json_t *limit = json_object_get(app->json, "seats");

    app->seats = json_is_integer(limit) ? json_integer_value(limit) : -1;
    app->limits.concurrency =
        (unsigned) stored_number(limits, &concurrency);
    app->limits.rate_per_second = stored_number(limits, &rate_per_second);
    app->limits.burst = stored_number(limits, &burst);
    app->limits.timeout_ms = (unsigned) stored_number(limits, &timeout_ms);
    app->limits.max_attempts =
        (unsigned) stored_number(limits, &max_attempts);
    app->guard.percent = stored_number(guard, &percent);
    app->guard.count = (unsigned) stored_number(guard, &count);
    app->guard.window_seconds =
        (unsigned) stored_number(guard, &window_seconds);
    app->settle_ms =
        llround(stored_number(app->json, &settle_seconds) * 1000);
}


static json_t *
read_stored_connector(const json_t *definition)
{
    json_t     *connector = json_object_get(definition, "connector");
    const char *type = json_string_value(json_object_get(connector, "type"));

    return type && strcmp(type, "scim") == 0
        ? scim_app_scim_expand(connector) : json_incref(connector);
}


bool
scim_app_read(const char *text, size_t len, scim_app_t *app)
{
    memset(app, 0, sizeof(*app));
    app->json = scim_json_read(text, len, &scim_json_stored_limits, NULL);
    app->id = json_string_value(json_object_get(app->json, "id"));
    app->name = json_string_value(json_object_get(app->json, "name"));
    app->account = json_string_value(json_object_get(app->json, "account"));
    app->connector = read_stored_connector(app->json);
    app->checks_apply = json_is_true(json_object_get(
        json_object_get(app->json, "checks"), "apply"));
    if (app->id == NULL || app->name == NULL
        || !json_is_object(app->connector) || !read_stored_roles(app))
    {
        scim_app_free(app);
        return false;
    }
    read_stored_numbers(app);
    app->invites = scim_app_invites_read(app->json);
    return true;
}


void
scim_app_free(scim_app_t *app)
{
    free(app->access_roles);
    json_decref(app->connector);
    json_decref(app->json);
    memset(app, 0, sizeof(*app));
}


int
scim_app_access_rank(const scim_app_t *app, const char *access_role)
{
    for (size_t i = 0; access_role && i < app->access_role_count; i++) {
        if (strcmp(app->access_roles[i], access_role) == 0) {
            return (int) i;
        }
    }
    return -1;
}
