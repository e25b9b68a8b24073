#ifndef SIDECAR_CONNECTOR_LIST_H
#define SIDECAR_CONNECTOR_LIST_H

#include "connector.h"
#include "template.h"

/*
 * Walks an app's member list page by page.  A page that fails in any way
 * fails the whole walk: a list is complete or it is nothing.
 */
typedef struct connector_list_s connector_list_t;

/* Lent for the call; "" where the app gave none. */
typedef struct {
    const char *id, *email, *access_role, *state;
    bool        active; /* false: listed, but switched off in the app */
    bool        accepted; /* the definition says that it is no open invite */
    bool        invited;  /* ... that it is one: `id` may be the invite's */
} connector_member_t;

typedef struct {
    bool           complete;      /* all pages, or as far as was asked for */
    size_t         members;
    size_t         without_email;
    unsigned       pages;         /* asked for */
    app_health_t   health;
    rate_limit_advice_t advice;
    /* valid when not complete: */
    outcome_kind_t kind;          /* OUTCOME_RETRY or OUTCOME_DEAD */
    int64_t        retry_after_ms;
    int            status;
    const char    *body;
    size_t         body_len;
    const char    *reason;
} connector_list_result_t;

/* Whose calls these are, for the app's limits. */
typedef enum {
    LIST_BY_ITSELF,     /* each page needs a place at the app */
    LIST_OF_TASK,       /* the task has one */
    LIST_FIRST_OF_TASK  /* likewise, and leave for the first page */
} list_for_t;

/* False: enough was seen. */
typedef bool (*connector_member_pt)(void *data,
    const connector_member_t *member);
typedef void (*connector_list_done_pt)(void *data,
    const connector_list_result_t *result);

/*
 * The app must have a `list` and outlive the walk.  Its `openInvites` come
 * first, where it has them: who accepts meanwhile is seen twice, never not at
 * all.
 * With `person`, whose texts must outlive it, too, the app's `find` is walked
 * instead of the list, where it has one: those that the app finds by the
 * person's address or name.  `done` is called exactly once, from the loop;
 * NULL (and no call) when the first request cannot be made, with *kind and
 * *problem (at most 96 bytes) saying why.
 */
connector_list_t *connector_list_start(connectors_t *connectors,
    const scim_app_t *app, const char *workspace,
    const template_values_t *person, list_for_t whose,
    connector_member_pt on_member,
    connector_list_done_pt done, void *data, outcome_kind_t *kind,
    char *problem, size_t problem_size);

/* Ends the walk without a call. */
void connector_list_cancel(connector_list_t *list);

#endif
