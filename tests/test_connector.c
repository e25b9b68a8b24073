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

#define WATCHDOG_MS 20000

/* The contract's example; one test each takes verbs away or adds some. */
static const char definition[] =
    "{\"id\":\"app-1\",\"name\":\"Demo\",\"accessRoles\":[\"member\","
    "\"admin\"],\"defaultAccessRole\":\"member\",\"limits\":{"
    "\"timeoutMs\":2000},\"connector\":{\"type\":\"http\","
    "\"baseUrl\":\"http://127.0.0.1:%u/v1/\","
    "\"auth\":{\"bearer\":\"env:CONNECTOR_TEST_TOKEN\"},"
    "\"invite\":{\"method\":\"POST\",\"path\":\"/members\",\"body\":{"
    "\"email\":\"${user.email}\",\"role\":\"${grant.accessRole}\"},"
    "\"memberId\":\"/id\"},"
    "\"role\":{\"method\":\"PATCH\",\"path\":\"/members/${member.id}\","
    "\"body\":{\"role\":\"${grant.accessRole}\"}},"
    "\"remove\":{\"method\":\"DELETE\",\"path\":\"/members/${member.id}\"},"
    "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/invites/${member.id}\"},"
    "\"list\":{\"method\":\"GET\","
    "\"path\":\"/members?cursor=${page.cursor}\",\"items\":\"/members\","
    "\"next\":\"/next\",\"map\":{\"id\":\"/id\",\"email\":\"/email\","
    "\"accessRole\":\"/role\",\"state\":\"/state\"}}}}";

typedef struct {
    connector_harness_t base;
    json_t             *changes; /* of the definition's connector */
    unsigned            repeat; /* run the task so many times more */
    outcome_kind_t      expected; /* each time, or the last time only */
    bool                last_only;
    /* what came of it */
    unsigned            done;
    connector_outcome_t outcome;
    char                body[2048], member_id[300], reason[300];
} fixture_t;


static int
setup(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    connector_harness_start(&f->base, true);
    setenv("CONNECTOR_TEST_TOKEN", "s3cr3t-token", 1);
    f->changes = json_object();
    *state = f;
    return 0;
}


static int
teardown(void **state)
{
    fixture_t *f = *state;

    connector_harness_stop(&f->base);
    json_decref(f->changes);
    free(f);
    return 0;
}


/* Sets a member of the connector, or takes it away (NULL). */
static void
change(fixture_t *f, const char *name, const char *text)
{
    json_t *value = text ? scim_json_read(text, strlen(text),
        &scim_json_request_limits, NULL) : json_null();

    assert_non_null(value);
    json_object_set_new(f->changes, name, value);
}


static void
on_done(void *data, const connector_outcome_t *outcome)
{
    fixture_t *f = data;

    f->done++;
    f->outcome = *outcome;
    assert_true(outcome->body_len < sizeof(f->body));
    memcpy(f->body, outcome->body, outcome->body_len);
    f->body[outcome->body_len] = '\0';
    snprintf(f->member_id, sizeof(f->member_id), "%s", outcome->member_id);
    snprintf(f->reason, sizeof(f->reason), "%s", outcome->reason);
    if (outcome->kind != f->expected && !(f->last_only && f->repeat > 0)) {
        fail_msg("run %u ended with outcome %d: %s", f->done, outcome->kind,
            outcome->reason);
    }
    if (f->repeat > 0) {
        f->repeat--;
        connector_harness_begin(&f->base, on_done, f);
        return;
    }
    loop_stop(f->base.loop, 0);
}


static void
read_definition(fixture_t *f)
{
    int               len;
    char              text[4096];
    json_t           *whole, *connector, *canonical;
    scim_error_t      error = { 0 };
    scim_app_policy_t policy = { .allow_loopback = true, .secret_env = "*",
        .secret_files = "*", .allow_private = true };

    len = snprintf(text, sizeof(text), definition, mock_app_port(f->base.app));
    whole = scim_json_read(text, (size_t) len, &scim_json_request_limits,
        &error);
    assert_non_null(whole);
    connector = json_object_get(whole, "connector");
    json_object_update(connector, f->changes);
    if (json_object_get(connector, "limits")) {
        json_object_set(whole, "limits",
            json_object_get(connector, "limits"));
        json_object_del(connector, "limits");
    }
    if (!scim_app_validate(whole, &policy, &canonical, &error)) {
        fail_msg("the test's definition: %s", error.detail);
    }
    json_object_set_new(canonical, "id", json_string("app-1"));
    json_decref(whole);
    {
        char *stored = json_dumps(canonical, 0);

        assert_true(scim_app_read(stored, strlen(stored), &f->base.definition));
        free(stored);
    }
    json_decref(canonical);
    f->base.task.app = &f->base.definition;
}


