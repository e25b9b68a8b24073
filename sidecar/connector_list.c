#include "connector_list_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pointer.h"
#include "scim_app_list.h"

#define PAGES_MAX 10000

static void use_verb(connector_list_t *list, const json_t *verb);


bool
connector_list_fail(connector_list_t *list, const char *reason)
{
    list->result.complete = false;
    list->result.kind = OUTCOME_RETRY;
    snprintf(list->reason, sizeof(list->reason), "list: %s", reason);
    return false;
}


void
connector_list_end(connector_list_t *list)
{
    connector_list_permit_end(list, HEALTH_NONE, NULL);
    list->result.reason = list->reason;
    list->done(list->data, &list->result);
    free(list);
}


static const json_t *
mapped(const connector_list_t *list, const json_t *item, const char *name)
{
    size_t        index;
    json_t       *one;
    const json_t *pointer = json_object_get(list->map, name), *value = NULL;

    if (json_is_string(pointer)) {
        return pointer_get(item, json_string_value(pointer));
    }
    json_array_foreach(pointer, index, one) { /* the first that is there */
        value = pointer_get(item, json_string_value(one));
        if (value && !json_is_null(value)) {
            break;
        }
    }
    return value;
}


/* The access role that the app calls so: `roleIds` read backwards. */
static const char *
role_of(const connector_list_t *list, const char *text)
{
    char        id_text[512];
    json_t     *id;
    const char *role;

    json_object_foreach(json_object_get(list->app->connector, "roleIds"),
        role, id)
    {
        if (pointer_text(id, id_text, sizeof(id_text))
            && strcmp(id_text, text) == 0)
        {
            return role;
        }
    }
    return text;
}


/* Only where the definition says how the app tells members from invites. */
static bool
is_accepted(const connector_list_t *list, const char *state)
{
    size_t        index;
    json_t       *word;
    const json_t *pending = json_object_get(list->verb, "pendingStates");

    if (pending == NULL) {
        return !list->invites && (connector_verb(list->app, "openInvites")
            || !scim_app_lists_pending(list->app->connector));
    }
    json_array_foreach(pending, index, word) {
        if (strcasecmp(json_string_value(word), state) == 0) {
            return false;
        }
    }
    return state[0] != '\0';
}


static bool
read_member(connector_list_t *list, const json_t *item, size_t index,
    bool *more)
{
    char               id[CONNECTOR_MEMBER_ID_SIZE], email[1024];
    char               role[512], state[128];
    connector_member_t member = { id, email, role, state, true, false,
                                  list->invites };

    if (!connector_read_id(mapped(list, item, "id"), id)) {
        return connector_list_fail(list, "a member without a usable id");
    }
    if (index == 0) {
        /* an app that ignores the page number would never come to an end */
        if (list->page > 1 && strcmp(id, list->first_id) == 0) {
            return connector_list_fail(list, "two pages begin alike");
        }
        memcpy(list->first_id, id, strlen(id) + 1);
    }
    if (!pointer_text(mapped(list, item, "email"), email, sizeof(email))) {
        email[0] = '\0';
    }
    if (!pointer_text(mapped(list, item, "accessRole"), role, sizeof(role))) {
        role[0] = '\0';
    }
    member.access_role = role_of(list, role);
    if (!pointer_text(mapped(list, item, "state"), state, sizeof(state))) {
        state[0] = '\0';
    }
    member.active = !json_is_false(mapped(list, item, "active"));
    member.accepted = is_accepted(list, state);
    list->seen++;
    *more = true;
    if (list->invites && member.accepted) {
        return true; /* an invite that is not open any more */
    }
    list->result.members++;
    list->result.without_email += email[0] == '\0';
    *more = list->on_member(list->data, &member);
    return true;
}


/*
 * Takes the next cursor.  Brent's way of finding a cycle: one remembered
 * cursor, moved up at each power of two.
 */
static bool
follow_text(connector_list_t *list, const char *cursor, bool *more)
{
    size_t len = strlen(cursor) + 1;

    if (len > CURSOR_SIZE) {
        return connector_list_fail(list, "the next cursor is not usable");
    }
    if (strcmp(cursor, list->mark) == 0 || strcmp(cursor, list->cursor) == 0) {
        return connector_list_fail(list, "the cursors go in a circle");
    }
    if (list->page >= 2 * list->mark_page) {
        list->mark_page = list->page;
        memcpy(list->mark, cursor, len);
    }
    memcpy(list->cursor, cursor, len);
    *more = true;
    return true;
}


