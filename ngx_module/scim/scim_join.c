#include "scim_join.h"

#include <stdio.h>
#include <string.h>

#include "scim_app.h"
#include "scim_json.h"
#include "scim_join_page.h"
#include "scim_record.h"
#include "scim_token.h"

#define METHODS "GET, HEAD, POST"

typedef struct {
    scim_operation_t head;
    scim_request_t   request; /* the caller's, with the code's shard */
    scim_principal_t principal;
    char             code[SCIM_JOIN_CODE_LEN + 1];
    char             hash[65];
    json_t          *person; /* what the page points at */
    scim_app_t       app;
} scim_join_t;


void
scim_join_code_make(unsigned shard,
    const unsigned char random[SCIM_JOIN_RANDOM_LEN], char *out)
{
    snprintf(out, 4, "%03u", shard % 1000);
    scim_base64url(random, SCIM_JOIN_RANDOM_LEN, out + 3);
}


static bool
is_code_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_';
}


bool
scim_join_code_read(const char *text, size_t len, unsigned *shard)
{
    *shard = 0;
    if (len != SCIM_JOIN_CODE_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (i < 3 ? text[i] < '0' || text[i] > '9'
                  : !is_code_character(text[i]))
        {
            return false;
        }
        if (i < 3) {
            *shard = *shard * 10 + (unsigned) (text[i] - '0');
        }
    }
    return true;
}


/* ---- answers ---- */

static void
render_error(scim_operation_t *operation, const scim_error_t *error)
{
    operation->response.content_type = SCIM_JOIN_MEDIA_TYPE;
    operation->response.page = true;
    scim_join_page_error(error->status, &operation->response.body);
}


static scim_step_t
fail(scim_join_t *join, int status)
{
    scim_error_t error = { .status = status };

    return scim_operation_fail(&join->head, &error);
}


/* A code that is unknown, or whose grant is over. */
static scim_step_t
refuse(scim_join_t *join, const scim_reply_t *reply)
{
    return fail(join, scim_reply_is(reply, "GONE") ? 410 : 404);
}


static const char *
copied(scim_join_t *join, scim_text_t text)
{
    const char *copy = scim_arena_copy(&join->head.arena, text.text,
        text.len);

    return copy ? copy : "";
}


static const char *
member_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}


/* What the person is called: as people would, else as computers do. */
static const char *
name_of(const json_t *person)
{
    const char *name = member_of(person, "displayName");

    if (*name == '\0') {
        name = member_of(json_object_get(person, "name"), "formatted");
    }
    return *name ? name : member_of(person, "userName");
}


static bool
read_person(scim_join_t *join, scim_text_t record)
{
    scim_record_t parsed;

    if (!scim_record_parse(record.text, record.len, &parsed)) {
        return false;
    }
    join->person = scim_json_read(parsed.document, parsed.document_len,
        &scim_json_stored_limits, NULL);
    return join->person != NULL;
}


static scim_step_t
shown(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_text_t      record;
    scim_join_t     *join = (scim_join_t *) operation;
    scim_join_page_t page;

    if (!scim_reply_is(reply, "OK")) {
        return refuse(join, reply);
    }
    record = scim_reply_text(reply, 2);
    if (record.len <= 10
        || !scim_app_read(record.text + 10, record.len - 10, &join->app)
        || !read_person(join, scim_reply_text(reply, 3)))
    {
        return fail(join, 410); /* gone, or about to be */
    }
    page.app = join->app.name;
    page.workspace = copied(join, scim_reply_text(reply, 1));
    page.person = name_of(join->person);
    page.state = copied(join, scim_reply_text(reply, 4));
    page.owner = strcmp(copied(join, scim_reply_text(reply, 5)), "owner")
        == 0;
    page.access_role = copied(join, scim_reply_text(reply, 6));
    page.email = copied(join, scim_reply_text(reply, 7));
    page.accepted = scim_reply_text(reply, 8).len > 0;
    page.account = scim_reply_text(reply, 9).len > 0;
    page.connected = scim_reply_text(reply, 10).len > 0;
    operation->response.content_type = SCIM_JOIN_MEDIA_TYPE;
    operation->response.page = true;
    scim_join_page(&page, &operation->response.body);
    return scim_operation_end(operation, 200);
}