/* Runs the task and checks that it ended once, with this outcome. */
static void
run(fixture_t *f, outcome_kind_t kind)
{
    unsigned count = 1 + f->repeat;

    f->expected = kind;
    read_definition(f);
    connector_harness_begin(&f->base, on_done, f);
    assert_int_equal(f->done, 0);
    if (connector_harness_run(&f->base, WATCHDOG_MS) != 0) {
        fail_msg("the task did not end");
    }
    assert_int_equal(f->done, count);
    assert_int_equal(connectors_running(f->base.connectors), 0);
    assert_int_equal(mock_app_left(f->base.app), 0);
}


static void
an_invite_is_sent_as_defined_and_its_id_learned(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-7\"}");
    run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-7");
    assert_int_equal(f->outcome.status, 201);
    assert_true(mock_app_is(f->base.app, 0, "POST /v1/members HTTP/1.1\r\n"));
    assert_true(mock_app_has(f->base.app, 0, "Idempotency-Key: task-1"));
    assert_true(mock_app_has(f->base.app, 0,
        "Authorization: Bearer s3cr3t-token"));
    assert_true(mock_app_has(f->base.app, 0, "Content-Type: application/json"));
    assert_string_equal(mock_app_request(f->base.app, 0)->body,
        "{\"email\":\"Ana@Example.com\",\"role\":\"member\"}");
}


static void
a_numeric_id_is_learned_as_text(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 200, "", "{\"id\":42}");
    run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "42");
}


static void
an_answer_without_its_id_leaves_the_outcome_unknown(void **state)
{
    fixture_t  *f = *state;
    const char *bodies[] = { "", "<html>", "{\"id\":null}", "{\"ok\":false}",
        "{\"id\":\"a b\"}", "{\"id\":\"..\"}", "{\"id\":\"\"}",
        "{\"id\":\"1\",\"id\":\"2\"}" };

    f->repeat = sizeof(bodies) / sizeof(bodies[0]) - 1;
    change(f, "list", NULL);
    for (size_t i = 0; i <= f->repeat; i++) {
        mock_app_answer(f->base.app, 200, "", bodies[i]);
    }
    run(f, OUTCOME_UNKNOWN);
    assert_string_equal(f->member_id, "");
}


static void
a_conflict_looks_the_member_up_on_any_page(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "{\"error\":\"exists\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-1\","
        "\"email\":\"bo@example.com\",\"role\":\"admin\"}],"
        "\"next\":\"p/2&x\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.COM\",\"role\":\"member\"}],\"next\":null}");
    run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-2");
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/members?cursor= HTTP"));
    assert_true(mock_app_is(f->base.app, 2,
        "GET /v1/members?cursor=p%2F2%26x HTTP"));
    assert_false(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1"));
}


static void
a_conflict_with_another_role_is_put_right(void **state)
{
    fixture_t *f = *state;

    f->base.task.grant.access_role = "admin";
    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    mock_app_answer(f->base.app, 200, "", "{}");
    run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-2");
    assert_true(mock_app_is(f->base.app, 2, "PATCH /v1/members/m-2 HTTP"));
    assert_true(mock_app_has(f->base.app, 2, "Idempotency-Key: task-1:role"));
    assert_string_equal(mock_app_request(f->base.app, 2)->body,
        "{\"role\":\"admin\"}");
}


static void
another_role_without_a_role_verb_is_work_for_a_person(void **state)
{
    fixture_t *f = *state;

    f->base.task.grant.access_role = "admin";
    change(f, "role", NULL);
    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    run(f, OUTCOME_MANUAL);
}


static void
a_conflict_that_the_list_does_not_show_is_tried_again(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "{\"error\":\"exists\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[]}");
    run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.status, 409);
}


static void
a_conflict_without_a_list_counts_as_there(void **state)
{
    fixture_t *f = *state;

    change(f, "list", NULL);
    mock_app_answer(f->base.app, 409, "", "");
    run(f, OUTCOME_DONE);
}


