#ifndef SIDECAR_SECRET_H
#define SIDECAR_SECRET_H

#include "scim_app.h"
#include "scim_buffer.h"

#define SECRET_MAX 8192

/*
 * Appends the secret that "env:NAME" or "file:/path" stands for.  Read anew
 * each time, so that a rotated secret counts at once; a file's closing line
 * break is left out, and a file must be where the allow-list says even after
 * symbolic links.  False when it is absent, empty, too long, holds control
 * characters, or is not within the policy's allow-lists; *problem then says
 * which of these in a static text without the secret.
 */
bool secret_read(const char *reference, const scim_app_policy_t *policy,
    scim_buffer_t *out, const char **problem)
    __attribute__((warn_unused_result));

/*
 * The path of a "file:/path" that is within the policy's allow-list, links
 * resolved; NULL with *problem otherwise.  For files that are handed on.
 */
const char *secret_path(const char *reference,
    const scim_app_policy_t *policy, const char **problem);

/* Overwrites the bytes before freeing them. */
void secret_free(scim_buffer_t *buffer);

#endif
