#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_admin_internal.h"
#include "scim_revoke.h"

/* Apps: version in ten digits, then the definition as JSON. */
#define VERSION_LEN 10
#define DAY_MS 86400000


static json_t *
app_of(scim_text_t record)
{
    if (record.len <= VERSION_LEN) {
        return NULL;
    }
    record.text += VERSION_LEN;
    record.len -= VERSION_LEN;
    return scim_admin_record(record);
}


static scim_step_t
apps_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;
    const char   *cursor = NULL;
    json_t       *app, *list = json_array();

    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        if ((long long) json_array_size(list) == admin->limit) {
            scim_text_t last = scim_reply_text(reply, i - 2);

            cursor = scim_arena_copy(&admin->head.arena, last.text, last.len);
            break;
        }
        app = app_of(scim_reply_text(reply, i + 1));
        if (app) {
            json_array_append_new(list, app);
        }
    }
    return scim_admin_list(admin, "apps", list, cursor);
}


scim_step_t
scim_admin_apps_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "page", true);
    scim_command_text(&admin->head, "apps");
    scim_command_text(&admin->head, "app");
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, apps_listed);
}


static scim_step_t
app_written(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    return scim_admin_answer(admin, admin->version == 0 ? 201 : 200,
        json_incref(admin->result));
}


/* A whole number of the definition, or empty. */
static void
add_optional(scim_admin_t *admin, const json_t *number)
{
    if (json_is_integer(number)) {
        scim_command_number(&admin->head, json_integer_value(number));
    } else {
        scim_command_text(&admin->head, "");
    }
}


static void
add_number_if(scim_admin_t *admin, const json_t *number)
{
    char text[40] = "";

    if (json_is_number(number)) {
        snprintf(text, sizeof(text), "%.6g", json_number_value(number));
    }
    scim_command_text(&admin->head, text);
}


/* How many calls the app takes, and how soon a leaver must be out. */
static void
add_rate(scim_admin_t *admin, const json_t *definition)
{
    const json_t *limits = json_object_get(definition, "limits");
    const json_t *target = json_object_get(definition, "revokeTargetSeconds");

    add_number_if(admin, json_object_get(limits, "concurrency"));
    add_number_if(admin, json_object_get(limits, "ratePerSecond"));
    add_number_if(admin, json_object_get(limits, "burst"));
    scim_command_number(&admin->head,
        (long long) (json_number_value(target) * 1000));
}


/* What the store has to know of an app without reading its JSON. */
static void
add_limits(scim_admin_t *admin, const json_t *definition)
{
    char          number[40];
    const json_t *guard = json_object_get(definition, "guard");

    add_optional(admin, json_object_get(definition, "seats"));
    snprintf(number, sizeof(number), "%.6g",
        json_number_value(json_object_get(guard, "percent")));
    scim_command_text(&admin->head, number);
    scim_command_number(&admin->head,
        json_integer_value(json_object_get(guard, "count")));
    scim_command_number(&admin->head,
        json_integer_value(json_object_get(guard, "windowSeconds")));
    add_optional(admin, json_object_get(json_object_get(definition,
        "checks"), "everySeconds"));
    add_rate(admin, definition);
    add_optional(admin, json_object_get(json_object_get(definition,
        "invites"), "expireSeconds"));
    scim_command_number(&admin->head, (long long) (json_number_value(
        json_object_get(definition, "restoreDays")) * DAY_MS));
}


/* Validates `body`, and writes it over `admin->version` (0 = new). */
static scim_step_t
write_app(scim_admin_t *admin, const json_t *body, const char *id)
{
    json_t       *definition = NULL, *old;
    scim_buffer_t text;
    scim_error_t  error = { 0 };

    if (!scim_app_validate(body, &admin->head.service->app_policy,
            &definition, &error))
    {
        return scim_operation_fail(&admin->head, &error);
    }
    old = admin->result;
    admin->result = json_pack("{ss}", "id", id);
    json_object_update(admin->result, definition);
    json_decref(definition);
    scim_buffer_init(&text, 1 << 20);
    scim_json_write(admin->result, &text);
    if (scim_buffer_failed(&text)) {
        scim_buffer_free(&text);
        json_decref(old);
        return scim_admin_error(admin, 413, "the definition is too large");
    }
    scim_command_call(&admin->head, "app_put", false);
    scim_command_text(&admin->head, id);
    scim_command_number(&admin->head, admin->version);
    scim_command_add(&admin->head, text.data, text.len);
    scim_buffer_free(&text);
    scim_admin_sign(admin);
    add_limits(admin, admin->result);
    scim_admin_say_changed(admin, old, admin->result);
    json_decref(old);
    return scim_command_send(&admin->head, app_written);
}


scim_step_t
scim_admin_apps_post(scim_admin_t *admin)
{
    return write_app(admin, admin->body, admin->new_id);
}


/* Reads the app first, for the version that PUT and PATCH replace. */
static scim_step_t
read_app(scim_admin_t *admin,
    scim_step_t (*next)(scim_operation_t *, const scim_reply_t *))
{
    scim_command_call(&admin->head, "record", true);
    scim_command_text(&admin->head, "app");
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, next);
}


static bool
take_app(scim_admin_t *admin, const scim_reply_t *reply)
{
    char        digits[VERSION_LEN + 1] = "";
    scim_text_t record = scim_reply_text(reply, 1);

    if (!scim_reply_is(reply, "OK") || record.len < VERSION_LEN) {
        scim_admin_error(admin, 404, "no such app");
        return false;
    }
    memcpy(digits, record.text, VERSION_LEN);
    admin->version = strtoll(digits, NULL, 10);
    admin->result = app_of(record);
    if (admin->result == NULL) {
        scim_admin_error(admin, 500, "the app's record is damaged");
        return false;
    }
    return true;
}


