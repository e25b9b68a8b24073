#ifndef SCIM_BULK_H
#define SCIM_BULK_H

#include "scim_operation.h"

/* bulk.maxOperations; bulk.maxPayloadSize is the service's body_max. */
#define SCIM_BULK_ITEM_MAX 1000

/* Operations of one Bulk request that are under way at the same time. */
#define SCIM_BULK_WINDOW 64

/* What came of one of its operations. */
typedef struct {
    const char    *type;    /* word of the resource's type; "bulk": of none */
    scim_text_t    id;      /* of the resource; empty = there is none */
    long long      version; /* that was made; 0 = none */
    scim_buffer_t *text;    /* the caller's: an operation of a BulkResponse */
} scim_bulk_outcome_t;

/*
 * POST /Bulk (RFC 7644 section 3.7).  Each of its operations is one of ours,
 * made and answered as if it were a request of its own.  NULL only when memory
 * is gone.
 */
scim_operation_t *scim_bulk_new(const scim_service_t *service,
    const scim_request_t *request);

/*
 * When it is done with status 200: whether the store was away for some of its
 * operations, how many it has, and what came of one.  False for those that
 * failOnErrors left out.
 */
bool scim_bulk_unavailable(const scim_operation_t *operation);
size_t scim_bulk_count(const scim_operation_t *operation);
bool scim_bulk_outcome(const scim_operation_t *operation, size_t number,
    scim_bulk_outcome_t *outcome);

#endif
