#include "scim_list.h"

#include <string.h>

/*
 * A list from segment to segment, to its answer.  What one range of a sorted
 * set answers alone (everybody, an equality, a prefix, the members of a group)
 * is read and shown here; the rest is in scim_list_read.c.
 */
#define FEW 100 /* candidates that are matched as they come */


static scim_step_t request_page(scim_resource_t *resource);


scim_step_t
scim_list_no_memory(scim_resource_t *resource)
{
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE, "no memory");
}


scim_step_t
scim_list_too_many(scim_resource_t *resource)
{
    return scim_resource_error(resource, 400, SCIM_ERROR_TOO_MANY,
        "the query would have to read too many resources; add an eq or sw on "
        "userName, externalId, displayName or emails.value, or read it with "
        "a cursor and without sortBy");
}


scim_step_t
scim_list_too_much_work(scim_resource_t *resource)
{
    return scim_resource_error(resource, 400, SCIM_ERROR_TOO_MANY,
        "the filter is too much work for resources as large as these; ask "
        "with fewer conditions");
}


/* ---- the answer ---- */

bool
scim_list_show(scim_resource_t *resource, const scim_entry_t *entry)
{
    scim_list_t *list = resource->list;

    if (list->shown) {
        scim_buffer_append_char(&list->items, ',');
    }
    list->shown++;
    if (scim_resource_render(resource, entry, &list->items)) {
        return true;
    }
    scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "a resource cannot be shown");
    return false;
}


static void
append_number(scim_buffer_t *body, const char *name, long long number)
{
    scim_buffer_append_char(body, '"');
    scim_buffer_append_text(body, name);
    scim_buffer_append_text(body, "\":");
    scim_buffer_append_number(body, number);
    scim_buffer_append_char(body, ',');
}


static bool
append_numbers(scim_resource_t *resource, scim_buffer_t *body)
{
    scim_list_t *list = resource->list;

    if (!list->partial) {
        append_number(body, "totalResults", list->total);
    }
    if (resource->query.cursor.text == NULL) {
        append_number(body, "startIndex", resource->query.start_index);
    }
    append_number(body, "itemsPerPage", list->shown);
    if (list->cursors && list->more) {
        scim_buffer_append_text(body, "\"nextCursor\":\"");
        if (!scim_list_cursor_write(&resource->operation, &resource->query,
                list->endpoint, list->count, &list->position, body))
        {
            return false;
        }
        scim_buffer_append_text(body, "\",");
    }
    return true;
}


scim_step_t
scim_list_answer(scim_resource_t *resource)
{
    scim_list_t      *list = resource->list;
    scim_operation_t *operation = &resource->operation;
    scim_buffer_t    *body = &operation->response.body;

    scim_buffer_reserve(body, list->items.len + 200);
    scim_buffer_append_text(body, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:ListResponse\"],");
    if (!append_numbers(resource, body) || scim_buffer_failed(&list->items)) {
        return scim_list_no_memory(resource);
    }
    scim_buffer_append_text(body, "\"Resources\":[");
    scim_buffer_append(body, list->items.data ? list->items.data : "",
        list->items.len);
    scim_buffer_append_text(body, "]}");
    operation->response.content_type =
        scim_operation_media_type(operation);
    return scim_operation_end(operation, 200);
}


/* ---- from segment to segment ---- */

void
scim_list_stop(scim_list_t *list, unsigned segment, const char *after,
    size_t len)
{
    scim_buffer_reset(&list->place);
    scim_buffer_append(&list->place, after, len);
    list->more = true;
    list->position = (scim_list_position_t) { segment,
        { list->place.data ? list->place.data : "", list->place.len } };
}


scim_step_t
scim_list_leave(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;

    if (list->more) {
        return scim_list_answer(resource);
    }
    list->at++;
    if (!list->sorted) { /* an order goes on behind its place in all types */
        list->position = (scim_list_position_t) { list->at, { "", 0 } };
    }
    if (list->cursors && !list->sorted && list->at < list->segments
        && list->shown == list->count)
    {
        scim_list_stop(list, list->at, "", 0);
        return scim_list_answer(resource);
    }
    return scim_list_enter(resource);
}


void
scim_list_use(scim_resource_t *resource, unsigned segment)
{
    scim_error_t ignored = { 0 }; /* it was read once already */
    scim_list_t *list = resource->list;

    if (resource->type != list->segment[segment].type) {
        resource->type = list->segment[segment].type;
        if (!scim_projection_read(resource->type, &resource->query,
                &resource->projection, &ignored))
        {
            resource->projection.count = 0;
        }
    }
}


