#ifndef SCIM_WIRE_H
#define SCIM_WIRE_H

#include <string.h>

#include "scim_text.h"

/*
 * Commands as they go over the wire to Redis: "*<arguments>\r\n", then of each
 * argument "$<bytes>\r\n", the bytes, "\r\n".  What libraries do for this
 * costs several times the copy, and it is made for every request.
 */
#define SCIM_WIRE_LENGTH (SCIM_TEXT_DIGITS + 3) /* "$<bytes>\r\n" at most */

/* Writes "<mark><number>\r\n" backwards from `end` on; where it begins. */
static inline char *
scim_wire_length(char *end, char mark, size_t number)
{
    *--end = '\n';
    *--end = '\r';
    end = scim_text_digits(end, number);
    *--end = mark;
    return end;
}

/* The room that an argument of `len` bytes takes at most. */
static inline size_t
scim_wire_room(size_t len)
{
    return SCIM_WIRE_LENGTH + len + 2;
}

/* Writes an argument to `out`, which has that room; where it ends. */
static inline char *
scim_wire_argument(char *out, const char *text, size_t len)
{
    char  length[SCIM_WIRE_LENGTH];
    char *end = length + sizeof(length);
    char *begin = scim_wire_length(end, '$', len);

    memcpy(out, begin, (size_t) (end - begin));
    out += end - begin;
    memcpy(out, text, len);
    memcpy(out + len, "\r\n", 2);
    return out + len + 2;
}

#endif