static bool
follow_cursor(connector_list_t *list, const json_t *next, bool *more)
{
    char cursor[CURSOR_SIZE];

    *more = false;
    if (next == NULL || json_is_null(next) || json_is_false(next)) {
        return true;
    }
    if (!pointer_text(next, cursor, sizeof(cursor))) {
        return connector_list_fail(list, "the next cursor is not usable");
    }
    return cursor[0] == '\0' || follow_text(list, cursor, more);
}


/*
 * The next page is a URL of the app's.  It must lead to where the definition
 * does, since the credential goes with it.
 */
static bool
follow_url(connector_list_t *list, const char *url, bool *more)
{
    char        whole[CURSOR_SIZE];
    size_t      len;
    const char *base = json_string_value(
        json_object_get(list->app->connector, "baseUrl"));

    len = (size_t) (strstr(base, "://") - base) + 3;
    len += strcspn(base + len, "/");
    if (url[0] == '/' && url[1] != '/') {
        if (snprintf(whole, sizeof(whole), "%.*s%s", (int) len, base, url)
            >= (int) sizeof(whole))
        {
            return connector_list_fail(list,
                "the URL of the next page is too long");
        }
        url = whole;
    }
    if (strncasecmp(url, base, len) != 0
        || (url[len] != '/' && url[len] != '?'))
    {
        return connector_list_fail(list, "the next page is at another host");
    }
    for (const char *p = url; *p; p++) {
        if (*p <= 0x20 || *p > 0x7e) {
            return connector_list_fail(list,
                "the URL of the next page is not usable");
        }
    }
    return follow_text(list, url, more);
}


/* A Link header (RFC 8288), or a URL in the answer. */
static bool
follow_link(connector_list_t *list, const json_t *root,
    const http_answer_t *answer, bool *more)
{
    const char *pointer = json_string_value(
        json_object_get(list->verb, "nextUrl"));
    const json_t *url = pointer ? pointer_get(root, pointer) : NULL;

    if (pointer) {
        return !json_is_string(url) || json_string_length(url) == 0
            || follow_url(list, json_string_value(url), more);
    }
    if (!answer->more) {
        return true;
    }
    return answer->next[0] ? follow_url(list, answer->next, more)
        : connector_list_fail(list, "the link to the next page is not usable");
}


/* Whether there is another page, after one with `count` members. */
static bool
find_next(connector_list_t *list, const json_t *root, size_t count,
    const http_answer_t *answer, bool *more)
{
    const char   *pointer;
    const json_t *total;

    *more = false;
    if (list->by_cursor) {
        pointer = json_string_value(json_object_get(list->verb, "next"));
        return follow_cursor(list, pointer ? pointer_get(root, pointer)
            : NULL, more);
    }
    if (list->by_link) {
        return follow_link(list, root, answer, more);
    }
    if (!list->by_number) {
        return !answer->more || connector_list_fail(list, "the app has more "
            "pages, and the definition does not say how to read them");
    }
    pointer = json_string_value(json_object_get(list->verb, "total"));
    if (pointer == NULL) {
        *more = count > 0;
        return true;
    }
    total = pointer_get(root, pointer);
    if (!json_is_integer(total)) {
        return connector_list_fail(list, "the total is not a number");
    }
    *more = json_integer_value(total) > (json_int_t) list->seen;
    if (*more && count == 0) {
        return connector_list_fail(list, "it ends before its total");
    }
    return true;
}


static bool
read_page(connector_list_t *list, const json_t *root,
    const http_answer_t *answer, bool *more, bool *enough)
{
    size_t        index;
    json_t       *item;
    const char   *pointer;
    const json_t *items;

    pointer = json_string_value(json_object_get(list->verb, "items"));
    items = pointer ? pointer_get(root, pointer) : NULL;
    if (!json_is_array(items)) {
        return connector_list_fail(list,
            "an answer without its array of members");
    }
    json_array_foreach(items, index, item) {
        if (!read_member(list, item, index, more)) {
            return false;
        }
        if (!*more) {
            *enough = true;
            return true;
        }
    }
    return find_next(list, root, json_array_size(items), answer, more);
}


