#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner_harness.h"


static void
read_app(const char *type, const char *verbs, scim_app_t *out)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"id\":\"a\",\"name\":\"A\","
        "\"accessRoles\":[\"viewer\",\"editor\",\"admin\"],"
        "\"defaultAccessRole\":\"viewer\",\"settleSeconds\":5,"
        "\"account\":\"Bot@example.com\",\"connector\":{\"type\":\"%s\","
        "\"invite\":{},\"remove\":{}%s}}", type, verbs);
    assert_true(scim_app_read(text, strlen(text), out));
}


int
person_setup(void **state)
{
    person_t *person = calloc(1, sizeof(*person));

    assert_non_null(person);
    read_app("http", ",\"role\":{}", &person->app);
    read_app("http", ",\"role\":{},\"cancel\":{}", &person->cancelling);
    read_app("http", "", &person->roleless);
    read_app("http", ",\"role\":{},\"cancel\":{},\"remind\":{}},"
        "\"invites\":{\"expireSeconds\":100,\"remindEverySeconds\":30,"
        "\"remindMax\":2,"
        "\"onExpiry\":\"reinvite\",\"reinviteMax\":1", &person->dated);
    read_app("email", "},\"invites\":{\"expireSeconds\":100",
        &person->mailed);
    person_reset(person);
    *state = person;
    return 0;
}


int
person_teardown(void **state)
{
    person_t *person = *state;

    plan_free(&person->plan);
    scim_app_free(&person->app);
    scim_app_free(&person->cancelling);
    scim_app_free(&person->roleless);
    scim_app_free(&person->dated);
    scim_app_free(&person->mailed);
    free(person);
    return 0;
}


void
person_reset(person_t *person)
{
    person->grants[0] = (plan_grant_t) { .app = "a", .access_role = "",
        .applied_role = "", .sources = "", .member_id = "", .email = "",
        .user_name = "", .task = "", .task_kind = "", .task_state = "",
        .kept = "" };
    person->apps[0] = (plan_app_t) { "a", &person->app, true, false };
    person->facts = (plan_facts_t) { .exists = true, .active = true,
        .email = "ann@example.com", .user_name = "ann",
        .sources = person->sources, .grants = person->grants,
        .apps = person->apps, .app_count = 1, .now = NOW };
}


void
person_share(person_t *person, const char *subject, bool owner,
    const char *access_role)
{
    person->sources[person->facts.source_count++] = (plan_source_t) { "a",
        subject, owner, access_role };
}


void
person_has(person_t *person, grant_state_t state)
{
    plan_grant_t *grant = &person->grants[0];

    person->facts.grant_count = 1;
    grant->state = state;
    grant->access_role = "editor";
    grant->sources = TEAM_1_EDITOR;
    if (state != GRANT_PENDING && state != GRANT_WAITLISTED
        && state != GRANT_REMOVED)
    {
        grant->applied_role = "editor";
        grant->member_id = "m1";
        grant->email = "ann@example.com";
    }
}


void
person_task(person_t *person, const char *kind, const char *state,
    int attempts, bool unknown)
{
    plan_grant_t *grant = &person->grants[0];

    grant->task = "t";
    grant->task_kind = kind;
    grant->task_state = state;
    grant->task_attempts = attempts;
    grant->task_unknown = unknown;
}


void
person_settled(person_t *person)
{
    person->grants[0].lost_at = NOW - 5000;
}


const plan_change_t *
person_plan(person_t *person)
{
    plan_free(&person->plan);
    plan_make(&person->facts, &person->plan);
    assert_false(person->plan.failed);
    return person->plan.count ? &person->plan.changes[0] : NULL;
}


void
person_expect_nothing(person_t *person)
{
    assert_null(person_plan(person));
}


void
person_expect(person_t *person, grant_state_t state, plan_action_t action,
    const char *kind)
{
    const plan_change_t *change = person_plan(person);

    assert_non_null(change);
    assert_int_equal(person->plan.count, 1);
    assert_string_equal(grant_state_name(change->state),
        grant_state_name(state));
    assert_int_equal(change->action, action);
    assert_string_equal(change->kind, kind);
}
