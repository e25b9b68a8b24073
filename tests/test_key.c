#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scim_key.h"


static bool
valid(const char *slug)
{
    return scim_workspace_valid(slug, strlen(slug));
}


static void
slugs_follow_their_rule(void **state)
{
    char longest[65];

    (void) state;
    assert_true(valid("a"));
    assert_true(valid("0"));
    assert_true(valid("acme-2"));
    assert_true(valid("a--"));
    assert_false(valid(""));
    assert_false(valid("-a"));
    assert_false(valid("Acme"));
    assert_false(valid("a_b"));
    assert_false(valid("a:b"));
    assert_false(valid("a b"));
    assert_false(valid("\xc3\xa4"));
    memset(longest, 'a', 64);
    assert_true(scim_workspace_valid(longest, 63));
    assert_false(scim_workspace_valid(longest, 64));
}


static void
shards_are_the_ones_of_the_protocol(void **state)
{
    (void) state;
    /* FNV-1a, 32 bits: "" 0x811c9dc5, "a" 0xe40c292c, "foobar" 0xbf9cf968 */
    assert_int_equal(scim_workspace_shard("", 0, 1000), 0x811c9dc5u % 1000);
    assert_int_equal(scim_workspace_shard("a", 1, 128), 0xe40c292cu % 128);
    assert_int_equal(scim_workspace_shard("foobar", 6, 128),
        0xbf9cf968u % 128);
    assert_int_equal(scim_workspace_shard("foobar", 6, 1), 0);
}


static void
shards_are_used_evenly(void **state)
{
    char     slug[16];
    unsigned count[128] = { 0 };

    (void) state;
    for (int i = 0; i < 12800; i++) {
        int len = snprintf(slug, sizeof(slug), "workspace-%d", i);

        count[scim_workspace_shard(slug, (size_t) len, 128)]++;
    }
    for (int i = 0; i < 128; i++) {
        assert_in_range(count[i], 50, 200);
    }
}


static void
keys_are_the_ones_of_the_protocol(void **state)
{
    char key[SCIM_KEY_MAX];

    (void) state;
    assert_int_equal(scim_key_events(key, 7), 17);
    assert_string_equal(key, "scim:{007}:events");
    assert_int_equal(scim_key_dataset(key, 127), 18);
    assert_string_equal(key, "scim:{127}:dataset");
    assert_int_equal(scim_key_token(key, 0, "ab"), 19);
    assert_string_equal(key, "scim:{000}:token:ab");
    assert_int_equal(scim_key(key, 7, "acme", "users", NULL, 0), 21);
    assert_string_equal(key, "scim:{007}:acme:users");
    assert_int_equal(scim_key(key, 7, "acme", "user", "u1x", 2), 23);
    assert_string_equal(key, "scim:{007}:acme:user:u1");
}


static void
keys_that_do_not_fit_are_refused(void **state)
{
    char key[SCIM_KEY_MAX], id[SCIM_KEY_MAX + 1];
    int  fixed = (int) strlen("scim:{007}:acme:user:");

    (void) state;
    memset(id, 'x', sizeof(id));
    assert_int_equal(scim_key(key, 7, "acme", "user", id, sizeof(id)), 0);
    assert_int_equal(scim_key(key, 7, "acme", "user", id, SCIM_KEY_MAX), 0);
    assert_int_equal(scim_key(key, 7, "acme", "user", id,
        SCIM_KEY_MAX - (size_t) fixed), 0);
    assert_int_equal(scim_key(key, 7, "acme", "user", id,
        SCIM_KEY_MAX - (size_t) fixed - 1), SCIM_KEY_MAX - 1);
    assert_int_equal(strlen(key), SCIM_KEY_MAX - 1);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slugs_follow_their_rule),
        cmocka_unit_test(shards_are_the_ones_of_the_protocol),
        cmocka_unit_test(shards_are_used_evenly),
        cmocka_unit_test(keys_are_the_ones_of_the_protocol),
        cmocka_unit_test(keys_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
