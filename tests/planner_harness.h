#ifndef TESTS_PLANNER_HARNESS_H
#define TESTS_PLANNER_HARNESS_H

#include "planner.h"

/* ms; the facts' time */
#define NOW 1000000

/* What the first team's share looks like in a grant. */
#define TEAM_1_EDITOR "[{\"type\":\"team\",\"id\":\"1\",\"role\":" \
    "\"collaborator\",\"accessRole\":\"editor\"}]"

/* One person and one app, "a", and what the planner makes of them. */
typedef struct {
    /* "viewer", "editor", "admin", weakest first; settles for five seconds */
    scim_app_t    app, cancelling, roleless, dated, mailed;
    plan_app_t    apps[1]; /* the first of them, until a test says another */
    plan_grant_t  grants[1];
    plan_source_t sources[8];
    plan_facts_t  facts; /* of those three */
    plan_t        plan;  /* the last one */
} person_t;

/* Of a cmocka test: its state is a person_t, as person_reset() leaves it. */
int person_setup(void **state);
int person_teardown(void **state);

/* Somebody who is active, has no share and no grant; a seat is free. */
void person_reset(person_t *person);

/* One more share: of "team:<id>" or "user:<id>". */
void person_share(person_t *person, const char *subject, bool owner,
    const char *access_role);

/* An editor by team 1, as far as the grant knows. */
void person_has(person_t *person, grant_state_t state);

/* The grant's task. */
void person_task(person_t *person, const char *kind, const char *state,
    int attempts, bool unknown);

/* The grant's last share was lost a settle window ago. */
void person_settled(person_t *person);

/* Plans; the first change, or NULL. */
const plan_change_t *person_plan(person_t *person);

/* Plans: nothing, or one change, which is this. */
void person_expect_nothing(person_t *person);
void person_expect(person_t *person, grant_state_t state,
    plan_action_t action, const char *kind);

#endif
