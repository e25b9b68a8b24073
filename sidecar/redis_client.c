#include "redis_client.h"

#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "reply_memory.h"
#include "scim_embedded.h"

#define BACKOFF_MIN 50 /* ms */
#define BACKOFF_MAX 2000
#define ADDRESS_MAX 256
#define LENGTH_DIGITS 20 /* of a size_t */
#define DEADLINE_AT 6 /* among the arguments of every call */

struct redis_client_s {
    loop_t                *loop;
    const redis_address_t *address;
    redis_state_pt         state;
    void                  *data;
    redisAsyncContext     *context;
    reply_memory_t         replies;
    loop_timer_t          *timer;
    int                    fd;
    int                    watched;
    int64_t                backoff;
    bool                   up;
    bool                   closing;
};

/* A command on its way, kept whole until its reply for a second try. */
typedef struct {
    redis_client_t *client;
    redis_reply_pt  reply;
    void           *data;
    bool            reloaded;
    size_t          len;
    char            text[]; /* as it goes over the wire */
} request_t;

static void connect_now(loop_t *loop, void *data);


/* ---- the adapter ---- */

static void
on_event(loop_t *loop, int fd, int events, void *data)
{
    redis_client_t *client = data;

    (void) loop;
    (void) fd;
    if ((events & LOOP_READ) && client->context) {
        redisAsyncHandleRead(client->context);
    }
    if ((events & LOOP_WRITE) && client->context) {
        redisAsyncHandleWrite(client->context);
    }
}


static void
watch(redis_client_t *client, int events)
{
    client->watched = events;
    loop_watch(client->loop, client->fd, events, on_event, client);
}


static void
add_read(void *data)
{
    redis_client_t *client = data;

    if (!(client->watched & LOOP_READ)) {
        watch(client, client->watched | LOOP_READ);
    }
}


static void
del_read(void *data)
{
    redis_client_t *client = data;

    watch(client, client->watched & ~LOOP_READ);
}


static void
add_write(void *data)
{
    redis_client_t *client = data;

    if (!(client->watched & LOOP_WRITE)) {
        watch(client, client->watched | LOOP_WRITE);
    }
}


static void
del_write(void *data)
{
    redis_client_t *client = data;

    if (client->watched & LOOP_WRITE) {
        watch(client, client->watched & ~LOOP_WRITE);
    }
}


static void
cleanup(void *data)
{
    redis_client_t *client = data;

    watch(client, 0);
    client->context = NULL;
}


/* ---- connecting ---- */

static void
connect_later(redis_client_t *client)
{
    bool was_up = client->up;

    client->up = false;
    if (was_up && !client->closing) {
        client->state(client->data, false);
    }
    if (!client->closing) {
        loop_timer_arm(client->timer,
            client->backoff / 2 + random() % client->backoff);
        client->backoff = client->backoff * 2 < BACKOFF_MAX
            ? client->backoff * 2 : BACKOFF_MAX;
    }
}


static void
on_connected(const redisAsyncContext *context, int status)
{
    redis_client_t *client = context->data;

    if (status != REDIS_OK) {
        log_error("redis: cannot connect: %s", context->errstr);
        connect_later(client); /* hiredis frees the context */
    }
}


static void
on_disconnected(const redisAsyncContext *context, int status)
{
    redis_client_t *client = context->data;

    if (status != REDIS_OK && !client->closing) {
        log_error("redis: connection lost: %s", context->errstr);
    }
    connect_later(client);
}


static void
on_ignored(redisAsyncContext *context, void *reply, void *data)
{
    redisReply *answer = reply;

    (void) context;
    (void) data;
    if (answer && answer->type == REDIS_REPLY_ERROR
        && strstr(answer->str, "already exists") == NULL)
    {
        log_error("redis: %.200s", answer->str);
    }
}


static void
on_greeted(redisAsyncContext *context, void *reply, void *data)
{
    redis_client_t *client = data;
    redisReply     *answer = reply;

    if (answer == NULL || client->closing) {
        return;
    }
    if (answer->type == REDIS_REPLY_ERROR) {
        /* it still loads, say: a new connection, later */
        log_error("redis: not ready: %.100s", answer->str);
        redisAsyncDisconnect(context);
        return;
    }
    client->backoff = BACKOFF_MIN;
    client->up = true;
    client->state(client->data, true);
}


