#ifndef SCIM_FOLD_H
#define SCIM_FOLD_H

#include "scim_buffer.h"

/*
 * Appends the comparison key of a case-insensitive value: NFKC with full case
 * folding, idempotent (RFC 8265 section 3.3 in its minimum honest form).
 * ASCII takes a fast path.  False when the text is not valid UTF-8.
 */
bool scim_fold(const char *text, size_t len, scim_buffer_t *out);

/* What that costs, in bytes of ASCII text that would cost the same. */
size_t scim_fold_work(const char *text, size_t len);

/* ASCII-only case-insensitive comparison of attribute names and URNs. */
bool scim_name_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
