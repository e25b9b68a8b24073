#ifndef SIDECAR_WHAT_IF_H
#define SIDECAR_WHAT_IF_H

#include "planner.h"

/*
 * A dry run: the planner on facts as they would be after a change of one
 * app's shares or definition.  Pure, like the planner itself.
 */
typedef struct {
    /* the change: one of these */
    const char       *app;      /* id */
    const char       *subject;  /* whose share changes; NULL = none */
    bool              unshared; /* the share is taken away, else put */
    bool              owner;    /* of a share that is put */
    const char       *access_role; /* "" = the app's default */
    bool              deleted;  /* the app itself */
    const scim_app_t *definition; /* of the app afterwards */
    /* the app as it is, from the function what_if_app */
    long long         seats_in_use;
    long long         waiting;
    long long         leaving; /* who lose it within the guard's window */
    long long         base;    /* people that the guard's percentage is of */
    bool              hold;    /* one is open: every further loss waits */
    /* what came out so far */
    long long         newcomers; /* invited beside those in line */
    long long         losses;    /* that the guard counts */
} what_if_t;

typedef enum {
    WHAT_NOTHING,
    WHAT_SOURCES, /* other shares give it: nothing to do in the app */
    WHAT_INVITE,
    WHAT_WAIT,    /* no seat is free */
    WHAT_ROLE,    /* another access role */
    WHAT_REISSUE, /* removed and invited again, with another access role */
    WHAT_REMOVE,
    WHAT_FORGET,  /* ends here, and nothing changes in the app */
    WHAT_MANUAL   /* a person has to remove them */
} what_t;

#define WHAT_COUNT (WHAT_MANUAL + 1)

/* What happens to one person. */
typedef struct {
    what_t        what;
    bool          guarded; /* a loss that the guard may hold */
    grant_state_t before, after;
    bool          owner;
    char          old_access_role[260], access_role[260];
    char          share[PLAN_SUBJECT_MAX];
    const char   *why; /* a literal */
} what_if_row_t;

/*
 * The person whose facts these are; `place` is theirs in the app's line, 0 =
 * none.  False when memory is gone.
 */
bool what_if_person(what_if_t *what_if, const plan_facts_t *facts,
    long long place, what_if_row_t *row);

/* Does the guard hold the losses that were counted?  As many as may go. */
bool what_if_held(const what_if_t *what_if);
long long what_if_limit(const what_if_t *what_if);

const char *what_if_name(what_t what);

#endif
