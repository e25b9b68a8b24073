#include <stdlib.h>
#include <string.h>

#include "scim_admin_internal.h"
#include "scim_webhook.h"

/* Webhooks: version in ten digits, then the definition as JSON. */
#define VERSION_LEN     10
#define STATE_FIELDS    8
#define DELIVERY_FIELDS 7 /* with the id */

enum { OFF, CURSOR, FAILING, DELIVERED, GIVEN_UP, GAP_AFTER, GAP_AT,
    RETRIES };

/* What an answer says and a definition does not have. */
static const char *const read_only[] = {
    "id", "enabled", "offReason", "cursor", "failingSince", "delivered",
    "givenUp", "retries", "gap"
};


static json_t *
webhook_of(scim_text_t record)
{
    if (record.len <= VERSION_LEN) {
        return NULL;
    }
    record.text += VERSION_LEN;
    record.len -= VERSION_LEN;
    return scim_admin_record(record);
}


/* How the deliveries go, from the reply's elements behind the record. */
static void
add_state(json_t *webhook, const scim_reply_t *reply, size_t at)
{
    json_t     *gap;
    scim_text_t off = scim_reply_text(reply, at + OFF);

    json_object_set_new(webhook, "enabled", json_boolean(off.len == 0));
    if (off.len > 0) {
        scim_admin_set(webhook, "offReason", off);
    }
    scim_admin_set(webhook, "cursor", scim_reply_text(reply, at + CURSOR));
    json_object_set_new(webhook, "delivered",
        json_integer(scim_reply_number(reply, at + DELIVERED)));
    json_object_set_new(webhook, "retries",
        json_integer(scim_reply_number(reply, at + RETRIES)));
    json_object_set_new(webhook, "givenUp",
        json_integer(scim_reply_number(reply, at + GIVEN_UP)));
    if (scim_reply_text(reply, at + FAILING).len > 0) {
        json_object_set_new(webhook, "failingSince",
            json_integer(scim_reply_number(reply, at + FAILING)));
    }
    if (scim_reply_text(reply, at + GAP_AT).len > 0) {
        gap = json_object();
        scim_admin_set(gap, "after", scim_reply_text(reply, at + GAP_AFTER));
        json_object_set_new(gap, "at",
            json_integer(scim_reply_number(reply, at + GAP_AT)));
        json_object_set_new(webhook, "gap", gap);
    }
}


static scim_step_t
no_such_webhook(scim_admin_t *admin)
{
    return scim_admin_error(admin, 404, "no such webhook");
}


/* ---- looking ---- */

static scim_step_t
webhooks_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;
    const char   *cursor = NULL;
    json_t       *webhook, *list = json_array();
    size_t        row = 2 + STATE_FIELDS;

    for (size_t i = 1; i + row <= reply->elements; i += row) {
        if ((long long) json_array_size(list) == admin->limit) {
            scim_text_t last = scim_reply_text(reply, i - row);

            cursor = scim_arena_copy(&operation->arena, last.text, last.len);
            break;
        }
        webhook = webhook_of(scim_reply_text(reply, i + 1));
        if (webhook) {
            add_state(webhook, reply, i + 2);
            json_array_append_new(list, webhook);
        }
    }
    return scim_admin_list(admin, "webhooks", list, cursor);
}


scim_step_t
scim_admin_webhooks_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "webhooks", true);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, webhooks_listed);
}


static scim_step_t
ask_webhook(scim_admin_t *admin,
    scim_step_t (*next)(scim_operation_t *, const scim_reply_t *))
{
    scim_command_call(&admin->head, "webhook", true);
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, next);
}


static bool
take_webhook(scim_admin_t *admin, const scim_reply_t *reply)
{
    scim_text_t record = scim_reply_text(reply, 1);

    if (!scim_reply_is(reply, "OK")) {
        no_such_webhook(admin);
        return false;
    }
    admin->version = strtoll(record.text, NULL, 10);
    admin->result = webhook_of(record);
    if (admin->result == NULL) {
        scim_admin_error(admin, 500, "the webhook's record is damaged");
        return false;
    }
    return true;
}


