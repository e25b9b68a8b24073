#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_async.h"
#include "scim_bulk_internal.h"

/* The phases of a Bulk request, and the operations of its items. */

/* What one step may do, in bytes of JSON to read: less than a millisecond. */
#define STEP_BUDGET ((size_t) 65536)
#define LINK_COST   256
#define RUN_COST    1024

static scim_step_t read_phase(scim_bulk_t *bulk);
static scim_step_t link_phase(scim_bulk_t *bulk);
static scim_step_t run_phase(scim_bulk_t *bulk);


static scim_step_t
no_memory(scim_bulk_t *bulk)
{
    bulk->operation.arena.failed = true; /* ends with 500 */
    return bulk->running ? SCIM_STEP_SEND : SCIM_STEP_DONE;
}


static void
spend(scim_bulk_t *bulk, size_t cost)
{
    bulk->budget -= cost < bulk->budget ? cost : bulk->budget;
}


/* ---- before anything runs ---- */

static scim_step_t
read_phase(scim_bulk_t *bulk)
{
    scim_step_t step = scim_bulk_read(bulk);

    if (step != SCIM_STEP_SEND) {
        return step;
    }
    if (scim_async_wanted(bulk->operation.service, bulk->operation.request)) {
        bulk->operation.parts = NULL; /* one command, and it is done */
        return scim_async_keep(&bulk->operation,
            (scim_text_t) { "/Bulk", 5 });
    }
    bulk->phase = link_phase;
    return scim_bulk_name(bulk) ? link_phase(bulk) : no_memory(bulk);
}


static scim_step_t
link_phase(scim_bulk_t *bulk)
{
    while (bulk->linked < bulk->item.count) {
        if (bulk->budget == 0) {
            return SCIM_STEP_YIELD;
        }
        spend(bulk, bulk->item.at[bulk->linked].text.len / 2 + LINK_COST);
        if (!scim_bulk_link(bulk, bulk->linked++)) {
            return no_memory(bulk);
        }
    }
    for (size_t i = 0; i < bulk->item.count; i++) {
        if (bulk->item.at[i].waits == 0) {
            scim_bulk_set_ready(bulk, i);
        }
    }
    bulk->phase = run_phase;
    return run_phase(bulk);
}


/* ---- the operation of an item ---- */

/* txn of the request and the operation's place in it, from 0 on. */
static scim_text_t
transaction(scim_bulk_t *bulk, size_t number)
{
    int         len;
    char       *text;
    scim_text_t whole = bulk->operation.request->transaction;

    text = scim_arena_alloc(&bulk->operation.arena, whole.len + 24);
    if (text == NULL) {
        return whole;
    }
    len = snprintf(text, whole.len + 24, "%.*s:%zu", (int) whole.len,
        whole.text ? whole.text : "", number);
    return (scim_text_t) { text, (size_t) len };
}


/* The path of the item's own request: "/Users/<id>", POST: "/Users". */
static scim_text_t
path_of(scim_bulk_t *bulk, const scim_bulk_item_t *item)
{
    int    len;
    char  *text;
    size_t room;

    if (item->type == NULL) {
        return item->path;
    }
    if (item->method == SCIM_METHOD_POST && item->entity) {
        return (scim_text_t) { item->type->endpoint,
                               strlen(item->type->endpoint) };
    }
    room = strlen(item->type->endpoint) + item->id.len + 2;
    text = scim_arena_alloc(&bulk->operation.arena, room);
    if (text == NULL) {
        return item->path;
    }
    len = snprintf(text, room, "%s/%.*s", item->type->endpoint,
        (int) item->id.len, item->id.text);
    return (scim_text_t) { text, (size_t) len };
}


/* Time goes on while a Bulk request runs. */
static void
refresh(const scim_bulk_t *bulk, scim_bulk_part_t *part)
{
    part->request.now = bulk->operation.request->now;
    part->request.deadline = bulk->operation.request->deadline;
}


static void
make_request(scim_bulk_t *bulk, scim_bulk_part_t *part)
{
    scim_text_t             none = { "", 0 };
    scim_request_t         *request = &part->request;
    const scim_bulk_item_t *item = &bulk->item.at[part->item];

    *request = *bulk->operation.request;
    request->method = item->method;
    request->path = path_of(bulk, item);
    request->query = request->body = request->if_none_match = none;
    request->content_type = request->accept = request->prefer = none;
    request->odd_token = false; /* noted for the whole request */
    request->if_match = item->method == SCIM_METHOD_POST ? none
                                                         : item->version;
    request->json = part->data;
    request->new_id = item->method == SCIM_METHOD_POST ? item->id : none;
    request->brief = true;
    request->circular = item->circular;
    request->transaction = transaction(bulk, part->item);
    if (request->execution.len) {
        request->execution = request->transaction;
    }
}


static void
free_part(scim_bulk_part_t *part)
{
    scim_operation_free(part->operation);
    json_decref(part->data);
    part->operation = NULL;
    part->data = NULL;
}


