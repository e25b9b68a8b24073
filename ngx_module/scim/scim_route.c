#include <string.h>

#include "scim_async.h"
#include "scim_bulk.h"
#include "scim_discovery.h"
#include "scim_fold.h"
#include "scim_resource.h"
#include "scim_uuid.h"

/*
 * Which operation a request below the SCIM mount is.  What is wrong with the
 * request as a whole (method, size, media type, role) ends it here.
 */
typedef scim_step_t (*scim_route_step_t)(scim_operation_t *,
    const scim_reply_t *);

typedef struct {
    const char       *allow;
    scim_route_step_t get;
    scim_route_step_t post;
    scim_route_step_t put;
    scim_route_step_t patch;
    scim_route_step_t delete;
} scim_route_methods_t;

static const scim_route_methods_t endpoint_methods = {
    "GET, HEAD, POST, OPTIONS",
    scim_resource_list, scim_resource_post, NULL, NULL, NULL
};

static const scim_route_methods_t one_methods = {
    "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    scim_resource_get, NULL, scim_resource_put, scim_resource_patch,
    scim_resource_delete
};

static const scim_route_methods_t search_methods = {
    "POST, OPTIONS", NULL, scim_resource_search, NULL, NULL, NULL
};

static const scim_route_methods_t root_methods = {
    "GET, HEAD, OPTIONS", scim_resource_list_all, NULL, NULL, NULL, NULL
};

static const scim_route_methods_t root_search_methods = {
    "POST, OPTIONS", NULL, scim_resource_search_all, NULL, NULL, NULL
};

static const char discovery_allow[] = "GET, HEAD, OPTIONS";
static const char bulk_allow[] = "POST, OPTIONS";


/* Whose writes may be done later: RFC 9967 with RFC 7240. */
static bool
may_be_async(const scim_route_methods_t *methods)
{
    return methods == &endpoint_methods || methods == &one_methods;
}


static scim_route_step_t
step_of(const scim_route_methods_t *methods, scim_method_t method)
{
    switch (method) {
    case SCIM_METHOD_GET:
    case SCIM_METHOD_HEAD:
        return methods->get;
    case SCIM_METHOD_POST:
        return methods->post;
    case SCIM_METHOD_PUT:
        return methods->put;
    case SCIM_METHOD_PATCH:
        return methods->patch;
    case SCIM_METHOD_DELETE:
        return methods->delete;
    default:
        return NULL;
    }
}


/* ---- requests that end at once ---- */

typedef struct {
    scim_operation_t  operation; /* first: they share an address */
    int               status;
    scim_error_type_t type;
    const char       *detail;
} scim_refusal_t;


static scim_step_t
answer_refusal(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_error_t    error = { 0 };
    scim_refusal_t *refusal = (scim_refusal_t *) operation;

    (void) none;
    if (refusal->status == 204) {
        return scim_operation_end(operation, 204);
    }
    scim_error_set(&error, refusal->status, refusal->type, "%s",
        refusal->detail);
    operation->response.challenge = refusal->status == 401;
    return scim_operation_fail(operation, &error);
}


static scim_operation_t *
refuse(const scim_service_t *service, const scim_request_t *request,
    int status, const char *detail)
{
    scim_refusal_t *refusal = scim_operation_alloc(sizeof(*refusal), service,
        request);

    if (refusal == NULL) {
        return NULL;
    }
    refusal->status = status;
    refusal->detail = detail;
    refusal->operation.next = answer_refusal;
    return &refusal->operation;
}


static scim_operation_t *
refuse_version(const scim_service_t *service, const scim_request_t *request)
{
    scim_operation_t *operation = refuse(service, request, 400,
        "this is version 2 of SCIM");

    if (operation) {
        ((scim_refusal_t *) operation)->type = SCIM_ERROR_INVALID_VERS;
    }
    return operation;
}


static scim_operation_t *
other_method(const scim_service_t *service, const scim_request_t *request,
    const char *allow)
{
    scim_operation_t *operation;

    operation = request->method == SCIM_METHOD_OPTIONS
        ? refuse(service, request, 204, "")
        : refuse(service, request, 405, "the method is not offered here");
    if (operation) {
        operation->response.allow = allow;
    }
    return operation;
}


/* ---- bodies ---- */

static bool
has_body(const scim_request_t *request)
{
    return request->method == SCIM_METHOD_POST
        || request->method == SCIM_METHOD_PUT
        || request->method == SCIM_METHOD_PATCH;
}


/* Reference L-49: a media type is taken without parameters and case. */
static bool
media_type_taken(scim_text_t type)
{
    static const char *const taken[] = { "application/scim+json",
                                         "application/json", "text/json" };
    const char *end = memchr(type.text, ';', type.len);
    size_t      len = end ? (size_t) (end - type.text) : type.len;

    while (len && (type.text[len - 1] == ' ' || type.text[len - 1] == '\t')) {
        len--;
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (scim_name_equal(taken[i], strlen(taken[i]), type.text, len)) {
            return true;
        }
    }
    return len == 0;
}


