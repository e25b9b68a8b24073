#include "scimctl_redis.h"

#include <openssl/rand.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "redis_reply.h"
#include "scim_embedded.h"
#include "scim_json.h"
#include "scim_key.h"
#include "scim_uuid.h"

#define CALL_MAX 24 /* arguments of a function, and before them */


static bool
complain(scimctl_t *ctl, const char *what)
{
    fprintf(stderr, "scimctl: %s: %s\n", what,
        ctl->redis ? ctl->redis->errstr : "no memory");
    return false;
}


static bool
open_redis(scimctl_t *ctl, const char *address)
{
    char        host[256];
    const char *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0) {
        ctl->redis = redisConnectUnix(address + 5);
    } else {
        snprintf(host, sizeof(host), "%.*s",
            colon ? (int) (colon - address) : (int) strlen(address), address);
        ctl->redis = redisConnect(host,
            colon ? (int) strtol(colon + 1, NULL, 10) : 6379);
    }
    return ctl->redis && ctl->redis->err == 0 ? true
                                              : complain(ctl, address);
}


static bool
log_in(scimctl_t *ctl, const char *user, const char *password_file)
{
    bool        ok;
    char        password[512] = "";
    FILE       *in = password_file ? fopen(password_file, "r") : NULL;
    redisReply *reply;

    if (password_file == NULL) {
        return true;
    }
    ok = in && fgets(password, sizeof(password), in);
    if (in) {
        fclose(in);
    }
    if (!ok) {
        fprintf(stderr, "scimctl: %s: no password there\n", password_file);
        return false;
    }
    password[strcspn(password, "\r\n")] = '\0';
    reply = redisCommand(ctl->redis, "AUTH %s %s", user ? user : "default",
        password);
    explicit_bzero(password, sizeof(password));
    ok = reply && reply->type == REDIS_REPLY_STATUS;
    if (!ok) {
        fprintf(stderr, "scimctl: Redis refuses the password\n");
    }
    freeReplyObject(reply);
    return ok;
}


/* Who it is that works here goes into events and the audit. */
static void
name_actor(scimctl_t *ctl)
{
    const struct passwd *login = getpwuid(getuid());

    snprintf(ctl->principal.actor, sizeof(ctl->principal.actor),
        "scimctl%s%.64s", login ? ":" : "", login ? login->pw_name : "");
}


bool
scimctl_connect(scimctl_t *ctl, const char *address, const char *user,
    const char *password_file, const char *workspace)
{
    scim_error_t error = { 0 };

    memset(ctl, 0, sizeof(*ctl));
    if (!open_redis(ctl, address) || !log_in(ctl, user, password_file)) {
        return false;
    }
    ctl->service.schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    if (ctl->service.schemas == NULL) {
        fprintf(stderr, "scimctl: %s\n", error.detail);
        return false;
    }
    ctl->service.base_url = (scim_text_t) { "", 0 };
    ctl->service.body_max = 1 << 24;
    ctl->service.page_size = ctl->service.page_size_max = 100;
    /* whoever reaches Redis may name any host; the sidecar has its own list */
    ctl->service.app_policy.allow_loopback = true;
    ctl->service.app_policy.allow_private = true;
    ctl->service.app_policy.secret_env = "*";
    ctl->service.app_policy.secret_files = "*";
    snprintf(ctl->principal.workspace, sizeof(ctl->principal.workspace), "%s",
        workspace);
    name_actor(ctl);
    ctl->principal.role = SCIM_ROLE_OWNER;
    return true;
}


void
scimctl_close(scimctl_t *ctl)
{
    if (ctl->redis) {
        redisFree(ctl->redis);
    }
    scim_schemas_free((scim_schemas_t *) ctl->service.schemas);
}


bool
scimctl_dataset(scimctl_t *ctl)
{
    char        key[SCIM_KEY_MAX];
    bool        ok = false;
    redisReply *reply;

    scim_key_dataset(key, 0);
    reply = redisCommand(ctl->redis, "HMGET %s id shards", key);
    if (reply == NULL) {
        return complain(ctl, "Redis");
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->str && reply->element[1]->str)
    {
        snprintf(ctl->dataset, sizeof(ctl->dataset), "%s",
            reply->element[0]->str);
        ctl->shard_count = (unsigned) strtoul(reply->element[1]->str, NULL,
            10);
        ok = ctl->shard_count > 0;
    }
    freeReplyObject(reply);
    if (ok) {
        ctl->principal.shard = scim_workspace_shard(ctl->principal.workspace,
            strlen(ctl->principal.workspace), ctl->shard_count);
    } else {
        fprintf(stderr, "scimctl: Redis holds no data set; make one with "
            "scimctl dataset create\n");
    }
    return ok;
}


