#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "address_guard.h"

static const scim_app_policy_t nothing = { 0 };
static const scim_app_policy_t loopback = { .allow_loopback = true };
static const scim_app_policy_t private = { .allow_private = true };
static const scim_app_policy_t both = {
    .allow_loopback = true, .allow_private = true
};


static bool
allows(const char *text, bool https, const scim_app_policy_t *policy)
{
    struct sockaddr_storage storage = { 0 };
    struct sockaddr_in     *in = (void *) &storage;
    struct sockaddr_in6    *in6 = (void *) &storage;

    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
    } else {
        in6->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
    }
    return address_guard_allows((const void *) &storage, https, policy);
}


static void
public_addresses_need_no_setting_but_https(void **state)
{
    const char *addresses[] = {
        "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "192.167.1.1",
        "100.63.255.255", "100.128.0.0", "169.253.1.1", "169.255.0.0",
        "126.255.255.255", "128.0.0.1", "223.255.255.255", "198.17.0.1",
        "198.20.0.1", "2606:4700::1", "2a00:1450::1", "3ffe::1",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:4860:4860::8888"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        if (!allows(addresses[i], true, &nothing)
            || allows(addresses[i], false, &both))
        {
            fail_msg("%s", addresses[i]);
        }
    }
}


static void
loopback_and_private_addresses_need_their_setting(void **state)
{
    const char *inside[] = { "127.0.0.1", "127.255.255.255", "::1",
        "::ffff:127.0.0.1" };
    const char *near[] = { "10.0.0.0", "10.255.255.255", "172.16.0.0",
        "172.31.255.255", "192.168.0.0", "192.168.255.255", "100.64.0.0",
        "100.127.255.255", "fc00::1", "fdff::1", "::ffff:10.0.0.1" };

    (void) state;
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        assert_false(allows(inside[i], true, &private));
        assert_true(allows(inside[i], true, &loopback));
        assert_true(allows(inside[i], false, &loopback));
    }
    for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
        assert_false(allows(near[i], true, &loopback));
        assert_true(allows(near[i], true, &private));
        assert_false(allows(near[i], false, &private));
    }
}


static void
link_local_metadata_and_reserved_addresses_are_never_allowed(void **state)
{
    const char *never[] = {
        "0.0.0.0", "0.255.255.255", "169.254.0.0", "169.254.169.254",
        "169.254.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.1",
        "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255", "::", "::2", "::169.254.169.254",
        "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1",
        "2002:7f00:1::1", "3fff::1", "4000::1", "5f00::1", "fe80::1",
        "febf::1", "fec0::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (allows(never[i], true, &both)) {
            fail_msg("%s", never[i]);
        }
    }
}


static void
other_families_are_never_allowed(void **state)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };

    (void) state;
    assert_false(address_guard_allows((const void *) &local, true, &both));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_need_no_setting_but_https),
        cmocka_unit_test(loopback_and_private_addresses_need_their_setting),
        cmocka_unit_test(
            link_local_metadata_and_reserved_addresses_are_never_allowed),
        cmocka_unit_test(other_families_are_never_allowed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
