#ifndef SCIM_PROJECTION_H
#define SCIM_PROJECTION_H

#include "scim_query.h"

#define SCIM_PROJECTION_PATH_MAX 64

/*
 * What of a resource a client wants to see: attributes or excludedAttributes
 * (RFC 7644 section 3.9).  Names that the type does not have are left out.
 */
typedef struct {
    const scim_schema_t    *extension; /* NULL = core and common attributes */
    const scim_attribute_t *attribute; /* NULL = the whole schema */
    const scim_attribute_t *sub;       /* NULL = the whole attribute */
} scim_projection_path_t;

typedef enum {
    SCIM_PROJECTION_ALL,
    SCIM_PROJECTION_ONLY,
    SCIM_PROJECTION_WITHOUT
} scim_projection_mode_t;

typedef struct {
    const scim_resource_type_t *type;
    scim_projection_mode_t      mode;
    size_t                      count;
    scim_projection_path_t      path[SCIM_PROJECTION_PATH_MAX];
    const json_t               *body; /* of a write that is answered, or NULL */
} scim_projection_t;

/* False with *error (400) when more than SCIM_PROJECTION_PATH_MAX are named. */
bool scim_projection_read(const scim_resource_type_t *type,
    const scim_query_t *query, scim_projection_t *projection,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * Whether a core attribute's `sub` (NULL = any of it) can be in the answer, so
 * that what is costly (members, groups) need not be loaded for nothing.
 */
bool scim_projection_wants(const scim_projection_t *projection,
    const char *attribute, const char *sub);

/* Whether resources are shown just as they are stored. */
bool scim_projection_is_plain(const scim_projection_t *projection);

/*
 * The `returned` rules of RFC 7643 section 2.4, for types that have any beyond
 * the common attributes: takes out of a resource what is never returned, and
 * what is only returned on request unless it was named, in the query or in
 * the body of the write that is answered.
 */
void scim_projection_hide(const scim_projection_t *projection,
    json_t *resource);

/* Adds to `shown` what is always returned; false when memory is gone. */
bool scim_projection_add_always(const scim_projection_t *projection,
    json_t *shown, const json_t *resource);

/*
 * The resource as the client wants it: a new reference, NULL when memory is
 * gone.  `resource` may be changed and shares its values with the answer.
 */
json_t *scim_projection_apply(const scim_projection_t *projection,
    json_t *resource);

#endif
