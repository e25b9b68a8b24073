#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Accepting requests, executing them once, telling what came of them. */
static redis_harness_t harness;
static char            accepted[64], body[] = "{\"userName\":\"ann\"}";


static int
fresh(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    harness.service.async = true;
    harness.service.wait_max = 2;
    return 0;
}


static scim_text_t
text_of(const char *text)
{
    return (scim_text_t) { text, strlen(text) };
}


/* A request with this Prefer header, run; the status must be this one. */
static harness_call_t *
ask(int status, scim_method_t method, const char *path, const char *content,
    const char *prefer)
{
    harness_call_t *call = harness_call_new(&harness, method, path, NULL,
        content);

    call->request.prefer = text_of(prefer);
    harness_call_run(&harness, call);
    assert_int_equal(call->operation->response.status, status);
    return call;
}


static void
tell(int status, scim_method_t method, const char *path, const char *content,
    const char *prefer)
{
    harness_call_free(ask(status, method, path, content, prefer));
}


static void
accept_request(scim_method_t method, const char *path, const char *content)
{
    harness_call_t        *call = ask(202, method, path, content,
        "respond-async");
    const scim_response_t *response = &call->operation->response;

    assert_int_equal(response->body.len, 0);
    assert_null(response->content_type);
    assert_string_equal(response->preference, "respond-async");
    snprintf(accepted, sizeof(accepted), "%s", response->transaction);
    assert_string_equal(response->location, harness_format(
        "https://h/scim/v2/AsyncResponses/%s", accepted));
    harness_call_free(call);
}


static const char *
field(const char *name)
{
    const char *text;
    redisReply *reply = redis_harness_command(&harness,
        "HGET scim:{007}:acme:async:%s %s", accepted, name);

    text = harness_format("%s", reply->str ? reply->str : "");
    freeReplyObject(reply);
    return text;
}


static long long
user_count(void)
{
    return redis_harness_number(&harness, "ZCARD scim:{007}:acme:users");
}


static void
a_request_is_kept_with_its_event(void **state)
{
    (void) state;
    accept_request(SCIM_METHOD_POST, "//Users/", body);
    assert_int_equal(user_count(), 0);
    assert_int_equal(harness_event_count(&harness), 1);
    assert_string_equal(harness_event(&harness, 0, "op"), "async.requested");
    assert_string_equal(harness_event(&harness, 0, "id"), accepted);
    assert_string_equal(harness_event(&harness, 0, "txn"), accepted);
    assert_string_equal(harness_event(&harness, 0, "actor"), "okta");
    assert_string_equal(harness_event(&harness, 0, "data"), "{}");
    assert_string_equal(field("state"), "queued");
    assert_string_equal(field("method"), "POST");
    assert_string_equal(field("path"), "/Users");
    assert_string_equal(field("body"), body);
    assert_string_equal(field("base"), "https://h/scim/v2");
}


static void
what_can_be_said_at_once_is(void **state)
{
    (void) state;
    tell(400, SCIM_METHOD_POST, "/Users", "{\"userName\":", "respond-async");
    tell(400, SCIM_METHOD_POST, "/Users", "", "respond-async");
    tell(404, SCIM_METHOD_DELETE, "/Users/nobody", NULL, "respond-async");
    tell(405, SCIM_METHOD_PUT, "/Users", body, "respond-async");
    tell(405, SCIM_METHOD_POST, "/AsyncResponses/1", body, "respond-async");
    assert_int_equal(harness_event_count(&harness), 0);
}


static void
others_are_answered_as_ever(void **state)
{
    (void) state;
    tell(201, SCIM_METHOD_POST, "/Users", body, "return=minimal");
    tell(200, SCIM_METHOD_GET, "/Users", NULL, "respond-async");
    tell(200, SCIM_METHOD_POST, "/Users/.search", "{}", "respond-async");
    /* who would wait that long has the answer by then */
    tell(201, SCIM_METHOD_POST, "/Users", "{\"userName\":\"bob\"}",
        "respond-async, wait=2");
    accept_request(SCIM_METHOD_POST, "/Users", "{\"userName\":\"cid\"}");
    harness.service.async = false;
    tell(201, SCIM_METHOD_POST, "/Users", "{\"userName\":\"dee\"}",
        "respond-async");
}


