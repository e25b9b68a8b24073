#ifndef SCIM_TOKEN_H
#define SCIM_TOKEN_H

#include "scim_operation.h"

/*
 * A bearer token: "scim_" shard(3 digits) "_" 43 characters base64url of 32
 * random bytes "_" CRC-32 of all before it (8 hex digits).  The shard says
 * where its record is; the record's key holds the SHA-256 of the whole token,
 * never the token.
 */
#define SCIM_TOKEN_LEN 61 /* 5 + 3 + 1 + 43 + 1 + 8 */

/* Writes SCIM_TOKEN_LEN bytes and a NUL. */
void scim_token_make(unsigned shard, const unsigned char random[32],
    char *out);

/* Base64url without padding, and a NUL (RFC 4648 section 5). */
void scim_base64url(const unsigned char *bytes, size_t len, char *out);

/*
 * Takes the value of an Authorization header (`Bearer x`, `bearer x`, bare
 * `x`; reference L-52) and checks form and checksum.  On success writes the
 * Redis key of its record.  Nothing here says whether the token is known.
 */
bool scim_token_key(const char *header, size_t len, char *key,
    size_t *key_len);

/* Whether the header is taken but is not "Bearer" and a token (L-52). */
bool scim_token_odd(const char *header, size_t len);

/* SHA-256 in lower-case hex (64 bytes and a NUL). */
void scim_token_hash(const char *token, size_t len, char *out);

/*
 * Reads a token record (JSON, see PROTOCOL.md).  False when it is damaged,
 * or expired at `now` (ms).
 */
bool scim_token_read(const char *record, size_t len, int64_t now,
    scim_principal_t *principal);

/* "owner", "admin", "viewer", "scim"; SCIM_ROLE_NONE for anything else. */
scim_role_t scim_role_parse(const char *text, size_t len);
const char *scim_role_name(scim_role_t role);

#endif
