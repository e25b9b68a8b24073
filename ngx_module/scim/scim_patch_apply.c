#include <string.h>

#include "scim_fold.h"
#include "scim_patch_internal.h"


static bool
no_target(patch_t *patch)
{
    return scim_error_set(patch->error, 400, SCIM_ERROR_NO_TARGET,
        "no value matches the path's filter");
}


static bool
mutability(patch_t *patch, const scim_attribute_t *attribute)
{
    return scim_error_set(patch->error, 400, SCIM_ERROR_MUTABILITY,
        "%s cannot be changed so", attribute->name);
}


bool
scim_patch_unassigns(const json_t *value)
{
    const json_t *inner;

    if (json_is_null(value)
        || (json_is_string(value) && json_string_length(value) == 0))
    {
        return true;
    }
    inner = json_object_get(value, "value");
    return json_object_size(value) == 1 && inner && scim_patch_unassigns(inner);
}


/* Puts a new value into its holder, which lends it; NULL without memory. */
static json_t *
attach(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0 ? value : NULL;
}


/* Where the attribute lives: the document or an extension's container. */
static json_t *
holder(patch_t *patch, const scim_path_t *path, bool make)
{
    json_t *container;

    if (path->extension == NULL) {
        return patch->document;
    }
    container = json_object_get(patch->document, path->extension->id);
    if (container == NULL && make) {
        container = attach(patch->document, path->extension->id,
            json_object());
    }
    return container;
}


/* Sets (value != NULL, stolen) or unassigns; minds immutable ones. */
static bool
assign(patch_t *patch, json_t *object, const scim_attribute_t *attribute,
    json_t *value)
{
    json_t *old = json_object_get(object, attribute->name);

    if (attribute->mutability == SCIM_IMMUTABLE && old
        && !(value && json_equal(old, value)))
    {
        json_decref(value);
        return mutability(patch, attribute);
    }
    if (value == NULL && attribute->required) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s is required and must not be empty", attribute->name);
    }
    if (value == NULL) {
        json_object_del(object, attribute->name);
        return true;
    }
    return json_object_set_new(object, attribute->name, value) == 0;
}


/* A user's `active` can be set, never unset: nobody comes back by a gap. */
static bool
is_active(const scim_attribute_t *attribute)
{
    return attribute->type == SCIM_BOOLEAN && attribute->parent == NULL
        && strcmp(attribute->name, "active") == 0;
}


static bool
typed(patch_t *patch, const scim_attribute_t *attribute, const json_t *value,
    json_t **out)
{
    if (value == NULL) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s: the operation has no value", attribute->name);
    }
    if (is_active(attribute) && scim_patch_unassigns(value)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "active must be true or false");
    }
    return scim_value_normalize(attribute, value, attribute->name, out,
        patch->lenient, patch->error);
}


/* Only one element of a multi-valued attribute is primary: the newest. */
static void
keep_primary(json_t *array, const json_t *winner)
{
    size_t  i;
    json_t *element;

    if (!json_is_true(json_object_get(winner, "primary"))) {
        return;
    }
    json_array_foreach(array, i, element) {
        if (element != winner
            && json_is_true(json_object_get(element, "primary")))
        {
            json_object_set_new(element, "primary", json_false());
        }
    }
}


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


/* Merges typed sub-attributes into a complex value; others stay. */
static bool
merge(patch_t *patch, const scim_attribute_t *attribute, json_t *target,
    const json_t *value)
{
    json_t     *inner, *converted = NULL;
    const char *key;

    if (!scim_value_normalize(attribute, value, attribute->name, &converted,
            patch->lenient, patch->error))
    {
        return false;
    }
    if (json_is_array(converted)) { /* a multi-valued attribute's element */
        inner = json_incref(json_array_get(converted, 0));
        json_decref(converted);
        converted = inner;
    }
    /* what was named but is empty is unassigned */
    json_object_foreach((json_t *) value, key, inner) {
        const scim_attribute_t *sub = scim_attribute_sub(attribute, key,
            strlen(key));

        if (sub && scim_patch_unassigns(inner)
            && !assign(patch, target, sub, NULL))
        {
            json_decref(converted);
            return false;
        }
    }
    json_object_foreach(converted, key, inner) {
        if (!assign(patch, target,
                scim_attribute_sub(attribute, key, strlen(key)),
                json_incref(inner)))
        {
            json_decref(converted);
            return false;
        }
    }
    json_decref(converted);
    return true;
}


