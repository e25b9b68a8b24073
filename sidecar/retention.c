#include "retention.h"

#include "log.h"


static void
on_trimmed(void *data, const redisReply *reply)
{
    (void) data;
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("redis: %.200s", reply->str);
    }
}


static void
trim(engine_t *engine, unsigned shard, const char *function, unsigned count,
    unsigned days)
{
    redis_call_t call;

    redis_call_begin(&call, function, false, shard, "", engine->dataset);
    redis_call_number(&call, count);
    redis_call_number(&call, days);
    redis_call_send(&call, engine->redis, on_trimmed, NULL);
}


void
retention_trim(engine_t *engine, unsigned shard)
{
    const conf_t *conf = engine->conf;

    trim(engine, shard, "audit_trim", conf->audit_entries, conf->audit_days);
    trim(engine, shard, "tasks_trim", conf->done_tasks, conf->done_days);
}
