#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scim_key.h"
#include "scim_token.h"

static unsigned char bytes[32];
static char          token[SCIM_TOKEN_LEN + 1];
static char          hash[65];


static int
make(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char) (i * 7 + 1);
    }
    scim_token_make(42, bytes, token);
    scim_token_hash(token, SCIM_TOKEN_LEN, hash);
    return 0;
}


/* The key of a header's value, or "" when it is none of ours. */
static const char *
key_of(const char *header)
{
    size_t      len = 0;
    static char key[SCIM_KEY_MAX];

    key[0] = '\0';
    if (scim_token_key(header, strlen(header), key, &len)) {
        assert_int_equal(len, strlen(key));
    }
    return key;
}


static void
a_token_has_shard_secret_and_checksum(void **state)
{
    (void) state;
    assert_int_equal(strlen(token), SCIM_TOKEN_LEN);
    assert_memory_equal(token, "scim_042_", 9);
    assert_int_equal(token[52], '_');
    assert_int_equal(strspn(token + 9, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "abcdefghijklmnopqrstuvwxyz0123456789-_"), 52);
}


static void
hashes_are_sha_256(void **state)
{
    char out[65];

    (void) state;
    scim_token_hash("abc", 3, out);
    assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad");
}


static void
every_spelling_of_the_header_is_understood(void **state)
{
    static const char *const forms[] = { "Bearer %s", "bearer %s", "BEARER %s",
                                         "Bearer Bearer %s", "%s", " %s ",
                                         "Bearer   %s  " };
    char wanted[SCIM_KEY_MAX], header[200];

    (void) state;
    snprintf(wanted, sizeof(wanted), "scim:{042}:token:%s", hash);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        snprintf(header, sizeof(header), forms[i], token);
        assert_string_equal(key_of(header), wanted);
    }
}


static void
what_is_no_token_is_refused(void **state)
{
    char wrong[SCIM_TOKEN_LEN + 2];

    (void) state;
    assert_string_equal(key_of(""), "");
    assert_string_equal(key_of("Bearer"), "");
    assert_string_equal(key_of("Bearer "), "");
    assert_string_equal(key_of("non-token"), "");
    assert_string_equal(key_of("Basic dXNlcjpwYXNz"), "");
    for (size_t i = 0; i < SCIM_TOKEN_LEN; i++) {
        memcpy(wrong, token, sizeof(token));
        wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
        assert_string_equal(key_of(wrong), "");
        wrong[i] = '\0';
        assert_string_equal(key_of(wrong), "");
    }
    snprintf(wrong, sizeof(wrong), "%sx", token);
    assert_string_equal(key_of(wrong), "");
}


static bool
read(const char *record, int64_t now, scim_principal_t *principal)
{
    return scim_token_read(record, strlen(record), now, principal);
}


static void
a_record_says_who_bears_the_token(void **state)
{
    scim_principal_t principal;

    (void) state;
    assert_true(read("{\"id\":\"t1\",\"workspace\":\"acme\",\"role\":\"scim\","
        "\"name\":\"Okta\",\"created\":1,\"shard\":42,\"expires\":100}", 99,
        &principal));
    assert_string_equal(principal.workspace, "acme");
    assert_string_equal(principal.token_id, "t1");
    assert_string_equal(principal.actor, "Okta");
    assert_int_equal(principal.role, SCIM_ROLE_SCIM);
    assert_int_equal(principal.shard, 42);
    assert_int_equal(principal.expires, 100);
    assert_string_equal(principal.user, "");
    assert_true(read("{\"id\":\"t1\",\"workspace\":\"acme\",\"role\":\"scim\","
        "\"name\":\"Ann\",\"shard\":42,\"user\":\"u1\"}", 99, &principal));
    assert_string_equal(principal.user, "u1");
}


static void
expired_and_damaged_records_let_nobody_in(void **state)
{
    scim_principal_t principal;

    (void) state;
    assert_false(read("{\"id\":\"t1\",\"workspace\":\"acme\",\"role\":"
        "\"scim\",\"name\":\"Okta\",\"shard\":1,\"expires\":100}", 100,
        &principal));
    assert_false(read("", 0, &principal));
    assert_false(read("{}", 0, &principal));
    assert_false(read("[]", 0, &principal));
    assert_false(read("{\"id\":\"t1\",\"workspace\":\"acme\",\"role\":"
        "\"root\",\"name\":\"x\"}", 0, &principal));
    assert_false(read("{\"id\":\"t1\",\"role\":\"scim\",\"name\":\"x\"}", 0,
        &principal));
    assert_false(read("{\"id\":1,\"workspace\":\"acme\",\"role\":\"scim\","
        "\"name\":\"x\"}", 0, &principal));
}


static void
roles_have_names(void **state)
{
    (void) state;
    assert_int_equal(scim_role_parse("owner", 5), SCIM_ROLE_OWNER);
    assert_int_equal(scim_role_parse("admin", 5), SCIM_ROLE_ADMIN);
    assert_int_equal(scim_role_parse("viewer", 6), SCIM_ROLE_VIEWER);
    assert_int_equal(scim_role_parse("scim", 4), SCIM_ROLE_SCIM);
    assert_int_equal(scim_role_parse("none", 4), SCIM_ROLE_NONE);
    assert_int_equal(scim_role_parse("Owner", 5), SCIM_ROLE_NONE);
    assert_int_equal(scim_role_parse("", 0), SCIM_ROLE_NONE);
    assert_string_equal(scim_role_name(SCIM_ROLE_ADMIN), "admin");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_shard_secret_and_checksum),
        cmocka_unit_test(hashes_are_sha_256),
        cmocka_unit_test(every_spelling_of_the_header_is_understood),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(a_record_says_who_bears_the_token),
        cmocka_unit_test(expired_and_damaged_records_let_nobody_in),
        cmocka_unit_test(roles_have_names),
    };

    return cmocka_run_group_tests_name("token", tests, make, NULL);
}
