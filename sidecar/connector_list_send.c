#include "connector_list_walk.h"

#include <stdio.h>

/*
 * A page's call: the access token it needs, then leave to make it, then the
 * request.
 */


/* Asks for the page that list->page and list->cursor stand for. */
static bool
send_request(connector_list_t *list, outcome_kind_t *kind, char *problem,
    size_t problem_size)
{
    char              start[24], number[24], offset[24];
    template_values_t values = list->person;

    snprintf(start, sizeof(start), "%zu", list->seen + 1);
    snprintf(offset, sizeof(offset), "%zu", list->seen);
    snprintf(number, sizeof(number), "%u", list->page);
    values.value[SCIM_APP_PAGE_CURSOR] = list->cursor;
    values.value[SCIM_APP_PAGE_START] = start;
    values.value[SCIM_APP_PAGE_NUMBER] = number;
    values.value[SCIM_APP_PAGE_OFFSET] = offset;
    values.value[SCIM_APP_ID] = list->app->id;
    values.value[SCIM_APP_WORKSPACE] = list->workspace;
    values.url = list->by_link && list->cursor[0] ? list->cursor : NULL;
    list->http = connector_request(list->connectors, list->app, list->verb,
        &values, NULL, CONNECTOR_PAGE_MAX, connector_list_page, list, kind,
        problem, problem_size);
    list->result.pages += list->http != NULL;
    return list->http != NULL;
}


/* From the loop: what cannot go on ends here. */
static void
send_or_end(connector_list_t *list,
    bool (*send)(connector_list_t *, outcome_kind_t *, char *, size_t))
{
    char problem[96];

    if (!send(list, &list->result.kind, problem, sizeof(problem))) {
        snprintf(list->reason, sizeof(list->reason), "list: %s", problem);
        connector_list_end(list);
    }
}


/* A page was answered; or its call was not made. */
void
connector_list_permit_end(connector_list_t *list, app_health_t health,
    const http_answer_t *answer)
{
    connector_permit_t *permit = list->permit;

    list->permit = NULL;
    if (permit) {
        list->connectors->gate.end(permit, health, answer ? &answer->advice
            : NULL, answer ? answer->retry_after_ms : -1, list->reason);
    }
}


static void
on_permit(void *data, const char *problem)
{
    connector_list_t *list = data;

    if (problem) {
        list->permit = NULL;
        connector_list_fail(list, problem);
        connector_list_end(list);
        return;
    }
    if (list->whose != LIST_BY_ITSELF) { /* the task's place will do */
        connector_list_permit_end(list, HEALTH_NONE, NULL);
    }
    send_or_end(list, send_request);
}


/* The same, once there is leave for it. */
static bool
request_permitted(connector_list_t *list, outcome_kind_t *kind,
    char *problem, size_t problem_size)
{
    const connector_gate_t *gate = &list->connectors->gate;

    if (gate->ask == NULL || (list->whose == LIST_FIRST_OF_TASK
            && list->result.pages == 0))
    {
        return send_request(list, kind, problem, problem_size);
    }
    list->permit = gate->ask(gate->data, list->app, list->workspace,
        list->whose == LIST_BY_ITSELF, on_permit, list);
    if (list->permit == NULL) {
        *kind = OUTCOME_RETRY;
        snprintf(problem, problem_size, "out of memory");
    }
    return list->permit != NULL;
}


static void
on_token(void *data, const char *problem)
{
    connector_list_t *list = data;

    list->token = NULL;
    if (problem) {
        list->result.health = HEALTH_FAILED;
        connector_list_fail(list, problem);
        connector_list_end(list);
    } else {
        send_or_end(list, request_permitted);
    }
}


/* The same, once there is a token where the app needs one. */
bool
connector_list_request(connector_list_t *list, outcome_kind_t *kind,
    char *problem, size_t problem_size)
{
    connector_tokens_t *tokens = list->connectors->tokens;

    if (connector_token_ready(tokens, list->app)) {
        return request_permitted(list, kind, problem, problem_size);
    }
    list->token = connector_token_wait(tokens, list->app, on_token, list);
    if (list->token == NULL) {
        *kind = OUTCOME_RETRY;
        snprintf(problem, problem_size, "out of memory");
    }
    return list->token != NULL;
}
