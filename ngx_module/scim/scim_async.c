#include "scim_async.h"

#include <stdio.h>
#include <string.h>

#include "scim_json.h"
#include "scim_prefer.h"
#include "scim_uuid.h"

typedef struct {
    scim_operation_t            operation; /* first: they share an address */
    const scim_resource_type_t *type;
    scim_text_t                 id;
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


int
scim_async_effect_status(scim_method_t method,
    const scim_resource_type_t *type)
{
    switch (method) {
    case SCIM_METHOD_POST:
        return 201;
    case SCIM_METHOD_DELETE:
        return 204;
    case SCIM_METHOD_PATCH:
        return type && strcmp(type->key_word, "group") == 0 ? 204 : 200;
    default:
        return 200;
    }
}


/* ---- accepting ---- */

static scim_step_t
on_accepted(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_text_t      base = operation->service->base_url;
    scim_error_t     error = { 0 };
    scim_response_t *response = &operation->response;

    if (!scim_reply_is(reply, "OK")) {
        scim_error_set(&error, 500, SCIM_ERROR_NONE,
            "the store gave an answer that makes no sense");
        return scim_operation_fail(operation, &error);
    }
    response->preference = "respond-async";
    snprintf(response->location, sizeof(response->location),
        "%.*s" SCIM_ASYNC_ENDPOINT "/%s", (int) base.len, base.text,
        response->transaction);
    return scim_operation_end(operation, 202);
}


static void
add_field(scim_operation_t *operation, const char *name, scim_text_t value)
{
    scim_command_text(operation, name);
    scim_command_add(operation, value.len ? value.text : "", value.len);
}


scim_step_t
scim_async_keep(scim_operation_t *operation, scim_text_t path)
{
    const scim_request_t   *request = operation->request;
    const scim_principal_t *principal = request->principal;
    const char             *method = scim_async_method_name(request->method);
    const char             *schemas = scim_schemas_digest(
        operation->service->schemas);

    scim_uuid_v7(request->now, request->random,
        operation->response.transaction);
    scim_command_call(operation, "async_put", false);
    scim_command_text(operation, operation->response.transaction);
    scim_command_number(operation, operation->service->backlog_max);
    scim_command_text(operation, principal->actor);
    scim_command_number(operation, 9);
    add_field(operation, "method", (scim_text_t) { method, strlen(method) });
    add_field(operation, "path", path);
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


/* "/Users" or "/Users/<id>", however the client wrote it */
static scim_step_t
keep_resource(scim_async_t *async)
{
    char path[256];
    int  len = snprintf(path, sizeof(path), "%s%s%.*s", async->type->endpoint,
        async->id.len ? "/" : "", (int) async->id.len, async->id.text);

    return scim_async_keep(&async->operation, (scim_text_t) { path,
        (size_t) len });
}


/* What can be said at once is: a body that is none is not kept. */
static scim_step_t
accept_request(scim_operation_t *operation, const scim_reply_t *none)
{
    json_t               *body;
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
    return keep_resource((scim_async_t *) operation);
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
