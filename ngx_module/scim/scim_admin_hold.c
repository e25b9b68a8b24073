#include <string.h>

#include "scim_admin_internal.h"

/* Removals that the mass-removal guard holds, and what people decide. */
#define HOLD_FIELDS 9 /* before the users */
#define REASON_MAX  500

static const char *const hold_states[] = { "open", "approved", "rejected" };


/* One hold of the reply; *at moves behind it. */
static json_t *
hold_of(const scim_reply_t *reply, size_t *at)
{
    size_t  from = *at;
    json_t *users = json_array(), *hold = json_object();
    size_t  count = (size_t) scim_reply_number(reply, from + 8);

    scim_admin_set(hold, "id", scim_reply_text(reply, from));
    scim_admin_set(hold, "app", scim_reply_text(reply, from + 1));
    scim_admin_set(hold, "state", scim_reply_text(reply, from + 2));
    json_object_set_new(hold, "count",
        json_integer(scim_reply_number(reply, from + 7)));
    *at = from + HOLD_FIELDS;
    for (size_t i = 0; i < count && *at < reply->elements; i++) {
        scim_text_t user = scim_reply_text(reply, (*at)++);

        json_array_append_new(users, json_stringn(user.text, user.len));
    }
    json_object_set_new(hold, "users", users);
    json_object_set_new(hold, "createdAt",
        json_integer(scim_reply_number(reply, from + 3)));
    if (scim_reply_text(reply, from + 4).len) {
        json_object_set_new(hold, "decidedAt",
            json_integer(scim_reply_number(reply, from + 4)));
        scim_admin_set(hold, "decidedBy", scim_reply_text(reply, from + 5));
        scim_admin_set(hold, "reason", scim_reply_text(reply, from + 6));
    }
    return hold;
}


static scim_step_t
holds_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    size_t        at = 2;
    json_t       *list = json_array();
    scim_text_t   cursor = scim_reply_text(reply, 1);
    scim_admin_t *admin = (scim_admin_t *) operation;

    while (at + HOLD_FIELDS <= reply->elements) {
        json_array_append_new(list, hold_of(reply, &at));
    }
    return scim_admin_list(admin, "holds", list, cursor.len
        ? scim_arena_copy(&operation->arena, cursor.text, cursor.len) : NULL);
}


scim_step_t
scim_admin_holds_get(scim_admin_t *admin)
{
    if (!scim_admin_is_one_of(admin->state, hold_states,
            sizeof(hold_states) / sizeof(hold_states[0])))
    {
        return scim_admin_error(admin, 400,
            "state: must be open, approved or rejected");
    }
    scim_command_call(&admin->head, "holds", true);
    scim_command_text(&admin->head, admin->app);
    scim_command_text(&admin->head, admin->state);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit);
    return scim_command_send(&admin->head, holds_listed);
}


static scim_step_t
hold_decided(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_admin_error(admin, 404, "no such hold");
    }
    if (scim_reply_is(reply, "STATE")) {
        return scim_admin_error(admin, 409, "this hold is decided already");
    }
    return scim_admin_written(operation, reply);
}


static scim_step_t
decide(scim_admin_t *admin, const char *state)
{
    const json_t *reason = json_object_get(admin->body, "reason");

    if (reason && (!json_is_string(reason)
                   || json_string_length(reason) > REASON_MAX))
    {
        return scim_admin_error(admin, 400,
            "reason: must be a text of at most %d bytes", REASON_MAX);
    }
    scim_command_call(&admin->head, "hold_decide", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, state);
    scim_command_text(&admin->head, reason ? json_string_value(reason) : "");
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, hold_decided);
}


scim_step_t
scim_admin_hold_approve(scim_admin_t *admin)
{
    return decide(admin, "approved");
}


scim_step_t
scim_admin_hold_reject(scim_admin_t *admin)
{
    return decide(admin, "rejected");
}
