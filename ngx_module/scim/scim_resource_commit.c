#include <string.h>

#include "scim_index.h"
#include "scim_json.h"
#include "scim_name.h"
#include "scim_resource.h"

#define DATA_MAX ((size_t) 1 << 20)


/* ---- the event's data: names of what changed, no personal data ---- */

static void
append_name(const char *urn, const char *name, scim_buffer_t *out)
{
    if (out->data[out->len - 1] != '[') {
        scim_buffer_append_char(out, ',');
    }
    scim_buffer_append_char(out, '"');
    if (urn) {
        scim_buffer_append_text(out, urn);
        scim_buffer_append_char(out, ':');
    }
    scim_buffer_append_text(out, name);
    scim_buffer_append_char(out, '"');
}


/* Names in `a` that `b` lacks or, with `changed`, has another value for. */
static void
append_differences(const char *urn, const json_t *a, const json_t *b,
    bool changed, scim_buffer_t *out)
{
    json_t       *value;
    const char   *name;
    const json_t *other;

    json_object_foreach((json_t *) a, name, value) {
        if (urn == NULL
            && (strcmp(name, "schemas") == 0 || strcmp(name, "id") == 0
                || strchr(name, ':')))
        {
            continue;
        }
        other = json_object_get(b, name);
        if (!scim_buffer_failed(out)
            && (other == NULL || (changed && !json_equal(value, other))))
        {
            append_name(urn, name, out);
        }
    }
}


static void
append_changes(const char *urn, const json_t *before, const json_t *after,
    scim_buffer_t *out)
{
    append_differences(urn, after, before, true, out);
    append_differences(urn, before, after, false, out);
}


/* {"attributes":["title","active"],"active":false} */
static void
append_data(const scim_resource_t *resource, scim_buffer_t *out)
{
    const json_t *before = resource->current, *after = resource->document;
    const json_t *active = json_object_get(after, "active");

    scim_buffer_append_text(out, "{\"attributes\":[");
    append_changes(NULL, before, after, out);
    for (size_t i = 0; i < resource->type->extension_count; i++) {
        const char *urn = resource->type->extensions[i]->id;

        append_changes(urn, json_object_get(before, urn),
            json_object_get(after, urn), out);
    }
    scim_buffer_append_char(out, ']');
    if (active && !json_equal(active, json_object_get(before, "active"))) {
        scim_buffer_append_text(out, ",\"active\":");
        scim_json_write(active, out);
    }
    scim_buffer_append_char(out, '}');
}


static void
add_data(scim_resource_t *resource)
{
    scim_buffer_t data;

    scim_buffer_init(&data, DATA_MAX);
    if (resource->text.len) {
        append_data(resource, &data);
    }
    if (scim_buffer_failed(&data)) {
        scim_buffer_reset(&data); /* names that long are not worth telling */
    }
    scim_command_add(&resource->operation, data.len ? data.data : "",
        data.len);
    scim_buffer_free(&data);
}


/* ---- names, indexes, members ---- */

/* What others show as its name, as JSON text when it is new, else nothing. */
static void
add_name(scim_resource_t *resource)
{
    json_t       *before, *after;
    scim_buffer_t text;

    scim_buffer_init(&text, DATA_MAX);
    before = scim_name_of(resource->type, resource->current);
    after = scim_name_of(resource->type, resource->document);
    if (after && !json_equal(before, after)) {
        scim_json_write(after, &text);
    }
    if (after == NULL || scim_buffer_failed(&text)) {
        resource->operation.arena.failed = true;
    }
    json_decref(before);
    json_decref(after);
    scim_command_add(&resource->operation, text.len ? text.data : "",
        text.len);
    scim_buffer_free(&text);
}


static void
add_values(scim_operation_t *operation, const json_t *values)
{
    size_t  i;
    json_t *value;

    scim_command_number(operation, (long long) json_array_size(values));
    json_array_foreach((json_t *) values, i, value) {
        scim_command_add(operation, json_string_value(value),
            json_string_length(value));
    }
}


/* True when the values of this index move, and the command says how. */
static bool
add_index(scim_resource_t *resource, const scim_index_t *index)
{
    bool    moves;
    json_t *before, *after;

    before = scim_index_values(resource->type, index, resource->current);
    after = scim_index_values(resource->type, index, resource->document);
    if (before == NULL || after == NULL) {
        resource->operation.arena.failed = true;
    }
    moves = !json_equal(before, after);
    if (moves) {
        scim_command_text(&resource->operation, index->attribute);
        scim_command_text(&resource->operation, index->unique ? "1" : "0");
        add_values(&resource->operation, before);
        add_values(&resource->operation, after);
    }
    json_decref(before);
    json_decref(after);
    return moves;
}


