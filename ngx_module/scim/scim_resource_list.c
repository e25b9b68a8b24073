#include <stdio.h>
#include <string.h>

#include "scim_index.h"
#include "scim_list.h"

/* What a list's query asks for, before anything is read. */
#define BUFFER_MAX ((size_t) 1 << 31)


void
scim_list_free(scim_list_t *list)
{
    if (list == NULL) {
        return;
    }
    for (unsigned i = 0; i < list->segments; i++) {
        scim_filter_free(list->segment[i].filter);
        scim_plan_clear(list->segment[i].plan);
    }
    scim_list_order_clear(&list->order);
    scim_buffer_free(&list->place);
    scim_buffer_free(&list->ids);
    scim_buffer_free(&list->behind);
    scim_buffer_free(&list->items);
}


/* "id eq <the one that the path names>", beside what is asked of it */
static scim_filter_t *
only_one(scim_resource_t *resource, scim_filter_t *filter)
{
    int            len;
    char           text[64];
    scim_error_t   error = { 0 };
    scim_lenient_t none = { 0 };

    len = snprintf(text, sizeof(text), "id eq \"%.*s\"",
        (int) resource->id.len, resource->id.text);
    return scim_filter_and(scim_filter_parse(resource->type, text,
        (size_t) len, &none, &error), filter);
}


static bool
read_filters(scim_resource_t *resource)
{
    scim_list_t         *list = resource->list;
    scim_text_t          text = resource->query.filter;
    scim_error_t         error = { 0 };
    scim_operation_t    *operation = &resource->operation;
    scim_list_segment_t *segment = list->segment;

    for (unsigned i = 0; i < list->segments; i++, segment++) {
        if (text.text) {
            segment->filter = list->segments == 1
                ? scim_filter_parse(segment->type, text.text, text.len,
                    &operation->lenient, &error)
                : scim_filter_parse_any(operation->service->schemas,
                    segment->type, text.text, text.len, &operation->lenient,
                    &error);
            if (segment->filter == NULL) {
                scim_operation_fail(operation, &error);
                return false;
            }
        }
        if (list->of_one) {
            segment->filter = only_one(resource, segment->filter);
            if (segment->filter == NULL) {
                scim_list_no_memory(resource);
                return false;
            }
        }
        segment->plan = scim_plan_new(segment->type, segment->filter,
            &operation->arena);
        if (segment->plan == NULL) {
            scim_list_no_memory(resource);
            return false;
        }
    }
    return true;
}


/* An index that has everybody, in the order that is asked for. */
static bool
sorted_by_range(scim_list_t *list, const scim_query_t *query)
{
    scim_list_segment_t    *segment = list->segment;
    scim_list_range_t      *range = &segment->plan->range;
    const scim_attribute_t *attribute = segment->sort.attribute;
    const scim_index_t     *index;

    if (list->segments > 1 || segment->plan->kind != SCIM_PLAN_RANGE
        || segment->plan->rest || segment->sort.extension)
    {
        return false;
    }
    list->reverse = query->descending;
    if (strcmp(attribute->name, "id") == 0 && range->by_id) {
        return true;
    }
    index = scim_index_find(segment->type, attribute->name,
        attribute->name_len);
    if (index && index->unique && scim_plan_is_scan(segment->plan)) {
        range->source = "index";
        range->name = (scim_text_t) { index->attribute,
                                      strlen(index->attribute) };
        range->by_id = false;
        return true;
    }
    if (index && strcmp(range->source, "index") == 0
        && strcmp(range->name.text, index->attribute) == 0)
    {
        return true;
    }
    list->reverse = false;
    return false;
}


static bool
read_sort(scim_resource_t *resource)
{
    bool              known = false;
    scim_list_t      *list = resource->list;
    scim_error_t      error = { 0 };
    scim_operation_t *operation = &resource->operation;

    if (resource->query.sort_by.text == NULL) {
        return true;
    }
    for (unsigned i = 0; i < list->segments; i++) {
        known = scim_list_sort_read(list->segment[i].type,
                    resource->query.sort_by, &list->segment[i].sort,
                    &operation->lenient, &error)
            || known;
    }
    if (!known) {
        scim_operation_fail(operation, &error);
        return false;
    }
    list->sorted = !sorted_by_range(list, &resource->query);
    list->order.descending = resource->query.descending;
    list->order.need = list->cursors ? list->count + 1
        : list->count ? list->skip + list->count : 0;
    return true;
}


