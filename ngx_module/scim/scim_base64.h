#ifndef SCIM_BASE64_H
#define SCIM_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a text is base64 or base64url, the padding whole or left out
 * (RFC 7643 section 2.3.6, RFC 4648 sections 4 and 5).
 */
bool scim_base64_valid(const char *text, size_t len);

#endif
