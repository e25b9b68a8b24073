#ifndef SIDECAR_RETRY_AFTER_H
#define SIDECAR_RETRY_AFTER_H

#include <stdint.h>

#define RETRY_AFTER_MIN_MS 1000
#define RETRY_AFTER_MAX_MS 3600000

/*
 * How long a Retry-After header (RFC 9110, section 10.2.3) asks to wait, in
 * ms from RETRY_AFTER_MIN_MS to RETRY_AFTER_MAX_MS; -1 when there is none
 * that can be understood.  Beside seconds and dates it takes what apps send:
 * fractions, times in the past, Unix time in seconds or milliseconds.  Dates
 * are read against the answer's own Date header, because the app's clock may
 * be wrong; against now_ms (since 1970) where there is none.
 */
int64_t retry_after_ms(const char *value, const char *date, int64_t now_ms);

#endif
