#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_projection.h"

/*
 * What is always, never, or on request returned (RFC 7643 section 2.4), with a
 * schema of one's own; what standard schemas say is in test_lists.c.
 */
#define CORE "urn:ietf:params:scim:schemas:core:2.0:"
#define EXTENSION "urn:example:badge"

#define STRING(name, returned) \
    "{\"name\":\"" name "\",\"type\":\"string\",\"multiValued\":false," \
    "\"required\":false,\"caseExact\":false,\"mutability\":\"readWrite\"," \
    "\"returned\":\"" returned "\",\"uniqueness\":\"none\"}"

static const char extension[] =
    "{\"schemas\":[\"" CORE "Schema\"],\"id\":\"" EXTENSION "\","
    "\"name\":\"Badge\",\"attributes\":[" STRING("number", "always") ","
    STRING("colour", "default") "," STRING("photo", "request") ","
    STRING("pin", "never") ",{\"name\":\"door\",\"type\":\"complex\","
    "\"multiValued\":true,\"required\":false,\"mutability\":\"readWrite\","
    "\"returned\":\"default\",\"uniqueness\":\"none\",\"subAttributes\":["
    STRING("value", "always") "," STRING("floor", "default") ","
    STRING("plan", "request") "," STRING("code", "never") "]}]}";

static const char types[] =
    "[{\"schemas\":[\"" CORE "ResourceType\"],\"id\":\"User\","
    "\"name\":\"User\",\"endpoint\":\"/Users\",\"schema\":\"" CORE "User\","
    "\"schemaExtensions\":[{\"schema\":\"" EXTENSION "\",\"required\":false}]"
    "},{\"schemas\":[\"" CORE "ResourceType\"],\"id\":\"Group\","
    "\"name\":\"Group\",\"endpoint\":\"/Groups\",\"schema\":\"" CORE
    "Group\"}]";

static const char stored[] =
    "{\"schemas\":[\"" CORE "User\",\"" EXTENSION "\"],\"id\":\"1\","
    "\"userName\":\"ann\",\"title\":\"x\",\"" EXTENSION "\":{"
    "\"number\":\"7\",\"colour\":\"red\",\"photo\":\"p\",\"pin\":\"1234\","
    "\"door\":[{\"value\":\"a\",\"floor\":\"1\",\"plan\":\"m\","
    "\"code\":\"9\"}]}}";

static scim_schemas_t *schemas;


static int
start(void **state)
{
    size_t             count = 0;
    scim_error_t       error = { 0 };
    scim_schema_file_t files[32];

    (void) state;
    for (size_t i = 0; i < scim_embedded_schema_count; i++) {
        if (strstr(scim_embedded_schemas[i].name, "resource-types") == NULL) {
            files[count++] = scim_embedded_schemas[i];
        }
    }
    files[count++] = (scim_schema_file_t) { "badge", extension,
                                            sizeof(extension) - 1 };
    files[count++] = (scim_schema_file_t) { "types", types,
                                            sizeof(types) - 1 };
    schemas = scim_schemas_new(files, count, &error);
    if (schemas == NULL) {
        fail_msg("%s", error.detail);
    }
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


static void
shows(const char *attributes, const char *excluded, const char *expected)
{
    json_t            *wanted, *shown, *resource;
    scim_query_t       query = { 0 };
    scim_error_t       error = { 0 };
    scim_projection_t  projection;

    resource = json_loads(stored, 0, NULL);
    wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    query.attributes.text = attributes;
    query.attributes.len = attributes ? strlen(attributes) : 0;
    query.excluded_attributes.text = excluded;
    query.excluded_attributes.len = excluded ? strlen(excluded) : 0;
    assert_true(scim_projection_read(scim_resource_type_find(schemas, "User",
        4), &query, &projection, &error));
    shown = scim_projection_apply(&projection, resource);
    json_object_del(shown, "schemas");
    if (!json_equal(shown, wanted)) {
        fail_msg("attributes=%s excludedAttributes=%s: %s",
            attributes ? attributes : "", excluded ? excluded : "",
            json_dumps(shown, 0));
    }
    json_decref(resource);
    json_decref(wanted);
    json_decref(shown);
}


static void
by_default_nothing_is_shown_that_must_be_asked_for(void **state)
{
    (void) state;
    shows(NULL, NULL, "{\"id\":\"1\",\"userName\":\"ann\",\"title\":\"x\",\""
        EXTENSION "\":{\"number\":\"7\",\"colour\":\"red\",\"door\":[{"
        "\"value\":\"a\",\"floor\":\"1\"}]}}");
}


static void
what_is_named_is_shown_with_what_always_is(void **state)
{
    (void) state;
    shows("userName", NULL, "{\"id\":\"1\",\"userName\":\"ann\",\"" EXTENSION
        "\":{\"number\":\"7\"}}");
    shows(EXTENSION ":photo", NULL, "{\"id\":\"1\",\"" EXTENSION "\":{"
        "\"number\":\"7\",\"photo\":\"p\"}}");
    shows(EXTENSION ":pin," EXTENSION ":door.code", NULL, "{\"id\":\"1\",\""
        EXTENSION "\":{\"number\":\"7\",\"door\":[{\"value\":\"a\"}]}}");
    shows(EXTENSION ":door.floor", NULL, "{\"id\":\"1\",\"" EXTENSION "\":{"
        "\"number\":\"7\",\"door\":[{\"value\":\"a\",\"floor\":\"1\"}]}}");
    shows(EXTENSION ":door.plan", NULL, "{\"id\":\"1\",\"" EXTENSION "\":{"
        "\"number\":\"7\",\"door\":[{\"value\":\"a\",\"plan\":\"m\"}]}}");
}


static void
what_always_is_shown_cannot_be_excluded(void **state)
{
    (void) state;
    shows(NULL, "id,schemas," EXTENSION ",title", "{\"id\":\"1\","
        "\"userName\":\"ann\",\"" EXTENSION "\":{\"number\":\"7\"}}");
    shows(NULL, EXTENSION ":number," EXTENSION ":door.value," EXTENSION
        ":door.floor," EXTENSION ":colour," CORE "User", "{\"id\":\"1\",\""
        EXTENSION "\":{\"number\":\"7\",\"door\":[{\"value\":\"a\"}]}}");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_nothing_is_shown_that_must_be_asked_for),
        cmocka_unit_test(what_is_named_is_shown_with_what_always_is),
        cmocka_unit_test(what_always_is_shown_cannot_be_excluded),
    };

    return cmocka_run_group_tests_name("projection", tests, start, stop);
}
