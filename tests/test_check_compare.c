#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "check_compare.h"
#include "scim_buffer.h"

/* What an app's list says beside the grants: findings as one text. */

static const char *const roles[] = { "viewer", "editor", "admin" };

static check_options_t
usual(void)
{
    check_options_t options = {
        .access_roles = roles, .access_role_count = 3,
        .lists_pending = true, .listed_last = -1
    };

    return options;
}


static check_compare_t *
begin(const check_options_t *options)
{
    check_compare_t *compare = check_compare_new(options);

    assert_non_null(compare);
    return compare;
}


static void
lists(check_compare_t *compare, const char *id, const char *email,
    const char *role)
{
    const connector_member_t member = { id, email, role, "", true, false,
                                        false };

    assert_true(check_compare_member(compare, &member));
}


static void
grant(check_compare_t *compare, const char *user, const char *email,
    const char *member_id, grant_state_t state)
{
    const check_grant_t grant = {
        .user = user, .access_role = "editor", .member_id = member_id,
        .email = email, .user_name = "", .v = "3", .state = state
    };

    assert_true(check_compare_grant(compare, &grant));
}


/* "missing u1 a@x invite, unknown m2 b@x remove"; frees the comparison. */
static void
finds(check_compare_t *compare, const char *expected)
{
    size_t           count;
    scim_buffer_t    text;
    const finding_t *findings;

    assert_true(check_compare_run(compare));
    findings = check_compare_findings(compare, &count);
    scim_buffer_init(&text, 4096);
    scim_buffer_append_text(&text, "");
    for (size_t i = 0; i < count; i++) {
        const finding_t *finding = &findings[i];

        scim_buffer_printf(&text, "%s%s %s %s %s", i ? ", " : "",
            finding_kind_name(finding->kind), finding->kind
            == FINDING_UNKNOWN ? finding->member_id : finding->user,
            finding->email, finding_action_name(finding->action));
    }
    assert_string_equal(text.data ? text.data : "", expected);
    scim_buffer_free(&text);
    check_compare_free(compare);
}


static void
test_what_agrees_finds_nothing(void **state)
{
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);

    (void) state;
    lists(compare, "m1", "a@x", "editor");
    lists(compare, "m2", "B@X", "");
    grant(compare, "u2", "b@x", "", GRANT_CONNECTED);
    grant(compare, "u1", "a@x", "m1", GRANT_INVITED);
    assert_int_equal(check_compare_listed(compare), 2);
    finds(compare, "");
}


static void
test_each_kind_of_drift(void **state)
{
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);

    (void) state;
    lists(compare, "m1", "a@x", "admin");
    lists(compare, "m3", "c@x", "viewer");
    grant(compare, "u1", "a@x", "m1", GRANT_ACCEPTED);
    grant(compare, "u2", "b@x", "m2", GRANT_INVITED);
    finds(compare, "role u1 a@x role, missing u2 b@x invite, "
        "unknown m3 c@x remove");
}


static void
test_the_id_counts_before_the_address(void **state)
{
    size_t           count;
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);
    const finding_t *identities;

    (void) state;
    /* the two have swapped their addresses in the app */
    lists(compare, "m1", "b@x", "editor");
    lists(compare, "m2", "a@x", "editor");
    grant(compare, "u1", "a@x", "m1", GRANT_CONNECTED);
    grant(compare, "u2", "b@x", "m2", GRANT_CONNECTED);
    grant(compare, "u3", "C@x", "m9", GRANT_CONNECTED);
    lists(compare, "m3", "c@x", "editor");
    assert_true(check_compare_run(compare));
    identities = check_compare_identities(compare, &count);
    assert_int_equal(count, 1);
    assert_string_equal(identities[0].user, "u3");
    assert_string_equal(identities[0].member_id, "m3");
    check_compare_findings(compare, &count);
    assert_int_equal(count, 0);
    check_compare_free(compare);
}


