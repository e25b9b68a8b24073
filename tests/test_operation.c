#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_bulk.h"
#include "scim_embedded.h"
#include "scim_record.h"
#include "scim_resource.h"

/* Operations without Redis: what they ask for, and scripted replies. */
#define ID "0190dada-0000-7000-8000-000000000001"

static redis_harness_t harness; /* schemas, service, principal; no Redis */

static const char record[] =
    "0000000005" "0000000002" "1700000000000" "1700000000000" "0"
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
    "\"id\":\"" ID "\",\"userName\":\"ann\",\"active\":true}";


static harness_call_t *
begin(scim_method_t method, const char *path, const char *query,
    const char *body)
{
    harness_call_t *call = harness_call_new(&harness, method, path, query,
        body);

    harness_call_step(&harness, call);
    return call;
}


static scim_reply_t
text_reply(const char *text)
{
    return (scim_reply_t) { .type = SCIM_REPLY_STRING, .text = text,
                            .len = strlen(text) };
}


static scim_reply_t
error_reply(const char *text)
{
    return (scim_reply_t) { .type = SCIM_REPLY_ERROR, .text = text,
                            .len = strlen(text) };
}


static void
feed(harness_call_t *call, scim_reply_t reply)
{
    assert_int_equal(call->step, SCIM_STEP_SEND);
    call->step = scim_operation_reply(call->operation,
        &call->operation->command, &reply);
}


/* An array of strings, ended by NULL. */
static void
feed_strings(harness_call_t *call, ...)
{
    va_list       strings;
    const char   *text;
    scim_reply_t  elements[32], array = { .type = SCIM_REPLY_ARRAY };

    va_start(strings, call);
    while ((text = va_arg(strings, const char *)) != NULL) {
        elements[array.elements++] = text_reply(text);
    }
    va_end(strings);
    array.element = elements;
    feed(call, array);
}


static scim_response_t *
response_of(harness_call_t *call, int status)
{
    scim_response_t *response = &call->operation->response;

    assert_int_equal(call->step, SCIM_STEP_DONE);
    if (response->status != status) {
        fail_msg("%s: status %d, not %d: %s", call->text[0],
            response->status, status,
            response->body.data ? response->body.data : "");
    }
    return response;
}


/* Ends at once with this status; what the error says is right in itself. */
static void
ends(int status, scim_method_t method, const char *path, const char *body)
{
    json_t         *error;
    harness_call_t *call = begin(method, path, NULL, body);

    response_of(call, status);
    if (status >= 400) {
        error = harness_json(call);
        assert_string_equal(harness_text(error, "schemas.0"),
            "urn:ietf:params:scim:api:messages:2.0:Error");
        assert_int_equal(atoi(harness_text(error, "status")), status);
        assert_string_not_equal(harness_text(error, "detail"), "");
        json_decref(error);
    }
    harness_call_free(call);
}


/* ---- routing ---- */

static void
unknown_paths_are_scim_errors(void **state)
{
    static const char *const paths[] = {
        "/users", "/Userss", "/Users/" ID "/x", "/Groups/" ID "/x/y",
        "/Schemas/x", "/ResourceTypes/Device", "/Schemas/a/b",
        "/ServiceProviderConfig/x", "/../admin", "/Bulk/x"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ends(404, SCIM_METHOD_GET, paths[i], NULL);
    }
}


static void
odd_ids_are_not_looked_up(void **state)
{
    static const char *const ids[] = {
        "x", "00919288221112222", "bulkId:a", "*", ID "x", "..",
        "0190dada-0000-7000-8000-00000000000g",
        "0190dada-0000-7000-8000-000000000001:groups", "%2e%2e"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        const char *path = harness_format("/Users/%s", ids[i]);

        ends(404, SCIM_METHOD_GET, path, NULL);
        ends(404, SCIM_METHOD_DELETE, path, NULL);
        ends(404, SCIM_METHOD_PUT, path, "{}");
        ends(404, SCIM_METHOD_PATCH, path, "{}");
    }
}


