#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scim_bulk_internal.h"
#include "scim_fold.h"
#include "scim_index.h"

/*
 * References between the operations of a Bulk request: "bulkId:x" wherever a
 * value may stand becomes the id of what operation x names or creates.  Ids of
 * what is created are given out before anything runs, so that references may
 * point forward and in circles.
 */
#define PREFIX     "bulkId:"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define KEY_MAX    ((size_t) 1 << 20) /* of a unique value */

typedef struct {
    scim_bulk_t *bulk;
    size_t       number;
    bool         again; /* it was linked before: only replace */
} walk_t;


/* ---- ids ---- */

static size_t
number_in(const json_t *map, const char *key)
{
    return (size_t) json_integer_value(json_object_get(map, key));
}


static bool
set_number(scim_bulk_t *bulk, json_t *map, const char *key, size_t number)
{
    if (json_object_set_new(map, key, json_integer((json_int_t) number))
        != 0)
    {
        bulk->operation.arena.failed = true;
        return false;
    }
    return true;
}


/* Ids of one request are in its order; all else in them is random. */
static bool
make_id(scim_bulk_t *bulk, size_t number)
{
    char                 *id;
    unsigned char         seed[66], random[SHA512_DIGEST_LENGTH];
    scim_bulk_item_t     *item = &bulk->item.at[number];
    const scim_request_t *request = bulk->operation.request;

    id = scim_arena_alloc(&bulk->operation.arena, SCIM_UUID_LEN + 1);
    if (id == NULL) {
        return false;
    }
    memcpy(seed, request->random, sizeof(request->random));
    seed[64] = (unsigned char) (number >> 8);
    seed[65] = (unsigned char) number;
    SHA512(seed, sizeof(seed), random);
    memcpy(random, seed + 64, 2);
    scim_uuid_v7(request->now, random, id);
    item->id = (scim_text_t) { id, SCIM_UUID_LEN };
    return true;
}


/* The item that has this bulkId; false when there is none to refer to. */
static bool
find_item(const scim_bulk_t *bulk, const char *bulk_id, size_t *number)
{
    const scim_bulk_item_t *item;
    const json_t           *found = json_object_get(bulk->bulk_ids, bulk_id);

    if (found == NULL) {
        return false;
    }
    *number = (size_t) json_integer_value(found);
    item = &bulk->item.at[*number];
    return item->method != SCIM_METHOD_DELETE
        && item->method != SCIM_METHOD_OTHER
        && (item->status || (scim_uuid_valid(item->id.text, item->id.len)));
}


static bool
is_reference(const char *text, size_t len)
{
    return len > PREFIX_LEN && strncasecmp(text, PREFIX, PREFIX_LEN) == 0;
}


static void
fail_unknown(scim_bulk_t *bulk, size_t number, const char *bulk_id)
{
    scim_bulk_item_fail(bulk, &bulk->item.at[number], 400,
        SCIM_ERROR_INVALID_VALUE,
        "no operation of this request creates bulkId \"%.64s\"", bulk_id);
}


/* "/Users/bulkId:x" */
static bool
resolve_path(scim_bulk_t *bulk, size_t number)
{
    size_t            target = 0;
    const char       *bulk_id;
    scim_bulk_item_t *item = &bulk->item.at[number];

    if (!is_reference(item->id.text, item->id.len)) {
        return true;
    }
    bulk_id = scim_arena_copy(&bulk->operation.arena,
        item->id.text + PREFIX_LEN, item->id.len - PREFIX_LEN);
    if (bulk_id == NULL) {
        return false;
    }
    if (!find_item(bulk, bulk_id, &target) || target == number) {
        fail_unknown(bulk, number, bulk_id);
        return true;
    }
    item->id = bulk->item.at[target].id;
    return scim_bulk_wait(bulk, number, target, true);
}


static bool
set_entity(scim_bulk_t *bulk, scim_bulk_item_t *item)
{
    char id[SCIM_UUID_LEN + 1];

    if (item->status || !scim_uuid_valid(item->id.text, item->id.len)) {
        return true;
    }
    memcpy(id, item->id.text, SCIM_UUID_LEN);
    id[SCIM_UUID_LEN] = '\0';
    item->entity = number_in(bulk->entity_of, id);
    if (item->entity) {
        return true;
    }
    if (!SCIM_BULK_GROW(&bulk->entity)) {
        return false;
    }
    memset(&bulk->entity.at[bulk->entity.count], 0,
        sizeof(bulk->entity.at[0]));
    item->entity = bulk->entity.count++;
    return set_number(bulk, bulk->entity_of, id, item->entity);
}


