#ifndef SIDECAR_REDIS_REQUEST_H
#define SIDECAR_REDIS_REQUEST_H

#include "redis_client.h"

/*
 * A command as it goes over the wire, kept whole until its reply for a second
 * try.  Shared by redis_client.c and redis_call.c only.
 */
typedef struct redis_request_s {
    redis_reply_pt reply;
    void          *data;
    bool           reloaded;
    unsigned       argc;
    size_t         start; /* of the command within `text`, once closed */
    size_t         len;   /* end of the command within `text` */
    size_t         size;
    char           text[];
} redis_request_t;

/* Empty; NULL when memory is short.  The caller's until it is sent. */
redis_request_t *redis_request_new(void);

/*
 * Adds an argument.  The request may move; when memory is short it is freed
 * and becomes NULL, which later additions leave alone.
 */
void redis_request_add(redis_request_t **request, const char *text,
    size_t len);

/* The last argument, of `len` bytes, is taken back. */
void redis_request_drop(redis_request_t *request, size_t len);

/* Complete: says how many arguments there are. */
void redis_request_close(redis_request_t *request);

/*
 * Sends a closed request; it is the client's from here on.  False: not
 * connected, and `reply` will not be called.
 */
bool redis_request_send(redis_request_t *request, redis_client_t *client,
    redis_reply_pt reply, void *data);

#endif
