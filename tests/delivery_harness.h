#ifndef TESTS_DELIVERY_HARNESS_H
#define TESTS_DELIVERY_HARNESS_H

#include "access_harness.h"

/*
 * An app and people who are to be invited to it, in a real Redis: when it
 * takes calls, and what their outcomes say of it.
 */
#define PEOPLE 24
#define WS     "scim:{007}:" HARNESS_WORKSPACE ":"

typedef struct {
    redis_harness_t redis;
    char            app[64], user[PEOPLE][64], task[PEOPLE][64]; /* ids */
} delivery_t;

/* Of a group of cmocka tests: their state is a delivery_t. */
int delivery_start(void **state);
int delivery_stop(void **state);

/* An empty data set, an app with these limits, and invites that are due. */
void delivery_people(delivery_t *d, const char *limits);

/* Claims the person's task: the answer's code, the ms that it says to wait. */
const char *delivery_claim(delivery_t *d, int person, const char *owner,
    long long *wait);

/* A field of the task, and one of what is kept of the app. */
const char *delivery_task(delivery_t *d, int person, const char *field);
long long delivery_state(delivery_t *d, const char *field);
void delivery_set_state(delivery_t *d, const char *field, long long value);

/* Ends a claim of "one"; what that says of the app: down, up or "". */
const char *delivery_finish_with(delivery_t *d, int person, const char *state,
    const char *health, const char *most, const char *pause,
    const char *learned);
const char *delivery_finish(delivery_t *d, int person, const char *state,
    const char *health);

/* A claim and its outcome. */
const char *delivery_attempt(delivery_t *d, int person, const char *state,
    const char *health);

/* The app's queue is looked at next. */
void delivery_look_at(delivery_t *d);

/* The next probe is due, whatever the clock says. */
void delivery_let_probe(delivery_t *d);

#endif
