#ifndef SIDECAR_REDIS_CLIENT_H
#define SIDECAR_REDIS_CLIENT_H

#include <hiredis/hiredis.h>

#include "loop.h"

/*
 * One connection to Redis on the loop, that reconnects by itself.  A node
 * that lacks our functions gets them, and the command is sent once more.
 */
typedef struct redis_client_s redis_client_t;

/* reply NULL: the connection was lost; the outcome is unknown */
typedef void (*redis_reply_pt)(void *data, const redisReply *reply);

/* up: connected and answering; called again after every reconnect */
typedef void (*redis_state_pt)(void *data, bool up);

typedef struct {
    const char *address; /* "unix:/path" or "host:port", host numeric */
    const char *user;    /* NULL = none */
    const char *password;
} redis_address_t;

/* Connects in the background.  The address must outlive the client. */
redis_client_t *redis_client_new(loop_t *loop, const redis_address_t *address,
    redis_state_pt state, void *data);
void redis_client_free(redis_client_t *client);

/* False: not connected, and `reply` will not be called. */
bool redis_client_send(redis_client_t *client, int argc, const char **argv,
    const size_t *argv_len, redis_reply_pt reply, void *data);

bool redis_client_up(const redis_client_t *client);

/*
 * A call of one of our functions, put together piece by piece; the key and
 * the arguments that every call begins with come from call_begin().
 */
typedef struct {
    const char **argv;
    size_t      *argv_len;
    int          argc;
    int          size;
    char         key[32];
    char         name[64];
    char        *because; /* owned: deadline and cause */
    bool         failed;
} redis_call_t;

void redis_call_begin(redis_call_t *call, const char *function,
    bool read_only, unsigned shard, const char *workspace,
    const char *dataset);
/* What the call is made for: the lines of a cause (PROTOCOL.md), copied. */
void redis_call_because(redis_call_t *call, const char *cause);
/* The text is borrowed until redis_call_send(). */
void redis_call_add(redis_call_t *call, const char *text, size_t len);
void redis_call_text(redis_call_t *call, const char *text);
/* `space` (24 bytes) keeps the digits until redis_call_send(). */
void redis_call_number(redis_call_t *call, long long number, char *space);
bool redis_call_send(redis_call_t *call, redis_client_t *client,
    redis_reply_pt reply, void *data);

/* The code that a function answered; "" for anything else. */
const char *redis_reply_code(const redisReply *reply);
bool redis_reply_ok(const redisReply *reply);
/* Element as text ("" when it is none) or number. */
const char *redis_reply_text(const redisReply *reply, size_t element);
long long redis_reply_number(const redisReply *reply, size_t element);

#endif
