#include "scim_list.h"

#include <string.h>

#include "scim_key.h"

/*
 * What takes more than one page of one range: ids come in batches
 * (scim_list_ids.c), documents in chunks, each by a command of its own, so
 * that the event loop goes round and nobody waits for a scan.
 *
 *     ids of a range, in order ──┐
 *     ids of several, combined ──┴▶ documents ─▶ match ─┬▶ picks ─▶ answer
 *                                                       └▶ order ─▶ picks
 */
#define SPENT_BY_MEMBERS 100 /* so many members cost as much as a document */


static scim_step_t read_documents(scim_resource_t *resource);


/* ---- matches ---- */

/* Whether filter or order look at what is not in the stored document. */
static bool
needs(const scim_list_t *list, const char *attribute)
{
    const scim_list_segment_t *segment = &list->segment[list->at];

    return scim_list_looks_at(segment->plan->rest, attribute)
        || (list->sorted && segment->sort.attribute
            && segment->sort.extension == NULL
            && strcmp(segment->sort.attribute->name, attribute) == 0);
}


static bool
order_found(scim_resource_t *resource, const char *id, const json_t *json)
{
    bool                 ok = true;
    size_t               id_at;
    scim_list_t         *list = resource->list;
    scim_text_t          after = list->position.after;
    scim_buffer_t        key;
    scim_list_segment_t *segment = &list->segment[list->at];

    scim_buffer_init(&key, 4 * SCIM_LIST_KEY_MAX + 65536);
    if (!scim_list_sort_key(&segment->sort, json, &key)) {
        ok = false;
    } else {
        id_at = after.len > SCIM_UUID_LEN ? after.len - SCIM_UUID_LEN : 0;
        if (after.len == 0
            || scim_list_order_compare(&list->order, key.data, key.len, id,
                   after.text, id_at, after.text + id_at) > 0)
        {
            ok = scim_list_order_add(&list->order, key.data, key.len, id,
                list->at);
        }
    }
    scim_buffer_free(&key);
    return ok;
}


static bool
filled(const scim_list_t *list)
{
    return list->cursors && !list->sorted
        && list->shown + (long long) list->picked == list->count;
}


static bool
found(scim_resource_t *resource, const char *id, const json_t *json)
{
    scim_list_t      *list = resource->list;
    scim_list_pick_t *pick = &list->pick[list->picked];

    list->total++;
    if (list->sorted) {
        return order_found(resource, id, json);
    }
    if (list->skip > 0) {
        list->skip--;
    } else if (list->shown + (long long) list->picked < list->count) {
        memcpy(pick->id, id, SCIM_UUID_LEN);
        pick->id[SCIM_UUID_LEN] = '\0';
        pick->segment = list->at;
        list->picked++;
    }
    return true;
}


static bool
match_entry(scim_resource_t *resource, const scim_entry_t *entry, bool meta)
{
    bool                 matches, ok = true;
    json_t              *json = scim_list_json(resource, entry, meta, true);
    scim_list_t         *list = resource->list;
    const scim_filter_t *rest;

    rest = list->segment[list->at].plan->rest;
    if (json == NULL) {
        scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "a resource cannot be read");
        return false;
    }
    matches = rest == NULL || scim_filter_match(rest, json, &list->work);
    if (list->work.done > list->work.most) {
        scim_list_too_much_work(resource);
        ok = false;
    } else if (matches && !found(resource, entry->id.text, json)) {
        scim_list_no_memory(resource);
        ok = false;
    }
    json_decref(json);
    return ok;
}


/* Ends a page of a walk behind the id at `at`, unless that is the end. */
static void
stop_at(scim_list_t *list, size_t at)
{
    if (at + SCIM_UUID_LEN < list->ids.len || !list->last) {
        list->partial = true;
        scim_list_stop(list, list->at, list->ids.data + at, SCIM_UUID_LEN);
    }
}


static scim_step_t
end_segment(scim_resource_t *resource)
{
    return resource->list->sorted ? scim_list_leave(resource)
                                  : scim_list_show_picks(resource);
}


/* ---- documents ---- */

