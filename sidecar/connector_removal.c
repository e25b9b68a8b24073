#include "connector_call.h"

#include <stdio.h>
#include <string.h>

#include "scim_app_list.h"

/*
 * A removal, and how it is known to be one:
 *
 *   [look up, when the id is needed and not known] cancel or remove
 *   with `openInvites`, of somebody whose acceptance is not known: look up
 *   first, the lists say which of the two it is
 *   cancel answered 404, 409 or 410 -> remove, since it may just have been
 *   accepted
 *   with `find`: look the person up; still there -> again later, first with a
 *   look, then with what they are by then
 *   with `list` alone: the caller verifies many by one listing
 *
 * Of an invite alone: connector_withdraw.c.
 */


static void
send_removal(connector_call_t *call)
{
    const scim_app_t *app = call->task->app;
    bool              member = call->task->accepted || call->found.accepted;

    if (call->task->withdraw) {
        connector_withdraw_send(call);
    } else if (!member && connector_verb(app, "cancel")) {
        connector_http_send(call, STEP_CANCEL);
    } else if (connector_verb(app, "remove")) {
        connector_http_send(call, STEP_REMOVE);
    } else {
        connector_end(call, OUTCOME_MANUAL, "the connector cannot remove");
    }
}


/* Are open invites in a list of their own, with ids of their own? */
static bool
is_apart(const connector_call_t *call)
{
    return connector_verb(call->task->app, "openInvites")
        && connector_verb(call->task->app, "cancel");
}


void
connector_removal_begin(connector_call_t *call)
{
    if (call->task->looks > 0 && connector_verb(call->task->app, "find")) {
        call->verifying = true;
        connector_http_look_up(call);
    } else if (call->task->withdraw) {
        connector_withdraw_begin(call);
    } else if (!call->task->accepted && is_apart(call)) {
        call->step = STEP_CANCEL;
        connector_http_look_up(call);
    } else {
        send_removal(call);
    }
}


void
connector_removal_done(connector_call_t *call, const char *reason)
{
    const scim_app_t *app = call->task->app;

    if (connector_verb(app, "find") && call->task->user.email[0]) {
        call->verifying = true;
        connector_http_look_up(call);
        return;
    }
    if (connector_verb(app, "list")) {
        call->outcome.removal = REMOVAL_UNVERIFIED;
    }
    connector_end(call, OUTCOME_DONE, reason);
}


void
connector_cancel_refused(connector_call_t *call, int status)
{
    const scim_app_t *app = call->task->app;

    call->cancelled = true;
    if (connector_verb(app, "openInvites")) {
        call->member_id[0] = '\0'; /* it was the invite's */
    }
    if (call->task->withdraw) {
        connector_withdraw_refused(call, status);
    } else if (connector_verb(app, "remove")) {
        connector_http_send(call, STEP_REMOVE);
    } else if (connector_verb(app, "find") || connector_verb(app, "list")) {
        call->step = STEP_REMOVE;
        connector_http_look_up(call);
    } else {
        connector_end(call, OUTCOME_DONE, "the app has no such invite");
    }
}


/*
 * The look-up after a removal, or before another try.  Who accepted while
 * the invite was withdrawn is a member now, and is removed as one.
 */
static void
verified(connector_call_t *call)
{
    bool joined = call->step == STEP_CANCEL && call->found.accepted
        && connector_verb(call->task->app, "remove");

    if (call->found.count == 0) {
        connector_end(call, OUTCOME_DONE, "");
        return;
    }
    if (call->task->withdraw && call->found.accepted) {
        connector_withdraw_accepted(call);
        return;
    }
    memcpy(call->member_id, call->found.id, sizeof(call->found.id));
    if (joined) {
        call->cancelled = true;
        connector_http_send(call, STEP_REMOVE);
    } else if (call->removals == 0) {
        send_removal(call);
    } else {
        call->outcome.removal = REMOVAL_LISTED;
        connector_end(call, OUTCOME_UNKNOWN,
            "the app confirmed the removal and still shows the person");
    }
}


void
connector_removal_looked_up(connector_call_t *call, bool every_email_seen)
{
    if (!call->verifying && call->found.count == 1 && is_apart(call)) {
        call->step = call->found.invited ? STEP_CANCEL : STEP_REMOVE;
    }
    if (call->verifying) {
        verified(call);
    } else if (call->task->withdraw) {
        connector_withdraw_looked_up(call, every_email_seen);
    } else if (call->found.count > 1) {
        connector_end(call, OUTCOME_MANUAL,
            "the app has several members with this address");
    } else if (call->found.count == 0 && !every_email_seen) {
        connector_end(call, OUTCOME_RETRY, "the app's list hides addresses: "
            "whether this person is among them cannot be seen");
    } else if (call->found.count == 0 && !call->task->accepted
               && !scim_app_lists_pending(call->task->app->connector))
    {
        connector_end(call, OUTCOME_MANUAL, "the app's list shows no pending "
            "invites: whether one is open a person must see");
    } else if (call->found.count == 0) {
        connector_end(call, OUTCOME_DONE,
            "the app's list does not show this person");
    } else if (connector_verb(call->task->app, call->step == STEP_CANCEL
            ? "cancel" : "remove") == NULL)
    {
        connector_end(call, OUTCOME_MANUAL, "the connector cannot remove");
    } else {
        memcpy(call->member_id, call->found.id, sizeof(call->found.id));
        connector_http_send(call, call->step);
    }
}
