#include <string.h>

#include "scim_patch_internal.h"
#include "scim_unique.h"


bool
scim_patch_no_target(patch_t *patch)
{
    return scim_error_set(patch->error, 400, SCIM_ERROR_NO_TARGET,
        "no value matches the path's filter");
}


bool
scim_patch_mutability(patch_t *patch, const scim_attribute_t *attribute)
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


json_t *
scim_patch_attach(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0 ? value : NULL;
}


json_t *
scim_patch_holder(patch_t *patch, const scim_path_t *path, bool make)
{
    json_t *container;

    if (path->extension == NULL) {
        return patch->document;
    }
    container = json_object_get(patch->document, path->extension->id);
    if (container == NULL && make) {
        container = scim_patch_attach(patch->document, path->extension->id,
            json_object());
    }
    return container;
}


bool
scim_patch_assign(patch_t *patch, json_t *object,
    const scim_attribute_t *attribute, json_t *value)
{
    json_t *old = json_object_get(object, attribute->name);

    if (attribute->mutability == SCIM_IMMUTABLE && old
        && !(value && json_equal(old, value)))
    {
        json_decref(value);
        return scim_patch_mutability(patch, attribute);
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


bool
scim_patch_is_active(const scim_attribute_t *attribute)
{
    return attribute->type == SCIM_BOOLEAN && attribute->parent == NULL
        && strcmp(attribute->name, "active") == 0;
}


bool
scim_patch_typed(patch_t *patch, const scim_attribute_t *attribute,
    const json_t *value, json_t **out)
{
    if (value == NULL) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s: the operation has no value", attribute->name);
    }
    if (scim_patch_is_active(attribute) && scim_patch_unassigns(value)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "active must be true or false");
    }
    return scim_value_normalize(attribute, value, attribute->name, out,
        patch->lenient, patch->error);
}


void
scim_patch_keep_primary(json_t *array, const json_t *winner)
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


bool
scim_patch_few_enough(patch_t *patch, const scim_attribute_t *attribute,
    const json_t *array)
{
    return json_array_size(array) <= SCIM_DOCUMENT_VALUE_MAX
        || scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%s has more than %d values", attribute->name,
            SCIM_DOCUMENT_VALUE_MAX);
}


bool
scim_patch_append(patch_t *patch, json_t *object,
    const scim_attribute_t *attribute, json_t *values)
{
    bool    ok;
    size_t  before;
    json_t *array = json_object_get(object, attribute->name);

    if (array == NULL) {
        return scim_patch_assign(patch, object, attribute, values);
    }
    before = json_array_size(array);
    ok = scim_patch_spend(patch,
            (before + json_array_size(values)) * SCIM_PATCH_PAIR)
        && json_array_extend(array, values) == 0
        && scim_unique(array, before);
    json_decref(values);
    for (size_t i = before; ok && i < json_array_size(array); i++) {
        scim_patch_keep_primary(array, json_array_get(array, i));
    }
    return ok && scim_patch_few_enough(patch, attribute, array);
}


/* A sub-attribute's new value (stolen, NULL = none); add appends to a list. */
static bool
put_sub(patch_t *patch, patch_verb_t verb, json_t *target,
    const scim_attribute_t *sub, json_t *value)
{
    bool appends = verb == PATCH_ADD && sub->multi_valued
        && (sub->mutability != SCIM_IMMUTABLE
            || json_object_get(target, sub->name) == NULL);

    if (appends) {
        return value == NULL || scim_patch_append(patch, target, sub, value);
    }
    return scim_patch_assign(patch, target, sub, value);
}


bool
scim_patch_merge(patch_t *patch, patch_verb_t verb,
    const scim_attribute_t *attribute, json_t *target, const json_t *value)
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
            && !scim_patch_assign(patch, target, sub, NULL))
        {
            json_decref(converted);
            return false;
        }
    }
    json_object_foreach(converted, key, inner) {
        if (!put_sub(patch, verb, target,
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


bool
scim_patch_set_sub(patch_t *patch, patch_verb_t verb, json_t *target,
    const scim_attribute_t *sub, const json_t *value)
{
    json_t *converted = NULL;

    if (sub->mutability == SCIM_READ_ONLY
        || (verb == PATCH_REMOVE && sub->required))
    {
        return scim_patch_mutability(patch, sub);
    }
    if (verb != PATCH_REMOVE
        && !scim_patch_typed(patch, sub, value, &converted))
    {
        return false;
    }
    return put_sub(patch, verb, target, sub, converted);
}


bool
scim_patch_add_element(patch_t *patch, const scim_path_t *path, json_t *element)
{
    const char *name = path->attribute->name;
    json_t     *object = scim_patch_holder(patch, path, true);
    json_t     *array = json_object_get(object, name);

    if (array == NULL) {
        array = scim_patch_attach(object, name, json_array());
    }
    if (json_array_append_new(array, element) != 0) {
        return false;
    }
    scim_patch_keep_primary(array, element);
    return scim_patch_few_enough(patch, path->attribute, array);
}
