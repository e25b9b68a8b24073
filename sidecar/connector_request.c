#include "connector_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "secret.h"

#define URL_MAX 16384
#define BODY_MAX (1024 * 1024)
#define HEADER_LINE_MAX (2 * SECRET_MAX)
#define LINE_COUNT_MAX 40

/* The header lines of one request; they hold a secret. */
typedef struct {
    char  *line[LINE_COUNT_MAX + 1];
    size_t count;
    bool   accept, content_type; /* the definition gave its own */
} lines_t;

typedef struct {
    connectors_t      *connectors;
    const scim_app_t  *app;
    template_values_t *values;
    scim_buffer_t      url, body;
    lines_t            lines;
    outcome_kind_t     kind;
    const char        *problem;
} request_t;


const json_t *
connector_verb(const scim_app_t *app, const char *name)
{
    return json_object_get(app->connector, name);
}


static bool
refuse(request_t *request, outcome_kind_t kind, const char *problem)
{
    request->kind = kind;
    request->problem = problem;
    return false;
}


static bool
add_line(request_t *request, const char *name, const char *value)
{
    lines_t *lines = &request->lines;
    char    *line = lines->count < LINE_COUNT_MAX
        ? malloc(strlen(name) + strlen(value) + sizeof(": ")) : NULL;

    if (line == NULL) {
        return refuse(request, OUTCOME_RETRY, "out of memory");
    }
    stpcpy(stpcpy(stpcpy(line, name), ": "), value);
    lines->line[lines->count++] = line;
    lines->line[lines->count] = NULL;
    return true;
}


static void
free_lines(lines_t *lines)
{
    while (lines->count > 0) {
        char *line = lines->line[--lines->count];

        explicit_bzero(line, strlen(line));
        free(line);
    }
}


/* Sets "<scheme> <secret>", or the secret alone, as a header. */
static bool
add_secret(request_t *request, const char *name, const char *scheme,
    const char *reference)
{
    bool          added;
    const char   *problem = "";
    scim_buffer_t value;

    scim_buffer_init(&value, HEADER_LINE_MAX);
    scim_buffer_append_text(&value, scheme);
    added = secret_read(reference ? reference : "",
            &request->connectors->conf.policy, &value, &problem)
        ? add_line(request, name, value.data)
        : refuse(request, OUTCOME_RETRY, problem);
    secret_free(&value);
    return added;
}


static bool
add_basic(request_t *request, const json_t *basic)
{
    bool          added = false;
    char          encoded[HEADER_LINE_MAX * 2];
    const char   *problem = "", *user, *reference;
    scim_buffer_t pair;

    user = json_string_value(json_object_get(basic, "user"));
    reference = json_string_value(json_object_get(basic, "password"));
    scim_buffer_init(&pair, HEADER_LINE_MAX);
    scim_buffer_printf(&pair, "%s:", user ? user : "");
    if (!secret_read(reference ? reference : "",
        &request->connectors->conf.policy, &pair, &problem))
    {
        refuse(request, OUTCOME_RETRY, problem);
    } else {
        int used = snprintf(encoded, sizeof(encoded), "Basic ");

        EVP_EncodeBlock((unsigned char *) encoded + used,
            (const unsigned char *) pair.data, (int) pair.len);
        added = add_line(request, "Authorization", encoded);
        explicit_bzero(encoded, sizeof(encoded));
    }
    secret_free(&pair);
    return added;
}


static bool
add_token(request_t *request)
{
    bool          added;
    scim_buffer_t value;
    const char   *token = connector_token_get(request->connectors->tokens,
        request->app);

    if (token == NULL) {
        return refuse(request, OUTCOME_RETRY, "the access token ran out");
    }
    scim_buffer_init(&value, HEADER_LINE_MAX);
    scim_buffer_printf(&value, "Bearer %s", token);
    added = !scim_buffer_failed(&value)
        ? add_line(request, "Authorization", value.data)
        : refuse(request, OUTCOME_RETRY, "out of memory");
    secret_free(&value);
    return added;
}


static bool
add_auth(request_t *request)
{
    const json_t *auth = json_object_get(request->app->connector, "auth");
    const json_t *header = json_object_get(auth, "header");
    const char   *name = json_string_value(json_object_get(header, "name"));

    if (auth == NULL) {
        return true;
    }
    if (json_object_get(auth, "oauth2")) {
        return add_token(request);
    }
    if (name) {
        return add_secret(request, name, "",
            json_string_value(json_object_get(header, "value")));
    }
    if (json_object_get(auth, "basic")) {
        return add_basic(request, json_object_get(auth, "basic"));
    }
    return add_secret(request, "Authorization", "Bearer ",
        json_string_value(json_object_get(auth, "bearer")));
}


