#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connector_example.h"
#include "scim_json.h"

/* The contract's example; one test each takes verbs away or adds some. */
static const char definition[] =
    "{\"id\":\"app-1\",\"name\":\"Demo\",\"accessRoles\":[\"member\","
    "\"admin\"],\"defaultAccessRole\":\"member\",\"limits\":{"
    "\"timeoutMs\":2000},\"connector\":{\"type\":\"http\","
    "\"baseUrl\":\"http://127.0.0.1:%u/v1/\","
    "\"auth\":{\"bearer\":\"env:CONNECTOR_TEST_TOKEN\"},"
    "\"invite\":{\"method\":\"POST\",\"path\":\"/members\",\"body\":{"
    "\"email\":\"${user.email}\",\"role\":\"${grant.accessRole}\"},"
    "\"memberId\":\"/id\"},"
    "\"role\":{\"method\":\"PATCH\",\"path\":\"/members/${member.id}\","
    "\"body\":{\"role\":\"${grant.accessRole}\"}},"
    "\"remove\":{\"method\":\"DELETE\",\"path\":\"/members/${member.id}\"},"
    "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/invites/${member.id}\"},"
    "\"list\":{\"method\":\"GET\","
    "\"path\":\"/members?cursor=${page.cursor}\",\"items\":\"/members\","
    "\"next\":\"/next\",\"map\":{\"id\":\"/id\",\"email\":\"/email\","
    "\"accessRole\":\"/role\",\"state\":\"/state\"}}}}";


int
example_setup(void **state)
{
    example_t *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    connector_harness_start(&f->base, true);
    setenv("CONNECTOR_TEST_TOKEN", "s3cr3t-token", 1);
    f->changes = json_object();
    *state = f;
    return 0;
}


int
example_teardown(void **state)
{
    example_t *f = *state;

    connector_harness_stop(&f->base);
    json_decref(f->changes);
    free(f);
    return 0;
}


void
example_change(example_t *f, const char *name, const char *text)
{
    json_t *value = text ? scim_json_read(text, strlen(text),
        &scim_json_request_limits, NULL) : json_null();

    assert_non_null(value);
    json_object_set_new(f->changes, name, value);
}


static void
on_done(void *data, const connector_outcome_t *outcome)
{
    example_t *f = data;

    f->done++;
    f->outcome = *outcome;
    assert_true(outcome->body_len < sizeof(f->body));
    memcpy(f->body, outcome->body, outcome->body_len);
    f->body[outcome->body_len] = '\0';
    snprintf(f->member_id, sizeof(f->member_id), "%s", outcome->member_id);
    snprintf(f->reason, sizeof(f->reason), "%s", outcome->reason);
    if (outcome->kind != f->expected && !(f->last_only && f->repeat > 0)) {
        fail_msg("run %u ended with outcome %d: %s", f->done, outcome->kind,
            outcome->reason);
    }
    if (f->repeat > 0) {
        f->repeat--;
        example_begin(f);
        return;
    }
    loop_stop(f->base.loop, 0);
}


void
example_begin(example_t *f)
{
    connector_harness_begin(&f->base, on_done, f);
}


void
example_define(example_t *f)
{
    int               len;
    char              text[4096];
    json_t           *whole, *connector, *canonical;
    scim_error_t      error = { 0 };
    scim_app_policy_t policy = { .allow_loopback = true, .secret_env = "*",
        .secret_files = "*", .allow_private = true };

    len = snprintf(text, sizeof(text), definition, mock_app_port(f->base.app));
    whole = scim_json_read(text, (size_t) len, &scim_json_request_limits,
        &error);
    assert_non_null(whole);
    connector = json_object_get(whole, "connector");
    json_object_update(connector, f->changes);
    if (json_object_get(connector, "limits")) {
        json_object_set(whole, "limits",
            json_object_get(connector, "limits"));
        json_object_del(connector, "limits");
    }
    if (!scim_app_validate(whole, &policy, &canonical, &error)) {
        fail_msg("the test's definition: %s", error.detail);
    }
    json_object_set_new(canonical, "id", json_string("app-1"));
    json_decref(whole);
    {
        char *stored = json_dumps(canonical, 0);

        assert_true(scim_app_read(stored, strlen(stored), &f->base.definition));
        free(stored);
    }
    json_decref(canonical);
    f->base.task.app = &f->base.definition;
}


void
example_run(example_t *f, outcome_kind_t kind)
{
    unsigned count = 1 + f->repeat;

    f->expected = kind;
    example_define(f);
    example_begin(f);
    assert_int_equal(f->done, 0);
    if (connector_harness_run(&f->base, EXAMPLE_WATCHDOG_MS) != 0) {
        fail_msg("the task did not end");
    }
    assert_int_equal(f->done, count);
    assert_int_equal(connectors_running(f->base.connectors), 0);
    assert_int_equal(mock_app_left(f->base.app), 0);
}
