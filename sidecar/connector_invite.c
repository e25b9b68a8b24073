#include "connector_call.h"

#include <string.h>

#include "pointer.h"
#include "scim_app_list.h"

/*
 * An invite:
 *
 *   [look up, when an earlier call may have worked, or with `lookFirst`] invite
 *   409 -> look up; another role there -> role
 *   invited with another role, with `cancel` -> cancel, invite
 *   there, but switched off -> reactivate
 *   then, with `assign`: assign, and for who was there before unassign once
 *   for each other access role
 */


static const json_t *
verb_of(const connector_call_t *call, const char *name)
{
    return connector_verb(call->task->app, name);
}


static bool
can_look_up(const connector_call_t *call)
{
    return verb_of(call, "find") || verb_of(call, "list");
}


void
connector_invite_begin(connector_call_t *call)
{
    const json_t           *invite = verb_of(call, "invite");
    const connector_task_t *task = call->task;
    /* for apps that do not say clearly that somebody is there already */
    bool first = json_is_true(json_object_get(invite, "lookFirst"));

    if (invite == NULL) {
        connector_end(call, OUTCOME_MANUAL, "the connector cannot invite");
    } else if (task->unknown && verb_of(call, "assign")
               && call->member_id[0])
    {
        /* the invite itself worked */
        connector_http_send(call, STEP_ASSIGN);
    } else if ((task->unknown || first) && can_look_up(call)) {
        connector_http_look_up(call);
    } else {
        connector_http_send(call, STEP_INVITE);
    }
}


void
connector_invite_looked_up(connector_call_t *call)
{
    if (call->found.count == 0) {
        if (call->joined) {
            connector_end(call, OUTCOME_UNKNOWN, "the app's list does not "
                "show the person who was just invited");
        } else if (call->conflict && call->found.off_id[0]
            && verb_of(call, "reactivate"))
        {
            memcpy(call->member_id, call->found.off_id,
                sizeof(call->found.off_id));
            connector_http_send(call, STEP_REACTIVATE);
        } else if (call->conflict
                   && !scim_app_lists_pending(call->task->app->connector))
        {
            connector_end(call, OUTCOME_DONE, "the app says the person was "
                "invited already, and its list does not show invites");
        } else if (call->conflict) {
            connector_end(call, OUTCOME_RETRY, "the app says the person is "
                "there already, and its list does not show them");
        } else {
            connector_http_send(call, STEP_INVITE);
        }
        return;
    }
    memcpy(call->member_id, call->found.id, sizeof(call->found.id));
    if (call->found.invited && call->found.other_role && !call->recalled
        && verb_of(call, "cancel"))
    {
        connector_http_send(call, STEP_CANCEL);
    } else if (verb_of(call, "assign")) {
        connector_http_send(call, STEP_ASSIGN);
    } else if (!call->found.other_role) {
        connector_end(call, OUTCOME_DONE, "the app has this person already");
    } else if (verb_of(call, "role")) {
        connector_http_send(call, STEP_ROLE);
    } else {
        connector_end(call, OUTCOME_MANUAL, "the app has this person with "
            "another role, and the connector cannot change roles");
    }
}


void
connector_invite_again(connector_call_t *call)
{
    call->recalled = true;
    call->conflict = false;
    call->member_id[0] = '\0';
    connector_http_send(call, STEP_INVITE);
}


/* False when the definition maps an id that the answer does not give. */
static bool
learn_id(connector_call_t *call, const http_answer_t *answer)
{
    bool        learned;
    json_t     *root;
    const char *pointer = json_string_value(
        json_object_get(verb_of(call, "invite"), "memberId"));

    if (pointer == NULL) {
        return true;
    }
    root = connector_read_json(answer);
    learned = root && connector_read_id(pointer_get(root, pointer),
        call->member_id);
    json_decref(root);
    return learned;
}


void
connector_invite_answered(connector_call_t *call, const http_answer_t *answer)
{
    if (answer->status == 409) {
        call->conflict = true;
        if (can_look_up(call)) {
            connector_http_look_up(call);
        } else {
            connector_end(call, OUTCOME_DONE,
                "the app has this person already");
        }
        return;
    }
    if (!learn_id(call, answer)) {
        call->outcome.health = HEALTH_FAILED;
        connector_end(call, OUTCOME_UNKNOWN,
            "the app's answer does not hold the member's id");
        return;
    }
    call->joined = true;
    if (verb_of(call, "assign")) {
        connector_http_send(call, STEP_ASSIGN);
    } else {
        connector_end(call, OUTCOME_DONE, "");
    }
}
