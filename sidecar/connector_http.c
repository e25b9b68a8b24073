#include "connector_call.h"

#include <stdio.h>
#include <string.h>

#include "pointer.h"
#include "scim_fold.h"
#include "scim_text.h"

/*
 * The steps of a task against an app with the `http` connector:
 *
 *   invite   connector_invite.c
 *   role     [look up, when the id is needed and not known] role, or assign
 *            and unassign once for each other access role
 *   remind   [look up, likewise] remind
 *   remove   connector_removal.c
 */

static void on_answer(void *data, const http_answer_t *answer);

static const char *const step_verbs[] = {
    [STEP_INVITE] = "invite",
    [STEP_ROLE] = "role",
    [STEP_CANCEL] = "cancel",
    [STEP_REMOVE] = "remove",
    [STEP_REMIND] = "remind",
    [STEP_REACTIVATE] = "reactivate",
    [STEP_ASSIGN] = "assign",
    [STEP_UNASSIGN] = "unassign"
};


static const json_t *
verb_of(const connector_call_t *call, connector_step_t step)
{
    return connector_verb(call->task->app, step_verbs[step]);
}


static bool
can_look_up(const connector_call_t *call)
{
    return connector_verb(call->task->app, "find")
        || connector_verb(call->task->app, "list");
}


/*
 * Ends with a failure.  While it is not verified whether an earlier attempt
 * worked, "not done" about this attempt says nothing about the task.  Behind
 * an invite the member is there, and the rest is not.
 */
static void
end_failed(connector_call_t *call, outcome_kind_t kind, const char *reason)
{
    bool unverified = !call->looked_up
        && (call->task->unknown || call->conflict);
    bool invited = call->task->kind == TASK_INVITE
        && call->step != STEP_INVITE;

    if (kind == OUTCOME_RETRY && (unverified || invited)) {
        kind = OUTCOME_UNKNOWN;
    }
    connector_end(call, kind, reason);
}


static void
keep(connector_call_t *call, int status, const char *body, size_t len)
{
    call->outcome.status = status;
    connector_keep(call->connectors, call->task->app, body, len,
        &call->kept);
}


static void
set_role_id(connector_call_t *call, const char *access_role,
    template_values_t *values)
{
    const json_t *id = json_object_get(connector_verb(call->task->app,
        "roleIds"), access_role);

    values->role_id_number = json_is_integer(id);
    if (pointer_text(id, call->role_id, sizeof(call->role_id))) {
        values->value[SCIM_APP_ROLE_ID] = call->role_id;
    }
}


void
connector_set_values(connector_call_t *call, template_values_t *values)
{
    const connector_task_t *task = call->task;
    const char             *access_role = task->grant.access_role;

    memset(values, 0, sizeof(*values));
    values->value[SCIM_APP_USER_EMAIL] = task->user.email;
    values->value[SCIM_APP_USER_USER_NAME] = task->user.user_name;
    values->value[SCIM_APP_USER_ID] = task->user.id;
    values->value[SCIM_APP_USER_DISPLAY_NAME] = task->user.display_name;
    values->value[SCIM_APP_USER_GIVEN_NAME] = task->user.given_name;
    values->value[SCIM_APP_USER_FAMILY_NAME] = task->user.family_name;
    if (call->step == STEP_UNASSIGN) {
        access_role = task->app->access_roles[call->other_role];
    }
    set_role_id(call, access_role, values);
    values->value[SCIM_APP_GRANT_ROLE] = task->grant.role;
    values->value[SCIM_APP_GRANT_ACCESS_ROLE] = access_role;
    values->value[SCIM_APP_MEMBER_ID] = call->member_id;
    values->value[SCIM_APP_JOIN_URL] = *task->join_url ? task->join_url
                                                       : NULL;
    values->value[SCIM_APP_ID] = task->app->id;
    values->value[SCIM_APP_WORKSPACE] = task->workspace;
}


/*
 * A second, different call of the same task gets a key of its own: an app
 * that keeps answers by key would otherwise repeat the first one's.
 */
