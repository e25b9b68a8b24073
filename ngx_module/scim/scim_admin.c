#include "scim_admin_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_token.h"


/* `*` in a pattern is an id.  Whoever is not named here is refused. */
typedef struct {
    scim_method_t         method;
    const char           *pattern;
    scim_role_t           role; /* at least */
    scim_admin_handler_pt handler;
} route_t;

static const route_t routes[] = {
    { SCIM_METHOD_GET, "/teams", SCIM_ROLE_VIEWER, scim_admin_teams_get },
    { SCIM_METHOD_POST, "/teams", SCIM_ROLE_ADMIN, scim_admin_teams_post },
    { SCIM_METHOD_GET, "/teams/*", SCIM_ROLE_VIEWER, scim_admin_team_get },
    { SCIM_METHOD_PUT, "/teams/*/members/*", SCIM_ROLE_ADMIN,
      scim_admin_team_member_put },
    { SCIM_METHOD_DELETE, "/teams/*/members/*", SCIM_ROLE_ADMIN,
      scim_admin_team_member_delete },
    { SCIM_METHOD_GET, "/apps", SCIM_ROLE_VIEWER, scim_admin_apps_get },
    { SCIM_METHOD_POST, "/apps", SCIM_ROLE_ADMIN, scim_admin_apps_post },
    { SCIM_METHOD_GET, "/apps/*", SCIM_ROLE_VIEWER, scim_admin_app_get },
    { SCIM_METHOD_PUT, "/apps/*", SCIM_ROLE_ADMIN, scim_admin_app_put },
    { SCIM_METHOD_PATCH, "/apps/*", SCIM_ROLE_ADMIN, scim_admin_app_patch },
    { SCIM_METHOD_DELETE, "/apps/*", SCIM_ROLE_ADMIN, scim_admin_app_delete },
    { SCIM_METHOD_GET, "/apps/*/shares", SCIM_ROLE_VIEWER,
      scim_admin_shares_get },
    { SCIM_METHOD_PUT, "/apps/*/shares/teams/*", SCIM_ROLE_ADMIN,
      scim_admin_share_team_put },
    { SCIM_METHOD_DELETE, "/apps/*/shares/teams/*", SCIM_ROLE_ADMIN,
      scim_admin_share_team_delete },
    { SCIM_METHOD_PUT, "/apps/*/shares/users/*", SCIM_ROLE_ADMIN,
      scim_admin_share_user_put },
    { SCIM_METHOD_DELETE, "/apps/*/shares/users/*", SCIM_ROLE_ADMIN,
      scim_admin_share_user_delete },
    { SCIM_METHOD_GET, "/apps/*/members", SCIM_ROLE_VIEWER,
      scim_admin_members_get },
    { SCIM_METHOD_POST, "/apps/*/members/*/resend", SCIM_ROLE_ADMIN,
      scim_admin_invite_resend },
    { SCIM_METHOD_POST, "/apps/*/members/*/revoke", SCIM_ROLE_ADMIN,
      scim_admin_invite_revoke },
    { SCIM_METHOD_GET, "/apps/*/members/*", SCIM_ROLE_VIEWER,
      scim_admin_member_get },
    { SCIM_METHOD_GET, "/apps/*/checks", SCIM_ROLE_VIEWER,
      scim_admin_checks_get },
    { SCIM_METHOD_POST, "/apps/*/checks", SCIM_ROLE_ADMIN,
      scim_admin_checks_post },
    { SCIM_METHOD_GET, "/apps/*/checks/*", SCIM_ROLE_VIEWER,
      scim_admin_check_get },
    { SCIM_METHOD_POST, "/apps/*/checks/*/apply", SCIM_ROLE_ADMIN,
      scim_admin_check_apply },
    { SCIM_METHOD_POST, "/apps/*/plan", SCIM_ROLE_ADMIN,
      scim_admin_plan_post },
    { SCIM_METHOD_GET, "/apps/*/plan/*", SCIM_ROLE_VIEWER,
      scim_admin_plan_get },
    { SCIM_METHOD_GET, "/tasks", SCIM_ROLE_VIEWER, scim_admin_tasks_get },
    { SCIM_METHOD_POST, "/tasks/*/retry", SCIM_ROLE_ADMIN,
      scim_admin_task_retry },
    { SCIM_METHOD_POST, "/tasks/*/done", SCIM_ROLE_ADMIN,
      scim_admin_task_done },
    { SCIM_METHOD_GET, "/holds", SCIM_ROLE_VIEWER, scim_admin_holds_get },
    { SCIM_METHOD_POST, "/holds/*/approve", SCIM_ROLE_ADMIN,
      scim_admin_hold_approve },
    { SCIM_METHOD_POST, "/holds/*/reject", SCIM_ROLE_ADMIN,
      scim_admin_hold_reject },
    { SCIM_METHOD_GET, "/tokens", SCIM_ROLE_ADMIN, scim_admin_tokens_get },
    { SCIM_METHOD_POST, "/tokens", SCIM_ROLE_ADMIN, scim_admin_tokens_post },
    { SCIM_METHOD_DELETE, "/tokens/*", SCIM_ROLE_ADMIN,
      scim_admin_token_delete },
    { SCIM_METHOD_GET, "/webhooks", SCIM_ROLE_ADMIN, scim_admin_webhooks_get },
    { SCIM_METHOD_POST, "/webhooks", SCIM_ROLE_ADMIN,
      scim_admin_webhooks_post },
    { SCIM_METHOD_GET, "/webhooks/*", SCIM_ROLE_ADMIN,
      scim_admin_webhook_get },
    { SCIM_METHOD_PATCH, "/webhooks/*", SCIM_ROLE_ADMIN,
      scim_admin_webhook_patch },
    { SCIM_METHOD_DELETE, "/webhooks/*", SCIM_ROLE_ADMIN,
      scim_admin_webhook_delete },
    { SCIM_METHOD_POST, "/webhooks/*/test", SCIM_ROLE_ADMIN,
      scim_admin_webhook_test },
    { SCIM_METHOD_POST, "/webhooks/*/replay", SCIM_ROLE_ADMIN,
      scim_admin_webhook_replay },
    { SCIM_METHOD_GET, "/webhooks/*/deliveries", SCIM_ROLE_ADMIN,
      scim_admin_webhook_deliveries },
    { SCIM_METHOD_GET, "/audit", SCIM_ROLE_VIEWER, scim_admin_audit_get },
    { SCIM_METHOD_POST, "/resync", SCIM_ROLE_ADMIN, scim_admin_resync },
    { SCIM_METHOD_POST, "/replay", SCIM_ROLE_ADMIN, scim_admin_replay },
    { SCIM_METHOD_GET, "/stats", SCIM_ROLE_VIEWER, scim_admin_stats_get }
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static const struct {
    int         status;
    const char *code;
} codes[] = {
    { 400, "invalid" }, { 401, "unauthorized" }, { 403, "forbidden" },
    { 404, "notFound" }, { 405, "methodNotAllowed" }, { 409, "conflict" },
    { 413, "tooLarge" }, { 415, "unsupportedMediaType" },
    { 503, "unavailable" }
};


/* ---- answers ---- */

void
scim_admin_error_render(const scim_error_t *error, scim_buffer_t *out)
{
    size_t      len;
    const char *code = "internal", *text = error->detail;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == error->status) {
            code = codes[i].code;
        }
    }
    scim_buffer_printf(out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    scim_json_write_string(text, strlen(text), out);
    len = strcspn(text, ": ");
    if (error->status == 400 && len && text[len] == ':') {
        scim_buffer_append_text(out, ",\"field\":");
        scim_json_write_string(text, len, out);
    }
    scim_buffer_append_text(out, "}}");
}


