#include <stdio.h>
#include <string.h>

#include "scim_admin_internal.h"

/* Looking at everything once more, and events once more. */
#define REPLAY_PAGE  1000
#define STREAM_ID_MAX 41


static scim_step_t
resync_asked(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    return scim_admin_answer(admin, 202, json_pack("{ss}", "workspace",
        operation->request->principal->workspace));
}


scim_step_t
scim_admin_resync(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "resync", false);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, resync_asked);
}


/* ---- replay ---- */

static scim_step_t replay_page(scim_admin_t *admin, const char *after);


static scim_step_t
replayed(scim_operation_t *operation, const scim_reply_t *reply)
{
    char          after[STREAM_ID_MAX + 1];
    scim_text_t   next = scim_reply_text(reply, 2);
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    json_object_set_new(admin->result, "replayed", json_integer(
        json_integer_value(json_object_get(admin->result, "replayed"))
        + scim_reply_number(reply, 1)));
    if (next.len == 0 || next.len > STREAM_ID_MAX) {
        json_object_del(admin->result, "until");
        return scim_admin_answer(admin, 202, json_incref(admin->result));
    }
    snprintf(after, sizeof(after), "%.*s", (int) next.len, next.text);
    return replay_page(admin, after);
}


static scim_step_t
replay_page(scim_admin_t *admin, const char *after)
{
    bool dead = json_is_true(json_object_get(admin->body, "dead"));

    scim_command_call(&admin->head, "replay", false);
    scim_command_text(&admin->head, dead ? "dead" : "events");
    scim_command_text(&admin->head, after);
    scim_command_text(&admin->head, dead ? "+" : json_string_value(
        json_object_get(admin->result, "until")));
    scim_command_number(&admin->head, REPLAY_PAGE);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, replayed);
}


/* What is appended now is not read again. */
static scim_step_t
last_known(scim_operation_t *operation, const scim_reply_t *reply)
{
    const char   *from;
    scim_text_t   last = scim_reply_text(reply, 1);
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_written(operation, reply);
    }
    admin->result = json_pack("{si}", "replayed", 0);
    scim_admin_set(admin->result, "until", last);
    from = json_string_value(json_object_get(admin->body, "from"));
    return replay_page(admin, from ? from : "");
}


static bool
is_stream_id(const char *text)
{
    return text && *text && strlen(text) <= STREAM_ID_MAX
        && text[strspn(text, "0123456789-")] == '\0';
}


/* {"from": a stream id or ms since 1970} or {"dead": true} */
scim_step_t
scim_admin_replay(scim_admin_t *admin)
{
    const json_t *from = json_object_get(admin->body, "from");
    const json_t *dead = json_object_get(admin->body, "dead");

    if (from && !is_stream_id(json_string_value(from))) {
        return scim_admin_error(admin, 400, "from: must be the id of an "
            "event, or ms since 1970 as a text");
    }
    if (dead && !json_is_boolean(dead)) {
        return scim_admin_error(admin, 400, "dead: must be true or false");
    }
    if ((from != NULL) == json_is_true(dead)) {
        return scim_admin_error(admin, 400, "from: or dead must be given");
    }
    scim_command_call(&admin->head, "last_event", true);
    return scim_command_send(&admin->head, last_known);
}
