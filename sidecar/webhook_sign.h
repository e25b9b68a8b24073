#ifndef SIDECAR_WEBHOOK_SIGN_H
#define SIDECAR_WEBHOOK_SIGN_H

#include <stdint.h>

#include "scim_buffer.h"

/*
 * Signatures as Standard Webhooks describes them: "v1," and the base64 of
 * the HMAC-SHA256 over "<id>.<seconds since 1970>.<body>".
 *
 * `secret` is "whsec_" and the base64 of a key of 24 to 64 bytes.  Appends the
 * signature to `out`, behind a space when something is there already: several
 * secrets are in use while one replaces another.  False when the secret is
 * none (*problem says so in a static text) or memory is short.
 */
bool webhook_sign(const char *secret, const char *id, int64_t seconds,
    const char *body, size_t len, scim_buffer_t *out, const char **problem)
    __attribute__((warn_unused_result));

#endif