static void
render_error(scim_operation_t *operation, const scim_error_t *error)
{
    operation->response.content_type = "application/json";
    scim_admin_error_render(error, &operation->response.body);
}


scim_step_t
scim_admin_error(scim_admin_t *admin, int status, const char *format, ...)
{
    char         text[200];
    va_list      arguments;
    scim_error_t error = { 0 };

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    scim_error_set(&error, status, SCIM_ERROR_NONE, "%s", text);
    return scim_operation_fail(&admin->head, &error);
}


scim_step_t
scim_admin_answer(scim_admin_t *admin, int status, json_t *value)
{
    if (value == NULL) {
        return scim_admin_error(admin, 500, "no memory");
    }
    admin->head.response.content_type = "application/json";
    scim_json_write(value, &admin->head.response.body);
    json_decref(value);
    return scim_operation_end(&admin->head, status);
}


scim_step_t
scim_admin_nothing(scim_admin_t *admin)
{
    return scim_operation_end(&admin->head, 204);
}


scim_step_t
scim_admin_written(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_text_t   what;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "OK")) {
        return scim_admin_nothing(admin);
    }
    if (scim_reply_is(reply, "NOTFOUND")) {
        what = scim_reply_text(reply, 1);
        return scim_admin_error(admin, 404, "no such %.*s",
            (int) (what.len ? what.len : 5), what.len ? what.text : "thing");
    }
    if (scim_reply_is(reply, "VERSION")) {
        return scim_admin_error(admin, 409, "changed by somebody else "
            "meanwhile");
    }
    return scim_admin_error(admin, 409, "not possible in its present state");
}