static void
too_many_events_are_not_added_to(void **state)
{
    (void) state;
    harness.service.backlog_max = 1;
    accept_request(SCIM_METHOD_POST, "/Users", body);
    tell(503, SCIM_METHOD_POST, "/Users", body, "respond-async");
    harness.service.backlog_max = 0;
    assert_int_equal(harness_event_count(&harness), 1);
}


/* ---- execution ---- */

static void
execute(scim_method_t method, const char *path, const char *content)
{
    harness_call_t *call = harness_call_new(&harness, method, path, NULL,
        content);

    call->request.execution = text_of(accepted);
    call->request.transaction = text_of(accepted);
    call->request.prefer = text_of("respond-async"); /* not once more */
    harness_call_run(&harness, call);
    harness_call_free(call);
}


static void
an_effect_is_had_once(void **state)
{
    char path[64];

    (void) state;
    accept_request(SCIM_METHOD_POST, "/Users", body);
    execute(SCIM_METHOD_POST, "/Users", body);
    assert_int_equal(user_count(), 1);
    assert_string_equal(harness_event(&harness, 0, "op"), "user.created");
    assert_string_equal(harness_event(&harness, 0, "txn"), accepted);
    assert_string_equal(field("effectVersion"), "1");
    snprintf(path, sizeof(path), "/Users/%s", field("effectId"));
    tell(200, SCIM_METHOD_GET, path, NULL, "");
    /* another one would have another name by then */
    execute(SCIM_METHOD_POST, "/Users", "{\"userName\":\"bob\"}");
    execute(SCIM_METHOD_DELETE, path, NULL);
    assert_int_equal(user_count(), 1);
    assert_int_equal(harness_event_count(&harness), 2);

    accept_request(SCIM_METHOD_DELETE, path, NULL);
    execute(SCIM_METHOD_DELETE, path, NULL);
    assert_int_equal(user_count(), 0);
    assert_string_equal(field("effectId"), harness_id(path));
}


static void
without_effect_nothing_is_noted(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", body, path);
    accept_request(SCIM_METHOD_POST, "/Users", body);
    execute(SCIM_METHOD_POST, "/Users", body); /* 409 */
    assert_string_equal(field("effectId"), "");
    assert_string_equal(field("state"), "queued");
    execute(SCIM_METHOD_POST, "/Users", "{\"userName\":\"bob\"}");
    assert_int_equal(user_count(), 2);
}


static void
an_unknown_request_has_no_effect(void **state)
{
    (void) state;
    strcpy(accepted, "018bcfe5-685b-7c6d-be8f-a0b1c2d3e4f5");
    execute(SCIM_METHOD_POST, "/Users", body);
    assert_int_equal(user_count(), 0);
}


/* ---- Bulk ---- */

#define BULK_OF(operations) "{\"Operations\":[" operations "]}"
#define CREATE(name) "{\"method\":\"POST\",\"path\":\"/Users\"," \
    "\"bulkId\":\"" name "\",\"data\":{\"userName\":\"" name "\"}}"

static const char bulk_body[] = BULK_OF(CREATE("ann") "," CREATE("bob"));


/* The statuses of its operations. */
static const char *
execute_bulk(const scim_effect_t *effect, size_t count)
{
    json_t         *answer, *operations;
    const char     *statuses;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_POST,
        "/Bulk", NULL, bulk_body);

    call->request.execution = text_of(accepted);
    call->request.transaction = text_of(accepted);
    call->request.effect = effect;
    call->request.effect_count = count;
    harness_call_run(&harness, call);
    assert_int_equal(call->operation->response.status, 200);
    answer = harness_json(call);
    operations = json_object_get(answer, "Operations");
    assert_int_equal(json_array_size(operations), 2);
    statuses = harness_format("%s %s", harness_text(answer,
        "Operations.0.status"), harness_text(answer, "Operations.1.status"));
    json_decref(answer);
    harness_call_free(call);
    return statuses;
}


