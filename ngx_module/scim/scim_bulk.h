#ifndef SCIM_BULK_H
#define SCIM_BULK_H

#include "scim_operation.h"

/* bulk.maxOperations; bulk.maxPayloadSize is the service's body_max. */
#define SCIM_BULK_ITEM_MAX 1000

/* Operations of one Bulk request that are under way at the same time. */
#define SCIM_BULK_WINDOW 64

/*
 * POST /Bulk (RFC 7644 section 3.7).  Each of its operations is one of ours,
 * made and answered as if it were a request of its own.  NULL only when memory
 * is gone.
 */
scim_operation_t *scim_bulk_new(const scim_service_t *service,
    const scim_request_t *request);

#endif
