#include "webhook_sign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PREFIX      "whsec_"
#define PREFIX_LEN  6
#define KEY_MIN     24
#define KEY_MAX     64
#define ENCODED_MAX 88 /* of a key of KEY_MAX bytes */


/* The key's length, 0 when the text is no base64 of a key. */
static size_t
decode_key(const char *text, unsigned char key[ENCODED_MAX])
{
    int    decoded;
    size_t len = strlen(text), padding = 0;

    if (len == 0 || len % 4 != 0 || len > ENCODED_MAX) {
        return 0;
    }
    while (padding < 2 && text[len - 1 - padding] == '=') {
        padding++;
    }
    if (strcspn(text, "= \t\r\n") < len - padding) {
        return 0;
    }
    decoded = EVP_DecodeBlock(key, (const unsigned char *) text, (int) len);
    if (decoded < 0 || (size_t) decoded - padding < KEY_MIN
        || (size_t) decoded - padding > KEY_MAX)
    {
        return 0;
    }
    return (size_t) decoded - padding;
}


static bool
append_signature(const unsigned char *key, size_t key_len,
    const scim_buffer_t *content, scim_buffer_t *out)
{
    unsigned      len = 0;
    unsigned char mac[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];

    if (HMAC(EVP_sha256(), key, (int) key_len,
            (const unsigned char *) content->data, content->len, mac, &len)
        == NULL)
    {
        return false;
    }
    EVP_EncodeBlock(text, mac, (int) len);
    return scim_buffer_printf(out, "%sv1,%s", out->len ? " " : "",
        (const char *) text);
}


bool
webhook_sign(const char *secret, const char *id, int64_t seconds,
    const char *body, size_t len, scim_buffer_t *out, const char **problem)
{
    bool          ok;
    size_t        key_len = 0;
    unsigned char key[ENCODED_MAX];
    scim_buffer_t content;

    if (strncmp(secret, PREFIX, PREFIX_LEN) == 0) {
        key_len = decode_key(secret + PREFIX_LEN, key);
    }
    if (key_len == 0) {
        *problem = "the secret is not whsec_ and the base64 of 24 to 64 bytes";
        return false;
    }
    scim_buffer_init(&content, len + 512);
    scim_buffer_printf(&content, "%s.%" PRId64 ".", id, seconds);
    scim_buffer_append(&content, body, len);
    ok = !scim_buffer_failed(&content)
        && append_signature(key, key_len, &content, out);
    scim_buffer_free(&content);
    explicit_bzero(key, sizeof(key));
    *problem = "no memory";
    return ok;
}
