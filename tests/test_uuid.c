#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scim_uuid.h"


static void
an_id_has_time_version_and_variant(void **state)
{
    char          id[SCIM_UUID_LEN + 1];
    unsigned char ones[10], zeros[10] = { 0 };

    (void) state;
    memset(ones, 0xff, sizeof(ones));
    scim_uuid_v7(0x0123456789abLL, ones, id);
    assert_string_equal(id, "01234567-89ab-7fff-bfff-ffffffffffff");
    scim_uuid_v7(0x0123456789abLL, zeros, id);
    assert_string_equal(id, "01234567-89ab-7000-8000-000000000000");
    assert_true(scim_uuid_valid(id, SCIM_UUID_LEN));
}


static void
later_ids_sort_behind_earlier_ones(void **state)
{
    char          a[SCIM_UUID_LEN + 1], b[SCIM_UUID_LEN + 1];
    unsigned char ones[10], zeros[10] = { 0 };

    (void) state;
    memset(ones, 0xff, sizeof(ones));
    for (int64_t ms = 1; ms < (1LL << 40); ms *= 3) {
        scim_uuid_v7(ms, ones, a);
        scim_uuid_v7(ms + 1, zeros, b);
        assert_true(strcmp(a, b) < 0);
    }
}


static void
only_ids_are_valid(void **state)
{
    char id[] = "01234567-89ab-7fff-bfff-ffffffffffff";

    (void) state;
    assert_true(scim_uuid_valid("0190DADA-0000-7000-8000-00000000AAAA", 36));
    assert_false(scim_uuid_valid(id, 35));
    assert_false(scim_uuid_valid(id, 0));
    for (size_t i = 0; i < SCIM_UUID_LEN; i++) {
        char kept = id[i];

        for (const char *c = "g/:@`\x01\xff ."; *c; c++) {
            id[i] = *c;
            assert_false(scim_uuid_valid(id, SCIM_UUID_LEN));
        }
        id[i] = kept == '-' ? '0' : '-';
        assert_false(scim_uuid_valid(id, SCIM_UUID_LEN));
        id[i] = kept;
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_time_version_and_variant),
        cmocka_unit_test(later_ids_sort_behind_earlier_ones),
        cmocka_unit_test(only_ids_are_valid),
    };

    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
