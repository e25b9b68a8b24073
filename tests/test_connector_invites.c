#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "connector_harness.h"
#include "scim_json.h"

/* Apps that keep open invites in a list of their own. */
#define WATCHDOG_MS 20000
#define NOBODY "{\"members\":[]}"

static const char definition[] =
    "{\"id\":\"app-1\",\"name\":\"Demo\",\"accessRoles\":[\"member\","
    "\"admin\"],\"defaultAccessRole\":\"member\",\"limits\":{"
    "\"timeoutMs\":2000},\"connector\":{\"type\":\"http\","
    "\"baseUrl\":\"http://127.0.0.1:%u\","
    "\"invite\":{\"method\":\"POST\",\"path\":\"/members\",\"body\":{"
    "\"email\":\"${user.email}\",\"role\":\"${grant.accessRole}\"},"
    "\"lookFirst\":%s},"
    "\"role\":{\"method\":\"PATCH\",\"path\":\"/members/${member.id}\","
    "\"body\":{\"role\":\"${grant.accessRole}\"}},"
    "\"remove\":{\"method\":\"DELETE\",\"path\":\"/members/${member.id}\"},"
    "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/invites/${member.id}\"},"
    "\"list\":{\"method\":\"GET\",\"path\":\"/members?page=${page.number}\","
    "\"items\":\"/members\",\"total\":\"/total\",\"map\":{\"id\":\"/id\","
    "\"email\":\"/email\",\"accessRole\":\"/role\"}},"
    "\"openInvites\":{\"method\":\"GET\","
    "\"path\":\"/invites?after=${page.cursor}\",\"items\":\"/members\","
    "\"next\":\"/next\",\"pendingStates\":[\"open\"],\"map\":{\"id\":\"/id\","
    "\"email\":\"/email\",\"accessRole\":\"/role\",\"state\":\"/state\"}}}}";

typedef struct {
    connector_harness_t base;
    outcome_kind_t   kind; /* what came of it */
    char             member_id[300], reason[300];
    bool             done;
} fixture_t;


static int
setup(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    connector_harness_start(&f->base, false);
    *state = f;
    return 0;
}


static int
teardown(void **state)
{
    fixture_t *f = *state;

    connector_harness_stop(&f->base);
    free(f);
    return 0;
}


static void
read_definition(fixture_t *f, const char *look_first)
{
    char              text[4096];
    json_t           *whole, *canonical;
    scim_error_t      error = { 0 };
    scim_buffer_t     written;
    scim_app_policy_t policy = { .allow_loopback = true };

    snprintf(text, sizeof(text), definition, mock_app_port(f->base.app),
        look_first);
    whole = scim_json_read(text, strlen(text), &scim_json_request_limits,
        &error);
    assert_non_null(whole);
    if (!scim_app_validate(whole, &policy, &canonical, &error)) {
        fail_msg("the test's definition: %s", error.detail);
    }
    json_object_set_new(canonical, "id", json_string("app-1"));
    scim_buffer_init(&written, 1 << 16);
    scim_json_write(canonical, &written);
    assert_true(scim_app_read(written.data, written.len, &f->base.definition));
    scim_buffer_free(&written);
    json_decref(canonical);
    json_decref(whole);
    f->base.task.app = &f->base.definition;
}


static void
on_done(void *data, const connector_outcome_t *outcome)
{
    fixture_t *f = data;

    f->done = true;
    f->kind = outcome->kind;
    snprintf(f->member_id, sizeof(f->member_id), "%s", outcome->member_id);
    snprintf(f->reason, sizeof(f->reason), "%s", outcome->reason);
    loop_stop(f->base.loop, 0);
}


/* Runs the task; it must end so, and have asked for these, in order. */
static void
run(fixture_t *f, outcome_kind_t expected, const char *const *asked)
{
    size_t count = 0;

    if (f->base.definition.json == NULL) {
        read_definition(f, "false");
    }
    connector_harness_begin(&f->base, on_done, f);
    connector_harness_run(&f->base, WATCHDOG_MS);
    assert_true(f->done);
    if (f->kind != expected) {
        fail_msg("outcome %d: %s", f->kind, f->reason);
    }
    for ( ; asked[count]; count++) {
        assert_true(count < mock_app_count(f->base.app));
        if (!mock_app_is(f->base.app, count, asked[count])) {
            fail_msg("request %zu is no %s: %.60s", count, asked[count],
                mock_app_request(f->base.app, count)->head);
        }
    }
    assert_int_equal(mock_app_count(f->base.app), count);
    assert_int_equal(mock_app_left(f->base.app), 0);
}

