#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_admin_internal.h"

/*
 * Dry runs: what a change of shares or of an app would do.  Asked for here,
 * made by a sidecar, which has the planner; its result is looked at here.
 */
#define ID_MAX       64

enum { STATE = 1, REASON, CREATED, FINISHED, HASH, PEOPLE, COUNTS, GUARD,
    ACTOR, TOTAL, ROWS };


/* ---- asking for one ---- */

static scim_step_t
plan_started(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "LIMIT")) {
        return scim_admin_error(admin, 409,
            "too many plans are being made: try again later");
    }
    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    return scim_admin_answer(admin, 202, json_pack("{ss}", "id",
        admin->new_id));
}


static scim_step_t
app_known(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;
    const json_t *role = json_object_get(admin->result, "role");
    const char   *subject = json_string_value(json_object_get(admin->result,
        "subject"));
    scim_buffer_t text;

    if (!scim_admin_access_role_fits(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    scim_buffer_init(&text, 1 << 20);
    scim_json_write(admin->result, &text);
    if (scim_buffer_failed(&text)) {
        scim_buffer_free(&text);
        return scim_admin_error(admin, 413, "the definition is too large");
    }
    scim_command_call(operation, "dry_run_start", false);
    scim_command_text(operation, admin->id);
    scim_command_text(operation, admin->new_id);
    scim_command_add(operation, text.data, text.len);
    scim_buffer_free(&text);
    scim_command_text(operation, role && subject ? subject : "");
    scim_admin_sign(admin);
    return scim_command_send(operation, plan_started);
}


static bool
is_id(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && *text && strlen(text) <= ID_MAX
        && text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")] == '\0';
}


/* {"team" or "user", "role", "accessRole"?} or {…, "remove": true} */
static bool
read_share(scim_admin_t *admin, const char *kind)
{
    char          subject[80];
    const json_t *id = json_object_get(admin->body, kind);
    const json_t *access = json_object_get(admin->body, "accessRole");
    const json_t *remove = json_object_get(admin->body, "remove");
    const char   *role = json_string_value(json_object_get(admin->body,
        "role"));

    if (!is_id(id)) {
        scim_admin_error(admin, 400, "%s: must be an id", kind);
        return false;
    }
    snprintf(subject, sizeof(subject), "%s:%s", kind, json_string_value(id));
    admin->result = json_pack("{ss}", "subject", subject);
    if (json_is_true(remove)) {
        return true;
    }
    if (remove && !json_is_false(remove)) {
        scim_admin_error(admin, 400, "remove: must be true or false");
        return false;
    }
    if (role == NULL || (strcmp(role, "owner") != 0
                         && strcmp(role, "collaborator") != 0))
    {
        scim_admin_error(admin, 400, "role: must be owner or collaborator, "
            "unless remove is true");
        return false;
    }
    if (access && !json_is_null(access) && !json_is_string(access)) {
        scim_admin_error(admin, 400, "accessRole: must be a text");
        return false;
    }
    json_object_set_new(admin->result, "role", json_string(role));
    if (json_is_string(access)) {
        json_object_set(admin->result, "accessRole", (json_t *) access);
    }
    return true;
}


static bool
read_definition(scim_admin_t *admin, const json_t *body)
{
    json_t      *definition = NULL;
    scim_error_t error = { 0 };

    if (!scim_app_validate(body, &admin->head.service->app_policy,
            &definition, &error))
    {
        scim_operation_fail(&admin->head, &error);
        return false;
    }
    admin->result = json_pack("{so}", "definition", definition);
    return true;
}


/* One change, as dry_run.h has it, in admin->result; false after a 400. */
static bool
read_change(scim_admin_t *admin)
{
    static const char *const kinds[] = { "team", "user", "definition",
                                         "delete" };

    const char *kind = NULL;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (json_object_get(admin->body, kinds[i]) == NULL) {
            continue;
        }
        if (kind) {
            scim_admin_error(admin, 400, "%s: cannot stand beside %s",
                kinds[i], kind);
            return false;
        }
        kind = kinds[i];
    }
    if (kind && (*kind == 't' || *kind == 'u')) {
        return read_share(admin, kind);
    }
    if (kind && strcmp(kind, "definition") == 0) {
        return read_definition(admin, json_object_get(admin->body, kind));
    }
    if (kind && json_is_true(json_object_get(admin->body, kind))) {
        admin->result = json_pack("{sb}", "deleted", 1);
        return true;
    }
    scim_admin_error(admin, 400, "the body must have team, user, definition "
        "or delete: true");
    return false;
}


scim_step_t
scim_admin_plan_post(scim_admin_t *admin)
{
    if (!read_change(admin)) {
        return SCIM_STEP_DONE;
    }
    scim_command_call(&admin->head, "record", true);
    scim_command_text(&admin->head, "app");
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, app_known);
}


