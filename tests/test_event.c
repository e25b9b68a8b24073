#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_embedded.h"
#include "scim_event.h"
#include "scim_json.h"
#include "scim_prefer.h"

/* Entries of the stream as the claims of Security Event Tokens. */
#define URI  "urn:ietf:params:scim:event:"
#define HEAD \
    "{\"jti\":\"7-1\",\"iat\":1780000000,\"iss\":\"https://h/scim/v2\"," \
    "\"aud\":[\"acme\"],\"txn\":\"t1\"," \
    "\"sub_id\":{\"format\":\"scim\",\"uri\":\"/"

static scim_schemas_t *schemas;


static json_t *
json_of(const char *text)
{
    json_t *json = text ? scim_json_read(text, strlen(text),
        &scim_json_stored_limits, NULL) : NULL;

    assert_true(text == NULL || json != NULL);
    return json;
}


/* What the claims are in text; "" = nobody is told. */
static void
expect(const char *expected, const char *op, const char *type,
    const char *id, long long version, const char *data, bool full,
    const char *resource)
{
    json_t            *claims, *data_json = json_of(data);
    json_t            *resource_json = json_of(resource);
    scim_event_t       event = { op, type, id, version, 1780000000123, "t1",
                                 data_json };
    scim_event_token_t token = { "7-1", "https://h/scim/v2", "acme", full,
                                 resource_json };
    scim_buffer_t      text;

    scim_buffer_init(&text, 1 << 20);
    claims = scim_event_claims(schemas, &event, &token);
    if (claims) {
        scim_json_write(claims, &text);
        scim_buffer_append_char(&text, '\0');
    }
    assert_string_equal(text.data ? text.data : "", expected);
    json_decref(claims);
    json_decref(data_json);
    json_decref(resource_json);
    scim_buffer_free(&text);
}


#define ANN "{\"schemas\":[\"u\"],\"id\":\"1\",\"externalId\":\"e1\"," \
            "\"userName\":\"ann\",\"title\":\"Boss\",\"urn:x:2.0:User\":" \
            "{\"department\":\"D\"},\"meta\":{\"version\":\"W/\\\"3\\\"\"}}"


static void
a_create_is_a_notice_or_the_resource(void **state)
{
    (void) state;
    expect(HEAD "Users/1\"},\"events\":{\"" URI "prov:create:notice\":"
        "{\"version\":\"W/\\\"1\\\"\",\"attributes\":[\"userName\"]}}}",
        "user.created", "user", "1", 1,
        "{\"attributes\":[\"userName\"],\"active\":true}", false, NULL);
    expect(HEAD "Users/1\",\"externalId\":\"e1\"},\"events\":{\"" URI
        "prov:create:full\":{\"version\":\"W/\\\"3\\\"\",\"data\":" ANN "}}}",
        "user.created", "user", "1", 3, "{\"attributes\":[\"userName\"]}",
        true, ANN);
    /* it is not what was created any more */
    expect(HEAD "Users/1\",\"externalId\":\"e1\"},\"events\":{\"" URI
        "prov:create:notice\":{\"version\":\"W/\\\"1\\\"\",\"attributes\":"
        "[\"userName\"]}}}",
        "user.created", "user", "1", 1, "{\"attributes\":[\"userName\"]}",
        true, ANN);
    expect(HEAD "Groups/2\"},\"events\":{\"" URI "prov:create:notice\":"
        "{\"version\":\"W/\\\"1\\\"\",\"attributes\":[\"displayName\","
        "\"members\"]}}}",
        "group.created", "group", "2", 1, "{\"attributes\":[\"displayName\"],"
        "\"members\":{\"add\":[\"1\"],\"remove\":[]}}", false, NULL);
}


static void
a_replacement_is_a_put(void **state)
{
    (void) state;
    expect(HEAD "Users/1\",\"externalId\":\"e1\"},\"events\":{\"" URI
        "prov:put:full\":{\"version\":\"W/\\\"3\\\"\",\"data\":" ANN "},\""
        URI "prov:activate\":{}}}",
        "user.replaced", "user", "1", 3,
        "{\"attributes\":[\"active\"],\"active\":true}", true, ANN);
    expect(HEAD "Users/1\"},\"events\":{\"" URI "prov:put:notice\":"
        "{\"version\":\"W/\\\"3\\\"\",\"attributes\":[\"title\"]}}}",
        "user.replaced", "user", "1", 3, "{\"attributes\":[\"title\"]}",
        true, NULL);
}


static void
a_patch_tells_what_changed(void **state)
{
    (void) state;
    expect(HEAD "Users/1\"},\"events\":{\"" URI "prov:patch:notice\":"
        "{\"version\":\"W/\\\"3\\\"\",\"attributes\":[\"title\",\"active\"]},"
        "\"" URI "prov:deactivate\":{}}}",
        "user.patched", "user", "1", 3,
        "{\"attributes\":[\"title\",\"active\"],\"active\":false}", false,
        NULL);
    expect(HEAD "Users/1\",\"externalId\":\"e1\"},\"events\":{\"" URI
        "prov:patch:full\":{\"version\":\"W/\\\"3\\\"\",\"data\":{\"schemas\":"
        "[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":"
        "[{\"op\":\"replace\",\"path\":\"title\",\"value\":\"Boss\"},"
        "{\"op\":\"remove\",\"path\":\"nickName\"},{\"op\":\"replace\","
        "\"path\":\"urn:x:2.0:User:department\",\"value\":\"D\"}]}}}}",
        "user.patched", "user", "1", 3, "{\"attributes\":[\"title\","
        "\"nickName\",\"urn:x:2.0:User:department\"]}", true, ANN);
    /* a later version would tell what this one did not do */
    expect(HEAD "Users/1\",\"externalId\":\"e1\"},\"events\":{\"" URI
        "prov:patch:notice\":{\"version\":\"W/\\\"2\\\"\",\"attributes\":"
        "[\"title\"]}}}",
        "user.patched", "user", "1", 2, "{\"attributes\":[\"title\"]}", true,
        ANN);
}