#define RUN(f, kind, ...) \
    run(f, kind, (const char *const[]) { __VA_ARGS__, NULL })


static void
an_open_invite_is_cancelled_by_its_own_id(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-1\",\"email\":"
        "\"bob@example.com\",\"state\":\"open\"}],\"next\":\"2\"}");
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ANA@example.com\",\"state\":\"Open\"}]}");
    mock_app_answer(f->base.app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->base.app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites?after= ", "GET /invites?after=2 ",
        "GET /members?page=1 ", "DELETE /invites/i-2 ");
}


static void
who_accepted_unnoticed_is_removed_as_a_member(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "i-2"; /* of the invite */
    mock_app_answer(f->base.app, 200, "", NOBODY);
    mock_app_answer(f->base.app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites?after= ", "GET /members?page=1 ",
        "DELETE /members/m-7 ");
}


static void
who_accepts_while_it_is_cancelled_is_removed(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->base.app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->base.app, 404, "", "");
    mock_app_answer(f->base.app, 200, "", NOBODY);
    mock_app_answer(f->base.app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members",
        "DELETE /invites/i-2 ", "GET /invites", "GET /members?page=1 ",
        "DELETE /members/m-7 ");
    assert_true(mock_app_has(f->base.app, 5, "Idempotency-Key: task-1:remove"));
}


static void
who_is_in_both_lists_is_a_member(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_ROLE;
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->base.app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->base.app, 200, "", "{}");
    f->base.task.accepted = true;
    read_definition(f, "false");
    connector_harness_begin(&f->base, on_done, f);
    connector_harness_run(&f->base, WATCHDOG_MS);
    assert_int_equal(f->kind, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-7");
}


static void
who_is_in_neither_list_is_gone(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"expired\"}]}"); /* not open */
    mock_app_answer(f->base.app, 200, "", "{\"total\":0,\"members\":[]}");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members");
}


static void
a_list_of_invites_that_fails_is_not_nobody(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    mock_app_answer(f->base.app, 500, "", "oops");
    RUN(f, OUTCOME_RETRY, "GET /invites");
}


static void
an_open_invite_with_another_role_is_made_anew(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"role\":\"admin\",\"state\":\"open\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    mock_app_answer(f->base.app, 201, "", "{}");
    RUN(f, OUTCOME_DONE, "POST /members ", "GET /invites",
        "DELETE /invites/i-2 ", "POST /members ");
    assert_true(mock_app_has(f->base.app, 0, "Idempotency-Key: task-1"));
    assert_true(mock_app_has(f->base.app, 2, "Idempotency-Key: task-1:cancel"));
    assert_true(mock_app_has(f->base.app, 3, "Idempotency-Key: task-1:invite"));
}


static void
an_open_invite_with_the_role_is_enough(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"role\":\"member\",\"state\":\"open\"}]}");
    RUN(f, OUTCOME_DONE, "POST /members ", "GET /invites");
}


static void
an_app_that_does_not_say_is_looked_into_first(void **state)
{
    fixture_t *f = *state;

    read_definition(f, "true");
    mock_app_answer(f->base.app, 200, "", NOBODY);
    mock_app_answer(f->base.app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->base.app, 201, "", "{}");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members", "POST /members ");
}


static void
too_many_said_by_403_is_waited_for(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 403, "Retry-After: 7\r\n", "{}");
    RUN(f, OUTCOME_RETRY, "POST /members ");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_open_invite_is_cancelled_by_its_own_id, setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_accepted_unnoticed_is_removed_as_a_member, setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_accepts_while_it_is_cancelled_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_in_both_lists_is_a_member,
            setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_in_neither_list_is_gone, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            a_list_of_invites_that_fails_is_not_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_open_invite_with_another_role_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_invite_with_the_role_is_enough,
            setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_app_that_does_not_say_is_looked_into_first, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_said_by_403_is_waited_for,
            setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
