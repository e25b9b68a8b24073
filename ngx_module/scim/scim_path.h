#ifndef SCIM_PATH_H
#define SCIM_PATH_H

#include "scim_filter.h"

/*
 * A PATCH path: [URN ":"] attribute [ "[" filter "]" ] [ "." sub-attribute ].
 * RFC 7644 section 3.5.2.
 */
typedef struct {
    const scim_schema_t    *extension; /* NULL = core schema */
    const scim_attribute_t *attribute; /* NULL = the extension as a whole */
    const scim_attribute_t *sub;       /* NULL = none named */
    scim_filter_t          *filter;    /* NULL = none */
    bool                    unknown_extension; /* skip this operation, L-42 */
} scim_path_t;

/*
 * False with *error: 400 invalidPath (syntax, unknown attribute) or 400
 * invalidFilter inside brackets becomes invalidPath too.
 */
bool scim_path_parse(const scim_resource_type_t *type, const char *text,
    size_t len, scim_path_t *path, scim_lenient_t *lenient,
    scim_error_t *error) __attribute__((warn_unused_result));
void scim_path_free(scim_path_t *path);

#endif