static scim_bulk_part_t *
free_place(scim_bulk_t *bulk)
{
    for (size_t i = 0; i < SCIM_BULK_WINDOW; i++) {
        if (bulk->part[i].operation == NULL) {
            return &bulk->part[i];
        }
    }
    return NULL;
}


/* ---- the end of an item ---- */

static void
end_item(scim_bulk_t *bulk, size_t number)
{
    int status = bulk->item.at[number].status;

    if (status < 300) {
        bulk->successes++;
    } else {
        bulk->errors++;
    }
    scim_bulk_set_done(bulk, number);
}


/* The value may be given up by one that stands before it in the request. */
static bool
must_run_again(const scim_bulk_t *bulk, const scim_bulk_part_t *part)
{
    const scim_response_t  *response = &part->operation->response;
    const scim_bulk_item_t *earlier, *item = &bulk->item.at[part->item];

    if (response->scim_type != SCIM_ERROR_UNIQUENESS || item->again) {
        return false;
    }
    for (size_t i = bulk->oldest; i < part->item; i++) {
        earlier = &bulk->item.at[i];
        if (earlier->state != SCIM_BULK_DONE && earlier->type == item->type
            && earlier->method != SCIM_METHOD_POST)
        {
            return true;
        }
    }
    return false;
}


static void
take_answer(scim_bulk_t *bulk, scim_bulk_part_t *part)
{
    scim_bulk_item_t      *item = &bulk->item.at[part->item];
    const scim_response_t *response = &part->operation->response;

    item->status = response->status;
    if (response->status < 300) {
        memcpy(item->version_made, response->etag, sizeof(response->etag));
        for (size_t i = 0; i < SCIM_LENIENT_COUNT; i++) {
            bulk->operation.lenient.count[i]
                += part->operation->lenient.count[i];
        }
    } else { /* what was refused was not normalized */
        item->response.len = response->body.len;
        item->response.text = scim_arena_copy(&bulk->operation.arena,
            response->body.len ? response->body.data : "",
            response->body.len);
    }
    if (response->status == 503
        && response->retry_after >= bulk->retry_after)
    {
        bulk->retry_after = response->retry_after ? response->retry_after
                                                  : SCIM_RETRY_AFTER;
    }
}


static void
end_part(scim_bulk_t *bulk, scim_bulk_part_t *part)
{
    size_t            number = part->item;
    scim_bulk_item_t *item = &bulk->item.at[number];

    bulk->running--;
    if (must_run_again(bulk, part)) {
        item->again = true;
        item->state = SCIM_BULK_HELD;
        free_part(part);
        return;
    }
    take_answer(bulk, part);
    free_part(part);
    json_decref(item->element);
    item->element = NULL;
    end_item(bulk, number);
}


static void
after_step(scim_bulk_t *bulk, scim_bulk_part_t *part, scim_step_t step)
{
    if (step == SCIM_STEP_DONE) {
        end_part(bulk, part);
        return;
    }
    part->next_sending = NULL;
    if (bulk->first_sending) {
        bulk->last_sending->next_sending = part;
    } else {
        bulk->first_sending = part;
    }
    bulk->last_sending = part;
}


/* ---- running ---- */

/* Its answer is that of the time when it was executed. */
static void
recall_effect(scim_bulk_t *bulk, size_t number)
{
    scim_bulk_item_t     *item = &bulk->item.at[number];
    const scim_request_t *request = bulk->operation.request;

    if (item->status || number >= request->effect_count
        || request->effect[number].version == 0)
    {
        return;
    }
    item->status = scim_async_effect_status(item->method, item->type);
    if (item->method != SCIM_METHOD_DELETE) {
        snprintf(item->version_made, sizeof(item->version_made),
            "W/\"%lld\"", request->effect[number].version);
    }
}


/* True when the item has its answer already. */
static bool
cannot_run(scim_bulk_t *bulk, scim_bulk_item_t *item)
{
    if (item->status == 0 && item->broken) {
        scim_bulk_item_fail(bulk, item, 409, SCIM_ERROR_NONE,
            "what it refers to, bulkId \"%.64s\", failed", item->broken);
    }
    if (item->status == 0 && bulk->away) {
        scim_bulk_item_fail(bulk, item, 503, SCIM_ERROR_NONE,
            "not begun: %s", bulk->away);
    }
    return item->status != 0;
}


static bool
begin_item(scim_bulk_t *bulk, size_t number)
{
    scim_bulk_part_t *part;
    scim_bulk_item_t *item = &bulk->item.at[number];

    recall_effect(bulk, number);
    if (cannot_run(bulk, item)) {
        end_item(bulk, number);
        return true;
    }
    part = free_place(bulk);
    part->item = number;
    part->data = NULL;
    if (item->method != SCIM_METHOD_DELETE) {
        part->data = scim_bulk_data(bulk, number);
        if (part->data == NULL) {
            return false;
        }
    }
    make_request(bulk, part);
    part->operation = scim_operation_new(bulk->operation.service,
        &part->request);
    if (part->operation == NULL) {
        json_decref(part->data);
        part->data = NULL;
        return false;
    }
    item->state = SCIM_BULK_RUNNING;
    bulk->running++;
    after_step(bulk, part, scim_operation_start(part->operation));
    return true;
}


