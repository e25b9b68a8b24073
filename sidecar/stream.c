#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "scim_json.h"

#define READ_COUNT   "256"
#define BLOCK_MS     "4000"
#define PAGE         500  /* users that are marked at once */
#define STALE_MS     "60000"
/*
 * Acknowledgements wait for others: sent at once, each would put a sync of
 * Redis' log before the next step of the very person the event is about.
 */
#define ACK_AFTER_MS 20
#define ID_LEN       40
#define DEAD_WORDS   20 /* of the command that sets an event aside */
#define CAUSE_LINE_MAX 100
#define CAUSE_MAX    (8 * (CAUSE_LINE_MAX + 1) + 1)

/*
 * One event from its reading to its acknowledgement.  It is acknowledged when
 * the last step that it asked for is committed; a step that failed leaves it
 * pending, to be read again.
 */
typedef struct {
    stream_t *stream;
    unsigned  shard;
    char      stream_id[48];
    char      workspace[64];
    char      id[SCIM_KEY_MAX];
    char      cause[CAUSE_MAX];
    char      after[SCIM_KEY_MAX]; /* page position */
    char      kind[12];            /* of a mark: team, app, hold */
    char      app[ENGINE_ID_MAX];  /* that a mark's people may lose */
    unsigned  steps;               /* replies to come */
    bool      failed;
} event_t;

struct stream_s {
    engine_t       *engine;
    redis_client_t *reader;
    redis_address_t address;
    loop_timer_t   *ack_timer;
    loop_timer_t   *claim_timer;
    char          (*acks)[48]; /* ids to acknowledge, with their shards */
    unsigned       *ack_shards;
    unsigned        ack_count;
    unsigned        ack_size;
    unsigned        busy;    /* events under way */
    bool            reading; /* an XREADGROUP is on its way */
    bool            own;     /* reading what was ours before: ids, not ">" */
    char          (*own_from)[48];
    bool            started;
};

static void read_more(stream_t *stream);
static void event_step_done(event_t *event, bool ok);


/* ---- acknowledging ---- */

static void
on_acked(void *data, const redisReply *reply)
{
    (void) data;
    if (!redis_reply_ok(reply)) {
        log_error("acknowledging events failed; they will be read again");
    }
}


static void
ack_shard(stream_t *stream, unsigned shard)
{
    char         count_text[24];
    unsigned     count = 0;
    redis_call_t call;

    for (unsigned i = 0; i < stream->ack_count; i++) {
        count += stream->ack_shards[i] == shard;
    }
    redis_call_begin(&call, "ack", false, shard, "",
        stream->engine->dataset);
    redis_call_number(&call, count, count_text);
    for (unsigned i = 0; i < stream->ack_count; i++) {
        if (stream->ack_shards[i] == shard) {
            redis_call_text(&call, stream->acks[i]);
        }
    }
    redis_call_send(&call, stream->engine->redis, on_acked, stream);
    stream->engine->shards[shard].touched = true;
    /* the others move up */
    count = 0;
    for (unsigned i = 0; i < stream->ack_count; i++) {
        if (stream->ack_shards[i] != shard) {
            memmove(stream->acks[count], stream->acks[i],
                sizeof(stream->acks[i]));
            stream->ack_shards[count++] = stream->ack_shards[i];
        }
    }
    stream->ack_count = count;
}


static void
flush_acks(loop_t *loop, void *data)
{
    stream_t *stream = data;

    (void) loop;
    while (stream->ack_count) {
        ack_shard(stream, stream->ack_shards[0]);
    }
    engine_check_stopped(stream->engine);
}


static void
ack_later(stream_t *stream, unsigned shard, const char *id)
{
    unsigned size;

    if (stream->ack_count == stream->ack_size) {
        size = stream->ack_size ? 2 * stream->ack_size : 256;
        void *acks = realloc(stream->acks, size * sizeof(*stream->acks));

        if (acks) {
            stream->acks = acks;
        }
        void *shards = realloc(stream->ack_shards,
            size * sizeof(*stream->ack_shards));

        if (shards) {
            stream->ack_shards = shards;
        }
        if (acks == NULL || shards == NULL) {
            return; /* it stays pending and is read again */
        }
        stream->ack_size = size;
    }
    snprintf(stream->acks[stream->ack_count], 48, "%s", id);
    stream->ack_shards[stream->ack_count++] = shard;
    if (!loop_timer_armed(stream->ack_timer)) {
        loop_timer_arm(stream->ack_timer, ACK_AFTER_MS);
    }
}


