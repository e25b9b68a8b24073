#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scim_admin_internal.h"
#include "scim_app.h"
#include "scim_app_exemption.h"

/*
 * One person in one app: the state, which share gives it, how the person is
 * in its team, what else plays a part, and the history.
 */
#define VERSION_LEN  10
#define SHARE_FIELDS 4

/* places in the reply of the function `why` */
enum { STATE = 1, ROLE, ACCESS_ROLE, APPLIED_ROLE, MEMBER_ID, EMAIL,
    USER_NAME, LOST_AT, KEPT, HOLD, HELD_AS, CHANGED, REPLAN,
    USER, APP, SEATED, PLACE, IN_USE, WAITING, HOLD_ID, HOLD_STATE,
    HOLD_REASON, TASK, SHARES = TASK + 9 };

typedef struct {
    const scim_reply_t *reply;
    scim_app_t          app;
    json_t             *answer;
    int64_t             now;
} why_t;


static void
set_given(json_t *object, const char *name, scim_text_t text)
{
    if (text.len > 0) {
        scim_admin_set(object, name, text);
    }
}


static void
set_number(json_t *object, const char *name, const scim_reply_t *reply,
    size_t at)
{
    if (scim_reply_text(reply, at).len > 0) {
        json_object_set_new(object, name,
            json_integer(scim_reply_number(reply, at)));
    }
}


/* ---- the sources ---- */

/* How the person is in the team that a share is for. */
static void
set_team(json_t *source, const scim_reply_t *reply, size_t at)
{
    json_t *team = scim_admin_record(scim_reply_text(reply, at + 2));
    json_t *path = scim_admin_record(scim_reply_text(reply, at + 3));
    size_t  levels = json_array_size(path);
    bool    manual = team && strcmp(json_string_value(
        json_object_get(team, "source")), "manual") == 0;

    json_object_set(source, "name", json_object_get(team, "name"));
    json_object_set_new(source, "membership", json_string(manual ? "manual"
        : levels == 1 ? "direct" : levels > 1 ? "nested" : "unknown"));
    if (levels > 1) {
        json_object_set(source, "path", path);
    }
    json_decref(team);
    json_decref(path);
}


static json_t *
source_of(const why_t *why, size_t at)
{
    json_t     *source = scim_admin_record(
        scim_reply_text(why->reply, at + 1));
    scim_text_t subject = scim_reply_text(why->reply, at);
    const char *colon = memchr(subject.text, ':', subject.len);
    size_t      kind = colon ? (size_t) (colon - subject.text) : 0;

    if (source == NULL || colon == NULL) {
        json_decref(source);
        return NULL;
    }
    json_object_set_new(source, "type", json_stringn(subject.text, kind));
    json_object_set_new(source, "id", json_stringn(colon + 1,
        subject.len - kind - 1));
    if (scim_app_access_rank(&why->app, json_string_value(
            json_object_get(source, "accessRole"))) < 0)
    {
        json_object_set_new(source, "accessRole",
            json_string(why->app.default_access_role));
    }
    if (kind == 4 && memcmp(subject.text, "team", 4) == 0) {
        set_team(source, why->reply, at);
    }
    return source;
}


/* As the planner ranks them: the access role, then owner over collaborator. */
static int
strength(const why_t *why, const json_t *source)
{
    const char *role = json_string_value(json_object_get(source, "role"));

    return 2 * scim_app_access_rank(&why->app, json_string_value(
            json_object_get(source, "accessRole")))
        + (role && strcmp(role, "owner") == 0);
}


/* Answers the place behind the sources. */
static size_t
add_sources(why_t *why)
{
    int       best = -1;
    size_t    at = SHARES + 1;
    json_t   *source, *strongest = NULL, *list = json_array();
    long long count = scim_reply_number(why->reply, SHARES);

    for (long long i = 0; i < count; i++, at += SHARE_FIELDS) {
        source = source_of(why, at);
        json_array_append_new(list, source);
        if (source && strength(why, source) > best) {
            best = strength(why, source);
            strongest = source;
        }
    }
    if (strongest && json_is_true(json_object_get(why->answer, "active"))) {
        json_object_set_new(strongest, "gives", json_true());
    }
    json_object_set_new(why->answer, "sources", list);
    return at;
}


/* ---- what else plays a part ---- */

static void
add_seat(why_t *why)
{
    json_t *seat = json_object();

    json_object_set_new(seat, "held", json_boolean(
        scim_reply_number(why->reply, SEATED) == 1));
    set_number(seat, "place", why->reply, PLACE);
    json_object_set_new(seat, "inUse", json_integer(
        scim_reply_number(why->reply, IN_USE)));
    json_object_set_new(seat, "waiting", json_integer(
        scim_reply_number(why->reply, WAITING)));
    if (why->app.seats >= 0) {
        json_object_set_new(seat, "limit", json_integer(why->app.seats));
    }
    json_object_set_new(why->answer, "seat", seat);
}


static void
add_hold(why_t *why)
{
    json_t *hold;

    if (scim_reply_text(why->reply, HOLD_ID).len == 0) {
        return;
    }
    hold = json_object();
    set_given(hold, "id", scim_reply_text(why->reply, HOLD_ID));
    set_given(hold, "state", scim_reply_text(why->reply, HOLD_STATE));
    set_given(hold, "reason", scim_reply_text(why->reply, HOLD_REASON));
    json_object_set_new(why->answer, "hold", hold);
}


