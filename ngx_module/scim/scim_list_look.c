#include "scim_list.h"

#include <string.h>

#include "scim_json_scan.h"
#include "scim_time.h"

/*
 * What filter and order see of a resource.  A scan that is about `title` has
 * no use for the rest of a stored document: reading it is nine tenths of what
 * matching costs.
 */


bool
scim_list_looks_at(const scim_filter_t *filter, const char *attribute)
{
    if (filter == NULL) {
        return false;
    }
    return scim_list_looks_at(filter->left, attribute)
        || scim_list_looks_at(filter->right, attribute)
        || (filter->extension == NULL && filter->attribute
            && strcmp(filter->attribute->name, attribute) == 0);
}


/* The resource's meta as it is rendered, without rendering it. */
static json_t *
meta_of(const scim_resource_t *resource, const scim_entry_t *entry)
{
    char        created[SCIM_TIME_TEXT_LEN + 1];
    char        modified[SCIM_TIME_TEXT_LEN + 1];
    scim_text_t base = resource->operation.service->base_url;

    scim_time_format(entry->record.created, created);
    scim_time_format(entry->record.modified, modified);
    return json_pack("{s:s,s:s,s:s,s:o,s:o}", "resourceType",
        resource->type->name, "created", created, "lastModified", modified,
        "location", json_sprintf("%.*s%s/%.*s", (int) base.len, base.text,
            resource->type->endpoint, (int) entry->id.len, entry->id.text),
        "version", json_sprintf("W/\"%llu\"",
            (unsigned long long) entry->record.version));
}


/* ---- the members of a stored document that are looked at ---- */

static size_t
leaf_count(const scim_filter_t *filter)
{
    if (filter == NULL) {
        return 0;
    }
    if (filter->kind == SCIM_FILTER_AND || filter->kind == SCIM_FILTER_OR
        || filter->kind == SCIM_FILTER_NOT)
    {
        return leaf_count(filter->left) + leaf_count(filter->right);
    }
    return 1;
}


static void
add_name(scim_list_look_t *look, const scim_schema_t *extension,
    const scim_attribute_t *attribute)
{
    const char *name;

    if (attribute == NULL) {
        return; /* nobody has a value */
    }
    name = extension ? extension->id : attribute->name;
    for (size_t i = 0; i < look->count; i++) {
        if (strcmp(look->name[i], name) == 0) {
            return;
        }
    }
    look->name[look->count++] = name;
}


static void
add_leaves(scim_list_look_t *look, const scim_filter_t *filter)
{
    if (filter == NULL) {
        return;
    }
    if (filter->kind == SCIM_FILTER_AND || filter->kind == SCIM_FILTER_OR
        || filter->kind == SCIM_FILTER_NOT)
    {
        add_leaves(look, filter->left);
        add_leaves(look, filter->right);
    } else {
        add_name(look, filter->extension, filter->attribute);
    }
}


bool
scim_list_look_at(scim_list_look_t *look, const scim_filter_t *filter,
    const scim_list_sort_t *sort, scim_arena_t *arena)
{
    look->count = 0;
    look->name = scim_arena_alloc(arena, (leaf_count(filter) + 1)
        * sizeof(*look->name));
    if (look->name == NULL) {
        return false;
    }
    add_leaves(look, filter);
    add_name(look, sort->extension, sort->attribute);
    /* which of the URNs in it may be shown, only all of it tells */
    look->whole = false;
    for (size_t i = 0; i < look->count; i++) {
        look->whole = look->whole || strcmp(look->name[i], "schemas") == 0;
    }
    return true;
}


json_t *
scim_list_json(scim_resource_t *resource, const scim_entry_t *entry,
    bool meta, bool extra)
{
    json_t              *json;
    scim_list_segment_t *segment =
        &resource->list->segment[resource->list->at];
    scim_list_look_t    *look = &segment->look;

    if (look->name == NULL
        && !scim_list_look_at(look, segment->filter, &segment->sort,
               &resource->operation.arena))
    {
        return NULL;
    }
    extra = extra && entry->extra_count;
    json = look->whole || extra ? scim_resource_json(resource, entry, extra)
        : scim_json_scan_members(entry->record.document,
            entry->record.document_len, look->name, look->count);
    if (json && meta
        && json_object_set_new(json, "meta", meta_of(resource, entry)) != 0)
    {
        json_decref(json);
        return NULL;
    }
    return json;
}
