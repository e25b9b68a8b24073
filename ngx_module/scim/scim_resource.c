#include "scim_resource.h"

#include <stdio.h>
#include <string.h>

#include "scim_json.h"
#include "scim_key.h"
#include "scim_list.h"
#include "scim_uuid.h"

#define BUFFER_MAX ((size_t) 1 << 31)


static void
destroy(scim_operation_t *operation)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    json_decref(resource->body);
    json_decref(resource->current);
    json_decref(resource->document);
    scim_members_free(&resource->members);
    scim_list_free(resource->list);
    scim_buffer_free(&resource->text);
    scim_arena_free(&resource->page);
}


scim_operation_t *
scim_resource_new(const scim_service_t *service,
    const scim_request_t *request, const scim_resource_type_t *type,
    scim_text_t id)
{
    scim_resource_t *resource = scim_operation_alloc(sizeof(*resource),
        service, request);

    if (resource == NULL) {
        return NULL;
    }
    resource->type = type;
    resource->id = id;
    resource->operation.destroy = destroy;
    scim_buffer_init(&resource->text, BUFFER_MAX);
    return &resource->operation;
}


bool
scim_resource_is_group(const scim_resource_t *resource)
{
    return strcmp(resource->type->key_word, "group") == 0;
}


scim_step_t
scim_resource_error(scim_resource_t *resource, int status,
    scim_error_type_t type, const char *detail)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, status, type, "%s", detail);
    return scim_operation_fail(&resource->operation, &error);
}


scim_step_t
scim_resource_not_found(scim_resource_t *resource)
{
    return scim_resource_error(resource, 404, SCIM_ERROR_NONE,
        scim_resource_is_group(resource) ? "no such group" : "no such user");
}


bool
scim_resource_read_query(scim_resource_t *resource)
{
    scim_error_t      error = { 0 };
    scim_operation_t *operation = &resource->operation;

    if (scim_query_read(operation->request->query, &operation->arena,
            &resource->query, &operation->lenient, &error)
        && scim_projection_read(resource->type, &resource->query,
            &resource->projection, &error))
    {
        return true;
    }
    scim_operation_fail(operation, &error);
    return false;
}


bool
scim_resource_wants_extra(const scim_resource_t *resource)
{
    return scim_projection_wants(&resource->projection,
        scim_resource_is_group(resource) ? "members" : "groups", NULL);
}


void
scim_resource_add_extra(scim_resource_t *resource, bool looked_at)
{
    resource->named = scim_resource_is_group(resource)
        && (looked_at || scim_projection_wants(&resource->projection,
                "members", "display"));
    scim_command_text(&resource->operation,
        looked_at || scim_resource_wants_extra(resource) ? "1" : "0");
}


json_t *
scim_resource_read_body(scim_resource_t *resource)
{
    json_t       *body;
    scim_error_t  error = { 0 };
    scim_text_t   text = resource->operation.request->body;

    if (resource->operation.request->json) {
        return json_incref((json_t *) resource->operation.request->json);
    }
    if (text.len == 0) {
        scim_resource_error(resource, 400, SCIM_ERROR_INVALID_SYNTAX,
            "the request has no body");
        return NULL;
    }
    if (text.len >= 3 && memcmp(text.text, "\xef\xbb\xbf", 3) == 0) {
        scim_lenient_note(&resource->operation.lenient,
            SCIM_LENIENT_BYTE_ORDER_MARK);
    }
    body = scim_json_read(text.text, text.len, &scim_json_request_limits,
        &error);
    if (body == NULL) {
        scim_operation_fail(&resource->operation, &error);
    }
    return body;
}


/* ---- entries ---- */

static scim_step_t
damaged(scim_resource_t *resource)
{
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "the store holds a damaged record");
}


/* Members and groups are rendered as they are: they must be what they say. */
static bool
extra_valid(const scim_resource_t *resource, scim_text_t text, size_t i)
{
    if (scim_resource_is_group(resource)) {
        return scim_resource_members_valid(text);
    }
    if (i % 2 == 0) {
        return text.len == SCIM_MEMBER_LEN
            && (text.text[0] == 'D' || text.text[0] == 'I')
            && scim_uuid_valid(text.text + 1, SCIM_UUID_LEN);
    }
    return text.len >= 2 && text.text[0] == '"'
        && text.text[text.len - 1] == '"';
}