/* Whether as many as are under way may fail, and one more. */
static bool
may_begin(const scim_bulk_t *bulk)
{
    return bulk->running < SCIM_BULK_WINDOW
        && (bulk->fail_on_errors == 0
            || (long long) (bulk->errors + bulk->running)
                < bulk->fail_on_errors);
}


static scim_step_t
run_phase(scim_bulk_t *bulk)
{
    size_t number;

    if (bulk->operation.arena.failed) {
        return no_memory(bulk);
    }
    while (may_begin(bulk)) {
        if (!scim_bulk_next_ready(bulk, &number)) {
            if (bulk->running || !scim_bulk_unlock(bulk)) {
                break;
            }
            continue;
        }
        if (bulk->budget == 0) {
            scim_bulk_set_ready(bulk, number);
            return SCIM_STEP_YIELD;
        }
        spend(bulk, bulk->item.at[number].text.len + RUN_COST);
        if (!begin_item(bulk, number)) {
            return no_memory(bulk);
        }
    }
    return bulk->running ? SCIM_STEP_SEND : scim_bulk_answer(bulk);
}


/* ---- as the owner of the sockets sees it ---- */

static scim_command_t *
next_command(scim_operation_t *operation)
{
    scim_bulk_t      *bulk = (scim_bulk_t *) operation;
    scim_bulk_part_t *part = bulk->first_sending;

    if (part == NULL) {
        return NULL;
    }
    bulk->first_sending = part->next_sending;
    return scim_operation_command(part->operation);
}


static scim_bulk_part_t *
part_of(scim_bulk_t *bulk, const scim_command_t *command)
{
    size_t i = 0;

    while (bulk->part[i].operation != command->operation) {
        i++;
    }
    return &bulk->part[i];
}


/*
 * What may begin now begins in a step of its own: one event can bring many
 * replies.
 */
static scim_step_t
after_reply(scim_bulk_t *bulk)
{
    bulk->budget = 0;
    return run_phase(bulk);
}


static scim_step_t
on_reply(scim_operation_t *operation, scim_command_t *command,
    const scim_reply_t *reply)
{
    scim_bulk_t      *bulk = (scim_bulk_t *) operation;
    scim_bulk_part_t *part = part_of(bulk, command);

    refresh(bulk, part);
    after_step(bulk, part, scim_operation_reply(part->operation, command,
        reply));
    return after_reply(bulk);
}


static scim_step_t
on_lost(scim_operation_t *operation, scim_command_t *command,
    const char *detail)
{
    scim_bulk_t      *bulk = (scim_bulk_t *) operation;
    scim_bulk_part_t *part = part_of(bulk, command);

    bulk->away = detail;
    after_step(bulk, part, scim_operation_lost(part->operation, command,
        detail));
    return after_reply(bulk);
}


static scim_step_t
resume(scim_operation_t *operation)
{
    scim_bulk_t *bulk = (scim_bulk_t *) operation;

    bulk->budget = STEP_BUDGET;
    return bulk->phase(bulk);
}


static scim_step_t
start(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return resume(operation);
}


static void
destroy(scim_operation_t *operation)
{
    scim_bulk_t *bulk = (scim_bulk_t *) operation;

    for (size_t i = 0; i < SCIM_BULK_WINDOW; i++) {
        free_part(&bulk->part[i]);
    }
    for (size_t i = 0; i < bulk->item.count; i++) {
        json_decref(bulk->item.at[i].element);
    }
    json_decref(bulk->bulk_ids);
    json_decref(bulk->entity_of);
    json_decref(bulk->claims);
    free(bulk->item.memory.bytes);
    free(bulk->entity.memory.bytes);
    free(bulk->reader.memory.bytes);
    free(bulk->edge.memory.bytes);
    free(bulk->marked);
}


static const scim_operation_parts_t parts = {
    next_command, on_reply, on_lost, resume
};


scim_operation_t *
scim_bulk_new(const scim_service_t *service, const scim_request_t *request)
{
    scim_bulk_t *bulk = scim_operation_alloc(sizeof(*bulk), service, request);

    if (bulk == NULL) {
        return NULL;
    }
    bulk->operation.destroy = destroy;
    bulk->operation.parts = &parts;
    bulk->operation.next = start;
    bulk->phase = read_phase;
    bulk->bulk_ids = json_object();
    bulk->entity_of = json_object();
    bulk->claims = json_object();
    if (bulk->bulk_ids == NULL || bulk->entity_of == NULL
        || bulk->claims == NULL)
    {
        scim_operation_free(&bulk->operation);
        return NULL;
    }
    return &bulk->operation;
}
