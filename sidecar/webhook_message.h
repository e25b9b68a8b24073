#ifndef SIDECAR_WEBHOOK_MESSAGE_H
#define SIDECAR_WEBHOOK_MESSAGE_H

#include "scim_buffer.h"

/*
 * What a webhook is told of an entry of the audit stream.  Pure.  Ids and
 * states, and which token did it (its name): no address, no name of a person
 * whose access it is.
 */
typedef enum {
    WEBHOOK_ENTRY_ID,
    WEBHOOK_ENTRY_TS, /* ms */
    WEBHOOK_ENTRY_ACTOR,
    WEBHOOK_ENTRY_APP,
    WEBHOOK_ENTRY_USER,
    WEBHOOK_ENTRY_FROM,
    WEBHOOK_ENTRY_TO,
    WEBHOOK_ENTRY_WHY,
    WEBHOOK_ENTRY_EVENT, /* "" = a grant's change of state */
    WEBHOOK_ENTRY_REF,
    WEBHOOK_ENTRY_KIND,
    WEBHOOK_ENTRY_ATTEMPTS,
    WEBHOOK_ENTRY_STATUS,
    WEBHOOK_ENTRY_COUNT,
    WEBHOOK_ENTRY_SUSPICIOUS,
    WEBHOOK_ENTRY_SHARE,
    WEBHOOK_ENTRY_TXN,
    WEBHOOK_ENTRY_FIELDS
} webhook_entry_field_t;

#define WEBHOOK_TYPE_SIZE 48
#define WEBHOOK_ID_SIZE   128

/* "grant.invited", "task.failed", ... */
void webhook_type(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    char type[WEBHOOK_TYPE_SIZE]);

/* The message's id: the same in every attempt and every replay. */
void webhook_id(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    const char *workspace, char id[WEBHOOK_ID_SIZE]);

/*
 * Appends {"type","timestamp","data"} to `out`; false when memory or the
 * buffer's maximum is passed.
 */
bool webhook_body(const char *const entry[WEBHOOK_ENTRY_FIELDS],
    const char *workspace, const char *type, scim_buffer_t *out)
    __attribute__((warn_unused_result));

#endif
