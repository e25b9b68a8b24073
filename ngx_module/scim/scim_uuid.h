#ifndef SCIM_UUID_H
#define SCIM_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCIM_UUID_LEN 36

/* UUIDv7 (RFC 9562 section 5.7); `out` takes 37 bytes. */
void scim_uuid_v7(int64_t ms, const unsigned char random[10], char *out);

/* 8-4-4-4-12 lower- or upper-case hex. */
bool scim_uuid_valid(const char *text, size_t len);

#endif
