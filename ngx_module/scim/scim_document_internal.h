#ifndef SCIM_DOCUMENT_INTERNAL_H
#define SCIM_DOCUMENT_INTERNAL_H

#include "scim_document.h"

/* Shared by the parts of the document; nobody else includes it. */

/*
 * Does `schemas` of a POST or PUT body name this type of resource?  Known
 * misspellings and absence are taken (reference L-46).  False with *error (400
 * invalidSyntax).
 */
bool scim_document_check_schemas(const scim_resource_type_t *type,
    const json_t *body, scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
