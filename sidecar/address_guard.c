#include "address_guard.h"

#include <netinet/in.h>

#include "scim_app_host.h"


static scim_address_class_t
address_class(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const void *) address;

        return scim_address_class_v4((const void *) &in->sin_addr);
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const void *) address;

        return scim_address_class_v6(in6->sin6_addr.s6_addr);
    }
    }
    return SCIM_ADDRESS_FORBIDDEN;
}


bool
address_guard_allows(const struct sockaddr *address, bool https,
    const scim_app_policy_t *policy)
{
    scim_address_class_t class = address_class(address);

    return scim_address_allowed(class, policy)
        && (https || class == SCIM_ADDRESS_LOOPBACK);
}
