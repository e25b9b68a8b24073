#include "scim_app_scim.h"

#include <stdio.h>
#include <string.h>

#include "scim_app_http.h"

#define PATCH_SCHEMA "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define USER_SCHEMA "urn:ietf:params:scim:schemas:core:2.0:User"
#define WORD_MAX 64
#define URN_MAX 200

static const char *const members[] = {
    "type", "baseUrl", "auth", "clientCertificate", "headers", "removal",
    "roles", "roleIds", "roleType", "roleAttribute", NULL
};


/* An optional word, one of two. */
static bool
check_word(const json_t *connector, const scim_app_place_t *place,
    const char *name, const char *one, const char *other,
    scim_error_t *error)
{
    const char      *word = NULL;
    scim_app_place_t here = { place, name, 0 };

    if (!scim_app_text(connector, place, name, false, 32, &word, error)) {
        return false;
    }
    if (word && strcmp(word, one) != 0 && strcmp(word, other) != 0) {
        return scim_app_refuse(error, &here, "must be %s or %s", one, other);
    }
    return true;
}


/*
 * How the value in `roles` is marked, or where the access role stands
 * instead: "urn:example:User:role".
 */
static bool
check_role_place(const json_t *connector, const scim_app_place_t *place,
    const char *roles, scim_error_t *error)
{
    bool             attribute = roles && strcmp(roles, "attribute") == 0;
    const char      *type, *urn, *name;
    scim_app_place_t type_here = { place, "roleType", 0 };
    scim_app_place_t here = { place, "roleAttribute", 0 };

    if (!scim_app_text(connector, place, "roleType", false, WORD_MAX, &type,
            error)
        || !scim_app_text(connector, place, "roleAttribute", false, URN_MAX,
            &urn, error))
    {
        return false;
    }
    if ((type || urn) && !attribute) {
        return scim_app_refuse(error, type ? &type_here : &here,
            "needs roles \"attribute\"");
    }
    if (type && urn) {
        return scim_app_refuse(error, &type_here,
            "cannot stand beside roleAttribute");
    }
    name = urn ? strrchr(urn, ':') : NULL;
    return urn == NULL || (strncmp(urn, "urn:", 4) == 0 && name[1]
            && strpbrk(urn, "/~ \"") == NULL && strchr(urn, ':') + 1 < name)
        || scim_app_refuse(error, &here,
            "must be a schema's URN, a colon and an attribute");
}


bool
scim_app_scim_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    const char      *roles;
    scim_app_place_t here = { place, "roleIds", 0 };

    if (!scim_app_object(connector, place, members, error)
        || !scim_app_endpoint(connector, place, policy, error)
        || !check_word(connector, place, "removal", "delete", "deactivate",
            error)
        || !check_word(connector, place, "roles", "attribute", "groups",
            error)
        || !scim_app_role_ids(connector, place, error))
    {
        return false;
    }
    roles = json_string_value(json_object_get(connector, "roles"));
    if ((roles && strcmp(roles, "groups") == 0)
        != (scim_app_member(connector, "roleIds") != NULL))
    {
        return scim_app_refuse(error, &here, roles
            && strcmp(roles, "groups") == 0
            ? "is required with roles \"groups\": access role to group id"
            : "needs roles \"groups\"");
    }
    return check_role_place(connector, place, roles, error);
}


/* ---- what it stands for ---- */

static json_t *
patch(const char *path, const char *op, const char *attribute, json_t *value)
{
    return json_pack("{ss,ss,s{s[s],s[{ss,ss,so*}]}}", "method", "PATCH",
        "path", path, "body", "schemas", PATCH_SCHEMA, "Operations", "op",
        op, "path", attribute, "value", value);
}


static json_t *
role_value(const char *type)
{
    return json_pack("[{ss*,ss,sb}]", "type", type, "value",
        "${grant.accessRole}", "primary", 1);
}


/* Of an extension: {"urn:...": {"role": "..."}}; the URN is split off. */
static json_t *
extension_value(const char *urn)
{
    const char *name = strrchr(urn, ':');
    json_t     *value = json_object();

    json_object_setn_new(value, urn, (size_t) (name - urn),
        json_pack("{ss}", name + 1, "${grant.accessRole}"));
    return value;
}


static json_t *
invite(void)
{
    return json_pack("{ss,ss,ss,s{s[s],ss,s{ss,ss},ss,s[{ss,ss,sb}],sb}}",
        "method", "POST", "path", "/Users", "memberId", "/id", "body",
        "schemas", USER_SCHEMA, "userName", "${user.userName}", "name",
        "givenName", "${user.givenName}", "familyName", "${user.familyName}",
        "displayName", "${user.displayName}", "emails", "value",
        "${user.email}", "type", "work", "primary", 1, "active", 1);
}


