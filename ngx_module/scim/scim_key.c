#include "scim_key.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>


static bool
slug_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}


bool
scim_workspace_valid(const char *slug, size_t len)
{
    if (len == 0 || len > SCIM_WORKSPACE_MAX || !slug_character(slug[0])) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!slug_character(slug[i]) && slug[i] != '-') {
            return false;
        }
    }
    return true;
}


unsigned
scim_workspace_shard(const char *slug, size_t len, unsigned shard_count)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char) slug[i]) * 16777619u;
    }
    return hash % shard_count;
}


static size_t
checked(int len)
{
    return len > 0 && len < SCIM_KEY_MAX ? (size_t) len : 0;
}


/* Every call has this one: printf() would cost more than all the rest. */
size_t
scim_key_events(char *out, unsigned shard)
{
    static const char pattern[] = "scim:{000}:events";

    if (shard >= SCIM_SHARD_COUNT_MAX) {
        return 0;
    }
    memcpy(out, pattern, sizeof(pattern));
    out[6] = (char) ('0' + shard / 100);
    out[7] = (char) ('0' + shard / 10 % 10);
    out[8] = (char) ('0' + shard % 10);
    return sizeof(pattern) - 1;
}


size_t
scim_key_dataset(char *out, unsigned shard)
{
    return checked(snprintf(out, SCIM_KEY_MAX, "scim:{%03u}:dataset", shard));
}


size_t
scim_key_token(char *out, unsigned shard, const char *sha256_hex)
{
    return checked(snprintf(out, SCIM_KEY_MAX, "scim:{%03u}:token:%s", shard,
        sha256_hex));
}


size_t
scim_key(char *out, unsigned shard, const char *workspace, const char *kind,
    const char *id, size_t id_len)
{
    int    len;
    size_t n;

    if (id_len > SCIM_KEY_MAX) {
        return 0;
    }
    len = snprintf(out, SCIM_KEY_MAX, "scim:{%03u}:%s:%s", shard, workspace,
        kind);
    n = checked(len);
    if (n == 0 || id == NULL) {
        return n;
    }
    if (n + 1 + id_len >= SCIM_KEY_MAX) {
        return 0;
    }
    out[n++] = ':';
    memcpy(out + n, id, id_len);
    out[n + id_len] = '\0';
    return n + id_len;
}
