#ifndef SCIM_PATCH_H
#define SCIM_PATCH_H

#include "scim_document.h"
#include "scim_path.h"

#define SCIM_PATCH_OPERATION_MAX 10000

/*
 * What all operations of a request may cost where it grows with what is
 * stored: values that are compared (scim_filter_work_t); 413 beyond it.
 */
#define SCIM_PATCH_WORK_MAX 30000000

/*
 * Applies a PatchOp body (RFC 7644 section 3.5.2; reference sections 1.12 and
 * 6.1 to 6.3) to the canonical document `current`.  On success *document is a
 * new canonical document (equal to `current` when nothing changed) and
 * *members, initialised by the caller, holds the net membership delta of a
 * group.  Atomic: on failure nothing is written and *error names the
 * operation's index.
 */
bool scim_patch_apply(const scim_resource_type_t *type, const json_t *body,
    const json_t *current, const char *id, json_t **document,
    scim_members_t *members, scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