/* `free` is left out where there is no limit. */
static json_t *
seat_use(const json_t *limit, long long used, long long waiting)
{
    json_t   *use = json_pack("{sI,sI}", "inUse", (json_int_t) used,
        "waiting", (json_int_t) waiting);
    long long free = json_integer_value(limit) - used;

    if (json_is_integer(limit)) {
        json_object_set_new(use, "free", json_integer(free > 0 ? free : 0));
    }
    return use;
}


/* How calls get through to the app; what is not so is left out. */
static json_t *
delivery_of(const scim_reply_t *reply, size_t at)
{
    static const char *const numbers[] = { "running", "waiting" };
    char                     text[32];
    scim_text_t              rate = scim_reply_text(reply, at + 4);
    bool                     down = scim_reply_text(reply, at).len > 0;
    json_t                  *out = json_pack("{ss}", "state", down ? "down"
        : scim_reply_text(reply, at + 3).len ? "paused" : "up");

    if (down) {
        json_object_set_new(out, "downSince",
            json_integer(scim_reply_number(reply, at)));
        scim_admin_set(out, "why", scim_reply_text(reply, at + 1));
        json_object_set_new(out, "nextTryAt",
            json_integer(scim_reply_number(reply, at + 2)));
    }
    if (scim_reply_text(reply, at + 3).len) {
        json_object_set_new(out, "pausedUntil",
            json_integer(scim_reply_number(reply, at + 3)));
    }
    if (rate.len) {
        snprintf(text, sizeof(text), "%.*s", (int) rate.len, rate.text);
        json_object_set_new(out, "ratePerSecond",
            json_real(strtod(text, NULL)));
    }
    for (size_t i = 0; i < 2; i++) {
        json_object_set_new(out, numbers[i],
            json_integer(scim_reply_number(reply, at + 5 + i)));
    }
    return out;
}


/* How soon people were out, in seconds; and who is not. */
static json_t *
revoke_of(const scim_reply_t *reply, size_t at, const json_t *definition)
{
    scim_revoke_t revoke;
    const json_t *target = json_object_get(definition, "revokeTargetSeconds");

    scim_revoke_read(reply, at, &revoke);
    return json_pack("{sf,sI,sI,sI,sI,sI,sf,sf,sf}",
        "targetSeconds", json_is_number(target) ? json_number_value(target)
            : 60.0,
        "count", (json_int_t) revoke.count,
        "missed", (json_int_t) revoke.missed,
        "overdue", (json_int_t) revoke.overdue,
        "unconfirmed", (json_int_t) revoke.unconfirmed,
        "failed", (json_int_t) revoke.refused,
        "p50", scim_revoke_quantile(&revoke, 0.5),
        "p95", scim_revoke_quantile(&revoke, 0.95),
        "p99", scim_revoke_quantile(&revoke, 0.99));
}


static scim_step_t
app_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!take_app(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    json_object_set_new(admin->result, "seatUse", seat_use(
        json_object_get(admin->result, "seats"), scim_reply_number(reply, 2),
        scim_reply_number(reply, 3)));
    json_object_set_new(admin->result, "delivery", delivery_of(reply, 4));
    json_object_set_new(admin->result, "revoke", revoke_of(reply, 11,
        admin->result));
    return scim_admin_answer(admin, 200, json_incref(admin->result));
}


scim_step_t
scim_admin_app_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "app_show", true);
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, app_shown);
}


/* What an answer says and a definition does not have. */
static void
forget_read_only(json_t *body)
{
    json_object_del(body, "id");
    json_object_del(body, "seatUse");
    json_object_del(body, "delivery");
    json_object_del(body, "revoke");
}


static scim_step_t
app_replaced(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!take_app(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    forget_read_only(admin->body);
    return write_app(admin, admin->body, admin->id);
}


scim_step_t
scim_admin_app_put(scim_admin_t *admin)
{
    return read_app(admin, app_replaced);
}


void
scim_admin_merge(json_t *target, const json_t *patch)
{
    json_t     *value, *old;
    const char *key;

    json_object_foreach((json_t *) patch, key, value) {
        if (json_is_null(value)) {
            json_object_del(target, key);
            continue;
        }
        if (!json_is_object(value)) {
            json_object_set(target, key, value);
            continue;
        }
        old = json_object_get(target, key);
        if (!json_is_object(old)) {
            old = json_object();
            json_object_set_new(target, key, old);
        }
        scim_admin_merge(old, value);
    }
}


static scim_step_t
app_patched(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *merged;
    scim_step_t   step;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!take_app(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    merged = json_deep_copy(admin->result);
    scim_admin_merge(merged, admin->body);
    forget_read_only(merged);
    step = write_app(admin, merged, admin->id);
    json_decref(merged);
    return step;
}


scim_step_t
scim_admin_app_patch(scim_admin_t *admin)
{
    return read_app(admin, app_patched);
}


static scim_step_t
app_deleted(scim_operation_t *operation, const scim_reply_t *reply)
{
    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_admin_error((scim_admin_t *) operation, 404,
            "no such app");
    }
    return scim_admin_written(operation, reply);
}


scim_step_t
scim_admin_app_delete(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "app_delete", false);
    scim_command_text(&admin->head, admin->id);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, app_deleted);
}
