#include "scim_document.h"

#include <stdlib.h>
#include <string.h>

#include "scim_document_internal.h"
#include "scim_fold.h"
#include "scim_unique.h"

static void
free_slots(scim_slots_t *slots)
{
    json_decref(slots->external_id);
    for (size_t i = 0; i < slots->type->schema->attribute_count; i++) {
        json_decref(slots->core[i]);
    }
    for (size_t e = 0; e < slots->type->extension_count; e++) {
        for (size_t i = 0; i < slots->type->extensions[e]->attribute_count;
             i++)
        {
            json_decref(slots->extension[e][i]);
        }
    }
}


/* A complex value has the sub-attributes that it must have. */
static bool
check_sub_attributes(const scim_attribute_t *attribute, const json_t *value,
    scim_error_t *error)
{
    size_t  i;
    json_t *element;

    json_array_foreach((json_t *) value, i, element) {
        if (!check_sub_attributes(attribute, element, error)) {
            return false;
        }
    }
    for (i = 0; json_is_object(value) && i < attribute->sub_attribute_count;
         i++)
    {
        const scim_attribute_t *sub = &attribute->sub_attributes[i];

        if (sub->required && sub->mutability != SCIM_READ_ONLY
            && sub->mutability != SCIM_WRITE_ONLY
            && json_object_get(value, sub->name) == NULL)
        {
            return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE,
                "%s.%s is required", attribute->name, sub->name);
        }
    }
    return true;
}


static bool
check_schema_required(const scim_schema_t *schema, json_t *const *values,
    scim_error_t *error)
{
    for (size_t i = 0; i < schema->attribute_count; i++) {
        const scim_attribute_t *attribute = &schema->attributes[i];

        if (attribute->required && values[i] == NULL
            && attribute->mutability != SCIM_READ_ONLY
            && attribute->mutability != SCIM_WRITE_ONLY)
        {
            return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE,
                "%s is required and must not be empty", attribute->name);
        }
        if (!check_sub_attributes(attribute, values[i], error)) {
            return false;
        }
    }
    return true;
}


/* What an extension requires is required where the extension is used. */
static bool
check_required(const scim_slots_t *slots, scim_error_t *error)
{
    const scim_resource_type_t *type = slots->type;

    if (!check_schema_required(type->schema, slots->core, error)) {
        return false;
    }
    for (size_t e = 0; e < type->extension_count; e++) {
        bool used = false;

        for (size_t i = 0; i < type->extensions[e]->attribute_count; i++) {
            used = used || slots->extension[e][i];
        }
        if (used && !check_schema_required(type->extensions[e],
                slots->extension[e], error))
        {
            return false;
        }
    }
    return true;
}


/* Sets those of a schema's attributes that have a value. */
static bool
set_values(json_t *object, const scim_schema_t *schema, json_t *const *values)
{
    bool ok = true;

    for (size_t i = 0; i < schema->attribute_count; i++) {
        ok = ok && (values[i] == NULL
                    || json_object_set_nocheck(object,
                           schema->attributes[i].name, values[i]) == 0);
    }
    return ok;
}


/* The container of an extension, when there is anything to put into it. */
static bool
assemble_extension(json_t *document, json_t *schemas,
    const scim_schema_t *extension, json_t *const *values)
{
    json_t *container = json_object();
    bool    ok = container && set_values(container, extension, values);

    if (ok && json_object_size(container) > 0) {
        ok = json_array_append_new(schemas,
                json_stringn(extension->id, extension->id_len)) == 0
            && json_object_set_nocheck(document, extension->id,
                container) == 0;
    }
    json_decref(container);
    return ok;
}


/*
 * NULL when memory is gone: a document is whole or none.  `before`: what it
 * was, or NULL.
 */
