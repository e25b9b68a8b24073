#ifndef SIDECAR_REDIS_CALL_H
#define SIDECAR_REDIS_CALL_H

#include "redis_client.h"

/*
 * A command that is put together piece by piece.  Whatever begins is sent:
 * that frees it.  Failure is sticky, and told then.
 */
typedef struct {
    struct redis_request_s *request;
} redis_call_t;

/* Any command, which is yet to be named. */
void redis_call_open(redis_call_t *call);

/*
 * A call of one of our functions, with the key and the arguments that each of
 * them begins with.
 */
void redis_call_begin(redis_call_t *call, const char *function,
    bool read_only, unsigned shard, const char *workspace,
    const char *dataset);

/*
 * What the call is made for: the lines of a cause (PROTOCOL.md).  Right after
 * redis_call_begin().
 */
void redis_call_because(redis_call_t *call, const char *cause);

/* One more argument; it is copied. */
void redis_call_add(redis_call_t *call, const char *text, size_t len);
void redis_call_text(redis_call_t *call, const char *text);
void redis_call_number(redis_call_t *call, long long number);

/* False: no memory or not connected, and `reply` will not be called. */
bool redis_call_send(redis_call_t *call, redis_client_t *client,
    redis_reply_pt reply, void *data);

#endif