scim_step_t
scim_admin_list(scim_admin_t *admin, const char *plural, json_t *list,
    const char *cursor)
{
    json_t *answer = json_object();

    json_object_set_new(answer, plural, list);
    if (cursor) {
        json_object_set_new(answer, "nextCursor", json_string(cursor));
    }
    return scim_admin_answer(admin, 200, answer);
}


void
scim_admin_sign(scim_admin_t *admin)
{
    const scim_request_t *request = admin->head.request;

    scim_command_text(&admin->head, request->principal->actor);
    scim_command_add(&admin->head, request->transaction.text,
        request->transaction.len);
}


json_t *
scim_admin_record(scim_text_t text)
{
    return scim_json_read(text.text, text.len, &scim_json_stored_limits,
        NULL);
}


const char *
scim_admin_text(scim_admin_t *admin, const char *name, size_t max)
{
    const json_t *value = json_object_get(admin->body, name);

    if (!json_is_string(value) || json_string_length(value) == 0
        || json_string_length(value) > max)
    {
        scim_admin_error(admin, 400, "%s: must be a text of 1 to %zu bytes",
            name, max);
        return NULL;
    }
    return json_string_value(value);
}


bool
scim_admin_is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return *word == '\0';
}


void
scim_admin_set(json_t *object, const char *name, scim_text_t text)
{
    json_object_set_new(object, name, json_stringn(text.text, text.len));
}


/* ---- requests ---- */

static bool
id_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-';
}


static bool
is_id(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!id_character(text[i])) {
            return false;
        }
    }
    return len > 0 && len <= 64;
}


/* Does the path fit the pattern?  Ids are copied out. */
static bool
fits(scim_admin_t *admin, const char *pattern, scim_text_t path)
{
    size_t at = 0, len;
    char  *ids[2] = { NULL, NULL };
    int    count = 0;

    while (path.len > 1 && path.text[path.len - 1] == '/') {
        path.len--;
    }
    for ( ; *pattern; pattern++) {
        if (*pattern != '*') {
            if (at == path.len || path.text[at++] != *pattern) {
                return false;
            }
            continue;
        }
        len = 0;
        while (at + len < path.len && path.text[at + len] != '/') {
            len++;
        }
        if (len == 0) {
            return false;
        }
        /* what is no id is the id of nothing */
        ids[count++] = scim_arena_copy(&admin->head.arena, path.text + at,
            is_id(path.text + at, len) ? len : 0);
        at += len;
    }
    if (at != path.len) {
        return false;
    }
    admin->id = ids[0] ? ids[0] : "";
    admin->other = ids[1] ? ids[1] : "";
    return true;
}


static const char *
allowed_methods(scim_admin_t *admin, scim_text_t path)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT",
                                         "PATCH", "DELETE" };
    scim_buffer_t allow;
    char         *text;

    scim_buffer_init(&allow, 256);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (fits(admin, routes[i].pattern, path)) {
            scim_buffer_printf(&allow, "%s%s", allow.len ? ", " : "",
                names[routes[i].method]);
        }
    }
    text = allow.len ? scim_arena_copy(&admin->head.arena, allow.data,
        allow.len) : NULL;
    scim_buffer_free(&allow);
    return text;
}


static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* A query value, decoded; "" when it is not there or cannot be decoded. */
static const char *
query_value(scim_admin_t *admin, const char *name)
{
    size_t      len = 0, name_len = strlen(name);
    scim_text_t query = admin->head.request->query;
    const char *p = query.text, *end = query.text + query.len;
    char       *out;

    while (p < end && !((size_t) (end - p) > name_len
                        && memcmp(p, name, name_len) == 0
                        && p[name_len] == '='))
    {
        p = memchr(p, '&', (size_t) (end - p));
        if (p == NULL) {
            return "";
        }
        p++;
    }
    if (p >= end) {
        return "";
    }
    p += name_len + 1;
    out = scim_arena_alloc(&admin->head.arena, (size_t) (end - p) + 1);
    for ( ; out && p < end && *p != '&'; p++) {
        if (*p == '%' && end - p > 2 && hex_value(p[1]) >= 0
            && hex_value(p[2]) >= 0)
        {
            out[len++] = (char) (hex_value(p[1]) << 4 | hex_value(p[2]));
            p += 2;
        } else {
            out[len++] = *p == '+' ? ' ' : *p;
        }
    }
    return out ? out : "";
}