static scim_operation_t *
check_body(const scim_service_t *service, const scim_request_t *request)
{
    if (!has_body(request)) {
        return NULL;
    }
    if (request->body.len > service->body_max) {
        return refuse(service, request, 413, "the body is too large");
    }
    if (!media_type_taken(request->content_type)) {
        return refuse(service, request, 415,
            "the body must be application/scim+json or application/json");
    }
    return NULL;
}


/* ---- how clients say it ---- */

static bool
holds(scim_text_t text, const char *word)
{
    return text.len && memmem(text.text, text.len, word, strlen(word));
}


/* A version as our ETag has it, or any: reference L-58 for the others. */
static bool
version_form(scim_text_t tag)
{
    return tag.len == 0 || tag.text[0] == '*'
        || (tag.len > 3 && memcmp(tag.text, "W/\"", 3) == 0);
}


void
scim_request_take_flag(scim_request_t *request)
{
    static const char *const flags[] = { "aadOptscim062020/",
                                         "AzureAdScimPatch2017/" };
    size_t      len;
    scim_text_t query = request->query;

    if (request->path.len > 1
        || (request->path.len == 1 && request->path.text[0] != '/'))
    {
        return;
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        len = strlen(flags[i]);
        if (query.len < len || !scim_name_equal(query.text, len, flags[i],
                len))
        {
            continue;
        }
        query.text += len - 1;
        query.len -= len - 1;
        request->path = query;
        while (query.len && query.text[0] != '?' && query.text[0] != '&') {
            query.text++;
            query.len--;
        }
        request->path.len -= query.len;
        query.text += query.len > 0;
        query.len -= query.len > 0;
        request->query = query;
        request->odd_url = true;
    }
}


/* Forms of a request that are taken but not what the RFC has. */
static void
note_forms(const scim_request_t *request, scim_lenient_t *lenient)
{
    if (has_body(request) && request->json == NULL
        && (request->content_type.len == 0
            || holds(request->content_type, "text/json")))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_MEDIA_TYPE);
    }
    if (request->accept.len && !holds(request->accept, "json")
        && !holds(request->accept, "*/*")
        && !holds(request->accept, "application/*"))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_ACCEPT);
    }
    if (request->odd_url || (request->path.len > 1
            && request->path.text[request->path.len - 1] == '/'))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_URL_FORM);
    }
    if (!version_form(request->if_match)
        || !version_form(request->if_none_match))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_ETAG_FORM);
    }
    if (request->odd_token) {
        scim_lenient_note(lenient, SCIM_LENIENT_TOKEN_FORM);
    }
}


/* ---- paths ---- */

static bool
is(scim_text_t text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.text, word, text.len) == 0;
}


/* Cuts the next segment off; doubled and trailing slashes do not count. */
static scim_text_t
segment(scim_text_t *path)
{
    scim_text_t one;

    while (path->len && path->text[0] == '/') {
        path->text++;
        path->len--;
    }
    one = *path;
    while (path->len && path->text[0] != '/') {
        path->text++;
        path->len--;
    }
    one.len -= path->len;
    return one;
}


const scim_resource_type_t *
scim_route_type(const scim_service_t *service, scim_text_t endpoint)
{
    for (size_t i = 0; i < scim_resource_type_count(service->schemas); i++) {
        const scim_resource_type_t *type = scim_resource_type_at(
            service->schemas, i);

        if (is(endpoint, type->endpoint + 1)) {
            return type;
        }
    }
    return NULL;
}


static scim_operation_t *
route_methods(const scim_service_t *service, const scim_request_t *request,
    const scim_resource_type_t *type, scim_text_t id,
    const scim_route_methods_t *methods)
{
    scim_operation_t *operation;
    scim_route_step_t step;

    step = step_of(methods, request->method);
    if (step == NULL) {
        return other_method(service, request, methods->allow);
    }
    operation = check_body(service, request);
    if (operation) {
        return operation;
    }
    if (may_be_async(methods) && scim_async_wanted(service, request)
        && (id.len == 0 || scim_uuid_valid(id.text, id.len)))
    {
        return scim_async_accept_new(service, request, type, id);
    }
    operation = scim_resource_new(service, request, type, id);
    if (operation) {
        note_forms(request, &operation->lenient);
        operation->next = methods == &one_methods
                && !scim_uuid_valid(id.text, id.len)
            ? scim_resource_unknown : step;
    }
    return operation;
}


static scim_operation_t *
route_resource(const scim_service_t *service, const scim_request_t *request,
    const scim_resource_type_t *type, scim_text_t id)
{
    const scim_route_methods_t *methods = &one_methods;

    if (id.len == 0) {
        methods = &endpoint_methods;
    } else if (is(id, ".search")) {
        methods = &search_methods;
    }
    return route_methods(service, request, type, id, methods);
}


/*
 * RFC 7644 section 3.11: an alias of the token's user, whose permanent place
 * is what answers name.
 */
