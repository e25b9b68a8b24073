#include "scim_async.h"

#include <stdio.h>
#include <string.h>

#include "scim_event.h"
#include "scim_json.h"
#include "scim_prefer.h"
#include "scim_uuid.h"

typedef struct {
    scim_operation_t            operation; /* first: they share an address */
    const scim_resource_type_t *type;
    scim_text_t                 id;
    char                        accepted[SCIM_UUID_LEN + 1];
} scim_async_t;

static const char *const method_names[] = {
    [SCIM_METHOD_POST] = "POST", [SCIM_METHOD_PUT] = "PUT",
    [SCIM_METHOD_PATCH] = "PATCH", [SCIM_METHOD_DELETE] = "DELETE"
};


const char *
scim_async_method_name(scim_method_t method)
{
    return method <= SCIM_METHOD_DELETE ? method_names[method] : NULL;
}


scim_method_t
scim_async_method(const char *name)
{
    for (int i = SCIM_METHOD_POST; i <= SCIM_METHOD_DELETE; i++) {
        if (strcmp(method_names[i], name) == 0) {
            return (scim_method_t) i;
        }
    }
    return SCIM_METHOD_OTHER;
}


/*
 * Who would rather wait than be told later is answered in time anyway; a
 * missing body is an error at once.
 */
bool
scim_async_wanted(const scim_service_t *service,
    const scim_request_t *request)
{
    unsigned wait;

    return service->async && request->execution.len == 0
        && scim_async_method_name(request->method)
        && (request->body.len || request->method == SCIM_METHOD_DELETE)
        && scim_prefer_async(request->prefer, &wait)
        && (wait == 0 || wait < service->wait_max);
}


static scim_step_t
fail(scim_operation_t *operation, int status, scim_error_type_t type,
    const char *detail)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, status, type, "%s", detail);
    return scim_operation_fail(operation, &error);
}


/* ---- accepting ---- */

static void
set_location(scim_operation_t *operation, const char *id)
{
    scim_text_t base = operation->service->base_url;

    snprintf(operation->response.location,
        sizeof(operation->response.location), "%.*s" SCIM_ASYNC_ENDPOINT
        "/%s", (int) base.len, base.text, id);
}


static scim_step_t
on_accepted(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_async_t *async = (scim_async_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return fail(operation, 500, SCIM_ERROR_NONE,
            "the store gave an answer that makes no sense");
    }
    memcpy(operation->response.transaction, async->accepted,
        sizeof(async->accepted));
    operation->response.preference = "respond-async";
    set_location(operation, async->accepted);
    return scim_operation_end(operation, 202);
}


static void
add_field(scim_operation_t *operation, const char *name, scim_text_t value)
{
    scim_command_text(operation, name);
    scim_command_add(operation, value.len ? value.text : "", value.len);
}


/* "/Users" or "/Users/<id>", however the client wrote it */
static void
add_path(scim_async_t *async)
{
    char path[256];
    int  len = snprintf(path, sizeof(path), "%s%s%.*s", async->type->endpoint,
        async->id.len ? "/" : "", (int) async->id.len, async->id.text);

    add_field(&async->operation, "path", (scim_text_t) { path, (size_t) len });
}


static scim_step_t
keep(scim_async_t *async)
{
    scim_operation_t       *operation = &async->operation;
    const scim_request_t   *request = operation->request;
    const scim_principal_t *principal = request->principal;
    const char             *method = scim_async_method_name(request->method);
    const char             *schemas = scim_schemas_digest(
        operation->service->schemas);

    scim_command_call(operation, "async_put", false);
    scim_command_text(operation, async->accepted);
    scim_command_number(operation, operation->service->backlog_max);
    scim_command_text(operation, principal->actor);
    scim_command_number(operation, 9);
    add_field(operation, "method", (scim_text_t) { method, strlen(method) });
    add_path(async);
    add_field(operation, "query", request->query);
    add_field(operation, "ifMatch", request->if_match);
    add_field(operation, "ifNoneMatch", request->if_none_match);
    add_field(operation, "base", operation->service->base_url);
    add_field(operation, "token", (scim_text_t) { principal->token_id,
        strlen(principal->token_id) });
    add_field(operation, "schemas", (scim_text_t) { schemas,
        strlen(schemas) });
    add_field(operation, "body", request->body);
    return scim_command_send(operation, on_accepted);
}