static scim_step_t
webhook_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!take_webhook(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    add_state(admin->result, reply, 2);
    return scim_admin_answer(admin, 200, json_incref(admin->result));
}


scim_step_t
scim_admin_webhook_get(scim_admin_t *admin)
{
    return ask_webhook(admin, webhook_shown);
}


/* ---- changing ---- */

static scim_step_t
webhook_written(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;
    scim_text_t   what = scim_reply_text(reply, 1);

    if (scim_reply_is(reply, "LIMIT")) {
        return scim_admin_error(admin, 409,
            "a workspace has at most 20 webhooks");
    }
    if (scim_reply_is(reply, "NOTFOUND") && what.len == 3) {
        return scim_admin_error(admin, 400, "apps: names an unknown app");
    }
    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    add_state(admin->result, reply, 2);
    return scim_admin_answer(admin, admin->version == 0 ? 201 : 200,
        json_incref(admin->result));
}


static scim_step_t
send_webhook(scim_admin_t *admin, const char *id, const char *enabled,
    const json_t *old)
{
    size_t        index;
    json_t       *app;
    scim_buffer_t text;

    scim_buffer_init(&text, 64 * 1024);
    scim_json_write(admin->result, &text);
    if (scim_buffer_failed(&text)) {
        scim_buffer_free(&text);
        return scim_admin_error(admin, 413, "the definition is too large");
    }
    scim_command_call(&admin->head, "webhook_put", false);
    scim_command_text(&admin->head, id);
    scim_command_number(&admin->head, admin->version);
    scim_command_add(&admin->head, text.data, text.len);
    scim_buffer_free(&text);
    scim_command_text(&admin->head, enabled);
    scim_admin_sign(admin);
    if (*enabled && old && json_equal(old, admin->result)) {
        scim_command_text(&admin->head, *enabled == '1' ? "switched on"
            : "switched off");
    } else {
        scim_admin_say_changed(admin, old, admin->result);
    }
    json_array_foreach(json_object_get(admin->result, "apps"), index, app) {
        scim_command_text(&admin->head, json_string_value(app));
    }
    return scim_command_send(&admin->head, webhook_written);
}


/* Validates `body` and writes it over `admin->version` (0 = new). */
static scim_step_t
write_webhook(scim_admin_t *admin, json_t *body, const char *id)
{
    json_t       *definition = NULL, *old;
    scim_step_t   step;
    const char   *word;
    scim_error_t  error = { 0 };
    const json_t *enabled = json_object_get(admin->body, "enabled");

    if (enabled && !json_is_boolean(enabled)) {
        return scim_admin_error(admin, 400, "enabled: must be true or false");
    }
    word = enabled == NULL ? "" : json_is_true(enabled) ? "1" : "0";
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
        json_object_del(body, read_only[i]);
    }
    if (!scim_webhook_validate(body, &admin->head.service->app_policy,
            &definition, &error))
    {
        return scim_operation_fail(&admin->head, &error);
    }
    old = admin->result;
    admin->result = json_pack("{ss}", "id", id);
    json_object_update(admin->result, definition);
    json_decref(definition);
    step = send_webhook(admin, id, word, old);
    json_decref(old);
    return step;
}


scim_step_t
scim_admin_webhooks_post(scim_admin_t *admin)
{
    json_t     *body = json_copy(admin->body);
    scim_step_t step = write_webhook(admin, body, admin->new_id);

    json_decref(body);
    return step;
}


static scim_step_t
webhook_patched(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *merged;
    scim_step_t   step;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!take_webhook(admin, reply)) {
        return SCIM_STEP_DONE;
    }
    merged = json_deep_copy(admin->result);
    scim_admin_merge(merged, admin->body);
    step = write_webhook(admin, merged, admin->id);
    json_decref(merged);
    return step;
}


scim_step_t
scim_admin_webhook_patch(scim_admin_t *admin)
{
    return ask_webhook(admin, webhook_patched);
}


