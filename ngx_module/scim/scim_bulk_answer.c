#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_bulk_internal.h"
#include "scim_json.h"

/* The BulkResponse: RFC 7644 section 3.7. */


static void
append_member(scim_buffer_t *out, const char *name, scim_text_t text)
{
    if (text.len) {
        scim_buffer_printf(out, "\"%s\":", name);
        scim_json_write_string(text.text, text.len, out);
        scim_buffer_append_char(out, ',');
    }
}


/* Of what is or was there; what a failed POST would have made is nowhere. */
static void
append_location(const scim_bulk_t *bulk, const scim_bulk_item_t *item,
    scim_buffer_t *out)
{
    scim_text_t   base = bulk->operation.service->base_url;
    scim_buffer_t url;

    if (item->method == SCIM_METHOD_OTHER
        || (item->method == SCIM_METHOD_POST && item->status >= 300))
    {
        return;
    }
    scim_buffer_init(&url, (size_t) 1 << 20);
    scim_buffer_append(&url, base.text, base.len);
    if (item->type) {
        scim_buffer_append_text(&url, item->type->endpoint);
        if (item->id.len) {
            scim_buffer_append_char(&url, '/');
            scim_buffer_append(&url, item->id.text, item->id.len);
        }
    } else {
        if (item->path.len == 0 || item->path.text[0] != '/') {
            scim_buffer_append_char(&url, '/');
        }
        scim_buffer_append(&url, item->path.text, item->path.len);
    }
    append_member(out, "location", (scim_text_t) { url.data, url.len });
    scim_buffer_free(&url);
}


static void
append_item(const scim_bulk_t *bulk, const scim_bulk_item_t *item,
    scim_buffer_t *out)
{
    scim_text_t version = { item->version_made, strlen(item->version_made) };

    scim_buffer_append_char(out, '{');
    append_member(out, "method", item->method_text);
    append_member(out, "bulkId", item->bulk_id);
    append_location(bulk, item, out);
    append_member(out, "version", version);
    scim_buffer_printf(out, "\"status\":\"%d\"", item->status);
    if (item->response.len) {
        scim_buffer_append_text(out, ",\"response\":");
        scim_buffer_append(out, item->response.text, item->response.len);
    }
    scim_buffer_append_char(out, '}');
}


/* Nothing was done, and it may work later: so says the whole answer. */
static scim_step_t
unavailable(scim_bulk_t *bulk)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, 503, SCIM_ERROR_NONE, "%s",
        bulk->away ? bulk->away
                   : "the store cannot be used now; nothing was done");
    scim_operation_fail(&bulk->operation, &error);
    bulk->operation.response.retry_after = bulk->retry_after;
    return SCIM_STEP_DONE;
}


bool
scim_bulk_unavailable(const scim_operation_t *operation)
{
    const scim_bulk_t *bulk = (const scim_bulk_t *) operation;

    return bulk->away || bulk->retry_after;
}


size_t
scim_bulk_count(const scim_operation_t *operation)
{
    return ((const scim_bulk_t *) operation)->item.count;
}


bool
scim_bulk_outcome(const scim_operation_t *operation, size_t number,
    scim_bulk_outcome_t *outcome)
{
    const scim_bulk_t      *bulk = (const scim_bulk_t *) operation;
    const scim_bulk_item_t *item = &bulk->item.at[number];

    if (item->state != SCIM_BULK_DONE) {
        return false;
    }
    outcome->type = item->type ? item->type->key_word : "bulk";
    outcome->id = item->type && scim_uuid_valid(item->id.text, item->id.len)
            && (item->method != SCIM_METHOD_POST || item->status < 300)
        ? item->id : (scim_text_t) { "", 0 };
    outcome->version = strncmp(item->version_made, "W/\"", 3) == 0
        ? strtoll(item->version_made + 3, NULL, 10) : 0;
    scim_buffer_reset(outcome->text);
    append_item(bulk, item, outcome->text);
    return true;
}


scim_step_t
scim_bulk_answer(scim_bulk_t *bulk)
{
    bool           first = true;
    scim_buffer_t *out = &bulk->operation.response.body;

    if (bulk->retry_after && bulk->successes == 0) {
        return unavailable(bulk);
    }
    scim_buffer_append_text(out, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:BulkResponse\"],\"Operations\":[");
    for (size_t i = 0; i < bulk->item.count; i++) {
        if (bulk->item.at[i].state == SCIM_BULK_DONE) {
            if (!first) {
                scim_buffer_append_char(out, ',');
            }
            first = false;
            append_item(bulk, &bulk->item.at[i], out);
        }
    }
    scim_buffer_append_text(out, "]}");
    bulk->operation.response.content_type =
        scim_operation_media_type(&bulk->operation);
    return scim_operation_end(&bulk->operation, 200);
}