static redisAsyncContext *
open_context(const char *address)
{
    char        host[ADDRESS_MAX];
    const char *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0) {
        return redisAsyncConnectUnix(address + 5);
    }
    snprintf(host, sizeof(host), "%.*s",
        colon ? (int) (colon - address) : (int) strlen(address), address);
    return redisAsyncConnect(host,
        colon ? (int) strtol(colon + 1, NULL, 10) : 6379);
}


static void
connect_now(loop_t *loop, void *data)
{
    redis_client_t        *client = data;
    redisAsyncContext     *context;
    const redis_address_t *address;

    (void) loop;
    if (client->context) {
        return;
    }
    address = client->address;
    context = open_context(address->address);
    if (context == NULL || context->err) {
        log_error("redis: cannot connect: %s",
            context ? context->errstr : "no memory");
        if (context) {
            redisAsyncFree(context);
        }
        connect_later(client);
        return;
    }
    client->context = context;
    client->fd = context->c.fd;
    client->watched = 0;
    reply_memory_use(&client->replies, context->c.reader);
    context->data = client;
    context->ev.data = client;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(context, on_connected);
    redisAsyncSetDisconnectCallback(context, on_disconnected);
    if (address->password && address->user) {
        redisAsyncCommand(context, on_ignored, NULL, "AUTH %s %s",
            address->user, address->password);
    } else if (address->password) {
        redisAsyncCommand(context, on_ignored, NULL, "AUTH %s",
            address->password);
    }
    redisAsyncCommand(context, on_greeted, client, "PING");
}


redis_client_t *
redis_client_new(loop_t *loop, const redis_address_t *address,
    redis_state_pt state, void *data)
{
    redis_client_t *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        return NULL;
    }
    client->loop = loop;
    client->address = address;
    client->state = state;
    client->data = data;
    client->backoff = BACKOFF_MIN;
    client->timer = loop_timer_new(loop, connect_now, client);
    if (client->timer == NULL) {
        free(client);
        return NULL;
    }
    loop_timer_arm(client->timer, 0);
    return client;
}


void
redis_client_free(redis_client_t *client)
{
    if (client == NULL) {
        return;
    }
    client->closing = true;
    if (client->context) {
        redisAsyncFree(client->context);
    }
    loop_timer_free(client->timer);
    free(client);
}


bool
redis_client_up(const redis_client_t *client)
{
    return client->up;
}


/* ---- commands ---- */

static void on_reply(redisAsyncContext *context, void *reply, void *data);


static bool
lacks_functions(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "ERR Function not found", 22) == 0;
}


static bool
send_again(redisAsyncContext *context, request_t *request)
{
    request->reloaded = true;
    return redisAsyncCommand(context, on_ignored, NULL, "FUNCTION LOAD %b",
               scim_function_library, scim_function_library_len) == REDIS_OK
        && redisAsyncFormattedCommand(context, on_reply, request,
               request->text, request->len) == REDIS_OK;
}


static void
on_reply(redisAsyncContext *context, void *reply, void *data)
{
    request_t *request = data;

    if (reply && !request->reloaded && lacks_functions(reply)
        && send_again(context, request))
    {
        return;
    }
    request->reply(request->data, reply);
    free(request);
}


/* "<mark><number>\r\n"; hiredis formats each with stdio. */
static char *
put_length(char *out, char mark, size_t number)
{
    char   digits[LENGTH_DIGITS];
    size_t count = 0;

    do {
        digits[count++] = (char) ('0' + number % 10);
        number /= 10;
    } while (number);
    *out++ = mark;
    while (count) {
        *out++ = digits[--count];
    }
    *out++ = '\r';
    *out++ = '\n';
    return out;
}


static request_t *
request_new(int argc, const char **argv, const size_t *argv_len)
{
    char      *out;
    size_t     size = LENGTH_DIGITS + 3;
    request_t *request;

    for (int i = 0; i < argc; i++) {
        size += LENGTH_DIGITS + 5 + argv_len[i];
    }
    request = malloc(sizeof(*request) + size);
    if (request == NULL) {
        return NULL;
    }
    memset(request, 0, sizeof(*request));
    out = put_length(request->text, '*', (size_t) argc);
    for (int i = 0; i < argc; i++) {
        out = put_length(out, '$', argv_len[i]);
        memcpy(out, argv[i], argv_len[i]);
        out += argv_len[i];
        *out++ = '\r';
        *out++ = '\n';
    }
    request->len = (size_t) (out - request->text);
    return request;
}