static void
add_task(why_t *why)
{
    json_t             *answer, *task = json_object();
    const scim_reply_t *reply = why->reply;

    if (scim_reply_text(reply, TASK).len == 0) {
        json_decref(task);
        return;
    }
    set_given(task, "id", scim_reply_text(reply, TASK));
    set_given(task, "kind", scim_reply_text(reply, TASK + 1));
    set_given(task, "state", scim_reply_text(reply, TASK + 2));
    set_number(task, "attempts", reply, TASK + 3);
    set_number(task, "nextAt", reply, TASK + 4);
    if (scim_reply_text(reply, TASK + 5).len) {
        answer = json_object();
        set_number(answer, "status", reply, TASK + 5);
        set_given(answer, "body", scim_reply_text(reply, TASK + 6));
        json_object_set_new(task, "answer", answer);
    }
    set_given(task, "txn", scim_reply_text(reply, TASK + 7));
    json_object_set_new(task, "outcomeUnknown", json_boolean(
        scim_reply_number(reply, TASK + 8) == 1));
    json_object_set_new(why->answer, "task", task);
}


static bool
is_same(const char *member, const char *text)
{
    return text && *text && strcasecmp(member, text) == 0;
}


/* An exemption that checks honour for this person now. */
static void
add_exemption(why_t *why)
{
    size_t      i;
    json_t     *exemption;
    const char *member;

    json_array_foreach(json_object_get(why->app.json, "exemptions"), i,
        exemption)
    {
        member = scim_app_exemption_member(exemption, why->now);
        if (member
            && (is_same(member, json_string_value(
                    json_object_get(why->answer, "email")))
                || is_same(member, json_string_value(
                    json_object_get(why->answer, "userName")))
                || is_same(member, json_string_value(
                    json_object_get(why->answer, "memberId")))))
        {
            json_object_set(why->answer, "exemption", exemption);
        }
    }
}


static void
add_history(why_t *why, size_t at)
{
    json_t   *list = json_array();
    long long count = scim_reply_number(why->reply, at);

    for (long long i = 0; i < count; i++) {
        json_array_append_new(list, scim_admin_audit_entry(why->reply,
            at + 1 + (size_t) i * SCIM_ADMIN_AUDIT_FIELDS));
    }
    json_object_set_new(why->answer, "history", list);
}


/* ---- the whole ---- */

static void
add_person(why_t *why, const char *id)
{
    scim_text_t         invited = scim_reply_text(why->reply, EMAIL);
    const scim_reply_t *reply = why->reply;

    why->answer = scim_admin_person((scim_text_t) { id, strlen(id) },
        scim_reply_text(reply, USER));
    if (scim_reply_text(reply, USER).len == 0) { /* gone from the directory */
        json_object_set_new(why->answer, "active", json_false());
        json_object_set_new(why->answer, "deleted", json_true());
        set_given(why->answer, "userName",
            scim_reply_text(reply, USER_NAME));
    } else if (json_object_get(why->answer, "active") == NULL) {
        json_object_set_new(why->answer, "active", json_true());
    }
    set_given(why->answer, "email", invited);
    json_object_set_new(why->answer, "app", json_string(why->app.id));
    json_object_set_new(why->answer, "appName", json_string(why->app.name));
}


static void
add_grant(why_t *why)
{
    const scim_reply_t *reply = why->reply;

    if (scim_reply_text(reply, STATE).len == 0) {
        json_object_set_new(why->answer, "state", json_string("none"));
        return; /* shared, and not planned yet */
    }
    scim_admin_set(why->answer, "state", scim_reply_text(reply, STATE));
    scim_admin_set(why->answer, "role", scim_reply_text(reply, ROLE));
    scim_admin_set(why->answer, "accessRole",
        scim_reply_text(reply, ACCESS_ROLE));
    set_given(why->answer, "appliedRole",
        scim_reply_text(reply, APPLIED_ROLE));
    set_given(why->answer, "memberId", scim_reply_text(reply, MEMBER_ID));
    set_number(why->answer, "since", reply, CHANGED);
    if (scim_reply_text(reply, LOST_AT).len) {
        json_object_set_new(why->answer, "settlesAt", json_integer(
            scim_reply_number(reply, LOST_AT) + why->app.settle_ms));
    }
    set_given(why->answer, "keptAfter", scim_reply_text(reply, KEPT));
}


static scim_step_t
explained(scim_operation_t *operation, const scim_reply_t *reply)
{
    why_t         why = { .reply = reply, .now = operation->request->now };
    scim_text_t   record = scim_reply_text(reply, APP);
    scim_text_t   what = scim_reply_text(reply, 1);
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return what.len == 3
            ? scim_admin_error(admin, 404, "no such app")
            : scim_admin_error(admin, 404, "no share of this app reaches "
                "this person, and they never had it");
    }
    if (record.len <= VERSION_LEN || !scim_app_read(record.text + VERSION_LEN,
            record.len - VERSION_LEN, &why.app))
    {
        return scim_admin_error(admin, 500, "the app's record is damaged");
    }
    add_person(&why, admin->other);
    add_grant(&why);
    add_seat(&why);
    add_hold(&why);
    add_task(&why);
    add_exemption(&why);
    add_history(&why, add_sources(&why));
    scim_app_free(&why.app);
    return scim_admin_answer(admin, 200, why.answer);
}


scim_step_t
scim_admin_member_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "why", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    return scim_command_send(&admin->head, explained);
}