static json_t *
assemble(const scim_slots_t *slots, const char *id, const json_t *before)
{
    bool                 ok;
    const scim_schema_t *schema = slots->type->schema;
    json_t              *document = json_object(), *schemas = json_array();

    ok = json_array_append_new(schemas,
            json_stringn(schema->id, schema->id_len)) == 0
        && json_object_set_nocheck(document, "schemas", schemas) == 0
        && json_object_set_new_nocheck(document, "id", json_string(id)) == 0
        && (slots->external_id == NULL
            || json_object_set_nocheck(document, "externalId",
                   slots->external_id) == 0)
        && set_values(document, schema, slots->core);
    for (size_t e = 0; e < slots->type->extension_count; e++) {
        ok = ok && assemble_extension(document, schemas,
            slots->type->extensions[e], slots->extension[e]);
    }
    ok = ok && scim_document_keep_foreign(slots->type, before, document);
    json_decref(schemas);
    if (!ok) {
        json_decref(document);
        return NULL;
    }
    return document;
}


/* Takes over what a canonical document holds, as it is. */
static void
fill_slots(scim_slots_t *slots, const json_t *document)
{
    json_t              *container;
    const scim_schema_t *schema = slots->type->schema;

    slots->external_id = json_incref(json_object_get(document, "externalId"));
    for (size_t i = 0; i < schema->attribute_count; i++) {
        slots->core[i] = json_incref(
            json_object_get(document, schema->attributes[i].name));
    }
    for (size_t e = 0; e < slots->type->extension_count; e++) {
        schema = slots->type->extensions[e];
        container = json_object_get(document, schema->id);
        for (size_t i = 0; i < schema->attribute_count; i++) {
            slots->extension[e][i] = json_incref(
                json_object_get(container, schema->attributes[i].name));
        }
    }
}


/* `active` is never unsaid: a PUT that leaves it out reactivates nobody. */
static void
default_active(scim_slots_t *slots, const json_t *current)
{
    const scim_attribute_t *active = scim_schema_attribute(slots->type->schema,
        "active", 6);
    json_t                **slot = active
        ? scim_document_slot(slots, active) : NULL;

    if (slot && *slot == NULL) {
        *slot = current ? json_incref(json_object_get(current, "active"))
                        : NULL;
        if (*slot == NULL) {
            *slot = json_true();
        }
    }
}


static bool keep_immutable(json_t **slot, const scim_attribute_t *attribute,
    const json_t *container, scim_error_t *error);


/* The same for what is inside a complex value. */
static bool
keep_inner(json_t *value, const scim_attribute_t *attribute,
    const json_t *old, scim_error_t *error)
{
    bool ok = true;

    for (size_t i = 0; ok && i < attribute->sub_attribute_count; i++) {
        const scim_attribute_t *sub = &attribute->sub_attributes[i];
        json_t                 *inner = json_object_get(value, sub->name);

        json_incref(inner);
        ok = keep_immutable(&inner, sub, old, error)
            && (inner == NULL || json_object_set(value, sub->name, inner)
                == 0);
        json_decref(inner);
    }
    return ok;
}


/* RFC 7644 section 3.5.1: an immutable value, once set, must match. */
static bool
keep_immutable(json_t **slot, const scim_attribute_t *attribute,
    const json_t *container, scim_error_t *error)
{
    json_t *old = json_object_get(container, attribute->name);

    if (attribute->type == SCIM_COMPLEX && json_is_object(*slot)
        && attribute->mutability != SCIM_IMMUTABLE)
    {
        return keep_inner(*slot, attribute, old, error);
    }
    if (attribute->mutability != SCIM_IMMUTABLE || old == NULL) {
        return true;
    }
    if (*slot && !json_equal(*slot, old)) {
        return scim_error_set(error, 400, SCIM_ERROR_MUTABILITY,
            "%s is immutable", attribute->name);
    }
    if (*slot == NULL) {
        *slot = json_incref(old);
    }
    return true;
}


static bool
keep_all_immutable(scim_slots_t *slots, const json_t *current,
    scim_error_t *error)
{
    const scim_schema_t *schema = slots->type->schema;

    for (size_t i = 0; i < schema->attribute_count; i++) {
        if (!keep_immutable(&slots->core[i], &schema->attributes[i], current,
                error))
        {
            return false;
        }
    }
    for (size_t e = 0; e < slots->type->extension_count; e++) {
        schema = slots->type->extensions[e];
        for (size_t i = 0; i < schema->attribute_count; i++) {
            if (!keep_immutable(&slots->extension[e][i],
                    &schema->attributes[i],
                    json_object_get(current, schema->id), error))
            {
                return false;
            }
        }
    }
    return true;
}


