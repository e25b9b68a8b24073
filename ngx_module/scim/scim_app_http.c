#include "scim_app_http.h"

#include <string.h>

#include "scim_app_connector.h"
#include "scim_app_host.h"
#include "scim_app_template.h"

#define PATH_MAX_BYTES 2048
#define POINTER_MAX 256
#define ROLE_ID_MAX 256
#define CODE_COUNT_MAX 64

#define USER_KEYS (SCIM_APP_VARIABLE(SCIM_APP_USER_EMAIL) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_USER_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_ID))
#define PLACE_VARIABLES (SCIM_APP_VARIABLE(SCIM_APP_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_WORKSPACE))
#define PERSON_VARIABLES (USER_KEYS | PLACE_VARIABLES \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_DISPLAY_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_GIVEN_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_FAMILY_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ACCESS_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_ROLE_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_JOIN_URL))
#define MEMBER_VARIABLE SCIM_APP_VARIABLE(SCIM_APP_MEMBER_ID)
#define PAGE_VARIABLES (SCIM_APP_VARIABLE(SCIM_APP_PAGE_CURSOR) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_START) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_NUMBER) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_OFFSET))

typedef struct {
    const char        *name;
    const char *const *members;
    const char *const *methods;
    unsigned           variables; /* that have a value in this verb */
    unsigned           keys; /* of which one must say who is meant */
} verb_t;

static const char *const connector_members[] = {
    "type", "baseUrl", "auth", "clientCertificate", "headers", "invite",
    "role", "remove", "cancel", "remind", "answer", "assign", "unassign",
    "reactivate", "find", "list", "openInvites", "roleIds", NULL
};
static const char *const invite_members[] = {
    "method", "path", "body", "memberId", "lookFirst", NULL
};
static const char *const call_members[] = { "method", "path", "body", NULL };
static const char *const list_members[] = {
    "method", "path", "body", "items", "next", "nextUrl", "total", "map",
    "pending", "pendingStates", NULL
};
static const char *const map_members[] = {
    "id", "email", "accessRole", "state", "active", NULL
};
static const char *const answer_members[] = {
    "ok", "equals", "code", "exists", "absent", "wait", NULL
};
static const char *const write_methods[] = {
    "POST", "PUT", "PATCH", "DELETE", NULL
};
static const char *const list_methods[] = { "GET", "POST", NULL };

