#include <string.h>

#include "scim_filter.h"
#include "scim_fold.h"
#include "scim_time.h"

#define FOLDED_MAX    ((size_t) 8 << 20)
#define COMPARE_WORK  16 /* beside the text: looking the value up */


static bool
present(const json_t *value)
{
    size_t      i;
    json_t     *inner;
    const char *key;

    if (value == NULL || json_is_null(value)) {
        return false;
    }
    if (json_is_array(value)) {
        json_array_foreach((json_t *) value, i, inner) {
            if (present(inner)) {
                return true;
            }
        }
        return false;
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *) value, key, inner) {
            if (present(inner)) {
                return true;
            }
        }
        return false;
    }
    return true;
}


static bool
ordered(scim_filter_kind_t kind, int order)
{
    switch (kind) {
    case SCIM_FILTER_EQ:
        return order == 0;
    case SCIM_FILTER_NE:
        return order != 0;
    case SCIM_FILTER_GT:
        return order > 0;
    case SCIM_FILTER_GE:
        return order >= 0;
    case SCIM_FILTER_LT:
        return order < 0;
    case SCIM_FILTER_LE:
        return order <= 0;
    default:
        return false;
    }
}


static bool
compare_bytes(scim_filter_kind_t kind, const char *a, size_t a_len,
    const char *b, size_t b_len)
{
    int order;

    switch (kind) {
    case SCIM_FILTER_CO:
        return memmem(a, a_len, b, b_len) != NULL;
    case SCIM_FILTER_SW:
        return a_len >= b_len && memcmp(a, b, b_len) == 0;
    case SCIM_FILTER_EW:
        return a_len >= b_len && memcmp(a + a_len - b_len, b, b_len) == 0;
    default:
        order = memcmp(a, b, a_len < b_len ? a_len : b_len);
        if (order == 0) {
            order = a_len < b_len ? -1 : a_len > b_len;
        }
        return ordered(kind, order);
    }
}


static bool
compare_text(const scim_filter_t *filter, const json_t *value,
    bool case_exact, scim_filter_work_t *work)
{
    bool          result = false;
    size_t        len = json_string_length(value);
    const char   *text = json_string_value(value);
    scim_buffer_t folded;

    if (case_exact) {
        work->done += len;
        return compare_bytes(filter->kind, text, len,
            json_string_value(filter->value),
            json_string_length(filter->value));
    }
    work->done += scim_fold_work(text, len);
    scim_buffer_init(&folded, FOLDED_MAX);
    if (work->done <= work->most && scim_fold(text, len, &folded)) {
        result = compare_bytes(filter->kind, folded.data, folded.len,
            filter->folded.data, filter->folded.len);
    }
    scim_buffer_free(&folded);
    return result;
}


static bool
compare_time(scim_filter_kind_t kind, const json_t *a, const json_t *b)
{
    int64_t left, right;

    if (!scim_time_parse(json_string_value(a), json_string_length(a), true,
            &left)
        || !scim_time_parse(json_string_value(b), json_string_length(b), true,
            &right))
    {
        return false;
    }
    return ordered(kind, left < right ? -1 : left > right);
}


/* Integers as such: a double does not hold each of them. */
static int
number_order(const json_t *a, const json_t *b)
{
    double left, right;

    if (json_is_integer(a) && json_is_integer(b)) {
        return json_integer_value(a) < json_integer_value(b)
            ? -1 : json_integer_value(a) > json_integer_value(b);
    }
    left = json_number_value(a);
    right = json_number_value(b);
    return left < right ? -1 : left > right;
}


static bool
compare(const scim_filter_t *filter, const scim_attribute_t *attribute,
    const json_t *value, scim_filter_work_t *work)
{
    work->done += COMPARE_WORK;
    if (work->done > work->most) {
        return false;
    }
    if (json_is_string(value) && json_is_string(filter->value)) {
        return attribute->type == SCIM_DATETIME
            ? compare_time(filter->kind, value, filter->value)
            : compare_text(filter, value, attribute->case_exact, work);
    }
    if (json_is_number(value) && json_is_number(filter->value)) {
        return ordered(filter->kind, number_order(value, filter->value));
    }
    if (json_is_boolean(value) && json_is_boolean(filter->value)) {
        return ordered(filter->kind,
            json_is_true(value) != json_is_true(filter->value));
    }
    return false;
}


/* One comparison against a value that may have several values itself. */
static bool
match_values(const scim_filter_t *filter, const scim_attribute_t *attribute,
    const json_t *value, scim_filter_work_t *work)
{
    size_t  i;
    json_t *element;

    if (!json_is_array(value)) {
        return compare(filter, attribute, value, work);
    }
    json_array_foreach((json_t *) value, i, element) {
        if (compare(filter, attribute, element, work)) {
            return true;
        }
    }
    return false;
}


