#ifndef SCIM_ASYNC_H
#define SCIM_ASYNC_H

#include "scim_operation.h"

/*
 * Asynchronous requests: RFC 9967.  A write with `Prefer: respond-async` is
 * kept with its event and answered 202; a sidecar executes it, once by effect;
 * its outcome can be fetched where Location says.
 */
#define SCIM_ASYNC_ENDPOINT "/AsyncResponses"

/* Whether this request is to be accepted instead of being done. */
bool scim_async_wanted(const scim_service_t *service,
    const scim_request_t *request);

/* Accepts a write of a resource; `id` is empty for a create. */
scim_operation_t *scim_async_accept_new(const scim_service_t *service,
    const scim_request_t *request, const scim_resource_type_t *type,
    scim_text_t id);

/* Shows what came of one: 202 while nothing did, then the token's claims. */
scim_operation_t *scim_async_get_new(const scim_service_t *service,
    const scim_request_t *request, scim_text_t id);

/* Methods as they are kept; SCIM_METHOD_OTHER for any other text. */
const char *scim_async_method_name(scim_method_t method);
scim_method_t scim_async_method(const char *name);

#endif
