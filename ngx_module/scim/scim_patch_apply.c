#include <string.h>

#include "scim_fold.h"
#include "scim_patch_internal.h"


/*
 * What a complex value leaves out stays, and so does what a text for it does
 * not say: the parts of a name, but not what was known of another manager.
 */
static bool
merges(const scim_attribute_t *attribute, const json_t *value)
{
    return attribute->type == SCIM_COMPLEX && !attribute->multi_valued
        && !scim_patch_unassigns(value)
        && (json_is_object(value)
            || (json_is_string(value)
                && scim_attribute_sub(attribute, "value", 5) == NULL));
}


/* add and replace on a whole attribute */
static bool
set_attribute(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    bool                    ok;
    json_t                 *object, *target, *converted = NULL;
    const scim_attribute_t *attribute = path->attribute;

    if (!scim_patch_typed(patch, attribute, value, &converted)) {
        return false;
    }
    object = scim_patch_holder(patch, path, true);
    target = json_object_get(object, attribute->name);
    if (attribute->mutability == SCIM_IMMUTABLE && target) {
        return scim_patch_assign(patch, object, attribute, converted);
    }
    if (converted && attribute->multi_valued && verb == PATCH_ADD) {
        return scim_patch_append(patch, object, attribute, converted);
    }
    if (target && merges(attribute, value)) {
        ok = scim_patch_merge(patch, verb, attribute, target,
            json_is_object(value) ? value : converted);
        json_decref(converted);
        return ok;
    }
    if (converted == NULL && verb == PATCH_ADD && attribute->multi_valued) {
        return true; /* adding nothing */
    }
    return scim_patch_assign(patch, object, attribute, converted);
}


/* What a value of a list is known by: its `value`, or the value itself. */
static json_t *
key_of(json_t *element)
{
    json_t *key = json_object_get(element, "value");

    return key ? key : element;
}


/* Texts that are to go are looked up, the others are compared. */
static bool
sort_wanted(const json_t *wanted, json_t *texts, json_t *others)
{
    size_t  i;
    json_t *element, *key;

    json_array_foreach((json_t *) wanted, i, element) {
        key = key_of(element);
        if (json_is_string(key)
            ? json_object_set_new_nocheck(texts, json_string_value(key),
                  json_true()) != 0
            : json_array_append(others, key) != 0)
        {
            return false;
        }
    }
    return true;
}


static bool
is_wanted(json_t *element, const json_t *texts, const json_t *others)
{
    size_t  i;
    json_t *other, *key = key_of(element);

    if (json_is_string(key)) {
        return json_object_get(texts, json_string_value(key)) != NULL;
    }
    json_array_foreach((json_t *) others, i, other) {
        if (json_equal(other, key)) {
            return true;
        }
    }
    return false;
}


/* remove with a list of values: those elements only (reference L-39b) */
static bool
remove_values(patch_t *patch, const scim_path_t *path, json_t *array,
    const json_t *value)
{
    bool    ok;
    json_t *wanted = NULL, *texts = json_object(), *others = json_array();

    scim_lenient_note(patch->lenient, SCIM_LENIENT_REMOVE_VALUE);
    ok = scim_patch_typed(patch, path->attribute, value, &wanted);
    if (ok && wanted == NULL) {
        ok = scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s: remove with an empty value", path->attribute->name);
    }
    ok = ok && sort_wanted(wanted, texts, others)
        && scim_patch_spend(patch, json_array_size(array)
            * (1 + json_array_size(others)) * SCIM_PATCH_PAIR);
    for (size_t i = json_array_size(array); ok && i-- > 0; ) {
        if (is_wanted(json_array_get(array, i), texts, others)) {
            json_array_remove(array, i);
        }
    }
    json_decref(wanted);
    json_decref(texts);
    json_decref(others);
    return ok;
}


bool
scim_patch_remove(patch_t *patch, const scim_path_t *path,
    const json_t *value)
{
    json_t *old, *object = scim_patch_holder(patch, path, false);

    if (path->attribute->required || scim_patch_is_active(path->attribute)) {
        return scim_patch_mutability(patch, path->attribute);
    }
    old = json_object_get(object, path->attribute->name);
    if (old == NULL) {
        return true;
    }
    if (value && path->attribute->multi_valued && json_is_array(old)
        && path->attribute->mutability != SCIM_IMMUTABLE)
    {
        return remove_values(patch, path, old, value);
    }
    return scim_patch_assign(patch, object, path->attribute, NULL);
}


/* `emails.value` without a filter: which element is meant (L-36) */
static bool
implied_element(patch_t *patch, const scim_path_t *path, json_t *array,
    json_t **target)
{
    size_t  i;
    json_t *element;

    *target = NULL;
    json_array_foreach(array, i, element) {
        if (json_is_true(json_object_get(element, "primary"))) {
            *target = element;
            return true;
        }
    }
    if (json_array_size(array) > 1) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_PATH,
            "%s has several values and none is primary",
            path->attribute->name);
    }
    *target = json_array_get(array, 0);
    return true;
}