/* Does `value`, found where the path points, satisfy the comparison? */
static bool
match_leaf(const scim_filter_t *filter, const scim_attribute_t *attribute,
    const json_t *value, scim_filter_work_t *work)
{
    work->done += COMPARE_WORK;
    if (filter->kind == SCIM_FILTER_PRESENT) {
        return present(value);
    }
    if (json_is_null(filter->value)) {
        return present(value) == (filter->kind == SCIM_FILTER_NE);
    }
    if (!present(value)) {
        return filter->kind == SCIM_FILTER_NE;
    }
    return match_values(filter, attribute, value, work);
}


/* The compared sub-attribute of a complex value, `.value` by default. */
static const scim_attribute_t *
leaf_attribute(const scim_filter_t *filter)
{
    if (filter->sub) {
        return filter->sub;
    }
    if (filter->attribute->type == SCIM_COMPLEX
        && filter->kind != SCIM_FILTER_PRESENT)
    {
        return scim_attribute_sub(filter->attribute, "value", 5);
    }
    return NULL;
}


static bool
match_elements(const scim_filter_t *filter, const scim_attribute_t *leaf,
    const json_t *array, scim_filter_work_t *work)
{
    size_t  i;
    bool    any = false;
    json_t *element;

    if (json_is_null(filter->value)) { /* eq null is the opposite of pr */
        json_array_foreach((json_t *) array, i, element) {
            any = any || present(json_object_get(element, leaf->name));
        }
        return any == (filter->kind == SCIM_FILTER_NE);
    }
    json_array_foreach((json_t *) array, i, element) {
        if (match_leaf(filter, leaf, json_object_get(element, leaf->name),
                work))
        {
            return true;
        }
    }
    /* no element at all: as if the one value were absent */
    return json_array_size(array) == 0
        && match_leaf(filter, leaf, NULL, work);
}


static bool
match_attribute(const scim_filter_t *filter, const json_t *value,
    scim_filter_work_t *work)
{
    const scim_attribute_t *leaf = leaf_attribute(filter);

    if (leaf == NULL) {
        return match_leaf(filter, filter->attribute, value, work);
    }
    if (json_is_array(value)) {
        return match_elements(filter, leaf, value, work);
    }
    return match_leaf(filter, leaf, json_object_get(value, leaf->name),
        work);
}


static const json_t *
attribute_value(const scim_filter_t *filter, const json_t *resource)
{
    if (filter->attribute == NULL) {
        return NULL;
    }
    if (filter->extension) {
        resource = json_object_get(resource, filter->extension->id);
    }
    return json_object_get(resource, filter->attribute->name);
}


static bool
match_absent(const scim_filter_t *filter)
{
    if (filter->kind == SCIM_FILTER_NE) {
        return !json_is_null(filter->value);
    }
    return filter->kind == SCIM_FILTER_EQ && json_is_null(filter->value);
}


static bool
match_value_path(const scim_filter_t *filter, const json_t *value,
    scim_filter_work_t *work)
{
    size_t  i;
    json_t *element;

    if (json_is_object(value)) {
        return scim_filter_match_value(filter->left, value, work)
            && (filter->right == NULL
                || scim_filter_match_value(filter->right, value, work));
    }
    json_array_foreach((json_t *) value, i, element) {
        if (scim_filter_match_value(filter->left, element, work)
            && (filter->right == NULL
                || scim_filter_match_value(filter->right, element, work)))
        {
            return true;
        }
    }
    return false;
}


bool
scim_filter_match(const scim_filter_t *filter, const json_t *resource,
    scim_filter_work_t *work)
{
    switch (filter->kind) {
    case SCIM_FILTER_AND:
        return scim_filter_match(filter->left, resource, work)
            && scim_filter_match(filter->right, resource, work);
    case SCIM_FILTER_OR:
        return scim_filter_match(filter->left, resource, work)
            || scim_filter_match(filter->right, resource, work);
    case SCIM_FILTER_NOT:
        return !scim_filter_match(filter->left, resource, work);
    case SCIM_FILTER_VALUE_PATH:
        return match_value_path(filter, attribute_value(filter, resource),
            work);
    default:
        return filter->attribute
            ? match_attribute(filter, attribute_value(filter, resource), work)
            : match_absent(filter);
    }
}


bool
scim_filter_match_value(const scim_filter_t *filter, const json_t *element,
    scim_filter_work_t *work)
{
    switch (filter->kind) {
    case SCIM_FILTER_AND:
        return scim_filter_match_value(filter->left, element, work)
            && scim_filter_match_value(filter->right, element, work);
    case SCIM_FILTER_OR:
        return scim_filter_match_value(filter->left, element, work)
            || scim_filter_match_value(filter->right, element, work);
    case SCIM_FILTER_NOT:
        return !scim_filter_match_value(filter->left, element, work);
    case SCIM_FILTER_VALUE_PATH:
        return false; /* the parser makes none inside brackets */
    default:
        if (filter->sub) {
            return match_leaf(filter, filter->sub,
                json_object_get(element, filter->sub->name), work);
        }
        return match_leaf(filter, filter->attribute, element, work);
    }
}
