#include "connector_token.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connector_call.h"
#include "secret.h"

#define TOKENS_MAX     1000
#define TOKEN_MAX      SECRET_MAX
#define LIFE_DEFAULT   3600 /* s, where the server does not say */
#define LIFE_MAX       86400
#define MARGIN_MS      60000 /* asked for anew so long before its end */
#define TOKEN_TIMEOUT  10000 /* ms */
#define ANSWER_MAX     65536

typedef struct token_s token_t;

struct connector_wait_s {
    connector_wait_t  *next, *prev;
    token_t           *token;
    connector_token_pt done;
    void              *data;
};

struct token_s {
    token_t            *next;
    connector_tokens_t *tokens;
    json_t             *auth;  /* oauth2 as in the definition: the key */
    char               *text;  /* NULL = none */
    int64_t             until; /* loop time */
    http_call_t        *call;  /* on its way */
    loop_timer_t       *timer; /* reports what failed at once */
    connector_wait_t   *waits;
    char                problem[160];
};

struct connector_tokens_s {
    connectors_t *connectors;
    token_t      *first;
    size_t        count;
};


static const json_t *
oauth2_of(const scim_app_t *app)
{
    return json_object_get(json_object_get(app->connector, "auth"),
        "oauth2");
}


static void
forget_text(token_t *token)
{
    if (token->text) {
        explicit_bzero(token->text, strlen(token->text));
        free(token->text);
        token->text = NULL;
    }
}


static void
token_free(token_t *token)
{
    connector_wait_t *wait;

    while ((wait = token->waits) != NULL) {
        token->waits = wait->next;
        free(wait);
    }
    if (token->call) {
        http_client_cancel(token->call);
    }
    forget_text(token);
    loop_timer_free(token->timer);
    json_decref(token->auth);
    free(token);
}


connector_tokens_t *
connector_tokens_new(connectors_t *connectors)
{
    connector_tokens_t *tokens = calloc(1, sizeof(*tokens));

    if (tokens) {
        tokens->connectors = connectors;
    }
    return tokens;
}


void
connector_tokens_free(connector_tokens_t *tokens)
{
    token_t *token;

    while (tokens && (token = tokens->first) != NULL) {
        tokens->first = token->next;
        token_free(token);
    }
    free(tokens);
}


static token_t *
find(const connector_tokens_t *tokens, const json_t *auth)
{
    for (token_t *token = tokens->first; token; token = token->next) {
        if (json_equal(token->auth, auth)) {
            return token;
        }
    }
    return NULL;
}


/* Makes room: the first that nobody waits for goes. */
static void
drop_one(connector_tokens_t *tokens)
{
    for (token_t **at = &tokens->first; *at; at = &(*at)->next) {
        token_t *token = *at;

        if (token->waits == NULL && token->call == NULL) {
            *at = token->next;
            tokens->count--;
            token_free(token);
            return;
        }
    }
}


/* ---- waiting ---- */

static void
tell_all(token_t *token)
{
    connector_wait_t *wait;
    const char       *problem = token->text ? NULL : token->problem;

    while ((wait = token->waits) != NULL) {
        token->waits = wait->next;
        if (wait->next) {
            wait->next->prev = NULL;
        }
        wait->done(wait->data, problem);
        free(wait);
    }
}


static void
on_failed(loop_t *loop, void *data)
{
    (void) loop;
    tell_all(data);
}


/* Told from the loop: whoever asks now is not in the middle of it. */
static void
fail(token_t *token, const char *problem)
{
    snprintf(token->problem, sizeof(token->problem), "no access token: %s",
        problem);
    loop_timer_arm(token->timer, 0);
}


/* ---- asking ---- */

static bool
take_answer(token_t *token, const http_answer_t *answer)
{
    json_int_t  life;
    json_t     *root = connector_read_json(answer);
    const char *text = json_string_value(json_object_get(root,
        "access_token"));
    bool        usable = text && *text && strlen(text) <= TOKEN_MAX;

    for (const char *p = text; usable && *p; p++) {
        usable = *p > 0x20 && *p < 0x7f;
    }
    if (usable) {
        life = json_integer_value(json_object_get(root, "expires_in"));
        life = life <= 0 ? LIFE_DEFAULT : life > LIFE_MAX ? LIFE_MAX : life;
        life *= 1000;
        token->until = loop_now(token->tokens->connectors->loop)
            + (life > 2 * MARGIN_MS ? life - MARGIN_MS : life / 2);
        token->text = strdup(text);
    }
    json_decref(root);
    return token->text != NULL;
}


