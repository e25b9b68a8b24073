#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "scim_json.h"
#include "scim_text.h"

#define PAGE         500  /* users that are marked at once */
#define DEAD_WORDS   20 /* of the command that sets an event aside */
#define CAUSE_LINE_MAX 100
#define CAUSE_MAX    (8 * (CAUSE_LINE_MAX + 1) + 1)

/*
 * One event, from its entry in the stream to the commit of the last step that
 * it asked for.
 */
typedef struct {
    engine_t    *engine;
    event_job_pt done;
    void        *data;
    unsigned     shard;
    char         stream_id[48];
    char         workspace[64];
    char         id[SCIM_KEY_MAX];
    char         cause[CAUSE_MAX];
    char         after[SCIM_KEY_MAX]; /* page position */
    char         kind[12];            /* of a mark: team, app, hold */
    char         app[ENGINE_ID_MAX];  /* that a mark's people may lose */
    unsigned     steps;               /* replies to come */
    bool         failed;
} event_t;


static void
event_step_done(event_t *event, bool ok)
{
    event->failed = event->failed || !ok;
    if (--event->steps == 0) {
        event->done(event->data, event->shard, event->stream_id,
            !event->failed);
        free(event);
    }
}


/* ---- the steps ---- */

/* Users that a function marked dirty and leased to us: OK lease user... */
static void
on_marked(void *data, const redisReply *reply)
{
    event_t  *event = data;
    engine_t *engine = event->engine;
    bool      ok = redis_reply_ok(reply);

    for (size_t i = 2; ok && i < reply->elements; i++) {
        plan_job_start(engine, event->shard, event->workspace,
            redis_reply_text(reply, i), redis_reply_number(reply, 1));
    }
    event_step_done(event, ok);
}


static void
send_step(event_t *event, redis_call_t *call, redis_reply_pt reply)
{
    event->steps++;
    if (!redis_call_send(call, event->engine->redis, reply, event)) {
        event_step_done(event, false);
    }
}


static void
begin(event_t *event, redis_call_t *call, const char *function,
    bool read_only)
{
    redis_call_begin(call, function, read_only, event->shard,
        event->workspace, event->engine->dataset);
    redis_call_because(call, event->cause);
}


static void
sync_user(event_t *event)
{
    redis_call_t call;

    begin(event, &call, "user_sync", false);
    redis_call_number(&call, ENGINE_DIRTY_LEASE);
    redis_call_text(&call, event->id);
    send_step(event, &call, on_marked);
}


static void
mark_user(event_t *event, const char *user)
{
    redis_call_t call;

    begin(event, &call, "mark_user", false);
    redis_call_number(&call, ENGINE_DIRTY_LEASE);
    redis_call_text(&call, user);
    send_step(event, &call, on_marked);
}


/* ---- everybody of a team, everybody with a grant of an app ---- */

static void mark_page(event_t *event);


static void
on_mark_page(void *data, const redisReply *reply)
{
    event_t *event = data;
    bool     ok = redis_reply_ok(reply);

    if (ok && redis_reply_number(reply, 2) > 0) {
        engine_wake_dirty(event->engine, event->shard, 0);
        scim_text_copy(event->after, sizeof(event->after),
            redis_reply_text(reply, 1));
        if (redis_reply_number(reply, 2) == PAGE) {
            mark_page(event);
        }
    }
    event_step_done(event, ok);
}


static void
mark_page(event_t *event)
{
    redis_call_t call;

    begin(event, &call, "mark", false);
    redis_call_text(&call, event->kind);
    redis_call_text(&call, event->id);
    redis_call_text(&call, event->after);
    redis_call_number(&call, PAGE);
    redis_call_text(&call, event->app);
    send_step(event, &call, on_mark_page);
}


static void
mark_all(event_t *event, const char *kind, const char *id)
{
    /* `id` may be the event's own */
    if (id != event->id) {
        scim_text_copy(event->id, sizeof(event->id), id);
    }
    scim_text_copy(event->kind, sizeof(event->kind), kind);
    mark_page(event);
}


/* ---- everything once more ---- */

static void resync_page(event_t *event, const char *step);


static void
on_resynced(void *data, const redisReply *reply)
{
    event_t *event = data;
    bool     ok = redis_reply_ok(reply);

    if (ok && *redis_reply_text(reply, 1)) {
        scim_text_copy(event->after, sizeof(event->after),
            redis_reply_text(reply, 2));
        resync_page(event, redis_reply_text(reply, 1));
    } else if (ok) {
        engine_wake_dirty(event->engine, event->shard, 0);
        log_info("workspace %s: teams and grants were looked at once more",
            event->workspace);
    }
    event_step_done(event, ok);
}