static void
other_methods_are_told_which_are_offered(void **state)
{
    static const struct {
        scim_method_t method;
        const char   *path;
        const char   *allow;
    } cases[] = {
        { SCIM_METHOD_PUT, "/Users", "GET, HEAD, POST, OPTIONS" },
        { SCIM_METHOD_DELETE, "/Groups", "GET, HEAD, POST, OPTIONS" },
        { SCIM_METHOD_POST, "/Users/" ID,
          "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
        { SCIM_METHOD_OTHER, "/Users/" ID,
          "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
        { SCIM_METHOD_GET, "/Users/.search", "POST, OPTIONS" },
        { SCIM_METHOD_POST, "/Schemas", "GET, HEAD, OPTIONS" },
        { SCIM_METHOD_PUT, "/ServiceProviderConfig", "GET, HEAD, OPTIONS" },
        { SCIM_METHOD_PATCH, "/ResourceTypes/User", "GET, HEAD, OPTIONS" },
        { SCIM_METHOD_GET, "/Bulk", "POST, OPTIONS" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        harness_call_t *call = begin(cases[i].method, cases[i].path, NULL,
            "{}");

        assert_string_equal(response_of(call, 405)->allow, cases[i].allow);
        harness_call_free(call);
        call = begin(SCIM_METHOD_OPTIONS, cases[i].path, NULL, NULL);
        assert_string_equal(response_of(call, 204)->allow, cases[i].allow);
        harness_call_free(call);
    }
}


static void
what_is_not_offered_says_so(void **state)
{
    (void) state;
    ends(501, SCIM_METHOD_GET, "/Me", NULL);
    ends(501, SCIM_METHOD_PATCH, "/Me", "{}");
}


static void
me_is_the_user_of_the_token(void **state)
{
    harness_call_t *call;

    (void) state;
    snprintf(harness.principal.user, sizeof(harness.principal.user), ID);
    call = begin(SCIM_METHOD_GET, "/Me", NULL, NULL);
    assert_int_equal(call->step, SCIM_STEP_SEND);
    assert_string_equal(call->operation->command.argv[1],
        "scim:{007}:acme:user:" ID);
    harness_call_free(call);
    ends(405, SCIM_METHOD_POST, "/Me", "{}");
    ends(404, SCIM_METHOD_GET, "/Me/" ID, NULL);
    harness.principal.user[0] = '\0';
}


static void
only_provisioning_tokens_provision(void **state)
{
    harness_call_t *call;

    (void) state;
    for (scim_role_t role = SCIM_ROLE_NONE; role <= SCIM_ROLE_OWNER; role++) {
        harness.principal.role = role;
        if (role != SCIM_ROLE_SCIM) {
            ends(403, SCIM_METHOD_GET, "/Users", NULL);
            ends(403, SCIM_METHOD_GET, "/Schemas", NULL);
            ends(403, SCIM_METHOD_GET, "/nothing", NULL);
        }
    }
    harness.principal.role = SCIM_ROLE_SCIM;
    call = harness_call_new(&harness, SCIM_METHOD_GET, "/Users", NULL, NULL);
    call->request.principal = NULL;
    harness_call_step(&harness, call);
    assert_true(response_of(call, 401)->challenge);
    harness_call_free(call);
}


static void
slashes_too_many_do_not_count(void **state)
{
    harness_call_t *call = begin(SCIM_METHOD_GET, "//Users//" ID "/", NULL,
        NULL);

    (void) state;
    assert_int_equal(call->step, SCIM_STEP_SEND);
    assert_string_equal(call->operation->command.argv[1],
        "scim:{007}:acme:user:" ID);
    harness_call_free(call);
}


/* ---- discovery ---- */

static void
discovery_describes_what_is_there(void **state)
{
    json_t         *json, *one;
    harness_call_t *call;

    (void) state;
    call = begin(SCIM_METHOD_GET, "/ServiceProviderConfig", NULL, NULL);
    response_of(call, 200);
    json = harness_json(call);
    assert_true(json_is_true(json_object_get(json_object_get(json, "patch"),
        "supported")));
    one = json_object_get(json, "bulk");
    assert_true(json_is_true(json_object_get(one, "supported")));
    assert_int_equal(json_integer_value(json_object_get(one,
        "maxOperations")), SCIM_BULK_ITEM_MAX);
    assert_int_equal(json_integer_value(json_object_get(one,
        "maxPayloadSize")), harness.service.body_max);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json,
        "filter"), "maxResults")), 200);
    json_decref(json);
    harness_call_free(call);

    call = begin(SCIM_METHOD_GET, "/Schemas", "startIndex=2&count=1", NULL);
    response_of(call, 200);
    json = harness_json(call);
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), 6);
    assert_int_equal(json_array_size(json_object_get(json, "Resources")), 6);
    harness_call_free(call);

    call = begin(SCIM_METHOD_GET,
        "/Schemas/urn:IETF:params:scim:schemas:core:2.0:user", NULL, NULL);
    response_of(call, 200);
    one = harness_json(call);
    assert_string_equal(harness_text(one, "id"),
        "urn:ietf:params:scim:schemas:core:2.0:User");
    assert_string_equal(harness_text(one, "meta.resourceType"), "Schema");
    assert_string_equal(harness_text(one, "meta.location"),
        "https://h/scim/v2/Schemas/"
        "urn:ietf:params:scim:schemas:core:2.0:User");
    harness_call_free(call);
    json_decref(one);
    json_decref(json);

    call = begin(SCIM_METHOD_GET, "/ResourceTypes/Group", NULL, NULL);
    response_of(call, 200);
    one = harness_json(call);
    assert_string_equal(harness_text(one, "endpoint"), "/Groups");
    json_decref(one);
    harness_call_free(call);

    call = begin(SCIM_METHOD_GET, "/Schemas", "filter=id%20pr", NULL);
    response_of(call, 403);
    harness_call_free(call);
}


