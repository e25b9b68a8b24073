#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_embedded.h"
#include "scim_json.h"

#define ADMIN_MOUNT "/admin/v1"


/* ---- Redis ---- */

static void
run_server(redis_harness_t *harness, int output)
{
    dup2(output, 1);
    dup2(output, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
        harness->socket, "--save", "", "--dir", harness->directory,
        (char *) NULL);
    _exit(127);
}


/* Reads what Redis prints until it serves. */
static void
wait_until_ready(redis_harness_t *harness)
{
    char    text[8192] = "";
    size_t  len = 0;
    ssize_t n;

    while (strstr(text, "Ready to accept connections") == NULL
           && strstr(text, "ready to accept connections") == NULL)
    {
        assert_true(len + 1 < sizeof(text));
        n = read(harness->output, text + len, sizeof(text) - 1 - len);
        if (n <= 0) {
            fail_msg("redis-server did not start: %s", text);
        }
        len += (size_t) n;
        text[len] = '\0';
    }
}


void
redis_harness_load(redis_harness_t *harness)
{
    redisReply *reply = redis_harness_command(harness, "FUNCTION LOAD %b",
        scim_function_library, scim_function_library_len);

    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("the library does not load: %s", reply->str);
    }
    freeReplyObject(reply);
}


static void
create_dataset(redis_harness_t *harness)
{
    redisReply *reply = redis_harness_command(harness,
        "FCALL " SCIM_FUNCTION_PREFIX "dataset_create 1 scim:{007}:events "
        "%s %s 0 %s 128", "", "", harness->dataset);

    if (reply->type != REDIS_REPLY_ARRAY
        || strcmp(reply->element[0]->str, "OK") != 0)
    {
        fail_msg("no data set: %s", reply->str ? reply->str : "?");
    }
    freeReplyObject(reply);
}


void
redis_harness_flush(redis_harness_t *harness)
{
    freeReplyObject(redis_harness_command(harness, "FLUSHALL"));
    create_dataset(harness);
}


void
redis_harness_defaults(redis_harness_t *harness)
{
    harness->service.schemas = harness->schemas;
    harness->service.base_url = (scim_text_t) { "https://h/scim/v2", 17 };
    harness->service.shard_count = 128;
    harness->service.body_max = 8 << 20;
    harness->service.backlog_max = 0;
    harness->service.page_size = 100;
    harness->service.page_size_max = 200;
    harness->service.scan_max = 10000;
    strcpy(harness->principal.workspace, HARNESS_WORKSPACE);
    strcpy(harness->principal.token_id, "t1");
    strcpy(harness->principal.actor, "okta");
    harness->principal.role = SCIM_ROLE_SCIM;
    harness->principal.shard = HARNESS_SHARD;
    harness->now = 1700000000000;
    harness->operator = harness->principal;
    harness->operator.role = SCIM_ROLE_OWNER;
}


void
redis_harness_start(redis_harness_t *harness)
{
    int          pipes[2];
    scim_error_t error = { 0 };

    memset(harness, 0, sizeof(*harness));
    strcpy(harness->directory, "/tmp/scim-test-XXXXXX");
    assert_non_null(mkdtemp(harness->directory));
    snprintf(harness->socket, sizeof(harness->socket), "%s/redis.sock",
        harness->directory);
    assert_int_equal(pipe(pipes), 0);
    harness->pid = fork();
    assert_true(harness->pid >= 0);
    if (harness->pid == 0) {
        close(pipes[0]);
        run_server(harness, pipes[1]);
    }
    close(pipes[1]);
    harness->output = pipes[0];
    wait_until_ready(harness);
    harness->redis = redisConnectUnix(harness->socket);
    assert_non_null(harness->redis);
    assert_int_equal(harness->redis->err, 0);
    strcpy(harness->dataset, "0190dada-0000-7000-8000-000000000001");
    redis_harness_load(harness);
    create_dataset(harness);
    harness->schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    if (harness->schemas == NULL) {
        fail_msg("%s", error.detail);
    }
    redis_harness_defaults(harness);
}


void
redis_harness_stop(redis_harness_t *harness)
{
    int  status;
    char command[160];

    redisFree(harness->redis);
    assert_int_equal(kill(harness->pid, SIGTERM), 0);
    assert_int_equal(waitpid(harness->pid, &status, 0), harness->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(harness->output);
    scim_schemas_free(harness->schemas);
    snprintf(command, sizeof(command), "rm -rf '%s'", harness->directory);
    assert_int_equal(system(command), 0);
}


static redisReply *
command(redis_harness_t *harness, const char *format, va_list arguments)
{
    redisReply *reply = redisvCommand(harness->redis, format, arguments);

    if (reply == NULL) {
        fail_msg("redis: %s", harness->redis->errstr);
    }
    return reply;
}


redisReply *
redis_harness_command(redis_harness_t *harness, const char *format, ...)
{
    va_list     arguments;
    redisReply *reply;

    va_start(arguments, format);
    reply = command(harness, format, arguments);
    va_end(arguments);
    return reply;
}


long long
redis_harness_number(redis_harness_t *harness, const char *format, ...)
{
    va_list     arguments;
    long long   number;
    redisReply *reply;

    va_start(arguments, format);
    reply = command(harness, format, arguments);
    va_end(arguments);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("redis: %s", reply->str);
    }
    number = reply->type == REDIS_REPLY_INTEGER ? reply->integer
        : reply->str ? atoll(reply->str) : 0;
    freeReplyObject(reply);
    return number;
}


