#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_async.h"
#include "scim_bulk.h"
#include "scim_event.h"
#include "scim_json.h"
#include "scim_uuid.h"

/* What came of a request that was accepted: RFC 9967 sections 2.2 and 2.5. */

/* Outcomes of a Bulk request that are read in one step. */
#define PAGE 200

typedef struct {
    scim_operation_t operation; /* first: they share an address */
    scim_text_t      name;      /* as in the path */
    char             accepted[SCIM_UUID_LEN + 1];
    int              number;    /* of a Bulk request's operation, or -1 */
    int              next;      /* outcomes from this number on are asked for */
} outcome_t;


static scim_step_t
fail(scim_operation_t *operation, int status, const char *detail)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, status, SCIM_ERROR_NONE, "%s", detail);
    return scim_operation_fail(operation, &error);
}


static scim_step_t
damaged(scim_operation_t *operation)
{
    return fail(operation, 500, "the store holds a damaged record");
}


static scim_step_t
unknown(scim_operation_t *operation)
{
    return fail(operation, 404,
        "no such request was accepted, or it ended too long ago");
}


/* ---- claims ---- */

/* A copy that ends in a NUL. */
static const char *
copy(scim_arena_t *arena, scim_text_t text)
{
    return scim_arena_copy(arena, text.text, text.len);
}


/*
 * Appends the claims of the outcome whose fields (type, id, v, ts, event,
 * data) begin at this element; false when it is damaged or memory is gone.
 */
static bool
append_claims(outcome_t *outcome, const scim_reply_t *reply, size_t at,
    const char *txn)
{
    bool                    ok;
    json_t                 *claims = NULL, *data;
    scim_text_t             text = scim_reply_text(reply, at + 5);
    scim_arena_t            arena = { 0 };
    scim_event_t            event = { 0 };
    scim_operation_t       *operation = &outcome->operation;
    const scim_principal_t *principal = operation->request->principal;
    scim_event_token_t      token = { .audience = principal->workspace };

    event.op = "async.completed";
    event.type = copy(&arena, scim_reply_text(reply, at));
    event.id = copy(&arena, scim_reply_text(reply, at + 1));
    event.version = scim_reply_number(reply, at + 2);
    event.ts = scim_reply_number(reply, at + 3);
    event.txn = txn;
    token.jti = copy(&arena, scim_reply_text(reply, at + 4));
    token.issuer = copy(&arena, operation->service->base_url);
    data = scim_json_read(text.text, text.len, &scim_json_stored_limits,
        NULL);
    event.data = data;
    if (data && !arena.failed) {
        claims = scim_event_claims(operation->service->schemas, &event,
            &token);
    }
    ok = claims != NULL;
    if (ok) {
        scim_json_write(claims, &operation->response.body);
    }
    json_decref(claims);
    json_decref(data);
    scim_arena_free(&arena);
    return ok;
}


static scim_step_t
end(scim_operation_t *operation)
{
    operation->response.content_type = "application/json";
    return scim_operation_end(operation, 200);
}


/* ---- of a Bulk request ---- */

static scim_step_t ask_outcomes(outcome_t *outcome);


static bool
append_page(outcome_t *outcome, const scim_reply_t *reply)
{
    char           txn[SCIM_UUID_LEN + 24];
    scim_buffer_t *out = &outcome->operation.response.body;

    for (size_t i = 1; i + 6 < reply->elements; i += 7) {
        snprintf(txn, sizeof(txn), "%s:%lld", outcome->accepted,
            scim_reply_number(reply, i));
        if (out->len > 1) {
            scim_buffer_append_char(out, ',');
        }
        if (!append_claims(outcome, reply, i + 1, txn)) {
            return false;
        }
    }
    return true;
}


static scim_step_t
on_outcomes(scim_operation_t *operation, const scim_reply_t *reply)
{
    outcome_t *outcome = (outcome_t *) operation;

    if (!scim_reply_is(reply, "OK") || !append_page(outcome, reply)) {
        return damaged(operation);
    }
    if (outcome->number >= 0) {
        return operation->response.body.len ? end(operation)
            : fail(operation, 404, "there was no such operation, or the "
                "request ended before it (failOnErrors)");
    }
    outcome->next += PAGE;
    if (outcome->next < SCIM_BULK_ITEM_MAX) {
        return ask_outcomes(outcome);
    }
    scim_buffer_append_char(&operation->response.body, ']');
    return end(operation);
}


static scim_step_t
ask_outcomes(outcome_t *outcome)
{
    scim_operation_t *operation = &outcome->operation;

    scim_command_call(operation, "async_outcomes", true);
    scim_command_text(operation, outcome->accepted);
    scim_command_number(operation, outcome->next);
    scim_command_number(operation, outcome->number < 0 ? PAGE : 1);
    return scim_command_send(operation, on_outcomes);
}


static scim_step_t
show_bulk(outcome_t *outcome)
{
    if (outcome->number < 0) {
        scim_buffer_append_char(&outcome->operation.response.body, '[');
    } else {
        outcome->next = outcome->number;
    }
    return ask_outcomes(outcome);
}


/* ---- of any request ---- */

static bool
is(scim_text_t text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.text, word, text.len) == 0;
}


static scim_step_t
on_outcome(scim_operation_t *operation, const scim_reply_t *reply)
{
    outcome_t *outcome = (outcome_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return unknown(operation);
    }
    if (!is(scim_reply_text(reply, 1), "done")) {
        operation->response.retry_after = 1;
        return scim_operation_end(operation, 202);
    }
    /* a Bulk request that failed as a whole has an outcome as others have */
    if (is(scim_reply_text(reply, 2), "bulk")
        && scim_reply_text(reply, 7).len == 0)
    {
        return show_bulk(outcome);
    }
    if (outcome->number >= 0) {
        return unknown(operation);
    }
    return append_claims(outcome, reply, 2, outcome->accepted)
        ? end(operation) : damaged(operation);
}


/* "<id>", or "<id>:<number>" of an operation of a Bulk request */
static bool
take_name(outcome_t *outcome)
{
    scim_text_t name = outcome->name;

    outcome->number = -1;
    if (name.len > SCIM_UUID_LEN && name.text[SCIM_UUID_LEN] == ':') {
        outcome->number = 0;
        for (size_t i = SCIM_UUID_LEN + 1; i < name.len; i++) {
            if (name.text[i] < '0' || name.text[i] > '9'
                || name.len > SCIM_UUID_LEN + 5)
            {
                return false;
            }
            outcome->number = 10 * outcome->number + name.text[i] - '0';
        }
        name.len = name.len > SCIM_UUID_LEN + 1 ? SCIM_UUID_LEN : 0;
    }
    if (!scim_uuid_valid(name.text, name.len)) {
        return false;
    }
    memcpy(outcome->accepted, name.text, SCIM_UUID_LEN);
    return true;
}


static scim_step_t
ask_outcome(scim_operation_t *operation, const scim_reply_t *none)
{
    outcome_t *outcome = (outcome_t *) operation;

    (void) none;
    if (!take_name(outcome)) {
        return unknown(operation);
    }
    scim_command_call(operation, "async_get", true);
    scim_command_text(operation, outcome->accepted);
    return scim_command_send(operation, on_outcome);
}


scim_operation_t *
scim_async_get_new(const scim_service_t *service,
    const scim_request_t *request, scim_text_t id)
{
    outcome_t *outcome = scim_operation_alloc(sizeof(*outcome), service,
        request);

    if (outcome == NULL) {
        return NULL;
    }
    outcome->name = id;
    outcome->operation.next = ask_outcome;
    return &outcome->operation;
}
