#include "check_apply.h"

#include <stdlib.h>

#include "log.h"
#include "scim_text.h"
#include "scim_uuid.h"

/* Lives as long as a reply is on its way. */
typedef struct {
    engine_t *engine;
    unsigned  shard;
    char      workspace[64];
    char      app[ENGINE_ID_MAX];
    char      check[ENGINE_ID_MAX];
} apply_t;

static void apply_from(apply_t *apply, long long first);


static void
on_applied(void *data, const redisReply *reply)
{
    long long last = 0;
    apply_t  *apply = data;

    if (!redis_reply_ok(reply)) {
        log_error("check %s: not applied: %.200s", apply->check, reply
            ? redis_reply_code(reply) : "no connection to Redis");
        free(apply);
        return;
    }
    if (reply->elements > 2) {
        last = redis_reply_number(reply, reply->elements - 2);
    }
    if (last > 0 && last < redis_reply_number(reply, 1)) {
        apply_from(apply, last + 1);
    } else {
        free(apply);
    }
}


static void
apply_from(apply_t *apply, long long first)
{
    char          seed[SCIM_UUID_LEN + 1];
    engine_t     *engine = apply->engine;
    unsigned char random[10];
    redis_call_t  call;

    if (!engine_random(engine, random, sizeof(random))) {
        free(apply);
        return;
    }
    scim_uuid_v7(loop_wall(), random, seed);
    redis_call_begin(&call, "check_apply", false, apply->shard,
        apply->workspace, engine->dataset);
    redis_call_text(&call, apply->app);
    redis_call_text(&call, apply->check);
    redis_call_text(&call, "schedule");
    redis_call_text(&call, "");
    redis_call_text(&call, seed);
    redis_call_text(&call, "");
    redis_call_text(&call, "all");
    redis_call_number(&call, first);
    if (!redis_call_send(&call, engine->redis, on_applied, apply)) {
        on_applied(apply, NULL);
    }
}


void
check_apply_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *app, const char *check)
{
    apply_t *apply = calloc(1, sizeof(*apply));

    if (apply == NULL) {
        log_error("check %s: not applied: no memory", check);
        return;
    }
    apply->engine = engine;
    apply->shard = shard;
    scim_text_copy(apply->workspace, sizeof(apply->workspace), workspace);
    scim_text_copy(apply->app, sizeof(apply->app), app);
    scim_text_copy(apply->check, sizeof(apply->check), check);
    apply_from(apply, 1);
}
