#include <stdio.h>
#include <string.h>

#include "scim_document.h"
#include "scim_json.h"
#include "scim_resource.h"

#define BUFFER_MAX ((size_t) 1 << 31)


static void
append_reference(const scim_resource_t *resource, const char *endpoint,
    scim_text_t id, scim_buffer_t *out)
{
    scim_text_t base = resource->operation.service->base_url;

    scim_buffer_append_text(out, "{\"value\":\"");
    scim_buffer_append(out, id.text, id.len);
    scim_buffer_append_text(out, "\",\"$ref\":\"");
    scim_buffer_append(out, base.text, base.len);
    scim_buffer_append_text(out, endpoint);
    scim_buffer_append_char(out, '/');
    scim_buffer_append(out, id.text, id.len);
    scim_buffer_append_char(out, '"');
}


/* Pairs of 'D' or 'I' with the id, and displayName, JSON text already. */
static void
append_groups(const scim_resource_t *resource, const scim_entry_t *entry,
    scim_buffer_t *out)
{
    bool        direct;
    scim_text_t id;

    scim_buffer_append_text(out, "\"groups\":[");
    for (size_t i = 0; i + 1 < entry->extra_count; i += 2) {
        id = entry->extra[i];
        direct = id.len && id.text[0] == 'D';
        if (id.len) {
            id.text++;
            id.len--;
        }
        if (i) {
            scim_buffer_append_char(out, ',');
        }
        append_reference(resource, "/Groups", id, out);
        scim_buffer_append_text(out, ",\"display\":");
        scim_buffer_append(out, entry->extra[i + 1].text,
            entry->extra[i + 1].len);
        scim_buffer_append_text(out, direct ? ",\"type\":\"direct\"}"
                                            : ",\"type\":\"indirect\"}");
    }
    scim_buffer_append_char(out, ']');
}


/* The characters of ids need no escapes. */
static void
append_member(const scim_resource_t *resource, const char *member,
    const scim_text_t *name, scim_buffer_t *out)
{
    bool        group = *member == 'G';
    scim_text_t id = { member + 1, SCIM_UUID_LEN };

    append_reference(resource, group ? "/Groups" : "/Users", id, out);
    if (name && name->len) {
        scim_buffer_append_text(out, ",\"display\":");
        scim_buffer_append(out, name->text, name->len);
    }
    scim_buffer_append_text(out, group ? ",\"type\":\"Group\"}"
                                       : ",\"type\":\"User\"}");
}


static void
append_members(const scim_resource_t *resource, const scim_entry_t *entry,
    scim_buffer_t *out)
{
    size_t      member = 0;
    scim_text_t ids;

    scim_buffer_append_text(out, "\"members\":[");
    for (size_t i = 0; i < entry->extra_count; i++) {
        ids = entry->extra[i];
        for (size_t j = 0; j < ids.len; j += SCIM_MEMBER_LEN, member++) {
            if (member) {
                scim_buffer_append_char(out, ',');
            }
            append_member(resource, ids.text + j,
                entry->name ? &entry->name[member] : NULL, out);
        }
    }
    scim_buffer_append_char(out, ']');
}


static void
append_whole(const scim_resource_t *resource, const scim_entry_t *entry,
    scim_buffer_t *out)
{
    scim_buffer_t extra;
    scim_text_t   base = resource->operation.service->base_url;

    scim_buffer_init(&extra, BUFFER_MAX);
    if (entry->extra_count && scim_resource_is_group(resource)) {
        append_members(resource, entry, &extra);
    } else if (entry->extra_count) {
        append_groups(resource, entry, &extra);
    }
    if (scim_buffer_failed(&extra)) {
        out->failed = true;
    }
    scim_record_render(&entry->record, base.text, base.len,
        resource->type->endpoint, resource->type->name, entry->id.text,
        entry->id.len, extra.data, extra.len, out);
    scim_buffer_free(&extra);
}


static json_t *
read_whole(const scim_resource_t *resource, const scim_entry_t *entry)
{
    json_t       *json = NULL;
    scim_buffer_t text;

    scim_buffer_init(&text, BUFFER_MAX);
    append_whole(resource, entry, &text);
    if (!scim_buffer_failed(&text)) {
        json = scim_json_read(text.data, text.len, &scim_json_stored_limits,
            NULL);
    }
    scim_buffer_free(&text);
    return json;
}


static bool
has_foreign(const scim_resource_t *resource, const scim_entry_t *entry)
{
    return scim_document_has_foreign(resource->type, entry->record.document,
        entry->record.document_len);
}


json_t *
scim_resource_json(const scim_resource_t *resource,
    const scim_entry_t *entry, bool whole)
{
    json_t *json = whole ? read_whole(resource, entry)
        : scim_json_read(entry->record.document, entry->record.document_len,
            &scim_json_stored_limits, NULL);

    if (json && has_foreign(resource, entry)) {
        scim_document_hide_foreign(resource->type, json);
    }
    return json;
}


bool
scim_resource_render(const scim_resource_t *resource,
    const scim_entry_t *entry, scim_buffer_t *out)
{
    json_t *whole, *shown;

    if (scim_projection_is_plain(&resource->projection)
        && !has_foreign(resource, entry))
    {
        append_whole(resource, entry, out);
        return !scim_buffer_failed(out);
    }
    whole = scim_resource_json(resource, entry, true);
    shown = whole ? scim_projection_apply(&resource->projection, whole)
                  : NULL;
    if (shown) {
        scim_json_write(shown, out);
    }
    json_decref(whole);
    json_decref(shown);
    return shown != NULL && !scim_buffer_failed(out);
}


void
scim_resource_headers(scim_resource_t *resource, uint64_t version)
{
    int              len;
    scim_text_t      base = resource->operation.service->base_url;
    scim_response_t *response = &resource->operation.response;

    snprintf(response->etag, sizeof(response->etag), "W/\"%llu\"",
        (unsigned long long) version);
    len = snprintf(response->location, sizeof(response->location),
        "%.*s%s/%.*s", (int) base.len, base.text, resource->type->endpoint,
        (int) resource->id.len, resource->id.text);
    if (len < 0 || (size_t) len >= sizeof(response->location)) {
        response->location[0] = '\0';
    }
}


scim_step_t
scim_resource_answer(scim_resource_t *resource, int status)
{
    scim_operation_t *operation = &resource->operation;

    resource->projection.body = resource->body;
    if (!scim_resource_render(resource, resource->entry,
            &operation->response.body))
    {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "the resource cannot be shown");
    }
    operation->response.content_type =
        scim_operation_media_type(operation);
    scim_resource_headers(resource, resource->entry->record.version);
    return scim_operation_end(operation, status);
}