static void
on_answer(void *data, const http_answer_t *answer)
{
    char     problem[128];
    token_t *token = data;

    token->call = NULL;
    forget_text(token);
    if (answer->result != HTTP_ANSWERED) {
        snprintf(problem, sizeof(problem), "%s", answer->problem);
        fail(token, problem);
    } else if (answer->status != 200 && answer->status != 201) {
        snprintf(problem, sizeof(problem), "the token server says %d",
            answer->status);
        fail(token, problem);
    } else if (!take_answer(token, answer)) {
        fail(token, "the token server's answer holds none");
    } else {
        tell_all(token);
    }
}


static void
add_encoded(scim_buffer_t *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || (c >= 'a' && c <= 'z') || strchr("-._~", c))
        {
            scim_buffer_append_char(out, (char) c);
        } else {
            scim_buffer_printf(out, "%%%02X", c);
        }
    }
}


static void
add_pair(scim_buffer_t *body, const char *name, const char *value)
{
    if (value) {
        scim_buffer_append_text(body, body->len ? "&" : "");
        add_encoded(body, name, strlen(name));
        scim_buffer_append_char(body, '=');
        add_encoded(body, value, strlen(value));
    }
}


static bool
add_secret(token_t *token, scim_buffer_t *body, const char *name,
    const char **problem)
{
    bool          read;
    scim_buffer_t secret;
    const char   *reference = json_string_value(
        json_object_get(token->auth, name));

    scim_buffer_init(&secret, SECRET_MAX + 1);
    read = secret_read(reference ? reference : "",
        &token->tokens->connectors->conf.policy, &secret, problem);
    if (read) {
        add_pair(body, strcmp(name, "clientSecret") == 0 ? "client_secret"
            : "refresh_token", secret.data);
    }
    secret_free(&secret);
    return read;
}


/* RFC 6749, section 2.3.1: both parts are encoded as in a form. */
static bool
add_basic(token_t *token, scim_buffer_t *header, const char **problem)
{
    bool          read;
    char          encoded[4 * SECRET_MAX];
    scim_buffer_t secret, pair;
    const char   *id = json_string_value(json_object_get(token->auth,
        "clientId"));
    const char   *reference = json_string_value(json_object_get(token->auth,
        "clientSecret"));

    scim_buffer_init(&secret, SECRET_MAX + 1);
    scim_buffer_init(&pair, sizeof(encoded) / 2);
    read = secret_read(reference ? reference : "",
        &token->tokens->connectors->conf.policy, &secret, problem);
    if (read) {
        add_encoded(&pair, id, strlen(id));
        scim_buffer_append_char(&pair, ':');
        add_encoded(&pair, secret.data, secret.len);
        read = !scim_buffer_failed(&pair);
        *problem = "the client's secret is too long";
    }
    if (read) {
        EVP_EncodeBlock((unsigned char *) encoded,
            (const unsigned char *) pair.data, (int) pair.len);
        scim_buffer_printf(header, "Authorization: Basic %s", encoded);
        explicit_bzero(encoded, sizeof(encoded));
    }
    secret_free(&secret);
    secret_free(&pair);
    return read;
}


static bool
fill_in(token_t *token, scim_buffer_t *body, scim_buffer_t *header,
    const char **problem)
{
    json_t       *value;
    const char   *name;
    const json_t *auth = token->auth;
    const char   *how = json_string_value(json_object_get(auth,
        "credentials"));
    const char   *grant = json_string_value(json_object_get(auth,
        "grantType"));
    bool          refresh = json_object_get(auth, "refreshToken") != NULL;

    add_pair(body, "grant_type", grant ? grant : refresh ? "refresh_token"
        : "client_credentials");
    add_pair(body, "scope", json_string_value(json_object_get(auth,
        "scope")));
    json_object_foreach(json_object_get(auth, "parameters"), name, value) {
        add_pair(body, name, json_string_value(value));
    }
    if (refresh && !add_secret(token, body, "refreshToken", problem)) {
        return false;
    }
    if (how && strcmp(how, "basic") == 0) {
        return add_basic(token, header, problem);
    }
    add_pair(body, "client_id", json_string_value(json_object_get(auth,
        "clientId")));
    return add_secret(token, body, "clientSecret", problem);
}


