#ifndef SIDECAR_PLANNER_H
#define SIDECAR_PLANNER_H

#include "scim_app.h"

#define PLAN_SUBJECT_MAX 72 /* "team:" or "user:", an id, NUL */

/*
 * The pure heart: (directory facts, shares, grants) -> changes.  No I/O, no
 * clock: `now` comes in.  All text is borrowed from the facts.
 */
typedef struct {
    const char *text; /* "" when there is none, never NULL */
    size_t      len;
} plan_text_t;

typedef enum {
    GRANT_NONE, /* there never was one */
    GRANT_PENDING,
    GRANT_INVITED,
    GRANT_ACCEPTED,
    GRANT_CONNECTED,
    GRANT_REMOVING,
    GRANT_REMOVED,
    GRANT_WAITLISTED,
    GRANT_MANUAL,
    GRANT_HELD,
    GRANT_FAILED,
    GRANT_EXPIRED
} grant_state_t;

/* One share that reaches the person. */
typedef struct {
    const char *app;     /* id */
    const char *subject; /* "team:<id>" or "user:<id>" */
    bool        owner;   /* role owner, else collaborator */
    const char *access_role; /* "" = the app's default */
} plan_source_t;

/* How the hold of a held grant was decided. */
typedef enum {
    HOLD_NONE, /* not held, or the hold is no longer known */
    HOLD_OPEN,
    HOLD_APPROVED,
    HOLD_REJECTED
} hold_state_t;

typedef struct {
    const char   *app;
    grant_state_t state;
    bool          owner;
    const char   *access_role;
    const char   *applied_role;
    const char   *sources; /* JSON text as stored */
    const char   *member_id;
    const char   *email;
    const char   *user_name;
    const char   *task;      /* id of the open task or "" */
    const char   *task_kind; /* "invite", "role", "remove" */
    const char   *task_state;
    long long     task_attempts;
    bool          task_unknown; /* a call may have taken effect */
    int64_t       lost_at;      /* ms, 0 = has sources */
    grant_state_t before;       /* where `removing`, `held`, ... came from */
    bool          replan;       /* planned again when its call has ended */
    hold_state_t  hold;
    bool          held_leaver;  /* held although a leaver: one of many */
    const char   *kept; /* a rejected hold: the loss that does not count */
    int64_t       invited_at;  /* ms, when the app had it; 0 = not known */
    int64_t       reminded_at; /* ms, 0 = never */
    long long     reminded;    /* times, of this invite */
    long long     reinvited;   /* invites that followed one that ran out */
    bool          resend; /* an operator wants the invite sent again */
} plan_grant_t;

typedef struct {
    const char       *id;
    const scim_app_t *app;  /* NULL: the app was deleted */
    bool              seat; /* the person holds one, or one is free */
    bool              last_owner; /* the person is the app's only owner */
} plan_app_t;

typedef struct {
    bool                 exists;
    bool                 active; /* exists and may use anything */
    const char          *email;
    const char          *user_name;
    const plan_source_t *sources;
    size_t               source_count;
    const plan_grant_t  *grants;
    size_t               grant_count;
    const plan_app_t    *apps; /* every app named above */
    size_t               app_count;
    int64_t              now; /* ms, Redis' clock */
} plan_facts_t;

typedef enum {
    TASK_KEEP,
    TASK_NEW,   /* instead of the one that is open */
    TASK_MANUAL, /* the same, for a person to do */
    TASK_DROP
} plan_action_t;

/* What the mass-removal guard counts a removal as. */
typedef enum {
    GUARD_NONE,  /* none: a re-issued invite, an approved removal */
    GUARD_LOSS,  /* the last share was lost */
    GUARD_LEAVER /* out of the company */
} plan_guard_t;

typedef struct {
    const char   *app;
    grant_state_t state;
    bool          owner;
    const char   *access_role;
    char         *sources; /* JSON, owned */
    const char   *email, *user_name;
    int64_t       lost_at;
    grant_state_t before;
    bool          replan;
    plan_action_t action;
    const char   *kind; /* of the new task */
    bool          unknown; /* of the new task */
    plan_guard_t  guard;
    const char   *kept;
    int64_t       reminded_at;
    long long     reminded, reinvited;
    const char   *why;
    char          share[PLAN_SUBJECT_MAX]; /* that gives it, or gave it last;
                                              "" = none is known */
} plan_change_t;

typedef struct {
    plan_change_t *changes;
    size_t         count;
    int64_t        recheck_at; /* ms, 0 = nothing to come back for */
    bool           failed;     /* memory */
} plan_t;

/*
 * The caller frees the plan with plan_free().  Planning again on what the
 * changes made of the facts changes nothing; the order of sources, grants and
 * apps does not matter.
 */
void plan_make(const plan_facts_t *facts, plan_t *plan);
void plan_free(plan_t *plan);

grant_state_t grant_state_parse(const char *word);
const char *grant_state_name(grant_state_t state);

#endif
