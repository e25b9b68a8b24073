#ifndef SIDECAR_ADDRESS_GUARD_H
#define SIDECAR_ADDRESS_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

#include "scim_app.h"

/*
 * The second look at where a call goes, after name resolution and before the
 * connection: true when the policy lets a socket be opened to the address.
 * Plain http goes to loopback alone.
 */
bool address_guard_allows(const struct sockaddr *address, bool https,
    const scim_app_policy_t *policy);

#endif
