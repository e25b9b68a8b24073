#include "redis_reply.h"

#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 8


void
redis_reply_clear(scim_reply_t *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        redis_reply_clear((scim_reply_t *) &reply->element[i]);
    }
    free((void *) reply->element);
    memset(reply, 0, sizeof(*reply));
}


static bool
convert(const redisReply *from, scim_reply_t *to, int depth)
{
    scim_reply_t *elements;

    memset(to, 0, sizeof(*to));
    switch (from->type) {
    case REDIS_REPLY_NIL:
        to->type = SCIM_REPLY_NIL;
        return true;
    case REDIS_REPLY_INTEGER:
        to->type = SCIM_REPLY_INTEGER;
        to->integer = from->integer;
        return true;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        to->type = from->type == REDIS_REPLY_ERROR ? SCIM_REPLY_ERROR
                                                   : SCIM_REPLY_STRING;
        to->text = from->str;
        to->len = (size_t) from->len;
        return true;
    case REDIS_REPLY_ARRAY:
        break;
    default:
        return false;
    }
    to->type = SCIM_REPLY_ARRAY;
    elements = calloc(from->elements + 1, sizeof(*elements));
    to->element = elements;
    if (elements == NULL || depth == NESTING_MAX) {
        return false;
    }
    for (size_t i = 0; i < from->elements; i++) {
        to->elements = i + 1;
        if (!convert(from->element[i], &elements[i], depth + 1)) {
            return false;
        }
    }
    return true;
}


bool
redis_reply_convert(const redisReply *from, scim_reply_t *to)
{
    return convert(from, to, 0);
}