/* Sorted: the order is known only behind the last segment. */
static scim_step_t
show_order(scim_resource_t *resource)
{
    scim_list_t       *list = resource->list;
    scim_list_order_t *order = &list->order;
    scim_list_item_t  *item;

    if (!scim_list_make_picks(resource)) {
        return scim_list_no_memory(resource);
    }
    scim_list_order_finish(order);
    for (size_t i = (size_t) list->skip; i < order->count; i++) {
        item = &order->item[i];
        if ((long long) list->picked == list->count) {
            item--; /* the last one that is shown */
            scim_buffer_reset(&list->behind);
            scim_buffer_append(&list->behind, item->key, item->key_len);
            scim_buffer_append(&list->behind, item->id, SCIM_UUID_LEN);
            scim_list_stop(list, 0, list->behind.data, list->behind.len);
            break;
        }
        memcpy(list->pick[list->picked].id, item->id, sizeof(item->id));
        list->pick[list->picked++].segment = item->segment;
    }
    return scim_list_show_picks(resource);
}


static bool
shown_by_page(const scim_list_t *list, const scim_plan_t *plan)
{
    const scim_list_range_t *range = &plan->range;

    return !list->sorted && plan->kind == SCIM_PLAN_RANGE
        && plan->rest == NULL && strcmp(range->source, "groups") != 0
        && strcmp(range->source, "nested") != 0
        && (range->by_id || memchr(range->name.text, '.', range->name.len)
            == NULL);
}


/* An equality that is usually about one or two: matched as they come. */
static bool
shown_at_once(const scim_list_t *list, const scim_plan_t *plan)
{
    return !list->sorted && plan->kind == SCIM_PLAN_RANGE && plan->range.by_id
        && strcmp(plan->range.source, "index") == 0
        && list->position.after.len == 0;
}


static scim_step_t
on_sizes(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_plan_t     *range;
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_list_t     *list = resource->list;
    scim_plan_t     *plan = list->segment[list->at].plan;

    for (size_t i = 0; (range = scim_plan_range(plan, i)) != NULL; i++) {
        range->size = scim_reply_number(reply, i + 1);
    }
    scim_plan_decide(plan);
    return scim_list_enter(resource);
}


static scim_step_t
request_sizes(scim_resource_t *resource, scim_plan_t *plan)
{
    scim_plan_t      *range;
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "list_sizes", true);
    scim_command_text(operation, resource->type->key_word);
    for (size_t i = 0; (range = scim_plan_range(plan, i)) != NULL; i++) {
        scim_list_add_range(operation, &range->range);
    }
    return scim_command_send(operation, on_sizes);
}


scim_step_t
scim_list_enter(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;
    scim_plan_t *plan;

    if (list->at == list->segments) {
        return list->sorted ? show_order(resource)
                            : scim_list_answer(resource);
    }
    scim_list_use(resource, list->at);
    plan = list->segment[list->at].plan;
    if (plan->kind == SCIM_PLAN_NOBODY) {
        return scim_list_leave(resource);
    }
    if (scim_plan_undecided(plan)) {
        return request_sizes(resource, plan);
    }
    if (shown_by_page(list, plan) || shown_at_once(list, plan)) {
        return request_page(resource);
    }
    return scim_list_read_ids(resource);
}


/* ---- one range ---- */

/*
 * A plus sign that somebody forgot to encode arrives as a space: a value with
 * spaces that finds nobody is looked up once more (reference L-23).
 */
static bool
try_plus(scim_resource_t *resource)
{
    scim_list_t       *list = resource->list;
    scim_plan_t       *plan = list->segment[list->at].plan;
    scim_list_range_t *range = &plan->range;
    scim_text_t       *bound[2] = { &range->from, &range->to };

    if (list->plus_tried || plan->rest || list->segments > 1
        || strcmp(range->source, "index") != 0 || !range->by_id
        || (strcmp(range->name.text, "userName") != 0
            && strcmp(range->name.text, "emails.value") != 0)
        || memchr(range->from.text, ' ', range->from.len) == NULL)
    {
        return false;
    }
    list->plus_tried = true;
    for (int i = 0; i < 2; i++) {
        char *copy = scim_arena_copy(&resource->operation.arena,
            bound[i]->text, bound[i]->len);

        for (size_t j = 0; copy && j < bound[i]->len; j++) {
            copy[j] = copy[j] == ' ' ? '+' : copy[j];
        }
        if (copy == NULL) {
            return false;
        }
        bound[i]->text = copy;
    }
    return true;
}


static scim_step_t
show_page(scim_resource_t *resource)
{
    for (size_t i = 0; i < resource->entry_count; i++) {
        if (!scim_list_show(resource, &resource->entry[i])) {
            return SCIM_STEP_DONE;
        }
    }
    return scim_list_leave(resource);
}