static bool
take_page(connector_list_t *list, const http_answer_t *told, bool *more,
    bool *enough)
{
    char            reason[128];
    http_answer_t   meant = *told, *answer = &meant;
    bool            taken;
    json_t         *root;
    outcome_kind_t  kind;

    meant.status = connector_status(list->app, told);
    if (answer->result != HTTP_ANSWERED || answer->status < 200
        || answer->status > 299)
    {
        kind = connector_token_refused(list->connectors, list->app, answer,
                reason, sizeof(reason))
            ? OUTCOME_RETRY : connector_classify(answer, reason,
                sizeof(reason));
        connector_list_fail(list, reason);
        /* a list changes nothing: its outcome is never unknown */
        list->result.kind = kind == OUTCOME_DEAD ? OUTCOME_DEAD
            : OUTCOME_RETRY;
        return false;
    }
    root = connector_read_json(answer);
    if (root == NULL) {
        return connector_list_fail(list, "an answer that is not JSON");
    }
    taken = read_page(list, root, answer, more, enough);
    json_decref(root);
    return taken;
}


void
connector_list_page(void *data, const http_answer_t *answer)
{
    bool              more = false, enough = false, taken;
    char              problem[96];
    connector_list_t *list = data;

    list->http = NULL;
    list->result.health = connector_health(answer);
    list->result.advice = answer->advice;
    taken = take_page(list, answer, &more, &enough);
    if (!taken && list->result.health == HEALTH_OK && answer->status < 300) {
        list->result.health = HEALTH_FAILED; /* no list that one can use */
    }
    connector_list_permit_end(list, list->result.health, answer);
    if (!taken) {
        list->result.retry_after_ms = answer->retry_after_ms;
        list->result.status = answer->status;
        list->result.body = answer->body;
        list->result.body_len = answer->body_len;
        connector_list_end(list);
        return;
    }
    if (more && list->page == PAGES_MAX) {
        connector_list_fail(list, "too many pages");
        more = false;
    } else if (!more && list->invites && !enough) {
        list->invites = false;
        use_verb(list, list->members_verb);
        list->page = 0;
        more = true;
    } else if (!more) {
        list->result.complete = true;
    }
    list->page++;
    if (more && !connector_list_request(list, &list->result.kind, problem,
        sizeof(problem)))
    {
        snprintf(list->reason, sizeof(list->reason), "list: %s", problem);
        more = false;
    }
    if (!more) {
        connector_list_end(list);
    }
}


/* Begins at the first page of a verb. */
static void
use_verb(connector_list_t *list, const json_t *verb)
{
    const char *next = json_string_value(json_object_get(verb, "next"));

    list->verb = verb;
    list->map = json_object_get(verb, "map");
    list->page = list->mark_page = 1;
    list->cursor[0] = list->mark[0] = list->first_id[0] = '\0';
    list->seen = 0;
    list->by_link = (next && strcmp(next, "Link") == 0)
        || json_object_get(verb, "nextUrl");
    list->by_cursor = template_uses(verb, SCIM_APP_PAGE_CURSOR);
    list->by_number = template_uses(verb, SCIM_APP_PAGE_START)
        || template_uses(verb, SCIM_APP_PAGE_OFFSET)
        || template_uses(verb, SCIM_APP_PAGE_NUMBER);
}


connector_list_t *
connector_list_start(connectors_t *connectors, const scim_app_t *app,
    const char *workspace, const template_values_t *person,
    list_for_t whose, connector_member_pt on_member,
    connector_list_done_pt done, void *data, outcome_kind_t *kind,
    char *problem, size_t problem_size)
{
    connector_list_t *list = calloc(1, sizeof(*list));

    if (list == NULL) {
        *kind = OUTCOME_RETRY;
        snprintf(problem, problem_size, "out of memory");
        return NULL;
    }
    list->connectors = connectors;
    list->app = app;
    list->workspace = workspace;
    list->whose = whose;
    list->members_verb = person ? connector_verb(app, "find") : NULL;
    if (list->members_verb) {
        list->person = *person;
    } else {
        list->members_verb = connector_verb(app, "list");
    }
    list->invites = connector_verb(app, "openInvites") != NULL;
    use_verb(list, list->invites ? connector_verb(app, "openInvites")
        : list->members_verb);
    list->on_member = on_member;
    list->done = done;
    list->data = data;
    list->result.retry_after_ms = -1;
    list->result.body = "";
    if (!connector_list_request(list, kind, problem, problem_size)) {
        free(list);
        return NULL;
    }
    return list;
}


void
connector_list_cancel(connector_list_t *list)
{
    if (list->http) {
        http_client_cancel(list->http);
    }
    if (list->token) {
        connector_token_cancel(list->token);
    }
    connector_list_permit_end(list, HEALTH_NONE, NULL);
    free(list);
}