static void
test_a_member_by_user_name(void **state)
{
    check_options_t     options = usual();
    check_compare_t    *compare = begin(&options);
    const check_grant_t named = {
        .user = "u1", .access_role = "editor", .member_id = "",
        .email = "ann@personal.example", .user_name = "ann@work.example",
        .v = "1", .state = GRANT_CONNECTED
    };

    (void) state;
    assert_true(check_compare_grant(compare, &named));
    lists(compare, "m1", "Ann@Work.example", "editor");
    finds(compare, "");
}


static void
test_what_is_changing_is_matched_and_not_judged(void **state)
{
    check_options_t     options = usual();
    check_compare_t    *compare = begin(&options);
    const check_grant_t busy = {
        .user = "u1", .access_role = "editor", .member_id = "m1",
        .email = "a@x", .user_name = "", .v = "1", .state = GRANT_REMOVED,
        .busy = true
    };

    (void) state;
    assert_true(check_compare_grant(compare, &busy));
    grant(compare, "u2", "b@x", "", GRANT_PENDING);
    grant(compare, "u3", "c@x", "", GRANT_WAITLISTED);
    grant(compare, "u4", "d@x", "", GRANT_FAILED);
    lists(compare, "m1", "a@x", "admin");
    lists(compare, "m4", "d@x", "admin");
    finds(compare, "");
}


static void
test_a_list_without_pending_invites(void **state)
{
    check_options_t  options = usual();
    check_compare_t *compare;

    (void) state;
    options.lists_pending = false;
    compare = begin(&options);
    grant(compare, "u1", "a@x", "", GRANT_INVITED);
    grant(compare, "u2", "b@x", "", GRANT_ACCEPTED);
    finds(compare, "missing u2 b@x invite");
}


static void
test_invites_that_were_accepted_are_learned(void **state)
{
    size_t                   count;
    check_options_t          options = usual();
    check_compare_t         *compare = begin(&options);
    const finding_t         *identities;
    const connector_member_t here = { "m1", "a@x", "editor", "active", true,
                                      true, false };

    (void) state;
    assert_true(check_compare_member(compare, &here));
    lists(compare, "m2", "b@x", "editor");
    grant(compare, "u1", "a@x", "m1", GRANT_INVITED);
    grant(compare, "u2", "b@x", "m2", GRANT_INVITED);
    assert_true(check_compare_run(compare));
    identities = check_compare_identities(compare, &count);
    assert_int_equal(count, 1);
    assert_string_equal(identities[0].user, "u1");
    assert_true(identities[0].accepted);
    check_compare_free(compare);
}


static void
test_members_without_an_address(void **state)
{
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);

    (void) state;
    lists(compare, "m1", "", "editor");
    grant(compare, "u1", "a@x", "", GRANT_CONNECTED); /* may be m1 */
    grant(compare, "u2", "b@x", "m2", GRANT_CONNECTED); /* cannot */
    finds(compare, "missing u2 b@x invite, unknown m1  none");
}


static void
test_a_second_account_is_for_a_person(void **state)
{
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);

    (void) state;
    lists(compare, "m1", "a@x", "editor");
    lists(compare, "m2", "A@x", "editor");
    grant(compare, "u1", "a@x", "m2", GRANT_CONNECTED);
    finds(compare, "unknown m1 a@x none");
}


static void
test_members_that_are_exempt_are_left_alone(void **state)
{
    const char      *bot = "Bot@x";
    check_options_t  options = usual();
    check_compare_t *compare;

    (void) state;
    options.exempt = &bot;
    options.exempt_count = 1;
    compare = begin(&options);
    lists(compare, "m1", "bot@x", "admin");
    lists(compare, "m2", "b@x", "admin"); /* another admin stays */
    finds(compare, "unknown m2 b@x remove");
    bot = "m1";
    compare = begin(&options);
    lists(compare, "m1", "", "viewer");
    finds(compare, "");
}


