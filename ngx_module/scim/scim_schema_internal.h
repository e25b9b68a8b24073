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

/* RFC 7643 section 7 */
#define SCIM_SCHEMA_URN "urn:ietf:params:scim:schemas:core:2.0:Schema"

/*
 * What reads a part of the files returns false with an error, or without one
 * when memory is gone; what it made until then is freed with the whole.
 */

/* RFC 7643 section 2.1: ALPHA *("-" / "_" / DIGIT / ALPHA), and $ref. */
bool scim_schema_valid_name(const json_t *name);

/* The attributes of a schema, or with a parent those of a complex one. */
bool scim_schema_read_attributes(const json_t *source,
    const scim_schema_t *schema, const scim_attribute_t *parent,
    const scim_attribute_t **out, size_t *out_count, scim_error_t *error);
void scim_schema_free_attributes(const scim_attribute_t *attributes,
    size_t count);

/* A resource type, or more extensions of one that is there already. */
bool scim_schema_read_type(scim_schemas_t *schemas, const json_t *source,
    scim_error_t *error);

/* "urn:example:extension:2.0:User" extends the type of that name. */
bool scim_schema_extend_by_urn(scim_schemas_t *schemas,
    const scim_schema_t *schema, scim_error_t *error);

/* Before anything is made of the files; false when memory is gone. */
bool scim_schemas_make_digest(scim_schemas_t *schemas);

#endif