static redisReply *
call_argv(scimctl_t *ctl, size_t argc, const char **argv,
    const size_t *lengths)
{
    redisReply *load, *reply = redisCommandArgv(ctl->redis, (int) argc, argv,
        lengths);

    if (reply == NULL || reply->type != REDIS_REPLY_ERROR
        || strncmp(reply->str, "ERR Function not found", 22) != 0)
    {
        return reply;
    }
    freeReplyObject(reply);
    load = redisCommand(ctl->redis, "FUNCTION LOAD %b", scim_function_library,
        scim_function_library_len);
    if (load) {
        freeReplyObject(load);
    }
    return redisCommandArgv(ctl->redis, (int) argc, argv, lengths);
}


static bool
create_shard(scimctl_t *ctl, unsigned shard, const char *id, const char *count)
{
    char        key[SCIM_KEY_MAX];
    bool        ok;
    redisReply *reply;
    size_t      lengths[9];
    const char *argv[] = { "FCALL", SCIM_FUNCTION_PREFIX "dataset_create",
                           "1", key, "", "", "0", id, count };

    scim_key_events(key, shard);
    for (int i = 0; i < 9; i++) {
        lengths[i] = strlen(argv[i]);
    }
    reply = call_argv(ctl, 9, argv, lengths);
    if (reply == NULL) {
        return complain(ctl, "Redis");
    }
    ok = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0
        && strcmp(reply->element[0]->str, "OK") == 0;
    if (!ok) {
        fprintf(stderr, "scimctl: shard %u: %s\n", shard,
            reply->type == REDIS_REPLY_ERROR ? reply->str
                                             : "there is a data set already");
    }
    freeReplyObject(reply);
    return ok;
}


bool
scimctl_dataset_create(scimctl_t *ctl, unsigned shard_count)
{
    char          id[SCIM_UUID_LEN + 1], count[16];
    unsigned char random[10];

    if (RAND_bytes(random, sizeof(random)) != 1) {
        fprintf(stderr, "scimctl: no random numbers\n");
        return false;
    }
    scim_uuid_v7(loop_wall(), random, id);
    snprintf(count, sizeof(count), "%u", shard_count);
    /* shard 0 last: until it is there, nobody takes the set for complete */
    for (unsigned i = shard_count; i-- > 0; ) {
        if (!create_shard(ctl, i, id, count)) {
            return false;
        }
    }
    return true;
}


/* ---- functions and commands ---- */

static redisReply *
checked(scimctl_t *ctl, redisReply *reply)
{
    if (reply == NULL) {
        complain(ctl, "Redis");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "scimctl: Redis: %s\n", reply->str);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}


static redisReply *
call_list(scimctl_t *ctl, unsigned shard, const char *workspace,
    bool read_only, const char *function, va_list list)
{
    char        key[SCIM_KEY_MAX], name[96];
    size_t      argc = 7, lengths[CALL_MAX];
    const char *argv[CALL_MAX] = { read_only ? "FCALL_RO" : "FCALL", name,
        "1", key, workspace, ctl->dataset, "0" };

    snprintf(name, sizeof(name), "%s%s", SCIM_FUNCTION_PREFIX, function);
    scim_key_events(key, shard);
    while (argc < CALL_MAX
           && (argv[argc] = va_arg(list, const char *)) != NULL)
    {
        argc++;
    }
    for (size_t i = 0; i < argc; i++) {
        lengths[i] = strlen(argv[i]);
    }
    return checked(ctl, call_argv(ctl, argc, argv, lengths));
}


redisReply *
scimctl_call(scimctl_t *ctl, bool read_only, const char *function, ...)
{
    va_list     list;
    redisReply *reply;

    va_start(list, function);
    reply = call_list(ctl, ctl->principal.shard, ctl->principal.workspace,
        read_only, function, list);
    va_end(list);
    return reply;
}


redisReply *
scimctl_call_shard(scimctl_t *ctl, unsigned shard, bool read_only,
    const char *function, ...)
{
    va_list     list;
    redisReply *reply;

    va_start(list, function);
    reply = call_list(ctl, shard, "", read_only, function, list);
    va_end(list);
    return reply;
}


redisReply *
scimctl_command(scimctl_t *ctl, const char *format, ...)
{
    va_list     list;
    redisReply *reply;

    va_start(list, format);
    reply = redisvCommand(ctl->redis, format, list);
    va_end(list);
    return checked(ctl, reply);
}


/* ---- one operation ---- */

