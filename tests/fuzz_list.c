#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scim_operation.h"

/*
 * A list's query (filter, sortBy, cursor, ...) and what Redis answers to it:
 * the first line is the query, then come the elements of replies, a line each,
 * replies divided by empty lines.  Whatever they say, an operation ends.
 */
#define ELEMENT_MAX 256
#define REPLY_MAX   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Cuts a line off; false when there is none. */
static bool
line_of(const char **at, const char *end, scim_text_t *line)
{
    const char *stop;

    if (*at >= end) {
        return false;
    }
    stop = memchr(*at, '\n', (size_t) (end - *at));
    stop = stop ? stop : end;
    *line = (scim_text_t) { *at, (size_t) (stop - *at) };
    *at = stop + 1;
    return true;
}


static scim_reply_t
reply_of(const char **at, const char *end, scim_reply_t *element)
{
    size_t      count = 0;
    scim_text_t line;

    while (count < ELEMENT_MAX && line_of(at, end, &line) && line.len) {
        element[count++] = (scim_reply_t) { .type = SCIM_REPLY_STRING,
            .text = line.text, .len = line.len };
    }
    return (scim_reply_t) { .type = SCIM_REPLY_ARRAY, .element = element,
        .elements = count };
}


static void
run(const scim_service_t *service, const scim_request_t *request,
    const char *at, const char *end)
{
    scim_step_t       step;
    scim_reply_t      element[ELEMENT_MAX], reply;
    scim_operation_t *operation = scim_operation_new(service, request);

    if (operation == NULL) {
        return;
    }
    step = scim_operation_start(operation);
    for (int i = 0; step == SCIM_STEP_SEND && i < REPLY_MAX; i++) {
        reply = reply_of(&at, end, element);
        step = scim_operation_reply(operation,
            scim_operation_command(operation), &reply);
    }
    if (step == SCIM_STEP_DONE && operation->response.status == 0) {
        abort();
    }
    scim_operation_free(operation);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static scim_schemas_t   *schemas;
    static const char *const paths[] = { "/Users", "/Groups", "/" };
    const char              *at = (const char *) data, *end = at + size;
    scim_text_t              query = { "", 0 };
    scim_error_t             error = { 0 };
    scim_service_t           service = { .base_url = { "https://h", 9 },
        .shard_count = 128, .body_max = 1 << 20, .page_size = 10,
        .page_size_max = 20, .scan_max = 100 };
    scim_principal_t         principal = { .workspace = "acme",
        .role = SCIM_ROLE_SCIM, .shard = 7 };
    scim_request_t           request = { .method = SCIM_METHOD_GET,
        .principal = &principal, .dataset = { "d", 1 },
        .now = 1767225600000 };

    if (schemas == NULL) {
        schemas = scim_schemas_new(scim_embedded_schemas,
            scim_embedded_schema_count, &error);
    }
    service.schemas = schemas;
    line_of(&at, end, &query);
    request.query = query;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        request.path = (scim_text_t) { paths[i], strlen(paths[i]) };
        run(&service, &request, at, end);
    }
    return 0;
}
