#ifndef SCIM_INDEX_H
#define SCIM_INDEX_H

#include <jansson.h>

#include "scim_error.h"
#include "scim_schema.h"

/*
 * Index values of a document.  Indexed: User userName (unique), externalId,
 * displayName, emails.value; Group displayName (unique), externalId.  Values
 * are folded unless the attribute is case-exact, cut to SCIM_INDEX_VALUE_MAX
 * bytes, and never hold a NUL.
 */
#define SCIM_INDEX_VALUE_MAX 512

typedef struct {
    const char *attribute; /* "userName", "emails.value" */
    bool        unique;
} scim_index_t;

/* The indexes of a type, in a fixed order. */
const scim_index_t *scim_index_list(const scim_resource_type_t *type,
    size_t *count);

/* The index for an attribute name without ASCII case, or NULL. */
const scim_index_t *scim_index_find(const scim_resource_type_t *type,
    const char *attribute, size_t len);

/*
 * The values that `document` (may be NULL: none) has for one index: a new
 * array of strings without duplicates, NULL only when memory is gone.
 */
json_t *scim_index_values(const scim_resource_type_t *type,
    const scim_index_t *index, const json_t *document);

/* The lookup key for a value that a filter names; appended to `out`. */
bool scim_index_key(const scim_resource_type_t *type,
    const scim_index_t *index, const char *value, size_t len,
    scim_buffer_t *out);

/*
 * Unique values that change from `before` (may be NULL) to `after` are not cut:
 * two that are alike only as far as the index goes would be taken for one.
 * False with *error: 400 invalidValue.
 */
bool scim_index_check(const scim_resource_type_t *type, const json_t *before,
    const json_t *after, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