static void
an_unknown_invite_is_looked_up_before_it_is_repeated(void **state)
{
    fixture_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-9\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-9");
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_unknown_invite_that_did_not_work_is_repeated(void **state)
{
    fixture_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[],\"next\":\"\"}");
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-7\"}");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "POST /v1/members HTTP"));
    assert_true(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1"));
}


static void
a_list_that_fails_leaves_an_unknown_invite_unknown(void **state)
{
    fixture_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-1\","
        "\"email\":\"bo@example.com\"}],\"next\":\"2\"}");
    mock_app_answer(f->base.app, 500, "", "oops");
    run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 2);
    assert_string_equal(f->body, "oops");
}


/* Every answer in which a list is not a whole list. */
static void
a_broken_page_never_reads_as_nobody(void **state)
{
    fixture_t  *f = *state;
    const char *pages[] = {
        "{}", "[]", "{\"members\":{}}", "{\"members\":[{\"id\":\"1\"",
        "not json", "", "{\"members\":[{\"email\":\"bo@example.com\"}]}",
        "{\"members\":[7]}", "{\"members\":[],\"next\":{}}",
        "{\"members\":[],\"next\":[\"2\"]}", "{\"members\":[],\"next\":true}"
    };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->repeat = sizeof(pages) / sizeof(pages[0]) - 1;
    for (size_t i = 0; i <= f->repeat; i++) {
        mock_app_answer(f->base.app, 200, "", pages[i]);
    }
    run(f, OUTCOME_RETRY);
}


static void
cursors_in_a_circle_fail_the_list(void **state)
{
    fixture_t *f = *state;
    char       page[128];

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    /* 1 2 3 4 2 3 4 2 ...: found while it goes round, whatever its length */
    for (int i = 1; i <= 8; i++) {
        int next = i < 4 ? i + 1 : (i - 1) % 3 + 2;

        snprintf(page, sizeof(page), "{\"members\":[{\"id\":\"m-%d\","
            "\"email\":\"bo@example.com\"}],\"next\":\"%d\"}", i, next);
        mock_app_answer(f->base.app, 200, "", page);
        if (i == 7) {
            break;
        }
    }
    run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "circle"));
}


static void
pages_by_number_end_at_their_total(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", "{\"method\":\"GET\",\"path\":\"/Users?startIndex="
        "${page.start}&count=2\",\"items\":\"/Resources\","
        "\"total\":\"/totalResults\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/emails/0/value\"}}");
    mock_app_answer(f->base.app, 200, "", "{\"totalResults\":3,\"Resources\":["
        "{\"id\":\"1\",\"emails\":[{\"value\":\"a@example.com\"}]},"
        "{\"id\":\"2\",\"emails\":[{\"value\":\"b@example.com\"}]}]}");
    mock_app_answer(f->base.app, 200, "", "{\"totalResults\":3,\"Resources\":["
        "{\"id\":\"3\",\"emails\":[{\"value\":\"ana@example.com\"}]}]}");
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "GET /v1/Users?startIndex=1&count=2 "));
    assert_true(mock_app_is(f->base.app, 1,
        "GET /v1/Users?startIndex=3&count=2 "));
    assert_true(mock_app_is(f->base.app, 2, "DELETE /v1/members/3 "));
}