static void
a_bulk_request_is_kept_as_a_whole(void **state)
{
    (void) state;
    accept_request(SCIM_METHOD_POST, "/Bulk", bulk_body);
    assert_string_equal(field("path"), "/Bulk");
    assert_string_equal(field("body"), bulk_body);
    assert_int_equal(harness_event_count(&harness), 1);
    tell(400, SCIM_METHOD_POST, "/Bulk", BULK_OF(CREATE("a") ","),
        "respond-async");
    tell(400, SCIM_METHOD_POST, "/Bulk", BULK_OF(CREATE("a") "," CREATE("a")),
        "respond-async");
    assert_int_equal(harness_event_count(&harness), 1);
}


static void
each_operation_has_its_effect_once(void **state)
{
    scim_effect_t effect = { 0 };

    (void) state;
    accept_request(SCIM_METHOD_POST, "/Bulk", bulk_body);
    assert_string_equal(execute_bulk(NULL, 0), "201 201");
    assert_string_equal(field("effectVersion:0"), "1");
    assert_string_equal(field("effectVersion:1"), "1");
    assert_int_equal(strlen(field("effectId:1")), 36);
    assert_string_equal(harness_event(&harness, 0, "txn"),
        harness_format("%s:1", accepted));
    /* what is known to be done is not even tried: it would be 409 */
    effect.version = 1;
    assert_string_equal(execute_bulk(&effect, 1), "201 500"); /* DONE */
    assert_int_equal(user_count(), 2);
}


/* A sidecar was killed in between, and the next one has other schemas. */
static void
outcomes_of_a_request_that_fails_as_a_whole_go_with_it(void **state)
{
    (void) state;
    accept_request(SCIM_METHOD_POST, "/Bulk", bulk_body);
    access_expect(&harness, "OK", "async_finish_bulk", accepted, "0", "1",
        "0", "user", "u1", "1", "{\"status\":\"201\"}", NULL);
    access_expect(&harness, "OK", "async_finish", accepted, "bulk", "", "0",
        "{\"status\":\"500\"}", NULL);
    assert_in_range(redis_harness_number(&harness,
        "TTL scim:{007}:acme:async:%s:outcomes", accepted), 86000, 86400);
}


static void
outcomes_of_a_bulk_request_are_told_once(void **state)
{
    char            path[96];
    json_t         *claims;
    harness_call_t *call;

    (void) state;
    accept_request(SCIM_METHOD_POST, "/Bulk", bulk_body);
    access_expect(&harness, "OK", "async_finish_bulk", accepted, "0", "1",
        "0", "user", "u1", "1", "{\"status\":\"201\"}", NULL);
    snprintf(path, sizeof(path), "/AsyncResponses/%s", accepted);
    tell(202, SCIM_METHOD_GET, path, NULL, "");
    access_expect(&harness, "OK", "async_finish_bulk", accepted, "1", "2",
        "0", "user", "u9", "1", "{\"status\":\"201\"}",
        "1", "bulk", "", "0", "{\"status\":\"404\"}", NULL);
    access_expect(&harness, "STATE", "async_finish_bulk", accepted, "1", "0",
        NULL);
    assert_int_equal(harness_event_count(&harness), 3);
    assert_string_equal(harness_event(&harness, 0, "txn"),
        harness_format("%s:1", accepted));
    assert_in_range(redis_harness_number(&harness,
        "TTL scim:{007}:acme:async:%s:outcomes", accepted), 86000, 86400);
    call = ask(200, SCIM_METHOD_GET, path, NULL, "");
    claims = harness_json(call);
    assert_int_equal(json_array_size(claims), 2);
    assert_string_equal(harness_text(json_array_get(claims, 0),
        "sub_id.uri"), "/Users/u1");
    assert_string_equal(harness_text(json_array_get(claims, 1),
        "sub_id.uri"), "/Bulk");
    json_decref(claims);
    harness_call_free(call);
}


/* ---- the outcome ---- */

