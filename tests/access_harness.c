#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"
#include "scim_embedded.h"

#define ARGUMENTS_MAX 400
#define PREFIX        "scim:{007}:" HARNESS_WORKSPACE ":"

typedef struct {
    const char *argv[ARGUMENTS_MAX];
    int         argc;
    char        name[64];
} arguments_t;


void
access_app(redis_harness_t *harness, const char *more, char id[64])
{
    json_t *json = harness_ask(harness, 201, SCIM_METHOD_POST,
        "/admin/v1/apps", NULL, harness_format("{\"name\":\"A\","
        "\"accessRoles\":[\"viewer\",\"editor\"],\"defaultAccessRole\":"
        "\"viewer\",\"settleSeconds\":0,\"connector\":{\"type\":\"http\","
        "\"baseUrl\":\"https://app.example.com\",\"invite\":{\"method\":"
        "\"POST\",\"path\":\"/m/${user.id}\"},"
        "\"remove\":{\"method\":\"DELETE\",\"path\":\"/m/${member.id}\"}}%s}",
        more));

    snprintf(id, 64, "%s", harness_text(json, "id"));
    json_decref(json);
}


void
access_user(redis_harness_t *harness, const char *name, char id[64])
{
    harness_user(harness, harness_format("%s@example.com", name), id);
}


void
access_set_active(redis_harness_t *harness, const char *user, bool active)
{
    json_decref(harness_ask(harness, 200, SCIM_METHOD_PATCH,
        harness_format("/Users/%s", user), NULL, harness_format(
        "{\"Operations\":[{\"op\":\"replace\",\"value\":{\"active\":%s}}]}",
        active ? "true" : "false")));
}


static const char *
share_path(const char *app, const char *user)
{
    return harness_format("/admin/v1/apps/%s/shares/users/%s", app, user);
}


void
access_share(redis_harness_t *harness, const char *app, const char *user,
    const char *role)
{
    json_decref(harness_ask(harness, 204, SCIM_METHOD_PUT,
        share_path(app, user), NULL, harness_format("{\"role\":\"%s\"}",
        role)));
}


void
access_unshare(redis_harness_t *harness, const char *app, const char *user)
{
    json_decref(harness_ask(harness, 204, SCIM_METHOD_DELETE,
        share_path(app, user), NULL, NULL));
}


void
access_connect(redis_harness_t *harness, const char *app, const char *user,
    const char *role)
{
    access_share(harness, app, user, role);
    access_plan(harness, user);
    access_finish(harness, app, user, "done", "0");
}


static void
add(arguments_t *arguments, const char *text)
{
    assert_true(arguments->argc < ARGUMENTS_MAX);
    arguments->argv[arguments->argc++] = text;
}


static void
start(redis_harness_t *harness, arguments_t *arguments, const char *function)
{
    snprintf(arguments->name, sizeof(arguments->name), "%s%s",
        SCIM_FUNCTION_PREFIX, function);
    arguments->argc = 0;
    add(arguments, "FCALL");
    add(arguments, arguments->name);
    add(arguments, "1");
    add(arguments, "scim:{007}:events");
    add(arguments, HARNESS_WORKSPACE);
    add(arguments, harness->dataset);
    add(arguments, "0");
}


static redisReply *
send(redis_harness_t *harness, const arguments_t *arguments)
{
    redisReply *reply = redisCommandArgv(harness->redis, arguments->argc,
        (const char **) arguments->argv, NULL);

    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_ARRAY) {
        fail_msg("%s: %s", arguments->name, reply->str ? reply->str : "?");
    }
    return reply;
}


static redisReply *
call(redis_harness_t *harness, const char *function, va_list list)
{
    const char *text;
    arguments_t arguments;

    start(harness, &arguments, function);
    while ((text = va_arg(list, const char *)) != NULL) {
        add(&arguments, text);
    }
    return send(harness, &arguments);
}


redisReply *
access_call(redis_harness_t *harness, const char *function, ...)
{
    va_list     list;
    redisReply *reply;

    va_start(list, function);
    reply = call(harness, function, list);
    va_end(list);
    return reply;
}


void
access_expect(redis_harness_t *harness, const char *code,
    const char *function, ...)
{
    va_list     list;
    redisReply *reply;

    va_start(list, function);
    reply = call(harness, function, list);
    va_end(list);
    assert_string_equal(redis_reply_code(reply), code);
    freeReplyObject(reply);
}


facts_t *
access_facts(redis_harness_t *harness, const char *user)
{
    facts_t            *facts;
    redisReply         *reply = access_call(harness, "facts", user, NULL);
    static app_cache_t *apps; /* as long as the program */

    if (apps == NULL) {
        apps = app_cache_new();
        assert_non_null(apps);
    }
    assert_string_equal(redis_reply_code(reply), "OK");
    facts = facts_read(reply, apps);
    assert_non_null(facts);
    freeReplyObject(reply);
    return facts;
}