static bool
few_enough(patch_t *patch, const scim_attribute_t *attribute,
    const json_t *array)
{
    return json_array_size(array) <= SCIM_DOCUMENT_VALUE_MAX
        || scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s has more than %d values", attribute->name,
            SCIM_DOCUMENT_VALUE_MAX);
}


static bool
append(patch_t *patch, json_t *object, const scim_attribute_t *attribute,
    json_t *values)
{
    bool    ok = true;
    size_t  i, j;
    json_t *element, *other, *array;

    array = json_object_get(object, attribute->name);
    if (array == NULL) {
        return assign(patch, object, attribute, values);
    }
    json_array_foreach(values, i, element) {
        bool known = false;

        json_array_foreach(array, j, other) {
            known = known || json_equal(other, element);
        }
        if (!known) {
            ok = ok && json_array_append(array, element) == 0;
            keep_primary(array, element);
        }
    }
    json_decref(values);
    return ok && few_enough(patch, attribute, array);
}


/* add and replace on a whole attribute */
static bool
set_attribute(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t                 *object, *target, *converted = NULL;
    const scim_attribute_t *attribute = path->attribute;

    if (!typed(patch, attribute, value, &converted)) {
        return false;
    }
    object = holder(patch, path, true);
    target = json_object_get(object, attribute->name);
    if (attribute->mutability == SCIM_IMMUTABLE && target) {
        return assign(patch, object, attribute, converted);
    }
    if (converted && attribute->multi_valued && verb == PATCH_ADD) {
        return append(patch, object, attribute, converted);
    }
    if (attribute->type == SCIM_COMPLEX && !attribute->multi_valued && target
        && json_is_object(value) && !scim_patch_unassigns(value))
    {
        json_decref(converted);
        return merge(patch, attribute, target, value);
    }
    if (converted == NULL && verb == PATCH_ADD && attribute->multi_valued) {
        return true; /* adding nothing */
    }
    return assign(patch, object, attribute, converted);
}


/* remove with a list of values: those elements only (reference L-39b) */
static bool
remove_values(patch_t *patch, const scim_path_t *path, json_t *array,
    const json_t *value)
{
    size_t  i, j;
    json_t *wanted, *converted = NULL;

    scim_lenient_note(patch->lenient, SCIM_LENIENT_REMOVE_VALUE);
    if (!typed(patch, path->attribute, value, &converted)) {
        return false;
    }
    if (converted == NULL) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s: remove with an empty value", path->attribute->name);
    }
    json_array_foreach(converted, i, wanted) {
        for (j = json_array_size(array); j-- > 0; ) {
            json_t *element = json_array_get(array, j);
            json_t *key = json_object_get(wanted, "value");

            if (key ? json_equal(json_object_get(element, "value"), key)
                    : json_equal(element, wanted))
            {
                json_array_remove(array, j);
            }
        }
    }
    json_decref(converted);
    return true;
}


