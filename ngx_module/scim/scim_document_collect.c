#include <string.h>

#include "scim_document_internal.h"
#include "scim_fold.h"
#include "scim_path.h"

typedef scim_collector_t collector_t;


json_t **
scim_document_slot(scim_slots_t *slots, const scim_attribute_t *attribute)
{
    const scim_resource_type_t *type = slots->type;

    if (attribute->schema == NULL) {
        return strcmp(attribute->name, "externalId") == 0
            ? &slots->external_id : NULL;
    }
    if (attribute->schema == type->schema) {
        return &slots->core[attribute - type->schema->attributes];
    }
    for (size_t e = 0; e < type->extension_count
         && e < SCIM_SCHEMA_EXTENSION_MAX; e++)
    {
        if (type->extensions[e] == attribute->schema) {
            return &slots->extension[e]
                [attribute - type->extensions[e]->attributes];
        }
    }
    return NULL;
}


static bool
is_members(const collector_t *collector, const scim_attribute_t *attribute)
{
    return attribute->schema == collector->slots.type->schema
        && strcmp(attribute->name, "members") == 0
        && strcmp(collector->slots.type->key_word, "group") == 0;
}


/* Neither true nor false: not said at all, reference L-07. */
static bool
active_unsaid(const scim_attribute_t *attribute, const json_t *value)
{
    return attribute->type == SCIM_BOOLEAN
        && strcmp(attribute->name, "active") == 0
        && (json_is_null(value)
            || (json_is_string(value) && json_string_length(value) == 0));
}


/* Whether the slot takes no value, and why that is nothing bad. */
static bool
passed_over(collector_t *collector, const scim_attribute_t *attribute,
    json_t *const *slot, const json_t *value)
{
    if (attribute->mutability == SCIM_READ_ONLY || slot == NULL) {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_READ_ONLY);
        return true;
    }
    if (attribute->mutability == SCIM_WRITE_ONLY) {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_PASSWORD);
        return true;
    }
    if (active_unsaid(attribute, value)) {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_ACTIVE_EMPTY);
        return true;
    }
    return false;
}


static bool
collect_value(collector_t *collector, const scim_attribute_t *attribute,
    const json_t *value)
{
    json_t  *typed = NULL;
    json_t **slot = scim_document_slot(&collector->slots, attribute);

    if (is_members(collector, attribute)) {
        collector->members = value;
        return true;
    }
    if (passed_over(collector, attribute, slot, value)) {
        return true;
    }
    if (!scim_value_normalize(attribute, value, attribute->name, &typed,
            collector->lenient, collector->error))
    {
        return false;
    }
    json_decref(*slot);
    *slot = typed;
    return true;
}


/* One sub-attribute; those that came before it stay. */
static bool
collect_sub(collector_t *collector, const scim_attribute_t *attribute,
    const scim_attribute_t *sub, const json_t *value)
{
    bool     ok;
    json_t  *wrapped, *typed = NULL;
    json_t **slot = scim_document_slot(&collector->slots, attribute);

    if (is_members(collector, attribute)
        || passed_over(collector, attribute, slot, value))
    {
        return true;
    }
    wrapped = json_pack(attribute->multi_valued ? "[{sO}]" : "{sO}",
        sub->name, value);
    ok = wrapped
        && scim_value_normalize(attribute, wrapped, attribute->name, &typed,
            collector->lenient, collector->error);
    json_decref(wrapped);
    if (typed && *slot) {
        ok = attribute->multi_valued
            ? json_object_update(json_array_get(*slot, 0),
                  json_array_get(typed, 0)) == 0
            : json_object_update(*slot, typed) == 0;
        json_decref(typed);
    } else if (typed) {
        *slot = typed;
    }
    return ok;
}