static void
resync_page(event_t *event, const char *step)
{
    redis_call_t call;

    begin(event, &call, "resync_page", false);
    redis_call_text(&call, step);
    redis_call_text(&call, event->after);
    send_step(event, &call, on_resynced);
}


/* ---- what an event makes us look at ---- */

static void
on_team_job(void *data, bool ok)
{
    event_step_done(data, ok);
}


static void
sync_group(event_t *event, const json_t *members, bool whole)
{
    event->steps++;
    team_job_start(event->engine, event->shard, event->workspace,
        event->id, event->cause, members, whole, on_team_job, event);
}


static void
on_group(event_t *event, const char *op, const json_t *data)
{
    const json_t *members = json_object_get(data, "members");

    sync_group(event, members, strcmp(op, "group.deleted") == 0
        || json_is_true(json_object_get(members, "all")));
}


static void
on_async_job(void *data, bool ok)
{
    event_step_done(data, ok);
}


static void
execute(event_t *event)
{
    event->steps++;
    async_job_start(event->engine, event->shard, event->workspace,
        event->id, on_async_job, event);
}


static void
on_share(event_t *event, const char *op, const json_t *data)
{
    const char *subject =
        json_string_value(json_object_get(data, "subject"));

    if (strcmp(op, "share.deleted") == 0) {
        snprintf(event->app, sizeof(event->app), "%.39s", event->id);
    }
    if (subject && strncmp(subject, "team:", 5) == 0) {
        mark_all(event, "team", subject + 5);
    } else if (subject && strncmp(subject, "user:", 5) == 0) {
        mark_user(event, subject + 5);
    }
}


static void
on_users(event_t *event, const json_t *users)
{
    for (size_t i = 0; i < json_array_size(users); i++) {
        const char *user = json_string_value(json_array_get(users, i));

        if (user) {
            mark_user(event, user);
        }
    }
}


static void
act(event_t *event, const char *op, const json_t *data)
{
    if (strncmp(op, "user.", 5) == 0) {
        event->engine->shards[event->shard].leavers = true;
        sync_user(event);
    } else if (strncmp(op, "group.", 6) == 0) {
        on_group(event, op, data);
    } else if (strncmp(op, "share.", 6) == 0) {
        on_share(event, op, data);
    } else if (strncmp(op, "app.", 4) == 0) {
        mark_all(event, "app", event->id);
        engine_wake_due(event->engine, event->shard, 0);
    } else if (strncmp(op, "hold.", 5) == 0) {
        mark_all(event, "hold", event->id);
    } else if (strncmp(op, "team.", 5) == 0) {
        on_users(event, json_object_get(data, "users"));
    } else if (strncmp(op, "check.", 6) == 0) {
        checks_look(event->engine, event->shard);
        engine_wake_due(event->engine, event->shard, 0);
        engine_wake_dirty(event->engine, event->shard, 0);
    } else if (strcmp(op, "dry_run.requested") == 0) {
        dry_runs_look(event->engine, event->shard);
    } else if (strcmp(op, "async.requested") == 0) {
        execute(event);
    } else if (strcmp(op, "async.completed") == 0) {
        /* for those who are told of it */
    } else if (strncmp(op, "webhook.", 8) == 0) {
        webhooks_look(event->engine, event->shard);
    } else if (strcmp(op, "task.retry") == 0
        || strcmp(op, "invite.resend") == 0)
    {
        engine_wake_due(event->engine, event->shard, 0);
        engine_wake_dirty(event->engine, event->shard, 0);
    } else if (strcmp(op, "resync") == 0) {
        /* `id` is a group, a user or a workspace; `type` says which */
        if (strcmp(event->kind, "workspace") == 0) {
            resync_page(event, "");
        } else if (strcmp(event->kind, "group") == 0) {
            sync_group(event, NULL, true);
        } else {
            sync_user(event);
        }
    } else {
        /* of a newer version of us: kept for it */
        log_error("event %s: unknown op, left pending", event->stream_id);
        event->failed = true;
    }
}


/* ---- from the entry ---- */

static const char *
field(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (strcmp(redis_reply_text(fields, i), name) == 0) {
            return redis_reply_text(fields, i + 1);
        }
    }
    return "";
}


static void
on_buried(void *data, const redisReply *reply)
{
    event_t *event = data;
    bool     ok = reply && reply->type != REDIS_REPLY_ERROR;

    if (!ok) {
        log_error("event %s could not be set aside, left pending",
            event->stream_id);
    }
    event_step_done(event, ok);
}