/* Done, or done before: the page says what comes next. */
static scim_step_t
stepped(scim_operation_t *operation, const scim_reply_t *reply)
{
    int          len;
    scim_join_t *join = (scim_join_t *) operation;
    scim_text_t  base = operation->service->base_url;

    if (!scim_reply_is(reply, "OK")) {
        return refuse(join, reply);
    }
    len = snprintf(operation->response.location,
        sizeof(operation->response.location), "%.*s/%s", (int) base.len,
        base.text, join->code);
    if (len >= (int) sizeof(operation->response.location)) {
        return fail(join, 500);
    }
    operation->response.page = true;
    return scim_operation_end(operation, 303);
}


/* ---- requests ---- */

/* The form's one field, or NULL. */
static const char *
step_of(scim_text_t body)
{
    static const char *const steps[] = { "accept", "account", "connect" };
    static const char        name[] = "step=";
    const char              *p = body.text, *end = body.text + body.len;

    while (p < end) {
        const char *next = memchr(p, '&', (size_t) (end - p));
        size_t      len = (size_t) ((next ? next : end) - p);

        for (size_t i = 0; i < 3; i++) {
            if (len == sizeof(name) - 1 + strlen(steps[i])
                && memcmp(p, name, sizeof(name) - 1) == 0
                && memcmp(p + sizeof(name) - 1, steps[i], strlen(steps[i]))
                    == 0)
            {
                return steps[i];
            }
        }
        p += len + 1;
    }
    return NULL;
}


static scim_step_t
show(scim_join_t *join)
{
    scim_command_call(&join->head, "join_show", true);
    scim_command_text(&join->head, join->hash);
    return scim_command_send(&join->head, shown);
}


static scim_step_t
take_step(scim_join_t *join)
{
    const char *step = step_of(join->request.body);

    if (join->request.body.len > SCIM_JOIN_BODY_MAX) {
        return fail(join, 413);
    }
    if (step == NULL) {
        return fail(join, 400);
    }
    scim_command_call(&join->head, "join_step", false);
    scim_command_text(&join->head, join->hash);
    scim_command_text(&join->head, step);
    scim_command_add(&join->head, join->request.transaction.text,
        join->request.transaction.len);
    return scim_command_send(&join->head, stepped);
}


static scim_step_t
start(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_join_t *join = (scim_join_t *) operation;
    scim_text_t  path = join->request.path;

    (void) reply;
    if (path.len < 1 || !scim_join_code_read(path.text + 1, path.len - 1,
            &join->principal.shard)
        || join->principal.shard >= operation->service->shard_count)
    {
        return fail(join, 404);
    }
    memcpy(join->code, path.text + 1, SCIM_JOIN_CODE_LEN);
    scim_token_hash(join->code, SCIM_JOIN_CODE_LEN, join->hash);
    switch (join->request.method) {
    case SCIM_METHOD_GET:
    case SCIM_METHOD_HEAD:
        return show(join);
    case SCIM_METHOD_POST:
        return take_step(join);
    default:
        operation->response.allow = METHODS;
        return fail(join, 405);
    }
}


static void
destroy(scim_operation_t *operation)
{
    scim_join_t *join = (scim_join_t *) operation;

    json_decref(join->person);
    scim_app_free(&join->app);
}


scim_operation_t *
scim_join_operation_new(const scim_service_t *service,
    const scim_request_t *request)
{
    scim_join_t *join = scim_operation_alloc(sizeof(*join), service,
        request);

    if (join == NULL) {
        return NULL;
    }
    join->request = *request;
    join->request.principal = &join->principal;
    join->head.request = &join->request;
    join->head.next = start;
    join->head.destroy = destroy;
    join->head.render_error = render_error;
    return &join->head;
}