static void
test_the_last_with_the_strongest_role_stays(void **state)
{
    static const char *const only[] = { "member" };
    check_options_t          options = usual();
    check_compare_t         *compare = begin(&options);

    (void) state;
    lists(compare, "m1", "a@x", "admin");
    lists(compare, "m2", "b@x", "viewer");
    finds(compare, "unknown m1 a@x none, unknown m2 b@x remove");
    options.access_roles = only;
    options.access_role_count = 1;
    compare = begin(&options);
    lists(compare, "m1", "a@x", "member");
    finds(compare, "unknown m1 a@x remove");
}


static void
test_members_that_are_switched_off_are_not_there(void **state)
{
    check_options_t          options = usual();
    check_compare_t         *compare = begin(&options);
    const connector_member_t off = { "m1", "a@x", "editor", "", false,
                                     false, false };

    (void) state;
    assert_true(check_compare_member(compare, &off));
    grant(compare, "u1", "a@x", "m1", GRANT_CONNECTED);
    assert_int_equal(check_compare_listed(compare), 0);
    finds(compare, "missing u1 a@x invite");
}


static const char *
suspicion_of(size_t listed, size_t granted, long long last)
{
    char             email[48], user[32];
    const char      *text;
    check_options_t  options = usual();
    check_compare_t *compare;

    options.listed_last = last;
    compare = begin(&options);
    for (size_t i = 0; i < listed || i < granted; i++) {
        snprintf(email, sizeof(email), "p%zu@x", i);
        snprintf(user, sizeof(user), "u%zu", i);
        if (i < listed) {
            lists(compare, user, email, "editor");
        }
        if (i < granted) {
            grant(compare, user, email, "", GRANT_INVITED);
        }
    }
    assert_true(check_compare_run(compare));
    text = check_compare_suspicion(compare);
    check_compare_free(compare);
    return text; /* static */
}


static void
test_a_list_that_is_not_to_be_believed(void **state)
{
    (void) state;
    assert_string_equal(suspicion_of(0, 0, -1), "");
    assert_string_equal(suspicion_of(0, 1, -1), "the app lists nobody at all");
    assert_string_equal(suspicion_of(0, 0, 3), "the app lists nobody at all");
    assert_string_equal(suspicion_of(5, 15, -1), "");
    assert_string_equal(suspicion_of(5, 16, -1),
        "the app lists less than half of the expected members");
    assert_string_equal(suspicion_of(40, 40, 100),
        "the app lists less than half of the expected members");
    assert_string_equal(suspicion_of(50, 50, 100), "");
    assert_string_equal(suspicion_of(300, 1, 2), "");
}


static void
test_thousands_are_matched(void **state)
{
    char             id[16], email[32];
    size_t           count;
    check_options_t  options = usual();
    check_compare_t *compare = begin(&options);

    (void) state;
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        snprintf(email, sizeof(email), "p%d@x", i);
        lists(compare, id, email, "editor");
        if (i % 2 == 0) {
            grant(compare, id, email, i % 4 == 0 ? id : "", GRANT_CONNECTED);
        }
    }
    assert_true(check_compare_run(compare));
    check_compare_findings(compare, &count);
    assert_int_equal(count, 10000);
    check_compare_free(compare);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_agrees_finds_nothing),
        cmocka_unit_test(test_each_kind_of_drift),
        cmocka_unit_test(test_the_id_counts_before_the_address),
        cmocka_unit_test(test_a_member_by_user_name),
        cmocka_unit_test(test_what_is_changing_is_matched_and_not_judged),
        cmocka_unit_test(test_a_list_without_pending_invites),
        cmocka_unit_test(test_invites_that_were_accepted_are_learned),
        cmocka_unit_test(test_members_without_an_address),
        cmocka_unit_test(test_a_second_account_is_for_a_person),
        cmocka_unit_test(test_members_that_are_exempt_are_left_alone),
        cmocka_unit_test(test_the_last_with_the_strongest_role_stays),
        cmocka_unit_test(test_members_that_are_switched_off_are_not_there),
        cmocka_unit_test(test_a_list_that_is_not_to_be_believed),
        cmocka_unit_test(test_thousands_are_matched)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