static void
event_end(event_t *event)
{
    stream_t *stream = event->stream;

    if (!event->failed) {
        ack_later(stream, event->shard, event->stream_id);
    }
    stream->busy--;
    free(event);
    if (stream->busy < stream->engine->conf->events_max / 2) {
        read_more(stream);
    }
    engine_check_stopped(stream->engine);
}


static void
event_step_done(event_t *event, bool ok)
{
    event->failed = event->failed || !ok;
    if (--event->steps == 0) {
        event_end(event);
    }
}


/* ---- the steps ---- */

/* Users that a function marked dirty and leased to us: OK lease user... */
static void
on_marked(void *data, const redisReply *reply)
{
    event_t  *event = data;
    engine_t *engine = event->stream->engine;
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
    if (!redis_call_send(call, event->stream->engine->redis, reply, event)) {
        event_step_done(event, false);
    }
}


static void
begin(event_t *event, redis_call_t *call, const char *function,
    bool read_only)
{
    redis_call_begin(call, function, read_only, event->shard,
        event->workspace, event->stream->engine->dataset);
    redis_call_because(call, event->cause);
}


static void
sync_user(event_t *event)
{
    char         lease[24];
    redis_call_t call;

    begin(event, &call, "user_sync", false);
    redis_call_number(&call, ENGINE_DIRTY_LEASE, lease);
    redis_call_text(&call, event->id);
    send_step(event, &call, on_marked);
}