static void
ask(token_t *token)
{
    const char    *problem = "out of memory";
    connectors_t  *connectors = token->tokens->connectors;
    scim_buffer_t  body, header;
    const char    *headers[4] = {
        "Content-Type: application/x-www-form-urlencoded",
        "Accept: application/json"
    };
    http_request_t request = {
        .method = "POST", .headers = headers, .timeout_ms = TOKEN_TIMEOUT,
        .answer_max = ANSWER_MAX
    };

    scim_buffer_init(&body, 8 * SECRET_MAX);
    scim_buffer_init(&header, 8 * SECRET_MAX);
    if (fill_in(token, &body, &header, &problem)
        && !scim_buffer_failed(&body) && !scim_buffer_failed(&header))
    {
        headers[2] = header.data; /* NULL: in the body */
        request.url = json_string_value(json_object_get(token->auth,
            "tokenUrl"));
        request.body = body.data;
        request.body_len = body.len;
        token->call = http_client_start(connectors->http, &request,
            on_answer, token);
        problem = "out of memory";
    }
    if (token->call == NULL) {
        fail(token, problem);
    }
    secret_free(&body);
    secret_free(&header);
}


/* ---- for connector*.c ---- */

static bool
is_fresh(const token_t *token)
{
    return token && token->text
        && token->until > loop_now(token->tokens->connectors->loop);
}


bool
connector_token_ready(connector_tokens_t *tokens, const scim_app_t *app)
{
    const json_t *auth = oauth2_of(app);

    return auth == NULL || is_fresh(find(tokens, auth));
}


const char *
connector_token_get(connector_tokens_t *tokens, const scim_app_t *app)
{
    const json_t *auth = oauth2_of(app);
    token_t      *token = auth ? find(tokens, auth) : NULL;

    return token ? token->text : NULL;
}


bool
connector_token_forget(connector_tokens_t *tokens, const scim_app_t *app)
{
    const json_t *auth = oauth2_of(app);
    token_t      *token = auth ? find(tokens, auth) : NULL;

    if (token) {
        forget_text(token);
    }
    return auth != NULL;
}


void
connector_tokens_forget(connector_tokens_t *tokens)
{
    for (token_t *token = tokens->first; token; token = token->next) {
        forget_text(token);
    }
}


static token_t *
make(connector_tokens_t *tokens, const json_t *auth)
{
    token_t *token = calloc(1, sizeof(*token));

    if (token == NULL) {
        return NULL;
    }
    token->tokens = tokens;
    token->auth = json_deep_copy(auth);
    token->timer = loop_timer_new(tokens->connectors->loop, on_failed,
        token);
    if (token->auth == NULL || token->timer == NULL) {
        token_free(token);
        return NULL;
    }
    if (tokens->count == TOKENS_MAX) {
        drop_one(tokens);
    }
    token->next = tokens->first;
    tokens->first = token;
    tokens->count++;
    return token;
}


connector_wait_t *
connector_token_wait(connector_tokens_t *tokens, const scim_app_t *app,
    connector_token_pt done, void *data)
{
    const json_t     *auth = oauth2_of(app);
    token_t          *token = find(tokens, auth);
    connector_wait_t *wait = calloc(1, sizeof(*wait));

    if (token == NULL) {
        token = make(tokens, auth);
    }
    if (wait == NULL || token == NULL) {
        free(wait);
        return NULL;
    }
    wait->token = token;
    wait->done = done;
    wait->data = data;
    wait->next = token->waits;
    if (wait->next) {
        wait->next->prev = wait;
    }
    token->waits = wait;
    if (token->call == NULL && !loop_timer_armed(token->timer)) {
        ask(token);
    }
    return wait;
}


void
connector_token_cancel(connector_wait_t *wait)
{
    if (wait->prev) {
        wait->prev->next = wait->next;
    } else {
        wait->token->waits = wait->next;
    }
    if (wait->next) {
        wait->next->prev = wait->prev;
    }
    free(wait);
}