/* ---- bodies ---- */

static void
bodies_must_be_json_objects(void **state)
{
    static const char *const bodies[] = {
        "", "[", "[]", "\"x\"", "{\"userName\":\"a\",\"userName\":\"b\"}",
        "{\"userName\":\"a\",\"USERNAME\":\"b\"}",
        "{\"userName\":\"\xc3\x28\"}", "{\"userName\":\"a\"} x"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        harness_call_t *call = begin(SCIM_METHOD_POST, "/Users", NULL,
            bodies[i]);

        assert_non_null(strstr(response_of(call, 400)->body.data,
            "\"invalidSyntax\""));
        harness_call_free(call);
    }
    ends(400, SCIM_METHOD_POST, "/Users", "{}");
    ends(400, SCIM_METHOD_POST, "/Users", "{\"userName\":\"\"}");
    ends(400, SCIM_METHOD_POST, "/Groups", "{\"members\":[]}");
    ends(400, SCIM_METHOD_PUT, "/Users/" ID, "{");
    ends(400, SCIM_METHOD_PATCH, "/Users/" ID, "");
}


static int
status_of_media_type(const char *type)
{
    int             status;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_POST,
        "/Users", NULL, "{}");

    call->request.content_type = (scim_text_t) { type, strlen(type) };
    harness_call_step(&harness, call);
    status = call->operation->response.status;
    harness_call_free(call);
    return status;
}


static void
media_types_are_checked(void **state)
{
    (void) state;
    assert_int_equal(status_of_media_type(""), 400);
    assert_int_equal(status_of_media_type("application/json"), 400);
    assert_int_equal(status_of_media_type(
        "APPLICATION/SCIM+JSON ; charset=UTF-8"), 400);
    assert_int_equal(status_of_media_type("text/json"), 400);
    assert_int_equal(status_of_media_type("text/plain"), 415);
    assert_int_equal(status_of_media_type("application/jsonx"), 415);
    assert_int_equal(status_of_media_type(
        "application/x-www-form-urlencoded"), 415);
}


static void
large_bodies_are_refused(void **state)
{
    (void) state;
    harness.service.body_max = 10;
    ends(413, SCIM_METHOD_POST, "/Users", "{\"userName\":\"a\"}");
    harness.service.body_max = 1 << 20;
}


static void
json_clients_get_json(void **state)
{
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_GET,
        "/nothing", NULL, NULL);

    (void) state;
    call->request.accept = (scim_text_t) { "application/json", 16 };
    harness_call_step(&harness, call);
    assert_string_equal(call->operation->response.content_type,
        "application/json");
    harness_call_free(call);
}


/* ---- commands ---- */

