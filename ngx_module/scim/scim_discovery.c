#include "scim_discovery.h"

#include <string.h>

#include "scim_bulk.h"
#include "scim_event.h"
#include "scim_json.h"
#include "scim_list.h"
#include "scim_query.h"

typedef struct {
    scim_operation_t      operation; /* first: they share an address */
    scim_discovery_kind_t kind;
    scim_text_t           name;
} scim_discovery_t;


static void
append_base(const scim_operation_t *operation, scim_buffer_t *out)
{
    scim_buffer_append(out, operation->service->base_url.text,
        operation->service->base_url.len);
}


static void
append_meta(const scim_operation_t *operation, const char *type,
    const char *endpoint, const char *id, scim_buffer_t *out)
{
    scim_buffer_printf(out, ",\"meta\":{\"resourceType\":\"%s\","
        "\"location\":\"", type);
    append_base(operation, out);
    scim_buffer_append_text(out, endpoint);
    if (id) {
        scim_buffer_append_char(out, '/');
        scim_buffer_append_text(out, id);
    }
    scim_buffer_append_text(out, "\"}}");
}


/* A resource of the schema files, with meta. */
static void
append_source(const scim_operation_t *operation, const json_t *source,
    const char *type, const char *endpoint, scim_buffer_t *out)
{
    scim_json_write(source, out);
    if (scim_buffer_failed(out)) {
        return;
    }
    out->len--; /* the closing brace */
    append_meta(operation, type, endpoint,
        json_string_value(json_object_get(source, "id")), out);
}


/* RFC 9967: whether clients may ask for later answers; events one can get. */
static void
append_security_events(const scim_operation_t *operation, scim_buffer_t *out)
{
    scim_buffer_printf(out, ",\"securityEvents\":{\"asyncRequest\":\"%s\","
        "\"eventUris\":[", operation->service->async ? "request" : "none");
    for (size_t i = 0; operation->service->async && scim_event_uri(i); i++) {
        scim_buffer_printf(out, "%s\"%s\"", i ? "," : "",
            scim_event_uri(i));
    }
    scim_buffer_append_text(out, "]}");
}


static void
append_config(const scim_operation_t *operation, scim_buffer_t *out)
{
    scim_buffer_printf(out,
        "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:"
        "ServiceProviderConfig\"],"
        "\"patch\":{\"supported\":true},"
        "\"bulk\":{\"supported\":true,\"maxOperations\":%d,"
        "\"maxPayloadSize\":%zu},"
        "\"filter\":{\"supported\":true,\"maxResults\":%u},"
        "\"changePassword\":{\"supported\":false},"
        "\"sort\":{\"supported\":true},"
        "\"etag\":{\"supported\":true},"
        "\"authenticationSchemes\":[{\"type\":\"oauthbearertoken\","
        "\"name\":\"Bearer token\",\"description\":\"A token of one workspace "
        "in the Authorization header\",\"specUri\":"
        "\"https://www.rfc-editor.org/info/rfc6750\",\"primary\":true}],"
        "\"pagination\":{\"cursor\":true,\"index\":true,"
        "\"defaultPaginationMethod\":\"index\",\"defaultPageSize\":%u,"
        "\"maxPageSize\":%u,\"cursorTimeout\":%d}",
        SCIM_BULK_ITEM_MAX, operation->service->body_max,
        operation->service->page_size_max, operation->service->page_size,
        operation->service->page_size_max, SCIM_CURSOR_TIMEOUT);
    append_security_events(operation, out);
    append_meta(operation, "ServiceProviderConfig", "/ServiceProviderConfig",
        NULL, out);
}


static size_t
count_of(const scim_discovery_t *discovery)
{
    const scim_schemas_t *schemas = discovery->operation.service->schemas;

    return discovery->kind == SCIM_DISCOVERY_TYPES
        ? scim_resource_type_count(schemas) : scim_schemas_count(schemas);
}


static void
append_one(const scim_discovery_t *discovery, size_t i, scim_buffer_t *out)
{
    const scim_operation_t *operation = &discovery->operation;
    const scim_schemas_t   *schemas = operation->service->schemas;

    if (discovery->kind == SCIM_DISCOVERY_TYPES) {
        append_source(operation, scim_resource_type_at(schemas, i)->source,
            "ResourceType", "/ResourceTypes", out);
    } else {
        append_source(operation, scim_schemas_at(schemas, i)->source,
            "Schema", "/Schemas", out);
    }
}


static void
append_all(const scim_discovery_t *discovery, scim_buffer_t *out)
{
    size_t count = count_of(discovery);

    scim_buffer_printf(out, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:ListResponse\"],\"totalResults\":%zu,\"startIndex\":1,"
        "\"itemsPerPage\":%zu,\"Resources\":[", count, count);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            scim_buffer_append_char(out, ',');
        }
        append_one(discovery, i, out);
    }
    scim_buffer_append_text(out, "]}");
}


/* Position of what is named, or the number of all when there is none such. */
static size_t
position_of(const scim_discovery_t *discovery)
{
    size_t                i, count = count_of(discovery);
    scim_text_t           name = discovery->name;
    const scim_schemas_t *schemas = discovery->operation.service->schemas;

    if (discovery->kind == SCIM_DISCOVERY_TYPES) {
        const scim_resource_type_t *type = scim_resource_type_find(schemas,
            name.text, name.len);

        for (i = 0; i < count; i++) {
            if (scim_resource_type_at(schemas, i) == type) {
                break;
            }
        }
    } else {
        const scim_schema_t *schema = scim_schemas_find(schemas, name.text,
            name.len);

        for (i = 0; i < count; i++) {
            if (scim_schemas_at(schemas, i) == schema) {
                break;
            }
        }
    }
    return i;
}


static scim_step_t
fail(scim_operation_t *operation, int status, const char *detail)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, status, SCIM_ERROR_NONE, "%s", detail);
    return scim_operation_fail(operation, &error);
}


static scim_step_t
answer(scim_operation_t *operation, const scim_reply_t *none)
{
    size_t            i;
    scim_query_t      query;
    scim_error_t      ignored = { 0 };
    scim_buffer_t    *body = &operation->response.body;
    scim_discovery_t *discovery = (scim_discovery_t *) operation;

    (void) none;
    if (scim_query_read(operation->request->query, &operation->arena, &query,
            &operation->lenient, &ignored)
        && query.filter.text)
    {
        return fail(operation, 403, "filters are not offered here");
    }
    if (discovery->kind == SCIM_DISCOVERY_CONFIG) {
        append_config(operation, body);
    } else if (discovery->name.len == 0) {
        append_all(discovery, body);
    } else {
        i = position_of(discovery);
        if (i == count_of(discovery)) {
            return fail(operation, 404,
                discovery->kind == SCIM_DISCOVERY_TYPES
                    ? "no such resource type" : "no such schema");
        }
        append_one(discovery, i, body);
    }
    operation->response.content_type = scim_operation_media_type(operation);
    return scim_operation_end(operation, 200);
}


scim_operation_t *
scim_discovery_new(const scim_service_t *service,
    const scim_request_t *request, scim_discovery_kind_t kind,
    scim_text_t name)
{
    scim_discovery_t *discovery = scim_operation_alloc(sizeof(*discovery),
        service, request);

    if (discovery == NULL) {
        return NULL;
    }
    discovery->kind = kind;
    discovery->name = name;
    discovery->operation.next = answer;
    return &discovery->operation;
}
