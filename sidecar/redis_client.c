#include "redis_request.h"

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
put_on_wire(redisAsyncContext *context, redis_request_t *request)
{
    return redisAsyncFormattedCommand(context, on_reply, request,
        request->text + request->start, request->len - request->start)
        == REDIS_OK;
}


static bool
send_again(redisAsyncContext *context, redis_request_t *request)
{
    request->reloaded = true;
    return redisAsyncCommand(context, on_ignored, NULL, "FUNCTION LOAD %b",
               scim_function_library, scim_function_library_len) == REDIS_OK
        && put_on_wire(context, request);
}


static void
on_reply(redisAsyncContext *context, void *reply, void *data)
{
    redis_request_t *request = data;

    if (reply && !request->reloaded && lacks_functions(reply)
        && send_again(context, request))
    {
        return;
    }
    request->reply(request->data, reply);
    free(request);
}


bool
redis_request_send(redis_request_t *request, redis_client_t *client,
    redis_reply_pt reply, void *data)
{
    if (client->up && client->context) {
        request->reply = reply;
        request->data = data;
        if (put_on_wire(client->context, request)) {
            return true;
        }
    }
    free(request);
    return false;
}


bool
redis_client_send(redis_client_t *client, int argc, const char **argv,
    const size_t *argv_len, redis_reply_pt reply, void *data)
{
    redis_request_t *request = redis_request_new();

    for (int i = 0; i < argc; i++) {
        redis_request_add(&request, argv[i], argv_len[i]);
    }
    if (request == NULL) {
        return false;
    }
    redis_request_close(request);
    return redis_request_send(request, client, reply, data);
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
