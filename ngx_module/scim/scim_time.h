#ifndef SCIM_TIME_H
#define SCIM_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCIM_TIME_TEXT_LEN 24 /* 2026-01-02T03:04:05.678Z */

/* Writes UTC with milliseconds and a NUL (SCIM_TIME_TEXT_LEN + 1 bytes). */
void scim_time_format(int64_t ms, char *out);

/*
 * Parses xsd:dateTime (zone offset and fraction of any length) to
 * milliseconds since 1970.  `lenient` also takes a date alone (midnight) and
 * a missing zone (UTC): filters only, reference L-59.
 */
bool scim_time_parse(const char *text, size_t len, bool lenient, int64_t *ms);

#endif