static void
add_indexes(scim_resource_t *resource, bool deleted)
{
    size_t              count, moved = 0;
    scim_operation_t   *operation = &resource->operation;
    const size_t        place = operation->command.argc;
    const scim_index_t *indexes = scim_index_list(resource->type, &count);

    scim_command_number(operation, 0); /* how many follow: known below */
    if (resource->text.len || deleted) {
        for (size_t i = 0; i < count; i++) {
            moved += add_index(resource, &indexes[i]);
        }
    }
    scim_command_number(operation, (long long) moved);
    if (!operation->arena.failed) {
        operation->command.argc--;
        operation->command.argv[place] =
            operation->command.argv[operation->command.argc];
        operation->command.argv_len[place] =
            operation->command.argv_len[operation->command.argc];
    }
}


static void
add_ids(scim_operation_t *operation, json_t *ids)
{
    json_t     *value;
    const char *id;

    scim_command_number(operation, (long long) json_object_size(ids));
    json_object_foreach(ids, id, value) {
        scim_command_text(operation, id);
    }
}


static void
add_members(scim_resource_t *resource, bool deleted)
{
    static const char *const modes[] = { "keep", "delta", "replace" };
    scim_members_mode_t      mode = resource->members.mode;

    if (deleted) {
        mode = SCIM_MEMBERS_KEEP;
    }
    scim_command_text(&resource->operation, modes[mode]);
    add_ids(&resource->operation, mode == SCIM_MEMBERS_KEEP
        ? NULL : resource->members.add);
    add_ids(&resource->operation, mode == SCIM_MEMBERS_KEEP
        ? NULL : resource->members.remove);
}


/* ---- the command ---- */

static bool
deactivates(const scim_resource_t *resource)
{
    return json_is_true(json_object_get(resource->current, "active"))
        && json_is_false(json_object_get(resource->document, "active"));
}


static bool
only_removes_members(const scim_resource_t *resource)
{
    return resource->text.len == 0
        && resource->members.mode != SCIM_MEMBERS_KEEP
        && json_object_size(resource->members.add) == 0;
}


/*
 * What takes access away must work when memory is full and when events pile
 * up: the same function, registered with allow-oom.
 */
static const char *
function_name(const scim_resource_t *resource, bool deleted)
{
    return deleted || deactivates(resource) || only_removes_members(resource)
        ? "commit_oom" : "commit";
}


static void
add_conditions(scim_resource_t *resource)
{
    scim_operation_t    *operation = &resource->operation;
    const scim_record_t *record = &resource->entry->record;

    if (resource->current == NULL) {
        scim_command_text(operation, "");
        scim_command_text(operation, "0");
        return;
    }
    if (operation->request->if_match.len
        || operation->request->if_none_match.len)
    {
        scim_command_number(operation, (long long) record->version);
    } else {
        scim_command_text(operation, "");
    }
    scim_command_number(operation, (long long) record->content);
}


void
scim_resource_commit_command(scim_resource_t *resource, const char *verb)
{
    char                    op[64];
    bool                    deleted = strcmp(verb, "deleted") == 0;
    scim_operation_t       *operation = &resource->operation;
    const scim_request_t   *request = operation->request;
    const scim_principal_t *principal = request->principal;

    scim_command_call(operation, function_name(resource, deleted), false);
    scim_command_number(operation, operation->service->backlog_max);
    snprintf(op, sizeof(op), "%s.%s", resource->type->key_word, verb);
    scim_command_text(operation, op);
    scim_command_text(operation, resource->type->key_word);
    scim_command_add(operation, resource->id.text, resource->id.len);
    add_conditions(resource);
    scim_command_text(operation, principal->actor);
    scim_command_add(operation, request->transaction.text,
        request->transaction.len);
    add_data(resource);
    scim_command_add(operation, resource->text.data ? resource->text.data : "",
        resource->text.len);
    if (deleted) {
        scim_command_text(operation, "");
    } else {
        add_name(resource);
    }
    add_indexes(resource, deleted);
    add_members(resource, deleted);
    if (request->execution.len) {
        scim_command_add(operation, request->execution.text,
            request->execution.len);
    }
}