bool
scim_resource_take_entry(scim_resource_t *resource,
    const scim_reply_t *reply, size_t *at, scim_entry_t *entry)
{
    long long   total, count;
    scim_text_t record;

    entry->id = scim_reply_text(reply, *at);
    record = scim_reply_text(reply, *at + 1);
    total = scim_reply_number(reply, *at + 2);
    count = scim_reply_number(reply, *at + 3);
    *at += 4;
    if (!scim_uuid_valid(entry->id.text, entry->id.len) || total < 0
        || count < 0 || *at > reply->elements
        || (size_t) count > reply->elements - *at
        || !scim_record_parse(record.text, record.len, &entry->record))
    {
        return false;
    }
    entry->extra_total = (size_t) total;
    entry->extra_count = entry->extra_room = (size_t) count;
    if (count) {
        entry->extra = scim_arena_alloc(&resource->page,
            (size_t) count * sizeof(*entry->extra));
        if (entry->extra == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < (size_t) count; i++) {
        entry->extra[i] = scim_reply_text(reply, *at + i);
        if (!extra_valid(resource, entry->extra[i], i)) {
            return false;
        }
        entry->extra_here += entry->extra[i].len / SCIM_MEMBER_LEN;
    }
    *at += (size_t) count;
    return true;
}


bool
scim_resource_take_entries(scim_resource_t *resource,
    const scim_reply_t *reply, size_t first, size_t count)
{
    scim_arena_free(&resource->page);
    resource->entry_count = 0;
    if (!scim_reply_is(reply, "OK") || count > reply->elements) {
        damaged(resource);
        return false;
    }
    resource->entry = scim_arena_alloc(&resource->page,
        (count + 1) * sizeof(*resource->entry));
    if (resource->entry == NULL) {
        scim_resource_error(resource, 500, SCIM_ERROR_NONE, "no memory");
        return false;
    }
    while (resource->entry_count < count) {
        if (!scim_resource_take_entry(resource, reply, &first,
                &resource->entry[resource->entry_count]))
        {
            damaged(resource);
            return false;
        }
        resource->entry_count++;
    }
    return true;
}


static void
keep_text(scim_resource_t *resource, scim_text_t *text)
{
    text->text = scim_arena_copy(&resource->page, text->text, text->len);
}


void
scim_resource_keep_entry(scim_resource_t *resource, scim_entry_t *entry)
{
    entry->record.document = scim_arena_copy(&resource->page,
        entry->record.document, entry->record.document_len);
    keep_text(resource, &entry->id);
    for (size_t i = 0; i < entry->extra_count; i++) {
        keep_text(resource, &entry->extra[i]);
    }
}


/* ---- one resource ---- */

static scim_step_t
on_entry(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_resource_not_found(resource);
    }
    if (!scim_resource_take_entries(resource, reply, 1, 1)) {
        return SCIM_STEP_DONE;
    }
    return scim_resource_complete(resource, resource->done);
}


static scim_step_t
call_get(scim_resource_t *resource)
{
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "get", true);
    scim_command_text(operation, resource->type->key_word);
    scim_command_add(operation, resource->id.text, resource->id.len);
    if (resource->fetch_extra) {
        scim_resource_add_extra(resource, false);
    } else {
        scim_command_text(operation, "0");
    }
    return scim_command_send(operation, on_entry);
}


/* The bare record.  None: the function knows whether that is the truth. */
static scim_step_t
on_record(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_entry_t    *entry;

    if (reply->type != SCIM_REPLY_STRING) {
        return call_get(resource);
    }
    scim_arena_free(&resource->page);
    entry = scim_arena_alloc(&resource->page, sizeof(*entry));
    if (entry == NULL) {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "no memory");
    }
    if (!scim_record_parse(reply->text, reply->len, &entry->record)) {
        return damaged(resource);
    }
    if (resource->fetch_extra && entry->record.grouped) {
        return call_get(resource);
    }
    entry->id = resource->id;
    resource->entry = entry;
    resource->entry_count = 1;
    return resource->done(resource);
}


scim_step_t
scim_resource_fetch(scim_resource_t *resource, bool extra,
    scim_resource_step_t done)
{
    char                    key[SCIM_KEY_MAX];
    scim_operation_t       *operation = &resource->operation;
    const scim_principal_t *principal = operation->request->principal;

    resource->done = done;
    resource->fetch_extra = extra;
    if (extra && scim_resource_is_group(resource)) {
        return call_get(resource);
    }
    scim_command_plain(operation, "GET");
    scim_command_add(operation, key, scim_key(key, principal->shard,
        principal->workspace, resource->type->key_word, resource->id.text,
        resource->id.len));
    return scim_command_send(operation, on_record);
}


json_t *
scim_resource_document(scim_resource_t *resource)
{
    json_t              *document;
    const scim_record_t *record = &resource->entry->record;

    document = scim_json_read(record->document, record->document_len,
        &scim_json_stored_limits, NULL);
    if (document == NULL) {
        damaged(resource);
    }
    return document;
}


/* ---- versions ---- */

/* Opaque parts are compared: W/"7", "7" and 7 are the same (L-58). */
static bool
names_version(scim_text_t list, uint64_t version)
{
    char        wanted[24];
    size_t      len, wanted_len;
    const char *at = list.text, *end = list.text + list.len, *next;

    wanted_len = (size_t) snprintf(wanted, sizeof(wanted), "%llu",
        (unsigned long long) version);
    for ( ; at < end; at = next + 1) {
        next = memchr(at, ',', (size_t) (end - at));
        next = next ? next : end;
        len = (size_t) (next - at);
        while (len && (*at == ' ' || *at == '\t')) {
            at++;
            len--;
        }
        while (len && (at[len - 1] == ' ' || at[len - 1] == '\t')) {
            len--;
        }
        if (len == 1 && *at == '*') {
            return true;
        }
        if (len > 2 && (at[0] == 'W' || at[0] == 'w') && at[1] == '/') {
            at += 2;
            len -= 2;
        }
        if (len > 1 && at[0] == '"' && at[len - 1] == '"') {
            at++;
            len -= 2;
        }
        if (len == wanted_len && memcmp(at, wanted, len) == 0) {
            return true;
        }
    }
    return false;
}


bool
scim_resource_if_match(const scim_resource_t *resource, uint64_t version)
{
    scim_text_t list = resource->operation.request->if_match;

    return list.len == 0 || names_version(list, version);
}


bool
scim_resource_if_none_match(const scim_resource_t *resource,
    uint64_t version)
{
    scim_text_t list = resource->operation.request->if_none_match;

    return list.len != 0 && names_version(list, version);
}


scim_step_t
scim_resource_other_version(scim_resource_t *resource)
{
    return scim_resource_error(resource, 412, SCIM_ERROR_NONE,
        "the resource's version is not one that the request allows");
}