/* ---- replies ---- */

static void
fill(scim_reply_t *to, const redisReply *from)
{
    scim_reply_t *elements;

    memset(to, 0, sizeof(*to));
    switch (from->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        to->type = from->type == REDIS_REPLY_ERROR ? SCIM_REPLY_ERROR
                                                   : SCIM_REPLY_STRING;
        to->text = from->str;
        to->len = (size_t) from->len;
        break;
    case REDIS_REPLY_INTEGER:
        to->type = SCIM_REPLY_INTEGER;
        to->integer = from->integer;
        break;
    case REDIS_REPLY_ARRAY:
        to->type = SCIM_REPLY_ARRAY;
        to->elements = from->elements;
        elements = calloc(from->elements + 1, sizeof(*elements));
        assert_non_null(elements);
        for (size_t i = 0; i < from->elements; i++) {
            fill(&elements[i], from->element[i]);
        }
        to->element = elements;
        break;
    default:
        to->type = SCIM_REPLY_NIL;
    }
}


static void
clear(const scim_reply_t *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        clear(&reply->element[i]);
    }
    free((void *) reply->element);
}


scim_reply_t *
harness_reply(const redisReply *reply)
{
    scim_reply_t *copy = calloc(1, sizeof(*copy));

    assert_non_null(copy);
    fill(copy, reply);
    return copy;
}


void
harness_reply_free(scim_reply_t *reply)
{
    clear(reply);
    free(reply);
}


/* ---- operations ---- */

static scim_text_t
text_of(const char *text)
{
    return (scim_text_t) { text, strlen(text) };
}


harness_call_t *
harness_call_new(redis_harness_t *harness, scim_method_t method,
    const char *path, const char *query, const char *body)
{
    harness_call_t *call = calloc(1, sizeof(*call));
    scim_request_t *request;

    assert_non_null(call);
    request = &call->request;
    call->text[0] = strdup(path);
    call->text[1] = strdup(query ? query : "");
    call->text[2] = strdup(body ? body : "");
    request->method = method;
    call->admin = strncmp(path, ADMIN_MOUNT, strlen(ADMIN_MOUNT)) == 0;
    request->path = text_of(call->text[0]
        + (call->admin ? strlen(ADMIN_MOUNT) : 0));
    request->query = text_of(call->text[1]);
    request->body = text_of(call->text[2]);
    request->content_type = text_of(call->admin ? "application/json"
                                                : "application/scim+json");
    request->accept = text_of("application/scim+json");
    request->if_match = text_of("");
    request->if_none_match = text_of("");
    request->principal = call->admin ? &harness->operator
                                     : &harness->principal;
    request->transaction = text_of("txn-1");
    request->dataset = text_of(harness->dataset);
    request->now = harness->now++;
    for (size_t i = 0; i < sizeof(request->random); i++) {
        request->random[i] = (unsigned char) (17 * i + harness->now);
    }
    return call;
}


static void
take_commands(harness_call_t *call)
{
    scim_command_t *command;

    while (call->step != SCIM_STEP_DONE
           && (command = scim_operation_command(call->operation)))
    {
        assert_true(call->pending_count < HARNESS_PENDING_MAX);
        call->pending[call->pending_count++] = command;
    }
}


static void
exchange(redis_harness_t *harness, harness_call_t *call)
{
    redisReply     *reply;
    scim_reply_t   *copy;
    scim_command_t *command = call->pending[0];

    assert_true(call->pending_count > 0);
    call->pending_count--;
    memmove(call->pending, call->pending + 1,
        call->pending_count * sizeof(call->pending[0]));
    reply = redisCommandArgv(harness->redis, (int) command->argc,
        command->argv, command->argv_len);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        print_message("# redis: %s\n", reply->str);
    }
    call->commands++;
    copy = harness_reply(reply);
    call->step = scim_operation_reply(call->operation, command, copy);
    harness_reply_free(copy);
    freeReplyObject(reply);
}


void
harness_call_step(redis_harness_t *harness, harness_call_t *call)
{
    if (call->operation == NULL) {
        call->operation = (call->admin ? scim_admin_operation_new
            : scim_operation_new)(&harness->service, &call->request);
        assert_non_null(call->operation);
        call->step = scim_operation_start(call->operation);
        take_commands(call);
        return;
    }
    assert_int_not_equal(call->step, SCIM_STEP_DONE);
    if (call->step == SCIM_STEP_YIELD) {
        call->step = scim_operation_continue(call->operation);
    } else {
        exchange(harness, call);
    }
    take_commands(call);
}