static scim_step_t
next_chunk(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;

    list->id_at += list->chunk * SCIM_UUID_LEN;
    return read_documents(resource);
}


/* Entries with their members or groups. */
static scim_step_t
match_entries(scim_resource_t *resource)
{
    bool         meta = needs(resource->list, "meta");
    size_t       at;
    scim_list_t *list = resource->list;

    for (size_t i = 0; i < resource->entry_count; i++) {
        scim_entry_t *entry = &resource->entry[i];

        list->spent += (long long) entry->extra_total / SPENT_BY_MEMBERS;
        if (!match_entry(resource, entry, meta)) {
            return SCIM_STEP_DONE;
        }
        if (filled(list)) {
            at = list->id_at;
            while (at + SCIM_UUID_LEN < list->ids.len
                   && memcmp(list->ids.data + at, entry->id.text,
                          SCIM_UUID_LEN) != 0)
            {
                at += SCIM_UUID_LEN;
            }
            stop_at(list, at);
            return end_segment(resource);
        }
    }
    return next_chunk(resource);
}


static scim_step_t
on_entries(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    if (!scim_resource_take_entries(resource, reply, 3,
            (size_t) scim_reply_number(reply, 2)))
    {
        return SCIM_STEP_DONE;
    }
    for (size_t i = 0; i < resource->entry_count; i++) {
        if ((long long) resource->entry[i].extra_total / SPENT_BY_MEMBERS
            > operation->service->scan_max)
        {
            return scim_list_too_many(resource);
        }
    }
    return scim_resource_complete(resource, match_entries);
}


/* Bare records: whoever is gone meanwhile has none. */
static scim_step_t
on_records(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_list_t     *list = resource->list;
    scim_entry_t     entry = { 0 };
    bool             meta = needs(list, "meta");

    for (size_t i = 0; i < list->chunk; i++) {
        scim_text_t record = scim_reply_text(reply, i);

        if (record.len == 0) {
            continue;
        }
        entry.id = (scim_text_t) { list->ids.data + list->id_at
                                       + i * SCIM_UUID_LEN, SCIM_UUID_LEN };
        if (!scim_record_parse(record.text, record.len, &entry.record)) {
            return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
                "the store holds a damaged record");
        }
        if (!match_entry(resource, &entry, meta)) {
            return SCIM_STEP_DONE;
        }
        if (filled(list)) {
            stop_at(list, list->id_at + i * SCIM_UUID_LEN);
            return end_segment(resource);
        }
    }
    return next_chunk(resource);
}


static void
add_keys(scim_resource_t *resource)
{
    char                    key[SCIM_KEY_MAX];
    size_t                  len;
    const char             *id;
    scim_list_t            *list = resource->list;
    scim_operation_t       *operation = &resource->operation;
    const scim_principal_t *principal = operation->request->principal;

    /* of all keys only the id at the end differs */
    len = scim_key(key, principal->shard, principal->workspace,
        resource->type->key_word, list->ids.data, SCIM_UUID_LEN);
    if (len == 0) {
        operation->arena.failed = true;
        return;
    }
    for (size_t i = 0; i < list->chunk; i++) {
        id = list->ids.data + list->id_at + i * SCIM_UUID_LEN;
        memcpy(key + len - SCIM_UUID_LEN, id, SCIM_UUID_LEN);
        scim_command_add(operation, key, len);
    }
}


/* Everything that an index says needs no document: ids alone are counted. */
static scim_step_t
take_ids(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;

    for (size_t at = list->id_at; at < list->ids.len; at += SCIM_UUID_LEN) {
        if (!found(resource, list->ids.data + at, NULL)) {
            return scim_list_no_memory(resource);
        }
        if (filled(list)) {
            stop_at(list, at);
            break;
        }
    }
    return end_segment(resource);
}


/*
 * False when the next chunk is more than one request may read.  A walk that
 * reads no further than this has read one chunk at least.
 */
static bool
spend(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;
    bool         first = list->spent == 0;

    list->spent += (long long) list->chunk;
    list->worked += (long long) list->work.done;
    list->work.done = 0;
    return list->worked <= resource->operation.service->scan_max
            * (long long) SCIM_LIST_WORK_EACH
        && (list->spent <= resource->operation.service->scan_max
            || (first && list->cursors && !list->sorted));
}


