#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <curl/curl.h>

#include "connector_harness.h"

#define WATCHDOG_MS 20000


static void
on_watchdog(loop_t *loop, void *data)
{
    (void) data;
    loop_stop(loop, 1);
}


void
connector_harness_start(connector_harness_t *harness, bool secrets)
{
    connectors_conf_t conf = {
        .policy = { .allow_loopback = true }, .calls_max = 4
    };

    if (secrets) {
        conf.policy.secret_env = "*";
        conf.policy.secret_files = "*";
    }
    memset(harness, 0, sizeof(*harness));
    curl_global_init(CURL_GLOBAL_ALL);
    harness->loop = loop_new();
    assert_non_null(harness->loop);
    harness->watchdog = loop_timer_new(harness->loop, on_watchdog, NULL);
    assert_non_null(harness->watchdog);
    harness->app = mock_app_new(harness->loop);
    harness->connectors = connectors_new(harness->loop, &conf);
    assert_non_null(harness->connectors);
    harness->task = (connector_task_t) {
        .key = "task-1", .kind = TASK_INVITE, .attempt = 1,
        .workspace = "acme", .member_id = "", .join_url = "",
        .user = { "u-1", "Ana@Example.com", "ana", "Ana", "Ana", "Lima" },
        .grant = { "collaborator", "member" }
    };
}


void
connector_harness_stop(connector_harness_t *harness)
{
    connectors_free(harness->connectors);
    mock_app_free(harness->app);
    loop_timer_free(harness->watchdog);
    loop_free(harness->loop);
    if (harness->definition.json) {
        scim_app_free(&harness->definition);
    }
    curl_global_cleanup();
}


int
connector_harness_setup(void **state)
{
    connector_harness_t *harness = calloc(1, sizeof(*harness));

    assert_non_null(harness);
    connector_harness_start(harness, false);
    *state = harness;
    return 0;
}


int
connector_harness_teardown(void **state)
{
    connector_harness_stop(*state);
    free(*state);
    return 0;
}


void
connector_harness_define(connector_harness_t *harness, const char *verbs)
{
    char text[2048];
    int  len = snprintf(text, sizeof(text), "{\"id\":\"a\",\"name\":\"A\","
        "\"accessRoles\":[\"member\"],\"defaultAccessRole\":\"member\","
        "\"connector\":{\"type\":\"http\",\"baseUrl\":"
        "\"http://127.0.0.1:%u\",%s}}", mock_app_port(harness->app), verbs);

    assert_true(len > 0 && (size_t) len < sizeof(text));
    assert_true(scim_app_read(text, (size_t) len, &harness->definition));
    harness->task.app = &harness->definition;
}


void
connector_harness_begin(connector_harness_t *harness, connector_done_pt done,
    void *data)
{
    assert_true(connector_run(harness->connectors, &harness->task, done,
        data));
}


int
connector_harness_run(connector_harness_t *harness, int64_t watchdog_ms)
{
    loop_timer_arm(harness->watchdog, watchdog_ms);
    return loop_run(harness->loop);
}


static void
on_done(void *data, const connector_outcome_t *outcome)
{
    connector_harness_t *harness = data;

    harness->done = true;
    harness->outcome = *outcome;
    snprintf(harness->member_id, sizeof(harness->member_id), "%s",
        outcome->member_id);
    snprintf(harness->reason, sizeof(harness->reason), "%s", outcome->reason);
    loop_stop(harness->loop, 0);
}


void
connector_harness_try(connector_harness_t *harness)
{
    connector_harness_begin(harness, on_done, harness);
    assert_int_equal(connector_harness_run(harness, WATCHDOG_MS), 0);
    assert_true(harness->done);
}
