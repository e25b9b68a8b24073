#include <stdlib.h>
#include <string.h>

#include "scim_admin_internal.h"
#include "scim_join.h"
#include "scim_token.h"

/* Who has what (members of an app), and the work towards it (tasks). */
#define GRANT_FIELDS 9
#define TASK_FIELDS  13

static const char *const grant_states[] = {
    "pending", "invited", "accepted", "connected", "removing", "removed",
    "waitlisted", "manual", "held", "failed", "expired"
};

static const char *const task_states[] = { "queued", "running", "waiting",
                                           "manual", "failed", "done" };


/* Whoever has the link can act for the person: it is not for viewers. */
static void
set_join_url(scim_admin_t *admin, json_t *member, scim_text_t code)
{
    scim_buffer_t url;
    scim_text_t   base = admin->head.service->join_url;

    if (code.len == 0 || base.len == 0
        || admin->head.request->principal->role < SCIM_ROLE_ADMIN)
    {
        return;
    }
    scim_buffer_init(&url, 1024);
    scim_buffer_printf(&url, "%.*s/%.*s", (int) base.len, base.text,
        (int) code.len, code.text);
    if (!scim_buffer_failed(&url)) {
        json_object_set_new(member, "joinUrl", json_string(url.data));
    }
    scim_buffer_free(&url);
}


static json_t *
member_of(scim_admin_t *admin, const scim_reply_t *reply, size_t at)
{
    json_t     *sources, *member = scim_admin_person(
        scim_reply_text(reply, at), scim_reply_text(reply, at + 7));
    scim_text_t email = scim_reply_text(reply, at + 5);

    json_object_del(member, "active");
    /* the address that was invited; the person may be gone by now */
    if (email.len || json_object_get(member, "email") == NULL) {
        scim_admin_set(member, "email", email);
    }
    if (json_object_get(member, "userName") == NULL) {
        scim_admin_set(member, "userName", scim_reply_text(reply, at + 6));
    }
    scim_admin_set(member, "state", scim_reply_text(reply, at + 1));
    scim_admin_set(member, "role", scim_reply_text(reply, at + 2));
    scim_admin_set(member, "accessRole", scim_reply_text(reply, at + 3));
    sources = scim_admin_record(scim_reply_text(reply, at + 4));
    json_object_set_new(member, "sources", sources ? sources : json_array());
    set_join_url(admin, member, scim_reply_text(reply, at + 8));
    return member;
}


static scim_step_t
members_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *list;
    scim_text_t   cursor;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 404, "no such app");
    }
    list = json_array();
    for (size_t i = 2; i + GRANT_FIELDS <= reply->elements;
         i += GRANT_FIELDS)
    {
        json_array_append_new(list, member_of(admin, reply, i));
    }
    cursor = scim_reply_text(reply, 1);
    return scim_admin_list(admin, "members", list, cursor.len
        ? scim_arena_copy(&operation->arena, cursor.text, cursor.len) : NULL);
}


scim_step_t
scim_admin_members_get(scim_admin_t *admin)
{
    if (!scim_admin_is_one_of(admin->state, grant_states,
            sizeof(grant_states) / sizeof(grant_states[0])))
    {
        return scim_admin_error(admin, 400, "state: is no state of a grant");
    }
    scim_command_call(&admin->head, "grants", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->state);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, members_listed);
}


static scim_step_t
invite_resent(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *answer;
    scim_text_t   code;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "STATE")) {
        return scim_admin_error(admin, 409, "there is no invite that could "
            "be sent again now");
    }
    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    answer = json_object();
    code.text = json_string_value(admin->result);
    code.len = json_string_length(admin->result);
    set_join_url(admin, answer, code);
    return scim_admin_answer(admin, 200, answer);
}


scim_step_t
scim_admin_invite_resend(scim_admin_t *admin)
{
    char                  code[SCIM_JOIN_CODE_LEN + 1], hash[65];
    const scim_request_t *request = admin->head.request;

    /* the first bytes became `new_id` */
    scim_join_code_make(request->principal->shard, request->random + 16,
        code);
    scim_token_hash(code, SCIM_JOIN_CODE_LEN, hash);
    admin->result = json_string(code);
    scim_command_call(&admin->head, "invite_resend", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_command_text(&admin->head, code);
    scim_command_text(&admin->head, hash);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, invite_resent);
}


scim_step_t
scim_admin_invite_revoke(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "invite_revoke", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, scim_admin_written);
}


static json_t *
task_of(const scim_reply_t *reply, size_t at)
{
    static const char *const names[] = { "id", "app", "user", "kind",
                                         "state" };
    json_t *answer, *task = json_object();

    for (size_t i = 0; i < 5; i++) {
        scim_admin_set(task, names[i], scim_reply_text(reply, at + i));
    }
    json_object_set_new(task, "attempts",
        json_integer(scim_reply_number(reply, at + 5)));
    json_object_set_new(task, "nextAt",
        json_integer(scim_reply_number(reply, at + 6)));
    if (scim_reply_text(reply, at + 7).len) {
        answer = json_object();
        json_object_set_new(answer, "status",
            json_integer(scim_reply_number(reply, at + 7)));
        scim_admin_set(answer, "body", scim_reply_text(reply, at + 8));
        json_object_set_new(task, "answer", answer);
    }
    if (scim_reply_text(reply, at + 9).len) {
        scim_admin_set(task, "txn", scim_reply_text(reply, at + 9));
    }
    if (scim_reply_number(reply, at + 10) > 0) {
        /* the app confirmed the removal, and so often still showed them */
        json_object_set_new(task, "stillListed",
            json_integer(scim_reply_number(reply, at + 10)));
    }
    if (scim_reply_text(reply, at + 11).len) {
        json_object_set_new(task, "overdue", json_true());
    }
    if (scim_reply_text(reply, at + 12).len) {
        scim_admin_set(task, "reason", scim_reply_text(reply, at + 12));
    }
    return task;
}


