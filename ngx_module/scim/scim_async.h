#ifndef SCIM_ASYNC_H
#define SCIM_ASYNC_H

#include "scim_operation.h"

/*
 * Asynchronous requests: RFC 9967.  A write, or a Bulk request, with `Prefer:
 * respond-async` is kept with its event and answered 202; a sidecar executes
 * it, once by effect; its outcome can be fetched where Location says.
 */
#define SCIM_ASYNC_ENDPOINT "/AsyncResponses"

/* Whether this request is to be accepted instead of being done. */
bool scim_async_wanted(const scim_service_t *service,
    const scim_request_t *request);

/* Accepts a write of a resource; `id` is empty for a create. */
scim_operation_t *scim_async_accept_new(const scim_service_t *service,
    const scim_request_t *request, const scim_resource_type_t *type,
    scim_text_t id);

/*
 * Keeps the operation's request, which was found well-formed, and ends with
 * 202; `path` is that of its own execution.
 */
scim_step_t scim_async_keep(scim_operation_t *operation, scim_text_t path);

/*
 * Shows what came of one: 202 while it is not over, then the token's claims;
 * of a Bulk request those of all its operations, or with "<id>:<number>" those
 * of one.
 */
scim_operation_t *scim_async_get_new(const scim_service_t *service,
    const scim_request_t *request, scim_text_t id);

/* The status of a write that had an effect and no other answer. */
int scim_async_effect_status(scim_method_t method,
    const scim_resource_type_t *type);

/* Methods as they are kept; SCIM_METHOD_OTHER for any other text. */
const char *scim_async_method_name(scim_method_t method);
scim_method_t scim_async_method(const char *name);

#endif
