#ifndef SCIM_JOIN_H
#define SCIM_JOIN_H

#include "scim_operation.h"

/*
 * /join/{code}: the page that an invited person follows.  A code is the shard
 * (3 digits) and 32 characters base64url of 24 random bytes (192 bits); Redis
 * finds it by its SHA-256.  Whoever has the code may take the steps: there is
 * no other authority, and the code is for one grant alone.
 */
#define SCIM_JOIN_CODE_LEN    35
#define SCIM_JOIN_RANDOM_LEN  24

/* Bytes of a form that is read. */
#define SCIM_JOIN_BODY_MAX    4096

/* Writes SCIM_JOIN_CODE_LEN bytes and a NUL. */
void scim_join_code_make(unsigned shard,
    const unsigned char random[SCIM_JOIN_RANDOM_LEN], char *out);

/* False when the text cannot be a code; *shard says where to look for it. */
bool scim_join_code_read(const char *text, size_t len, unsigned *shard);

/*
 * One request of the page (NULL: no memory).  `service->base_url` is that of
 * the links; the request needs no principal.
 */
scim_operation_t *scim_join_operation_new(const scim_service_t *service,
    const scim_request_t *request);

#endif
