#include "connector_call.h"

#include <stdio.h>
#include <string.h>

#include "pointer.h"
#include "scim_json.h"
#include "secret.h"

#define SCRUBBED_MIN 6 /* a shorter secret would blank out ordinary text */

static const scim_json_limits_t answer_limits = {
    .depth_max = 64, .string_max = 0, .fold_keys = false
};


json_t *
connector_read_json(const http_answer_t *answer)
{
    return scim_json_read(answer->body, answer->body_len, &answer_limits,
        NULL);
}


static bool
is_among(const json_t *codes, const char *code)
{
    char    text[128];
    size_t  index;
    json_t *one;

    json_array_foreach(codes, index, one) {
        if (pointer_text(one, text, sizeof(text)) && strcmp(text, code) == 0)
        {
            return true;
        }
    }
    return false;
}


/* What the code stands for; 0 = nothing in particular. */
static int
status_of_code(const json_t *rules, const json_t *root)
{
    char        code[128];
    const char *pointer = json_string_value(json_object_get(rules, "code"));

    if (pointer == NULL
        || !pointer_text(pointer_get(root, pointer), code, sizeof(code)))
    {
        return 0;
    }
    if (is_among(json_object_get(rules, "exists"), code)) {
        return 409;
    }
    if (is_among(json_object_get(rules, "absent"), code)) {
        return 404;
    }
    return is_among(json_object_get(rules, "wait"), code) ? 429 : 0;
}


static bool
says_ok(const json_t *rules, const json_t *root)
{
    const json_t *value;
    const json_t *equals = json_object_get(rules, "equals");
    const char   *pointer = json_string_value(json_object_get(rules, "ok"));

    if (pointer == NULL) {
        return true;
    }
    value = pointer_get(root, pointer);
    return equals ? json_equal(value, equals) : json_is_true(value);
}


int
connector_status(const scim_app_t *app, const http_answer_t *answer)
{
    int           status = answer->status, coded;
    bool          succeeded = status >= 200 && status < 300;
    json_t       *root;
    const json_t *rules = json_object_get(app->connector, "answer");

    if (rules == NULL || answer->result != HTTP_ANSWERED || status >= 500
        || (succeeded && answer->body_len == 0))
    {
        return status;
    }
    root = connector_read_json(answer);
    if (root == NULL) { /* whether it was done the status does not say */
        return succeeded && json_object_get(rules, "ok") ? 502 : status;
    }
    coded = succeeded && says_ok(rules, root) ? 0
        : status_of_code(rules, root);
    if (coded) {
        status = coded;
    } else if (succeeded && !says_ok(rules, root)) {
        status = 422;
    }
    json_decref(root);
    return status;
}


app_health_t
connector_health(const http_answer_t *answer)
{
    int status = answer->status;

    if (answer->result != HTTP_ANSWERED || status >= 500 || status == 401
        || (status >= 300 && status < 400))
    {
        return HEALTH_FAILED;
    }
    return status == 429 ? HEALTH_LIMITED : status == 403 ? HEALTH_DENIED
        : HEALTH_OK;
}


outcome_kind_t
connector_classify(const http_answer_t *answer, char *reason,
    size_t reason_size)
{
    int status = answer->status;

    if (answer->result != HTTP_ANSWERED) {
        snprintf(reason, reason_size, "no answer: %s", answer->problem);
        return answer->result == HTTP_NOT_SENT ? OUTCOME_RETRY
            : OUTCOME_UNKNOWN;
    }
    /* GitHub says "too many" by 403, and when to come back */
    if (status == 429 || status == 503
        || (status == 403 && answer->retry_after_ms >= 0))
    {
        snprintf(reason, reason_size, "the app asks to wait (%d)", status);
        return OUTCOME_RETRY;
    }
    if (status == 401) {
        snprintf(reason, reason_size,
            "the app refused the connector's credential (%d)", status);
        return OUTCOME_RETRY;
    }
    if (status == 403) {
        snprintf(reason, reason_size,
            "the app does not let the connector do this (%d)", status);
        return OUTCOME_RETRY;
    }
    if (status >= 400 && status < 500) {
        snprintf(reason, reason_size, "the app refused (%d)", status);
        return OUTCOME_DEAD;
    }
    if (status >= 300 && status < 400) {
        snprintf(reason, reason_size,
            "the app redirects (%d), which is not followed", status);
        return OUTCOME_UNKNOWN;
    }
    snprintf(reason, reason_size, "the app failed (%d)", status);
    return OUTCOME_UNKNOWN;
}


