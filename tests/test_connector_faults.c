#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connector_example.h"

/* Answers that refuse, ask to wait or fail; calls that cannot be made. */

static void
other_refusals_are_dead_letters_with_the_answer_kept(void **state)
{
    example_t *f = *state;
    int        statuses[] = { 400, 404, 405, 422 };

    f->repeat = 3;
    for (int i = 0; i < 4; i++) {
        mock_app_answer(f->base.app, statuses[i], "",
            "{\"error\":\"no seat\"}");
    }
    example_run(f, OUTCOME_DEAD);
    assert_int_equal(f->outcome.status, 422);
    assert_string_equal(f->body, "{\"error\":\"no seat\"}");
}


static void
a_refused_credential_is_named_and_never_kept(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 401, "",
        "bad token s3cr3t-token, s3cr3t-token!");
    example_run(f, OUTCOME_RETRY); /* one that is right may come */
    assert_int_equal(f->outcome.health, HEALTH_FAILED);
    assert_non_null(strstr(f->reason, "credential"));
    assert_string_equal(f->body, "bad token ************, ************!");
}


static void
a_kept_answer_is_cut_at_a_character_and_valid_utf8(void **state)
{
    example_t *f = *state;
    char       body[1101];

    memset(body, 'a', sizeof(body));
    body[0] = '\xff';
    memcpy(body + 1022, "\xe2\x82\xac", 3); /* does not fit into 1024 */
    body[1100] = '\0';
    mock_app_answer(f->base.app, 400, "", body);
    example_run(f, OUTCOME_DEAD);
    assert_int_equal(f->outcome.body_len, 1022);
    assert_int_equal(f->body[0], '?');
}


static void
a_request_to_wait_is_passed_on(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 429, "Retry-After: 7\r\n", "");
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.retry_after_ms, 7000);
    assert_int_equal(f->outcome.status, 429);
}


static void
a_date_to_wait_for_is_read_by_the_app_s_clock(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", "");
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.retry_after_ms, 30000);
}


static void
a_request_to_wait_without_a_time_leaves_it_to_the_caller(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 429, "Retry-After: soon\r\n", "");
    example_run(f, OUTCOME_RETRY);
    assert_true(f->outcome.retry_after_ms < 0);
}


static void
a_failing_app_leaves_the_outcome_unknown(void **state)
{
    example_t *f = *state;
    int        statuses[] = { 500, 502, 504, 302, 307 };

    f->repeat = 4;
    for (int i = 0; i < 5; i++) {
        mock_app_answer(f->base.app, statuses[i],
            "Location: http://127.0.0.1:1/\r\n", "");
    }
    example_run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 5);
}


static void
an_app_that_hangs_times_out_as_unknown(void **state)
{
    example_t *f = *state;

    example_change(f, "limits", "{\"timeoutMs\":100}");
    mock_app_raw(f->base.app, "", 0, MOCK_HANG);
    example_run(f, OUTCOME_UNKNOWN);
    assert_non_null(strstr(f->reason, "timed out"));
}


static void
an_app_that_trickles_times_out_as_unknown(void **state)
{
    example_t  *f = *state;
    const char *part = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{";

    example_change(f, "limits", "{\"timeoutMs\":100}");
    mock_app_raw(f->base.app, part, strlen(part), MOCK_HANG);
    example_run(f, OUTCOME_UNKNOWN);
}


static void
broken_answers_leave_the_outcome_unknown(void **state)
{
    example_t  *f = *state;
    const char *answers[] = {
        "", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":1",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 201 Cre"
    };

    f->repeat = 4;
    for (int i = 0; i < 5; i++) {
        mock_app_raw(f->base.app, answers[i], strlen(answers[i]), MOCK_CLOSE);
    }
    example_run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 5);
}


static void
a_huge_answer_is_cut_off_as_unknown(void **state)
{
    example_t *f = *state;
    char      *answer = malloc(1024 * 1024);
    int        len;

    assert_non_null(answer);
    memset(answer, ' ', 1024 * 1024);
    len = snprintf(answer, 100, "HTTP/1.1 201 Created\r\n"
        "Content-Length: 1000000\r\n\r\n");
    answer[len] = ' ';
    mock_app_raw(f->base.app, answer, 1024 * 1024, MOCK_CLOSE);
    free(answer);
    example_run(f, OUTCOME_UNKNOWN);
    assert_non_null(strstr(f->reason, "too big"));
}


static void
a_call_is_not_sent_twice_when_a_kept_connection_dies(void **state)
{
    example_t *f = *state;

    f->repeat = 1;
    f->last_only = true; /* the first one works */
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    mock_app_raw(f->base.app, "", 0, MOCK_CLOSE);
    example_run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 2);
    assert_int_equal(mock_app_request(f->base.app, 1)->connection, 0);
}