static void
an_app_that_ignores_the_page_number_is_found_out(void **state)
{
    fixture_t  *f = *state;
    const char *page = "{\"members\":[{\"id\":\"1\","
        "\"email\":\"a@example.com\"}]}";

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", "{\"method\":\"GET\",\"path\":\"/m?page="
        "${page.number}\",\"items\":\"/members\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "", page);
    mock_app_answer(f->base.app, 200, "", page);
    run(f, OUTCOME_RETRY);
}


static void
a_link_to_a_next_page_that_is_not_followed_fails_the_list(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", "{\"method\":\"GET\",\"path\":\"/m\","
        "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200,
        "Link: <https://a/?page=2>; rel=\"next\", "
        "<https://a/?page=9>; rel=\"last\"\r\n", "[]");
    run(f, OUTCOME_RETRY);
}


#define BY_LINK "{\"method\":\"GET\",\"path\":\"/m\",\"items\":\"\"," \
    "\"next\":\"Link\",\"map\":{\"id\":\"/id\",\"email\":\"/email\"}}"

static void
links_to_next_pages_are_followed(void **state)
{
    char       link[256];
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", BY_LINK);
    snprintf(link, sizeof(link), "Link: <http://127.0.0.1:%u/v1/m?page=1>; "
        "rel=\"first\", <http://127.0.0.1:%u/v1/m?page=2>; rel=\"next\"\r\n",
        mock_app_port(f->base.app), mock_app_port(f->base.app));
    mock_app_answer(f->base.app, 200, link,
        "[{\"id\":\"1\",\"email\":\"x@example.com\"}]");
    mock_app_answer(f->base.app, 200, "Link: </v1/m?page=1>; rel=\"prev\"\r\n",
        "[{\"id\":\"2\",\"email\":\"ana@example.com\"}]");
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/m?page=2 HTTP"));
    assert_true(mock_app_is(f->base.app, 2, "DELETE /v1/members/2 HTTP"));
}


static void
a_link_to_another_host_is_not_followed(void **state)
{
    fixture_t  *f = *state;
    const char *links[] = {
        "Link: <http://127.0.0.1:1/m?page=2>; rel=\"next\"\r\n",
        "Link: <//example.com/m>; rel=next\r\n",
        "Link: <https://example.com/m>; rel=next\r\n"
    };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->repeat = 2;
    change(f, "list", BY_LINK);
    for (int i = 0; i < 3; i++) {
        mock_app_answer(f->base.app, 200, links[i], "[]");
    }
    run(f, OUTCOME_RETRY);
    assert_int_equal(mock_app_count(f->base.app), 3);
}


static void
links_that_go_in_a_circle_fail_the_list(void **state)
{
    fixture_t  *f = *state;
    const char *link = "Link: </v1/m?page=2>; rel=\"next\"\r\n";

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", BY_LINK);
    mock_app_answer(f->base.app, 200, link, "[]");
    mock_app_answer(f->base.app, 200, link, "[]");
    run(f, OUTCOME_RETRY);
    assert_int_equal(mock_app_count(f->base.app), 2);
}


static void
a_person_is_found_without_the_whole_list(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "find", "{\"method\":\"GET\",\"path\":\"/search?q="
        "${user.email}\",\"items\":\"/found\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "", "{\"found\":[{\"id\":\"8\",\"email\":"
        "\"ana@example.com.evil.org\"},{\"id\":\"9\",\"email\":"
        "\"ana@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"found\":[]}");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "GET /v1/search?q=Ana%40Example.com HTTP"));
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/9 HTTP"));
}


static void
pages_by_offset_begin_where_the_last_one_ended(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", "{\"method\":\"GET\",\"path\":\"/m?skip="
        "${page.offset}\",\"items\":\"\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}");
    mock_app_answer(f->base.app, 200, "",
        "[{\"id\":\"1\",\"email\":\"x@example.com\"},"
        "{\"id\":\"2\",\"email\":\"y@example.com\"}]");
    mock_app_answer(f->base.app, 200, "", "[]");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "GET /v1/m?skip=0 HTTP"));
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/m?skip=2 HTTP"));
}


static void
a_removal_is_done_when_the_app_says_so_or_has_no_such_member(void **state)
{
    fixture_t *f = *state;
    int        statuses[] = { 200, 204, 404, 410 };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->base.task.member_id = "m/7?";
    f->repeat = 3;
    for (int i = 0; i < 4; i++) {
        mock_app_answer(f->base.app, statuses[i], "", "");
    }
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "DELETE /v1/members/m%2F7%3F HTTP"));
    assert_false(mock_app_has(f->base.app, 0,
        "Content-Type: application/json"));
}


static void
an_invite_that_was_not_accepted_is_cancelled(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "DELETE /v1/invites/m-7 HTTP"));
}


static void
an_invite_that_is_gone_may_have_been_accepted(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    mock_app_answer(f->base.app, 404, "", "");
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/m-7 HTTP"));
    assert_true(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1:remove"));
}


static void
a_removal_without_cancel_uses_remove(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    change(f, "cancel", NULL);
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "DELETE /v1/members/m-7 HTTP"));
}


static void
a_removal_without_an_id_looks_the_person_up(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ANA@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/m-2 HTTP"));
}


static void
a_person_in_no_page_of_a_whole_list_is_removed_already(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"bo@example.com\"}]}");
    run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
a_list_that_hides_addresses_proves_no_removal(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":null},{\"id\":\"m-3\"}]}");
    run(f, OUTCOME_RETRY);
}


