#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_admin_internal.h"
#include "scim_app_list.h"

/* Checks for updates: asked for here, made by a sidecar, applied here. */
#define VERSION_LEN     10
#define SHOWN_FIELDS    11 /* of the check: four of them say what is in it */
#define FINDING_FIELDS  11 /* id, finding, what became of it */
#define FINDINGS_SHOWN  10000 /* where no limit is given */
#define CHOSEN_MAX      1000

enum { KIND = 1, ACTION, USER, MEMBER_ID, EMAIL, ADDRESS, EXPECTED, ACTUAL,
    V, APPLIED };


/* ---- asking for one ---- */

static scim_step_t
check_started(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    return scim_admin_answer(admin, 202, json_pack("{ss}", "id",
        admin->new_id));
}


static scim_step_t
app_known(scim_operation_t *operation, const scim_reply_t *reply)
{
    bool          can_list;
    json_t       *app;
    scim_text_t   record = scim_reply_text(reply, 1);
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK") || record.len <= VERSION_LEN) {
        return scim_admin_error(admin, 404, "no such app");
    }
    record.text += VERSION_LEN;
    record.len -= VERSION_LEN;
    app = scim_admin_record(record);
    can_list = scim_app_can_list(json_object_get(app, "connector"));
    json_decref(app);
    if (!can_list) {
        return scim_admin_error(admin, 409,
            "the app's connector cannot list its members");
    }
    scim_command_call(&admin->head, "check_start", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->new_id);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, check_started);
}


scim_step_t
scim_admin_checks_post(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "record", true);
    scim_command_text(&admin->head, "app");
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, app_known);
}


/* ---- the report ---- */

static void
set_given(json_t *object, const char *name, scim_text_t text)
{
    if (text.len > 0) {
        scim_admin_set(object, name, text);
    }
}


static json_t *
finding_of(const scim_reply_t *reply, size_t at)
{
    json_t *finding = json_object();

    scim_admin_set(finding, "id", scim_reply_text(reply, at));
    scim_admin_set(finding, "kind", scim_reply_text(reply, at + KIND));
    scim_admin_set(finding, "action", scim_reply_text(reply, at + ACTION));
    scim_admin_set(finding, "email", scim_reply_text(reply, at + EMAIL));
    set_given(finding, "userId", scim_reply_text(reply, at + USER));
    set_given(finding, "memberId", scim_reply_text(reply, at + MEMBER_ID));
    set_given(finding, "expected", scim_reply_text(reply, at + EXPECTED));
    set_given(finding, "actual", scim_reply_text(reply, at + ACTUAL));
    if (scim_reply_text(reply, at + APPLIED).len > 0) {
        json_object_set_new(finding, "applied", json_true());
    }
    return finding;
}


/* The report that stands at `at` of a reply, without its findings. */
static json_t *
report_of(scim_admin_t *admin, const scim_reply_t *reply, size_t at,
    scim_text_t id)
{
    json_t     *report = json_object();
    scim_text_t state = scim_reply_text(reply, at);

    scim_admin_set(report, "id", id);
    json_object_set_new(report, "app", json_string(admin->id));
    scim_admin_set(report, "state", state);
    set_given(report, "reason", scim_reply_text(reply, at + 1));
    set_given(report, "suspicious", scim_reply_text(reply, at + 3));
    json_object_set_new(report, "createdAt",
        json_integer(scim_reply_number(reply, at + 4)));
    if (scim_reply_text(reply, at + 5).len > 0) {
        json_object_set_new(report, "finishedAt",
            json_integer(scim_reply_number(reply, at + 5)));
    }
    if (state.len == 4 && memcmp(state.text, "done", 4) == 0) {
        json_object_set_new(report, "members",
            json_integer(scim_reply_number(reply, at + 2)));
        json_object_set_new(report, "count",
            json_integer(scim_reply_number(reply, at + 6)));
        scim_admin_set(report, "hash", scim_reply_text(reply, at + 7));
        json_object_set_new(report, "counts", json_pack("{sI,sI,sI}",
            "unknown", (json_int_t) scim_reply_number(reply, at + 8),
            "missing", (json_int_t) scim_reply_number(reply, at + 9),
            "role", (json_int_t) scim_reply_number(reply, at + 10)));
    }
    return report;
}


static scim_step_t
checks_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *list;
    scim_text_t   id = { "", 0 };
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 404, "no such app");
    }
    list = json_array();
    for (size_t at = 1; at + 1 + SHOWN_FIELDS <= reply->elements;
         at += 1 + SHOWN_FIELDS)
    {
        id = scim_reply_text(reply, at);
        if (scim_reply_text(reply, at + 1).len > 0) { /* else it expired */
            json_array_append_new(list, report_of(admin, reply, at + 1, id));
        }
    }
    return scim_admin_list(admin, "checks", list,
        (reply->elements - 1) / (1 + SHOWN_FIELDS) == (size_t) admin->limit
            ? scim_arena_copy(&operation->arena, id.text, id.len) : NULL);
}


scim_step_t
scim_admin_checks_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "checks", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, checks_listed);
}


