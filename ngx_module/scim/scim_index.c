#include "scim_index.h"

#include <string.h>

#include "scim_fold.h"

static const scim_index_t user_indexes[] = {
    { "userName", true },
    { "externalId", false },
    { "displayName", false },
    { "emails.value", false }
};

static const scim_index_t group_indexes[] = {
    { "displayName", true },
    { "externalId", false }
};


const scim_index_t *
scim_index_list(const scim_resource_type_t *type, size_t *count)
{
    if (strcmp(type->key_word, "user") == 0) {
        *count = sizeof(user_indexes) / sizeof(user_indexes[0]);
        return user_indexes;
    }
    *count = sizeof(group_indexes) / sizeof(group_indexes[0]);
    return group_indexes;
}


const scim_index_t *
scim_index_find(const scim_resource_type_t *type, const char *attribute,
    size_t len)
{
    size_t              count;
    const scim_index_t *indexes = scim_index_list(type, &count);

    for (size_t i = 0; i < count; i++) {
        if (scim_name_equal(indexes[i].attribute,
                strlen(indexes[i].attribute), attribute, len))
        {
            return &indexes[i];
        }
    }
    return NULL;
}


static bool
case_exact(const scim_resource_type_t *type, const scim_index_t *index)
{
    size_t                  len = strcspn(index->attribute, ".");
    const char             *sub = index->attribute + len;
    const scim_attribute_t *attribute = scim_resource_type_attribute(type,
        NULL, 0, index->attribute, len);

    if (attribute && *sub == '.') {
        attribute = scim_attribute_sub(attribute, sub + 1, strlen(sub + 1));
    }
    return attribute == NULL || attribute->case_exact;
}


static bool
whole_key(const scim_resource_type_t *type, const scim_index_t *index,
    const char *value, size_t len, scim_buffer_t *out)
{
    if (case_exact(type, index)) {
        scim_buffer_append(out, value, len);
        return true;
    }
    return scim_fold(value, len, out);
}


bool
scim_index_key(const scim_resource_type_t *type, const scim_index_t *index,
    const char *value, size_t len, scim_buffer_t *out)
{
    size_t from = out->len;

    if (!whole_key(type, index, value, len, out)) {
        return false;
    }
    if (out->len - from > SCIM_INDEX_VALUE_MAX) {
        out->len = from + SCIM_INDEX_VALUE_MAX;
        out->data[out->len] = '\0';
    }
    return !scim_buffer_failed(out);
}


static void
add_value(const scim_resource_type_t *type, const scim_index_t *index,
    const json_t *value, json_t *values)
{
    size_t        i;
    json_t       *other;
    scim_buffer_t key;

    if (!json_is_string(value) || json_string_length(value) == 0) {
        return;
    }
    scim_buffer_init(&key, 1 << 20);
    if (scim_index_key(type, index, json_string_value(value),
            json_string_length(value), &key)
        && key.len && memchr(key.data, '\0', key.len) == NULL)
    {
        json_array_foreach(values, i, other) {
            if (json_string_length(other) == key.len
                && memcmp(json_string_value(other), key.data, key.len) == 0)
            {
                scim_buffer_free(&key);
                return;
            }
        }
        /* cut values may end inside a character: nobody reads them back */
        json_array_append_new(values,
            json_stringn_nocheck(key.data, key.len));
    }
    scim_buffer_free(&key);
}


json_t *
scim_index_values(const scim_resource_type_t *type, const scim_index_t *index,
    const json_t *document)
{
    char          name[64];
    size_t        i, len = strcspn(index->attribute, ".");
    json_t       *element, *values = json_array();
    const char   *sub = index->attribute + len;
    const json_t *value;

    if (values == NULL || len >= sizeof(name)) {
        return values;
    }
    memcpy(name, index->attribute, len);
    name[len] = '\0';
    value = json_object_get(document, name);
    if (*sub != '.') {
        add_value(type, index, value, values);
        return values;
    }
    json_array_foreach((json_t *) value, i, element) {
        add_value(type, index, json_object_get(element, sub + 1), values);
    }
    return values;
}


/* Whether an index can tell the value from all others. */
static bool
told_apart(const scim_resource_type_t *type, const scim_index_t *index,
    const json_t *value)
{
    bool          fits;
    scim_buffer_t key;

    scim_buffer_init(&key, 1 << 20);
    fits = whole_key(type, index, json_string_value(value),
            json_string_length(value), &key)
        && !scim_buffer_failed(&key) && key.len <= SCIM_INDEX_VALUE_MAX;
    scim_buffer_free(&key);
    return fits;
}


bool
scim_index_check(const scim_resource_type_t *type, const json_t *before,
    const json_t *after, scim_error_t *error)
{
    size_t              count;
    const scim_index_t *indexes = scim_index_list(type, &count);

    for (size_t i = 0; i < count; i++) {
        const char   *name = indexes[i].attribute;
        const json_t *value = json_object_get(after, name);

        if (indexes[i].unique && json_is_string(value)
            && !json_equal(value, json_object_get(before, name))
            && !told_apart(type, &indexes[i], value))
        {
            return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE,
                "%s is longer than %d bytes", name, SCIM_INDEX_VALUE_MAX);
        }
    }
    return true;
}
