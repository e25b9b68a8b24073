#include "task_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_cache.h"
#include "log.h"
#include "scim_text.h"


static bool
read_kind(const char *word, task_kind_t *kind)
{
    static const char *const words[] = { "invite", "role", "remove",
                                         "remind" };

    for (int i = 0; i < 4; i++) {
        if (strcmp(words[i], word) == 0) {
            *kind = (task_kind_t) i;
            return true;
        }
    }
    return false;
}


/* The address that was invited is the one to take back. */
static void
remember_address(task_run_t *run)
{
    const char *email = run->texts[GRANT_FIELD_EMAIL];
    const char *name = run->texts[GRANT_FIELD_USER_NAME];

    if (*email && run->kind != TASK_INVITE) {
        scim_text_copy(run->person.email, sizeof(run->person.email), email);
    }
    if (*name && run->kind != TASK_INVITE) {
        scim_text_copy(run->person.user_name, sizeof(run->person.user_name),
            name);
    }
}


static void
fill_join_url(task_run_t *run)
{
    const char *base = run->queue->dispatch->engine->conf->join_base_url;
    const char *code = run->texts[GRANT_FIELD_CODE];

    if (*base && *code) {
        snprintf(run->join_url, sizeof(run->join_url), "%s/%s", base, code);
    }
}


/*
 * Is it the invite that is to go, and not the person?  One that ran out; or
 * one with a former role, of somebody whose role can be changed if they are a
 * member by now.  Who is not wanted any more is removed whatever they are.
 */
static bool
is_withdrawal(const task_run_t *run)
{
    const char *before = run->texts[GRANT_FIELD_BEFORE];
    bool        follows = strcmp(run->texts[GRANT_FIELD_REPLAN], "1") == 0;
    bool        changes = json_object_get(run->app->connector, "role")
        || json_object_get(run->app->connector, "assign");

    return strcmp(run->texts[GRANT_FIELD_SOURCES], "[]") != 0
        && (strcmp(before, "expired") == 0
            || (strcmp(before, "invited") == 0 && follows && changes));
}


static void
fill_call(task_run_t *run, const redisReply *reply)
{
    const char       *state = run->texts[GRANT_FIELD_STATE];
    const char       *before = run->texts[GRANT_FIELD_BEFORE];
    connector_task_t *call = &run->call;

    scim_text_copy(run->user, sizeof(run->user), redis_reply_text(reply, 5));
    call->key = run->task;
    call->kind = run->kind;
    call->attempt = run->attempt;
    call->looks = (unsigned) redis_reply_number(reply,
        9 + GRANT_FIELD_COUNT);
    call->unknown = strcmp(redis_reply_text(reply, 1), "1") == 0;
    if (strcmp(state, "removing") == 0) {
        state = before;
        call->withdraw = is_withdrawal(run);
    }
    call->accepted = strcmp(state, "accepted") == 0
        || strcmp(state, "connected") == 0;
    call->app = run->app;
    call->workspace = run->queue->workspace;
    call->user.id = run->user;
    call->user.email = run->person.email;
    call->user.user_name = run->person.user_name;
    call->user.display_name = run->person.display_name;
    call->user.given_name = run->person.given_name;
    call->user.family_name = run->person.family_name;
    call->grant.role = run->texts[GRANT_FIELD_ROLE];
    call->grant.access_role = run->texts[GRANT_FIELD_ACCESS_ROLE];
    call->member_id = run->texts[GRANT_FIELD_MEMBER_ID];
    fill_join_url(run);
    call->join_url = run->join_url;
}


/* The reply ends before the call does: its texts are copied. */
static bool
copy_grant(task_run_t *run, const redisReply *reply)
{
    size_t size = 0;
    char  *at;

    for (size_t i = 0; i < GRANT_FIELD_COUNT; i++) {
        size += strlen(redis_reply_text(reply, 8 + i)) + 1;
    }
    run->grant = at = malloc(size);
    for (size_t i = 0; at && i < GRANT_FIELD_COUNT; i++) {
        run->texts[i] = at;
        at = stpcpy(at, redis_reply_text(reply, 8 + i)) + 1;
    }
    return at != NULL;
}


