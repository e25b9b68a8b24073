#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_record.h"

/* Users and what every resource has, against a real Redis. */
static redis_harness_t harness;

static const char ann[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
    "\"userName\":\"Ann@Example.com\",\"externalId\":\"e1\","
    "\"name\":{\"givenName\":\"Ann\",\"familyName\":\"Lee\"},"
    "\"password\":\"secret-canary\",\"groups\":[],"
    "\"emails\":[{\"value\":\"ann@example.com\",\"type\":\"work\","
    "\"primary\":true}],\"active\":true}";


static json_t *
ask(int status, scim_method_t method, const char *path, const char *query,
    const char *body)
{
    return harness_ask(&harness, status, method, path, query, body);
}


static void
tell(int status, scim_method_t method, const char *path, const char *body)
{
    json_decref(ask(status, method, path, NULL, body));
}


static const char *
replace(const char *attribute, const char *json_value)
{
    return harness_format("{\"Operations\":[{\"op\":\"replace\",\"path\":"
                          "\"%s\",\"value\":%s}]}", attribute, json_value);
}


static int
fresh(void **state)
{
    (void) state;
    harness.service.backlog_max = 0;
    redis_harness_flush(&harness);
    return 0;
}


/* ---- create and read ---- */

static void
a_created_user_is_answered_as_it_is_read(void **state)
{
    char            path[64];
    harness_call_t *created, *read;
    const char     *body;

    (void) state;
    created = harness_expect(&harness, 201, SCIM_METHOD_POST, "/Users", NULL,
        ann);
    snprintf(path, sizeof(path), "%s",
        strstr(created->operation->response.location, "/Users/"));
    read = harness_expect(&harness, 200, SCIM_METHOD_GET, path, NULL, NULL);
    body = created->operation->response.body.data;
    assert_string_equal(body, read->operation->response.body.data);
    assert_string_equal(created->operation->response.etag, "W/\"1\"");
    assert_string_equal(read->operation->response.etag, "W/\"1\"");
    assert_string_equal(created->operation->response.location,
        read->operation->response.location);
    assert_string_equal(created->operation->response.content_type,
        "application/scim+json");
    assert_null(strstr(body, "secret-canary"));
    assert_non_null(strstr(body, "\"userName\":\"Ann@Example.com\""));
    assert_non_null(strstr(body, "\"version\":\"W/\\\"1\\\"\""));
    harness_call_free(created);
    harness_call_free(read);
}


static void
a_user_who_was_never_in_a_group_is_read_by_one_get(void **state)
{
    char            path[64];
    harness_call_t *call;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    call = harness_call_new(&harness, SCIM_METHOD_GET, path, NULL, NULL);
    harness_call_step(&harness, call);
    assert_int_equal(call->operation->command.argc, 2);
    assert_string_equal(call->operation->command.argv[0], "GET");
    harness_call_run(&harness, call);
    assert_int_equal(call->commands, 1);
    assert_int_equal(call->operation->response.status, 200);
    harness_call_free(call);
}


static void
nothing_of_a_password_is_kept(void **state)
{
    char        path[64];
    redisReply *reply;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    reply = redis_harness_command(&harness, "GET scim:{007}:acme:user:%s",
        harness_id(path));
    assert_null(strstr(reply->str, "secret-canary"));
    freeReplyObject(reply);
    assert_string_equal(harness_event(&harness, 0, "op"), "user.created");
    assert_null(strstr(harness_event(&harness, 0, "data"), "secret"));
    assert_null(strstr(harness_event(&harness, 0, "data"), "example"));
}


static void
user_names_are_unique_whatever_their_case(void **state)
{
    char    first[64], second[64];
    json_t *error;

    (void) state;
    harness_create(&harness, "/Users", ann, first);
    error = ask(409, SCIM_METHOD_POST, "/Users", NULL,
        "{\"userName\":\"ANN@EXAMPLE.COM\"}");
    assert_string_equal(harness_text(error, "scimType"), "uniqueness");
    assert_string_equal(harness_text(error, "status"), "409");
    json_decref(error);
    harness_create(&harness, "/Users", "{\"userName\":\"bob\"}", second);
    tell(409, SCIM_METHOD_PATCH, second,
        replace("userName", "\"aNN@example.com\""));
    tell(409, SCIM_METHOD_PUT, second, "{\"userName\":\"ann@example.com\"}");
    assert_int_equal(harness_event_count(&harness), 2);

    /* one's own name in other letters is no conflict, and is kept so */
    error = ask(200, SCIM_METHOD_PATCH, first, NULL,
        replace("userName", "\"ANN@example.com\""));
    assert_string_equal(harness_text(error, "userName"), "ANN@example.com");
    json_decref(error);

    /* and is free at once when its owner goes or is renamed */
    tell(204, SCIM_METHOD_DELETE, first, NULL);
    tell(200, SCIM_METHOD_PATCH, second,
        replace("userName", "\"ann@example.com\""));
    harness_create(&harness, "/Users", "{\"userName\":\"Bob\"}", first);
}


/* What differs at the end only is not the same, as far as names may go. */
static void
long_names_are_told_apart_or_refused(void **state)
{
    char        name[600], path[64];
    json_t     *json;
    const char *body = "{\"userName\":\"%s%s\"}";

    (void) state;
    memset(name, 'N', sizeof(name));
    name[511] = '\0';
    harness_create(&harness, "/Users", harness_format(body, name, "1"), path);
    tell(409, SCIM_METHOD_POST, "/Users", harness_format(body, name, "1"));
    harness_create(&harness, "/Users", harness_format(body, name, "2"), path);
    json = ask(400, SCIM_METHOD_POST, "/Users", NULL, harness_format(body,
        name, "1 2"));
    assert_string_equal(harness_text(json, "scimType"), "invalidValue");
    json_decref(json);
    tell(400, SCIM_METHOD_PATCH, path, replace("userName", harness_format(
        "\"%s\xc3\x9f\"", name))); /* folded it is longer */
    tell(400, SCIM_METHOD_PUT, path, harness_format(body, name, "12"));
    tell(200, SCIM_METHOD_PATCH, path, replace("nickName", harness_format(
        "\"%s12\"", name)));
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/Users",
        harness_format("filter=userName%%20eq%%20%%22%s2%%22", name), NULL);
    assert_string_equal(harness_text(json, "Resources.0.id"),
        harness_id(path));
    assert_int_equal(json_array_size(json_object_get(json, "Resources")), 1);
    json_decref(json);
}


