#include <math.h>
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
#include "scim_revoke.h"

/* How soon people are out: counted where the task ends. */
static redis_harness_t harness;
static char            app[64], user[64];


static void
quantiles_are_read_off_the_buckets(void **state)
{
    static const struct {
        long long buckets[SCIM_REVOKE_BUCKETS];
        double    p50, p95;
    } cases[] = {
        { { 0 }, 0, 0 },
        { { 10 }, 0.5, 0.95 },
        { { 0, 10 }, 1.5, 1.95 },
        { { 50, 45, 5 }, 1, 2 },
        { { 90, 0, 0, 0, 0, 10 }, 50.0 / 90, 45 },
        { { [SCIM_REVOKE_BUCKETS - 1] = 3 }, 86400, 86400 }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scim_revoke_t revoke = { 0 };

        memcpy(revoke.buckets, cases[i].buckets, sizeof(revoke.buckets));
        if (fabs(scim_revoke_quantile(&revoke, 0.5) - cases[i].p50) > 1e-9
            || fabs(scim_revoke_quantile(&revoke, 0.95) - cases[i].p95)
                > 1e-9)
        {
            fail_msg("case %zu: %g %g", i, scim_revoke_quantile(&revoke, 0.5),
                scim_revoke_quantile(&revoke, 0.95));
        }
    }
}


/* A member of an app with a target of 10 seconds. */
static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    access_app(&harness, ",\"revokeTargetSeconds\":10", app);
    access_user(&harness, "ann", user);
    access_connect(&harness, app, user, "collaborator");
    return 0;
}


static long long
now(void)
{
    long long   ms;
    redisReply *reply = redis_harness_command(&harness, "TIME");

    ms = strtoll(reply->element[0]->str, NULL, 10) * 1000;
    freeReplyObject(reply);
    return ms;
}


/* The person leaves, by an event of so many seconds ago. */
static void
leave(int seconds)
{
    char cause[128];

    access_set_active(&harness, user, false);
    snprintf(cause, sizeof(cause), "0\n%lld-0\nuser.patched\nuser:%s\n"
        "txn\n\n\n\n", now() - seconds * 1000, user);
    freeReplyObject(redis_harness_command(&harness, "FCALL "
        SCIM_FUNCTION_PREFIX "user_sync 1 scim:{007}:events "
        HARNESS_WORKSPACE " %s %s 10000 %s", harness.dataset, cause, user));
    access_plan(&harness, user);
}


static json_t *
figures(void)
{
    return harness_ask(&harness, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s", app), NULL, NULL);
}


static long long
figure(const char *name)
{
    json_t   *json = figures();
    long long value = json_integer_value(json_object_get(
        json_object_get(json, "revoke"), name));

    json_decref(json);
    return value;
}


static void
it_runs_from_the_event_to_the_end_of_the_task(void **state)
{
    json_t *json;
    double  p50;

    (void) state;
    leave(7);
    access_finish(&harness, app, user, "done", "0");
    assert_int_equal(figure("count"), 1);
    assert_int_equal(figure("missed"), 0);
    json = figures();
    p50 = json_real_value(json_object_get(json_object_get(json, "revoke"),
        "p50"));
    json_decref(json);
    assert_true(p50 > 5 && p50 <= 10); /* the bucket up to 10 s */
}


static void
an_invite_is_not_counted(void **state)
{
    (void) state;
    assert_int_equal(figure("count"), 0);
}


/* Once: while it is open, in the task, in the figures; then not again. */
static void
what_misses_the_target_is_raised_while_it_is_open(void **state)
{
    json_t     *json;
    redisReply *reply;

    (void) state;
    leave(30);
    reply = access_call(&harness, "task_due", "10", NULL);
    assert_string_equal(redis_reply_text(reply, reply->elements - 1),
        "overdue");
    freeReplyObject(reply);
    assert_int_equal(figure("overdue"), 1);
    assert_int_equal(figure("missed"), 1);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/admin/v1/tasks",
        "state=queued", NULL);
    assert_true(json_is_true(json_object_get(json_array_get(
        json_object_get(json, "tasks"), 0), "overdue")));
    json_decref(json);
    reply = access_call(&harness, "task_due", "10", NULL);
    for (size_t i = 5; i < reply->elements; i += 4) {
        assert_string_not_equal(redis_reply_text(reply, i), "overdue");
    }
    freeReplyObject(reply);
    access_finish(&harness, app, user, "done", "0");
    assert_int_equal(figure("overdue"), 0);
    assert_int_equal(figure("missed"), 1);
    assert_int_equal(figure("count"), 1);
}


static void
who_is_wanted_again_is_not_overdue(void **state)
{
    (void) state;
    leave(30);
    freeReplyObject(access_call(&harness, "task_due", "10", NULL));
    access_set_active(&harness, user, true);
    access_plan(&harness, user);
    assert_int_equal(figure("overdue"), 0);
    assert_int_equal(figure("count"), 0);
}


static void
the_page_of_metrics_has_a_histogram_of_each_app(void **state)
{
    redisReply        *reply;
    scim_reply_t      *answer;
    scim_buffer_t      page;
    scim_app_metrics_t metrics;

    (void) state;
    leave(7);
    access_finish(&harness, app, user, "done", "0");
    freeReplyObject(redis_harness_command(&harness,
        "ZADD scim:{007}:workspaces 0 " HARNESS_WORKSPACE));
    reply = access_call(&harness, "metrics", NULL);
    answer = harness_reply(reply);
    scim_app_metrics_init(&metrics);
    scim_buffer_init(&page, 1 << 20);
    scim_app_metrics_add(&metrics, answer);
    scim_app_metrics_write(&metrics, &page);
    assert_non_null(strstr(page.data, harness_format("scim_app_up{workspace="
        "\"acme\",app=\"%s\"} 1\n", app)));
    assert_non_null(strstr(page.data, harness_format("scim_app_revoke_seconds"
        "_bucket{workspace=\"acme\",app=\"%s\",le=\"5\"} 0\n", app)));
    assert_non_null(strstr(page.data, harness_format("scim_app_revoke_seconds"
        "_bucket{workspace=\"acme\",app=\"%s\",le=\"10\"} 1\n", app)));
    assert_non_null(strstr(page.data, harness_format("scim_app_revoke_seconds"
        "_bucket{workspace=\"acme\",app=\"%s\",le=\"+Inf\"} 1\n", app)));
    assert_non_null(strstr(page.data, "# TYPE scim_app_revoke_seconds "
        "histogram\n"));
    scim_buffer_free(&page);
    scim_app_metrics_free(&metrics);
    harness_reply_free(answer);
    freeReplyObject(reply);
}


static int
start(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    return 0;
}


#define CASE(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_read_off_the_buckets),
        CASE(it_runs_from_the_event_to_the_end_of_the_task),
        CASE(an_invite_is_not_counted),
        CASE(what_misses_the_target_is_raised_while_it_is_open),
        CASE(who_is_wanted_again_is_not_overdue),
        CASE(the_page_of_metrics_has_a_histogram_of_each_app)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