static void
memberships_are_a_patch(void **state)
{
    (void) state;
    expect(HEAD "Groups/2\"},\"events\":{\"" URI "prov:patch:full\":"
        "{\"version\":\"W/\\\"7\\\"\",\"data\":{\"schemas\":[\"urn:ietf:params"
        ":scim:api:messages:2.0:PatchOp\"],\"Operations\":[{\"op\":\"add\","
        "\"path\":\"members\",\"value\":[{\"value\":\"a\",\"type\":\"User\"},"
        "{\"value\":\"b\",\"type\":\"Group\"}]},{\"op\":\"remove\",\"path\":"
        "\"members[value eq \\\"c\\\"]\"}]}}}}",
        "group.members", "group", "2", 7, "{\"members\":{\"add\":[\"a\","
        "\"b\"],\"remove\":[\"c\"],\"groups\":[\"b\"]}}", true, NULL);
    expect(HEAD "Groups/2\"},\"events\":{\"" URI "prov:patch:notice\":"
        "{\"version\":\"W/\\\"7\\\"\",\"attributes\":[\"members\"]}}}",
        "group.members", "group", "2", 7, "{\"members\":{\"add\":[\"a\"],"
        "\"remove\":[]}}", false, NULL);
    /* too many to be named */
    expect(HEAD "Groups/2\"},\"events\":{\"" URI "prov:patch:notice\":"
        "{\"version\":\"W/\\\"7\\\"\",\"attributes\":[\"members\"]}}}",
        "group.members", "group", "2", 7, "{\"members\":{\"all\":true}}",
        true, NULL);
}


static void
a_delete_says_nothing_more(void **state)
{
    (void) state;
    expect(HEAD "Users/1\"},\"events\":{\"" URI "prov:delete\":{}}}",
        "user.deleted", "user", "1", 4, "{}", true, NULL);
    expect(HEAD "Groups/2\"},\"events\":{\"" URI "prov:delete\":{}}}",
        "group.deleted", "group", "2", 4, "{}", false, NULL);
}


static void
a_completion_is_a_bulk_response(void **state)
{
    (void) state;
    expect(HEAD "Users/1\"},\"events\":{\"" URI "misc:asyncresp\":"
        "{\"method\":\"PATCH\",\"status\":\"200\",\"version\":\"W/\\\"4\\\"\"}"
        "}}", "async.completed", "user", "1", 4, "{\"method\":\"PATCH\","
        "\"status\":\"200\",\"version\":\"W/\\\"4\\\"\"}", false, NULL);
    expect(HEAD "Users\"},\"events\":{\"" URI "misc:asyncresp\":"
        "{\"method\":\"POST\",\"status\":\"409\",\"response\":{\"status\":"
        "\"409\"}}}}", "async.completed", "user", "", 0, "{\"method\":"
        "\"POST\",\"status\":\"409\",\"response\":{\"status\":\"409\"}}",
        false, NULL);
}


static void
what_is_ours_alone_is_told_to_nobody(void **state)
{
    (void) state;
    expect("", "team.members", "team", "2", 0, "{\"users\":[\"1\"]}", true,
        NULL);
    expect("", "share.put", "app", "2", 0, "{}", true, NULL);
    expect("", "app.created", "app", "2", 0, "{}", true, NULL);
    expect("", "app.deleted", "app", "2", 0, "{}", true, NULL);
    expect("", "async.requested", "async", "2", 0, "{}", true, NULL);
    expect("", "hold.approved", "hold", "2", 0, "{}", true, NULL);
    expect("", "resync", "user", "1", 0, "{}", true, NULL);
}


/* ---- Prefer ---- */

static void
prefers(const char *header, bool async, unsigned wait)
{
    unsigned is = 99;

    assert_int_equal(scim_prefer_async((scim_text_t) { header,
        strlen(header) }, &is), async);
    assert_int_equal(is, wait);
}


static void
a_preference_is_read_as_it_is_written(void **state)
{
    (void) state;
    prefers("", false, 0);
    prefers("respond-async", true, 0);
    prefers("Respond-Async, wait=10", true, 10);
    prefers("wait = \"20\" ,\trespond-async ; x=1", true, 20);
    prefers("return=minimal;respond-async", false, 0);
    prefers("foo=\"a, respond-async\"", false, 0);
    prefers("respond-asynchronously", false, 0);
    prefers("handling=lenient,respond-async", true, 0);
    prefers("respond-async, wait=99999999999999999999", true, 3600);
    prefers("respond-async, wait=-1", true, 0);
    prefers("respond-async, wait=5, wait=7", true, 5);
    prefers(",,;=\"", false, 0);
}


static int
start(void **state)
{
    scim_error_t error = { 0 };

    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    return schemas ? 0 : -1;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_create_is_a_notice_or_the_resource),
        cmocka_unit_test(a_replacement_is_a_put),
        cmocka_unit_test(a_patch_tells_what_changed),
        cmocka_unit_test(memberships_are_a_patch),
        cmocka_unit_test(a_delete_says_nothing_more),
        cmocka_unit_test(a_completion_is_a_bulk_response),
        cmocka_unit_test(what_is_ours_alone_is_told_to_nobody),
        cmocka_unit_test(a_preference_is_read_as_it_is_written),
    };

    return cmocka_run_group_tests_name("event", tests, start, stop);
}