static bool
read_query(scim_admin_t *admin)
{
    char       *end;
    const char *limit = query_value(admin, "limit");

    admin->cursor = query_value(admin, "cursor");
    admin->after = query_value(admin, "after");
    admin->state = query_value(admin, "state");
    admin->app = query_value(admin, "app");
    admin->limit = SCIM_ADMIN_LIMIT_DEFAULT;
    if (*admin->cursor && !is_id(admin->cursor, strlen(admin->cursor))) {
        scim_admin_error(admin, 400, "cursor: is not one of ours");
        return false;
    }
    if (*admin->after && !is_id(admin->after, strlen(admin->after))) {
        scim_admin_error(admin, 400, "after: is not an id");
        return false;
    }
    if (*admin->app && !is_id(admin->app, strlen(admin->app))) {
        scim_admin_error(admin, 400, "app: is not an id");
        return false;
    }
    if (*limit) {
        admin->limit = strtoll(limit, &end, 10);
        if (*end || admin->limit < 1 || admin->limit > SCIM_ADMIN_LIMIT_MAX) {
            scim_admin_error(admin, 400, "limit: must be 1 to %d",
                SCIM_ADMIN_LIMIT_MAX);
            return false;
        }
    }
    return true;
}


static bool
is_json_type(scim_text_t type)
{
    static const char *const types[] = { "application/json",
        "application/merge-patch+json", "text/json" };

    if (type.len == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t len = strlen(types[i]);

        if (type.len >= len && strncasecmp(type.text, types[i], len) == 0
            && (type.len == len || type.text[len] == ';'
                || type.text[len] == ' '))
        {
            return true;
        }
    }
    return false;
}


/* A body where one is needed: an object. */
static bool
read_body(scim_admin_t *admin, const route_t *route)
{
    scim_error_t          error = { 0 };
    const scim_request_t *request = admin->head.request;
    bool                  needed = strchr(route->pattern, '*') == NULL
        || route->method == SCIM_METHOD_PATCH
        || (route->method == SCIM_METHOD_PUT
            && route->handler != scim_admin_team_member_put);

    needed = needed && route->handler != scim_admin_resync;

    if (route->method == SCIM_METHOD_GET
        || route->method == SCIM_METHOD_DELETE
        || (request->body.len == 0 && !needed))
    {
        return true;
    }
    if (!is_json_type(request->content_type)) {
        scim_admin_error(admin, 415, "the body must be application/json");
        return false;
    }
    admin->body = scim_json_read(request->body.text, request->body.len,
        &scim_json_request_limits, &error);
    if (admin->body == NULL) {
        scim_operation_fail(&admin->head, &error);
        return false;
    }
    if (!json_is_object(admin->body)) {
        scim_admin_error(admin, 400, "the body must be a JSON object");
        return false;
    }
    return true;
}


static const route_t *
find_route(scim_admin_t *admin)
{
    scim_method_t method = admin->head.request->method;
    scim_text_t   path = admin->head.request->path;

    if (method == SCIM_METHOD_HEAD) {
        method = SCIM_METHOD_GET;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (routes[i].method == method
            && fits(admin, routes[i].pattern, path))
        {
            return &routes[i];
        }
    }
    return NULL;
}


static scim_step_t
start(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t         *admin = (scim_admin_t *) operation;
    const route_t        *route = find_route(admin);
    const scim_request_t *request = operation->request;

    (void) reply;
    if (request->principal->role < SCIM_ROLE_VIEWER) {
        return scim_admin_error(admin, 403, "this token is not for the admin "
            "API");
    }
    if (route == NULL) {
        operation->response.allow = allowed_methods(admin, request->path);
        return operation->response.allow
            ? scim_admin_error(admin, 405, "method not allowed here")
            : scim_admin_error(admin, 404, "no such resource");
    }
    if (request->principal->role < route->role) {
        return scim_admin_error(admin, 403, "the role %s may not do this",
            scim_role_name(request->principal->role));
    }
    scim_uuid_v7(request->now, request->random, admin->new_id);
    if (!read_query(admin) || !read_body(admin, route)) {
        return SCIM_STEP_DONE;
    }
    return route->handler(admin);
}


static void
destroy(scim_operation_t *operation)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    json_decref(admin->body);
    json_decref(admin->result);
}


scim_operation_t *
scim_admin_operation_new(const scim_service_t *service,
    const scim_request_t *request)
{
    scim_admin_t *admin = scim_operation_alloc(sizeof(*admin), service,
        request);

    if (admin == NULL) {
        return NULL;
    }
    admin->head.next = start;
    admin->head.destroy = destroy;
    admin->head.render_error = render_error;
    return &admin->head;
}