static void
write_key(const connector_call_t *call, connector_step_t step, char *key,
    size_t size)
{
    bool second = ((step == STEP_ROLE || step == STEP_CANCEL)
            && call->task->kind == TASK_INVITE)
        || (step == STEP_INVITE && call->recalled)
        || (step == STEP_REMOVE && call->cancelled)
        || step == STEP_REACTIVATE || step == STEP_ASSIGN;

    if (step == STEP_UNASSIGN) {
        snprintf(key, size, "%s:unassign%zu", call->task->key,
            call->other_role);
        return;
    }
    if (call->task->looks > 0) { /* done once, and without effect */
        snprintf(key, size, "%s:%s%u", call->task->key, step_verbs[step],
            call->task->looks);
        return;
    }
    if (second) {
        snprintf(key, size, "%s:%s", call->task->key, step_verbs[step]);
    } else {
        scim_text_copy(key, size, call->task->key);
    }
}


static void
make_call(connector_call_t *call)
{
    char              key[256], problem[96];
    outcome_kind_t    kind;
    connector_step_t  step = call->step;
    template_values_t values;

    connector_set_values(call, &values);
    write_key(call, step, key, sizeof(key));
    call->http = connector_request(call->connectors, call->task->app,
        verb_of(call, step), &values, key, CONNECTOR_ANSWER_MAX, on_answer,
        call, &kind, problem, sizeof(problem));
    if (call->http == NULL) {
        call->outcome.health = kind == OUTCOME_RETRY ? HEALTH_FAILED
            : HEALTH_NONE;
        end_failed(call, kind, problem);
        return;
    }
    call->outcome.calls++;
    call->removals += step == STEP_CANCEL || step == STEP_REMOVE;
}


static void
on_permit(void *data, const char *problem)
{
    connector_call_t   *call = data;
    connector_permit_t *permit = call->permit;

    call->permit = NULL;
    if (problem) {
        end_failed(call, OUTCOME_RETRY, problem);
        return;
    }
    call->connectors->gate.end(permit, HEALTH_NONE, NULL, -1, "");
    make_call(call);
}


/* The first call of a task has its leave; a further one asks for it. */
static void
send_step(connector_call_t *call, connector_step_t step)
{
    const connector_gate_t *gate = &call->connectors->gate;

    call->step = step;
    if (call->outcome.calls == 0 || gate->ask == NULL) {
        make_call(call);
        return;
    }
    call->permit = gate->ask(gate->data, call->task->app,
        call->task->workspace, false, on_permit, call);
    if (call->permit == NULL) {
        end_failed(call, OUTCOME_RETRY, "out of memory");
    }
}


/* Looks the member up first when the verb needs an id that is not known. */
void
connector_http_send(connector_call_t *call, connector_step_t step)
{
    call->step = step;
    if (call->member_id[0] != '\0'
        || !template_uses(verb_of(call, step), SCIM_APP_MEMBER_ID))
    {
        send_step(call, step);
    } else if (!can_look_up(call)) {
        connector_end(call, OUTCOME_MANUAL, "the app's id of this person is "
            "not known, and the connector has no list to find it");
    } else {
        connector_http_look_up(call);
    }
}


static bool
has_address(connector_call_t *call, const char *email)
{
    bool          same;
    scim_buffer_t folded;

    scim_buffer_init(&folded, 4096);
    same = scim_fold(email, strlen(email), &folded)
        && !scim_buffer_failed(&folded)
        && folded.len == call->found.email.len
        && memcmp(folded.data, call->found.email.data, folded.len) == 0;
    scim_buffer_free(&folded);
    return same;
}


/*
 * Whose address is hidden is known by the id that was removed; who accepted
 * an invite that ran out may have done so under another address.
 */
static bool
is_same_person(connector_call_t *call, const connector_member_t *member)
{
    bool same_id = call->member_id[0]
        && strcmp(member->id, call->member_id) == 0;

    if (call->task->withdraw && same_id
        && connector_verb(call->task->app, "openInvites") == NULL)
    {
        return true;
    }
    return member->email[0] ? has_address(call, member->email)
        : call->verifying && same_id;
}


