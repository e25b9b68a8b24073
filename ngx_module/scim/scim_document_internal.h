#ifndef SCIM_DOCUMENT_INTERNAL_H
#define SCIM_DOCUMENT_INTERNAL_H

#include "scim_document.h"

/* Shared by the parts of the document; nobody else includes it. */

/*
 * Raw or typed values on their way into a document, by position in the
 * schema.  All references are owned.
 */
typedef struct {
    const scim_resource_type_t *type;
    json_t                     *external_id;
    json_t                     *core[SCIM_SCHEMA_ATTRIBUTE_MAX];
    json_t                     *extension[SCIM_SCHEMA_EXTENSION_MAX]
                                         [SCIM_SCHEMA_ATTRIBUTE_MAX];
} scim_slots_t;

typedef struct {
    scim_slots_t    slots;
    const json_t   *members; /* borrowed; NULL = not named */
    scim_lenient_t *lenient;
    scim_error_t   *error;
} scim_collector_t;

/*
 * Does `schemas` of a POST or PUT body name this type of resource?  Known
 * misspellings and absence are taken (reference L-46).  False with *error (400
 * invalidSyntax).
 */
bool scim_document_check_schemas(const scim_resource_type_t *type,
    const json_t *body, scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

/* Takes every member of a body into its slot, typed. */
bool scim_document_collect(scim_collector_t *collector, const json_t *body)
    __attribute__((warn_unused_result));

/* The slot of an attribute, or NULL for one that has none (id, meta). */
json_t **scim_document_slot(scim_slots_t *slots,
    const scim_attribute_t *attribute);

/* Takes extensions over that are not known here; false without memory. */
bool scim_document_keep_foreign(const scim_resource_type_t *type,
    const json_t *from, json_t *to) __attribute__((warn_unused_result));

#endif
