#ifndef SCIM_REPLY_H
#define SCIM_REPLY_H

#include <stddef.h>

/*
 * A Redis reply as plain data, so that the core knows no client library.  The
 * glue points it at its own reply (no bytes are copied); it is valid only
 * during the call it is passed to.
 */
typedef enum {
    SCIM_REPLY_NIL,
    SCIM_REPLY_STRING, /* also status */
    SCIM_REPLY_INTEGER,
    SCIM_REPLY_ARRAY,
    SCIM_REPLY_ERROR
} scim_reply_type_t;

typedef struct scim_reply_s scim_reply_t;

struct scim_reply_s {
    scim_reply_type_t   type;
    long long           integer;
    const char         *text; /* STRING, ERROR */
    size_t              len;
    const scim_reply_t *element; /* ARRAY */
    size_t              elements;
};

#endif