static const verb_t verbs[] = {
    { "invite", invite_members, write_methods, PERSON_VARIABLES, USER_KEYS },
    { "role", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "remove", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "cancel", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "remind", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "assign", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "unassign", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "reactivate", call_members, write_methods,
      PERSON_VARIABLES | MEMBER_VARIABLE, USER_KEYS | MEMBER_VARIABLE },
    { "find", list_members, list_methods,
      PERSON_VARIABLES | PAGE_VARIABLES, USER_KEYS },
    { "list", list_members, list_methods,
      PLACE_VARIABLES | PAGE_VARIABLES, 0 },
    { "openInvites", list_members, list_methods,
      PLACE_VARIABLES | PAGE_VARIABLES, 0 }
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* RFC 6901, section 3: "" or /-separated tokens with ~0 and ~1. */
static bool
check_pointer(const json_t *object, const scim_app_place_t *place,
    const char *name, bool required, scim_error_t *error)
{
    const char      *pointer;
    const json_t    *member = scim_app_member(object, name);
    scim_app_place_t here = { place, name, 0 };

    if (member == NULL) {
        return required ? scim_app_refuse(error, &here, "is required") : true;
    }
    pointer = json_string_value(member);
    if (pointer == NULL || strlen(pointer) > POINTER_MAX
        || (*pointer != '\0' && *pointer != '/'))
    {
        return scim_app_refuse(error, &here,
            "must be a JSON Pointer such as \"/id\"");
    }
    for (; *pointer; pointer++) {
        if (*pointer == '~' && pointer[1] != '0' && pointer[1] != '1') {
            return scim_app_refuse(error, &here,
                "must be a JSON Pointer: ~ only as ~0 or ~1");
        }
    }
    return true;
}


static bool
check_method(const json_t *call, const scim_app_place_t *place,
    const verb_t *verb, scim_error_t *error)
{
    const char      *method;
    scim_app_place_t here = { place, "method", 0 };

    if (!scim_app_text(call, place, "method", true, 16, &method, error)) {
        return false;
    }
    for (const char *const *known = verb->methods; *known; known++) {
        if (strcmp(*known, method) == 0) {
            return true;
        }
    }
    return scim_app_refuse(error, &here, "must be %s", verb->methods
        == list_methods ? "GET or POST" : "POST, PUT, PATCH or DELETE");
}


static bool
check_path(const json_t *call, const scim_app_place_t *place,
    const verb_t *verb, unsigned *used, scim_error_t *error)
{
    size_t           len;
    const char      *path;
    scim_app_place_t here = { place, "path", 0 };

    if (!scim_app_text(call, place, "path", true, PATH_MAX_BYTES, &path,
        error))
    {
        return false;
    }
    if (path[0] != '/') {
        return scim_app_refuse(error, &here, "must begin with /");
    }
    len = strcspn(path, "?");
    if (!scim_app_path_plain(path, len)
        || !scim_app_path_plain(path + len, strlen(path + len)))
    {
        return scim_app_refuse(error, &here, "must be printable ASCII, "
            "percent-encoded, without fragment, \".\" or \"..\"");
    }
    return scim_app_template_check(path, &here, verb->variables, used, error);
}


static bool
check_body(const json_t *call, const scim_app_place_t *place,
    const verb_t *verb, unsigned *used, scim_error_t *error)
{
    const json_t    *body = scim_app_member(call, "body");
    scim_app_place_t here = { place, "body", 0 };

    if (body == NULL) {
        return true;
    }
    if (!json_is_object(body) && !json_is_array(body)) {
        return scim_app_refuse(error, &here,
            "must be a JSON object or array");
    }
    return scim_app_template_check_json(body, &here, verb->variables, used,
        error);
}


static bool
follows_link(const json_t *list)
{
    const char *next = json_string_value(scim_app_member(list, "next"));

    return (next && strcmp(next, "Link") == 0)
        || scim_app_member(list, "nextUrl");
}


/* How the pages of a list follow each other, from what its path uses. */
static bool
check_paging(const json_t *list, const scim_app_place_t *place,
    unsigned used, scim_error_t *error)
{
    unsigned         page = used & PAGE_VARIABLES;
    bool             by_cursor =
        page == SCIM_APP_VARIABLE(SCIM_APP_PAGE_CURSOR);
    scim_app_place_t path = { place, "path", 0 };
    scim_app_place_t next = { place, "next", 0 };
    scim_app_place_t total = { place, "total", 0 };

    if (follows_link(list)) {
        return page == 0 && !scim_app_member(list, "total") ? true
            : scim_app_refuse(error, &next, "Link and nextUrl take no "
                "variable of pages and no total: the app names the next page");
    }
    if (page & (page - 1)) {
        return scim_app_refuse(error, &path, "must use only one of "
            "${page.cursor}, ${page.start}, ${page.offset}, "
            "${page.number}");
    }
    if (by_cursor && scim_app_member(list, "next") == NULL) {
        return scim_app_refuse(error, &next,
            "is required where ${page.cursor} is used");
    }
    if (!by_cursor && scim_app_member(list, "next")) {
        return scim_app_refuse(error, &next,
            "needs ${page.cursor} in the path or body");
    }
    if ((page == 0 || by_cursor) && scim_app_member(list, "total")) {
        return scim_app_refuse(error, &total,
            "needs ${page.start}, ${page.offset} or ${page.number} in the "
            "path or body");
    }
    return true;
}


/* Words that the app has in `state` for an invite that is open. */
static bool
check_pending_states(const json_t *list, const scim_app_place_t *place,
    scim_error_t *error)
{
    size_t           index;
    json_t          *word;
    const json_t    *words = scim_app_member(list, "pendingStates");
    const json_t    *map = scim_app_member(list, "map");
    scim_app_place_t here = { place, "pendingStates", 0 };

    if (words == NULL) {
        return true;
    }
    if (!json_is_array(words) || json_array_size(words) > CODE_COUNT_MAX) {
        return scim_app_refuse(error, &here,
            "must be an array of at most %d words", CODE_COUNT_MAX);
    }
    json_array_foreach(words, index, word) {
        scim_app_place_t one = { &here, NULL, index };

        if (!json_is_string(word)) {
            return scim_app_refuse(error, &one, "must be a string");
        }
    }
    return scim_app_member(map, "state") ? true
        : scim_app_refuse(error, &here, "needs map.state");
}


static bool
check_flag(const json_t *object, const scim_app_place_t *place,
    const char *name, scim_error_t *error)
{
    const json_t    *flag = scim_app_member(object, name);
    scim_app_place_t here = { place, name, 0 };

    return flag == NULL || json_is_boolean(flag)
        || scim_app_refuse(error, &here, "must be true or false");
}


static bool
check_list(const json_t *list, const scim_app_place_t *place, unsigned used,
    scim_error_t *error)
{
    const json_t    *map = scim_app_member(list, "map");
    scim_app_place_t here = { place, "map", 0 };
    scim_app_place_t next = { place, "next", 0 };

    if (!check_flag(list, place, "pending", error)) {
        return false;
    }
    if (scim_app_member(list, "nextUrl") && scim_app_member(list, "next")) {
        return scim_app_refuse(error, &next, "cannot stand beside nextUrl");
    }
    if (!check_pointer(list, place, "items", true, error)
        || !check_pointer(list, place, "nextUrl", false, error)
        || (!follows_link(list)
            && !check_pointer(list, place, "next", false, error))
        || !check_pointer(list, place, "total", false, error)
        || !check_paging(list, place, used, error)
        || !check_pending_states(list, place, error))
    {
        return false;
    }
    if (map == NULL) {
        return scim_app_refuse(error, &here, "is required");
    }
    return scim_app_object(map, &here, map_members, error)
        && check_pointer(map, &here, "id", true, error)
        && check_pointer(map, &here, "email", true, error)
        && check_pointer(map, &here, "accessRole", false, error)
        && check_pointer(map, &here, "state", false, error)
        && check_pointer(map, &here, "active", false, error);
}


/* What the access roles are called in the app. */
bool
scim_app_role_ids(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    json_t          *id;
    const char      *role, *text;
    const json_t    *ids = scim_app_member(connector, "roleIds");
    scim_app_place_t here = { place, "roleIds", 0 };

    if (ids == NULL) {
        return true;
    }
    if (!json_is_object(ids)) {
        return scim_app_refuse(error, &here,
            "must be a JSON object: access role to the app's id of it");
    }
    json_object_foreach((json_t *) ids, role, id) {
        if (!json_is_integer(id) && !scim_app_text(ids, &here, role, true,
                ROLE_ID_MAX, &text, error))
        {
            return false;
        }
    }
    return true;
}


/* How an app says in the body what others say by the status. */
static bool
check_answer(const json_t *connector, const scim_app_place_t *place,
    scim_error_t *error)
{
    size_t                   index;
    json_t                  *code;
    const json_t            *answer = scim_app_member(connector, "answer");
    scim_app_place_t         here = { place, "answer", 0 };
    scim_app_place_t         code_here = { &here, "code", 0 };
    static const char *const lists[] = { "exists", "absent", "wait" };

    if (answer == NULL) {
        return true;
    }
    if (!scim_app_object(answer, &here, answer_members, error)
        || !check_pointer(answer, &here, "ok", false, error)
        || !check_pointer(answer, &here, "code", false, error))
    {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        const json_t    *list = scim_app_member(answer, lists[i]);
        scim_app_place_t list_here = { &here, lists[i], 0 };

        if (list && scim_app_member(answer, "code") == NULL) {
            return scim_app_refuse(error, &code_here,
                "is required where %s is given", lists[i]);
        }
        if (list && (!json_is_array(list)
                     || json_array_size(list) > CODE_COUNT_MAX))
        {
            return scim_app_refuse(error, &list_here,
                "must be an array of at most %d codes", CODE_COUNT_MAX);
        }
        json_array_foreach(list, index, code) {
            scim_app_place_t one = { &list_here, NULL, index };

            if (!json_is_string(code) && !json_is_integer(code)) {
                return scim_app_refuse(error, &one,
                    "must be a string or a whole number");
            }
        }
    }
    return true;
}


/* Verbs that only make sense together. */
static bool
check_together(const json_t *connector, const scim_app_place_t *place,
    unsigned used, scim_error_t *error)
{
    scim_app_place_t ids = { place, "roleIds", 0 };
    scim_app_place_t role = { place, "role", 0 };
    scim_app_place_t unassign = { place, "unassign", 0 };
    scim_app_place_t invites = { place, "openInvites", 0 };
    scim_app_place_t invite = { place, "invite", 0 };
    scim_app_place_t first = { &invite, "lookFirst", 0 };

    if (json_is_true(scim_app_member(scim_app_member(connector, "invite"),
            "lookFirst")) && scim_app_member(connector, "list") == NULL
        && scim_app_member(connector, "find") == NULL)
    {
        return scim_app_refuse(error, &first, "needs list or find");
    }

    if (scim_app_member(connector, "openInvites")
        && scim_app_member(connector, "list") == NULL)
    {
        return scim_app_refuse(error, &invites, "needs list: it is what the "
            "list of members does not show");
    }
    if ((used & SCIM_APP_VARIABLE(SCIM_APP_ROLE_ID))
        && scim_app_member(connector, "roleIds") == NULL)
    {
        return scim_app_refuse(error, &ids,
            "is required where ${role.id} is used");
    }
    if (scim_app_member(connector, "unassign")
        && scim_app_member(connector, "assign") == NULL)
    {
        return scim_app_refuse(error, &unassign, "needs assign");
    }
    if (scim_app_member(connector, "assign")
        && scim_app_member(connector, "role"))
    {
        return scim_app_refuse(error, &role,
            "cannot stand beside assign: one of them changes roles");
    }
    return true;
}


static bool
check_verb(const json_t *call, const scim_app_place_t *place,
    const verb_t *verb, unsigned *every, scim_error_t *error)
{
    unsigned used = 0;

    if (!scim_app_object(call, place, verb->members, error)
        || !check_method(call, place, verb, error)
        || !check_path(call, place, verb, &used, error)
        || !check_body(call, place, verb, &used, error))
    {
        return false;
    }
    *every |= used;
    /* a call that names nobody could mean everybody */
    if (verb->keys && !(used & verb->keys)) {
        return scim_app_refuse(error, place, "must say who is meant: %s"
            "${user.email}, ${user.userName} or ${user.id}",
            verb->keys & MEMBER_VARIABLE ? "${member.id}, " : "");
    }
    if (verb->members == list_members) {
        return check_list(call, place, used, error);
    }
    return verb->members != invite_members
        || (check_pointer(call, place, "memberId", false, error)
            && check_flag(call, place, "lookFirst", error));
}


bool
scim_app_http_validate(const json_t *connector,
    const scim_app_place_t *place, const scim_app_policy_t *policy,
    scim_error_t *error)
{
    size_t           count = 0;
    unsigned         used = 0;

    if (!scim_app_object(connector, place, connector_members, error)
        || !scim_app_endpoint(connector, place, policy, error)
        || !scim_app_role_ids(connector, place, error)
        || !check_answer(connector, place, error))
    {
        return false;
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const json_t    *call = scim_app_member(connector, verbs[i].name);
        scim_app_place_t here = { place, verbs[i].name, 0 };

        if (call == NULL) {
            continue;
        }
        count++;
        if (!check_verb(call, &here, &verbs[i], &used, error)) {
            return false;
        }
    }
    if (!check_together(connector, place, used, error)) {
        return false;
    }
    return count > 0 ? true : scim_app_refuse(error, place,
        "must have at least one of invite, role, remove, cancel, list");
}