static void
add_change(arguments_t *arguments, const plan_change_t *change,
    const char *first, size_t i)
{
    static const char *const actions[] = { "keep", "new", "manual", "drop" };
    static const char *const guards[] = { "", "loss", "leaver" };

    add(arguments, change->app);
    add(arguments, grant_state_name(change->state));
    add(arguments, change->owner ? "owner" : "collaborator");
    add(arguments, change->access_role);
    add(arguments, change->sources);
    add(arguments, change->email);
    add(arguments, change->user_name);
    add(arguments, change->lost_at ? harness_format("%lld",
        (long long) change->lost_at) : "");
    add(arguments, grant_state_name(change->before));
    add(arguments, change->replan ? "1" : "");
    add(arguments, change->kept);
    add(arguments, guards[change->guard]);
    add(arguments, actions[change->action]);
    add(arguments, harness_format("%s-%zu", first, i));
    add(arguments, change->kind);
    add(arguments, change->unknown ? "1" : "0");
    add(arguments, change->why);
    add(arguments, change->share);
    add(arguments, harness_format("code-%s-%zu", first, i));
    add(arguments, harness_format("hash-%s-%zu", first, i));
    add(arguments, harness_format("%lld", (long long) change->reminded_at));
    add(arguments, harness_format("%lld", change->reminded));
    add(arguments, harness_format("%lld", change->reinvited));
}


/* Every new task is the owner's at once; NULL = nobody's. */
static void
add_claims(arguments_t *arguments, const plan_t *plan, const char *owner)
{
    if (owner) {
        add(arguments, owner);
        add(arguments, "30000");
    }
    for (size_t i = 0; owner && i < plan->count; i++) {
        if (plan->changes[i].action == TASK_NEW) {
            add(arguments, harness_format("%zu", i + 1));
        }
    }
}


redisReply *
access_commit_for(redis_harness_t *harness, const char *user,
    const facts_t *facts, const char *first, const char *owner)
{
    plan_t      plan;
    redisReply *reply;
    arguments_t arguments;

    plan_make(&facts->plan, &plan);
    assert_false(plan.failed);
    assert_true(plan.count <= 4); /* harness_format() keeps 32 texts */
    start(harness, &arguments, "plan_commit");
    add(&arguments, user);
    add(&arguments, "0");
    add(&arguments, facts->digest);
    add(&arguments, "0");
    add(&arguments, "sidecar");
    add(&arguments, "");
    add(&arguments, harness_format("%zu", plan.count));
    for (size_t i = 0; i < plan.count; i++) {
        add_change(&arguments, &plan.changes[i], first, i);
    }
    add_claims(&arguments, &plan, owner);
    reply = send(harness, &arguments);
    plan_free(&plan);
    return reply;
}


redisReply *
access_commit(redis_harness_t *harness, const char *user,
    const facts_t *facts, const char *first)
{
    return access_commit_for(harness, user, facts, first, NULL);
}


void
access_plan(redis_harness_t *harness, const char *user)
{
    static unsigned number;
    char            first[32];
    facts_t        *facts;
    redisReply     *reply;

    access_expect(harness, "OK", "user_sync", "10000", user, NULL);
    snprintf(first, sizeof(first), "task%u", ++number);
    facts = access_facts(harness, user);
    reply = access_commit(harness, user, facts, first);
    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    facts_free(facts);
}


static const char *
field_of(redis_harness_t *harness, const char *key, const char *field)
{
    const char *text;
    redisReply *reply = redis_harness_command(harness, "HGET %s %s", key,
        field);

    text = harness_format("%s", reply->str ? reply->str : "");
    freeReplyObject(reply);
    return text;
}


const char *
access_grant(redis_harness_t *harness, const char *app, const char *user,
    const char *field)
{
    char key[256];

    snprintf(key, sizeof(key), PREFIX "grant:%s:%s", app, user);
    return field_of(harness, key, field);
}


const char *
access_task(redis_harness_t *harness, const char *app, const char *user,
    const char *field)
{
    char key[256];

    snprintf(key, sizeof(key), PREFIX "task:%s", access_grant(harness, app,
        user, "task"));
    return field_of(harness, key, field);
}


void
access_finish(redis_harness_t *harness, const char *app, const char *user,
    const char *state, const char *unknown)
{
    char task[64], role[64];

    snprintf(task, sizeof(task), "%s", access_grant(harness, app, user,
        "task"));
    snprintf(role, sizeof(role), "%s", access_grant(harness, app, user,
        "accessRole"));
    access_expect(harness, "OK", "task_claim", task, "one", "30000", NULL);
    access_expect(harness, "OK", "task_finish", task, "one",
        access_task(harness, app, user, "attempts"), state, "1000", unknown,
        strcmp(state, "done") == 0 ? harness_format("m-%s", user) : "", role,
        "the app said so", "sidecar", "200", "", NULL);
}
