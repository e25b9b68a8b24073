#ifndef TESTS_CONNECTOR_HARNESS_H
#define TESTS_CONNECTOR_HARNESS_H

#include "connector.h"
#include "mock_app.h"

/*
 * A loop with connectors and an app that answers what it was told to: what
 * every test of a connector begins with.  First member of a fixture.
 */
typedef struct {
    loop_t          *loop;
    loop_timer_t    *watchdog; /* stops the loop with 1 when it runs out */
    mock_app_t      *app;
    connectors_t    *connectors;
    scim_app_t       definition; /* read by the test */
    connector_task_t task;       /* an invite of Ana, first attempt */
    /* what came of it; what the outcome points to is gone */
    bool                done;
    connector_outcome_t outcome;
    char                member_id[300], reason[300];
} connector_harness_t;

/* Loopback is allowed; `secrets`: so are all environments and files. */
void connector_harness_start(connector_harness_t *harness, bool secrets);
void connector_harness_stop(connector_harness_t *harness);

/*
 * Of a cmocka test whose state is a harness; teardown is for any fixture from
 * calloc() that begins with one.  No secrets are allowed.
 */
int connector_harness_setup(void **state);
int connector_harness_teardown(void **state);

/*
 * Defines the app: an http connector at the mock app with these verbs, as the
 * members of its JSON object.
 */
void connector_harness_define(connector_harness_t *harness,
    const char *verbs);

/* Starts the task; memory must suffice. */
void connector_harness_begin(connector_harness_t *harness,
    connector_done_pt done, void *data);

/* Runs the loop for at most so many ms; what it was stopped with. */
int connector_harness_run(connector_harness_t *harness, int64_t watchdog_ms);

/* Runs the task, which must end, until it has. */
void connector_harness_try(connector_harness_t *harness);

#endif
