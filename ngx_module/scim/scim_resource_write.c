#include <string.h>

#include "scim_document.h"
#include "scim_index.h"
#include "scim_json.h"
#include "scim_patch.h"
#include "scim_resource.h"
#include "scim_uuid.h"

/*
 * POST, PUT, PATCH and DELETE:
 *
 *     body ──▶ [ fetch ──▶ change ──▶ commit ]──▶ answer
 *                  ▲                     │
 *                  └── CONTENT, VERSION ─┘   somebody was faster
 *
 * POST starts at `change`, DELETE has none.  Where the answer shows members of
 * a group they are fetched after the commit.
 */
static scim_step_t begin_attempt(scim_resource_t *resource);
static scim_step_t commit_delete(scim_resource_t *resource);


static scim_step_t
no_memory(scim_resource_t *resource)
{
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE, "no memory");
}


/* ---- the answer ---- */

static int
success_status(const scim_resource_t *resource)
{
    switch (resource->operation.request->method) {
    case SCIM_METHOD_POST:
        return 201;
    case SCIM_METHOD_PATCH:
        return !resource->operation.request->brief
                && scim_resource_is_group(resource)
                && resource->projection.mode == SCIM_PROJECTION_ALL
            ? 204 : 200;
    default:
        return 200;
    }
}


static scim_step_t
answer_fetched(scim_resource_t *resource)
{
    return scim_resource_answer(resource, success_status(resource));
}


/*
 * The resource as it is now; entry[0] has the new header.  Members are shown
 * as Redis has them, since parked ones are not visible.
 */
static scim_step_t
answer(scim_resource_t *resource)
{
    int           status = success_status(resource);
    scim_entry_t *entry = resource->entry;

    if (status == 204 || resource->operation.request->brief) {
        scim_resource_headers(resource, entry->record.version);
        return scim_operation_end(&resource->operation, status);
    }
    if (scim_resource_is_group(resource) && scim_resource_wants_extra(resource)
        && (status != 201 || resource->members.mode != SCIM_MEMBERS_KEEP))
    {
        return scim_resource_fetch(resource, true, answer_fetched);
    }
    if (resource->text.len) {
        entry->record.document = resource->text.data;
        entry->record.document_len = resource->text.len;
    }
    return scim_resource_answer(resource, status);
}


/* ---- commit ---- */

static scim_step_t
taken(scim_resource_t *resource, scim_text_t attribute)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, 409, SCIM_ERROR_UNIQUENESS,
        "%.*s is taken by another %s", (int) attribute.len, attribute.text,
        resource->type->key_word);
    return scim_operation_fail(&resource->operation, &error);
}


/* A group among the new members may not be one: conf/redis/05_nesting.lua. */
static scim_step_t
nested_wrongly(scim_resource_t *resource, const scim_reply_t *reply)
{
    scim_error_t error = { 0 };
    scim_text_t  id = scim_reply_text(reply, 1);

    if (resource->operation.request->circular) { /* RFC 7644 section 3.7.1 */
        scim_error_set(&error, 409, SCIM_ERROR_NONE,
            "groups that refer to each other in a circle cannot be");
    } else if (scim_reply_is(reply, "CYCLE")) {
        scim_error_set(&error, 400, SCIM_ERROR_INVALID_VALUE,
            "members: the group %.*s already holds this group, directly or "
            "through others", (int) id.len, id.text);
    } else {
        scim_error_set(&error, 400, SCIM_ERROR_INVALID_VALUE,
            "members: groups in groups would be more than 16 levels deep, "
            "more than 1000 above and below this one or around one of those, "
            "or have more than 3000 memberships there");
    }
    return scim_operation_fail(&resource->operation, &error);
}


static scim_step_t
try_again(scim_resource_t *resource)
{
    if (resource->current == NULL
        || resource->attempts >= SCIM_COMMIT_ATTEMPT_MAX)
    {
        resource->operation.response.retry_after = 1;
        return scim_resource_error(resource, 503, SCIM_ERROR_NONE,
            "others change the resource at the same time; nothing was done");
    }
    return begin_attempt(resource);
}