/* ---- looking at it ---- */

static void
set_record(json_t *object, const char *name, scim_text_t text)
{
    json_t *value = text.len ? scim_admin_record(text) : NULL;

    if (value) {
        json_object_set_new(object, name, value);
    }
}


/* What is known from its beginning, and once it is done. */
static json_t *
plan_of(scim_admin_t *admin, const scim_reply_t *reply)
{
    json_t *plan = json_pack("{ss,ss}", "id", admin->other, "app", admin->id);

    scim_admin_set(plan, "state", scim_reply_text(reply, STATE));
    json_object_set_new(plan, "createdAt",
        json_integer(scim_reply_number(reply, CREATED)));
    scim_admin_set(plan, "createdBy", scim_reply_text(reply, ACTOR));
    if (scim_reply_text(reply, REASON).len) {
        scim_admin_set(plan, "reason", scim_reply_text(reply, REASON));
    }
    if (scim_reply_text(reply, FINISHED).len) {
        json_object_set_new(plan, "finishedAt",
            json_integer(scim_reply_number(reply, FINISHED)));
    }
    if (scim_reply_text(reply, HASH).len) {
        scim_admin_set(plan, "hash", scim_reply_text(reply, HASH));
        json_object_set_new(plan, "people",
            json_integer(scim_reply_number(reply, PEOPLE)));
        set_record(plan, "counts", scim_reply_text(reply, COUNTS));
        set_record(plan, "guard", scim_reply_text(reply, GUARD));
    }
    return plan;
}


/* A loss that the guard may hold says whether it does. */
static void
settle_row(json_t *row, bool held)
{
    bool guarded = json_object_get(row, "guarded") != NULL;

    json_object_del(row, "guarded");
    if (guarded && held) {
        json_object_set_new(row, "what", json_string("hold"));
        json_object_set_new(row, "to", json_string("held"));
    }
}


static scim_step_t
plan_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    bool          held;
    char          cursor[24];
    json_t       *plan, *row, *rows = json_array();
    long long     seen;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        json_decref(rows);
        return scim_admin_error(admin, 404, "no such plan");
    }
    plan = plan_of(admin, reply);
    held = json_is_true(json_object_get(json_object_get(plan, "guard"),
        "held"));
    for (size_t i = ROWS; i < reply->elements; i++) {
        row = scim_admin_record(scim_reply_text(reply, i));
        settle_row(row, held);
        json_array_append_new(rows, row);
    }
    seen = strtoll(admin->cursor, NULL, 10)
        + (long long) json_array_size(rows);
    if (json_array_size(rows) && seen < scim_reply_number(reply, TOTAL)) {
        snprintf(cursor, sizeof(cursor), "%lld", seen);
        json_object_set_new(plan, "nextCursor", json_string(cursor));
    }
    json_object_set_new(plan, "rows", rows);
    return scim_admin_answer(admin, 200, plan);
}


scim_step_t
scim_admin_plan_get(scim_admin_t *admin)
{
    if (admin->cursor[strspn(admin->cursor, "0123456789")] != '\0'
        || strlen(admin->cursor) > 9)
    {
        return scim_admin_error(admin, 400, "cursor: is not one of ours");
    }
    scim_command_call(&admin->head, "dry_run_show", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, plan_shown);
}
