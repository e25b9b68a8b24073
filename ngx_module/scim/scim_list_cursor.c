#include "scim_list.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

/*
 * A cursor, before it is written as base64url:
 *
 *   byte  0       form (1)
 *   byte  1       segment
 *   bytes 2..5    seconds since 1970 when it was made
 *   bytes 6..7    count
 *   bytes 8..15   hash of the query
 *   bytes 16..    position
 *   last 16       seal: HMAC-SHA-256 of all before, with a key of the data set
 *
 * Nothing is kept here about walks that are under way (RFC 9865 section 2).
 */
#define FORM      1
#define HASH_LEN  8
#define HEAD_LEN  (8 + HASH_LEN)
#define SEAL_LEN  16
#define PLAIN_MAX (HEAD_LEN + 2 * SCIM_LIST_KEY_MAX + SEAL_LEN)

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


static void
append_sized(scim_buffer_t *out, scim_text_t text)
{
    scim_buffer_printf(out, "%zu:", text.len);
    scim_buffer_append(out, text.text ? text.text : "", text.len);
}


/* What must not change while a client walks. */
static bool
hash_query(const scim_operation_t *operation, const scim_query_t *query,
    const char *endpoint, unsigned char out[HASH_LEN])
{
    bool          failed;
    scim_buffer_t text;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    scim_buffer_init(&text, 1 << 20);
    scim_buffer_printf(&text, "%s %s %s ",
        operation->request->principal->workspace, endpoint,
        query->descending ? "descending" : "ascending");
    append_sized(&text, query->filter);
    append_sized(&text, query->sort_by);
    failed = scim_buffer_failed(&text);
    if (!failed) {
        SHA256((unsigned char *) text.data, text.len, digest);
        memcpy(out, digest, HASH_LEN);
    }
    scim_buffer_free(&text);
    return !failed;
}


static void
seal(const scim_operation_t *operation, const unsigned char *plain,
    size_t len, unsigned char out[SEAL_LEN])
{
    char          key[128] = "cursor of ";
    size_t        key_len = strlen(key);
    scim_text_t   dataset = operation->request->dataset;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      digest_len = sizeof(digest);

    if (dataset.len > sizeof(key) - key_len) {
        dataset.len = sizeof(key) - key_len;
    }
    memcpy(key + key_len, dataset.text ? dataset.text : "", dataset.len);
    HMAC(EVP_sha256(), key, (int) (key_len + dataset.len), plain, len, digest,
        &digest_len);
    memcpy(out, digest, SEAL_LEN);
}


static void
encode(const unsigned char *bytes, size_t len, scim_buffer_t *out)
{
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6) {
            scim_buffer_append_char(out, alphabet[bits >> (have - 6) & 0x3f]);
        }
        bits &= 0xff;
    }
    if (have) {
        scim_buffer_append_char(out, alphabet[bits << (6 - have) & 0x3f]);
    }
}


/* The number of bytes; 0 for what is not base64url or too long. */
static size_t
decode(scim_text_t text, unsigned char out[PLAIN_MAX])
{
    size_t      n = 0;
    unsigned    bits = 0, have = 0;
    const char *digit;

    if (text.len > PLAIN_MAX / 3 * 4) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        digit = text.text[i] ? strchr(alphabet, text.text[i]) : NULL;
        if (digit == NULL) {
            return 0;
        }
        bits = (bits & 0xff) << 6 | (unsigned) (digit - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (unsigned char) (bits >> have & 0xff);
        }
    }
    /* what is left over is no information: one text for each cursor */
    return have == 6 || bits & ((1u << have) - 1) ? 0 : n;
}


bool
scim_list_cursor_write(const scim_operation_t *operation,
    const scim_query_t *query, const char *endpoint, long long count,
    const scim_list_position_t *position, scim_buffer_t *out)
{
    size_t        len = HEAD_LEN + position->after.len;
    uint32_t      now = (uint32_t) (operation->request->now / 1000);
    unsigned char plain[PLAIN_MAX];

    if (len + SEAL_LEN > sizeof(plain)) {
        return false;
    }
    plain[0] = FORM;
    plain[1] = (unsigned char) position->segment;
    for (int i = 0; i < 4; i++) {
        plain[2 + i] = (unsigned char) (now >> (24 - 8 * i));
    }
    plain[6] = (unsigned char) (count >> 8);
    plain[7] = (unsigned char) count;
    if (!hash_query(operation, query, endpoint, plain + 8)) {
        return false;
    }
    if (position->after.len) {
        memcpy(plain + HEAD_LEN, position->after.text, position->after.len);
    }
    seal(operation, plain, len, plain + len);
    encode(plain, len + SEAL_LEN, out);
    return !scim_buffer_failed(out);
}


static bool
refuse(scim_error_t *error)
{
    /* one text, whatever is wrong: not ours, another's, another query's */
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_CURSOR,
        "the cursor is none that this query has given");
}


bool
scim_list_cursor_read(scim_operation_t *operation, const scim_query_t *query,
    const char *endpoint, long long *count, scim_list_position_t *position,
    scim_error_t *error)
{
    int64_t       made;
    size_t        len;
    unsigned char plain[PLAIN_MAX + 4], hash[HASH_LEN], wanted[SEAL_LEN];

    len = decode(query->cursor, plain);
    if (len < HEAD_LEN + SEAL_LEN) {
        return refuse(error);
    }
    len -= SEAL_LEN;
    seal(operation, plain, len, wanted);
    if (!hash_query(operation, query, endpoint, hash)
        || CRYPTO_memcmp(wanted, plain + len, SEAL_LEN) != 0
        || plain[0] != FORM
        || memcmp(hash, plain + 8, HASH_LEN) != 0
        || plain[1] >= SCIM_LIST_SEGMENT_MAX)
    {
        return refuse(error);
    }
    made = (int64_t) ((uint32_t) plain[2] << 24 | (uint32_t) plain[3] << 16
                      | (uint32_t) plain[4] << 8 | plain[5]);
    if (operation->request->now / 1000 - made > SCIM_CURSOR_TIMEOUT) {
        return scim_error_set(error, 400, SCIM_ERROR_EXPIRED_CURSOR,
            "the cursor is older than %d seconds", SCIM_CURSOR_TIMEOUT);
    }
    *count = plain[6] << 8 | plain[7];
    position->segment = plain[1];
    position->after.len = len - HEAD_LEN;
    position->after.text = scim_arena_copy(&operation->arena,
        (const char *) plain + HEAD_LEN, position->after.len);
    return position->after.text != NULL;
}