bool
scim_bulk_name(scim_bulk_t *bulk)
{
    bool              ok = true;
    scim_bulk_item_t *item;

    bulk->entity.count = bulk->reader.count = bulk->edge.count = 1;
    bulk->marked = calloc(bulk->item.count + 1, sizeof(*bulk->marked));
    ok = bulk->marked && SCIM_BULK_GROW(&bulk->entity)
        && SCIM_BULK_GROW(&bulk->reader) && SCIM_BULK_GROW(&bulk->edge);
    for (size_t i = 0; ok && i < bulk->item.count; i++) {
        item = &bulk->item.at[i];
        if (item->status == 0 && item->id.len == 0
            && item->method == SCIM_METHOD_POST)
        {
            ok = make_id(bulk, i);
        }
    }
    for (size_t i = 0; ok && i < bulk->item.count; i++) {
        ok = bulk->item.at[i].status || resolve_path(bulk, i);
    }
    for (size_t i = 0; ok && i < bulk->item.count; i++) {
        ok = set_entity(bulk, &bulk->item.at[i]);
    }
    return ok;
}


/* ---- who names and who changes a resource ---- */

static bool
read_entity(scim_bulk_t *bulk, size_t number, size_t entity)
{
    scim_bulk_entity_t *one = &bulk->entity.at[entity];
    scim_bulk_reader_t *reader;

    if (entity == 0 || bulk->item.at[number].entity == entity) {
        return true;
    }
    if (one->first_reader
        && bulk->reader.at[one->first_reader].item == number)
    {
        return true;
    }
    if (one->writer && !scim_bulk_wait(bulk, number, one->writer - 1, false)) {
        return false;
    }
    if (!SCIM_BULK_GROW(&bulk->reader)) {
        return false;
    }
    reader = &bulk->reader.at[bulk->reader.count];
    reader->item = (uint16_t) number;
    reader->next = one->first_reader;
    one->first_reader = bulk->reader.count++;
    return true;
}


static bool
write_entity(scim_bulk_t *bulk, size_t number)
{
    bool                ok = true;
    scim_bulk_item_t   *item = &bulk->item.at[number];
    scim_bulk_entity_t *one = &bulk->entity.at[item->entity];

    if (item->entity == 0) {
        return true;
    }
    if (one->writer) {
        ok = scim_bulk_wait(bulk, number, one->writer - 1, false);
    }
    if (item->method != SCIM_METHOD_POST) { /* before it there was nothing */
        for (size_t i = one->first_reader; ok && i;
             i = bulk->reader.at[i].next)
        {
            ok = scim_bulk_wait(bulk, number, bulk->reader.at[i].item, false);
        }
    }
    one->writer = number + 1;
    one->first_reader = 0;
    return ok;
}


/* ---- values ---- */

/* The id that bulkId `name` stands for; NULL when the item failed by it. */
static const char *
refer(walk_t *walk, const char *name)
{
    size_t            target = 0;
    scim_bulk_t      *bulk = walk->bulk;
    scim_bulk_item_t *item;

    if (!find_item(bulk, name, &target)) {
        fail_unknown(bulk, walk->number, name);
        return NULL;
    }
    item = &bulk->item.at[target];
    if (!walk->again
        && (!scim_bulk_wait(bulk, walk->number, target, true)
            || (target < walk->number
                && !read_entity(bulk, walk->number, item->entity))))
    {
        bulk->operation.arena.failed = true;
        return NULL;
    }
    return item->id.len ? item->id.text : "";
}


/* `value` becomes its first `kept` bytes, the id, its end from `rest` on. */
static void
replace(walk_t *walk, json_t *value, size_t kept, const char *id, size_t rest)
{
    scim_buffer_t text;
    const char   *old = json_string_value(value);

    scim_buffer_init(&text, json_string_length(value) + SCIM_UUID_LEN);
    scim_buffer_append(&text, old, kept);
    scim_buffer_append_text(&text, id);
    scim_buffer_append(&text, old + rest, json_string_length(value) - rest);
    if (scim_buffer_failed(&text)
        || json_string_setn(value, text.data ? text.data : "", text.len) != 0)
    {
        walk->bulk->operation.arena.failed = true;
    }
    scim_buffer_free(&text);
}


/* The reference that begins at `at` and ends before `end`. */
static void
replace_reference(walk_t *walk, json_t *value, size_t at, size_t end)
{
    char       *name;
    const char *id;

    name = scim_arena_copy(&walk->bulk->operation.arena,
        json_string_value(value) + at + PREFIX_LEN, end - at - PREFIX_LEN);
    id = name ? refer(walk, name) : NULL;
    if (id) {
        replace(walk, value, at, id, end);
    }
}


/* An id that another operation of the request may change. */
static void
mention(walk_t *walk, const char *text, size_t len)
{
    char id[SCIM_UUID_LEN + 1];

    if (walk->again || !scim_uuid_valid(text, len)) {
        return;
    }
    memcpy(id, text, len);
    id[len] = '\0';
    if (!read_entity(walk->bulk, walk->number,
            number_in(walk->bulk->entity_of, id)))
    {
        walk->bulk->operation.arena.failed = true;
    }
}


/* path: members[value eq "bulkId:x"] */
static void
visit_path(walk_t *walk, json_t *value)
{
    const char *at, *end, *text = json_string_value(value);

    at = strcasestr(text, "\"" PREFIX);
    end = at ? strchr(at + 1, '"') : NULL;
    if (end && (size_t) (end - at - 1) > PREFIX_LEN) {
        replace_reference(walk, value, (size_t) (at + 1 - text),
            (size_t) (end - text));
    }
}


