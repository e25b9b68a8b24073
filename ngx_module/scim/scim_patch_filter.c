#include <string.h>

#include "scim_patch_internal.h"


/* Does the element still say anything once a sub-attribute is cleared? */
static bool
insignificant(const json_t *element)
{
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) element, key, value) {
        if (strcmp(key, "type") != 0 && strcmp(key, "primary") != 0) {
            return false;
        }
    }
    return true;
}


static bool
set_element(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    json_t *element, const json_t *value)
{
    if (path->sub) {
        return scim_patch_set_sub(patch, verb, element, path->sub, value);
    }
    if (!json_is_object(value)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s[...]: the value must be an object", path->attribute->name);
    }
    return scim_patch_merge(patch, verb, path->attribute, element, value);
}


static bool
create_element(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *element = json_object();

    if (!scim_patch_literals(path->filter, element)
        || (verb == PATCH_REPLACE
            && !scim_patch_canonical(path->attribute, element)))
    {
        json_decref(element);
        return scim_patch_no_target(patch);
    }
    if (value && scim_patch_unassigns(value)) {
        json_decref(element);
        return true; /* clearing what is not there */
    }
    if (!set_element(patch, verb, path, element, value)) {
        json_decref(element);
        return false;
    }
    scim_lenient_note(patch->lenient, SCIM_LENIENT_ELEMENT_CREATED);
    return scim_patch_add_element(patch, path, element);
}


/* A remove that matched nothing: is the element simply gone already? */
static bool
remove_missed(patch_t *patch, const scim_path_t *path)
{
    bool    simple;
    json_t *literals = json_object();

    simple = scim_patch_literals(path->filter, literals)
        && (json_object_get(literals, "type")
            || json_object_get(literals, "primary"));
    json_decref(literals);
    return simple || scim_patch_no_target(patch);
}


/*
 * What the value of a replace leaves out is not in the new element (RFC 7644
 * section 3.5.2.3), but for what the filter says it has.
 */
static void
clear_element(const scim_path_t *path, json_t *element)
{
    bool    named;
    json_t *literals = json_object();

    named = scim_patch_literals(path->filter, literals);
    for (size_t i = 0; i < path->attribute->sub_attribute_count; i++) {
        const scim_attribute_t *sub = &path->attribute->sub_attributes[i];

        if (sub->mutability != SCIM_IMMUTABLE
            && !(named && json_object_get(literals, sub->name)))
        {
            json_object_del(element, sub->name);
        }
    }
    json_decref(literals);
}


/* A chosen value of a list of simple ones, for which there is no merging. */
static bool
set_simple(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    json_t *array, size_t i, const json_t *value)
{
    bool    ok;
    json_t *converted = NULL;

    if (verb == PATCH_ADD) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_PATH,
            "%s[...]: a simple value can only be replaced or removed so",
            path->attribute->name);
    }
    ok = scim_patch_typed(patch, path->attribute, value, &converted);
    if (ok && json_array_size(converted) != 1) {
        ok = scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s[...]: the value must be one value", path->attribute->name);
    }
    ok = ok && json_array_set(array, i, json_array_get(converted, 0)) == 0;
    json_decref(converted);
    return ok;
}


/* Element i, which the filter chose; *drop tells to take it out. */
static bool
at_matched(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    json_t *array, size_t i, const json_t *value, bool *drop)
{
    json_t *element = json_array_get(array, i);

    *drop = path->sub == NULL && (verb == PATCH_REMOVE
        || (verb == PATCH_REPLACE && value && scim_patch_unassigns(value)));
    if (*drop) {
        return true;
    }
    if (path->attribute->type != SCIM_COMPLEX) {
        return set_simple(patch, verb, path, array, i, value);
    }
    if (verb == PATCH_REPLACE && path->sub == NULL && json_is_object(value)) {
        clear_element(path, element);
    }
    if (!set_element(patch, verb, path, element, value)) {
        return false;
    }
    *drop = insignificant(element)
        && (verb == PATCH_REMOVE || scim_patch_unassigns(value));
    if (*drop) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_ELEMENT_EMPTIED);
    }
    return true;
}


/* What it costs to read a value once more: its text, its members. */
static size_t
weight(const json_t *value)
{
    size_t      i, sum = SCIM_PATCH_PAIR + json_string_length(value);
    json_t     *inner;
    const char *key;

    json_array_foreach((json_t *) value, i, inner) {
        sum += weight(inner);
    }
    json_object_foreach((json_t *) value, key, inner) {
        sum += SCIM_PATCH_PAIR + weight(inner);
    }
    return sum;
}


static bool
at_array_filter(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    bool    drop, matched = false;
    size_t  i = 0, work = weight(value);
    json_t *primary = NULL, *array = json_object_get(
        scim_patch_holder(patch, path, false), path->attribute->name);

    while (i < json_array_size(array)) {
        if (!scim_filter_match_value(path->filter, json_array_get(array, i),
                &patch->work))
        {
            i++;
            continue;
        }
        matched = true;
        if (!scim_patch_spend(patch, work)
            || !at_matched(patch, verb, path, array, i, value, &drop))
        {
            return false;
        }
        if (drop) {
            json_array_remove(array, i);
            continue;
        }
        if (json_is_true(json_object_get(json_array_get(array, i),
                "primary")))
        {
            primary = json_array_get(array, i);
        }
        i++;
    }
    if (!scim_patch_spend(patch, 0)) {
        return false; /* what was not compared any more did not match */
    }
    if (matched) {
        scim_patch_keep_primary(array, primary);
        return true;
    }
    return verb == PATCH_REMOVE ? remove_missed(patch, path)
                                : create_element(patch, verb, path, value);
}


bool
scim_patch_at_filter(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *target;

    if (path->attribute->multi_valued) {
        return at_array_filter(patch, verb, path, value);
    }
    scim_lenient_note(patch->lenient, SCIM_LENIENT_FILTER_ON_SINGLE);
    target = json_object_get(scim_patch_holder(patch, path, false),
        path->attribute->name);
    if (target == NULL
        || !scim_filter_match_value(path->filter, target, &patch->work))
    {
        return scim_patch_no_target(patch);
    }
    if (verb == PATCH_REMOVE && path->sub == NULL) {
        return scim_patch_remove(patch, path, NULL);
    }
    return set_element(patch, verb, path, target, value);
}