/* Sends one command, and hands its reply over. */
static bool
exchange(scimctl_t *ctl, scim_operation_t *operation, scim_command_t *command,
    scim_step_t *step)
{
    bool         ok;
    redisReply  *reply = call_argv(ctl, command->argc, command->argv,
        command->argv_len);
    scim_reply_t converted;

    if (reply == NULL) {
        return complain(ctl, "Redis");
    }
    ok = redis_reply_convert(reply, &converted);
    if (ok) {
        *step = scim_operation_reply(operation, command, &converted);
    } else {
        fprintf(stderr, "scimctl: unexpected answer of Redis\n");
    }
    redis_reply_clear(&converted);
    freeReplyObject(reply);
    return ok;
}


/* One command at a time: nobody else waits for this process. */
static bool
run(scimctl_t *ctl, scim_operation_t *operation)
{
    scim_step_t     step = scim_operation_start(operation);
    scim_command_t *command;

    while (step != SCIM_STEP_DONE) {
        command = scim_operation_command(operation);
        if (command == NULL) {
            step = scim_operation_continue(operation);
        } else if (!exchange(ctl, operation, command, &step)) {
            return false;
        }
    }
    return true;
}


/*
 * Runs one request; the HTTP status, 0 when Redis failed.  *answer is the
 * body, or NULL.
 */
static int
run_request(scimctl_t *ctl, scim_request_t *request, bool admin,
    json_t **answer)
{
    int               status = 0;
    scim_operation_t *operation = NULL;

    *answer = NULL;
    request->transaction = (scim_text_t) { "scimctl", 7 };
    request->dataset = (scim_text_t) { ctl->dataset, strlen(ctl->dataset) };
    request->now = loop_wall();
    if (RAND_bytes(request->random, sizeof(request->random)) == 1) {
        operation = (admin ? scim_admin_operation_new : scim_operation_new)(
            &ctl->service, request);
    }
    if (operation && run(ctl, operation)) {
        status = operation->response.status;
        if (operation->response.body.len) {
            *answer = scim_json_read(operation->response.body.data,
                operation->response.body.len, &scim_json_stored_limits, NULL);
        }
    }
    scim_operation_free(operation);
    return status;
}


int
scimctl_request(scimctl_t *ctl, scim_method_t method, const char *path,
    const char *query, const json_t *body, json_t **answer)
{
    int            status;
    scim_buffer_t  text;
    scim_request_t request;

    memset(&request, 0, sizeof(request));
    scim_buffer_init(&text, 1 << 24);
    if (body) {
        scim_json_write(body, &text);
        request.body = (scim_text_t) { text.data, text.len };
        request.content_type = (scim_text_t) { "application/json", 16 };
    }
    request.method = method;
    request.path = (scim_text_t) { path, strlen(path) };
    request.query = (scim_text_t) { query, strlen(query) };
    request.principal = &ctl->principal;
    status = run_request(ctl, &request, true, answer);
    scim_buffer_free(&text);
    return status;
}


/* userName eq "...", as a query; everything but letters is escaped */
static void
user_query(const char *user_name, char *query, size_t size)
{
    size_t len = (size_t) snprintf(query, size,
        "attributes=id&filter=userName%%20eq%%20%%22");

    for (const char *p = user_name; *p && len + 16 < size; p++) {
        if (*p == '"' || *p == '\\') {
            len += (size_t) snprintf(query + len, size - len, "%%5C");
        }
        len += (size_t) snprintf(query + len, size - len, "%%%02X",
            (unsigned char) *p);
    }
    snprintf(query + len, size - len, "%%22");
}


int
scimctl_find_user(scimctl_t *ctl, const char *user_name, char *id, size_t size)
{
    int              status;
    char             query[2048];
    json_t          *answer;
    const char      *found;
    scim_request_t   request;
    scim_principal_t principal = ctl->principal;

    memset(&request, 0, sizeof(request));
    principal.role = SCIM_ROLE_SCIM;
    user_query(user_name, query, sizeof(query));
    request.path = (scim_text_t) { "/Users", 6 };
    request.query = (scim_text_t) { query, strlen(query) };
    request.principal = &principal;
    status = run_request(ctl, &request, false, &answer);
    found = json_string_value(json_object_get(json_array_get(
        json_object_get(answer, "Resources"), 0), "id"));
    if (status != 200) {
        fprintf(stderr, "scimctl: users cannot be looked up (%d)\n", status);
    } else if (found == NULL) {
        status = 404;
    } else {
        snprintf(id, size, "%s", found);
    }
    json_decref(answer);
    return status;
}
