#ifndef SIDECAR_POINTER_H
#define SIDECAR_POINTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The value that a JSON Pointer (RFC 6901) names inside root, lent; NULL
 * when there is none.  "" is root itself.
 */
const json_t *pointer_get(const json_t *root, const char *pointer);

/*
 * A string or whole number as text, NUL-terminated, into out.  False for
 * anything else and for what does not fit.
 */
bool pointer_text(const json_t *value, char *out, size_t size);

#endif