static bool
on_member(void *data, const connector_member_t *member)
{
    connector_call_t *call = data;

    if (!is_same_person(call, member)) {
        return true;
    }
    if (!member->active) {
        snprintf(call->found.off_id, sizeof(call->found.off_id), "%s",
            member->id);
        return true;
    }
    if ((call->found.count > 0
            && strcmp(member->id, call->found.id) == 0))
    {
        return true;
    }
    /* who accepts while the lists are read is in both: a member by now */
    call->found.count += call->found.count == 0 || !call->found.invited;
    call->found.invited = member->invited;
    snprintf(call->found.id, sizeof(call->found.id), "%s", member->id);
    call->found.accepted = member->accepted;
    call->found.other_role = member->access_role[0] != '\0'
        && strcmp(member->access_role, call->task->grant.access_role) != 0;
    /* an invite asks whether, a change asks who: that takes the whole list */
    return call->task->kind != TASK_INVITE;
}


static void
role_looked_up(connector_call_t *call)
{
    if (call->found.count > 1) {
        connector_end(call, OUTCOME_MANUAL,
            "the app has several members with this address");
    } else if (call->found.count == 0) {
        connector_end(call, OUTCOME_RETRY,
            "the app's list does not show this person");
    } else {
        memcpy(call->member_id, call->found.id, sizeof(call->found.id));
        send_step(call, call->step);
    }
}


static void
on_list_end(void *data, const connector_list_result_t *result)
{
    connector_call_t *call = data;

    call->list = NULL;
    call->outcome.calls += result->pages;
    call->outcome.health = result->health;
    call->outcome.advice = result->advice;
    if (!result->complete && !(call->verifying && result->status == 404)) {
        call->outcome.retry_after_ms = result->retry_after_ms;
        keep(call, result->status, result->body, result->body_len);
        end_failed(call, call->verifying ? OUTCOME_UNKNOWN : result->kind,
            result->reason);
        return;
    }
    call->looked_up = true;
    if (call->task->kind == TASK_INVITE) {
        connector_invite_looked_up(call);
    } else if (call->task->kind == TASK_ROLE) {
        role_looked_up(call);
    } else {
        connector_removal_looked_up(call, result->without_email == 0);
    }
}


void
connector_http_look_up(connector_call_t *call)
{
    char                    problem[96];
    outcome_kind_t          kind;
    template_values_t       values;
    const connector_task_t *task = call->task;

    connector_set_values(call, &values);
    scim_buffer_reset(&call->found.email);
    call->found.count = 0;
    call->found.accepted = false;
    call->found.invited = false;
    call->found.off_id[0] = '\0';
    if (task->user.email[0] == '\0' || !scim_fold(task->user.email,
            strlen(task->user.email), &call->found.email)
        || scim_buffer_failed(&call->found.email))
    {
        connector_end(call, OUTCOME_DEAD,
            "the person has no usable e-mail address to look for");
        return;
    }
    call->list = connector_list_start(call->connectors, task->app,
        task->workspace, &values, call->outcome.calls == 0
            ? LIST_FIRST_OF_TASK : LIST_OF_TASK, on_member, on_list_end,
        call, &kind, problem, sizeof(problem));
    if (call->list == NULL) {
        end_failed(call, kind, problem);
    }
}


/* Takes the next access role away that is not the grant's; or that was all. */
static void
unassign_from(connector_call_t *call, size_t role)
{
    const scim_app_t *app = call->task->app;

    for ( ; role < app->access_role_count; role++) {
        if (strcmp(app->access_roles[role], call->task->grant.access_role)
            != 0)
        {
            break;
        }
    }
    if (role >= app->access_role_count || call->joined
        || verb_of(call, STEP_UNASSIGN) == NULL)
    {
        connector_end(call, OUTCOME_DONE, "");
        return;
    }
    call->other_role = role;
    send_step(call, STEP_UNASSIGN);
}


/* A member who was switched off is back, with the role of then. */
static void
after_reactivation(connector_call_t *call)
{
    if (verb_of(call, STEP_ASSIGN)) {
        send_step(call, STEP_ASSIGN);
    } else if (verb_of(call, STEP_ROLE)) {
        send_step(call, STEP_ROLE);
    } else {
        connector_end(call, OUTCOME_DONE, "");
    }
}