void
harness_call_run(redis_harness_t *harness, harness_call_t *call)
{
    do {
        harness_call_step(harness, call);
    } while (call->step != SCIM_STEP_DONE);
}


void
harness_call_free(harness_call_t *call)
{
    scim_operation_free(call->operation);
    for (size_t i = 0; i < sizeof(call->text) / sizeof(call->text[0]); i++) {
        free(call->text[i]);
    }
    free(call);
}


harness_call_t *
harness_expect(redis_harness_t *harness, int status, scim_method_t method,
    const char *path, const char *query, const char *body)
{
    harness_call_t        *call = harness_call_new(harness, method, path,
        query, body);
    const scim_response_t *response;

    harness_call_run(harness, call);
    response = &call->operation->response;
    if (response->status != status) {
        fail_msg("%s?%s: status %d, not %d: %.*s", path, query ? query : "",
            response->status, status, (int) response->body.len,
            response->body.data ? response->body.data : "");
    }
    return call;
}


json_t *
harness_json(const harness_call_t *call)
{
    json_t              *json;
    scim_error_t         error = { 0 };
    const scim_buffer_t *body = &call->operation->response.body;

    assert_non_null(body->data);
    json = scim_json_read(body->data, body->len, &scim_json_stored_limits,
        &error);
    if (json == NULL) {
        fail_msg("%s in %.*s", error.detail, (int) body->len, body->data);
    }
    return json;
}


json_t *
harness_ask(redis_harness_t *harness, int status, scim_method_t method,
    const char *path, const char *query, const char *body)
{
    json_t         *json = NULL;
    harness_call_t *call = harness_expect(harness, status, method, path,
        query, body);

    if (call->operation->response.body.len) {
        json = harness_json(call);
    }
    harness_call_free(call);
    return json;
}


void
harness_create(redis_harness_t *harness, const char *endpoint,
    const char *body, char *path)
{
    const char     *place;
    harness_call_t *call = harness_expect(harness, 201, SCIM_METHOD_POST,
        endpoint, NULL, body);

    place = strstr(call->operation->response.location, endpoint);
    assert_non_null(place);
    snprintf(path, 64, "%s", place);
    harness_call_free(call);
}


const char *
harness_id(const char *path)
{
    return strrchr(path, '/') + 1;
}


void
harness_user(redis_harness_t *harness, const char *name, char id[64])
{
    char path[64];

    harness_create(harness, "/Users", harness_format(
        "{\"userName\":\"%s\"}", name), path);
    snprintf(id, 64, "%s", harness_id(path));
}


void
harness_group(redis_harness_t *harness, const char *name, const char *one,
    const char *two, char id[64])
{
    char path[64];

    harness_create(harness, "/Groups", harness_format(
        "{\"displayName\":\"%s\",\"members\":[%s%s%s]}", name,
        one ? harness_format("{\"value\":\"%s\"}", one) : "",
        one && two ? "," : "",
        two ? harness_format("{\"value\":\"%s\"}", two) : ""), path);
    snprintf(id, 64, "%s", harness_id(path));
}


const char *
harness_text(const json_t *json, const char *path)
{
    char name[256];

    while (json && *path) {
        size_t len = strcspn(path, ".");

        snprintf(name, sizeof(name), "%.*s", (int) len, path);
        json = json_is_array(json)
            ? json_array_get(json, (size_t) atoi(name))
            : json_object_get(json, name);
        path += len + (path[len] == '.');
    }
    return json_is_string(json) ? json_string_value(json) : "";
}


const char *
harness_format(const char *format, ...)
{
    static char     texts[32][4096];
    static unsigned next;
    char           *text = texts[next++ % 32];
    va_list         arguments;

    va_start(arguments, format);
    assert_true(vsnprintf(text, sizeof(texts[0]), format, arguments)
                < (int) sizeof(texts[0]));
    va_end(arguments);
    return text;
}


long long
harness_event_count(redis_harness_t *harness)
{
    return redis_harness_number(harness, "XLEN scim:{007}:events");
}


const char *
harness_event(redis_harness_t *harness, unsigned from_end, const char *field)
{
    const char *value = "";
    redisReply *fields, *reply = redis_harness_command(harness,
        "XREVRANGE scim:{007}:events + - COUNT %d", (int) from_end + 1);

    assert_true(reply->type == REDIS_REPLY_ARRAY
                && reply->elements == from_end + 1);
    fields = reply->element[from_end]->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (strcmp(fields->element[i]->str, field) == 0) {
            value = harness_format("%s", fields->element[i + 1]->str);
        }
    }
    freeReplyObject(reply);
    return value;
}


long long
harness_command_count(redis_harness_t *harness)
{
    long long   total = 0;
    const char *at;
    redisReply *reply = redis_harness_command(harness, "INFO commandstats");

    for (at = reply->str; (at = strstr(at, "calls=")); at++) {
        total += atoll(at + 6);
    }
    freeReplyObject(reply);
    return total;
}