static void
a_create_is_one_call(void **state)
{
    size_t                n = 0;
    harness_call_t       *call;
    const scim_command_t *command;
    static const char *const wanted[] = {
        "FCALL", SCIM_FUNCTION_PREFIX "commit", "1", "scim:{007}:events",
        "acme", NULL, "0", "0", "user.created", "user", NULL, "", "0", "okta",
        "txn-1", "{\"attributes\":[\"userName\",\"active\"],\"active\":true}",
        NULL, "\"Ann\"", "1", "userName", "1", "0", "1", "ann", "keep", "0",
        "0"
    };

    (void) state;
    call = begin(SCIM_METHOD_POST, "/Users", NULL, "{\"userName\":\"Ann\"}");
    assert_int_equal(call->step, SCIM_STEP_SEND);
    command = &call->operation->command;
    assert_int_equal(command->argc, sizeof(wanted) / sizeof(wanted[0]));
    for (n = 0; n < command->argc; n++) {
        if (wanted[n]) {
            assert_int_equal(command->argv_len[n], strlen(wanted[n]));
            assert_string_equal(command->argv[n], wanted[n]);
        }
    }
    feed_strings(call, "OK", "1", "1700000000000", "1700000000000", "1",
        NULL);
    assert_string_equal(response_of(call, 201)->etag, "W/\"1\"");
    harness_call_free(call);
}


static void
somebody_faster_is_waited_for_but_not_for_ever(void **state)
{
    harness_call_t *call = begin(SCIM_METHOD_PATCH, "/Users/" ID,
        "attributes=id", "{\"Operations\":[{\"op\":\"replace\",\"path\":"
                         "\"title\",\"value\":\"x\"}]}");

    (void) state;
    for (int i = 0; i < SCIM_COMMIT_ATTEMPT_MAX; i++) {
        assert_string_equal(call->operation->command.argv[0], "GET");
        feed(call, text_reply(record));
        assert_string_equal(call->operation->command.argv[0], "FCALL");
        assert_string_equal(call->operation->command.argv[12], "2");
        feed_strings(call, "CONTENT", NULL);
    }
    assert_int_equal(response_of(call, 503)->retry_after, 1);
    harness_call_free(call);
}


static void
what_vanishes_meanwhile_is_not_there(void **state)
{
    harness_call_t *call = begin(SCIM_METHOD_DELETE, "/Users/" ID, NULL,
        NULL);

    (void) state;
    feed(call, text_reply(record));
    assert_string_equal(call->operation->command.argv[1],
        SCIM_FUNCTION_PREFIX "commit_oom");
    feed_strings(call, "NOTFOUND", NULL);
    response_of(call, 404);
    harness_call_free(call);
}


/* ---- replies ---- */