static scim_step_t
check_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *report, *findings;
    size_t        at = 1 + SHOWN_FIELDS;
    scim_text_t   last = { 0 };
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 404, "no such check");
    }
    report = report_of(admin, reply, 1,
        (scim_text_t) { admin->other, strlen(admin->other) });
    findings = json_array();
    for ( ; at + FINDING_FIELDS <= reply->elements; at += FINDING_FIELDS) {
        json_array_append_new(findings, finding_of(reply, at));
        last = scim_reply_text(reply, at);
    }
    json_object_set_new(report, "findings", findings);
    if (last.len > 0 && strtoll(last.text, NULL, 10)
        < scim_reply_number(reply, 7))
    {
        scim_admin_set(report, "nextCursor", last);
    }
    return scim_admin_answer(admin, 200, report);
}


scim_step_t
scim_admin_check_get(scim_admin_t *admin)
{
    scim_text_t query = admin->head.request->query;
    bool        limited = query.len > 0
        && memmem(query.text, query.len, "limit=", 6) != NULL;

    scim_command_call(&admin->head, "check_show", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, limited ? admin->limit
        : FINDINGS_SHOWN);
    return scim_command_send(&admin->head, check_shown);
}


/* ---- applying ---- */

static scim_step_t applied(scim_operation_t *operation,
    const scim_reply_t *reply);


/* The next findings of all, or those that the body names. */
static scim_step_t
apply_from(scim_admin_t *admin, long long first)
{
    size_t        index;
    json_t       *id;
    const char   *hash = json_string_value(json_object_get(admin->body,
        "hash"));
    const json_t *actions = json_object_get(admin->body, "actions");

    scim_command_call(&admin->head, "check_apply", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_admin_sign(admin);
    scim_command_text(&admin->head, admin->new_id);
    scim_command_text(&admin->head, hash ? hash : "");
    if (actions == NULL) {
        scim_command_text(&admin->head, "all");
        scim_command_number(&admin->head, first);
    } else {
        scim_command_text(&admin->head, "chosen");
        json_array_foreach(actions, index, id) {
            scim_command_text(&admin->head, json_string_value(id));
        }
    }
    return scim_command_send(&admin->head, applied);
}


static scim_step_t
apply_refused(scim_admin_t *admin, const scim_reply_t *reply)
{
    scim_text_t what = scim_reply_text(reply, 1);

    if (scim_reply_is(reply, "SUSPICIOUS")) {
        return scim_admin_error(admin, 409, "the app's list is suspicious: "
            "only findings that are named in actions are applied");
    }
    if (scim_reply_is(reply, "STALE")) {
        return scim_admin_error(admin, 409, "hash: the report is another "
            "one, or some of it is no longer true; nothing was done");
    }
    if (scim_reply_is(reply, "STATE")) {
        return scim_admin_error(admin, 409,
            "only a check that is done can be applied");
    }
    if (what.len == 7 && memcmp(what.text, "finding", 7) == 0) {
        return scim_admin_error(admin, 400,
            "actions: names a finding that the check has not");
    }
    return scim_admin_error(admin, 404, "no such check");
}


static scim_step_t
applied(scim_operation_t *operation, const scim_reply_t *reply)
{
    long long     last = 0;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return apply_refused(admin, reply);
    }
    if (admin->result == NULL) {
        admin->result = json_pack("{s[],s[]}", "applied", "skipped");
    }
    for (size_t i = 2; i + 1 < reply->elements; i += 2) {
        scim_text_t id = scim_reply_text(reply, i);
        scim_text_t what = scim_reply_text(reply, i + 1);

        json_array_append_new(json_object_get(admin->result,
            what.len == 7 && memcmp(what.text, "applied", 7) == 0
            ? "applied" : "skipped"), json_stringn(id.text, id.len));
        last = scim_reply_number(reply, i);
    }
    if (json_object_get(admin->body, "actions") == NULL && last > 0
        && last < scim_reply_number(reply, 1))
    {
        return apply_from(admin, last + 1);
    }
    return scim_admin_answer(admin, 200, json_incref(admin->result));
}


static bool
is_number(const json_t *id)
{
    const char *text = json_string_value(id);

    return text && *text && strlen(text) <= 10
        && text[strspn(text, "0123456789")] == '\0';
}


scim_step_t
scim_admin_check_apply(scim_admin_t *admin)
{
    size_t        index;
    json_t       *id;
    const json_t *hash = json_object_get(admin->body, "hash");
    const json_t *actions = json_object_get(admin->body, "actions");

    if (hash && !json_is_string(hash)) {
        return scim_admin_error(admin, 400, "hash: must be a text");
    }
    if (actions && (!json_is_array(actions)
                    || json_array_size(actions) > CHOSEN_MAX))
    {
        return scim_admin_error(admin, 400, "actions: must be an array of at "
            "most %d ids of findings", CHOSEN_MAX);
    }
    json_array_foreach(actions, index, id) {
        if (!json_is_string(id)) {
            return scim_admin_error(admin, 400,
                "actions: must hold ids of findings, which are strings");
        }
        if (!is_number(id)) {
            return scim_admin_error(admin, 400,
                "actions: names a finding that the check has not");
        }
    }
    return apply_from(admin, 1);
}
