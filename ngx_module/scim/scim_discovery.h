#ifndef SCIM_DISCOVERY_H
#define SCIM_DISCOVERY_H

#include "scim_operation.h"

/*
 * ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 section 4), from
 * the same data that validates.  They need no Redis: the first step is the
 * last.  `name` is what follows in the path; len 0 = all.
 */
typedef enum {
    SCIM_DISCOVERY_CONFIG,
    SCIM_DISCOVERY_TYPES,
    SCIM_DISCOVERY_SCHEMAS
} scim_discovery_kind_t;

/* NULL when memory is gone. */
scim_operation_t *scim_discovery_new(const scim_service_t *service,
    const scim_request_t *request, scim_discovery_kind_t kind,
    scim_text_t name);

#endif
