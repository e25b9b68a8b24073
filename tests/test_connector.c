#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "connector_example.h"

/* Invites, roles and removals as an app gets them; its plain answers. */

static void
an_invite_is_sent_as_defined_and_its_id_learned(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-7\"}");
    example_run(f, OUTCOME_DONE);
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
    example_t *f = *state;

    mock_app_answer(f->base.app, 200, "", "{\"id\":42}");
    example_run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "42");
}


static void
an_answer_without_its_id_leaves_the_outcome_unknown(void **state)
{
    example_t  *f = *state;
    const char *bodies[] = { "", "<html>", "{\"id\":null}", "{\"ok\":false}",
        "{\"id\":\"a b\"}", "{\"id\":\"..\"}", "{\"id\":\"\"}",
        "{\"id\":\"1\",\"id\":\"2\"}" };

    f->repeat = sizeof(bodies) / sizeof(bodies[0]) - 1;
    example_change(f, "list", NULL);
    for (size_t i = 0; i <= f->repeat; i++) {
        mock_app_answer(f->base.app, 200, "", bodies[i]);
    }
    example_run(f, OUTCOME_UNKNOWN);
    assert_string_equal(f->member_id, "");
}


static void
a_conflict_looks_the_member_up_on_any_page(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "{\"error\":\"exists\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-1\","
        "\"email\":\"bo@example.com\",\"role\":\"admin\"}],"
        "\"next\":\"p/2&x\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.COM\",\"role\":\"member\"}],\"next\":null}");
    example_run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-2");
    assert_true(mock_app_is(f->base.app, 1, "GET /v1/members?cursor= HTTP"));
    assert_true(mock_app_is(f->base.app, 2,
        "GET /v1/members?cursor=p%2F2%26x HTTP"));
    assert_false(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1"));
}


static void
a_conflict_with_another_role_is_put_right(void **state)
{
    example_t *f = *state;

    f->base.task.grant.access_role = "admin";
    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    mock_app_answer(f->base.app, 200, "", "{}");
    example_run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-2");
    assert_true(mock_app_is(f->base.app, 2, "PATCH /v1/members/m-2 HTTP"));
    assert_true(mock_app_has(f->base.app, 2, "Idempotency-Key: task-1:role"));
    assert_string_equal(mock_app_request(f->base.app, 2)->body,
        "{\"role\":\"admin\"}");
}


static void
another_role_without_a_role_verb_is_work_for_a_person(void **state)
{
    example_t *f = *state;

    f->base.task.grant.access_role = "admin";
    example_change(f, "role", NULL);
    mock_app_answer(f->base.app, 409, "", "");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    example_run(f, OUTCOME_MANUAL);
}


static void
a_conflict_that_the_list_does_not_show_is_tried_again(void **state)
{
    example_t *f = *state;

    mock_app_answer(f->base.app, 409, "", "{\"error\":\"exists\"}");
    mock_app_answer(f->base.app, 200, "", "{\"members\":[]}");
    example_run(f, OUTCOME_RETRY);
    assert_int_equal(f->outcome.status, 409);
}


static void
a_conflict_without_a_list_counts_as_there(void **state)
{
    example_t *f = *state;

    example_change(f, "list", NULL);
    mock_app_answer(f->base.app, 409, "", "");
    example_run(f, OUTCOME_DONE);
}


static void
an_unknown_invite_is_looked_up_before_it_is_repeated(void **state)
{
    example_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-9\","
        "\"email\":\"ana@example.com\",\"role\":\"member\"}]}");
    example_run(f, OUTCOME_DONE);
    assert_string_equal(f->member_id, "m-9");
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_unknown_invite_that_did_not_work_is_repeated(void **state)
{
    example_t *f = *state;

    f->base.task.unknown = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[],\"next\":\"\"}");
    mock_app_answer(f->base.app, 201, "", "{\"id\":\"m-7\"}");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "POST /v1/members HTTP"));
    assert_true(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1"));
}


static void
a_removal_is_done_when_the_app_says_so_or_has_no_such_member(void **state)
{
    example_t *f = *state;
    int        statuses[] = { 200, 204, 404, 410 };

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->base.task.member_id = "m/7?";
    f->repeat = 3;
    for (int i = 0; i < 4; i++) {
        mock_app_answer(f->base.app, statuses[i], "", "");
    }
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0,
        "DELETE /v1/members/m%2F7%3F HTTP"));
    assert_false(mock_app_has(f->base.app, 0,
        "Content-Type: application/json"));
}