static scim_step_t
tasks_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    size_t        i;
    json_t       *list = json_array();
    scim_text_t   last = { "", 0 };
    scim_admin_t *admin = (scim_admin_t *) operation;

    for (i = 2; i + TASK_FIELDS <= reply->elements; i += TASK_FIELDS) {
        last = scim_reply_text(reply, i);
        json_array_append_new(list, task_of(reply, i));
    }
    return scim_admin_list(admin, "tasks", list,
        scim_reply_number(reply, 1) && last.len
            ? scim_arena_copy(&operation->arena, last.text, last.len) : NULL);
}


scim_step_t
scim_admin_tasks_get(scim_admin_t *admin)
{
    if (!scim_admin_is_one_of(admin->state, task_states,
            sizeof(task_states) / sizeof(task_states[0])))
    {
        return scim_admin_error(admin, 400, "state: is no state of a task");
    }
    scim_command_call(&admin->head, "tasks", true);
    scim_command_text(&admin->head, admin->app);
    scim_command_text(&admin->head, admin->state);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, tasks_listed);
}


static scim_step_t
task_changed(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_admin_error(admin, 404, "no such task");
    }
    return scim_admin_written(operation, reply);
}


static scim_step_t
change_task(scim_admin_t *admin, const char *function)
{
    scim_command_call(&admin->head, function, false);
    scim_command_text(&admin->head, admin->id);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, task_changed);
}


scim_step_t
scim_admin_task_retry(scim_admin_t *admin)
{
    return change_task(admin, "task_retry");
}


scim_step_t
scim_admin_task_done(scim_admin_t *admin)
{
    return change_task(admin, "task_done");
}


json_t *
scim_admin_audit_entry(const scim_reply_t *reply, size_t at)
{
    static const char *const names[] = { "id", "ts", "actor", "app", "user",
                                         "from", "to", "why", "share", "txn",
                                         "eventId", "op", "resource" };
    json_t *entry = json_object();

    for (size_t i = 0; i < SCIM_ADMIN_AUDIT_FIELDS; i++) {
        scim_text_t value = scim_reply_text(reply, at + i);

        /* what is not known of an entry is left out */
        if (i < 8 || value.len > 0) {
            scim_admin_set(entry, names[i], value);
        }
    }
    json_object_set_new(entry, "ts",
        json_integer(scim_reply_number(reply, at + 1)));
    return entry;
}


static scim_step_t
audit_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *list = json_array();
    scim_text_t   cursor = scim_reply_text(reply, 1);
    scim_admin_t *admin = (scim_admin_t *) operation;

    for (size_t i = 2; i + SCIM_ADMIN_AUDIT_FIELDS <= reply->elements;
         i += SCIM_ADMIN_AUDIT_FIELDS)
    {
        json_array_append_new(list, scim_admin_audit_entry(reply, i));
    }
    return scim_admin_list(admin, "entries", list,
        cursor.len ? scim_arena_copy(&operation->arena, cursor.text,
            cursor.len) : NULL);
}


scim_step_t
scim_admin_audit_get(scim_admin_t *admin)
{
    /* `cursor` goes on where the last page ended, `after` starts anywhere */
    scim_command_call(&admin->head, "audit", true);
    scim_command_text(&admin->head,
        *admin->cursor ? admin->cursor : admin->after);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, audit_listed);
}


/* "tasks.failed" becomes {"tasks":{"failed":...}}; takes `number`. */
static void
set_number(json_t *stats, char *name, json_t *number)
{
    json_t *group = stats;
    char   *dot = name ? strchr(name, '.') : NULL;

    if (dot) {
        *dot = '\0';
        group = json_object_get(stats, name);
        if (group == NULL) {
            group = json_object();
            json_object_set_new(stats, name, group);
        }
        name = dot + 1;
    }
    if (name == NULL) {
        json_decref(number);
    } else {
        json_object_set_new(group, name, number);
    }
}


/* Apps that are down; returns where the numbers begin. */
static size_t
set_down(json_t *stats, const scim_reply_t *reply)
{
    size_t  at = 2, end = 2 + 3 * (size_t) scim_reply_number(reply, 1);
    json_t *list = json_array(), *one;

    for (; at + 3 <= end && end <= reply->elements; at += 3) {
        one = json_object();
        scim_admin_set(one, "app", scim_reply_text(reply, at));
        json_object_set_new(one, "downSince",
            json_integer(scim_reply_number(reply, at + 1)));
        scim_admin_set(one, "why", scim_reply_text(reply, at + 2));
        json_array_append_new(list, one);
    }
    json_object_set_new(stats, "appsDown", list);
    return at;
}


static scim_step_t
stats_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *stats = json_object();
    scim_admin_t *admin = (scim_admin_t *) operation;

    for (size_t i = set_down(stats, reply); i + 1 < reply->elements; i += 2) {
        scim_text_t name = scim_reply_text(reply, i);
        json_t     *number = json_integer(scim_reply_number(reply, i + 1));
        char       *key = scim_arena_copy(&operation->arena, name.text,
            name.len);

        set_number(stats, key, number);
    }
    return scim_admin_answer(admin, 200, stats);
}


scim_step_t
scim_admin_stats_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "stats", true);
    return scim_command_send(&admin->head, stats_shown);
}