/* The members of a POST or PUT; null and absence say nothing (L-17). */
static bool
take_members(const scim_collector_t *collector, const char *id,
    scim_members_t *members)
{
    bool    ok;
    size_t  i;
    json_t *element, *ids;

    if (collector->members == NULL) {
        return true;
    }
    if (json_is_null(collector->members)) {
        scim_lenient_note(collector->lenient, SCIM_LENIENT_MEMBERS_NULL);
        return true;
    }
    ids = json_array();
    ok = scim_members_read(collector->members, ids, collector->lenient,
        collector->error);
    if (ok) {
        ok = scim_members_replace(members);
        json_array_foreach(ids, i, element) {
            if (strcmp(json_string_value(element), id) == 0) {
                ok = scim_error_set(collector->error, 400,
                    SCIM_ERROR_INVALID_VALUE,
                    "members[%zu] is the group itself", i);
                break;
            }
            ok = ok && scim_members_add(members, json_string_value(element),
                json_string_length(element));
        }
    }
    json_decref(ids);
    return ok;
}


/* The error of a failure that has none yet. */
static bool
no_memory(scim_error_t *error)
{
    return error && error->status == 0
        ? scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory") : false;
}


bool
scim_document_normalize(const scim_resource_type_t *type,
    scim_document_mode_t mode, const json_t *body, const json_t *current,
    const char *id, json_t **document, scim_members_t *members,
    scim_lenient_t *lenient, scim_error_t *error)
{
    bool        ok = false;
    scim_collector_t collector;

    if (!json_is_object(body)) {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "the body must be a JSON object");
    }
    if (!scim_document_check_schemas(type, body, lenient, error)) {
        return false;
    }
    memset(&collector, 0, sizeof(collector));
    collector.slots.type = type;
    collector.lenient = lenient;
    collector.error = error;
    if (scim_document_collect(&collector, body)
        && (mode == SCIM_DOCUMENT_CREATE
            || keep_all_immutable(&collector.slots, current, error))
        && check_required(&collector.slots, error)
        && take_members(&collector, id, members))
    {
        default_active(&collector.slots, current);
        *document = assemble(&collector.slots, id, current);
        ok = *document != NULL;
    }
    free_slots(&collector.slots);
    return ok || no_memory(error);
}


/*
 * Drops what unassigned values leave behind, and values that became equal;
 * true when nothing is left.  *ok becomes false without memory.
 */
static bool
prune(json_t *value, bool *ok)
{
    void       *next;
    size_t      i;
    json_t     *inner;
    const char *key;

    if (json_is_object(value)) {
        json_object_foreach_safe(value, next, key, inner) {
            if (prune(inner, ok)) {
                json_object_del(value, key);
            }
        }
        return json_object_size(value) == 0;
    }
    if (json_is_array(value)) {
        for (i = json_array_size(value); i-- > 0; ) {
            if (prune(json_array_get(value, i), ok)) {
                json_array_remove(value, i);
            }
        }
        *ok = scim_unique(value, 0) && *ok;
        return json_array_size(value) == 0;
    }
    return json_is_null(value);
}


bool
scim_document_finish(const scim_resource_type_t *type, const char *id,
    json_t **document, scim_error_t *error)
{
    bool          ok = false, pruned = true;
    json_t       *finished;
    scim_slots_t *slots;

    slots = calloc(1, sizeof(*slots));
    if (slots == NULL) {
        return no_memory(error);
    }
    slots->type = type;
    prune(*document, &pruned);
    fill_slots(slots, *document);
    if (pruned && check_required(slots, error)) {
        default_active(slots, NULL);
        finished = assemble(slots, id, *document);
        if (finished) {
            json_decref(*document);
            *document = finished;
            ok = true;
        }
    }
    free_slots(slots);
    free(slots);
    return ok || no_memory(error);
}