static bool
read_claim(task_run_t *run, const redisReply *reply)
{
    const redisReply *app, *user;

    if (reply->elements < 8 + GRANT_FIELD_COUNT
        || !read_kind(redis_reply_text(reply, 3), &run->kind))
    {
        return false;
    }
    app = reply->element[6];
    user = reply->element[7];
    if (app->type == REDIS_REPLY_STRING) {
        run->app = app_cache_read(run->queue->dispatch->engine->apps,
            app->str, (size_t) app->len);
    }
    if (run->app == NULL) {
        return false; /* deleted: the planner ends the grant */
    }
    run->attempt = (unsigned) redis_reply_number(reply, 2);
    person_read(user->str ? user->str : "", (size_t) user->len,
        &run->person);
    if (!copy_grant(run, reply)) {
        return false;
    }
    run->excused = (unsigned) redis_reply_number(reply,
        8 + GRANT_FIELD_COUNT);
    remember_address(run);
    fill_call(run, reply);
    return true;
}


/* Not now: the app takes no call, or this task is not its next one. */
static void
claim_refused(task_run_t *run, const redisReply *reply)
{
    queue_t *queue = run->queue;

    queue->claiming--;
    if (reply && strcmp(redis_reply_code(reply), "WAIT") == 0) {
        dispatch_refused(queue, run->shard, run->task, run->removal,
            redis_reply_number(reply, 1));
    }
    task_run_end(run);
}


void
task_run_claimed(task_run_t *run, const redisReply *reply)
{
    queue_t  *queue = run->queue;
    engine_t *engine = queue->dispatch->engine;

    if (!redis_reply_ok(reply)) {
        claim_refused(run, reply);
        return;
    }
    dispatch_started(queue);
    if (!read_claim(run, reply)) {
        task_run_end(run);
        return;
    }
    queue->concurrency = run->app->limits.concurrency;
    loop_timer_arm(run->timer, TASK_RENEW_PERIOD);
    if (!connector_run(engine->connectors, &run->call, task_run_outcome, run)) {
        log_error("task %s: no memory for its call", run->task);
        task_run_end(run);
    }
}


static void
on_claimed(void *data, const redisReply *reply)
{
    task_run_claimed(data, reply);
}


static void
enlist(task_run_t *run)
{
    dispatch_t *dispatch = run->queue->dispatch;

    run->older = dispatch->runs;
    if (run->older) {
        run->older->newer = run;
    }
    dispatch->runs = run;
}


task_run_t *
task_run_new(queue_t *queue, const item_t *item)
{
    task_run_t *run = calloc(1, sizeof(*run));

    if (run) {
        run->timer = loop_timer_new(queue->dispatch->engine->loop,
            task_run_timer, run);
    }
    if (run == NULL || run->timer == NULL) {
        free(run);
        return NULL;
    }
    run->queue = queue;
    run->shard = item->shard;
    run->removal = item->removal;
    scim_text_copy(run->task, sizeof(run->task), item->task);
    enlist(run);
    return run;
}


bool
task_run_start(queue_t *queue, const item_t *item)
{
    task_run_t  *run = task_run_new(queue, item);
    engine_t    *engine = queue->dispatch->engine;
    redis_call_t call;

    if (run == NULL) {
        return false;
    }
    redis_call_begin(&call, "task_claim", false, run->shard,
        queue->workspace, engine->dataset);
    redis_call_text(&call, run->task);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, ENGINE_TASK_LEASE);
    if (!redis_call_send(&call, engine->redis, on_claimed, run)) {
        task_run_free(run);
        return false;
    }
    return true;
}
