#include "scim_token.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "scim_json.h"
#include "scim_key.h"

#define CHECKED_LEN (SCIM_TOKEN_LEN - 8) /* what the checksum covers */


static uint32_t
crc32_of(const char *text, size_t len)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char) text[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}


void
scim_base64url(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t          bits = 0;
    int               have = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6) {
            *out++ = digits[bits >> (have - 6) & 0x3f];
        }
    }
    if (have) {
        *out++ = digits[bits << (6 - have) & 0x3f];
    }
    *out = '\0';
}


void
scim_token_make(unsigned shard, const unsigned char random[32], char *out)
{
    char secret[44];

    scim_base64url(random, 32, secret);
    snprintf(out, SCIM_TOKEN_LEN + 1, "scim_%03u_%s_", shard % 1000, secret);
    snprintf(out + CHECKED_LEN, 9, "%08x", crc32_of(out, CHECKED_LEN));
}


/* Looked up by name, it costs more than the hash of a token. */
static const EVP_MD *
sha256(void)
{
    static EVP_MD *fetched;

    if (fetched == NULL) {
        fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
    return fetched ? fetched : EVP_sha256();
}


void
scim_token_hash(const char *token, size_t len, char *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char     digest[SHA256_DIGEST_LENGTH];

    /* once for each request: printf() would cost more than the hash */
    EVP_Digest(token, len, digest, NULL, sha256(), NULL);
    for (size_t i = 0; i < sizeof(digest); i++) {
        *out++ = hex[digest[i] >> 4];
        *out++ = hex[digest[i] & 0xf];
    }
    *out = '\0';
}


static bool
has_prefix(const char *text, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    if (len < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((text[i] | 0x20) != prefix[i]) {
            return false;
        }
    }
    return true;
}


/* Takes "Bearer " off, however often it was pasted. */
static void
strip_scheme(const char **header, size_t *len)
{
    for ( ;; ) {
        while (*len && **header == ' ') {
            (*header)++;
            (*len)--;
        }
        if (!has_prefix(*header, *len, "bearer ")) {
            break;
        }
        *header += 7;
        *len -= 7;
    }
    while (*len && (*header)[*len - 1] == ' ') {
        (*len)--;
    }
}


bool
scim_token_odd(const char *header, size_t len)
{
    return !has_prefix(header, len, "bearer ")
        || has_prefix(header + 7, len - 7, "bearer ");
}


bool
scim_token_key(const char *header, size_t len, char *key, size_t *key_len)
{
    char     sum[9], hash[2 * SHA256_DIGEST_LENGTH + 1];
    unsigned shard = 0;

    strip_scheme(&header, &len);
    if (len != SCIM_TOKEN_LEN || memcmp(header, "scim_", 5) != 0) {
        return false;
    }
    for (int i = 5; i < 8; i++) {
        if (header[i] < '0' || header[i] > '9') {
            return false;
        }
        shard = shard * 10 + (unsigned) (header[i] - '0');
    }
    snprintf(sum, sizeof(sum), "%08x", crc32_of(header, CHECKED_LEN));
    if (memcmp(header + CHECKED_LEN, sum, 8) != 0) {
        return false;
    }
    scim_token_hash(header, len, hash);
    *key_len = scim_key_token(key, shard, hash);
    return *key_len != 0;
}


scim_role_t
scim_role_parse(const char *text, size_t len)
{
    for (scim_role_t role = SCIM_ROLE_SCIM; role <= SCIM_ROLE_OWNER; role++) {
        const char *name = scim_role_name(role);

        if (strlen(name) == len && memcmp(name, text, len) == 0) {
            return role;
        }
    }
    return SCIM_ROLE_NONE;
}


const char *
scim_role_name(scim_role_t role)
{
    static const char *const names[] = { "none", "scim", "viewer", "admin",
                                         "owner" };

    return names[role];
}


static bool
copy_member(const json_t *object, const char *name, char *out, size_t size)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value) || json_string_length(value) >= size) {
        return false;
    }
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return true;
}


bool
scim_token_read(const char *record, size_t len, int64_t now,
    scim_principal_t *principal)
{
    json_t          *object;
    const json_t    *role;
    scim_principal_t read = { 0 };

    object = scim_json_read(record, len, &scim_json_stored_limits, NULL);
    role = json_object_get(object, "role");
    if (copy_member(object, "workspace", read.workspace,
            sizeof(read.workspace))
        && copy_member(object, "id", read.token_id, sizeof(read.token_id))
        && copy_member(object, "name", read.actor, sizeof(read.actor))
        && json_is_string(role))
    {
        read.role = scim_role_parse(json_string_value(role),
            json_string_length(role));
        read.expires = json_integer_value(json_object_get(object, "expires"));
    }
    read.shard = (unsigned) json_integer_value(
        json_object_get(object, "shard"));
    (void) copy_member(object, "user", read.user, sizeof(read.user));
    json_decref(object);
    if (read.role == SCIM_ROLE_NONE || (read.expires && read.expires <= now)) {
        return false;
    }
    *principal = read;
    return true;
}
