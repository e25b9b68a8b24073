#ifndef SCIM_DOCUMENT_H
#define SCIM_DOCUMENT_H

#include "scim_members.h"
#include "scim_schema.h"

/*
 * The canonical document: what is stored.  A JSON object with `schemas`
 * first, then `id`, then attributes in schema order with the schema's
 * spelling, then extension containers; no nulls, no empty arrays or objects;
 * never `meta`, `groups`, `members` or `password` (meta lives in the record
 * header, memberships in their own keys, passwords nowhere).  Users always
 * have `active`.
 */

/* Values of one multi-valued attribute; more are refused (400 invalidValue). */
#define SCIM_DOCUMENT_VALUE_MAX 1000

typedef enum {
    SCIM_DOCUMENT_CREATE, /* POST */
    SCIM_DOCUMENT_REPLACE /* PUT */
} scim_document_mode_t;

/*
 * POST or PUT body to canonical document.  `current` is the stored document
 * for REPLACE (NULL for CREATE), `id` the resource's id (text).  On success
 * *document is a new reference and *members (initialised by the caller) says
 * what happens to the memberships.  On failure false, *error set, outputs
 * untouched.  Implements RFC 7644 sections 3.3 and 3.5.1 and the "becomes"
 * column of the reference's section 6.1, 6.2, 6.4.
 */
bool scim_document_normalize(const scim_resource_type_t *type,
    scim_document_mode_t mode, const json_t *body, const json_t *current,
    const char *id, json_t **document, scim_members_t *members,
    scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * Types one value by its attribute: the shared leaf of POST, PUT and PATCH.
 * *out is a new reference; NULL with true means "unassigned".  `where` names
 * the place in error texts ("emails[0].value").
 */
bool scim_value_normalize(const scim_attribute_t *attribute,
    const json_t *value, const char *where, json_t **out,
    scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * The display name inside a value of roles that is the text of a JSON object
 * (L-34), a new reference; NULL when there is none.
 */
json_t *scim_value_role_display(const scim_attribute_t *attribute,
    const json_t *value);

/*
 * The URNs of a `schemas` as a list, a new reference: one text stands for a
 * list of it (L-09b).  NULL when they are absent, null, empty or no texts.
 */
json_t *scim_document_schemas_list(const json_t *schemas,
    scim_lenient_t *lenient);

/*
 * Puts any document that was changed in place back into canonical form:
 * order, empties, `schemas`, equal values; checks what is required.
 * *document is replaced by a new reference.  Used after PATCH.
 */
bool scim_document_finish(const scim_resource_type_t *type, const char *id,
    json_t **document, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * Extensions that are not known here, in a stored document: whether its text
 * holds any (all that are listed in `schemas` are there), and how the document
 * is made to look as if it held none.
 */
bool scim_document_has_foreign(const scim_resource_type_t *type,
    const char *text, size_t len);
void scim_document_hide_foreign(const scim_resource_type_t *type,
    json_t *document);

#endif