static void
visit_text(walk_t *walk, const char *name, json_t *value)
{
    size_t      at = 0, len = json_string_length(value);
    const char *text = json_string_value(value), *slash;

    if (scim_name_equal(name, strlen(name), "path", 4)
        && !is_reference(text, len))
    {
        visit_path(walk, value);
        return;
    }
    if (scim_name_equal(name, strlen(name), "$ref", 4)) {
        slash = strrchr(text, '/');
        at = slash ? (size_t) (slash + 1 - text) : 0;
    }
    if (is_reference(text + at, len - at)) {
        replace_reference(walk, value, at, len);
    } else {
        mention(walk, text + at, len - at);
    }
}


/* Two that want the same unique value: the first of the request gets it. */
static void
claim(walk_t *walk, const scim_index_t *index, const json_t *value)
{
    size_t            last;
    scim_bulk_t      *bulk = walk->bulk;
    scim_buffer_t     key;
    scim_bulk_item_t *item = &bulk->item.at[walk->number];

    scim_buffer_init(&key, KEY_MAX);
    scim_buffer_append_text(&key, item->type->endpoint);
    scim_buffer_append_char(&key, ' ');
    if (scim_index_key(item->type, index, json_string_value(value),
            json_string_length(value), &key))
    {
        last = number_in(bulk->claims, key.data);
        if (last && !scim_bulk_wait(bulk, walk->number, last - 1, false)) {
            bulk->operation.arena.failed = true;
        }
        set_number(bulk, bulk->claims, key.data, walk->number + 1);
    }
    scim_buffer_free(&key);
}


/* `name` may have a URN in front. */
static void
claim_named(walk_t *walk, const char *name, const json_t *value)
{
    size_t              count;
    const char         *colon = strrchr(name, ':');
    const scim_index_t *indexes;
    scim_bulk_item_t   *item = &walk->bulk->item.at[walk->number];

    if (walk->again || item->type == NULL || !json_is_string(value)) {
        return;
    }
    name = colon ? colon + 1 : name;
    indexes = scim_index_list(item->type, &count);
    for (size_t i = 0; i < count; i++) {
        if (indexes[i].unique && scim_name_equal(name, strlen(name),
                indexes[i].attribute, strlen(indexes[i].attribute)))
        {
            claim(walk, &indexes[i], value);
        }
    }
}


static void visit(walk_t *walk, const char *name, json_t *value);


static void
visit_object(walk_t *walk, json_t *object)
{
    json_t     *value, *path = scim_bulk_member(object, "path");
    const char *name;

    json_object_foreach(object, name, value) {
        claim_named(walk, name, value);
        visit(walk, name, value);
    }
    if (json_is_string(path)) {
        claim_named(walk, json_string_value(path),
            scim_bulk_member(object, "value"));
    }
}


/* As deep as the reader lets anything be. */
static void
visit(walk_t *walk, const char *name, json_t *value)
{
    size_t  i;
    json_t *element;

    if (walk->bulk->item.at[walk->number].status) {
        return; /* a reference failed */
    }
    if (json_is_string(value)) {
        visit_text(walk, name, value);
    } else if (json_is_object(value)) {
        visit_object(walk, value);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, element) {
            visit(walk, name, element);
        }
    }
}


/* ---- an item ---- */

bool
scim_bulk_link(scim_bulk_t *bulk, size_t number)
{
    walk_t            walk = { bulk, number, false };
    json_t           *element, *data;
    scim_bulk_item_t *item = &bulk->item.at[number];

    if (item->status) {
        return true;
    }
    if (item->method != SCIM_METHOD_DELETE) {
        element = scim_bulk_item_element(bulk, item);
        data = element ? scim_bulk_member(element, "data") : NULL;
        if (data) {
            visit(&walk, "data", data);
        }
        json_decref(element);
    }
    return write_entity(bulk, number) && !bulk->operation.arena.failed;
}


/* Errata 5050, 7916: data of a PATCH that lacks the message around it. */
static json_t *
with_message(scim_bulk_t *bulk, json_t *operations)
{
    scim_lenient_note(&bulk->operation.lenient, SCIM_LENIENT_BULK_FORM);
    return json_pack("{s[s]sO}", "schemas",
        "urn:ietf:params:scim:api:messages:2.0:PatchOp", "Operations",
        operations);
}


json_t *
scim_bulk_data(scim_bulk_t *bulk, size_t number)
{
    walk_t            walk = { bulk, number, true };
    json_t           *data, *element;
    scim_bulk_item_t *item = &bulk->item.at[number];

    element = scim_bulk_item_element(bulk, item);
    if (element == NULL) {
        return NULL;
    }
    data = scim_bulk_member(element, "data");
    if (item->element == NULL) {
        visit(&walk, "data", data);
    }
    if (item->method == SCIM_METHOD_PATCH && json_is_array(data)) {
        data = with_message(bulk, data);
    } else {
        json_incref(data);
    }
    json_decref(element);
    json_decref(item->element);
    item->element = NULL;
    return data;
}