static scim_step_t
refused(scim_resource_t *resource, const scim_reply_t *reply)
{
    if (scim_reply_is(reply, "CONTENT") || scim_reply_is(reply, "VERSION")) {
        return try_again(resource);
    }
    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_resource_not_found(resource);
    }
    if (scim_reply_is(reply, "UNIQUE")) {
        return taken(resource, scim_reply_text(reply, 1));
    }
    if (scim_reply_is(reply, "CYCLE") || scim_reply_is(reply, "NESTING")) {
        return nested_wrongly(resource, reply);
    }
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "the store gave an answer that makes no sense");
}


static scim_step_t
on_commit(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_record_t   *record = &resource->entry->record;

    if (!scim_reply_is(reply, "OK")) {
        return refused(resource, reply);
    }
    record->version = (uint64_t) scim_reply_number(reply, 1);
    record->created = scim_reply_number(reply, 2);
    record->modified = scim_reply_number(reply, 3);
    if (scim_reply_number(reply, 5)) {
        scim_lenient_note(&operation->lenient, SCIM_LENIENT_EXTERNAL_ID_TWICE);
    }
    return answer(resource);
}


/* What many small requests add up to; a PUT could not bring it back. */
static scim_step_t
too_large(scim_resource_t *resource)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, 413, SCIM_ERROR_NONE,
        "the %s would be larger than %zu bytes", resource->type->key_word,
        resource->operation.service->body_max);
    return scim_operation_fail(&resource->operation, &error);
}


/* Nothing but what changes goes to Redis; nothing at all ends here. */
static scim_step_t
commit(scim_resource_t *resource, const char *verb)
{
    scim_error_t          error = { 0 };
    const scim_members_t *members = &resource->members;

    scim_buffer_reset(&resource->text);
    if (!json_equal(resource->document, resource->current)) {
        if (!scim_index_check(resource->type, resource->current,
                resource->document, &error))
        {
            return scim_operation_fail(&resource->operation, &error);
        }
        scim_json_write(resource->document, &resource->text);
        if (scim_buffer_failed(&resource->text)) {
            return no_memory(resource);
        }
        if (resource->text.len > resource->operation.service->body_max) {
            return too_large(resource);
        }
    }
    if (resource->text.len == 0
        && (members->mode == SCIM_MEMBERS_KEEP
            || (members->mode == SCIM_MEMBERS_DELTA
                && json_object_size(members->add) == 0
                && json_object_size(members->remove) == 0)))
    {
        return answer(resource);
    }
    scim_resource_commit_command(resource, verb);
    return scim_command_send(&resource->operation, on_commit);
}


/* ---- change ---- */

/* RFC 9110 section 13.1: writes may name versions in either way. */
static bool
version_allowed(const scim_resource_t *resource)
{
    uint64_t version = resource->entry->record.version;

    return scim_resource_if_match(resource, version)
        && !scim_resource_if_none_match(resource, version);
}


/*
 * What entry[0] points to (the stored document, the user's groups) outlives
 * the reply from here on.
 */
static bool
keep_current(scim_resource_t *resource)
{
    scim_entry_t *entry = resource->entry;

    resource->current = scim_resource_document(resource);
    if (resource->current == NULL) {
        return false;
    }
    entry->record.document = scim_arena_copy(&resource->page,
        entry->record.document, entry->record.document_len);
    entry->id = resource->id;
    for (size_t i = 0; i < entry->extra_count; i++) {
        entry->extra[i].text = scim_arena_copy(&resource->page,
            entry->extra[i].text, entry->extra[i].len);
    }
    if (resource->page.failed) {
        no_memory(resource);
        return false;
    }
    return true;
}


static scim_step_t
change(scim_resource_t *resource)
{
    bool              ok;
    scim_error_t      error = { 0 };
    scim_operation_t *operation = &resource->operation;

    if (!version_allowed(resource)) {
        return scim_resource_other_version(resource);
    }
    if (!keep_current(resource)) {
        return SCIM_STEP_DONE;
    }
    if (!scim_members_init(&resource->members)) {
        return no_memory(resource);
    }
    if (operation->request->method == SCIM_METHOD_PUT) {
        ok = scim_document_normalize(resource->type, SCIM_DOCUMENT_REPLACE,
            resource->body, resource->current, resource->id.text,
            &resource->document, &resource->members, &operation->lenient,
            &error);
    } else {
        ok = scim_patch_apply(resource->type, resource->body,
            resource->current, resource->id.text, &resource->document,
            &resource->members, &operation->lenient, &error);
    }
    if (!ok) {
        return scim_operation_fail(operation, &error);
    }
    return commit(resource, operation->request->method == SCIM_METHOD_PUT
        ? "replaced" : "patched");
}


