#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Dry runs in Redis: made by one sidecar, by another when that one dies. */
#define WS "scim:{007}:" HARNESS_WORKSPACE ":"

static redis_harness_t harness;
static char            app[64];


static int
reset(void **state)
{
    json_t *json;

    (void) state;
    redis_harness_flush(&harness);
    json = harness_ask(&harness, 201, SCIM_METHOD_POST, "/admin/v1/apps",
        NULL, "{\"name\":\"A\",\"accessRoles\":[\"viewer\"],"
        "\"defaultAccessRole\":\"viewer\",\"connector\":{\"type\":"
        "\"manual\"}}");
    snprintf(app, sizeof(app), "%s", harness_text(json, "id"));
    json_decref(json);
    return 0;
}


static const char *
start_run(int number)
{
    redisReply *reply = access_call(&harness, "dry_run_start", app,
        harness_format("d%d", number), "{\"deleted\":true}", "", "me", "txn",
        NULL);
    const char *code = harness_format("%s", redis_reply_code(reply));

    freeReplyObject(reply);
    return code;
}


/* "<id>:<attempt> ...": what this sidecar may make. */
static const char *
claim(const char *owner, const char *lease)
{
    char        text[256] = "";
    redisReply *reply = access_call(&harness, "dry_run_due", owner, lease,
        "10", NULL);

    for (size_t i = 1; i + 4 < reply->elements; i += 5) {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, "%s:%s ",
            redis_reply_text(reply, i + 1), redis_reply_text(reply, i + 2));
        assert_string_equal(redis_reply_text(reply, i + 3), app);
        assert_string_equal(redis_reply_text(reply, i + 4),
            "{\"deleted\":true}");
    }
    freeReplyObject(reply);
    return harness_format("%s", text);
}


static void
rows(const char *code, const char *owner, const char *attempt,
    const char *first)
{
    access_expect(&harness, code, "dry_run_rows", "d1", owner, attempt,
        "30000", first, "{\"userId\":\"a\",\"guarded\":true,\"what\":"
        "\"remove\",\"to\":\"removing\"}", NULL);
}


static void
finish(const char *code, const char *owner, const char *attempt,
    const char *guard)
{
    access_expect(&harness, code, "dry_run_finish", "d1", owner, attempt,
        "done", "", "hash", "7", "{\"hold\":1}", guard, NULL);
}


static json_t *
shown(void)
{
    return harness_ask(&harness, 200, SCIM_METHOD_GET, harness_format(
        "/admin/v1/apps/%s/plan/d1", app), NULL, NULL);
}


static void
one_sidecar_makes_it(void **state)
{
    json_t *json, *row;

    (void) state;
    assert_string_equal(start_run(1), "OK");
    assert_string_equal(claim("one", "30000"), "d1:1 ");
    assert_string_equal(claim("two", "30000"), "");
    rows("STATE", "two", "1", "1");
    rows("OK", "one", "1", "1");
    rows("OK", "one", "1", "0");
    json = shown();
    assert_string_equal(harness_text(json, "state"), "running");
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 0);
    json_decref(json);
    finish("STATE", "two", "1", "{}");
    finish("OK", "one", "1", "{\"held\":true}");
    finish("STATE", "one", "1", "{}"); /* it is done */
    json = shown();
    assert_string_equal(harness_text(json, "state"), "done");
    assert_string_equal(harness_text(json, "hash"), "hash");
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 2);
    row = json_array_get(json_object_get(json, "rows"), 0);
    assert_string_equal(harness_text(row, "what"), "hold");
    assert_string_equal(harness_text(row, "to"), "held");
    assert_null(json_object_get(row, "guarded"));
    json_decref(json);
    assert_string_equal(claim("two", "30000"), "");
}


static void
another_one_begins_anew(void **state)
{
    json_t *json;

    (void) state;
    start_run(1);
    claim("one", "0");
    rows("OK", "one", "1", "1");
    freeReplyObject(redis_harness_command(&harness, "ZADD scim:{007}:dryruns "
        "1 %s", HARNESS_WORKSPACE " d1"));
    assert_string_equal(claim("two", "30000"), "d1:2 ");
    rows("STATE", "one", "1", "0");
    rows("OK", "two", "2", "1");
    finish("OK", "two", "2", "{\"held\":false}");
    json = shown();
    assert_int_equal(json_array_size(json_object_get(json, "rows")), 1);
    assert_string_equal(harness_text(json_array_get(json_object_get(json,
        "rows"), 0), "what"), "remove");
    json_decref(json);
}


static void
after_five_it_is_given_up(void **state)
{
    json_t *json;

    (void) state;
    start_run(1);
    for (int i = 1; i <= 5; i++) {
        assert_string_equal(claim("one", "-1"), harness_format("d1:%d ", i));
    }
    assert_string_equal(claim("one", "-1"), "");
    json = shown();
    assert_string_equal(harness_text(json, "state"), "failed");
    assert_non_null(json_object_get(json, "reason"));
    json_decref(json);
}


static void
few_may_wait(void **state)
{
    (void) state;
    for (int i = 0; i < 20; i++) {
        assert_string_equal(start_run(i), "OK");
    }
    assert_string_equal(start_run(20), "LIMIT");
    json_decref(harness_ask(&harness, 409, SCIM_METHOD_POST, harness_format(
        "/admin/v1/apps/%s/plan", app), NULL, "{\"delete\":true}"));
}


static void
it_is_kept_for_a_day(void **state)
{
    (void) state;
    start_run(1);
    claim("one", "30000");
    rows("OK", "one", "1", "1");
    assert_in_range(redis_harness_number(&harness, "TTL " WS "dryrun:d1"),
        86000, 86400);
    assert_in_range(redis_harness_number(&harness, "TTL " WS
        "dryrun:d1:rows"), 86000, 86400);
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


/* Whoever asks again and again does not fill Redis. */
static void
of_an_app_the_latest_are_kept(void **state)
{
    (void) state;
    for (int i = 100; i < 125; i++) {
        const char *id = harness_format("d%d", i);

        assert_string_equal(start_run(i), "OK");
        claim("one", "30000");
        access_expect(&harness, "OK", "dry_run_rows", id, "one", "1", "30000",
            "1", "{}", NULL);
        access_expect(&harness, "OK", "dry_run_finish", id, "one", "1",
            "done", "", "hash", "7", "{}", "{}", NULL);
    }
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS " WS "dryrun:d104"), 0);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS " WS "dryrun:d104:rows"), 0);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS " WS "dryrun:d105"), 1);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS " WS "dryrun:d105:rows"), 1);
    access_expect(&harness, "NOTFOUND", "dry_run_show", app, "d104", "0",
        "10", NULL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_sidecar_makes_it, reset),
        cmocka_unit_test_setup(another_one_begins_anew, reset),
        cmocka_unit_test_setup(after_five_it_is_given_up, reset),
        cmocka_unit_test_setup(few_may_wait, reset),
        cmocka_unit_test_setup(it_is_kept_for_a_day, reset),
        cmocka_unit_test_setup(of_an_app_the_latest_are_kept, reset)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
