#include "connector_call.h"

#include <string.h>

#include "scim_app_list.h"
#include "template.h"

/*
 * An invite that ran out, or that another one with a new role is to follow, is
 * withdrawn, and it alone: who accepted it stays.
 *
 *   where the app tells members from open invites: look up first; a member
 *   -> nothing is sent, the grant is accepted; in no list -> nothing to do
 *   cancel, or remove where there is none and the look-up told
 *   cancel answered 404, 409 or 410: accepted, or gone: look up again
 */
#define ACCEPTED "the app has them as a member: the invite was accepted"


/* Does a look-up tell who accepted? */
static bool
tells_accepted(const scim_app_t *app)
{
    const json_t *verb = connector_verb(app, "find");

    if (verb == NULL) {
        verb = connector_verb(app, "list");
    }
    return verb && (json_object_get(verb, "pendingStates")
                    || connector_verb(app, "openInvites")
                    || !scim_app_lists_pending(app->connector));
}


/* Can the verb be sent with what is known? */
static bool
can_send(const connector_call_t *call, const char *name)
{
    const json_t *verb = connector_verb(call->task->app, name);

    return verb && (call->member_id[0]
                    || !template_uses(verb, SCIM_APP_MEMBER_ID));
}


void
connector_withdraw_send(connector_call_t *call)
{
    const scim_app_t *app = call->task->app;

    if (connector_verb(app, "cancel")) {
        connector_http_send(call, STEP_CANCEL);
    } else if (connector_verb(app, "remove") == NULL) {
        connector_end(call, OUTCOME_MANUAL, "the connector cannot withdraw");
    } else if (!tells_accepted(app)) {
        connector_end(call, OUTCOME_MANUAL, "the connector has no cancel, and "
            "the app does not tell who accepted: a person must look before "
            "anybody is taken out");
    } else if (call->found.invited) {
        connector_end(call, OUTCOME_MANUAL,
            "the connector cannot cancel open invites");
    } else {
        connector_http_send(call, STEP_REMOVE);
    }
}


void
connector_withdraw_begin(connector_call_t *call)
{
    const scim_app_t *app = call->task->app;
    bool              lists = connector_verb(app, "find")
        || connector_verb(app, "list");

    /* without cancel it matters at least whether anybody is there */
    if (tells_accepted(app)
        || (lists && connector_verb(app, "cancel") == NULL))
    {
        connector_http_look_up(call);
    } else {
        connector_withdraw_send(call);
    }
}


void
connector_withdraw_accepted(connector_call_t *call)
{
    if (call->found.count == 1) {
        memcpy(call->member_id, call->found.id, sizeof(call->found.id));
    }
    call->outcome.removal = REMOVAL_ACCEPTED;
    connector_end(call, OUTCOME_DONE, ACCEPTED);
}


void
connector_withdraw_refused(connector_call_t *call, int status)
{
    call->cancelled = true;
    if (tells_accepted(call->task->app)) {
        connector_http_look_up(call);
    } else if (status == 409) {
        connector_withdraw_accepted(call);
    } else {
        connector_removal_done(call, "the app has no such invite");
    }
}


/* The look-up shows nobody: there is nothing, or nobody who accepted. */
static void
shown_nowhere(connector_call_t *call, bool every_email_seen)
{
    bool pending = scim_app_lists_pending(call->task->app->connector);

    if (call->cancelled) {
        connector_end(call, OUTCOME_DONE, "the app has no such invite");
    } else if (pending && every_email_seen) {
        connector_end(call, OUTCOME_DONE,
            "the app's list does not show this person");
    } else if (can_send(call, "cancel")) {
        connector_http_send(call, STEP_CANCEL);
    } else if (!every_email_seen) {
        connector_end(call, OUTCOME_RETRY, "the app's list hides addresses: "
            "whether this person is among them cannot be seen");
    } else if (can_send(call, "remove")) {
        connector_http_send(call, STEP_REMOVE); /* it lists who accepted */
    } else {
        connector_end(call, OUTCOME_MANUAL, "the app's list shows no pending "
            "invites: whether one is open a person must see");
    }
}


void
connector_withdraw_looked_up(connector_call_t *call, bool every_email_seen)
{
    if (call->found.count > 1) {
        connector_end(call, OUTCOME_MANUAL,
            "the app has several members with this address");
    } else if (call->found.count == 0) {
        shown_nowhere(call, every_email_seen);
    } else if (call->found.accepted) {
        connector_withdraw_accepted(call);
    } else if (call->cancelled) {
        connector_end(call, OUTCOME_UNKNOWN, "the app does not withdraw the "
            "invite, and shows it as open");
    } else {
        memcpy(call->member_id, call->found.id, sizeof(call->found.id));
        connector_withdraw_send(call);
    }
}