static json_t *
list(void)
{
    return json_pack("{ss,ss,ss,ss,s{ss,s[ss],ss}}", "method", "GET", "path",
        "/Users?startIndex=${page.start}&count=100", "items", "/Resources",
        "total", "/totalResults", "map", "id", "/id", "email",
        "/emails/0/value", "/userName", "active", "/active");
}


static void
set_listed_role(json_t *http, const char *pointer)
{
    json_object_set_new(json_object_get(json_object_get(http, "list"),
        "map"), "accessRole", json_string(pointer));
}


/* The access role is a value in `roles`. */
static void
add_roles(json_t *http, const char *type)
{
    json_t *body = json_object_get(json_object_get(http, "invite"), "body");

    json_object_set_new(body, "roles", role_value(type));
    json_object_set_new(http, "role", patch("/Users/${member.id}", "replace",
        "roles", role_value(type)));
    set_listed_role(http, "/roles/0/value");
}


/*
 * The access role is an attribute of an extension.  It is changed by an
 * operation without a path: not every app reads a path with a URN.
 */
static void
add_role_attribute(json_t *http, const char *urn)
{
    char        pointer[URN_MAX + 2];
    const char *name = strrchr(urn, ':');
    json_t     *body = json_object_get(json_object_get(http, "invite"),
        "body");

    json_array_append_new(json_object_get(body, "schemas"),
        json_stringn(urn, (size_t) (name - urn)));
    json_object_update_new(body, extension_value(urn));
    json_object_set_new(http, "role", json_pack("{ss,ss,s{s[s],s[{ss,so}]}}",
        "method", "PATCH", "path", "/Users/${member.id}", "body", "schemas",
        PATCH_SCHEMA, "Operations", "op", "replace", "value",
        extension_value(urn)));
    snprintf(pointer, sizeof(pointer), "/%.*s/%s", (int) (name - urn), urn,
        name + 1);
    set_listed_role(http, pointer);
}


static json_t *
headers(const json_t *own)
{
    json_t *all = json_pack("{ss,ss}", "Accept",
        "application/scim+json, application/json", "Content-Type",
        "application/scim+json");

    json_object_update(all, (json_t *) own);
    return all;
}


static void
add_removal(json_t *http, bool deactivate)
{
    if (!deactivate) {
        json_object_set_new(http, "remove", json_pack("{ss,ss}", "method",
            "DELETE", "path", "/Users/${member.id}"));
        return;
    }
    json_object_set_new(http, "remove", patch("/Users/${member.id}",
        "replace", "active", json_false()));
    json_object_set_new(http, "reactivate", patch("/Users/${member.id}",
        "replace", "active", json_true()));
}


static void
add_groups(json_t *http, const json_t *ids)
{
    json_object_set(http, "roleIds", (json_t *) ids);
    json_object_set_new(http, "assign", patch("/Groups/${role.id}", "add",
        "members", json_pack("[{ss}]", "value", "${member.id}")));
    json_object_set_new(http, "unassign", patch("/Groups/${role.id}",
        "remove", "members[value eq \"${member.id}\"]", NULL));
}


static bool
is_word(const json_t *connector, const char *name, const char *word)
{
    const char *text = json_string_value(json_object_get(connector, name));

    return text && strcmp(text, word) == 0;
}


json_t *
scim_app_scim_expand(const json_t *connector)
{
    const char *urn = json_string_value(json_object_get(connector,
        "roleAttribute"));
    json_t     *http = json_pack("{ss,sO,sO*,sO*,so,so,so}", "type", "http",
        "baseUrl", json_object_get(connector, "baseUrl"), "auth",
        json_object_get(connector, "auth"), "clientCertificate",
        json_object_get(connector, "clientCertificate"), "headers",
        headers(json_object_get(connector, "headers")), "invite", invite(),
        "list", list());

    if (http == NULL) {
        return NULL;
    }
    add_removal(http, is_word(connector, "removal", "deactivate"));
    if (urn) {
        add_role_attribute(http, urn);
    } else if (is_word(connector, "roles", "attribute")) {
        add_roles(http, json_string_value(json_object_get(connector,
            "roleType")));
    } else if (is_word(connector, "roles", "groups")) {
        add_groups(http, json_object_get(connector, "roleIds"));
    }
    return http;
}
