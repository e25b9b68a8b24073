#include <string.h>

#include "scim_admin_internal.h"

/* Teams: those that follow a group, and those that operators make. */


/* A page of JSON records: one more than asked for tells of the next page. */
static json_t *
records_of(scim_admin_t *admin, const scim_reply_t *reply, size_t from,
    const char **cursor)
{
    json_t *list = json_array();

    for (size_t i = from; i + 1 < reply->elements; i += 2) {
        json_t *record;

        if ((long long) json_array_size(list) == admin->limit) {
            scim_text_t last = scim_reply_text(reply, i - 2);

            *cursor = scim_arena_copy(&admin->head.arena, last.text,
                last.len);
            break;
        }
        record = scim_admin_record(scim_reply_text(reply, i + 1));
        if (record) {
            json_array_append_new(list, record);
        }
    }
    return list;
}


static scim_step_t
teams_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;
    const char   *cursor = NULL;
    json_t       *list = records_of(admin, reply, 1, &cursor);

    return scim_admin_list(admin, "teams", list, cursor);
}


scim_step_t
scim_admin_teams_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "page", true);
    scim_command_text(&admin->head, "teams");
    scim_command_text(&admin->head, "team");
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, teams_listed);
}


static scim_step_t
team_made(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    (void) reply;
    return scim_admin_answer(admin, 201, json_incref(admin->result));
}


scim_step_t
scim_admin_teams_post(scim_admin_t *admin)
{
    scim_buffer_t text;
    const char   *name = scim_admin_text(admin, "name", 200);

    if (name == NULL) {
        return SCIM_STEP_DONE;
    }
    admin->result = json_pack("{ss,ss,ss}", "id", admin->new_id, "name", name,
        "source", "manual");
    scim_buffer_init(&text, 4096);
    scim_json_write_string(name, strlen(name), &text);
    scim_command_call(&admin->head, "team_put", false);
    scim_command_text(&admin->head, admin->new_id);
    scim_command_add(&admin->head, text.data, text.len);
    scim_buffer_free(&text);
    scim_command_text(&admin->head, name);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, team_made);
}


static scim_step_t
team_shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *team, *members;
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return scim_admin_error(admin, 404, "no such team");
    }
    team = scim_admin_record(scim_reply_text(reply, 1));
    if (team == NULL) {
        return scim_admin_error(admin, 500, "the team's record is damaged");
    }
    members = json_array();
    for (size_t i = 2; i + 1 < reply->elements; i += 2) {
        if ((long long) json_array_size(members) == admin->limit) {
            scim_text_t last = scim_reply_text(reply, i - 2);

            json_object_set_new(team, "nextCursor",
                json_stringn(last.text, last.len));
            break;
        }
        json_array_append_new(members, scim_admin_person(
            scim_reply_text(reply, i), scim_reply_text(reply, i + 1)));
    }
    json_object_set_new(team, "members", members);
    return scim_admin_answer(admin, 200, team);
}


scim_step_t
scim_admin_team_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "team_page", true);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, team_shown);
}


static scim_step_t
member_written(scim_operation_t *operation, const scim_reply_t *reply)
{
    if (scim_reply_is(reply, "STATE")) {
        return scim_admin_error((scim_admin_t *) operation, 409,
            "this team follows a group: change the group");
    }
    return scim_admin_written(operation, reply);
}


static scim_step_t
write_member(scim_admin_t *admin, const char *in)
{
    scim_command_call(&admin->head, "team_member", false);
    scim_command_text(&admin->head, admin->id);
    scim_command_text(&admin->head, admin->other);
    scim_command_text(&admin->head, in);
    scim_admin_sign(admin);
    return scim_command_send(&admin->head, member_written);
}


scim_step_t
scim_admin_team_member_put(scim_admin_t *admin)
{
    return write_member(admin, "1");
}


scim_step_t
scim_admin_team_member_delete(scim_admin_t *admin)
{
    return write_member(admin, "0");
}