/* Entries that the index gave: which of them match, and which are shown. */
static scim_step_t
match_page(scim_resource_t *resource)
{
    bool                 matches;
    json_t              *json;
    scim_list_t         *list = resource->list;
    const scim_entry_t  *entry = resource->entry;
    const scim_filter_t *rest = list->segment[list->at].plan->rest;

    for (size_t left = resource->entry_count; left > 0; left--, entry++) {
        json = scim_list_json(resource, entry,
            scim_list_looks_at(rest, "meta"), true);
        if (json == NULL) {
            return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
                "a resource cannot be read");
        }
        matches = scim_filter_match(rest, json, &list->work);
        json_decref(json);
        if (list->work.done > list->work.most) {
            return scim_list_too_much_work(resource);
        }
        list->total += matches;
        if (!matches || (list->skip > 0 && list->skip--)
            || list->shown >= list->count)
        {
            continue;
        }
        if (!scim_list_show(resource, entry)) {
            return SCIM_STEP_DONE;
        }
        if (list->cursors && list->shown == list->count && left > 1) {
            list->partial = true;
            scim_list_stop(list, list->at, entry->id.text, entry->id.len);
            break;
        }
    }
    return scim_list_leave(resource);
}


/* The entries are here; `total` are in the range. */
static scim_step_t
take_page(scim_resource_t *resource, long long total)
{
    scim_list_t *list = resource->list;
    scim_plan_t *plan = list->segment[list->at].plan;

    if (total == 0 && try_plus(resource)) {
        return request_page(resource);
    }
    if (plan->rest) {
        return total > FEW ? scim_list_read_ids(resource)
                           : scim_resource_complete(resource, match_page);
    }
    list->total += total;
    list->skip = list->skip > total ? list->skip - total : 0;
    return scim_resource_complete(resource, show_page);
}


static scim_step_t
on_page(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_list_t     *list = resource->list;
    scim_plan_t     *plan = list->segment[list->at].plan;
    long long        total = scim_reply_number(reply, 1);
    scim_text_t      last = scim_reply_text(reply, 4);

    if (scim_reply_is(reply, "NESTED")) {
        return scim_list_read_nested(resource, plan);
    }
    if (!scim_resource_take_entries(resource, reply, 5,
            (size_t) scim_reply_number(reply, 2)))
    {
        return SCIM_STEP_DONE;
    }
    if (plan->rest == NULL && list->cursors && scim_reply_number(reply, 3)) {
        scim_list_stop(list, list->at, last.text, last.len);
    }
    return take_page(resource, total);
}


static void
add_extra(scim_resource_t *resource)
{
    const scim_list_t *list = resource->list;

    scim_resource_add_extra(resource,
        scim_list_looks_at(list->segment[list->at].plan->rest,
            scim_resource_is_group(resource) ? "members" : "groups"));
}


static scim_step_t
request_range(scim_resource_t *resource)
{
    scim_list_t      *list = resource->list;
    scim_plan_t      *plan = list->segment[list->at].plan;
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "list_page", true);
    scim_command_text(operation, resource->type->key_word);
    scim_list_add_range(operation, &plan->range);
    scim_command_add(operation, list->position.after.text,
        list->position.after.len);
    scim_command_number(operation, plan->rest ? 0 : list->skip);
    scim_command_number(operation, plan->rest ? FEW
        : list->count - list->shown);
    scim_command_text(operation, list->reverse ? "1" : "0");
    add_extra(resource);
    return scim_command_send(operation, on_page);
}


static scim_step_t
on_found(scim_operation_t *operation, const scim_reply_t *reply)
{
    long long        total = scim_reply_number(reply, 1);
    scim_resource_t *resource = (scim_resource_t *) operation;

    if (scim_reply_is(reply, "MANY")) {
        return request_range(resource);
    }
    return scim_resource_take_entries(resource, reply, 2, (size_t) total)
        ? take_page(resource, total) : SCIM_STEP_DONE;
}


/* An equality: in the range, '[' or '(' comes before its value, NUL behind. */
static scim_step_t
request_found(scim_resource_t *resource, long long most)
{
    scim_list_t             *list = resource->list;
    scim_plan_t             *plan = list->segment[list->at].plan;
    scim_operation_t        *operation = &resource->operation;
    const scim_list_range_t *range = &plan->range;

    scim_command_call(operation, "find", true);
    scim_command_text(operation, resource->type->key_word);
    scim_command_add(operation, range->name.text, range->name.len);
    scim_command_add(operation, range->from.text + 1, range->from.len - 2);
    scim_command_number(operation, most + 1);
    add_extra(resource);
    return scim_command_send(operation, on_found);
}


static scim_step_t
request_page(scim_resource_t *resource)
{
    long long    most = FEW;
    scim_list_t *list = resource->list;
    scim_plan_t *plan = list->segment[list->at].plan;

    if (plan->rest == NULL) {
        most = list->skip ? 0 : list->count - list->shown;
        most = most < FEW ? most : FEW;
    }
    return most > 0 && !list->reverse && shown_at_once(list, plan)
        ? request_found(resource, most) : request_range(resource);
}


void
scim_list_add_range(scim_operation_t *operation,
    const scim_list_range_t *range)
{
    scim_command_text(operation, range->source);
    scim_command_add(operation, range->name.text, range->name.len);
    scim_command_add(operation, range->from.text, range->from.len);
    scim_command_add(operation, range->to.text, range->to.len);
}
