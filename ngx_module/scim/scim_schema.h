#ifndef SCIM_SCHEMA_H
#define SCIM_SCHEMA_H

#include <jansson.h>

#include "scim_error.h"

/* A schema file that has more is refused. */
#define SCIM_SCHEMA_ATTRIBUTE_MAX     128 /* top-level, of one schema */
#define SCIM_SCHEMA_SUB_ATTRIBUTE_MAX 64
#define SCIM_SCHEMA_EXTENSION_MAX     8   /* of one resource type */

/* RFC 7643 section 2.3 and section 7 */
typedef enum {
    SCIM_STRING,
    SCIM_BOOLEAN,
    SCIM_DECIMAL,
    SCIM_INTEGER,
    SCIM_DATETIME,
    SCIM_BINARY,
    SCIM_REFERENCE,
    SCIM_COMPLEX
} scim_attribute_type_t;

typedef enum {
    SCIM_READ_WRITE,
    SCIM_READ_ONLY,
    SCIM_IMMUTABLE,
    SCIM_WRITE_ONLY
} scim_mutability_t;

typedef enum {
    SCIM_RETURNED_DEFAULT,
    SCIM_RETURNED_ALWAYS,
    SCIM_RETURNED_NEVER,
    SCIM_RETURNED_REQUEST
} scim_returned_t;

typedef struct scim_schema_s    scim_schema_t;
typedef struct scim_attribute_s scim_attribute_t;

struct scim_attribute_s {
    const char             *name; /* the schema's own spelling */
    size_t                  name_len;
    scim_attribute_type_t   type;
    bool                    multi_valued;
    bool                    required;
    bool                    case_exact;
    bool                    unique; /* uniqueness is server or global */
    scim_mutability_t       mutability;
    scim_returned_t         returned;
    const char            **canonical_values; /* NULL when there are none */
    size_t                  canonical_value_count;
    const scim_attribute_t *sub_attributes; /* of a complex attribute */
    size_t                  sub_attribute_count;
    const scim_attribute_t *parent; /* NULL at top level */
    const scim_schema_t    *schema;
};

struct scim_schema_s {
    const char             *id; /* URN */
    size_t                  id_len;
    const char             *name;
    const scim_attribute_t *attributes;
    size_t                  attribute_count;
    const json_t           *source; /* the schema resource as it was read */
};

/* RFC 7643 section 6.  The common attributes (schemas, id, externalId, meta)
 * are found through scim_resource_type_attribute() like any other. */
typedef struct {
    const char           *name;     /* "User" */
    const char           *endpoint; /* "/Users" */
    const char           *key_word; /* "user": in Redis keys and events */
    const scim_schema_t  *schema;
    const scim_schema_t **extensions;
    size_t                extension_count;
    bool                  returned_rules; /* some attribute of its schemas is
                                             not just returned by default */
    const json_t         *source; /* the ResourceType resource */
} scim_resource_type_t;

typedef struct scim_schemas_s scim_schemas_t;

typedef struct {
    const char *name; /* file name, for error texts */
    const char *text;
    size_t      len;
} scim_schema_file_t;

/*
 * Builds the registry from schema files: Schema and ResourceType resources,
 * one or an array of them a file; which one it is is seen from `schemas`.  A
 * schema becomes an extension of a resource type when its URN says so
 * ("urn:...:extension:...:User"), or when a ResourceType of that name lists it
 * in schemaExtensions; lists of the same type in several files add up.  NULL
 * with *error (file, place, rule) when one of them is wrong.  Immutable
 * afterwards.
 */
scim_schemas_t *scim_schemas_new(const scim_schema_file_t *files, size_t count,
    scim_error_t *error);
void scim_schemas_free(scim_schemas_t *schemas);

/*
 * 16 hex digits: equal where the schemas and resource types are that a
 * deployment added to ours.
 */
const char *scim_schemas_digest(const scim_schemas_t *schemas);

/* The files of conf/schemas, embedded at build time (generated). */
extern const scim_schema_file_t scim_embedded_schemas[];
extern const size_t             scim_embedded_schema_count;

/* Lookups; URNs and names compare without ASCII case.  NULL = unknown. */
const scim_schema_t *scim_schemas_find(const scim_schemas_t *schemas,
    const char *urn, size_t len);
const scim_schema_t *scim_schemas_at(const scim_schemas_t *schemas, size_t i);
size_t scim_schemas_count(const scim_schemas_t *schemas);
const scim_resource_type_t *scim_resource_type_at(
    const scim_schemas_t *schemas, size_t i);
size_t scim_resource_type_count(const scim_schemas_t *schemas);
const scim_resource_type_t *scim_resource_type_find(
    const scim_schemas_t *schemas, const char *name, size_t len);

/* Top-level attribute of one schema, or one of the common attributes. */
const scim_attribute_t *scim_schema_attribute(const scim_schema_t *schema,
    const char *name, size_t len);
const scim_attribute_t *scim_attribute_sub(const scim_attribute_t *attribute,
    const char *name, size_t len);

/*
 * Resolves a top-level name for a resource type.  `urn` may be NULL (core
 * schema and common attributes) or the URN of the core schema or one of the
 * type's extensions.
 */
const scim_attribute_t *scim_resource_type_attribute(
    const scim_resource_type_t *type, const char *urn, size_t urn_len,
    const char *name, size_t name_len);

/* The extension of `type` with this URN; NULL when it has none such. */
const scim_schema_t *scim_resource_type_extension(
    const scim_resource_type_t *type, const char *urn, size_t len);

/* Whether this attribute's schema is the core schema (or common) of `type`. */
bool scim_attribute_is_core(const scim_resource_type_t *type,
    const scim_attribute_t *attribute);

#endif
