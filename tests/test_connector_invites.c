#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connector_harness.h"
#include "scim_json.h"

/* Apps that keep open invites in a list of their own. */
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

typedef connector_harness_t fixture_t; /* and no more */


static void
read_definition(fixture_t *f, const char *look_first)
{
    char              text[4096];
    json_t           *whole, *canonical;
    scim_error_t      error = { 0 };
    scim_buffer_t     written;
    scim_app_policy_t policy = { .allow_loopback = true };

    snprintf(text, sizeof(text), definition, mock_app_port(f->app),
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
    assert_true(scim_app_read(written.data, written.len, &f->definition));
    scim_buffer_free(&written);
    json_decref(canonical);
    json_decref(whole);
    f->task.app = &f->definition;
}


/* Runs the task; it must end so, and have asked for these, in order. */
static void
run(fixture_t *f, outcome_kind_t expected, const char *const *asked)
{
    size_t count = 0;

    if (f->definition.json == NULL) {
        read_definition(f, "false");
    }
    connector_harness_try(f);
    if (f->outcome.kind != expected) {
        fail_msg("outcome %d: %s", f->outcome.kind, f->reason);
    }
    for ( ; asked[count]; count++) {
        assert_true(count < mock_app_count(f->app));
        if (!mock_app_is(f->app, count, asked[count])) {
            fail_msg("request %zu is no %s: %.60s", count, asked[count],
                mock_app_request(f->app, count)->head);
        }
    }
    assert_int_equal(mock_app_count(f->app), count);
    assert_int_equal(mock_app_left(f->app), 0);
}

#define RUN(f, kind, ...) \
    run(f, kind, (const char *const[]) { __VA_ARGS__, NULL })


static void
an_open_invite_is_cancelled_by_its_own_id(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-1\",\"email\":"
        "\"bob@example.com\",\"state\":\"open\"}],\"next\":\"2\"}");
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ANA@example.com\",\"state\":\"Open\"}]}");
    mock_app_answer(f->app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites?after= ", "GET /invites?after=2 ",
        "GET /members?page=1 ", "DELETE /invites/i-2 ");
}


static void
who_accepted_unnoticed_is_removed_as_a_member(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    f->task.member_id = "i-2"; /* of the invite */
    mock_app_answer(f->app, 200, "", NOBODY);
    mock_app_answer(f->app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites?after= ", "GET /members?page=1 ",
        "DELETE /members/m-7 ");
}


static void
who_accepts_while_it_is_cancelled_is_removed(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->app, 404, "", "");
    mock_app_answer(f->app, 200, "", NOBODY);
    mock_app_answer(f->app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members",
        "DELETE /invites/i-2 ", "GET /invites", "GET /members?page=1 ",
        "DELETE /members/m-7 ");
    assert_true(mock_app_has(f->app, 5, "Idempotency-Key: task-1:remove"));
}


static void
who_is_in_both_lists_is_a_member(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_ROLE;
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ana@example.com\"}]}");
    mock_app_answer(f->app, 200, "", "{}");
    f->task.accepted = true;
    read_definition(f, "false");
    connector_harness_try(f);
    assert_int_equal(f->outcome.kind, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-7");
}


static void
who_is_in_neither_list_is_gone(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"state\":\"expired\"}]}"); /* not open */
    mock_app_answer(f->app, 200, "", "{\"total\":0,\"members\":[]}");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members");
}


static void
a_list_of_invites_that_fails_is_not_nobody(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 500, "", "oops");
    RUN(f, OUTCOME_RETRY, "GET /invites");
}


static void
an_open_invite_with_another_role_is_made_anew(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 409, "", "");
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"role\":\"admin\",\"state\":\"open\"}]}");
    mock_app_answer(f->app, 204, "", "");
    mock_app_answer(f->app, 201, "", "{}");
    RUN(f, OUTCOME_DONE, "POST /members ", "GET /invites",
        "DELETE /invites/i-2 ", "POST /members ");
    assert_true(mock_app_has(f->app, 0, "Idempotency-Key: task-1"));
    assert_true(mock_app_has(f->app, 2, "Idempotency-Key: task-1:cancel"));
    assert_true(mock_app_has(f->app, 3, "Idempotency-Key: task-1:invite"));
}


static void
an_open_invite_with_the_role_is_enough(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 409, "", "");
    mock_app_answer(f->app, 200, "",
        "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ana@example.com\",\"role\":\"member\",\"state\":\"open\"}]}");
    RUN(f, OUTCOME_DONE, "POST /members ", "GET /invites");
}


static void
an_app_that_does_not_say_is_looked_into_first(void **state)
{
    fixture_t *f = *state;

    read_definition(f, "true");
    mock_app_answer(f->app, 200, "", NOBODY);
    mock_app_answer(f->app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->app, 201, "", "{}");
    RUN(f, OUTCOME_DONE, "GET /invites", "GET /members", "POST /members ");
}


static void
too_many_said_by_403_is_waited_for(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->app, 403, "Retry-After: 7\r\n", "{}");
    RUN(f, OUTCOME_RETRY, "POST /members ");
}


#define CASE(name) cmocka_unit_test_setup_teardown(name, \
    connector_harness_setup, connector_harness_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_open_invite_is_cancelled_by_its_own_id),
        CASE(who_accepted_unnoticed_is_removed_as_a_member),
        CASE(who_accepts_while_it_is_cancelled_is_removed),
        CASE(who_is_in_both_lists_is_a_member),
        CASE(who_is_in_neither_list_is_gone),
        CASE(a_list_of_invites_that_fails_is_not_nobody),
        CASE(an_open_invite_with_another_role_is_made_anew),
        CASE(an_open_invite_with_the_role_is_enough),
        CASE(an_app_that_does_not_say_is_looked_into_first),
        CASE(too_many_said_by_403_is_waited_for)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