static bool
at_element_sub(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *target, *array = json_object_get(
        scim_patch_holder(patch, path, false), path->attribute->name);

    scim_lenient_note(patch->lenient, SCIM_LENIENT_NO_FILTER_SUB);
    if (!implied_element(patch, path, array, &target)) {
        return false;
    }
    if (target == NULL) {
        if (verb == PATCH_REMOVE || (value && scim_patch_unassigns(value))) {
            return true;
        }
        target = json_object();
        if (!scim_patch_set_sub(patch, verb, target, path->sub, value)) {
            json_decref(target);
            return false;
        }
        return scim_patch_add_element(patch, path, target);
    }
    if (!scim_patch_set_sub(patch, verb, target, path->sub, value)) {
        return false;
    }
    scim_patch_keep_primary(array, target);
    return true;
}


static bool
at_sub(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *target, *object;

    if (path->attribute->multi_valued) {
        return at_element_sub(patch, verb, path, value);
    }
    object = scim_patch_holder(patch, path, verb != PATCH_REMOVE);
    target = json_object_get(object, path->attribute->name);
    if (target == NULL) {
        if (verb == PATCH_REMOVE) {
            return true;
        }
        target = scim_patch_attach(object, path->attribute->name,
            json_object());
    }
    return scim_patch_set_sub(patch, verb, target, path->sub, value);
}


/* The whole extension goes, unless something in it cannot. */
static bool
remove_extension(patch_t *patch, const scim_schema_t *extension)
{
    json_t *container = json_object_get(patch->document, extension->id);

    for (size_t i = 0; i < extension->attribute_count; i++) {
        const scim_attribute_t *attribute = &extension->attributes[i];

        if (attribute->mutability == SCIM_IMMUTABLE
            && json_object_get(container, attribute->name))
        {
            return scim_patch_mutability(patch, attribute);
        }
    }
    json_object_del(patch->document, extension->id);
    return true;
}


static bool
at_extension(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    bool        ok = true;
    json_t     *inner;
    const char *key;
    scim_path_t member = { .extension = path->extension };

    if (verb != PATCH_REMOVE && json_is_null(value)) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_NULL_ENTRY);
        verb = PATCH_REMOVE;
    }
    if (verb == PATCH_REMOVE) {
        return remove_extension(patch, path->extension);
    }
    if (!json_is_object(value)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%.100s: the value must be an object", path->extension->id);
    }
    json_object_foreach((json_t *) value, key, inner) {
        member.attribute = scim_resource_type_attribute(patch->type,
            path->extension->id, path->extension->id_len, key, strlen(key));
        if (member.attribute == NULL) {
            scim_lenient_note(patch->lenient, SCIM_LENIENT_UNKNOWN_KEY);
        } else if (member.attribute->mutability == SCIM_READ_ONLY) {
            scim_lenient_note(patch->lenient, SCIM_LENIENT_READ_ONLY);
        } else {
            ok = ok && scim_patch_at(patch, verb, &member, inner);
        }
    }
    return ok;
}


/* A role's `value` that is the text of an object has its `display`, too. */
static bool
at_role_display(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    bool        ok;
    json_t     *display;
    scim_path_t other = *path;

    if (verb == PATCH_REMOVE || path->sub == NULL
        || strcmp(path->sub->name, "value") != 0)
    {
        return true;
    }
    other.sub = scim_attribute_sub(path->attribute, "display", 7);
    display = scim_value_role_display(path->attribute, value);
    ok = display == NULL || other.sub == NULL
        || scim_patch_at(patch, verb, &other, display);
    json_decref(display);
    return ok;
}


bool
scim_patch_at(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    const scim_attribute_t *attribute = path->attribute;

    if (attribute == NULL) {
        return at_extension(patch, verb, path, value);
    }
    if (strcmp(patch->type->key_word, "group") == 0
        && attribute->schema == patch->type->schema
        && strcmp(attribute->name, "members") == 0)
    {
        return scim_patch_members(patch, verb, path, value);
    }
    if (attribute->schema == NULL && strcmp(attribute->name, "schemas") == 0
        && verb != PATCH_REMOVE)
    {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_READ_ONLY);
        return true; /* follows from what is there */
    }
    if (attribute->mutability == SCIM_READ_ONLY) {
        return scim_patch_mutability(patch, attribute);
    }
    if (attribute->mutability == SCIM_WRITE_ONLY) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_PASSWORD);
        return true;
    }
    if ((path->filter || path->sub) && attribute->mutability == SCIM_IMMUTABLE
        && json_object_get(scim_patch_holder(patch, path, false),
            attribute->name))
    {
        return scim_patch_mutability(patch, attribute);
    }
    if (!at_role_display(patch, verb, path, value)) {
        return false;
    }
    if (path->filter) {
        return scim_patch_at_filter(patch, verb, path, value);
    }
    if (path->sub) {
        return at_sub(patch, verb, path, value);
    }
    return verb == PATCH_REMOVE
        ? scim_patch_remove(patch, path, value)
        : set_attribute(patch, verb, path, value);
}
