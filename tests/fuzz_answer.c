#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connector_call.h"
#include "pointer.h"
#include "retry_after.h"
#include "scim_json.h"

/*
 * What an app may send: three lines (Retry-After, Date, a JSON Pointer), then
 * the body.  Waits stay in their bounds, ids are safe to use, what is kept of
 * the body is valid JSON text once quoted.
 */
#define NOW 1700000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
require(bool condition)
{
    if (!condition) {
        abort();
    }
}


/* Copies one line and moves on; cut at the buffer's size. */
static void
take_line(const char **at, size_t *left, char *line, size_t size)
{
    const char *end = memchr(*at, '\n', *left);
    size_t      len = end ? (size_t) (end - *at) : *left;
    size_t      kept = len < size ? len : size - 1;

    memcpy(line, *at, kept);
    line[kept] = '\0';
    len += end != NULL;
    *at += len;
    *left -= len;
}


static void
check_kept(const char *body, size_t len)
{
    json_t        *text;
    scim_app_t     app = { .connector = NULL };
    scim_buffer_t  kept;
    connectors_t   connectors = { .loop = NULL };

    scim_buffer_init(&kept, CONNECTOR_ANSWER_KEPT);
    connector_keep(&connectors, &app, body, len, &kept);
    require(!scim_buffer_failed(&kept) && kept.len <= CONNECTOR_ANSWER_KEPT);
    require(len == 0 || kept.len > 0);
    text = json_stringn(kept.data ? kept.data : "", kept.len);
    require(text != NULL && json_string_length(text) == kept.len);
    json_decref(text);
    scim_buffer_free(&kept);
}


/* The answer stands for one of the statuses that have a meaning. */
static void
check_status(const http_answer_t *answer)
{
    int        status;
    scim_app_t app = { .connector = json_pack("{s{ss,ss,s[s],s[s],s[s]}}",
        "answer", "ok", "/ok", "code", "/code", "exists", "a", "absent", "b",
        "wait", "c") };

    require(app.connector != NULL);
    status = connector_status(&app, answer);
    require(status == 200 || status == 404 || status == 409 || status == 422
        || status == 429 || status == 502);
    json_decref(app.connector);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          retry[64], date[64], pointer[128];
    char          id[CONNECTOR_MEMBER_ID_SIZE];
    size_t        left = size;
    int64_t       wait;
    json_t       *root;
    const char   *at = (const char *) data;
    http_answer_t answer = { .result = HTTP_ANSWERED, .status = 200 };

    take_line(&at, &left, retry, sizeof(retry));
    take_line(&at, &left, date, sizeof(date));
    take_line(&at, &left, pointer, sizeof(pointer));
    wait = retry_after_ms(retry, date, NOW);
    require(wait == -1
        || (wait >= RETRY_AFTER_MIN_MS && wait <= RETRY_AFTER_MAX_MS));

    answer.body = at;
    answer.body_len = left;
    root = connector_read_json(&answer);
    if (root && connector_read_id(pointer_get(root, pointer), id)) {
        require(id[0] != '\0' && strlen(id) < sizeof(id));
        require(strpbrk(id, " \r\n\t\x7f") == NULL);
    }
    json_decref(root);
    check_status(&answer);
    check_kept(at, left);
    return 0;
}