static void
two_creates_of_one_name_at_once_make_one_user(void **state)
{
    harness_call_t *a, *b;

    (void) state;
    a = harness_call_new(&harness, SCIM_METHOD_POST, "/Users", NULL, ann);
    b = harness_call_new(&harness, SCIM_METHOD_POST, "/Users", NULL, ann);
    harness_call_step(&harness, a);
    harness_call_step(&harness, b);
    harness_call_run(&harness, b);
    harness_call_run(&harness, a);
    assert_int_equal(b->operation->response.status, 201);
    assert_int_equal(a->operation->response.status, 409);
    assert_int_equal(harness_event_count(&harness), 1);
    harness_call_free(a);
    harness_call_free(b);
}


/* ---- versions ---- */

static int
with_match(scim_method_t method, const char *path, const char *match,
    const char *body)
{
    int             status;
    harness_call_t *call = harness_call_new(&harness, method, path, NULL,
        body);

    call->request.if_match = (scim_text_t) { match, strlen(match) };
    harness_call_run(&harness, call);
    status = call->operation->response.status;
    harness_call_free(call);
    return status;
}


static void
if_match_must_name_the_current_version(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    assert_int_equal(with_match(SCIM_METHOD_PATCH, path, "W/\"2\"",
        replace("title", "\"x\"")), 412);
    assert_int_equal(with_match(SCIM_METHOD_PUT, path, "\"0\"",
        "{\"userName\":\"x\"}"), 412);
    assert_int_equal(with_match(SCIM_METHOD_DELETE, path, "W/\"12\"", NULL),
        412);
    assert_int_equal(harness_event_count(&harness), 1);
    assert_int_equal(with_match(SCIM_METHOD_PATCH, path, "W/\"1\"",
        replace("title", "\"x\"")), 200);
    assert_int_equal(with_match(SCIM_METHOD_PATCH, path, "\"7\", \"2\"",
        replace("title", "\"y\"")), 200);
    assert_int_equal(with_match(SCIM_METHOD_PATCH, path, "3",
        replace("title", "\"z\"")), 200);
    assert_int_equal(with_match(SCIM_METHOD_DELETE, path, "*", NULL), 204);
    assert_int_equal(with_match(SCIM_METHOD_DELETE, path, "*", NULL), 404);
}