static void
an_outcome_can_be_fetched(void **state)
{
    char            path[96];
    json_t         *claims;
    harness_call_t *call;

    (void) state;
    accept_request(SCIM_METHOD_POST, "/Users", body);
    snprintf(path, sizeof(path), "/AsyncResponses/%s", accepted);
    call = ask(202, SCIM_METHOD_GET, path, NULL, "respond-async");
    assert_int_equal(call->operation->response.body.len, 0);
    assert_int_equal(call->operation->response.retry_after, 1);
    harness_call_free(call);

    access_expect(&harness, "OK", "async_finish", accepted, "user", "u1", "1",
        "{\"method\":\"POST\",\"status\":\"201\"}", NULL);
    access_expect(&harness, "STATE", "async_finish", accepted, "user", "u2",
        "1", "{}", NULL);
    assert_string_equal(harness_event(&harness, 0, "op"), "async.completed");
    assert_string_equal(harness_event(&harness, 0, "txn"), accepted);
    assert_string_equal(harness_event(&harness, 0, "actor"), "okta");
    assert_int_equal(harness_event_count(&harness), 2);
    assert_string_equal(field("body"), "");
    assert_in_range(redis_harness_number(&harness,
        "TTL scim:{007}:acme:async:%s", accepted), 86000, 86400);

    call = ask(200, SCIM_METHOD_GET, path, NULL, "");
    assert_string_equal(call->operation->response.content_type,
        "application/json");
    claims = harness_json(call);
    assert_string_equal(harness_text(claims, "txn"), accepted);
    assert_string_equal(harness_text(claims, "iss"), "https://h/scim/v2");
    assert_string_equal(harness_text(claims, "aud.0"), "acme");
    assert_string_equal(harness_text(claims, "sub_id.uri"), "/Users/u1");
    assert_string_equal(harness_text(json_object_get(json_object_get(claims,
        "events"), "urn:ietf:params:scim:event:misc:asyncresp"), "status"),
        "201");
    assert_true(strlen(harness_text(claims, "jti")) > 10);
    json_decref(claims);
    harness_call_free(call);
}


static void
nobody_else_can_fetch_it(void **state)
{
    char path[96];

    (void) state;
    accept_request(SCIM_METHOD_POST, "/Users", body);
    snprintf(path, sizeof(path), "/AsyncResponses/%s", accepted);
    strcpy(harness.principal.workspace, "other");
    tell(404, SCIM_METHOD_GET, path, NULL, "");
    strcpy(harness.principal.workspace, HARNESS_WORKSPACE);
    tell(202, SCIM_METHOD_GET, path, NULL, "");
    tell(404, SCIM_METHOD_GET, "/AsyncResponses/1", NULL, "");
    tell(404, SCIM_METHOD_GET, "/AsyncResponses", NULL, "");
    tell(404, SCIM_METHOD_GET,
        "/AsyncResponses/018bcfe5-685b-7c6d-be8f-a0b1c2d3e4f5", NULL, "");
}


static void
discovery_says_so(void **state)
{
    json_t         *config;
    harness_call_t *call;

    (void) state;
    call = ask(200, SCIM_METHOD_GET, "/ServiceProviderConfig", NULL, "");
    config = harness_json(call);
    assert_string_equal(harness_text(config, "securityEvents.asyncRequest"),
        "request");
    assert_string_equal(harness_text(config, "securityEvents.eventUris.0"),
        "urn:ietf:params:scim:event:misc:asyncresp");
    json_decref(config);
    harness_call_free(call);
    harness.service.async = false;
    call = ask(200, SCIM_METHOD_GET, "/ServiceProviderConfig", NULL, "");
    config = harness_json(call);
    assert_string_equal(harness_text(config, "securityEvents.asyncRequest"),
        "none");
    json_decref(config);
    harness_call_free(call);
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


#define ASYNC_TEST(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        ASYNC_TEST(a_request_is_kept_with_its_event),
        ASYNC_TEST(what_can_be_said_at_once_is),
        ASYNC_TEST(others_are_answered_as_ever),
        ASYNC_TEST(too_many_events_are_not_added_to),
        ASYNC_TEST(an_effect_is_had_once),
        ASYNC_TEST(without_effect_nothing_is_noted),
        ASYNC_TEST(an_unknown_request_has_no_effect),
        ASYNC_TEST(a_bulk_request_is_kept_as_a_whole),
        ASYNC_TEST(each_operation_has_its_effect_once),
        ASYNC_TEST(outcomes_of_a_bulk_request_are_told_once),
        ASYNC_TEST(outcomes_of_a_request_that_fails_as_a_whole_go_with_it),
        ASYNC_TEST(an_outcome_can_be_fetched),
        ASYNC_TEST(nobody_else_can_fetch_it),
        ASYNC_TEST(discovery_says_so),
    };

    return cmocka_run_group_tests_name("async", tests, start, stop);
}
