#ifndef SIDECAR_CONNECTOR_LIST_WALK_H
#define SIDECAR_CONNECTOR_LIST_WALK_H

#include "connector_call.h"

/* Shared by connector_list.c and connector_list_send.c, and nobody else. */

#define CURSOR_SIZE 2049

struct connector_list_s {
    connectors_t          *connectors;
    const scim_app_t      *app;
    const char            *workspace;
    template_values_t      person; /* empty for the whole list */
    const json_t          *verb, *map;
    const json_t          *members_verb; /* `list` or `find` */
    connector_member_pt    on_member;
    connector_list_done_pt done;
    void                  *data;
    http_call_t           *http; /* one of these three while waiting */
    connector_wait_t      *token;
    connector_permit_t    *permit; /* kept until its page is read */
    list_for_t             whose;
    unsigned               page, mark_page; /* 1 = first */
    char                   cursor[CURSOR_SIZE], mark[CURSOR_SIZE];
    char                   first_id[CONNECTOR_MEMBER_ID_SIZE];
    bool                   by_cursor, by_number, by_link;
    bool                   invites; /* these are walked now, `list` later */
    size_t                 seen;    /* members of this walk */
    connector_list_result_t result;
    char                   reason[160];
};

/*
 * Asks for the page that list->page and list->cursor stand for, from the loop
 * or at the start.  False: it cannot be, and *kind and *problem say why.
 */
bool connector_list_request(connector_list_t *list, outcome_kind_t *kind,
    char *problem, size_t problem_size);

/* A page was answered; or, answer NULL, its call was not made. */
void connector_list_permit_end(connector_list_t *list, app_health_t health,
    const http_answer_t *answer);

/* An answer came. */
void connector_list_page(void *data, const http_answer_t *answer);

/* Notes why the walk fails; false. */
bool connector_list_fail(connector_list_t *list, const char *reason);

/* Tells the result. */
void connector_list_end(connector_list_t *list);

#endif
