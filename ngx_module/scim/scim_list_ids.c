#include "scim_list.h"

#include <string.h>

/*
 * The ids that a plan gives: one range that has them in order is read batch by
 * batch while its documents are looked at; several are read whole and combined.
 */


static scim_step_t request_ids(scim_resource_t *resource);


static scim_step_t
damaged(scim_resource_t *resource)
{
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "the store holds a damaged index");
}


/* Every range is read: the ids of all of them, behind the cursor. */
static scim_step_t
combine(scim_resource_t *resource)
{
    size_t       from = 0;
    scim_list_t *list = resource->list;
    scim_plan_t *plan = list->segment[list->at].plan;
    scim_text_t  after = list->position.after;

    if (!scim_plan_combine(plan)) {
        return scim_list_no_memory(resource);
    }
    if (after.len == SCIM_UUID_LEN && !list->sorted) {
        while (from < plan->ids.len
               && memcmp(plan->ids.data + from, after.text, SCIM_UUID_LEN)
                   <= 0)
        {
            from += SCIM_UUID_LEN;
        }
    }
    scim_buffer_reset(&list->ids);
    scim_buffer_append(&list->ids, plan->ids.data ? plan->ids.data + from
                                                  : "", plan->ids.len - from);
    scim_buffer_free(&plan->ids);
    list->last = true;
    return scim_buffer_failed(&list->ids) ? scim_list_no_memory(resource)
                                          : scim_list_match_ids(resource);
}


/* The next range, or all of them are here. */
static scim_step_t
collect(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;

    list->reading = scim_plan_range(list->segment[list->at].plan,
        list->range);
    scim_buffer_reset(&list->behind);
    return list->reading ? request_ids(resource) : combine(resource);
}


/*
 * More candidates than one request may read: a walk looks at everybody
 * instead, page by page, and goes on behind the same id.
 */
static scim_step_t
too_many_ids(scim_resource_t *resource)
{
    scim_list_t               *list = resource->list;
    const scim_list_segment_t *segment = &list->segment[list->at];

    if (!list->cursors || list->sorted) {
        return scim_list_too_many(resource);
    }
    list->collected = 0;
    scim_plan_scan(segment->plan, segment->filter);
    return scim_list_read_ids(resource);
}


/* Ids of a range that has `size` of them in all. */
static scim_step_t
on_collected(scim_resource_t *resource, scim_text_t ids, long long size)
{
    scim_list_t *list = resource->list;
    long long    scan_max = resource->operation.service->scan_max;

    list->collected += (long long) (ids.len / SCIM_UUID_LEN);
    if (list->collected > scan_max || size > scan_max) {
        return too_many_ids(resource);
    }
    scim_buffer_append(&list->reading->ids, ids.text, ids.len);
    if (!list->last) {
        return request_ids(resource);
    }
    list->range++;
    return collect(resource);
}


static void
make_nested(scim_plan_t *range)
{
    range->range.source = "nested";
    range->range.by_id = false;
}


scim_step_t
scim_list_read_nested(scim_resource_t *resource, scim_plan_t *range)
{
    scim_list_t *list = resource->list;
    scim_text_t *after = &list->position.after;

    make_nested(range);
    if (after->len == SCIM_UUID_LEN + 1 && !list->sorted) {
        /* a walk that began when the group held no groups: "U", the id */
        after->text++;
        after->len--;
    }
    return scim_list_read_ids(resource);
}


static scim_step_t
on_ids(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_list_t     *list = resource->list;
    long long        size = scim_reply_number(reply, 1);
    scim_text_t      last = scim_reply_text(reply, 2);
    scim_text_t      ids = scim_reply_text(reply, 3);

    if (scim_reply_is(reply, "NESTED") && list->collect) {
        make_nested(list->reading);
        scim_buffer_reset(&list->behind);
        return request_ids(resource);
    }
    if (scim_reply_is(reply, "NESTED")) {
        return scim_list_read_nested(resource, list->reading);
    }
    if (scim_reply_is(reply, "TOOMANY")) {
        return scim_list_too_many(resource);
    }
    if (!scim_reply_is(reply, "OK") || ids.len % SCIM_UUID_LEN) {
        return damaged(resource);
    }
    list->last = last.len == 0
        || ids.len / SCIM_UUID_LEN < SCIM_LIST_IDS;
    scim_buffer_reset(&list->behind);
    scim_buffer_append(&list->behind, last.text, last.len);
    if (list->collect) {
        return on_collected(resource, ids, size);
    }
    if ((!list->cursors || list->sorted)
        && size > operation->service->scan_max)
    {
        return scim_list_too_many(resource);
    }
    scim_buffer_reset(&list->ids);
    scim_buffer_append(&list->ids, ids.text, ids.len);
    return scim_buffer_failed(&list->ids) ? scim_list_no_memory(resource)
                                          : scim_list_match_ids(resource);
}


static scim_step_t
request_ids(scim_resource_t *resource)
{
    scim_list_t      *list = resource->list;
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "list_ids", true);
    scim_command_text(operation, resource->type->key_word);
    scim_list_add_range(operation, &list->reading->range);
    scim_command_add(operation, list->behind.data ? list->behind.data : "",
        list->behind.len);
    scim_command_number(operation, SCIM_LIST_IDS);
    return scim_command_send(operation, on_ids);
}


/* The range's member for an id: what its lower bound begins with, the id. */
static void
go_behind(scim_list_t *list, const scim_list_range_t *range, scim_text_t id)
{
    scim_buffer_reset(&list->behind);
    if (id.len == 0 || list->sorted) {
        return;
    }
    if (strcmp(range->source, "all") != 0) {
        scim_buffer_append(&list->behind, range->from.text + 1,
            range->from.len - 1);
    }
    scim_buffer_append(&list->behind, id.text, id.len);
}


scim_step_t
scim_list_read_ids(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;
    scim_plan_t *plan = list->segment[list->at].plan;

    if (!scim_list_make_picks(resource)) {
        return scim_list_no_memory(resource);
    }
    if (!list->sorted) {
        list->picked = list->pick_at = 0;
    }
    list->range = 0;
    /* what was matched on earlier pages is not counted again */
    list->partial = list->partial
        || (list->position.after.len && !list->sorted);
    list->collect = plan->kind != SCIM_PLAN_RANGE || !plan->range.by_id;
    if (list->collect) {
        return collect(resource);
    }
    list->reading = plan;
    go_behind(list, &plan->range, list->position.after);
    return request_ids(resource);
}


scim_step_t
scim_list_more_ids(scim_resource_t *resource)
{
    return request_ids(resource);
}