/* What can be said at once is: a body that is none is not kept. */
static scim_step_t
accept_request(scim_operation_t *operation, const scim_reply_t *none)
{
    json_t               *body;
    scim_async_t         *async = (scim_async_t *) operation;
    scim_error_t          error = { 0 };
    const scim_request_t *request = operation->request;

    (void) none;
    if (request->method != SCIM_METHOD_DELETE) {
        body = scim_json_read(request->body.text, request->body.len,
            &scim_json_request_limits, &error);
        json_decref(body);
        if (body == NULL) {
            return scim_operation_fail(operation, &error);
        }
    }
    scim_uuid_v7(request->now, request->random, async->accepted);
    return keep(async);
}


scim_operation_t *
scim_async_accept_new(const scim_service_t *service,
    const scim_request_t *request, const scim_resource_type_t *type,
    scim_text_t id)
{
    scim_async_t *async = scim_operation_alloc(sizeof(*async), service,
        request);

    if (async == NULL) {
        return NULL;
    }
    async->type = type;
    async->id = id;
    async->operation.next = accept_request;
    return &async->operation;
}


/* ---- what came of it ---- */

static scim_text_t
copy(scim_operation_t *operation, scim_text_t text)
{
    return (scim_text_t) { scim_arena_copy(&operation->arena, text.text,
                               text.len), text.len };
}


/* The arena's copies end in a NUL. */
static scim_step_t
show(scim_async_t *async, const scim_reply_t *reply)
{
    json_t            *claims = NULL, *data;
    scim_text_t        text[8], base;
    scim_operation_t  *operation = &async->operation;
    scim_event_t       event = { 0 };
    scim_event_token_t token = { 0 };

    for (size_t i = 0; i < 8; i++) {
        text[i] = copy(operation, scim_reply_text(reply, i));
    }
    base = copy(operation, operation->service->base_url);
    data = text[7].text ? scim_json_read(text[7].text, text[7].len,
        &scim_json_stored_limits, NULL) : NULL;
    if (data && !operation->arena.failed) {
        event = (scim_event_t) { "async.completed", text[2].text,
            text[3].text, scim_reply_number(reply, 4),
            scim_reply_number(reply, 5), async->accepted, data };
        token = (scim_event_token_t) { text[6].text, base.text,
            operation->request->principal->workspace, false, NULL };
        claims = scim_event_claims(operation->service->schemas, &event,
            &token);
    }
    json_decref(data);
    if (claims == NULL) {
        return fail(operation, 500, SCIM_ERROR_NONE,
            "the store holds a damaged record");
    }
    scim_json_write(claims, &operation->response.body);
    json_decref(claims);
    operation->response.content_type = "application/json";
    return scim_operation_end(operation, 200);
}


static scim_step_t
on_outcome(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_async_t *async = (scim_async_t *) operation;
    scim_text_t   state = scim_reply_text(reply, 1);

    if (!scim_reply_is(reply, "OK")) {
        return fail(operation, 404, SCIM_ERROR_NONE,
            "no such request was accepted, or it ended too long ago");
    }
    if (state.len == 4 && memcmp(state.text, "done", 4) == 0) {
        return show(async, reply);
    }
    operation->response.retry_after = 1;
    return scim_operation_end(operation, 202);
}


static scim_step_t
ask_outcome(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_async_t *async = (scim_async_t *) operation;

    (void) none;
    if (!scim_uuid_valid(async->id.text, async->id.len)) {
        return fail(operation, 404, SCIM_ERROR_NONE,
            "no such request was accepted");
    }
    memcpy(async->accepted, async->id.text, SCIM_UUID_LEN);
    scim_command_call(operation, "async_get", true);
    scim_command_add(operation, async->id.text, async->id.len);
    return scim_command_send(operation, on_outcome);
}


scim_operation_t *
scim_async_get_new(const scim_service_t *service,
    const scim_request_t *request, scim_text_t id)
{
    scim_async_t *async = scim_operation_alloc(sizeof(*async), service,
        request);

    if (async == NULL) {
        return NULL;
    }
    async->id = id;
    async->operation.next = ask_outcome;
    return &async->operation;
}