static void
of_two_writers_with_one_version_one_fails(void **state)
{
    char            path[64];
    scim_text_t     version = { "W/\"1\"", 5 };
    harness_call_t *a, *b;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    a = harness_call_new(&harness, SCIM_METHOD_PATCH, path, NULL,
        replace("title", "\"a\""));
    b = harness_call_new(&harness, SCIM_METHOD_PATCH, path, NULL,
        replace("nickName", "\"b\""));
    a->request.if_match = b->request.if_match = version;
    for (int i = 0; i < 2; i++) { /* both have read, neither has written */
        harness_call_step(&harness, a);
        harness_call_step(&harness, b);
    }
    harness_call_run(&harness, a);
    harness_call_run(&harness, b);
    assert_int_equal(a->operation->response.status, 200);
    assert_int_equal(b->operation->response.status, 412);
    assert_int_equal(harness_event_count(&harness), 2);
    harness_call_free(a);
    harness_call_free(b);
}


static void
patches_at_the_same_time_all_take_effect(void **state)
{
    char            path[64];
    json_t         *user;
    harness_call_t *a, *b;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    a = harness_call_new(&harness, SCIM_METHOD_PATCH, path, NULL,
        replace("title", "\"a\""));
    b = harness_call_new(&harness, SCIM_METHOD_PATCH, path, NULL,
        replace("nickName", "\"b\""));
    for (int i = 0; i < 2; i++) {
        harness_call_step(&harness, a);
        harness_call_step(&harness, b);
    }
    harness_call_run(&harness, a);
    harness_call_run(&harness, b);
    assert_int_equal(a->operation->response.status, 200);
    assert_int_equal(b->operation->response.status, 200);
    assert_int_equal(a->commands, 2);
    assert_int_equal(b->commands, 4); /* read, refused, read, written */
    harness_call_free(a);
    harness_call_free(b);
    user = ask(200, SCIM_METHOD_GET, path, NULL, NULL);
    assert_string_equal(harness_text(user, "title"), "a");
    assert_string_equal(harness_text(user, "nickName"), "b");
    assert_string_equal(harness_text(user, "meta.version"), "W/\"3\"");
    json_decref(user);
}


static void
a_known_version_is_not_sent_again(void **state)
{
    char            path[64];
    harness_call_t *call;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    call = harness_call_new(&harness, SCIM_METHOD_GET, path, NULL, NULL);
    call->request.if_none_match = (scim_text_t) { "\"1\"", 3 };
    harness_call_run(&harness, call);
    assert_int_equal(call->operation->response.status, 304);
    assert_int_equal(call->operation->response.body.len, 0);
    assert_string_equal(call->operation->response.etag, "W/\"1\"");
    harness_call_free(call);
}


/* ---- no change ---- */

static void
what_changes_nothing_leaves_no_trace(void **state)
{
    char    path[64];
    char   *echo;
    json_t *before, *after;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    before = ask(200, SCIM_METHOD_GET, path, NULL, NULL);
    echo = json_dumps(before, JSON_COMPACT);
    tell(200, SCIM_METHOD_PUT, path, echo);
    tell(200, SCIM_METHOD_PATCH, path, replace("active", "\"True\""));
    tell(200, SCIM_METHOD_PATCH, path, "{\"Operations\":[]}");
    tell(200, SCIM_METHOD_PATCH, path, "{\"Operations\":[{\"op\":\"remove\","
                                       "\"path\":\"nickName\"}]}");
    after = ask(200, SCIM_METHOD_GET, path, NULL, NULL);
    assert_true(json_equal(before, after));
    assert_int_equal(harness_event_count(&harness), 1);
    free(echo);
    json_decref(before);
    json_decref(after);
}


/* ---- delete ---- */

static void
what_is_deleted_is_gone_everywhere(void **state)
{
    char    path[64];
    json_t *list;

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    tell(204, SCIM_METHOD_DELETE, path, NULL);
    tell(404, SCIM_METHOD_GET, path, NULL);
    tell(404, SCIM_METHOD_PUT, path, "{\"userName\":\"ann\"}");
    tell(404, SCIM_METHOD_PATCH, path, replace("title", "\"x\""));
    tell(404, SCIM_METHOD_DELETE, path, NULL);
    list = ask(200, SCIM_METHOD_GET, "/Users", NULL, NULL);
    assert_int_equal(json_integer_value(json_object_get(list,
        "totalResults")), 0);
    json_decref(list);
    /* what is left is the data set, its stream, and nothing of hers */
    assert_int_equal(redis_harness_number(&harness, "DBSIZE"), 2);
    assert_string_equal(harness_event(&harness, 0, "op"), "user.deleted");
    assert_string_equal(harness_event(&harness, 0, "v"), "2");
}


