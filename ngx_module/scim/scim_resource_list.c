#include <stdio.h>
#include <string.h>

#include "scim_index.h"
#include "scim_json.h"
#include "scim_resource.h"
#include "scim_uuid.h"

/*
 * Lists.  A filter is answered, in this order of preference, by
 *
 *   an index alone        userName eq "x": one page is read, and shown
 *   an index, then a look userName eq "x" and active eq true: what the index
 *                         gives are candidates, read in pages and matched
 *   a scan                anything else: all of the type, in pages, matched;
 *                         refused when there are more than scan_max
 *
 * A page is read, shown, and forgotten before the next one is asked for, so
 * the event loop goes round between pages.
 */
#define PAGE 100


static scim_step_t request_page(scim_resource_t *resource);


static const char *
named_attribute(const scim_filter_t *filter, char *name, size_t size)
{
    const scim_attribute_t *sub = filter->sub;
    int                     len;

    if (filter->extension || filter->attribute == NULL) {
        return NULL;
    }
    if (sub == NULL && filter->attribute->type == SCIM_COMPLEX) {
        sub = scim_attribute_sub(filter->attribute, "value", 5);
    }
    len = snprintf(name, size, "%s%s%s", filter->attribute->name,
        sub ? "." : "", sub ? sub->name : "");
    return len > 0 && (size_t) len < size ? name : NULL;
}


/*
 * Takes `attribute eq "text"` when an index has it.  `exact` says whether the
 * index alone tells who matches.
 */
static bool
use_index(scim_resource_t *resource, const scim_filter_t *filter, bool *exact)
{
    char                name[128];
    bool                found = false;
    const char         *text = json_string_value(filter->value);
    size_t              len = json_string_length(filter->value);
    scim_buffer_t       key;
    const scim_index_t *index;

    if (filter->kind != SCIM_FILTER_EQ || text == NULL || len == 0
        || named_attribute(filter, name, sizeof(name)) == NULL)
    {
        return false;
    }
    *exact = true;
    if (strcmp(name, "id") == 0) {
        resource->attribute = "id";
        resource->key.text = scim_arena_copy(&resource->operation.arena, text,
            len);
        resource->key.len = len;
        return true;
    }
    index = scim_index_find(resource->type, name, strlen(name));
    if (index == NULL) {
        return false;
    }
    scim_buffer_init(&key, 1 << 20);
    if (scim_index_key(resource->type, index, text, len, &key) && key.len
        && memchr(key.data, '\0', key.len) == NULL)
    {
        resource->attribute = index->attribute;
        resource->key.text = scim_arena_copy(&resource->operation.arena,
            key.data, key.len);
        resource->key.len = key.len;
        *exact = key.len < SCIM_INDEX_VALUE_MAX; /* longer ones are cut */
        found = true;
    }
    scim_buffer_free(&key);
    return found;
}


/* An indexed comparison that must hold for the whole filter to hold. */
static bool
find_index(scim_resource_t *resource, const scim_filter_t *filter,
    bool *exact)
{
    bool found = false;

    switch (filter->kind) {
    case SCIM_FILTER_EQ:
        return use_index(resource, filter, exact);
    case SCIM_FILTER_AND:
        found = find_index(resource, filter->left, exact)
            || find_index(resource, filter->right, exact);
        break;
    case SCIM_FILTER_VALUE_PATH:
        if (filter->extension == NULL) {
            found = (filter->right
                        && find_index(resource, filter->right, exact))
                || find_index(resource, filter->left, exact);
        }
        break;
    default:
        break;
    }
    *exact = false;
    return found;
}


/* Whether matching needs what is not in the stored document. */
static bool
needs(const scim_filter_t *filter, const char *attribute)
{
    if (filter == NULL) {
        return false;
    }
    return needs(filter->left, attribute) || needs(filter->right, attribute)
        || (filter->extension == NULL && filter->attribute
            && strcmp(filter->attribute->name, attribute) == 0);
}


static scim_step_t
answer_list(scim_resource_t *resource, long long total)
{
    scim_operation_t *operation = &resource->operation;
    scim_buffer_t    *body = &operation->response.body;

    if (scim_buffer_failed(&resource->items)) {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "no memory");
    }
    scim_buffer_reserve(body, resource->items.len + 200);
    scim_buffer_printf(body, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:ListResponse\"],\"totalResults\":%lld,"
        "\"startIndex\":%lld,\"itemsPerPage\":%lld,\"Resources\":[", total,
        resource->query.start_index, resource->shown);
    scim_buffer_append(body, resource->items.data ? resource->items.data : "",
        resource->items.len);
    scim_buffer_append_text(body, "]}");
    operation->response.content_type =
        scim_operation_media_type(operation);
    return scim_operation_end(operation, 200);
}


static bool
show(scim_resource_t *resource, const scim_entry_t *entry)
{
    if (resource->shown) {
        scim_buffer_append_char(&resource->items, ',');
    }
    resource->shown++;
    if (scim_resource_render(resource, entry, &resource->items)) {
        return true;
    }
    scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "a resource cannot be shown");
    return false;
}


/* ---- an index alone, or no filter: Redis counts and cuts ---- */

static scim_step_t
show_page(scim_resource_t *resource)
{
    for (size_t i = 0; i < resource->entry_count; i++) {
        if (!show(resource, &resource->entry[i])) {
            return SCIM_STEP_DONE;
        }
    }
    return answer_list(resource, resource->matched);
}


