#include "redis_call.h"

#include <stdlib.h>
#include <string.h>

#include "redis_request.h"
#include "scim_embedded.h"
#include "scim_key.h"
#include "scim_wire.h"

#define FIRST_SIZE  1024
#define NO_DEADLINE "0"


/* ---- requests ---- */

redis_request_t *
redis_request_new(void)
{
    redis_request_t *request = malloc(sizeof(*request) + FIRST_SIZE);

    if (request) {
        memset(request, 0, sizeof(*request));
        request->len = SCIM_WIRE_LENGTH; /* for their number */
        request->size = FIRST_SIZE;
    }
    return request;
}


static redis_request_t *
grown(redis_request_t *request, size_t len)
{
    size_t           size = 2 * request->size + len;
    redis_request_t *grown = realloc(request, sizeof(*grown) + size);

    if (grown == NULL) {
        free(request);
        return NULL;
    }
    grown->size = size;
    return grown;
}


void
redis_request_add(redis_request_t **request, const char *text, size_t len)
{
    size_t           room = scim_wire_room(len);
    redis_request_t *r = *request;

    if (r && room > r->size - r->len) {
        *request = r = grown(r, room);
    }
    if (r == NULL) {
        return;
    }
    r->len = (size_t) (scim_wire_argument(r->text + r->len, text, len)
        - r->text);
    r->argc++;
}


void
redis_request_drop(redis_request_t *request, size_t len)
{
    char  length[SCIM_WIRE_LENGTH];
    char *end = length + sizeof(length);

    request->len -= (size_t) (end - scim_wire_length(end, '$', len)) + len
        + 2;
    request->argc--;
}


void
redis_request_close(redis_request_t *request)
{
    char *begin = scim_wire_length(request->text + SCIM_WIRE_LENGTH, '*',
        request->argc);

    request->start = (size_t) (begin - request->text);
}


/* ---- calls ---- */

void
redis_call_open(redis_call_t *call)
{
    call->request = redis_request_new();
}


void
redis_call_add(redis_call_t *call, const char *text, size_t len)
{
    redis_request_add(&call->request, text, len);
}


void
redis_call_text(redis_call_t *call, const char *text)
{
    redis_call_add(call, text, strlen(text));
}


void
redis_call_number(redis_call_t *call, long long number)
{
    char  digits[SCIM_TEXT_DIGITS + 1];
    char *end = digits + sizeof(digits);
    char *begin = scim_text_number(end, number);

    redis_call_add(call, begin, (size_t) (end - begin));
}


void
redis_call_begin(redis_call_t *call, const char *function, bool read_only,
    unsigned shard, const char *workspace, const char *dataset)
{
    char   name[128] = SCIM_FUNCTION_PREFIX, key[SCIM_KEY_MAX];
    size_t prefix_len = sizeof(SCIM_FUNCTION_PREFIX) - 1;
    size_t len = strlen(function);

    redis_call_open(call);
    len = len < sizeof(name) - prefix_len ? len : 0; /* then it is unknown */
    memcpy(name + prefix_len, function, len);
    redis_call_text(call, read_only ? "FCALL_RO" : "FCALL");
    redis_call_add(call, name, prefix_len + len);
    redis_call_text(call, "1");
    redis_call_add(call, key, scim_key_events(key, shard));
    redis_call_text(call, workspace);
    redis_call_text(call, dataset);
    redis_call_text(call, NO_DEADLINE);
}


void
redis_call_because(redis_call_t *call, const char *cause)
{
    size_t len = strlen(cause);
    char  *text = malloc(len + 2);

    if (call->request == NULL || text == NULL) {
        free(call->request);
        call->request = NULL;
        free(text);
        return;
    }
    memcpy(text, NO_DEADLINE "\n", 2);
    memcpy(text + 2, cause, len);
    redis_request_drop(call->request, sizeof(NO_DEADLINE) - 1);
    redis_call_add(call, text, len + 2);
    free(text);
}


bool
redis_call_send(redis_call_t *call, redis_client_t *client,
    redis_reply_pt reply, void *data)
{
    redis_request_t *request = call->request;

    call->request = NULL;
    if (request == NULL) {
        return false;
    }
    redis_request_close(request);
    return redis_request_send(request, client, reply, data);
}