/* ---- events ---- */

static void
every_version_has_its_event(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    tell(200, SCIM_METHOD_PATCH, path, replace("active", "false"));
    assert_string_equal(harness_event(&harness, 0, "data"),
        "{\"attributes\":[\"active\"],\"active\":false}");
    tell(200, SCIM_METHOD_PUT, path, "{\"userName\":\"ann2\",\"urn:ietf:"
        "params:scim:schemas:extension:enterprise:2.0:User\":"
        "{\"department\":\"D\"}}");
    assert_string_equal(harness_event(&harness, 0, "op"), "user.replaced");
    assert_non_null(strstr(harness_event(&harness, 0, "data"),
        "enterprise:2.0:User:department"));
    assert_string_equal(harness_event(&harness, 0, "v"), "3");
    assert_string_equal(harness_event(&harness, 1, "v"), "2");
    assert_string_equal(harness_event(&harness, 2, "v"), "1");
    assert_string_equal(harness_event(&harness, 2, "id"), harness_id(path));
    assert_string_equal(harness_event(&harness, 2, "ws"), "acme");
    assert_string_equal(harness_event(&harness, 2, "actor"), "okta");
    assert_string_equal(harness_event(&harness, 2, "txn"), "txn-1");
    assert_int_equal(redis_harness_number(&harness,
        "HGET scim:{007}:dataset appended"), 3);
}


/* ---- refusals ---- */

static void
a_request_past_its_deadline_changes_nothing(void **state)
{
    harness_call_t *call;

    (void) state;
    call = harness_call_new(&harness, SCIM_METHOD_POST, "/Users", NULL, ann);
    call->request.deadline = 1;
    harness_call_run(&harness, call);
    assert_int_equal(call->operation->response.status, 503);
    assert_true(call->operation->response.retry_after > 0);
    harness_call_free(call);
    assert_int_equal(redis_harness_number(&harness, "DBSIZE"), 2);
}


static void
an_empty_redis_is_no_empty_directory(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    freeReplyObject(redis_harness_command(&harness, "FLUSHALL"));
    tell(503, SCIM_METHOD_GET, path, NULL);
    tell(503, SCIM_METHOD_GET, "/Users", NULL);
    tell(503, SCIM_METHOD_POST, "/Users", ann);
    tell(503, SCIM_METHOD_DELETE, path, NULL);
    tell(503, SCIM_METHOD_PATCH, path, replace("title", "\"x\""));
    assert_int_equal(redis_harness_number(&harness, "DBSIZE"), 0);
}


static void
another_data_set_is_refused(void **state)
{
    (void) state;
    harness.dataset[0] = '9';
    tell(503, SCIM_METHOD_POST, "/Users", ann);
    tell(503, SCIM_METHOD_GET, "/Users", NULL);
    harness.dataset[0] = '0';
    tell(201, SCIM_METHOD_POST, "/Users", ann);
}


static void
a_backlog_stops_what_grows_and_nothing_else(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    harness.service.backlog_max = 1;
    tell(503, SCIM_METHOD_POST, "/Users", "{\"userName\":\"bob\"}");
    tell(503, SCIM_METHOD_PATCH, path, replace("title", "\"x\""));
    tell(200, SCIM_METHOD_PATCH, path, replace("active", "false"));
    tell(204, SCIM_METHOD_DELETE, path, NULL);
    assert_int_equal(harness_event_count(&harness), 3);
}


