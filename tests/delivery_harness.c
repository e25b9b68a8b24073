#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_harness.h"


int
delivery_start(void **state)
{
    delivery_t *d = calloc(1, sizeof(*d));

    assert_non_null(d);
    redis_harness_start(&d->redis);
    *state = d;
    return 0;
}


int
delivery_stop(void **state)
{
    delivery_t *d = *state;

    redis_harness_stop(&d->redis);
    free(d);
    return 0;
}


void
delivery_people(delivery_t *d, const char *limits)
{
    redis_harness_flush(&d->redis);
    access_app(&d->redis, harness_format(",\"limits\":{%s}", limits), d->app);
    for (int i = 0; i < PEOPLE; i++) {
        access_user(&d->redis, harness_format("p%d", i), d->user[i]);
        access_share(&d->redis, d->app, d->user[i], "collaborator");
        access_plan(&d->redis, d->user[i]);
        snprintf(d->task[i], sizeof(d->task[i]), "%s", access_grant(&d->redis,
            d->app, d->user[i], "task"));
    }
}


const char *
delivery_claim(delivery_t *d, int person, const char *owner, long long *wait)
{
    redisReply *reply = access_call(&d->redis, "task_claim", d->task[person],
        owner, "30000", NULL);
    const char *code = harness_format("%s", redis_reply_code(reply));

    if (wait) {
        *wait = redis_reply_number(reply, 1);
    }
    freeReplyObject(reply);
    return code;
}


const char *
delivery_task(delivery_t *d, int person, const char *field)
{
    redisReply *reply = redis_harness_command(&d->redis, "HGET " WS
        "task:%s %s", d->task[person], field);
    const char *text = harness_format("%s", reply->str ? reply->str : "");

    freeReplyObject(reply);
    return text;
}


long long
delivery_state(delivery_t *d, const char *field)
{
    return redis_harness_number(&d->redis, "HGET " WS "app:%s:delivery %s",
        d->app, field);
}


void
delivery_set_state(delivery_t *d, const char *field, long long value)
{
    freeReplyObject(redis_harness_command(&d->redis, "HSET " WS
        "app:%s:delivery %s %lld", d->app, field, value));
}


const char *
delivery_finish_with(delivery_t *d, int person, const char *state,
    const char *health, const char *most, const char *pause,
    const char *learned)
{
    redisReply *reply = access_call(&d->redis, "task_finish", d->task[person],
        "one", delivery_task(d, person, "attempts"), state, "1", "0", "",
        "viewer", "because", "sidecar", "500", "", most, health, "8", pause,
        learned, "60000", NULL);
    const char *changed = harness_format("%s", redis_reply_text(reply, 5));

    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
    return changed;
}


const char *
delivery_finish(delivery_t *d, int person, const char *state,
    const char *health)
{
    return delivery_finish_with(d, person, state, health, "8", "0", "");
}


const char *
delivery_attempt(delivery_t *d, int person, const char *state,
    const char *health)
{
    assert_string_equal(delivery_claim(d, person, "one", NULL), "OK");
    return delivery_finish(d, person, state, health);
}


void
delivery_look_at(delivery_t *d)
{
    char member[128];

    snprintf(member, sizeof(member), HARNESS_WORKSPACE " %s", d->app);
    freeReplyObject(redis_harness_command(&d->redis,
        "ZADD scim:{007}:due 1 %s", member));
}


void
delivery_let_probe(delivery_t *d)
{
    delivery_set_state(d, "openUntil", 1);
    for (int i = 0; i < PEOPLE; i++) {
        freeReplyObject(redis_harness_command(&d->redis, "ZADD " WS
            "app:%s:queue XX 1 %s", d->app, d->task[i]));
    }
}