static void
mark_user(event_t *event, const char *user)
{
    char         lease[24];
    redis_call_t call;

    begin(event, &call, "mark_user", false);
    redis_call_number(&call, ENGINE_DIRTY_LEASE, lease);
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
        engine_wake_dirty(event->stream->engine, event->shard, 0);
        snprintf(event->after, sizeof(event->after), "%s",
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
    char         limit[24];
    redis_call_t call;

    begin(event, &call, "mark", false);
    redis_call_text(&call, event->kind);
    redis_call_text(&call, event->id);
    redis_call_text(&call, event->after);
    redis_call_number(&call, PAGE, limit);
    redis_call_text(&call, event->app);
    send_step(event, &call, on_mark_page);
}


static void
mark_all(event_t *event, const char *kind, const char *id)
{
    /* `id` may be the event's own */
    if (id != event->id) {
        snprintf(event->id, sizeof(event->id), "%s", id);
    }
    snprintf(event->kind, sizeof(event->kind), "%s", kind);
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
        snprintf(event->after, sizeof(event->after), "%s",
            redis_reply_text(reply, 2));
        resync_page(event, redis_reply_text(reply, 1));
    } else if (ok) {
        engine_wake_dirty(event->stream->engine, event->shard, 0);
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
    team_job_start(event->stream->engine, event->shard, event->workspace,
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
    async_job_start(event->stream->engine, event->shard, event->workspace,
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
        event->stream->engine->shards[event->shard].leavers = true;
        sync_user(event);
    } else if (strncmp(op, "group.", 6) == 0) {
        on_group(event, op, data);
    } else if (strncmp(op, "share.", 6) == 0) {
        on_share(event, op, data);
    } else if (strncmp(op, "app.", 4) == 0) {
        mark_all(event, "app", event->id);
        engine_wake_due(event->stream->engine, event->shard, 0);
    } else if (strncmp(op, "hold.", 5) == 0) {
        mark_all(event, "hold", event->id);
    } else if (strncmp(op, "team.", 5) == 0) {
        on_users(event, json_object_get(data, "users"));
    } else if (strncmp(op, "check.", 6) == 0) {
        checks_look(event->stream->engine, event->shard);
        engine_wake_due(event->stream->engine, event->shard, 0);
        engine_wake_dirty(event->stream->engine, event->shard, 0);
    } else if (strcmp(op, "async.requested") == 0) {
        execute(event);
    } else if (strcmp(op, "async.completed") == 0) {
        /* for those who are told of it */
    } else if (strncmp(op, "webhook.", 8) == 0) {
        webhooks_look(event->stream->engine, event->shard);
    } else if (strcmp(op, "task.retry") == 0
        || strcmp(op, "invite.resend") == 0)
    {
        engine_wake_due(event->stream->engine, event->shard, 0);
        engine_wake_dirty(event->stream->engine, event->shard, 0);
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


/* ---- reading ---- */

static void
on_group_made(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply; /* BUSYGROUP: it was there */
}


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
    redis_client_send(event->stream->engine->redis, (int) count, argv,
        lengths, on_acked, NULL);
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


static void
take_event(stream_t *stream, unsigned shard, const redisReply *entry)
{
    json_t           *data;
    event_t          *event = calloc(1, sizeof(*event));
    const char       *op, *text;
    const redisReply *fields = entry->elements > 1 ? entry->element[1] : NULL;

    if (event == NULL) {
        return;
    }
    event->stream = stream;
    event->shard = shard;
    event->steps = 1; /* held until every step was asked for */
    stream->busy++;
    snprintf(event->stream_id, sizeof(event->stream_id), "%s",
        redis_reply_text(entry, 0));
    if (fields == NULL || fields->type != REDIS_REPLY_ARRAY) {
        bury(event, NULL); /* trimmed while pending: nothing is left of it */
        event_step_done(event, true);
        return;
    }
    op = field(fields, "op");
    text = field(fields, "data");
    snprintf(event->workspace, sizeof(event->workspace), "%s",
        field(fields, "ws"));
    snprintf(event->id, sizeof(event->id), "%s", field(fields, "id"));
    snprintf(event->kind, sizeof(event->kind), "%s", field(fields, "type"));
    data = scim_json_read(text, strlen(text), &scim_json_stored_limits, NULL);
    /* a create that failed made nothing that had an id */
    if (*op && (event->id[0] || strcmp(op, "async.completed") == 0)
        && json_is_object(data)
        && scim_workspace_valid(event->workspace, strlen(event->workspace)))
    {
        describe_cause(event, fields, op, data);
        act(event, op, data);
    } else {
        bury(event, fields);
    }
    json_decref(data);
    event_step_done(event, true);
}


static void
take_stream(stream_t *stream, const redisReply *one)
{
    unsigned          shard;
    const char       *key = redis_reply_text(one, 0);
    const redisReply *entries = one->elements > 1 ? one->element[1] : NULL;

    if (entries == NULL || entries->type != REDIS_REPLY_ARRAY
        || sscanf(key, "scim:{%u}", &shard) != 1
        || shard >= stream->engine->shard_count)
    {
        return;
    }
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];

        if (entry->type == REDIS_REPLY_ARRAY && entry->elements > 0) {
            snprintf(stream->own_from[shard], 48, "%s",
                redis_reply_text(entry, 0));
            take_event(stream, shard, entry);
        }
    }
}


static size_t
entries_in(const redisReply *reply)
{
    size_t count = 0;

    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *one = reply->element[i];

        if (one->type == REDIS_REPLY_ARRAY && one->elements > 1) {
            count += one->element[1]->elements;
        }
    }
    return count;
}


/* A group that was lost begins at 0: what is repeated does no harm. */
static void
create_groups(engine_t *engine)
{
    for (unsigned i = 0; i < engine->shard_count; i++) {
        char         key[SCIM_KEY_MAX];
        const char  *argv[] = { "XGROUP", "CREATE", key, "sidecar", "0",
                               "MKSTREAM" };
        const size_t lengths[] = { 6, 6, scim_key_events(key, i), 7, 1, 8 };

        redis_client_send(engine->redis, 6, argv, lengths, on_group_made,
            NULL);
    }
}


static void
on_read(void *data, const redisReply *reply)
{
    stream_t *stream = data;

    stream->reading = false;
    if (reply == NULL) {
        return; /* reading begins anew when the connection is back */
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        /* the stream or its group went away: look at the data set */
        log_error("reading events: %.100s", reply->str);
        if (strstr(reply->str, "NOGROUP") || strstr(reply->str, "UNBLOCKED")) {
            create_groups(stream->engine);
        }
        stream->engine->ready = false;
        return;
    }
    if (reply->type == REDIS_REPLY_ARRAY) {
        if (stream->own && entries_in(reply) == 0) {
            stream->own = false;
        }
        for (size_t i = 0; i < reply->elements; i++) {
            if (reply->element[i]->type == REDIS_REPLY_ARRAY) {
                take_stream(stream, reply->element[i]);
            }
        }
    }
    read_more(stream);
}


static void
read_more(stream_t *stream)
{
    engine_t    *engine = stream->engine;
    unsigned     shards = engine->shard_count;
    redis_call_t call = { 0 };
    char       (*keys)[SCIM_KEY_MAX];

    if (stream->reading || engine->stopping || !engine->ready
        || stream->busy >= engine->conf->events_max
        || !redis_client_up(stream->reader))
    {
        return;
    }
    keys = calloc(shards, sizeof(*keys));
    if (keys == NULL) {
        return;
    }
    redis_call_text(&call, "XREADGROUP");
    redis_call_text(&call, "GROUP");
    redis_call_text(&call, "sidecar");
    redis_call_text(&call, engine->conf->name);
    redis_call_text(&call, "COUNT");
    redis_call_text(&call, READ_COUNT);
    redis_call_text(&call, "BLOCK");
    redis_call_text(&call, BLOCK_MS);
    redis_call_text(&call, "STREAMS");
    for (unsigned i = 0; i < shards; i++) {
        redis_call_add(&call, keys[i], scim_key_events(keys[i], i));
    }
    for (unsigned i = 0; i < shards; i++) {
        redis_call_text(&call, stream->own ? stream->own_from[i] : ">");
    }
    stream->reading = redis_call_send(&call, stream->reader, on_read, stream);
    free(keys);
}


/* ---- events of sidecars that went away ---- */

static void
on_claimed(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements < 2
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return;
    }
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        const redisReply *entry = reply->element[1]->element[i];

        if (entry->type == REDIS_REPLY_ARRAY && entry->elements > 0) {
            take_event(shard->engine->stream, shard->number, entry);
        }
    }
    if (reply->elements > 2 && reply->element[2]->type == REDIS_REPLY_ARRAY
        && reply->element[2]->elements > 0)
    {
        log_error("shard %u: %zu pending events were deleted; run scimctl "
            "resync", shard->number, reply->element[2]->elements);
    }
}


