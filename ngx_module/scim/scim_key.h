#ifndef SCIM_KEY_H
#define SCIM_KEY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The one place in C where names of Redis keys are built (the other one is
 * conf/redis/00_common.lua).  conf/redis/PROTOCOL.md lists every key.
 */
#define SCIM_SHARD_COUNT_DEFAULT 128
#define SCIM_SHARD_COUNT_MAX     1000
#define SCIM_WORKSPACE_MAX       63
#define SCIM_KEY_MAX             512

/* Slug rule of the design: [a-z0-9][a-z0-9-]{0,62} */
bool scim_workspace_valid(const char *slug, size_t len);

/* FNV-1a of the slug modulo the number of shards. */
unsigned scim_workspace_shard(const char *slug, size_t len,
    unsigned shard_count);

/*
 * Each writes a NUL-terminated key into `out` (SCIM_KEY_MAX bytes) and
 * returns its length, or 0 when it would not fit.
 */
size_t scim_key_events(char *out, unsigned shard);
size_t scim_key_dataset(char *out, unsigned shard);
size_t scim_key_token(char *out, unsigned shard, const char *sha256_hex);
/* scim:{007}:acme:<rest>, e.g. rest = "user:<id>" */
size_t scim_key(char *out, unsigned shard, const char *workspace,
    const char *kind, const char *id, size_t id_len);

#endif
