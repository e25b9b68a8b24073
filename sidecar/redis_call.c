#include "redis_call.h"

#include <stdlib.h>
#include <string.h>

#include "redis_request.h"
#include "scim_embedded.h"
#include "scim_key.h"

#define FIRST_SIZE    1024
#define NUMBER_DIGITS 20
#define COUNT_ROOM    (NUMBER_DIGITS + 3) /* "*<arguments>\r\n" */
#define NO_DEADLINE   "0"


/* ---- requests ---- */

/* The digits, backwards from `end`; where they begin. */
static char *
digits_before(char *end, unsigned long long number)
{
    do {
        *--end = (char) ('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}


/* "<mark><number>\r\n" before `end`. */
static char *
length_before(char *end, char mark, size_t number)
{
    *--end = '\n';
    *--end = '\r';
    end = digits_before(end, number);
    *--end = mark;
    return end;
}


redis_request_t *
redis_request_new(void)
{
    redis_request_t *request = malloc(sizeof(*request) + FIRST_SIZE);

    if (request) {
        memset(request, 0, sizeof(*request));
        request->len = COUNT_ROOM; /* of the arguments, once it is known */
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
    char             length[COUNT_ROOM];
    char            *end = length + sizeof(length);
    char            *begin = length_before(end, '$', len);
    size_t           extra = (size_t) (end - begin) + len + 2;
    redis_request_t *r = *request;

    if (r && extra > r->size - r->len) {
        *request = r = grown(r, extra);
    }
    if (r == NULL) {
        return;
    }
    memcpy(r->text + r->len, begin, (size_t) (end - begin));
    r->len += extra;
    memcpy(r->text + r->len - len - 2, text, len);
    memcpy(r->text + r->len - 2, "\r\n", 2);
    r->argc++;
}


void
redis_request_drop(redis_request_t *request, size_t len)
{
    char  length[COUNT_ROOM];
    char *end = length + sizeof(length);

    request->len -= (size_t) (end - length_before(end, '$', len)) + len + 2;
    request->argc--;
}


void
redis_request_close(redis_request_t *request)
{
    char *begin = length_before(request->text + COUNT_ROOM, '*',
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
    char               digits[NUMBER_DIGITS + 1];
    char              *end = digits + sizeof(digits);
    char              *begin;
    unsigned long long positive = number < 0
        ? -(unsigned long long) number : (unsigned long long) number;

    begin = digits_before(end, positive);
    if (number < 0) {
        *--begin = '-';
    }
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