static void
a_member_that_is_switched_off_has_no_access(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    change(f, "list", "{\"method\":\"GET\",\"path\":\"/m\","
        "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\","
        "\"active\":\"/active\"}}");
    mock_app_answer(f->base.app, 200, "", "[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"active\":false}]");
    run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_ambiguous_address_removes_nobody(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\"},{\"id\":\"m-3\","
        "\"email\":\"Ana@example.com\"}]}");
    run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_id_that_is_too_long_is_not_cut_short(void **state)
{
    fixture_t *f = *state;
    char       id[300];

    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = id;
    run(f, OUTCOME_DEAD);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
missing_verbs_are_work_for_a_person(void **state)
{
    fixture_t *f = *state;

    change(f, "role", NULL);
    f->base.task.kind = TASK_ROLE;
    run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
an_id_that_nothing_can_find_is_work_for_a_person(void **state)
{
    fixture_t *f = *state;

    change(f, "list", NULL);
    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
manual_apps_are_work_for_a_person(void **state)
{
    fixture_t *f = *state;
    json_t    *connector = json_pack("{s:s}", "type", "manual");

    f->expected = OUTCOME_MANUAL;
    read_definition(f);
    json_decref(f->base.definition.connector);
    f->base.definition.connector = connector;
    connector_harness_begin(&f->base, on_done, f);
    assert_int_equal(f->done, 0);
    assert_int_equal(connectors_running(f->base.connectors), 1);
    assert_int_equal(connector_harness_run(&f->base, WATCHDOG_MS), 0);
    assert_int_equal(f->done, 1);
}


static void
a_role_change_is_sent_to_the_member(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_ROLE;
    f->base.task.member_id = "m-7";
    f->base.task.grant.access_role = "admin";
    mock_app_answer(f->base.app, 200, "", "");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "PATCH /v1/members/m-7 HTTP"));
    assert_string_equal(f->member_id, "");
}


static void
other_refusals_are_dead_letters_with_the_answer_kept(void **state)
{
    fixture_t *f = *state;
    int        statuses[] = { 400, 404, 405, 422 };

    f->repeat = 3;
    for (int i = 0; i < 4; i++) {
        mock_app_answer(f->base.app, statuses[i], "",
            "{\"error\":\"no seat\"}");
    }
    run(f, OUTCOME_DEAD);
    assert_int_equal(f->outcome.status, 422);
    assert_string_equal(f->body, "{\"error\":\"no seat\"}");
}


static void
a_refused_credential_is_named_and_never_kept(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 401, "",
        "bad token s3cr3t-token, s3cr3t-token!");
    run(f, OUTCOME_RETRY); /* one that is right may come */
    assert_int_equal(f->outcome.health, HEALTH_FAILED);
    assert_non_null(strstr(f->reason, "credential"));
    assert_string_equal(f->body, "bad token ************, ************!");
}


static void
a_kept_answer_is_cut_at_a_character_and_valid_utf8(void **state)
{
    fixture_t *f = *state;
    char       body[1101];

    memset(body, 'a', sizeof(body));
    body[0] = '\xff';
    memcpy(body + 1022, "\xe2\x82\xac", 3); /* does not fit into 1024 */
    body[1100] = '\0';
    mock_app_answer(f->base.app, 400, "", body);
    run(f, OUTCOME_DEAD);
    assert_int_equal(f->outcome.body_len, 1022);
    assert_int_equal(f->body[0], '?');
}


static void
a_request_to_wait_is_passed_on(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 429, "Retry-After: 7\r\n", "");
    run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.retry_after_ms, 7000);
    assert_int_equal(f->outcome.status, 429);
}


static void
a_date_to_wait_for_is_read_by_the_app_s_clock(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", "");
    run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.retry_after_ms, 30000);
}


static void
a_request_to_wait_without_a_time_leaves_it_to_the_caller(void **state)
{
    fixture_t *f = *state;

    mock_app_answer(f->base.app, 429, "Retry-After: soon\r\n", "");
    run(f, OUTCOME_RETRY);
    assert_true(f->outcome.retry_after_ms < 0);
}


static void
a_failing_app_leaves_the_outcome_unknown(void **state)
{
    fixture_t *f = *state;
    int        statuses[] = { 500, 502, 504, 302, 307 };

    f->repeat = 4;
    for (int i = 0; i < 5; i++) {
        mock_app_answer(f->base.app, statuses[i],
            "Location: http://127.0.0.1:1/\r\n", "");
    }
    run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 5);
}


