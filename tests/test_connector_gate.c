#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connector_harness.h"

/* A further call of a task for which there is no leave. */
typedef struct {
    connector_harness_t base;
    connector_permit_pt refused;
    void               *refused_data;
} fixture_t;


static void
refuse(loop_t *loop, void *data)
{
    fixture_t *f = data;

    (void) loop;
    f->refused(f->refused_data, "the app asked for a pause");
}


static connector_permit_t *
ask(void *data, const scim_app_t *app, const char *workspace, bool listing,
    connector_permit_pt done, void *done_data)
{
    fixture_t *f = data;

    (void) app;
    (void) workspace;
    assert_false(listing);
    f->refused = done;
    f->refused_data = done_data;
    assert_true(loop_defer(f->base.loop, refuse, f));
    return data; /* nobody looks into it */
}


static void
end(connector_permit_t *permit, app_health_t health,
    const rate_limit_advice_t *advice, int64_t retry_after_ms,
    const char *reason)
{
    (void) permit;
    (void) health;
    (void) advice;
    (void) retry_after_ms;
    fail_msg("what was refused is ended: %s", reason);
}


static int
setup(void **state)
{
    fixture_t       *f = calloc(1, sizeof(*f));
    connector_gate_t gate = { .ask = ask, .end = end, .data = f };

    assert_non_null(f);
    connector_harness_start(&f->base, false);
    connectors_set_gate(f->base.connectors, &gate);
    *state = f;
    return 0;
}


/* Runs the task against an app with these verbs; its first call is answered. */
static void
run(fixture_t *f, const char *verbs, int status, const char *body)
{
    char text[1536];

    snprintf(text, sizeof(text), "%s,\"list\":{\"method\":\"GET\","
        "\"path\":\"/members\",\"items\":\"\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/email\"}}", verbs);
    connector_harness_define(&f->base, text);
    mock_app_answer(f->base.app, status, "", body);
    connector_harness_try(&f->base);
    assert_int_equal(mock_app_count(f->base.app), 1);
    assert_string_equal(strstr(f->base.reason, "the app asked"),
        "the app asked for a pause");
}


#define ASSIGN ",\"assign\":{\"method\":\"PUT\",\"path\":\"/m/${member.id}\"}"

/* Nobody is invited twice because the second half has to wait. */
static void
an_invite_that_worked_is_not_undone(void **state)
{
    fixture_t *f = *state;

    run(f, "\"invite\":{\"method\":\"POST\",\"path\":\"/m\",\"memberId\":"
        "\"/id\"}" ASSIGN, 201, "{\"id\":\"7\"}");
    assert_int_equal(f->base.outcome.kind, OUTCOME_UNKNOWN);
    assert_string_equal(f->base.member_id, "7");
}


static void
an_invite_whose_id_is_still_to_be_found(void **state)
{
    fixture_t *f = *state;

    run(f, "\"invite\":{\"method\":\"POST\",\"path\":\"/m\"}" ASSIGN, 201,
        "{}");
    assert_int_equal(f->base.outcome.kind, OUTCOME_UNKNOWN);
}


static void
who_was_found_gets_the_role_later(void **state)
{
    fixture_t *f = *state;

    f->base.task.unknown = true;
    run(f, "\"invite\":{\"method\":\"POST\",\"path\":\"/m\"}" ASSIGN, 200,
        "[{\"id\":\"7\",\"email\":\"ana@example.com\"}]");
    assert_int_equal(f->base.outcome.kind, OUTCOME_UNKNOWN);
}


static void
who_was_not_found_is_invited_later(void **state)
{
    fixture_t *f = *state;

    f->base.task.unknown = true;
    run(f, "\"invite\":{\"method\":\"POST\",\"path\":\"/m\"}", 200, "[]");
    assert_int_equal(f->base.outcome.kind, OUTCOME_RETRY);
}


static void
a_removal_that_is_not_verified_is_not_over(void **state)
{
    fixture_t *f = *state;

    f->base.task.kind = TASK_REMOVE;
    f->base.task.accepted = true;
    f->base.task.member_id = "7";
    run(f, "\"remove\":{\"method\":\"DELETE\",\"path\":\"/m/${member.id}\"},"
        "\"find\":{\"method\":\"GET\",\"path\":\"/find\",\"items\":\"\","
        "\"map\":{\"id\":\"/id\",\"email\":\"/email\"}}", 204, "");
    assert_int_equal(f->base.outcome.kind, OUTCOME_UNKNOWN);
}


#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, setup, connector_harness_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_invite_that_worked_is_not_undone),
        CASE(an_invite_whose_id_is_still_to_be_found),
        CASE(who_was_found_gets_the_role_later),
        CASE(who_was_not_found_is_invited_later),
        CASE(a_removal_that_is_not_verified_is_not_over)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