static void
a_full_redis_still_lets_people_go(void **state)
{
    char a[64], b[64], group[64];

    (void) state;
    harness_create(&harness, "/Users", ann, a);
    harness_create(&harness, "/Users", "{\"userName\":\"bob\"}", b);
    harness_create(&harness, "/Groups", harness_format(
        "{\"displayName\":\"Ads\",\"members\":[{\"value\":\"%s\"}]}",
        harness_id(a)), group);
    freeReplyObject(redis_harness_command(&harness,
        "CONFIG SET maxmemory 1"));
    tell(503, SCIM_METHOD_POST, "/Users", "{\"userName\":\"eve\"}");
    tell(503, SCIM_METHOD_PATCH, a, replace("title", "\"x\""));
    tell(200, SCIM_METHOD_PATCH, b, replace("active", "false"));
    tell(204, SCIM_METHOD_PATCH, group, harness_format(
        "{\"Operations\":[{\"op\":\"remove\",\"path\":"
        "\"members[value eq \\\"%s\\\"]\"}]}", harness_id(a)));
    tell(200, SCIM_METHOD_GET, "/Users", NULL);
    tell(204, SCIM_METHOD_DELETE, a, NULL);
    freeReplyObject(redis_harness_command(&harness,
        "CONFIG SET maxmemory 0"));
    tell(201, SCIM_METHOD_POST, "/Users", "{\"userName\":\"eve\"}");
}


static void
another_workspace_sees_nothing(void **state)
{
    char            path[64];
    char            nobody[64] = "/Users/0190dada-0000-7000-8000-00000000aaaa";
    harness_call_t *a, *b;
    scim_principal_t other = harness.principal;

    (void) state;
    strcpy(other.workspace, "globex");
    harness_create(&harness, "/Users", ann, path);
    a = harness_call_new(&harness, SCIM_METHOD_GET, path, NULL, NULL);
    b = harness_call_new(&harness, SCIM_METHOD_GET, nobody, NULL, NULL);
    a->request.principal = b->request.principal = &other;
    harness_call_run(&harness, a);
    harness_call_run(&harness, b);
    assert_int_equal(a->operation->response.status, 404);
    assert_int_equal(b->operation->response.status, 404);
    assert_string_equal(a->operation->response.body.data,
        b->operation->response.body.data);
    assert_int_equal(a->commands, b->commands);
    harness_call_free(a);
    harness_call_free(b);
    a = harness_call_new(&harness, SCIM_METHOD_POST, "/Users", NULL, ann);
    a->request.principal = &other;
    harness_call_run(&harness, a);
    assert_int_equal(a->operation->response.status, 201);
    harness_call_free(a);
}


static void
a_damaged_record_is_no_answer(void **state)
{
    char path[64];

    (void) state;
    harness_create(&harness, "/Users", ann, path);
    freeReplyObject(redis_harness_command(&harness,
        "SET scim:{007}:acme:user:%s oops", harness_id(path)));
    tell(500, SCIM_METHOD_GET, path, NULL);
    tell(500, SCIM_METHOD_GET, "/Users", NULL);
    tell(500, SCIM_METHOD_DELETE, path, NULL);
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


#define DIRECTORY_TEST(name) cmocka_unit_test_setup(name, fresh)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(a_created_user_is_answered_as_it_is_read),
        DIRECTORY_TEST(a_user_who_was_never_in_a_group_is_read_by_one_get),
        DIRECTORY_TEST(nothing_of_a_password_is_kept),
        DIRECTORY_TEST(user_names_are_unique_whatever_their_case),
        DIRECTORY_TEST(long_names_are_told_apart_or_refused),
        DIRECTORY_TEST(two_creates_of_one_name_at_once_make_one_user),
        DIRECTORY_TEST(if_match_must_name_the_current_version),
        DIRECTORY_TEST(of_two_writers_with_one_version_one_fails),
        DIRECTORY_TEST(patches_at_the_same_time_all_take_effect),
        DIRECTORY_TEST(a_known_version_is_not_sent_again),
        DIRECTORY_TEST(what_changes_nothing_leaves_no_trace),
        DIRECTORY_TEST(what_is_deleted_is_gone_everywhere),
        DIRECTORY_TEST(every_version_has_its_event),
        DIRECTORY_TEST(a_request_past_its_deadline_changes_nothing),
        DIRECTORY_TEST(an_empty_redis_is_no_empty_directory),
        DIRECTORY_TEST(another_data_set_is_refused),
        DIRECTORY_TEST(a_backlog_stops_what_grows_and_nothing_else),
        DIRECTORY_TEST(a_full_redis_still_lets_people_go),
        DIRECTORY_TEST(another_workspace_sees_nothing),
        DIRECTORY_TEST(a_damaged_record_is_no_answer),
    };

    return cmocka_run_group_tests_name("directory", tests, start, stop);
}