static void
add_ids(scim_resource_t *resource)
{
    scim_list_t      *list = resource->list;
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "list_read", true);
    scim_command_text(operation, resource->type->key_word);
    scim_resource_add_extra(resource, true);
    for (size_t i = 0; i < list->chunk; i++) {
        scim_command_add(operation, list->ids.data + list->id_at
            + i * SCIM_UUID_LEN, SCIM_UUID_LEN);
    }
}


static scim_step_t
read_documents(scim_resource_t *resource)
{
    bool              extra, group = scim_resource_is_group(resource);
    size_t            left, most;
    scim_list_t      *list = resource->list;
    scim_operation_t *operation = &resource->operation;

    left = (list->ids.len - list->id_at) / SCIM_UUID_LEN;
    if (left == 0) {
        return list->last ? end_segment(resource)
                          : scim_list_more_ids(resource);
    }
    extra = needs(list, group ? "members" : "groups");
    most = extra && group ? SCIM_LIST_GROUPS : SCIM_LIST_CHUNK;
    list->chunk = left < most ? left : most;
    if (!spend(resource)) {
        if (!list->cursors || list->sorted) {
            return scim_list_too_many(resource);
        }
        /* a walk goes on with the next page, even if this one is empty */
        list->partial = true;
        scim_list_stop(list, list->at, list->seen, SCIM_UUID_LEN);
        return end_segment(resource);
    }
    memcpy(list->seen, list->ids.data + list->id_at
        + (list->chunk - 1) * SCIM_UUID_LEN, SCIM_UUID_LEN);
    if (extra) {
        add_ids(resource);
        return scim_command_send(operation, on_entries);
    }
    scim_command_plain(operation, "MGET");
    add_keys(resource);
    return scim_command_send(operation, on_records);
}


scim_step_t
scim_list_match_ids(scim_resource_t *resource)
{
    scim_list_t       *list = resource->list;
    const scim_plan_t *plan = list->segment[list->at].plan;

    list->id_at = 0;
    return plan->rest == NULL && !list->sorted ? take_ids(resource)
                                               : read_documents(resource);
}


/* ---- picks ---- */

bool
scim_list_make_picks(scim_resource_t *resource)
{
    scim_list_t *list = resource->list;

    if (list->pick == NULL) {
        list->pick = scim_arena_alloc(&resource->operation.arena,
            ((size_t) list->count + 1) * sizeof(*list->pick));
    }
    return list->pick != NULL;
}


static scim_step_t
show_entries(scim_resource_t *resource)
{
    for (size_t i = 0; i < resource->entry_count; i++) {
        if (!scim_list_show(resource, &resource->entry[i])) {
            return SCIM_STEP_DONE;
        }
    }
    return scim_list_show_picks(resource);
}


static scim_step_t
on_picks(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    return scim_resource_take_entries(resource, reply, 3,
               (size_t) scim_reply_number(reply, 2))
        ? scim_resource_complete(resource, show_entries) : SCIM_STEP_DONE;
}


scim_step_t
scim_list_show_picks(scim_resource_t *resource)
{
    unsigned          segment;
    scim_list_t      *list = resource->list;
    scim_operation_t *operation = &resource->operation;

    if (list->pick_at == list->picked) {
        return list->at == list->segments ? scim_list_answer(resource)
                                          : scim_list_leave(resource);
    }
    segment = list->pick[list->pick_at].segment;
    scim_list_use(resource, segment);
    scim_command_call(operation, "list_read", true);
    scim_command_text(operation, resource->type->key_word);
    scim_resource_add_extra(resource, false);
    for (size_t n = 0; n < SCIM_LIST_SHOWN && list->pick_at < list->picked
         && list->pick[list->pick_at].segment == segment; n++)
    {
        scim_command_add(operation, list->pick[list->pick_at++].id,
            SCIM_UUID_LEN);
    }
    return scim_command_send(operation, on_picks);
}