static bool
remove_attribute(patch_t *patch, const scim_path_t *path, const json_t *value)
{
    json_t *old, *object = holder(patch, path, false);

    if (path->attribute->required || is_active(path->attribute)) {
        return mutability(patch, path->attribute);
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
    return assign(patch, object, path->attribute, NULL);
}


/* One sub-attribute of one complex value */
static bool
set_sub(patch_t *patch, patch_verb_t verb, json_t *target,
    const scim_attribute_t *sub, const json_t *value)
{
    json_t *converted = NULL;

    if (sub->mutability == SCIM_READ_ONLY
        || (verb == PATCH_REMOVE && sub->required))
    {
        return mutability(patch, sub);
    }
    if (verb != PATCH_REMOVE && !typed(patch, sub, value, &converted)) {
        return false;
    }
    return assign(patch, target, sub, converted);
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


/* A new element (stolen); the list itself is made when needed. */
static bool
add_element(patch_t *patch, const scim_path_t *path, json_t *element)
{
    const char *name = path->attribute->name;
    json_t     *object = holder(patch, path, true);
    json_t     *array = json_object_get(object, name);

    if (array == NULL) {
        array = attach(object, name, json_array());
    }
    if (json_array_append_new(array, element) != 0) {
        return false;
    }
    keep_primary(array, element);
    return few_enough(patch, path->attribute, array);
}


static bool
at_element_sub(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *target, *array = json_object_get(holder(patch, path, false),
        path->attribute->name);

    scim_lenient_note(patch->lenient, SCIM_LENIENT_NO_FILTER_SUB);
    if (!implied_element(patch, path, array, &target)) {
        return false;
    }
    if (target == NULL) {
        if (verb == PATCH_REMOVE || (value && scim_patch_unassigns(value))) {
            return true;
        }
        target = json_object();
        if (!set_sub(patch, verb, target, path->sub, value)) {
            json_decref(target);
            return false;
        }
        return add_element(patch, path, target);
    }
    if (!set_sub(patch, verb, target, path->sub, value)) {
        return false;
    }
    keep_primary(array, target);
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
    object = holder(patch, path, verb != PATCH_REMOVE);
    target = json_object_get(object, path->attribute->name);
    if (target == NULL) {
        if (verb == PATCH_REMOVE) {
            return true;
        }
        target = attach(object, path->attribute->name, json_object());
    }
    return set_sub(patch, verb, target, path->sub, value);
}


static bool
set_element(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    json_t *element, const json_t *value)
{
    if (path->sub) {
        return set_sub(patch, verb, element, path->sub, value);
    }
    if (path->attribute->type != SCIM_COMPLEX) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_PATH,
            "%s[...]: a simple value can only be removed so",
            path->attribute->name);
    }
    if (!json_is_object(value)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s[...]: the value must be an object", path->attribute->name);
    }
    return merge(patch, path->attribute, element, value);
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
        return no_target(patch);
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
    return add_element(patch, path, element);
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
    return simple || no_target(patch);
}


/* One element that the filter chose; *drop tells to take it out. */
static bool
at_matched(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    json_t *element, const json_t *value, bool *drop)
{
    *drop = false;
    if (verb == PATCH_REMOVE && path->sub == NULL) {
        *drop = true;
        return true;
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


static bool
at_array_filter(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    bool    drop, matched = false;
    size_t  i = 0;
    json_t *element, *array = json_object_get(holder(patch, path, false),
        path->attribute->name);

    while (i < json_array_size(array)) {
        element = json_array_get(array, i);
        if (!scim_filter_match_value(path->filter, element)) {
            i++;
            continue;
        }
        matched = true;
        if (!at_matched(patch, verb, path, element, value, &drop)) {
            return false;
        }
        if (drop) {
            json_array_remove(array, i);
        } else {
            keep_primary(array, element);
            i++;
        }
    }
    if (matched) {
        return true;
    }
    return verb == PATCH_REMOVE ? remove_missed(patch, path)
                                : create_element(patch, verb, path, value);
}


static bool
at_filter(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    json_t *target;

    if (path->attribute->multi_valued) {
        return at_array_filter(patch, verb, path, value);
    }
    scim_lenient_note(patch->lenient, SCIM_LENIENT_FILTER_ON_SINGLE);
    target = json_object_get(holder(patch, path, false),
        path->attribute->name);
    if (target == NULL || !scim_filter_match_value(path->filter, target)) {
        return no_target(patch);
    }
    if (verb == PATCH_REMOVE && path->sub == NULL) {
        return remove_attribute(patch, path, NULL);
    }
    return set_element(patch, verb, path, target, value);
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
            return mutability(patch, attribute);
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

    if (verb == PATCH_REMOVE || json_is_null(value)) {
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
        return mutability(patch, attribute);
    }
    if (attribute->mutability == SCIM_WRITE_ONLY) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_PASSWORD);
        return true;
    }
    if ((path->filter || path->sub) && attribute->mutability == SCIM_IMMUTABLE
        && json_object_get(holder(patch, path, false), attribute->name))
    {
        return mutability(patch, attribute);
    }
    if (path->filter) {
        return at_filter(patch, verb, path, value);
    }
    if (path->sub) {
        return at_sub(patch, verb, path, value);
    }
    return verb == PATCH_REMOVE
        ? remove_attribute(patch, path, value)
        : set_attribute(patch, verb, path, value);
}
