#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_core.h"
#include "scim_bulk.h"

/*
 * A Bulk request and what Redis answers: the first line is the body, then come
 * the elements of replies, a line each, replies divided by empty lines; one
 * without elements is a command that is lost.  Whatever they say, the request
 * ends with no command under way, and its answer is JSON.
 */
#define ELEMENT_MAX 64

typedef struct {
    const char     *at;
    const char     *end;
    unsigned        turn; /* which of those that wait is answered next */
    unsigned        count;
    scim_command_t *pending[SCIM_BULK_WINDOW];
} fuzz_store_t;


/* Cuts a line off; false when there is none. */
static bool
line_of(fuzz_store_t *store, scim_text_t *line)
{
    const char *stop;

    if (store->at >= store->end) {
        return false;
    }
    stop = memchr(store->at, '\n', (size_t) (store->end - store->at));
    stop = stop ? stop : store->end;
    *line = (scim_text_t) { store->at, (size_t) (stop - store->at) };
    store->at = stop + 1;
    return true;
}


static scim_step_t
answer(fuzz_store_t *store, scim_operation_t *operation)
{
    unsigned        place;
    scim_text_t     line;
    scim_reply_t    element[ELEMENT_MAX];
    scim_reply_t    reply = { .type = SCIM_REPLY_ARRAY, .element = element };
    scim_command_t *command;

    require(store->count > 0);
    place = store->turn++ * 7 % store->count;
    command = store->pending[place];
    store->pending[place] = store->pending[--store->count];
    while (reply.elements < ELEMENT_MAX && line_of(store, &line) && line.len) {
        element[reply.elements++] = (scim_reply_t) {
            .type = SCIM_REPLY_STRING, .text = line.text, .len = line.len };
    }
    if (reply.elements == 0) {
        return scim_operation_lost(operation, command, "it is away");
    }
    /* a record comes as it is */
    return scim_operation_reply(operation, command,
        reply.elements == 1 ? &element[0] : &reply);
}


/* What a sidecar tells of it. */
static void
read_outcomes(const scim_operation_t *operation)
{
    json_t             *json;
    scim_buffer_t       text;
    scim_bulk_outcome_t outcome = { .text = &text };

    scim_buffer_init(&text, 1 << 20);
    for (size_t i = 0; i < scim_bulk_count(operation); i++) {
        if (scim_bulk_outcome(operation, i, &outcome)) {
            json = scim_json_read(text.data, text.len,
                &scim_json_stored_limits, NULL);
            require(json_is_object(json));
            json_decref(json);
        }
    }
    scim_buffer_free(&text);
}


static void
run(fuzz_store_t *store, const scim_service_t *service,
    const scim_request_t *request)
{
    json_t           *json;
    scim_step_t       step;
    scim_command_t   *command;
    scim_operation_t *operation = scim_operation_new(service, request);

    require(operation != NULL);
    step = scim_operation_start(operation);
    while (step != SCIM_STEP_DONE) {
        while ((command = scim_operation_command(operation))) {
            require(store->count < SCIM_BULK_WINDOW);
            require(command->argc > 0);
            store->pending[store->count++] = command;
        }
        step = step == SCIM_STEP_YIELD ? scim_operation_continue(operation)
                                       : answer(store, operation);
    }
    require(store->count == 0);
    require(operation->response.status >= 200);
    if (operation->response.status == 202) { /* accepted, no body */
        scim_operation_free(operation);
        return;
    }
    if (operation->response.status == 200) {
        read_outcomes(operation);
    }
    json = scim_json_read(operation->response.body.data,
        operation->response.body.len, &scim_json_stored_limits, NULL);
    require(json_is_object(json));
    json_decref(json);
    scim_operation_free(operation);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static scim_schemas_t *schemas;
    scim_effect_t          effect[4] = { { 0 }, { 3 }, { 0 }, { 1 } };
    fuzz_store_t           store = { .at = (const char *) data };
    scim_text_t            body = { "", 0 };
    scim_service_t         service = { .base_url = { "https://h/scim/v2", 17 },
        .shard_count = 128, .body_max = 1 << 20, .page_size = 10,
        .page_size_max = 20, .scan_max = 100 };
    scim_principal_t       principal = { .workspace = "acme",
        .role = SCIM_ROLE_SCIM, .shard = 7 };
    scim_request_t         request = { .method = SCIM_METHOD_POST,
        .path = { "/Bulk", 5 }, .query = { "", 0 },
        .content_type = { "application/scim+json", 21 },
        .accept = { "", 0 }, .if_match = { "", 0 },
        .if_none_match = { "", 0 }, .transaction = { "t", 1 },
        .principal = &principal,
        .dataset = { "d", 1 }, .now = 1767225600000 };

    if (schemas == NULL) {
        schemas = scim_schemas_new(scim_embedded_schemas,
            scim_embedded_schema_count, NULL);
        require(schemas != NULL);
    }
    store.end = store.at + size;
    line_of(&store, &body);
    service.schemas = schemas;
    request.body = body;
    run(&store, &service, &request);

    /* the same by a sidecar, of which some was done before, and accepted */
    store.at = body.text + body.len;
    request.execution = request.transaction;
    request.effect = effect;
    request.effect_count = sizeof(effect) / sizeof(effect[0]);
    run(&store, &service, &request);
    store.at = body.text + body.len;
    request.execution.len = 0;
    request.prefer = (scim_text_t) { "respond-async", 13 };
    service.async = true;
    run(&store, &service, &request);
    return 0;
}