static void
an_app_that_hangs_times_out_as_unknown(void **state)
{
    fixture_t *f = *state;

    change(f, "limits", "{\"timeoutMs\":100}");
    mock_app_raw(f->base.app, "", 0, MOCK_HANG);
    run(f, OUTCOME_UNKNOWN);
    assert_non_null(strstr(f->reason, "timed out"));
}


static void
an_app_that_trickles_times_out_as_unknown(void **state)
{
    fixture_t  *f = *state;
    const char *part = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{";

    change(f, "limits", "{\"timeoutMs\":100}");
    mock_app_raw(f->base.app, part, strlen(part), MOCK_HANG);
    run(f, OUTCOME_UNKNOWN);
}


static void
broken_answers_leave_the_outcome_unknown(void **state)
{
    fixture_t  *f = *state;
    const char *answers[] = {
        "", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":1",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 201 Cre"
    };

    f->repeat = 4;
    for (int i = 0; i < 5; i++) {
        mock_app_raw(f->base.app, answers[i], strlen(answers[i]), MOCK_CLOSE);
    }
    run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 5);
}


static void
a_huge_answer_is_cut_off_as_unknown(void **state)
{
    fixture_t *f = *state;
    char      *answer = malloc(1024 * 1024);
    int        len;

    assert_non_null(answer);
    memset(answer, ' ', 1024 * 1024);
    len = snprintf(answer, 100, "HTTP/1.1 201 Created\r\n"
        "Content-Length: 1000000\r\n\r\n");
    answer[len] = ' ';
    mock_app_raw(f->base.app, answer, 1024 * 1024, MOCK_CLOSE);
    free(answer);
    run(f, OUTCOME_UNKNOWN);
    assert_non_null(strstr(f->reason, "too big"));
}


static void
a_call_is_not_sent_twice_when_a_kept_connection_dies(void **state)
{
    fixture_t *f = *state;

    f->repeat = 1;
    f->last_only = true; /* the first one works */
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    mock_app_raw(f->base.app, "", 0, MOCK_CLOSE);
    run(f, OUTCOME_UNKNOWN);
    assert_int_equal(mock_app_count(f->base.app), 2);
    assert_int_equal(mock_app_request(f->base.app, 1)->connection, 0);
}


static void
connections_are_kept_between_calls(void **state)
{
    fixture_t *f = *state;

    f->repeat = 9;
    for (int i = 0; i < 10; i++) {
        mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    }
    run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_request(f->base.app, 9)->connection, 0);
}


static void
an_app_that_is_away_is_tried_again(void **state)
{
    fixture_t *f = *state;
    char       url[64];

    /* a port that nobody listens on: that of a mock which went away */
    mock_app_t *gone = mock_app_new(f->base.loop);

    snprintf(url, sizeof(url), "\"http://127.0.0.1:%u\"",
        mock_app_port(gone));
    mock_app_free(gone);
    change(f, "baseUrl", url);
    run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.status, 0);
}


static void
a_name_that_resolves_to_a_private_address_is_not_called(void **state)
{
    fixture_t *f = *state;

    /* allowed by the edge's policy here, refused by the sidecar's */
    change(f, "baseUrl", "\"https://10.1.2.3\"");
    run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "address is not allowed"));
}


static void
a_name_of_loopback_is_resolved_and_called(void **state)
{
    fixture_t *f = *state;
    char       url[64];

    snprintf(url, sizeof(url), "\"http://localhost:%u\"",
        mock_app_port(f->base.app));
    change(f, "baseUrl", url);
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "POST /members HTTP"));
}


