#ifndef SCIM_APP_HOST_H
#define SCIM_APP_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "scim_app.h"
#include "scim_app_field.h"

/*
 * Where a connector may connect to.  The same classes decide at definition
 * (hosts written as addresses, in any spelling) and again in the sidecar
 * after name resolution.
 */
typedef enum {
    SCIM_ADDRESS_PUBLIC,
    SCIM_ADDRESS_LOOPBACK,  /* 127.0.0.0/8, ::1; by policy */
    SCIM_ADDRESS_PRIVATE,   /* RFC 1918, RFC 6598, RFC 4193; by policy */
    SCIM_ADDRESS_FORBIDDEN  /* link-local, metadata, reserved: never */
} scim_address_class_t;

scim_address_class_t scim_address_class_v4(const unsigned char address[4]);

/*
 * IPv4 inside IPv6 (mapped, NAT64) counts as what is inside; all else that
 * is not global unicast, unique local or ::1 is forbidden.
 */
scim_address_class_t scim_address_class_v6(const unsigned char address[16]);

bool scim_address_allowed(scim_address_class_t class,
    const scim_app_policy_t *policy);

/*
 * Reads an IPv4 address in any spelling that resolvers take: 1 to 4 parts,
 * each decimal, octal (0...) or hexadecimal (0x...).
 */
bool scim_address_parse_v4(const char *text, size_t len,
    unsigned char address[4]);

/*
 * True when a path (no query) holds printable ASCII alone and no segment "."
 * or "..", percent-encoded dots included.
 */
bool scim_app_path_plain(const char *path, size_t len);

/*
 * Checks a connector's base URL: https, or http on loopback where the policy
 * allows that; a host that is not forbidden; an optional port and path; no
 * user, query or fragment.
 */
bool scim_app_base_url(const char *url, const scim_app_place_t *place,
    const scim_app_policy_t *policy, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
