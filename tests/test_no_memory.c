#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_json.h"
#include "scim_patch.h"

/*
 * The n-th allocation of a JSON value fails, for every n: the result is the
 * whole one or an error, never a document that lost something on the way.
 */
#define ENT "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define ID  "0190dada-0000-7000-8000-000000000001"

static const char user_text[] =
    "{\"userName\":\"ann\",\"externalId\":1,\"name\":{\"givenName\":\"Ann\"},"
    "\"emails\":[{\"value\":\"a@x\",\"type\":\"work\",\"primary\":\"True\"},"
    "\"b@x\"],\"roles\":[\"{\\\"value\\\":\\\"r\\\","
    "\\\"displayName\\\":\\\"R\\\"}\"],\"" ENT ":department\":\"D\","
    "\"" ENT ":manager.value\":\"m\"}";

static const char group_text[] =
    "{\"displayName\":\"Ads\",\"members\":[{\"value\":\"u1\"},\"u2\"]}";

static const char patch_text[] =
    "{\"Operations\":["
    "{\"op\":\"add\",\"path\":\"emails[type eq \\\"home\\\"].value\","
    "\"value\":\"h@x\"},"
    "{\"op\":\"replace\",\"path\":\"name\",\"value\":{\"familyName\":\"L\"}},"
    "{\"op\":\"add\",\"value\":{\"title\":\"T\",\"" ENT "\":"
    "{\"costCenter\":\"C\"}}},"
    "{\"op\":\"remove\",\"path\":\"emails\",\"value\":[{\"value\":\"b@x\"}]},"
    "{\"op\":\"add\",\"path\":\"phoneNumbers\",\"value\":\"1\"}]}";

static const char members_text[] =
    "{\"Operations\":["
    "{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"u3\"}]},"
    "{\"op\":\"remove\",\"path\":\"members\",\"value\":[{\"value\":\"u1\"}]},"
    "{\"op\":\"remove\",\"path\":\"members[value eq \\\"u2\\\"]\"}]}";

static scim_schemas_t *schemas;
static long            allocations_left; /* -1 = no limit */


static void *
limited_malloc(size_t size)
{
    if (allocations_left == 0) {
        return NULL;
    }
    if (allocations_left > 0) {
        allocations_left--;
    }
    return malloc(size);
}


typedef struct {
    const char *type;
    const char *stored; /* NULL = a POST */
    const char *body;
} request_t;


/* Document and members as one value; NULL when there was an error. */
static json_t *
run(const request_t *request)
{
    bool            ok = false;
    json_t         *body, *current = NULL, *document = NULL, *result = NULL;
    scim_error_t    error = { 0 };
    scim_members_t  members;
    const scim_resource_type_t *type = scim_resource_type_find(schemas,
        request->type, strlen(request->type));

    body = scim_json_read(request->body, strlen(request->body),
        &scim_json_request_limits, &error);
    if (scim_members_init(&members) && body) {
        if (request->stored) {
            current = scim_json_read(request->stored,
                strlen(request->stored), &scim_json_request_limits, &error);
            ok = current && scim_patch_apply(type, body, current, ID,
                &document, &members, NULL, &error);
        } else {
            ok = scim_document_normalize(type, SCIM_DOCUMENT_CREATE, body,
                NULL, ID, &document, &members, NULL, &error);
        }
    }
    allocations_left = -1;
    if (ok) {
        result = json_pack("{sO,si,sO,sO}", "document", document, "mode",
            (int) members.mode, "add", members.add, "remove",
            members.remove);
        assert_non_null(result);
    }
    json_decref(document);
    json_decref(current);
    json_decref(body);
    scim_members_free(&members);
    return result;
}


static void
check(const request_t *request)
{
    bool    whole = false;
    json_t *expected, *found;

    allocations_left = -1;
    expected = run(request);
    assert_non_null(expected);
    for (long n = 0; !whole; n++) {
        allocations_left = n;
        found = run(request);
        if (found && !json_equal(expected, found)) {
            fail_msg("allocation %ld: %s", n, json_dumps(found, 0));
        }
        whole = found != NULL;
        json_decref(found);
        assert_true(n < 2000);
    }
    json_decref(expected);
}


static void
a_post_loses_nothing(void **state)
{
    (void) state;
    check(&(request_t) { "User", NULL, user_text });
    check(&(request_t) { "Group", NULL, group_text });
}


static void
a_patch_loses_nothing(void **state)
{
    (void) state;
    check(&(request_t) { "User", "{\"userName\":\"ann\",\"emails\":["
        "{\"value\":\"b@x\"},{\"value\":\"c@x\"}],\"name\":"
        "{\"givenName\":\"A\"},\"active\":true}", patch_text });
    check(&(request_t) { "Group", "{\"displayName\":\"Ads\"}",
        members_text });
}


static int
start(void **state)
{
    (void) state;
    allocations_left = -1;
    json_set_alloc_funcs(limited_malloc, free);
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
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
        cmocka_unit_test(a_post_loses_nothing),
        cmocka_unit_test(a_patch_loses_nothing)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
