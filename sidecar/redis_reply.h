#ifndef SIDECAR_REDIS_REPLY_H
#define SIDECAR_REDIS_REPLY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "scim_reply.h"

/*
 * hiredis' reply as the core's, which points into it.  False for what no
 * function of ours answers, or without memory.  Cleared in either case with
 * redis_reply_clear().
 */
bool redis_reply_convert(const redisReply *from, scim_reply_t *to);
void redis_reply_clear(scim_reply_t *reply);

#endif