static bool
collect_container(collector_t *collector, const scim_schema_t *schema,
    const json_t *container)
{
    json_t     *value;
    const char *key;

    if (json_is_null(container)) {
        return true;
    }
    if (!json_is_object(container)) {
        return scim_error_set(collector->error, 400,
            SCIM_ERROR_INVALID_VALUE, "%.120s must be an object", schema->id);
    }
    json_object_foreach((json_t *) container, key, value) {
        const scim_attribute_t *attribute = scim_resource_type_attribute(
            collector->slots.type, schema->id, schema->id_len, key,
            strlen(key));

        if (attribute == NULL) {
            scim_lenient_note(collector->lenient, SCIM_LENIENT_UNKNOWN_KEY);
            continue;
        }
        if (strcmp(attribute->name, key) != 0) {
            scim_lenient_note(collector->lenient, SCIM_LENIENT_KEY_CASE);
        }
        if (!collect_value(collector, attribute, value)) {
            return false;
        }
    }
    return true;
}


/* A key that is a path: "URN:attribute", "name.givenName" (L-26, L-27). */
static bool
collect_path(collector_t *collector, const char *key, const json_t *value)
{
    bool         ok = true;
    scim_path_t  path = { 0 };
    scim_error_t unknown = { 0 };

    if (!scim_path_parse(collector->slots.type, key, strlen(key), &path,
            collector->lenient, &unknown)
        || path.filter)
    {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_UNKNOWN_KEY);
    } else if (path.attribute) {
        scim_lenient_note(collector->lenient, strchr(key, ':')
            ? SCIM_LENIENT_URN_KEY : SCIM_LENIENT_DOTTED_KEY);
        ok = path.sub
            ? collect_sub(collector, path.attribute, path.sub, value)
            : collect_value(collector, path.attribute, value);
    }
    scim_path_free(&path);
    return ok;
}


/* Entra's legacy form puts extension attributes at top level: L-48. */
static const scim_attribute_t *
extension_attribute(const scim_resource_type_t *type, const char *key)
{
    for (size_t e = 0; e < type->extension_count; e++) {
        const scim_attribute_t *attribute = scim_resource_type_attribute(type,
            type->extensions[e]->id, type->extensions[e]->id_len, key,
            strlen(key));

        if (attribute) {
            return attribute;
        }
    }
    return NULL;
}


/* A container of the core schema or of an extension, or a flat key. */
static bool
collect_urn(collector_t *collector, const char *key, const json_t *value)
{
    const scim_resource_type_t *type = collector->slots.type;
    const scim_schema_t        *schema;

    schema = scim_resource_type_extension(type, key, strlen(key));
    if (schema == NULL
        && scim_name_equal(key, strlen(key), type->schema->id,
            type->schema->id_len))
    {
        schema = type->schema;
    }
    return schema ? collect_container(collector, schema, value)
                  : collect_path(collector, key, value);
}


static bool
collect_member(collector_t *collector, const char *key, const json_t *value)
{
    size_t                  len = strlen(key);
    const scim_attribute_t *attribute;

    if (len > 4 && scim_name_equal(key, 4, "urn:", 4)) {
        return collect_urn(collector, key, value);
    }
    attribute = scim_resource_type_attribute(collector->slots.type, NULL, 0,
        key, len);
    if (attribute == NULL && strchr(key, '.')) {
        return collect_path(collector, key, value);
    }
    if (attribute == NULL) {
        attribute = extension_attribute(collector->slots.type, key);
        if (attribute == NULL) {
            scim_lenient_note(collector->lenient, SCIM_LENIENT_UNKNOWN_KEY);
            return true;
        }
        scim_lenient_note(collector->lenient,
            SCIM_LENIENT_EXTENSION_TOP_LEVEL);
    } else if (strcmp(attribute->name, key) != 0) {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_KEY_CASE);
    }
    if (attribute->schema == NULL && strcmp(attribute->name, "schemas") == 0) {
        return true; /* checked before, rebuilt from what is there */
    }
    return collect_value(collector, attribute, value);
}


bool
scim_document_collect(scim_collector_t *collector, const json_t *body)
{
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) body, key, value) {
        if (!collect_member(collector, key, value)) {
            return false;
        }
    }
    return true;
}