static void
a_secret_that_is_absent_sends_nothing(void **state)
{
    fixture_t *f = *state;

    unsetenv("CONNECTOR_TEST_TOKEN");
    run(f, OUTCOME_RETRY);
    assert_non_null(strstr(f->reason, "not set"));
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
other_ways_to_authenticate_send_what_they_should(void **state)
{
    fixture_t *f = *state;

    setenv("CONNECTOR_TEST_TOKEN", "open:sesame", 1);
    change(f, "auth", "{\"basic\":{\"user\":\"me@x\","
        "\"password\":\"env:CONNECTOR_TEST_TOKEN\"}}");
    change(f, "headers", "{\"Accept\":\"application/scim+json\","
        "\"X-Where\":\"${workspace}/${app.id}\"}");
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    run(f, OUTCOME_DONE);
    assert_true(mock_app_has(f->base.app, 0,
        "Authorization: Basic bWVAeDpvcGVuOnNlc2FtZQ=="));
    assert_true(mock_app_has(f->base.app, 0, "Accept: application/scim+json"));
    assert_true(mock_app_has(f->base.app, 0, "X-Where: acme/app-1"));
    assert_false(mock_app_has(f->base.app, 0, "Accept: application/json"));
}


static void
a_person_without_an_address_is_not_invited(void **state)
{
    fixture_t *f = *state;

    f->base.task.user.email = "";
    run(f, OUTCOME_DEAD);
    assert_non_null(strstr(f->reason, "user.email is empty"));
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
more_calls_than_allowed_wait_for_their_turn(void **state)
{
    fixture_t *f = *state;

    f->expected = OUTCOME_DONE;
    read_definition(f);
    for (int i = 0; i < 20; i++) {
        mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-1\"}");
    }
    f->repeat = 10; /* ten more when the first ten end */
    for (int i = 0; i < 10; i++) {
        connector_harness_begin(&f->base, on_done, f);
    }
    assert_int_equal(connectors_running(f->base.connectors), 10);
    assert_int_equal(connector_harness_run(&f->base, WATCHDOG_MS), 0);
    assert_true(f->done >= 11);
    for (size_t i = 0; i < mock_app_count(f->base.app); i++) {
        assert_true(mock_app_request(f->base.app, i)->connection < 4);
    }
}


static void
calls_in_flight_end_silently_with_the_connectors(void **state)
{
    fixture_t *f = *state;

    read_definition(f);
    for (int i = 0; i < 10; i++) {
        connector_harness_begin(&f->base, on_done, f);
    }
    f->base.task.kind = TASK_REMOVE; /* one that looks up */
    connector_harness_begin(&f->base, on_done, f);
    assert_int_equal(f->done, 0);
    /* teardown frees them: neither a leak nor a callback */
}


#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_invite_is_sent_as_defined_and_its_id_learned),
        CASE(a_numeric_id_is_learned_as_text),
        CASE(an_answer_without_its_id_leaves_the_outcome_unknown),
        CASE(a_conflict_looks_the_member_up_on_any_page),
        CASE(a_conflict_with_another_role_is_put_right),
        CASE(another_role_without_a_role_verb_is_work_for_a_person),
        CASE(a_conflict_that_the_list_does_not_show_is_tried_again),
        CASE(a_conflict_without_a_list_counts_as_there),
        CASE(an_unknown_invite_is_looked_up_before_it_is_repeated),
        CASE(an_unknown_invite_that_did_not_work_is_repeated),
        CASE(a_list_that_fails_leaves_an_unknown_invite_unknown),
        CASE(a_broken_page_never_reads_as_nobody),
        CASE(cursors_in_a_circle_fail_the_list),
        CASE(pages_by_number_end_at_their_total),
        CASE(an_app_that_ignores_the_page_number_is_found_out),
        CASE(a_link_to_a_next_page_that_is_not_followed_fails_the_list),
        CASE(links_to_next_pages_are_followed),
        CASE(a_link_to_another_host_is_not_followed),
        CASE(links_that_go_in_a_circle_fail_the_list),
        CASE(a_person_is_found_without_the_whole_list),
        CASE(pages_by_offset_begin_where_the_last_one_ended),
        CASE(a_removal_is_done_when_the_app_says_so_or_has_no_such_member),
        CASE(an_invite_that_was_not_accepted_is_cancelled),
        CASE(an_invite_that_is_gone_may_have_been_accepted),
        CASE(a_removal_without_cancel_uses_remove),
        CASE(a_removal_without_an_id_looks_the_person_up),
        CASE(a_person_in_no_page_of_a_whole_list_is_removed_already),
        CASE(a_list_that_hides_addresses_proves_no_removal),
        CASE(a_member_that_is_switched_off_has_no_access),
        CASE(an_ambiguous_address_removes_nobody),
        CASE(an_id_that_is_too_long_is_not_cut_short),
        CASE(missing_verbs_are_work_for_a_person),
        CASE(an_id_that_nothing_can_find_is_work_for_a_person),
        CASE(manual_apps_are_work_for_a_person),
        CASE(a_role_change_is_sent_to_the_member),
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
        CASE(a_person_without_an_address_is_not_invited),
        CASE(more_calls_than_allowed_wait_for_their_turn),
        CASE(calls_in_flight_end_silently_with_the_connectors)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