bool
connector_token_refused(connectors_t *connectors, const scim_app_t *app,
    const http_answer_t *answer, char *reason, size_t reason_size)
{
    if (answer->result != HTTP_ANSWERED || answer->status != 401
        || !connector_token_forget(connectors->tokens, app))
    {
        return false;
    }
    snprintf(reason, reason_size, "the app refused the access token (401): "
        "a new one is asked for");
    return true;
}


bool
connector_read_id(const json_t *value, char out[CONNECTOR_MEMBER_ID_SIZE])
{
    char id[CONNECTOR_MEMBER_ID_SIZE];

    if (!pointer_text(value, id, sizeof(id)) || id[0] == '\0'
        || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
    {
        return false;
    }
    for (const char *p = id; *p; p++) {
        if (*p <= 0x20 || *p > 0x7e) {
            return false;
        }
    }
    memcpy(out, id, strlen(id) + 1);
    return true;
}


/* Bytes of the UTF-8 character at text, 0 when there is none. */
static size_t
character_len(const unsigned char *text, size_t len)
{
    size_t        size = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0
        : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;
    unsigned char low = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90
        : 0x80;
    unsigned char high = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f
        : 0xbf;

    if (size == 0 || size > len) {
        return 0;
    }
    if (size > 1 && (text[1] < low || text[1] > high)) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}


static void
keep_text(const char *body, size_t len, scim_buffer_t *kept)
{
    while (len > 0) {
        size_t size = character_len((const unsigned char *) body, len);

        if (kept->len + (size ? size : 1) > CONNECTOR_ANSWER_KEPT) {
            return;
        }
        if (size == 0 || *body == '\0') {
            scim_buffer_append_char(kept, '?');
            size = 1;
        } else {
            scim_buffer_append(kept, body, size);
        }
        body += size;
        len -= size;
    }
}


/* The reference to the app's secret, NULL when it has none. */
static const char *
secret_reference(const scim_app_t *app)
{
    const json_t *auth = json_object_get(app->connector, "auth");
    const json_t *value = json_object_get(auth, "bearer");

    if (value == NULL) {
        value = json_object_get(json_object_get(auth, "header"), "value");
    }
    if (value == NULL) {
        value = json_object_get(json_object_get(auth, "basic"), "password");
    }
    return json_string_value(value);
}


/* Overwrites each occurrence of the secret in the bytes. */
static void
scrub(char *bytes, size_t len, const scim_buffer_t *secret)
{
    char *end = bytes + len, *at = bytes;

    while ((at = memmem(at, (size_t) (end - at), secret->data, secret->len))
        != NULL)
    {
        memset(at, '*', secret->len);
        at += secret->len;
    }
}


static void
scrub_token(const connectors_t *connectors, const scim_app_t *app,
    scim_buffer_t *copy)
{
    scim_buffer_t text;
    const char   *token = connector_token_get(connectors->tokens, app);

    if (token && strlen(token) >= SCRUBBED_MIN && copy->len > 0) {
        scim_buffer_init(&text, SECRET_MAX + 1);
        scim_buffer_append_text(&text, token);
        scrub(copy->data, copy->len, &text);
        secret_free(&text);
    }
}


void
connector_keep(const connectors_t *connectors, const scim_app_t *app,
    const char *body, size_t len, scim_buffer_t *kept)
{
    const char   *problem, *reference = secret_reference(app);
    scim_buffer_t secret, copy;

    scim_buffer_reset(kept);
    scim_buffer_init(&secret, SECRET_MAX + 1);
    /* a secret that begins inside what is kept may end behind it */
    scim_buffer_init(&copy, CONNECTOR_ANSWER_KEPT + SECRET_MAX);
    scim_buffer_append(&copy, body, len < copy.max ? len : copy.max);
    if (reference && copy.len > 0 && secret_read(reference,
            &connectors->conf.policy, &secret, &problem)
        && secret.len >= SCRUBBED_MIN)
    {
        scrub(copy.data, copy.len, &secret);
    }
    scrub_token(connectors, app, &copy);
    if (copy.len > 0) {
        keep_text(copy.data, copy.len, kept);
    }
    secret_free(&secret);
    scim_buffer_free(&copy);
}
