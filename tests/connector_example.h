#ifndef TESTS_CONNECTOR_EXAMPLE_H
#define TESTS_CONNECTOR_EXAMPLE_H

#include <jansson.h>

#include "connector_harness.h"

#define EXAMPLE_WATCHDOG_MS 20000

/*
 * A task against an app that is defined as the contract's example is, but for
 * what a test changes in it, and what comes of it.  The secret is the
 * environment's CONNECTOR_TEST_TOKEN.
 */
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
} example_t;

/* Of a cmocka test: its state is an example_t. */
int example_setup(void **state);
int example_teardown(void **state);

/* Sets a member of the connector to this JSON, or takes it away (NULL). */
void example_change(example_t *f, const char *name, const char *text);

/* The app is defined: done by example_run(). */
void example_define(example_t *f);

/* Starts the task; the loop stops when it and its repeats have ended. */
void example_begin(example_t *f);

/* Runs the task and checks that it ended once, with this outcome. */
void example_run(example_t *f, outcome_kind_t kind);

#endif