static bool
add_own_headers(request_t *request, bool has_body)
{
    bool          added = true;
    json_t       *value;
    lines_t      *lines = &request->lines;
    const char   *name;
    const json_t *headers =
        json_object_get(request->app->connector, "headers");
    scim_buffer_t text;

    scim_buffer_init(&text, HEADER_LINE_MAX);
    json_object_foreach((json_t *) headers, name, value) {
        bool is_type = strcasecmp(name, "content-type") == 0;

        if (!json_is_string(value) || (is_type && !has_body)) {
            continue;
        }
        lines->content_type = lines->content_type || is_type;
        lines->accept = lines->accept || strcasecmp(name, "accept") == 0;
        scim_buffer_reset(&text);
        added = (template_header(json_string_value(value), request->values,
                &text) || refuse(request, OUTCOME_DEAD,
                request->values->error))
            && add_line(request, name, text.len ? text.data : "");
        if (!added) {
            break;
        }
    }
    scim_buffer_free(&text);
    return added;
}


static bool
add_headers(request_t *request, const char *key, bool has_body)
{
    return add_own_headers(request, has_body)
        && add_auth(request)
        && (request->lines.accept
            || add_line(request, "Accept", "application/json"))
        && (!has_body || request->lines.content_type
            || add_line(request, "Content-Type", "application/json"))
        && (key == NULL || add_line(request, "Idempotency-Key", key));
}


static bool
fill_in(request_t *request, const json_t *verb, const char *key)
{
    size_t        len;
    const char   *base, *path;
    const json_t *body = json_object_get(verb, "body");

    base = json_string_value(
        json_object_get(request->app->connector, "baseUrl"));
    path = json_string_value(json_object_get(verb, "path"));
    if (base == NULL || path == NULL) {
        return refuse(request, OUTCOME_DEAD, "the definition is damaged");
    }
    for (len = strlen(base); len > 0 && base[len - 1] == '/'; len--) {
    }
    if (request->values->url) {
        scim_buffer_append_text(&request->url, request->values->url);
    } else {
        scim_buffer_append(&request->url, base, len);
    }
    if ((request->values->url == NULL
            && !template_path(path, request->values, &request->url))
        || (body && !template_body(body, request->values, &request->body)))
    {
        return refuse(request, OUTCOME_DEAD, request->values->error);
    }
    return add_headers(request, key, body != NULL);
}


/* Our own certificate, where the app asks for one. */
static bool
add_certificate(request_t *request, http_request_t *http)
{
    const char              *problem = "";
    const scim_app_policy_t *policy = &request->connectors->conf.policy;
    const json_t            *pair = json_object_get(request->app->connector,
        "clientCertificate");
    const char              *certificate = json_string_value(
        json_object_get(pair, "certificate"));
    const char              *key = json_string_value(
        json_object_get(pair, "key"));

    if (pair == NULL) {
        return true;
    }
    http->certificate = secret_path(certificate ? certificate : "", policy,
        &problem);
    http->key = secret_path(key ? key : "", policy, &problem);
    return (http->certificate && http->key)
        || refuse(request, OUTCOME_RETRY, problem);
}


http_call_t *
connector_request(connectors_t *connectors, const scim_app_t *app,
    const json_t *verb, template_values_t *values, const char *key,
    size_t answer_max, http_done_pt done, void *data, outcome_kind_t *kind,
    char *problem, size_t problem_size)
{
    request_t      request = {
        .connectors = connectors, .app = app, .values = values
    };
    http_call_t   *call = NULL;
    http_request_t http = {
        .timeout_ms = app->limits.timeout_ms, .answer_max = answer_max
    };

    scim_buffer_init(&request.url, URL_MAX);
    scim_buffer_init(&request.body, BODY_MAX);
    if (fill_in(&request, verb, key) && add_certificate(&request, &http)) {
        http.method = json_string_value(json_object_get(verb, "method"));
        http.url = request.url.data;
        http.headers = (const char *const *) request.lines.line;
        http.body = json_object_get(verb, "body") ? request.body.data : NULL;
        http.body_len = request.body.len;
        call = http.method
            ? http_client_start(connectors->http, &http, done, data) : NULL;
        refuse(&request, OUTCOME_RETRY, "out of memory");
    }
    if (call == NULL) {
        *kind = request.kind;
        snprintf(problem, problem_size, "%s", request.problem);
    }
    free_lines(&request.lines);
    scim_buffer_free(&request.url);
    scim_buffer_free(&request.body);
    return call;
}
