#ifndef SIDECAR_DESIRE_H
#define SIDECAR_DESIRE_H

#include "planner.h"
#include "scim_buffer.h"

/* What one person should have in one app; the planner's first half. */
typedef struct {
    bool          wanted;
    bool          owner;
    const char   *access_role;
    const char   *share;   /* subject of the strongest source, NULL = none */
    scim_buffer_t sources; /* JSON array, sorted; "[]" when not wanted */
} desire_t;

/*
 * The strongest source decides: owner beats collaborator, and the access role
 * is the highest by the app's own order; a role that the app does not have
 * (any more) counts as its default.  The caller frees `sources`.
 */
void desire_make(const plan_facts_t *facts, const plan_app_t *app,
    desire_t *desire);

/*
 * The strongest of sources as a grant stores them (JSON text), as a subject;
 * "" when there is none.
 */
void desire_strongest(const plan_app_t *app, const char *sources,
    char subject[PLAN_SUBJECT_MAX]);

#endif
