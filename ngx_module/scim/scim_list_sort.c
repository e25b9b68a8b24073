#include "scim_list.h"

#include <stdlib.h>
#include <string.h>

#include "scim_fold.h"
#include "scim_time.h"

/*
 * sortBy: RFC 7644 section 3.4.2.3.  Values become keys of bytes, so that one
 * comparison serves every type.  Only as many items are kept as can come into
 * the answer.
 */
#define KEY_PRESENT '\1'
#define KEY_ABSENT  '\2'
#define SLACK       1000 /* items kept beyond those that are needed */


static bool
refuse(scim_text_t path, const char *why, scim_error_t *error)
{
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_PATH,
        "sortBy '%.*s' %s", path.len > 64 ? 64 : (int) path.len, path.text,
        why);
}


bool
scim_list_sort_read(const scim_resource_type_t *type, scim_text_t path,
    scim_list_sort_t *sort, scim_lenient_t *lenient, scim_error_t *error)
{
    bool        filtered;
    scim_path_t parsed = { 0 };

    memset(sort, 0, sizeof(*sort));
    if (!scim_path_parse(type, path.text, path.len, &parsed, lenient, error))
    {
        return refuse(path, "is no attribute", error);
    }
    filtered = parsed.filter != NULL;
    sort->extension = parsed.extension;
    sort->attribute = parsed.attribute;
    sort->sub = parsed.sub;
    scim_path_free(&parsed);
    if (filtered) {
        return refuse(path, "has a filter", error);
    }
    if (sort->attribute == NULL) {
        return refuse(path, "is no attribute", error);
    }
    if (sort->sub == NULL && sort->attribute->type == SCIM_COMPLEX) {
        sort->sub = scim_attribute_sub(sort->attribute, "value", 5);
        if (sort->sub == NULL) {
            return refuse(path, "is complex: name a sub-attribute", error);
        }
    }
    if (sort->attribute->returned == SCIM_RETURNED_NEVER
        || (sort->sub && sort->sub->returned == SCIM_RETURNED_NEVER))
    {
        return refuse(path, "is never returned", error);
    }
    return true;
}


/* ---- keys ---- */

/* The primary element, or the first one. */
static const json_t *
chosen(const json_t *array)
{
    size_t  i;
    json_t *element;

    json_array_foreach((json_t *) array, i, element) {
        if (json_is_true(json_object_get(element, "primary"))) {
            return element;
        }
    }
    return json_array_get(array, 0);
}


static const json_t *
sort_value(const scim_list_sort_t *sort, const json_t *resource)
{
    const json_t *value = resource;

    if (sort->attribute == NULL) {
        return NULL;
    }
    if (sort->extension) {
        value = json_object_get(value, sort->extension->id);
    }
    value = json_object_get(value, sort->attribute->name);
    if (json_is_array(value)) {
        value = chosen(value);
    }
    return sort->sub ? json_object_get(value, sort->sub->name) : value;
}


static void
append_ordered(uint64_t bits, scim_buffer_t *out)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        scim_buffer_append_char(out, (char) (bits >> shift & 0xff));
    }
}


/* Bytes of the same order: the sign turned, all bits of negative ones, too. */
static void
append_number(double number, scim_buffer_t *out)
{
    uint64_t bits;

    number = number == 0 ? 0 : number; /* there is one zero */
    memcpy(&bits, &number, sizeof(bits));
    append_ordered(bits >> 63 ? ~bits : bits | (uint64_t) 1 << 63, out);
}


static void
append_text(const scim_attribute_t *attribute, const json_t *value,
    scim_buffer_t *out)
{
    int64_t     ms;
    size_t      from = out->len, len = json_string_length(value);
    const char *text = json_string_value(value);

    if (attribute->type == SCIM_DATETIME
        && scim_time_parse(text, len, true, &ms))
    {
        append_ordered((uint64_t) ms + ((uint64_t) 1 << 63), out);
        return;
    }
    if (attribute->case_exact || !scim_fold(text, len, out)) {
        out->len = from;
        scim_buffer_append(out, text, len);
    }
    if (out->len - from > SCIM_LIST_KEY_MAX) {
        out->len = from + SCIM_LIST_KEY_MAX;
    }
}


bool
scim_list_sort_key(const scim_list_sort_t *sort, const json_t *resource,
    scim_buffer_t *out)
{
    const json_t *value = sort_value(sort, resource);

    if (!json_is_string(value) && !json_is_number(value)
        && !json_is_boolean(value))
    {
        scim_buffer_append_char(out, KEY_ABSENT);
        return !scim_buffer_failed(out);
    }
    scim_buffer_append_char(out, KEY_PRESENT);
    if (json_is_string(value)) {
        append_text(sort->sub ? sort->sub : sort->attribute, value, out);
    } else if (json_is_number(value)) {
        append_number(json_number_value(value), out);
    } else {
        scim_buffer_append_char(out, json_is_true(value) ? '\1' : '\0');
    }
    return !scim_buffer_failed(out);
}


/* ---- items ---- */

int
scim_list_order_compare(const scim_list_order_t *order, const char *a_key,
    size_t a_len, const char *a_id, const char *b_key, size_t b_len,
    const char *b_id)
{
    int result = memcmp(a_key, b_key, a_len < b_len ? a_len : b_len);

    if (result == 0) {
        result = a_len < b_len ? -1 : a_len > b_len;
    }
    if (result) {
        return order->descending ? -result : result;
    }
    return memcmp(a_id, b_id, SCIM_UUID_LEN);
}


static int
compare_items(const void *left, const void *right, void *order)
{
    const scim_list_item_t *a = left, *b = right;

    return scim_list_order_compare(order, a->key, a->key_len, a->id, b->key,
        b->key_len, b->id);
}


void
scim_list_order_finish(scim_list_order_t *order)
{
    if (order->count == 0) {
        return;
    }
    qsort_r(order->item, order->count, sizeof(*order->item), compare_items,
        order);
    while ((long long) order->count > order->need) {
        free(order->item[--order->count].key);
    }
}


static bool
make_room(scim_list_order_t *order)
{
    size_t            room;
    scim_list_item_t *item;

    if ((long long) order->count >= 2 * order->need + SLACK) {
        scim_list_order_finish(order);
    }
    if (order->count < order->room) {
        return true;
    }
    room = order->room ? 2 * order->room : SLACK;
    item = realloc(order->item, room * sizeof(*item));
    if (item == NULL) {
        return false;
    }
    order->item = item;
    order->room = room;
    return true;
}


bool
scim_list_order_add(scim_list_order_t *order, const char *key, size_t key_len,
    const char *id, unsigned segment)
{
    scim_list_item_t *item;

    if (order->need <= 0) {
        return true;
    }
    if (!make_room(order)) {
        return false;
    }
    item = &order->item[order->count];
    item->key = malloc(key_len);
    if (item->key == NULL) {
        return false;
    }
    memcpy(item->key, key, key_len);
    item->key_len = key_len;
    memcpy(item->id, id, SCIM_UUID_LEN);
    item->id[SCIM_UUID_LEN] = '\0';
    item->segment = segment;
    order->count++;
    return true;
}


void
scim_list_order_clear(scim_list_order_t *order)
{
    for (size_t i = 0; i < order->count; i++) {
        free(order->item[i].key);
    }
    free(order->item);
    order->item = NULL;
    order->count = order->room = 0;
}