static scim_step_t
webhook_deleted(scim_operation_t *operation, const scim_reply_t *reply)
{
    return scim_reply_is(reply, "NOTFOUND")
        ? no_such_webhook((scim_admin_t *) operation)
        : scim_admin_written(operation, reply);
}


scim_step_t
scim_admin_webhook_delete(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "webhook_delete", false);
    scim_command_text(&admin->head, admin->id);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, webhook_deleted);
}


/* ---- deliveries ---- */

static scim_step_t
tested(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *answer;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return no_such_webhook(admin);
    }
    if (scim_reply_is(reply, "LIMIT")) {
        return scim_admin_error(admin, 409, "too many deliveries wait");
    }
    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 409, "the webhook is switched off");
    }
    answer = json_object();
    scim_admin_set(answer, "event", scim_reply_text(reply, 1));
    return scim_admin_answer(admin, 202, answer);
}


scim_step_t
scim_admin_webhook_test(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "webhook_test", false);
    scim_command_text(&admin->head, admin->id);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, tested);
}


/* An id of the audit: milliseconds, a hyphen, a number. */
static bool
is_cursor(const char *text)
{
    static const char digits[] = "0123456789";
    size_t            ms = text ? strspn(text, digits) : 0;
    size_t            number;

    if (ms == 0 || ms > 15 || text[ms] != '-') {
        return false;
    }
    number = strspn(text + ms + 1, digits);
    return number > 0 && number <= 15 && text[ms + 1 + number] == '\0';
}


static scim_step_t
replayed(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return no_such_webhook(admin);
    }
    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    return scim_admin_answer(admin, 202, json_pack("{sO,sb}", "after",
        json_object_get(admin->body, "after"), "complete",
        scim_reply_number(reply, 1) == 1));
}


scim_step_t
scim_admin_webhook_replay(scim_admin_t *admin)
{
    const char *after = json_string_value(json_object_get(admin->body,
        "after"));

    if (!is_cursor(after)) {
        return scim_admin_error(admin, 400, "after: must be the id of an "
            "entry of the audit; 0-0 is before all");
    }
    scim_command_call(&admin->head, "webhook_replay", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, after);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, replayed);
}


static json_t *
delivery_of(const scim_reply_t *reply, size_t at)
{
    json_t     *delivery = json_object();
    scim_text_t id = scim_reply_text(reply, at);
    scim_text_t reason = scim_reply_text(reply, at + 6);

    scim_admin_set(delivery, "id", id);
    scim_admin_set(delivery, "event", scim_reply_text(reply, at + 1));
    scim_admin_set(delivery, "type", scim_reply_text(reply, at + 2));
    json_object_set_new(delivery, "attempt",
        json_integer(scim_reply_number(reply, at + 3)));
    json_object_set_new(delivery, "status",
        json_integer(scim_reply_number(reply, at + 4)));
    scim_admin_set(delivery, "result", scim_reply_text(reply, at + 5));
    if (reason.len > 0) {
        scim_admin_set(delivery, "reason", reason);
    }
    /* ids of a stream begin with its clock */
    json_object_set_new(delivery, "at",
        json_integer(strtoll(id.text, NULL, 10)));
    return delivery;
}


static scim_step_t
deliveries_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *list;
    scim_text_t   last = { 0 };
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return no_such_webhook(admin);
    }
    list = json_array();
    for (size_t i = 1; i + DELIVERY_FIELDS <= reply->elements;
         i += DELIVERY_FIELDS)
    {
        if ((long long) json_array_size(list) == admin->limit) {
            last = scim_reply_text(reply, i - DELIVERY_FIELDS);
            break;
        }
        json_array_append_new(list, delivery_of(reply, i));
    }
    return scim_admin_list(admin, "deliveries", list, last.len
        ? scim_arena_copy(&operation->arena, last.text, last.len) : NULL);
}


scim_step_t
scim_admin_webhook_deliveries(scim_admin_t *admin)
{
    if (*admin->cursor && !is_cursor(admin->cursor)) {
        return scim_admin_error(admin, 400, "cursor: is not one of ours");
    }
    scim_command_call(&admin->head, "webhook_deliveries", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, deliveries_listed);
}
