#include "connector_call.h"
#include "scim_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void
hand_over(connector_call_t *call)
{
    connectors_t *connectors = call->connectors;

    if (call->prev) {
        call->prev->next = call->next;
    } else {
        connectors->calls = call->next;
    }
    if (call->next) {
        call->next->prev = call->prev;
    }
    connectors->count--;
    call->done(call->data, &call->outcome);
    scim_buffer_free(&call->kept);
    scim_buffer_free(&call->found.email);
    free(call);
}


/* Hands over what ended inside connector_run(). */
static void
on_timer(loop_t *loop, void *data)
{
    connectors_t     *connectors = data;
    connector_call_t *call = connectors->calls;

    (void) loop;
    while (call) {
        if (call->ended) {
            hand_over(call);
            /* `done` may have started calls: begin again */
            call = connectors->calls;
        } else {
            call = call->next;
        }
    }
}


void
connector_end(connector_call_t *call, outcome_kind_t kind,
    const char *reason)
{
    connector_outcome_t *outcome = &call->outcome;

    if (reason != call->reason) {
        scim_text_copy(call->reason, sizeof(call->reason), reason);
    }
    outcome->kind = kind;
    outcome->reason = call->reason;
    outcome->body = call->kept.data ? call->kept.data : "";
    outcome->body_len = call->kept.len;
    outcome->member_id = strncmp(call->member_id, call->task->member_id,
        sizeof(call->member_id) - 1) == 0 ? "" : call->member_id;
    if (call->starting) {
        call->ended = true;
        loop_timer_arm(call->connectors->timer, 0);
        return;
    }
    hand_over(call);
}


connectors_t *
connectors_new(loop_t *loop, const connectors_conf_t *conf)
{
    http_client_conf_t http = {
        .policy = conf->policy, .ca_file = conf->ca_file,
        .calls_max = conf->calls_max
    };
    connectors_t      *connectors = calloc(1, sizeof(*connectors));

    if (connectors == NULL) {
        return NULL;
    }
    connectors->loop = loop;
    connectors->conf = *conf;
    connectors->timer = loop_timer_new(loop, on_timer, connectors);
    connectors->http = http_client_new(loop, &http);
    connectors->tokens = connector_tokens_new(connectors);
    if (connectors->timer == NULL || connectors->http == NULL
        || connectors->tokens == NULL)
    {
        connectors_free(connectors);
        return NULL;
    }
    return connectors;
}


void
connectors_set_gate(connectors_t *connectors, const connector_gate_t *gate)
{
    connectors->gate = *gate;
}


void
connectors_free(connectors_t *connectors)
{
    if (connectors == NULL) {
        return;
    }
    while (connectors->calls) {
        connector_call_t *call = connectors->calls;

        connectors->calls = call->next;
        if (call->list) {
            connector_list_cancel(call->list);
        }
        if (call->http) {
            http_client_cancel(call->http);
        }
        if (call->token) {
            connector_token_cancel(call->token);
        }
        if (call->permit) {
            connectors->gate.end(call->permit, HEALTH_NONE, NULL, -1, "");
        }
        scim_buffer_free(&call->kept);
        scim_buffer_free(&call->found.email);
        free(call);
    }
    connector_tokens_free(connectors->tokens);
    http_client_free(connectors->http);
    if (connectors->timer) {
        loop_timer_free(connectors->timer);
    }
    free(connectors);
}


static void
on_token(void *data, const char *problem)
{
    connector_call_t *call = data;

    call->token = NULL;
    if (problem) {
        call->outcome.health = HEALTH_FAILED;
        connector_end(call, call->task->unknown ? OUTCOME_UNKNOWN
            : OUTCOME_RETRY, problem);
    } else {
        connector_http_begin(call);
    }
}


static void
begin_http(connector_call_t *call)
{
    connector_tokens_t *tokens = call->connectors->tokens;

    if (connector_token_ready(tokens, call->task->app)) {
        connector_http_begin(call);
        return;
    }
    call->token = connector_token_wait(tokens, call->task->app, on_token,
        call);
    if (call->token == NULL) {
        connector_end(call, call->task->unknown ? OUTCOME_UNKNOWN
            : OUTCOME_RETRY, "out of memory");
    }
}


static void
begin(connector_call_t *call)
{
    const char *type = json_string_value(
        json_object_get(call->task->app->connector, "type"));

    if (strlen(call->task->member_id) >= sizeof(call->member_id)) {
        /* cut short it would be somebody else's */
        connector_end(call, OUTCOME_DEAD, "the member's id is too long");
    } else if (type && strcmp(type, "http") == 0) {
        begin_http(call);
    } else if (type && strcmp(type, "email") == 0) {
        connector_email_begin(call);
    } else if (type && strcmp(type, "manual") == 0) {
        connector_end(call, OUTCOME_MANUAL, "the app is looked after by hand");
    } else {
        connector_end(call, OUTCOME_DEAD,
            "the app's type of connector is not known to this sidecar");
    }
}


bool
connector_run(connectors_t *connectors, const connector_task_t *task,
    connector_done_pt done, void *data)
{
    connector_call_t *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        return false;
    }
    call->connectors = connectors;
    call->task = task;
    call->done = done;
    call->data = data;
    call->outcome.retry_after_ms = -1;
    scim_buffer_init(&call->kept, CONNECTOR_ANSWER_KEPT);
    scim_buffer_init(&call->found.email, 4096);
    scim_text_copy(call->member_id, sizeof(call->member_id), task->member_id);
    call->next = connectors->calls;
    if (call->next) {
        call->next->prev = call;
    }
    connectors->calls = call;
    connectors->count++;

    call->starting = true;
    begin(call);
    call->starting = false;
    return true;
}


void
connectors_forget_tokens(connectors_t *connectors)
{
    connector_tokens_forget(connectors->tokens);
}


unsigned
connectors_running(const connectors_t *connectors)
{
    return connectors->count;
}
