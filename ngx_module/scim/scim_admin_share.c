#include <stdio.h>
#include <string.h>

#include "scim_admin_internal.h"

/* Shares: team or user x app. */


static void
subject_of(const scim_admin_t *admin, const char *kind, char *out, size_t size)
{
    snprintf(out, size, "%s:%s", kind, admin->other);
}


/* The share as it is stored: also who made it, when, by which request. */
static scim_step_t
share_put(scim_admin_t *admin, json_t *share, const char *subject)
{
    char                  why[200]; /* an access role has 128 bytes, at most */
    const char           *access = json_string_value(json_object_get(share,
        "accessRole"));
    scim_buffer_t         text;
    const scim_request_t *request = admin->head.request;

    snprintf(why, sizeof(why), "as %s, %s%s", json_string_value(
        json_object_get(share, "role")), access ? "access role "
        : "with the app's default", access ? access : "");
    json_object_set_new(share, "by",
        json_string(request->principal->actor));
    json_object_set_new(share, "at", json_integer(request->now));
    json_object_set_new(share, "txn", json_stringn(
        request->transaction.text, request->transaction.len));
    scim_buffer_init(&text, 4096);
    scim_json_write(share, &text);
    scim_command_call(&admin->head, "share_put", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, subject);
    scim_command_add(&admin->head, text.data, text.len);
    scim_buffer_free(&text);
    scim_admin_sign(admin);
    scim_command_text(&admin->head, why);
    return scim_command_send(&admin->head, scim_admin_written);
}


/* The access role must be one of the app's, so the app is read first. */
bool
scim_admin_access_role_fits(scim_admin_t *admin, const scim_reply_t *reply)
{
    bool          fits;
    scim_app_t    app;
    scim_text_t   record = scim_reply_text(reply, 1);
    const json_t *wanted = json_object_get(admin->result, "accessRole");

    if (!scim_reply_is(reply, "OK") || record.len <= 10
        || !scim_app_read(record.text + 10, record.len - 10, &app))
    {
        scim_admin_error(admin, 404, "no such app");
        return false;
    }
    fits = wanted == NULL
        || scim_app_access_rank(&app, json_string_value(wanted)) >= 0;
    scim_app_free(&app);
    if (!fits) {
        scim_admin_error(admin, 400, "accessRole: is none of the app's "
            "access roles");
    }
    return fits;
}


static scim_step_t
team_app_read(scim_operation_t *operation, const scim_reply_t *reply)
{
    char          subject[80];
    scim_admin_t *admin = (scim_admin_t *) operation;

    subject_of(admin, "team", subject, sizeof(subject));
    return scim_admin_access_role_fits(admin, reply)
        ? share_put(admin, admin->result, subject) : SCIM_STEP_DONE;
}


static scim_step_t
user_app_read(scim_operation_t *operation, const scim_reply_t *reply)
{
    char          subject[80];
    scim_admin_t *admin = (scim_admin_t *) operation;

    subject_of(admin, "user", subject, sizeof(subject));
    return scim_admin_access_role_fits(admin, reply)
        ? share_put(admin, admin->result, subject) : SCIM_STEP_DONE;
}


static bool
is_share_role(const json_t *role)
{
    return json_is_string(role)
        && (strcmp(json_string_value(role), "owner") == 0
            || strcmp(json_string_value(role), "collaborator") == 0);
}


/* {role, accessRole?} */
static scim_step_t
begin_put(scim_admin_t *admin,
    scim_step_t (*next)(scim_operation_t *, const scim_reply_t *))
{
    const json_t *role = json_object_get(admin->body, "role");
    const json_t *access = json_object_get(admin->body, "accessRole");

    if (!is_share_role(role)) {
        return scim_admin_error(admin, 400,
            "role: must be owner or collaborator");
    }
    if (access && !json_is_null(access) && !json_is_string(access)) {
        return scim_admin_error(admin, 400, "accessRole: must be a text");
    }
    admin->result = json_pack("{sO}", "role", role);
    if (json_is_string(access)) {
        json_object_set(admin->result, "accessRole", (json_t *) access);
    }
    scim_command_call(&admin->head, "record", true);
    scim_command_text(&admin->head, "app");
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, next);
}


scim_step_t
scim_admin_share_team_put(scim_admin_t *admin)
{
    return begin_put(admin, team_app_read);
}


scim_step_t
scim_admin_share_user_put(scim_admin_t *admin)
{
    return begin_put(admin, user_app_read);
}


static scim_step_t
share_delete(scim_admin_t *admin, const char *kind)
{
    char subject[80];

    subject_of(admin, kind, subject, sizeof(subject));
    scim_command_call(&admin->head, "share_delete", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, subject);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, scim_admin_written);
}


scim_step_t
scim_admin_share_team_delete(scim_admin_t *admin)
{
    return share_delete(admin, "team");
}


scim_step_t
scim_admin_share_user_delete(scim_admin_t *admin)
{
    return share_delete(admin, "user");
}


static scim_step_t
shares_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *share, *list;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 404, "no such app");
    }
    list = json_array();
    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        scim_text_t subject = scim_reply_text(reply, i);
        const char *colon = memchr(subject.text, ':', subject.len);

        share = scim_admin_record(scim_reply_text(reply, i + 1));
        if (share && colon) {
            size_t kind = (size_t) (colon - subject.text);

            json_object_set_new(share, "type",
                json_stringn(subject.text, kind));
            json_object_set_new(share, "id",
                json_stringn(colon + 1, subject.len - kind - 1));
            json_array_append(list, share);
        }
        json_decref(share);
    }
    return scim_admin_list(admin, "shares", list, NULL);
}


scim_step_t
scim_admin_shares_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "shares", true);
    scim_command_text(&admin->head, admin->id);
    return scim_command_send(&admin->head, shares_listed);
}