/* What cannot be understood is set aside, so that the others flow. */
static void
bury(event_t *event, const redisReply *fields)
{
    char         key[64];
    const char  *argv[DEAD_WORDS] = { "XADD", key, "MAXLEN", "~", "10000",
        "*", "id", event->stream_id, "ws", event->workspace };
    size_t       lengths[DEAD_WORDS], count = 10;
    static const char *const kept[] = { "op", "type", "v", "data" };

    for (size_t i = 0; fields && i < 4; i++) { /* to be replayed one day */
        argv[count++] = kept[i];
        argv[count++] = field(fields, kept[i]);
    }
    if (fields) {
        argv[count++] = "about";
        argv[count++] = field(fields, "id");
    }

    log_error("event %s of shard %u cannot be understood: set aside",
        event->stream_id, event->shard);
    snprintf(key, sizeof(key), "scim:{%03u}:dead", event->shard % 1000);
    for (size_t i = 0; i < count; i++) {
        lengths[i] = strlen(argv[i]);
    }
    event->steps++;
    if (!redis_client_send(event->engine->redis, (int) count, argv, lengths,
        on_buried, event))
    {
        event_step_done(event, false);
    }
}


/* Control bytes would end a line of the cause. */
static void
append_line(char *cause, const char *text)
{
    size_t len = strlen(cause);

    for (int i = 0; text[i] && i < CAUSE_LINE_MAX; i++) {
        cause[len++] = (unsigned char) text[i] < 0x20 ? ' ' : text[i];
    }
    cause[len++] = '\n';
    cause[len] = '\0';
}


/*
 * What the functions note beside the people whom they mark, as lines: id, op,
 * resource, txn, weak, app, share, actor.  Weak is a change of a person that
 * says nothing of their access.
 */
static void
describe_cause(event_t *event, const redisReply *fields, const char *op,
    const json_t *data)
{
    char resource[SCIM_KEY_MAX + sizeof(event->kind)];
    bool weak = strncmp(op, "user.", 5) == 0
        && strcmp(op, "user.created") != 0 && strcmp(op, "user.deleted") != 0
        && json_object_get(data, "active") == NULL;
    bool of_app = strncmp(op, "app.", 4) == 0 || strncmp(op, "share.", 6) == 0;

    snprintf(resource, sizeof(resource), "%.11s:%s", of_app ? "app"
        : event->kind, event->id);
    event->cause[0] = '\0';
    append_line(event->cause, event->stream_id);
    append_line(event->cause, op);
    append_line(event->cause, resource);
    append_line(event->cause, field(fields, "txn"));
    append_line(event->cause, weak ? "1" : "");
    append_line(event->cause, of_app ? event->id : "");
    append_line(event->cause, "");
    append_line(event->cause, field(fields, "actor"));
    event->cause[strlen(event->cause) - 1] = '\0';
}


/* Reads what the entry says of itself; NULL when that is not an event. */
static json_t *
read_event(event_t *event, const redisReply *fields)
{
    const char *op = field(fields, "op"), *text = field(fields, "data");
    json_t     *data = scim_json_read(text, strlen(text),
        &scim_json_stored_limits, NULL);

    scim_text_copy(event->workspace, sizeof(event->workspace), field(fields,
        "ws"));
    scim_text_copy(event->id, sizeof(event->id), field(fields, "id"));
    scim_text_copy(event->kind, sizeof(event->kind), field(fields, "type"));
    /* a create that failed made nothing that had an id */
    if (*op && (event->id[0] || strcmp(op, "async.completed") == 0)
        && json_is_object(data)
        && scim_workspace_valid(event->workspace, strlen(event->workspace)))
    {
        return data;
    }
    json_decref(data);
    return NULL;
}


bool
event_job_start(engine_t *engine, unsigned shard, const redisReply *entry,
    event_job_pt done, void *data)
{
    json_t           *about = NULL;
    event_t          *event = calloc(1, sizeof(*event));
    const redisReply *fields = entry->elements > 1 ? entry->element[1] : NULL;

    if (event == NULL) {
        return false;
    }
    event->engine = engine;
    event->done = done;
    event->data = data;
    event->shard = shard;
    event->steps = 1; /* held until every step was asked for */
    scim_text_copy(event->stream_id, sizeof(event->stream_id),
        redis_reply_text(entry, 0));
    if (fields && fields->type != REDIS_REPLY_ARRAY) {
        fields = NULL; /* trimmed while pending: nothing is left of it */
    }
    if (fields) {
        about = read_event(event, fields);
    }
    if (about) {
        describe_cause(event, fields, field(fields, "op"), about);
        act(event, field(fields, "op"), about);
        json_decref(about);
    } else {
        bury(event, fields);
    }
    event_step_done(event, true);
    return true;
}
