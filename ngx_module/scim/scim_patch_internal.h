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
    scim_filter_work_t          work; /* of all operations together */
} patch_t;

#define SCIM_PATCH_PAIR 32 /* two values compared, in bytes of text */

/*
 * Counts work that grows with what is stored, in the unit of
 * scim_filter_work_t.  False with the error when it is more than one request
 * may ask for.
 */
bool scim_patch_spend(patch_t *patch, size_t work);

/* One operation whose path is resolved; `value` NULL = the key is absent. */
bool scim_patch_at(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value);

/* The same for the members of a group. */
bool scim_patch_members(patch_t *patch, patch_verb_t verb,
    const scim_path_t *path, const json_t *value);

/* The same with a filter in the path. */
bool scim_patch_at_filter(patch_t *patch, patch_verb_t verb,
    const scim_path_t *path, const json_t *value);

/* remove of a whole attribute, or with a list of values of these. */
bool scim_patch_remove(patch_t *patch, const scim_path_t *path,
    const json_t *value);

/* ---- values ---- */

/* Always false, with the error. */
bool scim_patch_no_target(patch_t *patch);
bool scim_patch_mutability(patch_t *patch, const scim_attribute_t *attribute);

/* Puts a new value into its holder, which lends it; NULL without memory. */
json_t *scim_patch_attach(json_t *object, const char *name, json_t *value);

/* Where the attribute lives: the document or an extension's container. */
json_t *scim_patch_holder(patch_t *patch, const scim_path_t *path, bool make);

/* Sets (value != NULL, stolen) or unassigns; minds immutable ones. */
bool scim_patch_assign(patch_t *patch, json_t *object,
    const scim_attribute_t *attribute, json_t *value);

/* A user's `active` can be set, never unset: nobody comes back by a gap. */
bool scim_patch_is_active(const scim_attribute_t *attribute);

/* The operation's value, typed: a new reference, NULL = unassigned. */
bool scim_patch_typed(patch_t *patch, const scim_attribute_t *attribute,
    const json_t *value, json_t **out);

/* Only one element of a multi-valued attribute is primary: `winner`. */
void scim_patch_keep_primary(json_t *array, const json_t *winner);

/* Adds values (an array, stolen) to a list; what is there already is not. */
bool scim_patch_append(patch_t *patch, json_t *object,
    const scim_attribute_t *attribute, json_t *values);

/* Merges sub-attributes into a complex value; others stay. */
bool scim_patch_merge(patch_t *patch, patch_verb_t verb,
    const scim_attribute_t *attribute, json_t *target, const json_t *value);

/* One sub-attribute of one complex value. */
bool scim_patch_set_sub(patch_t *patch, patch_verb_t verb, json_t *target,
    const scim_attribute_t *sub, const json_t *value);

/* A new element (stolen); the list itself is made when needed. */
bool scim_patch_add_element(patch_t *patch, const scim_path_t *path,
    json_t *element);

/* False with the error when a list holds more than it may. */
bool scim_patch_few_enough(patch_t *patch, const scim_attribute_t *attribute,
    const json_t *array);

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