static void
errors_of_redis_are_answered(void **state)
{
    static const struct {
        const char *error;
        int         status;
        unsigned    retry_after;
    } cases[] = {
        { "LOADING Redis is loading the dataset in memory", 503, 2 },
        { "MASTERDOWN Link with MASTER is down", 503, 2 },
        { "CLUSTERDOWN The cluster is down", 503, 2 },
        { "TRYAGAIN Multiple keys", 503, 2 },
        { "NOREPLICAS Not enough good replicas", 503, 2 },
        { "BUSY Redis is busy running a script", 503, 5 },
        { "READONLY You can't write against a read only replica.", 503, 2 },
        { "OOM command not allowed when used memory > 'maxmemory'.", 503,
          30 },
        { "MISCONF Redis is configured to save RDB snapshots", 503, 10 },
        { "NOAUTH Authentication required.", 503, 10 },
        { "NOPERM this user has no permissions", 503, 10 },
        { "ERR Function not found", 503, 1 },
        { "WRONGTYPE Operation against a key", 500, 0 },
        { "ERR user_function:1: secret", 500, 0 },
        { "", 500, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        harness_call_t  *call = begin(SCIM_METHOD_POST, "/Users", NULL,
            "{\"userName\":\"Ann\"}");
        scim_response_t *response;

        feed(call, error_reply(cases[i].error));
        response = response_of(call, cases[i].status);
        assert_int_equal(response->retry_after, cases[i].retry_after);
        assert_string_equal(response->location, "");
        assert_string_equal(response->etag, "");
        assert_null(strstr(response->body.data, "secret"));
        harness_call_free(call);
    }
}


/* A reply of any shape; texts and elements come from static memory. */
static scim_reply_t
random_reply(unsigned *seed, int depth)
{
    static scim_reply_t      elements[4][8];
    static const char *const texts[] = {
        "OK", "1", "0", "-1", "99999999999999999999", "", ID, record,
        "NOTFOUND", "UNIQUE", "CONTENT", "U" ID, "1000000"
    };
    scim_reply_t reply = { 0 };

    switch (rand_r(seed) % (depth < 3 ? 6 : 3)) {
    case 0:
        break;
    case 1:
        reply.type = SCIM_REPLY_INTEGER;
        reply.integer = rand_r(seed) % 7 - 2;
        break;
    case 2:
        reply = text_reply(texts[(size_t) rand_r(seed)
                                 % (sizeof(texts) / sizeof(texts[0]))]);
        break;
    default:
        reply.type = SCIM_REPLY_ARRAY;
        reply.elements = (size_t) rand_r(seed) % 8;
        reply.element = elements[depth];
        for (size_t i = 0; i < reply.elements; i++) {
            elements[depth][i] = i == 0 && rand_r(seed) % 4
                ? text_reply("OK") : random_reply(seed, depth + 1);
        }
    }
    return reply;
}


static void
replies_without_sense_harm_nobody(void **state)
{
    static const struct {
        scim_method_t method;
        const char   *path;
        const char   *query;
        const char   *body;
    } requests[] = {
        { SCIM_METHOD_GET, "/Users/" ID, NULL, NULL },
        { SCIM_METHOD_GET, "/Groups/" ID, NULL, NULL },
        { SCIM_METHOD_GET, "/Users", NULL, NULL },
        { SCIM_METHOD_GET, "/Groups", "filter=displayName+co+%22a%22", NULL },
        { SCIM_METHOD_POST, "/Users", NULL, "{\"userName\":\"a\"}" },
        { SCIM_METHOD_POST, "/Groups", NULL,
          "{\"displayName\":\"a\",\"members\":[{\"value\":\"" ID "\"}]}" },
        { SCIM_METHOD_PUT, "/Users/" ID, NULL, "{\"userName\":\"a\"}" },
        { SCIM_METHOD_PATCH, "/Groups/" ID, "attributes=members",
          "{\"Operations\":[{\"op\":\"add\",\"path\":\"members\","
          "\"value\":\"0190dada-0000-7000-8000-000000000002\"}]}" },
        { SCIM_METHOD_DELETE, "/Users/" ID, NULL, NULL },
    };
    unsigned seed = 1;

    (void) state;
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t) round % (sizeof(requests) / sizeof(requests[0]));
        harness_call_t *call = begin(requests[n].method, requests[n].path,
            requests[n].query, requests[n].body);

        for (int i = 0; call->step == SCIM_STEP_SEND && i < 100; i++) {
            feed(call, random_reply(&seed, 0));
        }
        if (call->step == SCIM_STEP_DONE) {
            int status = call->operation->response.status;

            assert_in_range(status, 200, 599);
            /* a success always has what it says */
            if (status < 300 && status != 204) {
                json_decref(harness_json(call));
            }
        }
        harness_call_free(call);
    }
}


static int
start(void **state)
{
    scim_error_t error = { 0 };

    (void) state;
    harness.schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    assert_non_null(harness.schemas);
    redis_harness_defaults(&harness);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(harness.schemas);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_paths_are_scim_errors),
        cmocka_unit_test(odd_ids_are_not_looked_up),
        cmocka_unit_test(other_methods_are_told_which_are_offered),
        cmocka_unit_test(what_is_not_offered_says_so),
        cmocka_unit_test(me_is_the_user_of_the_token),
        cmocka_unit_test(only_provisioning_tokens_provision),
        cmocka_unit_test(slashes_too_many_do_not_count),
        cmocka_unit_test(discovery_describes_what_is_there),
        cmocka_unit_test(bodies_must_be_json_objects),
        cmocka_unit_test(media_types_are_checked),
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(json_clients_get_json),
        cmocka_unit_test(a_create_is_one_call),
        cmocka_unit_test(somebody_faster_is_waited_for_but_not_for_ever),
        cmocka_unit_test(what_vanishes_meanwhile_is_not_there),
        cmocka_unit_test(errors_of_redis_are_answered),
        cmocka_unit_test(replies_without_sense_harm_nobody),
    };

    return cmocka_run_group_tests_name("operation", tests, start, stop);
}