static bool
read_cursor(scim_resource_t *resource, long long count)
{
    long long         walked = 0;
    scim_list_t      *list = resource->list;
    scim_error_t      error = { 0 };
    scim_operation_t *operation = &resource->operation;

    if (resource->query.cursor.len == 0) {
        return true;
    }
    if (!scim_list_cursor_read(operation, &resource->query, list->endpoint,
            &walked, &list->position, &error))
    {
        scim_operation_fail(operation, &error);
        return false;
    }
    if (count >= 0 && count != walked) {
        scim_resource_error(resource, 400, SCIM_ERROR_INVALID_COUNT,
            "count must stay what it was when the walk began");
        return false;
    }
    list->count = walked;
    list->at = list->position.segment < list->segments
        ? list->position.segment : list->segments;
    return true;
}


static bool
read_page(scim_resource_t *resource)
{
    scim_list_t          *list = resource->list;
    const scim_service_t *service = resource->operation.service;
    const scim_query_t   *query = &resource->query;

    list->count = query->count < 0 ? service->page_size : query->count;
    /* no resources are wanted: no pages either, just the number of all */
    list->cursors = query->cursor.text != NULL && query->count != 0;
    if (list->count > service->page_size_max) {
        if (list->cursors) {
            scim_error_t error = { 0 };

            scim_error_set(&error, 400, SCIM_ERROR_INVALID_COUNT,
                "count is above the maximum of %u", service->page_size_max);
            scim_operation_fail(&resource->operation, &error);
            return false;
        }
        scim_lenient_note(&resource->operation.lenient,
            SCIM_LENIENT_PAGE_OUTSIDE);
        list->count = service->page_size_max;
    }
    list->skip = list->cursors ? 0 : query->start_index - 1;
    return query->cursor.text == NULL || read_cursor(resource, query->count);
}


static scim_step_t
begin_list(scim_resource_t *resource, bool all, bool of_one)
{
    scim_list_t          *list;
    scim_operation_t     *operation = &resource->operation;
    const scim_schemas_t *schemas = operation->service->schemas;

    list = scim_arena_alloc(&operation->arena, sizeof(*list));
    if (list == NULL) {
        return scim_list_no_memory(resource);
    }
    resource->list = list;
    list->of_one = of_one;
    scim_buffer_init(&list->place, BUFFER_MAX);
    scim_buffer_init(&list->ids, BUFFER_MAX);
    scim_buffer_init(&list->behind, BUFFER_MAX);
    scim_buffer_init(&list->items, BUFFER_MAX);
    list->position.after.text = "";
    list->work.most = SCIM_LIST_WORK_MAX;
    list->endpoint = all ? "" : resource->type->endpoint;
    list->segment[0].type = resource->type;
    list->segments = 1;
    for (size_t i = 1; all && i < scim_resource_type_count(schemas)
         && i < SCIM_LIST_SEGMENT_MAX; i++)
    {
        list->segment[list->segments++].type = scim_resource_type_at(schemas,
            i);
    }
    if (!read_page(resource) || !read_filters(resource)
        || !read_sort(resource))
    {
        return SCIM_STEP_DONE;
    }
    /* of a walk through several types only the page is known */
    list->partial = list->cursors && list->segments > 1 && !list->sorted;
    return scim_list_enter(resource);
}


static scim_step_t
from_url(scim_operation_t *operation, bool all)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    return scim_resource_read_query(resource) ? begin_list(resource, all, false)
                                              : SCIM_STEP_DONE;
}


scim_step_t
scim_resource_list(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return from_url(operation, false);
}


scim_step_t
scim_resource_list_all(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return from_url(operation, true);
}


scim_step_t
scim_resource_list_one(scim_resource_t *resource)
{
    return begin_list(resource, false, true);
}


static scim_step_t
from_body(scim_operation_t *operation, bool all)
{
    scim_error_t     error = { 0 };
    scim_resource_t *resource = (scim_resource_t *) operation;

    resource->body = scim_resource_read_body(resource);
    if (resource->body == NULL) {
        return SCIM_STEP_DONE;
    }
    if (!scim_query_read_search(resource->body, &operation->arena,
            &resource->query, &operation->lenient, &error)
        || !scim_projection_read(resource->type, &resource->query,
            &resource->projection, &error))
    {
        return scim_operation_fail(operation, &error);
    }
    return begin_list(resource, all, false);
}


scim_step_t
scim_resource_search(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return from_body(operation, false);
}


scim_step_t
scim_resource_search_all(scim_operation_t *operation,
    const scim_reply_t *none)
{
    (void) none;
    return from_body(operation, true);
}