static void
connections_are_kept_between_calls(void **state)
{
    example_t *f = *state;

    f->repeat = 9;
    for (int i = 0; i < 10; i++) {
        mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    }
    example_run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_request(f->base.app, 9)->connection, 0);
}


static void
an_app_that_is_away_is_tried_again(void **state)
{
    example_t *f = *state;
    char       url[64];

    /* a port that nobody listens on: that of a mock which went away */
    mock_app_t *gone = mock_app_new(f->base.loop);

    snprintf(url, sizeof(url), "\"http://127.0.0.1:%u\"",
        mock_app_port(gone));
    mock_app_free(gone);
    example_change(f, "baseUrl", url);
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.status, 0);
}


static void
a_name_that_resolves_to_a_private_address_is_not_called(void **state)
{
    example_t *f = *state;

    /* allowed by the edge's policy here, refused by the sidecar's */
    example_change(f, "baseUrl", "\"https://10.1.2.3\"");
    example_run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "address is not allowed"));
}


static void
a_name_of_loopback_is_resolved_and_called(void **state)
{
    example_t *f = *state;
    char       url[64];

    snprintf(url, sizeof(url), "\"http://localhost:%u\"",
        mock_app_port(f->base.app));
    example_change(f, "baseUrl", url);
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "POST /members HTTP"));
}


static void
a_secret_that_is_absent_sends_nothing(void **state)
{
    example_t *f = *state;

    unsetenv("CONNECTOR_TEST_TOKEN");
    example_run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "not set"));
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
other_ways_to_authenticate_send_what_they_should(void **state)
{
    example_t *f = *state;

    setenv("CONNECTOR_TEST_TOKEN", "open:sesame", 1);
    example_change(f, "auth", "{\"basic\":{\"user\":\"me@x\","
        "\"password\":\"env:CONNECTOR_TEST_TOKEN\"}}");
    example_change(f, "headers", "{\"Accept\":\"application/scim+json\","
        "\"X-Where\":\"${workspace}/${app.id}\"}");
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_has(f->base.app, 0,
        "Authorization: Basic bWVAeDpvcGVuOnNlc2FtZQ=="));
    assert_true(mock_app_has(f->base.app, 0, "Accept: application/scim+json"));
    assert_true(mock_app_has(f->base.app, 0, "X-Where: acme/app-1"));
    assert_false(mock_app_has(f->base.app, 0, "Accept: application/json"));
}


static void
more_calls_than_allowed_wait_for_their_turn(void **state)
{
    example_t *f = *state;

    f->expected = OUTCOME_DONE;
    example_define(f);
    for (int i = 0; i < 20; i++) {
        mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    }
    f->repeat = 10; /* ten more when the first ten end */
    for (int i = 0; i < 10; i++) {
        example_begin(f);
    }
    assert_int_equal(connectors_running(f->base.connectors), 10);
    assert_int_equal(connector_harness_run(&f->base, EXAMPLE_WATCHDOG_MS), 0);
    assert_true(f->done >= 11);
    for (size_t i = 0; i < mock_app_count(f->base.app); i++) {
        assert_true(mock_app_request(f->base.app, i)->connection < 4);
    }
}


static void
calls_in_flight_end_silently_with_the_connectors(void **state)
{
    example_t *f = *state;

    example_define(f);
    for (int i = 0; i < 10; i++) {
        example_begin(f);
    }
    f->base.task.kind = TASK_REMOVE; /* one that looks up */
    example_begin(f);
    assert_int_equal(f->done, 0);
    /* teardown frees them: neither a leak nor a callback */
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, example_setup, example_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(other_refusals_are_dead_letters_with_the_answer_kept),
        CASE(a_refused_credential_is_named_and_never_kept),
        CASE(a_kept_answer_is_cut_at_a_character_and_valid_utf8),
        CASE(a_request_to_wait_is_passed_on),
        CASE(a_date_to_wait_for_is_read_by_the_app_s_clock),
        CASE(a_request_to_wait_without_a_time_leaves_it_to_the_caller),
        CASE(a_failing_app_leaves_the_outcome_unknown),
        CASE(an_app_that_hangs_times_out_as_unknown),
        CASE(an_app_that_trickles_times_out_as_unknown),
        CASE(broken_answers_leave_the_outcome_unknown),
        CASE(a_huge_answer_is_cut_off_as_unknown),
        CASE(a_call_is_not_sent_twice_when_a_kept_connection_dies),
        CASE(connections_are_kept_between_calls),
        CASE(an_app_that_is_away_is_tried_again),
        CASE(a_name_that_resolves_to_a_private_address_is_not_called),
        CASE(a_name_of_loopback_is_resolved_and_called),
        CASE(a_secret_that_is_absent_sends_nothing),
        CASE(other_ways_to_authenticate_send_what_they_should),
        CASE(more_calls_than_allowed_wait_for_their_turn),
        CASE(calls_in_flight_end_silently_with_the_connectors)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