bool
redis_client_send(redis_client_t *client, int argc, const char **argv,
    const size_t *argv_len, redis_reply_pt reply, void *data)
{
    request_t *request;

    if (!client->up || client->context == NULL) {
        return false;
    }
    request = request_new(argc, argv, argv_len);
    if (request == NULL) {
        return false;
    }
    request->client = client;
    request->reply = reply;
    request->data = data;
    if (redisAsyncFormattedCommand(client->context, on_reply, request,
            request->text, request->len) != REDIS_OK)
    {
        free(request);
        return false;
    }
    return true;
}


void
redis_call_add(redis_call_t *call, const char *text, size_t len)
{
    int          size;
    size_t      *lengths;
    const char **arguments;

    if (call->argc == call->size) {
        size = call->size ? 2 * call->size : 32;
        arguments = realloc(call->argv, (size_t) size * sizeof(*arguments));
        if (arguments) {
            call->argv = arguments;
        }
        lengths = realloc(call->argv_len, (size_t) size * sizeof(*lengths));
        if (lengths) {
            call->argv_len = lengths;
        }
        if (arguments == NULL || lengths == NULL) {
            call->failed = true;
            return;
        }
        call->size = size;
    }
    call->argv[call->argc] = text;
    call->argv_len[call->argc++] = len;
}


void
redis_call_text(redis_call_t *call, const char *text)
{
    redis_call_add(call, text, strlen(text));
}


void
redis_call_number(redis_call_t *call, long long number, char *space)
{
    char               digits[LENGTH_DIGITS];
    size_t             count = 0, len = 0;
    unsigned long long left = number < 0 ? -(unsigned long long) number
                                         : (unsigned long long) number;

    do {
        digits[count++] = (char) ('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0) {
        space[len++] = '-';
    }
    while (count) {
        space[len++] = digits[--count];
    }
    redis_call_add(call, space, len);
}


void
redis_call_begin(redis_call_t *call, const char *function, bool read_only,
    unsigned shard, const char *workspace, const char *dataset)
{
    int    key_len;
    size_t prefix_len = sizeof(SCIM_FUNCTION_PREFIX) - 1;
    size_t len = strlen(function);

    memset(call, 0, sizeof(*call));
    if (prefix_len + len > sizeof(call->name)) {
        call->failed = true;
        return;
    }
    memcpy(call->name, SCIM_FUNCTION_PREFIX, prefix_len);
    memcpy(call->name + prefix_len, function, len);
    key_len = snprintf(call->key, sizeof(call->key), "scim:{%03u}:events",
        shard % 1000);
    redis_call_text(call, read_only ? "FCALL_RO" : "FCALL");
    redis_call_add(call, call->name, prefix_len + len);
    redis_call_text(call, "1");
    redis_call_add(call, call->key, (size_t) key_len);
    redis_call_text(call, workspace);
    redis_call_text(call, dataset);
    redis_call_text(call, "0");
}


void
redis_call_because(redis_call_t *call, const char *cause)
{
    if (call->failed || asprintf(&call->because, "0\n%s", cause) < 0) {
        call->because = NULL;
        call->failed = true;
        return;
    }
    call->argv[DEADLINE_AT] = call->because;
    call->argv_len[DEADLINE_AT] = strlen(call->because);
}


bool
redis_call_send(redis_call_t *call, redis_client_t *client,
    redis_reply_pt reply, void *data)
{
    bool sent = !call->failed
        && redis_client_send(client, call->argc, call->argv, call->argv_len,
            reply, data);

    free(call->argv);
    free(call->argv_len);
    free(call->because);
    call->because = NULL;
    call->argv = NULL;
    call->argv_len = NULL;
    return sent;
}


/* ---- replies ---- */

const char *
redis_reply_text(const redisReply *reply, size_t element)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || element >= reply->elements
        || (reply->element[element]->type != REDIS_REPLY_STRING
            && reply->element[element]->type != REDIS_REPLY_STATUS))
    {
        return "";
    }
    return reply->element[element]->str;
}


long long
redis_reply_number(const redisReply *reply, size_t element)
{
    if (reply && reply->type == REDIS_REPLY_ARRAY
        && element < reply->elements
        && reply->element[element]->type == REDIS_REPLY_INTEGER)
    {
        return reply->element[element]->integer;
    }
    return strtoll(redis_reply_text(reply, element), NULL, 10);
}


const char *
redis_reply_code(const redisReply *reply)
{
    return redis_reply_text(reply, 0);
}


bool
redis_reply_ok(const redisReply *reply)
{
    return strcmp(redis_reply_code(reply), "OK") == 0;
}
