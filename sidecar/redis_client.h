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

/* The code that a function answered; "" for anything else. */
const char *redis_reply_code(const redisReply *reply);
bool redis_reply_ok(const redisReply *reply);
/* Element as text ("" when it is none) or number. */
const char *redis_reply_text(const redisReply *reply, size_t element);
long long redis_reply_number(const redisReply *reply, size_t element);

#endif
