#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "scim_text.h"

#define READ_COUNT   "256"
#define BLOCK_MS     "4000"
#define STALE_MS     "60000"
/*
 * Acknowledgements wait for others: sent at once, each would put a sync of
 * Redis' log before the next step of the very person the event is about.
 */
#define ACK_AFTER_MS 20

/*
 * An event is acknowledged when the last step that it asked for is committed;
 * one with a step that failed stays pending, to be read again.
 */
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
    unsigned     count = 0;
    redis_call_t call;

    for (unsigned i = 0; i < stream->ack_count; i++) {
        count += stream->ack_shards[i] == shard;
    }
    redis_call_begin(&call, "ack", false, shard, "",
        stream->engine->dataset);
    redis_call_number(&call, count);
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
    scim_text_copy(stream->acks[stream->ack_count], 48, id);
    stream->ack_shards[stream->ack_count++] = shard;
    if (!loop_timer_armed(stream->ack_timer)) {
        loop_timer_arm(stream->ack_timer, ACK_AFTER_MS);
    }
}


static void
on_event(void *data, unsigned shard, const char *stream_id, bool ok)
{
    stream_t *stream = data;

    if (ok) {
        ack_later(stream, shard, stream_id);
    }
    stream->busy--;
    if (stream->busy < stream->engine->conf->events_max / 2) {
        read_more(stream);
    }
    engine_check_stopped(stream->engine);
}


/* ---- reading ---- */

static void
on_group_made(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply; /* BUSYGROUP: it was there */
}


/* Without memory it stays pending, to be read again. */
static void
take_event(stream_t *stream, unsigned shard, const redisReply *entry)
{
    stream->busy++;
    if (!event_job_start(stream->engine, shard, entry, on_event, stream)) {
        stream->busy--;
    }
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
            scim_text_copy(stream->own_from[shard], 48,
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
    char         key[SCIM_KEY_MAX];
    redis_call_t call;

    if (stream->reading || engine->stopping || !engine->ready
        || stream->busy >= engine->conf->events_max
        || !redis_client_up(stream->reader))
    {
        return;
    }
    redis_call_open(&call);
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
        redis_call_add(&call, key, scim_key_events(key, i));
    }
    for (unsigned i = 0; i < shards; i++) {
        redis_call_text(&call, stream->own ? stream->own_from[i] : ">");
    }
    stream->reading = redis_call_send(&call, stream->reader, on_read, stream);
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
