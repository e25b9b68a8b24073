#include <string.h>

#include "scim_patch_internal.h"


bool
scim_patch_literals(const scim_filter_t *filter, json_t *element)
{
    json_t *old, *literal = NULL;

    if (filter->kind == SCIM_FILTER_AND) {
        return scim_patch_literals(filter->left, element)
            && scim_patch_literals(filter->right, element);
    }
    if (filter->kind != SCIM_FILTER_EQ || filter->sub == NULL
        || filter->sub->mutability == SCIM_READ_ONLY
        || !scim_value_normalize(filter->sub, filter->value, "", &literal,
            NULL, NULL)
        || literal == NULL)
    {
        return false;
    }
    old = json_object_get(element, filter->sub->name);
    if (old && !json_equal(old, literal)) {
        json_decref(literal);
        return false;
    }
    return json_object_set_new(element, filter->sub->name, literal) == 0;
}


bool
scim_patch_canonical(const scim_attribute_t *attribute, const json_t *literals)
{
    const json_t           *type = json_object_get(literals, "type");
    const scim_attribute_t *sub = scim_attribute_sub(attribute, "type", 4);

    if (json_is_true(json_object_get(literals, "primary"))
        && json_object_size(literals) == 1)
    {
        return true;
    }
    if (!json_is_string(type) || sub == NULL) {
        return false;
    }
    for (size_t i = 0; i < sub->canonical_value_count; i++) {
        if (strcmp(sub->canonical_values[i], json_string_value(type)) == 0) {
            return true;
        }
    }
    return false;
}