static scim_operation_t *
route_me(const scim_service_t *service, const scim_request_t *request)
{
    const char *user = request->principal->user;
    scim_text_t endpoint = { "Users", 5 }, id = { user, strlen(user) };

    if (id.len == 0) {
        return refuse(service, request, 501,
            "this token belongs to no user, there is no /Me");
    }
    return route_methods(service, request,
        scim_route_type(service, endpoint), id, &one_methods);
}


/* Queries of every type at once: RFC 7644 sections 3.4.2.1 and 3.4.3. */
static scim_operation_t *
route_root(const scim_service_t *service, const scim_request_t *request,
    scim_text_t name)
{
    return route_methods(service, request,
        scim_resource_type_at(service->schemas, 0), name,
        name.len ? &root_search_methods : &root_methods);
}


static scim_operation_t *
route_discovery(const scim_service_t *service, const scim_request_t *request,
    scim_discovery_kind_t kind, scim_text_t name)
{
    if (request->method != SCIM_METHOD_GET
        && request->method != SCIM_METHOD_HEAD)
    {
        return other_method(service, request, discovery_allow);
    }
    return scim_discovery_new(service, request, kind, name);
}


static scim_operation_t *
route_bulk(const scim_service_t *service, const scim_request_t *request)
{
    scim_operation_t *operation;

    if (request->method != SCIM_METHOD_POST) {
        return other_method(service, request, bulk_allow);
    }
    operation = check_body(service, request);
    if (operation) {
        return operation;
    }
    operation = scim_bulk_new(service, request);
    if (operation) {
        note_forms(request, &operation->lenient);
    }
    return operation;
}


static scim_operation_t *
route_async(const scim_service_t *service, const scim_request_t *request,
    scim_text_t id)
{
    if (request->method != SCIM_METHOD_GET
        && request->method != SCIM_METHOD_HEAD)
    {
        return other_method(service, request, discovery_allow);
    }
    return scim_async_get_new(service, request, id);
}


static scim_operation_t *
not_here(const scim_service_t *service, const scim_request_t *request)
{
    return refuse(service, request, 404, "there is nothing at this path");
}


/*
 * RFC 7644 section 3.13: our version may stand in front of the path; false for
 * another one.
 */
static bool
take_version(scim_text_t *path)
{
    scim_text_t rest = *path, first = segment(&rest);

    if (first.len < 2 || (first.text[0] != 'v' && first.text[0] != 'V')) {
        return true;
    }
    for (size_t i = 1; i < first.len; i++) {
        if (first.text[i] < '0' || first.text[i] > '9') {
            return true;
        }
    }
    if (first.len > 2 || first.text[1] != '2') {
        return false;
    }
    *path = rest;
    return true;
}


static bool
is_config(scim_text_t path)
{
    scim_text_t first;

    if (!take_version(&path)) {
        return false;
    }
    first = segment(&path);
    return segment(&path).len == 0
        && (is(first, "ServiceProviderConfig")
            || is(first, "ServiceProviderConfigs"));
}


bool
scim_request_is_public(const scim_request_t *request)
{
    return (request->method == SCIM_METHOD_GET
            || request->method == SCIM_METHOD_HEAD)
        && is_config(request->path);
}


scim_operation_t *
scim_operation_new(const scim_service_t *service,
    const scim_request_t *request)
{
    bool                        ours;
    scim_text_t                 first, second, path = request->path;
    const scim_resource_type_t *type;

    ours = take_version(&path);
    first = segment(&path);
    second = segment(&path);
    type = scim_route_type(service, first);
    if (request->principal == NULL && !scim_request_is_public(request)) {
        return refuse(service, request, 401, "a bearer token is needed");
    }
    if (request->principal && request->principal->role != SCIM_ROLE_SCIM) {
        return refuse(service, request, 403,
            "this token is not one for provisioning");
    }
    if (!ours) {
        return refuse_version(service, request);
    }
    if (segment(&path).len) {
        return not_here(service, request);
    }
    if (type) {
        return route_resource(service, request, type, second);
    }
    if (second.len == 0 && (first.len == 0 || is(first, ".search"))) {
        return route_root(service, request, first);
    }
    if (is(first, "ResourceTypes")) {
        return route_discovery(service, request, SCIM_DISCOVERY_TYPES, second);
    }
    if (is(first, "Schemas")) {
        return route_discovery(service, request, SCIM_DISCOVERY_SCHEMAS,
            second);
    }
    if (is_config(request->path)) {
        return route_discovery(service, request, SCIM_DISCOVERY_CONFIG,
            second);
    }
    if (is(first, "Me") && second.len == 0) {
        return route_me(service, request);
    }
    if (is(first, &SCIM_ASYNC_ENDPOINT[1]) && second.len) {
        return route_async(service, request, second);
    }
    if (is(first, "Bulk") && second.len == 0) {
        return route_bulk(service, request);
    }
    return not_here(service, request);
}
