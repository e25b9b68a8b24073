#include "scim_app_scim.h"

#include <string.h>

#include "scim_app_http.h"

#define PATCH_SCHEMA "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define USER_SCHEMA "urn:ietf:params:scim:schemas:core:2.0:User"

static const char *const members[] = {
    "type", "baseUrl", "auth", "clientCertificate", "headers", "removal",
    "roles", "roleIds", NULL
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
    return true;
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
role_value(void)
{
    return json_pack("[{ss,sb}]", "value", "${grant.accessRole}", "primary",
        1);
}


static json_t *
invite(bool with_role)
{
    json_t *verb = json_pack("{ss,ss,ss,s{s[s],ss,s{ss,ss},ss,"
        "s[{ss,ss,sb}],sb}}", "method", "POST", "path", "/Users",
        "memberId", "/id", "body", "schemas", USER_SCHEMA, "userName",
        "${user.userName}", "name", "givenName", "${user.givenName}",
        "familyName", "${user.familyName}", "displayName",
        "${user.displayName}", "emails", "value", "${user.email}", "type",
        "work", "primary", 1, "active", 1);

    if (with_role) {
        json_object_set_new(json_object_get(verb, "body"), "roles",
            role_value());
    }
    return verb;
}


static json_t *
list(bool with_role)
{
    json_t *verb = json_pack("{ss,ss,ss,ss,s{ss,s[ss],ss}}", "method",
        "GET", "path", "/Users?startIndex=${page.start}&count=100", "items",
        "/Resources", "total", "/totalResults", "map", "id", "/id", "email",
        "/emails/0/value", "/userName", "active", "/active");

    if (with_role) {
        json_object_set_new(json_object_get(verb, "map"), "accessRole",
            json_string("/roles/0/value"));
    }
    return verb;
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
    bool    attribute = is_word(connector, "roles", "attribute");
    json_t *http = json_pack("{ss,sO,sO*,sO*,so,so,so}", "type", "http",
        "baseUrl", json_object_get(connector, "baseUrl"), "auth",
        json_object_get(connector, "auth"), "clientCertificate",
        json_object_get(connector, "clientCertificate"), "headers",
        headers(json_object_get(connector, "headers")), "invite",
        invite(attribute), "list", list(attribute));

    if (http == NULL) {
        return NULL;
    }
    add_removal(http, is_word(connector, "removal", "deactivate"));
    if (attribute) {
        json_object_set_new(http, "role", patch("/Users/${member.id}",
            "replace", "roles", role_value()));
    } else if (is_word(connector, "roles", "groups")) {
        add_groups(http, json_object_get(connector, "roleIds"));
    }
    return http;
}