/*
 * A plus sign that somebody forgot to encode arrives as a space: a value with
 * spaces that finds nobody is looked up once more (reference L-23).
 */
static bool
try_plus(scim_resource_t *resource)
{
    char *key;

    if (resource->plus_tried || resource->attribute == NULL
        || (strcmp(resource->attribute, "userName") != 0
            && strcmp(resource->attribute, "emails.value") != 0)
        || memchr(resource->key.text, ' ', resource->key.len) == NULL)
    {
        return false;
    }
    resource->plus_tried = true;
    key = scim_arena_copy(&resource->operation.arena, resource->key.text,
        resource->key.len);
    for (size_t i = 0; key && i < resource->key.len; i++) {
        if (key[i] == ' ') {
            key[i] = '+';
        }
    }
    resource->key.text = key;
    return key != NULL;
}


/* ---- matching ---- */

static scim_step_t
match_page(scim_resource_t *resource)
{
    bool            matches;
    json_t         *json;
    const long long first = resource->query.start_index - 1;

    for (size_t i = 0; i < resource->entry_count; i++) {
        json = scim_resource_json(resource, &resource->entry[i],
            resource->filter_extra);
        if (json == NULL) {
            return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
                "a resource cannot be read");
        }
        matches = scim_filter_match(resource->filter, json);
        json_decref(json);
        if (!matches) {
            continue;
        }
        resource->matched++;
        if (resource->matched > first && resource->shown < resource->count
            && !show(resource, &resource->entry[i]))
        {
            return SCIM_STEP_DONE;
        }
    }
    resource->offset += PAGE;
    if (resource->offset >= resource->candidates) {
        return answer_list(resource, resource->matched);
    }
    return request_page(resource);
}


/* ---- pages ---- */

static scim_step_t
on_page(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    long long        total = scim_reply_number(reply, 1);

    if (!scim_resource_take_entries(resource, reply, 3,
            (size_t) scim_reply_number(reply, 2)))
    {
        return SCIM_STEP_DONE;
    }
    if (total == 0 && try_plus(resource)) {
        return request_page(resource);
    }
    if (!resource->match) {
        resource->matched = total;
        return scim_resource_complete(resource, show_page);
    }
    if (total > operation->service->scan_max) {
        return scim_resource_error(resource, 400, SCIM_ERROR_TOO_MANY,
            "the filter would have to read too many resources; add an eq on "
            "userName, externalId, displayName, emails.value or id");
    }
    resource->candidates = total;
    return scim_resource_complete(resource, match_page);
}


static scim_step_t
request_page(scim_resource_t *resource)
{
    bool              group = scim_resource_is_group(resource);
    bool              extra = scim_resource_wants_extra(resource);
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, resource->attribute ? "find" : "list", true);
    scim_command_text(operation, resource->type->key_word);
    if (resource->attribute) {
        scim_command_text(operation, resource->attribute);
        scim_command_add(operation, resource->key.text, resource->key.len);
    }
    if (resource->match) {
        scim_command_number(operation, resource->offset);
        scim_command_number(operation, PAGE);
        extra = extra || needs(resource->filter,
            group ? "members" : "groups");
    } else {
        scim_command_number(operation, resource->query.start_index - 1);
        scim_command_number(operation, resource->count);
    }
    scim_command_text(operation, extra ? "1" : "0");
    return scim_command_send(operation, on_page);
}


static bool
read_filter(scim_resource_t *resource)
{
    bool              exact = true;
    scim_text_t       text = resource->query.filter;
    scim_error_t      error = { 0 };
    scim_operation_t *operation = &resource->operation;

    if (text.text == NULL) {
        return true;
    }
    resource->filter = scim_filter_parse(resource->type, text.text, text.len,
        &operation->lenient, &error);
    if (resource->filter == NULL) {
        scim_operation_fail(operation, &error);
        return false;
    }
    resource->filter_extra = needs(resource->filter, "meta")
        || needs(resource->filter, "groups")
        || needs(resource->filter, "members");
    resource->match = !find_index(resource, resource->filter, &exact)
        || !exact;
    return true;
}


static scim_step_t
begin_list(scim_resource_t *resource)
{
    const scim_service_t *service = resource->operation.service;

    if (!read_filter(resource)) {
        return SCIM_STEP_DONE;
    }
    resource->count = resource->query.count;
    if (resource->count < 0) {
        resource->count = service->page_size;
    }
    if (resource->count > service->page_size_max) {
        resource->count = service->page_size_max;
    }
    if (resource->attribute && strcmp(resource->attribute, "id") == 0
        && !scim_uuid_valid(resource->key.text, resource->key.len))
    {
        return answer_list(resource, 0); /* nobody can have this id */
    }
    return request_page(resource);
}


scim_step_t
scim_resource_list(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    (void) none;
    return scim_resource_read_query(resource) ? begin_list(resource)
                                              : SCIM_STEP_DONE;
}


scim_step_t
scim_resource_search(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_error_t     error = { 0 };
    scim_resource_t *resource = (scim_resource_t *) operation;

    (void) none;
    resource->body = scim_resource_read_body(resource);
    if (resource->body == NULL) {
        return SCIM_STEP_DONE;
    }
    if (!scim_query_read_search(resource->body, &operation->arena,
            &resource->query, &error)
        || !scim_projection_read(resource->type, &resource->query,
            &resource->projection, &error))
    {
        return scim_operation_fail(operation, &error);
    }
    return begin_list(resource);
}
