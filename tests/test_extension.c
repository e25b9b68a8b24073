#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"

/*
 * A schema that somebody dropped in the folder: discovered, validated,
 * patched, filtered and projected as the built-in ones are, with real Redis.
 */
#define CORE  "urn:ietf:params:scim:schemas:core:2.0:"
#define BADGE "urn:example:extension:badge:1.0:User"
#define PATCH(operation) \
    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]," \
    "\"Operations\":[" operation "]}"

static const char badge[] =
    "{\"schemas\":[\"" CORE "Schema\"],\"id\":\"" BADGE "\","
    "\"name\":\"Badge\",\"attributes\":["
    "{\"name\":\"number\",\"type\":\"integer\",\"required\":true},"
    "{\"name\":\"colour\",\"type\":\"string\"},"
    "{\"name\":\"serial\",\"type\":\"string\",\"mutability\":\"immutable\"},"
    "{\"name\":\"pin\",\"type\":\"string\",\"returned\":\"never\"},"
    "{\"name\":\"photo\",\"type\":\"string\",\"returned\":\"request\"}]}";

static redis_harness_t harness;
static scim_schemas_t *schemas;
static char            ann[64], bob[64]; /* paths */


static int
start(void **state)
{
    size_t             count = scim_embedded_schema_count;
    scim_schema_file_t files[32];

    (void) state;
    memcpy(files, scim_embedded_schemas, count * sizeof(files[0]));
    files[count] = (scim_schema_file_t) { "badge.json", badge,
                                          sizeof(badge) - 1 };
    schemas = scim_schemas_new(files, count + 1, NULL);
    if (schemas == NULL) {
        return -1;
    }
    redis_harness_start(&harness);
    harness.service.schemas = schemas;
    harness_create(&harness, "/Users", "{\"userName\":\"ann\",\"" BADGE
        "\":{\"Number\":\"7\",\"colour\":\"red\",\"serial\":\"S\","
        "\"pin\":\"1234\",\"photo\":\"p\"}}", ann);
    harness_create(&harness, "/Users", "{\"userName\":\"bob\"}", bob);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    scim_schemas_free(schemas);
    return 0;
}


static json_t *
get(const char *path, const char *query)
{
    return harness_ask(&harness, 200, SCIM_METHOD_GET, path, query, NULL);
}


static void
assert_refused(scim_method_t method, const char *path, const char *query,
    const char *body)
{
    json_decref(harness_ask(&harness, 400, method, path, query, body));
}


static void
discovery_shows_the_extension(void **state)
{
    json_t *json = get("/Schemas/" BADGE, NULL);

    (void) state;
    assert_string_equal(harness_text(json, "name"), "Badge");
    assert_string_equal(harness_text(json, "meta.resourceType"), "Schema");
    json_decref(json);
    json = get("/ResourceTypes/User", NULL);
    assert_string_equal(harness_text(json, "schemaExtensions.1.schema"),
        BADGE);
    json_decref(json);
}


static void
values_are_typed_and_shown_as_their_rules_say(void **state)
{
    json_t *json = get(ann, NULL), *own = json_object_get(json, BADGE);

    (void) state;
    assert_string_equal(harness_text(json, "schemas.1"), BADGE);
    assert_int_equal(json_object_size(own), 3);
    assert_int_equal(json_integer_value(json_object_get(own, "number")), 7);
    assert_string_equal(harness_text(own, "colour"), "red");
    json_decref(json);
    json = get(ann, "attributes=" BADGE ":photo," BADGE ":pin");
    own = json_object_get(json, BADGE);
    assert_int_equal(json_object_size(own), 1);
    assert_string_equal(harness_text(own, "photo"), "p");
    json_decref(json);
    json = get(bob, NULL);
    assert_null(json_object_get(json, BADGE));
    json_decref(json);
}


static void
wrong_values_are_refused(void **state)
{
    (void) state;
    assert_refused(SCIM_METHOD_POST, "/Users", NULL,
        "{\"userName\":\"c\",\"" BADGE "\":{\"number\":\"seven\"}}");
    assert_refused(SCIM_METHOD_POST, "/Users", NULL,
        "{\"userName\":\"c\",\"" BADGE "\":{\"colour\":\"red\"}}");
    assert_refused(SCIM_METHOD_PATCH, ann, NULL,
        PATCH("{\"op\":\"replace\",\"path\":\"" BADGE
            ":serial\",\"value\":\"T\"}"));
    assert_refused(SCIM_METHOD_PATCH, ann, NULL,
        PATCH("{\"op\":\"remove\",\"path\":\"" BADGE ":number\"}"));
}


static void
a_patch_changes_it_and_a_patch_without_effect_does_not(void **state)
{
    char    version[64];
    json_t *json;

    (void) state;
    json = harness_ask(&harness, 200, SCIM_METHOD_PATCH, ann, NULL,
        PATCH("{\"op\":\"add\",\"path\":\"" BADGE
            ":colour\",\"value\":\"blue\"}"));
    assert_string_equal(harness_text(json_object_get(json, BADGE), "colour"),
        "blue");
    snprintf(version, sizeof(version), "%s", harness_text(json,
        "meta.version"));
    json_decref(json);
    json = harness_ask(&harness, 200, SCIM_METHOD_PATCH, ann, NULL,
        PATCH("{\"op\":\"replace\",\"value\":{\"" BADGE
            "\":{\"colour\":\"blue\",\"number\":7}}}"));
    assert_string_equal(harness_text(json, "meta.version"), version);
    json_decref(json);
}


static void
filters_find_by_it(void **state)
{
    static const char *const filters[] = {
        BADGE "%3Anumber+ge+7", BADGE "%3Anumber+pr",
        BADGE "%3Aserial+sw+%22s%22", "not+(" BADGE "%3Anumber+eq+null)"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        json_t *json = get("/Users", harness_format("filter=%s",
            filters[i]));

        assert_int_equal(json_integer_value(json_object_get(json,
            "totalResults")), 1);
        assert_string_equal(harness_text(json, "Resources.0.id"),
            harness_id(ann));
        json_decref(json);
    }
    assert_refused(SCIM_METHOD_GET, "/Users",
        "filter=" BADGE "%3Apin+sw+%221%22", NULL);
    assert_refused(SCIM_METHOD_GET, "/Users",
        "filter=" BADGE "%3Anumber+co+7", NULL);
}


static void
a_list_keeps_its_secrets(void **state)
{
    char   *text;
    json_t *json = get("/Users", "filter=userName+eq+%22ann%22");

    (void) state;
    text = json_dumps(json, 0);
    assert_non_null(strstr(text, "\"number\""));
    assert_null(strstr(text, "1234"));
    assert_null(strstr(text, "photo"));
    free(text);
    json_decref(json);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery_shows_the_extension),
        cmocka_unit_test(values_are_typed_and_shown_as_their_rules_say),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(
            a_patch_changes_it_and_a_patch_without_effect_does_not),
        cmocka_unit_test(filters_find_by_it),
        cmocka_unit_test(a_list_keeps_its_secrets)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