static void
an_invite_that_was_not_accepted_is_cancelled(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "DELETE /v1/invites/m-7 HTTP"));
}


static void
an_invite_that_is_gone_may_have_been_accepted(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    mock_app_answer(f->base.app, 404, "", "");
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/m-7 HTTP"));
    assert_true(mock_app_has(f->base.app, 1, "Idempotency-Key: task-1:remove"));
}


static void
a_removal_without_cancel_uses_remove(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = "m-7";
    example_change(f, "cancel", NULL);
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "DELETE /v1/members/m-7 HTTP"));
}


static void
a_removal_without_an_id_looks_the_person_up(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ANA@example.com\"}]}");
    mock_app_answer(f->base.app, 204, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 1, "DELETE /v1/members/m-2 HTTP"));
}


static void
a_person_in_no_page_of_a_whole_list_is_removed_already(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"bo@example.com\"}]}");
    example_run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
a_list_that_hides_addresses_proves_no_removal(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":null},{\"id\":\"m-3\"}]}");
    example_run(f, OUTCOME_RETRY);
}


static void
a_member_that_is_switched_off_has_no_access(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_change(f, "list", "{\"method\":\"GET\",\"path\":\"/m\","
        "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/email\","
        "\"active\":\"/active\"}}");
    mock_app_answer(f->base.app, 200, "", "[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\",\"active\":false}]");
    example_run(f, OUTCOME_DONE);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_ambiguous_address_removes_nobody(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    mock_app_answer(f->base.app, 200, "", "{\"members\":[{\"id\":\"m-2\","
        "\"email\":\"ana@example.com\"},{\"id\":\"m-3\","
        "\"email\":\"Ana@example.com\"}]}");
    example_run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 1);
}


static void
an_id_that_is_too_long_is_not_cut_short(void **state)
{
    example_t *f = *state;
    char       id[300];

    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    f->base.task.kind = TASK_REMOVE;
    f->base.task.member_id = id;
    example_run(f, OUTCOME_DEAD);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
missing_verbs_are_work_for_a_person(void **state)
{
    example_t *f = *state;

    example_change(f, "role", NULL);
    f->base.task.kind = TASK_ROLE;
    example_run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
an_id_that_nothing_can_find_is_work_for_a_person(void **state)
{
    example_t *f = *state;

    example_change(f, "list", NULL);
    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    example_run(f, OUTCOME_MANUAL);
    assert_int_equal(mock_app_count(f->base.app), 0);
}


static void
manual_apps_are_work_for_a_person(void **state)
{
    example_t *f = *state;
    json_t    *connector = json_pack("{s:s}", "type", "manual");

    f->expected = OUTCOME_MANUAL;
    example_define(f);
    json_decref(f->base.definition.connector);
    f->base.definition.connector = connector;
    example_begin(f);
    assert_int_equal(f->done, 0);
    assert_int_equal(connectors_running(f->base.connectors), 1);
    assert_int_equal(connector_harness_run(&f->base, EXAMPLE_WATCHDOG_MS), 0);
    assert_int_equal(f->done, 1);
}


static void
a_role_change_is_sent_to_the_member(void **state)
{
    example_t *f = *state;

    f->base.task.kind = TASK_ROLE;
    f->base.task.member_id = "m-7";
    f->base.task.grant.access_role = "admin";
    mock_app_answer(f->base.app, 200, "", "");
    example_run(f, OUTCOME_DONE);
    assert_true(mock_app_is(f->base.app, 0, "PATCH /v1/members/m-7 HTTP"));
    assert_string_equal(f->member_id, "");
}


static void
a_person_without_an_address_is_not_invited(void **state)
{
    example_t *f = *state;

    f->base.task.user.email = "";
    example_run(f, OUTCOME_DEAD);
    assert_non_null(strstr(f->reason, "user.email is empty"));
    assert_int_equal(mock_app_count(f->base.app), 0);
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, example_setup, example_teardown)

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
        CASE(a_person_without_an_address_is_not_invited)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