/* RFC 7644, section 3.12: not a member of it, which is what was wanted. */
static bool
says_no_target(const http_answer_t *answer)
{
    json_t     *root = connector_read_json(answer);
    const char *type = json_string_value(json_object_get(root, "scimType"));
    bool        says = type && strcmp(type, "noTarget") == 0;

    json_decref(root);
    return says;
}


/* True when the answer has a meaning that is the step's own. */
static bool
step_takes(const connector_call_t *call, const http_answer_t *answer)
{
    int status = answer->status;

    if (answer->result != HTTP_ANSWERED) {
        return false;
    }
    if (status >= 200 && status < 300) {
        return true;
    }
    switch (call->step) {
    case STEP_INVITE:
        return status == 409;
    case STEP_CANCEL:
        return status == 404 || status == 410
            || (status == 409 && call->task->kind == TASK_REMOVE);
    case STEP_REMOVE:
        return status == 404 || status == 410;
    case STEP_UNASSIGN:
        return status == 404 || (status == 400 && says_no_target(answer));
    case STEP_ASSIGN:
        return status == 409; /* has it already */
    case STEP_ROLE:
    case STEP_REMIND:
    case STEP_REACTIVATE:
        break;
    }
    return false;
}


static void
on_answer(void *data, const http_answer_t *told)
{
    bool                 succeeded;
    outcome_kind_t       kind;
    http_answer_t        meant = *told;
    connector_call_t    *call = data;
    const http_answer_t *answer = &meant;

    call->http = NULL;
    meant.status = connector_status(call->task->app, told);
    call->outcome.health = connector_health(answer);
    call->outcome.advice = answer->advice;
    keep(call, answer->status, answer->body, answer->body_len);
    if (!step_takes(call, answer)) {
        if (connector_token_refused(call->connectors, call->task->app, answer,
                call->reason, sizeof(call->reason)))
        {
            kind = OUTCOME_RETRY;
            if (call->task->attempt == 1) {
                call->outcome.health = HEALTH_NONE; /* it may have run out */
            }
        } else {
            kind = connector_classify(answer, call->reason,
                sizeof(call->reason));
        }
        call->outcome.retry_after_ms = answer->retry_after_ms;
        if (kind == OUTCOME_DEAD && call->step == STEP_CANCEL
            && answer->status == 409)
        {
            kind = OUTCOME_UNKNOWN; /* accepted just now: look at them again */
        }
        end_failed(call, kind, call->reason);
        return;
    }
    succeeded = answer->status < 300;
    if (call->step == STEP_INVITE) {
        connector_invite_answered(call, answer);
    } else if (call->step == STEP_CANCEL
               && call->task->kind == TASK_INVITE)
    {
        connector_invite_again(call);
    } else if (call->step == STEP_CANCEL && !succeeded) {
        connector_cancel_refused(call, answer->status);
    } else if (call->step == STEP_ASSIGN) {
        unassign_from(call, 0);
    } else if (call->step == STEP_UNASSIGN) {
        unassign_from(call, call->other_role + 1);
    } else if (call->step == STEP_REACTIVATE) {
        after_reactivation(call);
    } else if (call->step == STEP_CANCEL || call->step == STEP_REMOVE) {
        connector_removal_done(call, succeeded ? ""
            : "the app has no such member");
    } else {
        connector_end(call, OUTCOME_DONE, "");
    }
}


void
connector_http_begin(connector_call_t *call)
{
    const connector_task_t *task = call->task;

    switch (task->kind) {
    case TASK_INVITE:
        connector_invite_begin(call);
        return;
    case TASK_ROLE:
        if (verb_of(call, STEP_ASSIGN)) {
            connector_http_send(call, STEP_ASSIGN);
        } else if (verb_of(call, STEP_ROLE) == NULL) {
            connector_end(call, OUTCOME_MANUAL,
                "the connector cannot change roles");
        } else {
            connector_http_send(call, STEP_ROLE);
        }
        return;
    case TASK_REMOVE:
        connector_removal_begin(call);
        return;
    case TASK_REMIND:
        if (verb_of(call, STEP_REMIND)) {
            connector_http_send(call, STEP_REMIND);
        } else {
            connector_end(call, OUTCOME_DEAD, "the connector cannot remind");
        }
        return;
    }
}
