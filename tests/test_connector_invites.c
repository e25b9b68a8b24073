#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "connector.h"
#include "mock_app.h"
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
    loop_t          *loop;
    loop_timer_t    *watchdog;
    mock_app_t      *app;
    connectors_t    *connectors;
    scim_app_t       definition;
    connector_task_t task;
    outcome_kind_t   kind; /* what came of it */
    char             member_id[300], reason[300];
    bool             done;
} fixture_t;


static void
on_watchdog(loop_t *loop, void *data)
{
    (void) data;
    loop_stop(loop, 1);
}


static int
setup(void **state)
{
    fixture_t        *f = calloc(1, sizeof(*f));
    connectors_conf_t conf = {
        .policy = { .allow_loopback = true }, .calls_max = 4
    };

    assert_non_null(f);
    curl_global_init(CURL_GLOBAL_ALL);
    f->loop = loop_new();
    f->watchdog = loop_timer_new(f->loop, on_watchdog, NULL);
    f->app = mock_app_new(f->loop);
    f->connectors = connectors_new(f->loop, &conf);
    assert_non_null(f->connectors);
    f->task = (connector_task_t) {
        .key = "task-1", .kind = TASK_INVITE, .attempt = 1,
        .workspace = "acme", .member_id = "", .join_url = "",
        .user = { "u-1", "Ann@Example.com", "ann", "Ann", "Ann", "Example" },
        .grant = { "collaborator", "member" }
    };
    *state = f;
    return 0;
}


static int
teardown(void **state)
{
    fixture_t *f = *state;

    connectors_free(f->connectors);
    mock_app_free(f->app);
    loop_timer_free(f->watchdog);
    loop_free(f->loop);
    scim_app_free(&f->definition);
    free(f);
    curl_global_cleanup();
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


static void
on_done(void *data, const connector_outcome_t *outcome)
{
    fixture_t *f = data;

    f->done = true;
    f->kind = outcome->kind;
    snprintf(f->member_id, sizeof(f->member_id), "%s", outcome->member_id);
    snprintf(f->reason, sizeof(f->reason), "%s", outcome->reason);
    loop_stop(f->loop, 0);
}


/* Runs the task; it must end so, and have asked for these, in order. */
static void
run(fixture_t *f, outcome_kind_t expected, const char *const *asked)
{
    size_t count = 0;

    if (f->definition.json == NULL) {
        read_definition(f, "false");
    }
    loop_timer_arm(f->watchdog, WATCHDOG_MS);
    assert_true(connector_run(f->connectors, &f->task, on_done, f));
    loop_run(f->loop);
    assert_true(f->done);
    if (f->kind != expected) {
        fail_msg("outcome %d: %s", f->kind, f->reason);
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
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-1\",\"email\":"
        "\"bob@example.com\",\"state\":\"open\"}],\"next\":\"2\"}");
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ANN@example.com\",\"state\":\"Open\"}]}");
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
        "\"m-7\",\"email\":\"ann@example.com\"}]}");
    mock_app_answer(f->app, 204, "", "");
    RUN(f, OUTCOME_DONE, "GET /invites?after= ", "GET /members?page=1 ",
        "DELETE /members/m-7 ");
}


static void
who_accepts_while_it_is_cancelled_is_removed(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ann@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->app, 200, "", "{\"total\":0,\"members\":[]}");
    mock_app_answer(f->app, 404, "", "");
    mock_app_answer(f->app, 200, "", NOBODY);
    mock_app_answer(f->app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ann@example.com\"}]}");
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
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ann@example.com\",\"state\":\"open\"}]}");
    mock_app_answer(f->app, 200, "", "{\"total\":1,\"members\":[{\"id\":"
        "\"m-7\",\"email\":\"ann@example.com\"}]}");
    mock_app_answer(f->app, 200, "", "{}");
    f->task.accepted = true;
    read_definition(f, "false");
    loop_timer_arm(f->watchdog, WATCHDOG_MS);
    assert_true(connector_run(f->connectors, &f->task, on_done, f));
    loop_run(f->loop);
    assert_int_equal(f->kind, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-7");
}


static void
who_is_in_neither_list_is_gone(void **state)
{
    fixture_t *f = *state;

    f->task.kind = TASK_REMOVE;
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ann@example.com\",\"state\":\"expired\"}]}"); /* not open */
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
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ann@example.com\",\"role\":\"admin\",\"state\":\"open\"}]}");
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
    mock_app_answer(f->app, 200, "", "{\"members\":[{\"id\":\"i-2\",\"email\":"
        "\"ann@example.com\",\"role\":\"member\",\"state\":\"open\"}]}");
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
