#ifndef SCIM_PATCH_INTERNAL_H
#define SCIM_PATCH_INTERNAL_H

#include "scim_patch.h"

/* Shared by the parts of PATCH; nobody else includes it. */
typedef enum { PATCH_ADD, PATCH_REMOVE, PATCH_REPLACE } patch_verb_t;

typedef struct {
    const scim_resource_type_t *type;
    const char                 *id;
    json_t                     *document; /* worked on in place */
    scim_members_t             *members;
    scim_lenient_t             *lenient;
    scim_error_t               *error;
} patch_t;

/* One operation whose path is resolved; `value` NULL = the key is absent. */
bool scim_patch_at(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value);

/* The same for the members of a group. */
bool scim_patch_members(patch_t *patch, patch_verb_t verb,
    const scim_path_t *path, const json_t *value);

/*
 * Puts the literals of `a eq x and b eq y` into `element`; false when the
 * filter says anything else, or what no value can be: `a eq ""`, `a eq x and
 * a eq y`.
 */
bool scim_patch_literals(const scim_filter_t *filter, json_t *element);

/* Is it safe to make up an element for a replace that matches none? (L-30) */
bool scim_patch_canonical(const scim_attribute_t *attribute,
    const json_t *literals);

/* null, "", {value:""} and {value:null}: reference L-39. */
bool scim_patch_unassigns(const json_t *value);

#endif
