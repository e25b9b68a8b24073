#ifndef SCIM_SCHEMA_INTERNAL_H
#define SCIM_SCHEMA_INTERNAL_H

#include "scim_schema.h"

/* What the reader of schema files builds and the look-ups walk. */
struct scim_schemas_s {
    scim_schema_t        *schemas;
    size_t                schema_count;
    scim_resource_type_t *types;
    size_t                type_count;
    json_t               *files;   /* array: owns every source */
    json_t               *origins; /* array: the file's name of each */
    char                  digest[20];
};

/* Before anything is made of the files; false when memory is gone. */
bool scim_schemas_make_digest(scim_schemas_t *schemas);

#endif