static scim_step_t
begin_attempt(scim_resource_t *resource)
{
    bool delete = resource->operation.request->method == SCIM_METHOD_DELETE;
    bool extra = !delete && !scim_resource_is_group(resource)
        && !resource->operation.request->brief
        && scim_resource_wants_extra(resource);

    json_decref(resource->current);
    json_decref(resource->document);
    resource->current = resource->document = NULL;
    scim_members_free(&resource->members);
    if (resource->attempts++ == 0) {
        resource->noted = resource->operation.lenient;
    } else {
        resource->operation.lenient = resource->noted;
    }
    return scim_resource_fetch(resource, extra,
        delete ? commit_delete : change);
}


static scim_step_t
begin_change(scim_resource_t *resource)
{
    char id[SCIM_UUID_LEN + 1];

    if (!scim_resource_read_query(resource)) {
        return SCIM_STEP_DONE;
    }
    resource->body = scim_resource_read_body(resource);
    if (resource->body == NULL) {
        return SCIM_STEP_DONE;
    }
    /* the path's id, with a NUL behind it */
    memcpy(id, resource->id.text, SCIM_UUID_LEN);
    id[SCIM_UUID_LEN] = '\0';
    memcpy(resource->id_made, id, sizeof(id));
    resource->id.text = resource->id_made;
    return begin_attempt(resource);
}


scim_step_t
scim_resource_put(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return begin_change((scim_resource_t *) operation);
}


scim_step_t
scim_resource_patch(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return begin_change((scim_resource_t *) operation);
}


/* ---- POST ---- */

static bool
make_entry(scim_resource_t *resource)
{
    const scim_request_t *request = resource->operation.request;

    if (request->new_id.len == SCIM_UUID_LEN) {
        memcpy(resource->id_made, request->new_id.text, SCIM_UUID_LEN);
    } else {
        scim_uuid_v7(request->now, request->random, resource->id_made);
    }
    resource->id.text = resource->id_made;
    resource->id.len = SCIM_UUID_LEN;
    resource->entry = scim_arena_alloc(&resource->page,
        sizeof(*resource->entry));
    if (resource->entry == NULL) {
        return false;
    }
    resource->entry->id = resource->id;
    resource->entry_count = 1;
    return scim_members_init(&resource->members);
}


scim_step_t
scim_resource_post(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_error_t     error = { 0 };
    scim_resource_t *resource = (scim_resource_t *) operation;

    (void) none;
    if (!scim_resource_read_query(resource)) {
        return SCIM_STEP_DONE;
    }
    resource->body = scim_resource_read_body(resource);
    if (resource->body == NULL) {
        return SCIM_STEP_DONE;
    }
    if (!make_entry(resource)) {
        return no_memory(resource);
    }
    if (!scim_document_normalize(resource->type, SCIM_DOCUMENT_CREATE,
            resource->body, NULL, resource->id.text, &resource->document,
            &resource->members, &operation->lenient, &error))
    {
        return scim_operation_fail(operation, &error);
    }
    return commit(resource, "created");
}


/* ---- DELETE ---- */

static scim_step_t
on_delete(scim_operation_t *operation, const scim_reply_t *reply)
{
    return scim_reply_is(reply, "OK")
        ? scim_operation_end(operation, 204)
        : refused((scim_resource_t *) operation, reply);
}


/* What the indexes hold for it can only be read from the document. */
static scim_step_t
commit_delete(scim_resource_t *resource)
{
    if (!version_allowed(resource)) {
        return scim_resource_other_version(resource);
    }
    resource->current = scim_resource_document(resource);
    if (resource->current == NULL) {
        return SCIM_STEP_DONE;
    }
    scim_resource_commit_command(resource, "deleted");
    return scim_command_send(&resource->operation, on_delete);
}


scim_step_t
scim_resource_delete(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return begin_attempt((scim_resource_t *) operation);
}