static void
claim_stale(loop_t *loop, void *data)
{
    stream_t *stream = data;
    engine_t *engine = stream->engine;

    (void) loop;
    for (unsigned i = 0; engine->ready && i < engine->shard_count; i++) {
        char         key[SCIM_KEY_MAX];
        const char  *argv[] = { "XAUTOCLAIM", key, "sidecar",
                               engine->conf->name, STALE_MS, "0", "COUNT",
                               "100" };
        const size_t lengths[] = { 10, scim_key_events(key, i), 7,
                                   strlen(engine->conf->name),
                                   strlen(STALE_MS), 1, 5, 3 };

        redis_client_send(engine->redis, 8, argv, lengths, on_claimed,
            &engine->shards[i]);
    }
    loop_timer_arm(stream->claim_timer, 20000 + random() % 10000);
}


/* ---- life ---- */

static void
on_reader(void *data, bool up)
{
    stream_t *stream = data;

    stream->reading = false;
    if (up && stream->started) {
        stream_start(stream);
    }
}


stream_t *
stream_new(engine_t *engine)
{
    stream_t *stream = calloc(1, sizeof(*stream));

    if (stream == NULL) {
        return NULL;
    }
    stream->engine = engine;
    stream->address.address = engine->conf->redis;
    stream->address.user = engine->conf->redis_user;
    stream->address.password = engine->conf->redis_password;
    stream->ack_timer = loop_timer_new(engine->loop, flush_acks, stream);
    stream->claim_timer = loop_timer_new(engine->loop, claim_stale, stream);
    stream->reader = redis_client_new(engine->loop, &stream->address,
        on_reader, stream);
    if (stream->ack_timer == NULL || stream->claim_timer == NULL
        || stream->reader == NULL)
    {
        stream_free(stream);
        return NULL;
    }
    return stream;
}


void
stream_free(stream_t *stream)
{
    if (stream == NULL) {
        return;
    }
    redis_client_free(stream->reader);
    loop_timer_free(stream->ack_timer);
    loop_timer_free(stream->claim_timer);
    free(stream->acks);
    free(stream->ack_shards);
    free(stream->own_from);
    free(stream);
}


/* Our own pending entries first, then new ones. */
void
stream_start(stream_t *stream)
{
    unsigned shards = stream->engine->shard_count;

    if (stream->own_from == NULL) {
        stream->own_from = calloc(shards, sizeof(*stream->own_from));
    }
    if (stream->own_from == NULL) {
        log_error("no memory to read events");
        return;
    }
    for (unsigned i = 0; i < shards; i++) {
        snprintf(stream->own_from[i], 48, "0");
    }
    stream->own = true;
    stream->started = true;
    if (!loop_timer_armed(stream->claim_timer)) {
        loop_timer_arm(stream->claim_timer, 5000 + random() % 5000);
    }
    read_more(stream);
}


unsigned
stream_busy(const stream_t *stream)
{
    return stream->busy + stream->ack_count;
}
