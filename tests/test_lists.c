#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"

/* Lists, filters and projections over one directory, against a real Redis. */
#define USER_COUNT 250

static redis_harness_t harness;
static char            users[USER_COUNT][64]; /* paths */
static char            group[64];


/* Percent-encodes everything but letters and digits. */
static const char *
encoded(const char *text)
{
    char   out[3072] = "";
    size_t n = 0;

    for ( ; *text; text++) {
        n += (size_t) snprintf(out + n, sizeof(out) - n, "%%%02x",
            (unsigned char) *text);
    }
    return harness_format("%s", out);
}


static json_t *
list(const char *endpoint, const char *query)
{
    return harness_ask(&harness, 200, SCIM_METHOD_GET, endpoint, query, NULL);
}


static long long
number(const json_t *json, const char *name)
{
    assert_true(json_is_integer(json_object_get(json, name)));
    return json_integer_value(json_object_get(json, name));
}


static long long
found(const char *endpoint, const char *filter)
{
    json_t   *json = list(endpoint, harness_format("filter=%s",
        encoded(filter)));
    long long total = number(json, "totalResults");

    assert_true(json_array_size(json_object_get(json, "Resources"))
                == (size_t) number(json, "itemsPerPage"));
    json_decref(json);
    return total;
}


static void
refused(const char *endpoint, const char *query, const char *type)
{
    json_t *json = harness_ask(&harness, 400, SCIM_METHOD_GET, endpoint,
        query, NULL);

    assert_string_equal(harness_text(json, "scimType"), type);
    json_decref(json);
}


static void
bad_filter(const char *filter)
{
    refused("/Users", harness_format("filter=%s", encoded(filter)),
        "invalidFilter");
}


/* ---- pages ---- */

static void
pages_hold_everybody_once(void **state)
{
    char    seen[USER_COUNT] = "";
    size_t  i;
    json_t *json, *user;

    (void) state;
    for (int start = 1; start <= 201; start += 100) {
        json = list("/Users", harness_format("startIndex=%d&count=100",
            start));
        assert_int_equal(number(json, "totalResults"), USER_COUNT);
        assert_int_equal(number(json, "startIndex"), start);
        assert_int_equal(number(json, "itemsPerPage"), start < 201 ? 100 : 50);
        json_array_foreach(json_object_get(json, "Resources"), i, user) {
            int n = atoi(harness_text(user, "title"));

            assert_int_equal(n, start - 1 + (int) i); /* creation order */
            assert_false(seen[n]);
            seen[n] = 1;
        }
        json_decref(json);
    }
    for (i = 0; i < USER_COUNT; i++) {
        assert_true(seen[i]);
    }
}


static void
odd_page_numbers_are_read_as_the_rfc_says(void **state)
{
    static const struct {
        const char *query;
        long long   start, items;
    } cases[] = {
        { NULL, 1, 100 },
        { "startIndex=0&count=1", 1, 1 },
        { "startIndex=-5&count=1", 1, 1 },
        { "count=0", 1, 0 },
        { "count=-1", 1, 0 },
        { "count=", 1, 100 },
        { "count=999999", 1, 200 },
        { "startIndex=251", 251, 0 },
        { "startIndex=99999999999999999999", 1000000000000000, 0 },
        { "startIndex=250&unknown=1&&", 250, 1 },
        { "aadOptscim062020&count=2", 1, 2 },
        { "STARTINDEX=2&Count=2", 2, 2 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *json = list("/Users", cases[i].query);

        assert_int_equal(number(json, "totalResults"), USER_COUNT);
        assert_int_equal(number(json, "startIndex"), cases[i].start);
        assert_int_equal(number(json, "itemsPerPage"), cases[i].items);
        assert_true(json_array_size(json_object_get(json, "Resources"))
                    == (size_t) cases[i].items);
        json_decref(json);
    }
    refused("/Users", "count=abc", "invalidValue");
    refused("/Users", "startIndex=1.5", "invalidValue");
    refused("/Users", "count=1&count=2", "invalidValue");
    refused("/Users", "filter=%zz", "invalidValue");
    refused("/Users", "attributes=a&excludedAttributes=b", "invalidValue");
}


/* ---- filters ---- */

static void
filters_find_who_they_describe(void **state)
{
    static const struct {
        const char *filter;
        long long   total;
    } cases[] = {
        /* by index */
        { "userName eq \"U007@X.com\"", 1 },
        { "userName Eq \"nobody\"", 0 },
        { "externalId eq \"E7\"", 1 },
        { "externalId eq \"e7\"", 0 },
        { "displayName eq \"user 7\"", 1 },
        { "emails eq \"u007@x.com\"", 1 },
        { "emails.value eq \"u007@x.com\"", 1 },
        { "id eq \"x\"", 0 },
        { "id eq \"x:groups\"", 0 },
        { "userName eq \"\"", 0 },
        /* by index, then looked at */
        { "userName eq \"u007@x.com\" and active eq true", 1 },
        { "active eq true and userName eq \"u007@x.com\"", 1 },
        { "userName eq \"u007@x.com\" and active eq false", 0 },
        { "emails[type eq \"work\"].value eq \"u007@x.com\"", 1 },
        { "emails[type eq \"home\"].value eq \"u007@x.com\"", 0 },
        { "emails[type eq \"work\" and value eq \"u007@x.com\"]", 1 },
        /* by scan */
        { "userName sw \"u00\"", 10 },
        { "userName eq \"u007@x.com\" or externalId eq \"E8\"", 2 },
        { "not (userName eq \"u007@x.com\")", USER_COUNT - 1 },
        { "active eq \"False\"", 25 },
        { "title pr", USER_COUNT },
        { "nickName pr", 0 },
        { "emails[type eq \"work\" and value co \"@x\"]", USER_COUNT },
        { "meta.resourceType eq \"User\"", USER_COUNT },
        { "meta.created gt \"2020-01-01T00:00:00Z\"", USER_COUNT },
        { "meta.lastModified lt 2020-01-01", 0 },
        { "groups pr", 2 },
        { "groups.display eq \"ads\"", 2 },
        { "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
          "department eq \"d3\"", 25 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        long long total = found("/Users", cases[i].filter);

        if (total != cases[i].total) {
            fail_msg("%s: %lld, not %lld", cases[i].filter, total,
                cases[i].total);
        }
    }
}


static void
groups_are_found_by_name_and_member(void **state)
{
    const char *id = harness_id(users[0]);

    (void) state;
    assert_int_equal(found("/Groups", "displayName eq \"ADS\""), 1);
    assert_int_equal(found("/Groups", "displayName eq \"none\""), 0);
    assert_int_equal(found("/Groups", harness_format(
        "id eq \"%s\" and members eq \"%s\"", harness_id(group), id)), 1);
    assert_int_equal(found("/Groups", harness_format(
        "id eq \"%s\" and members eq \"%s\"", harness_id(group),
        harness_id(users[5]))), 0);
    assert_int_equal(found("/Groups", harness_format(
        "members.value eq \"%s\"", id)), 1);
}


static void
bad_filters_never_find_everybody(void **state)
{
    (void) state;
    bad_filter("");
    bad_filter("userName");
    bad_filter("userName regex \"x\"");
    bad_filter("(userName eq \"a\"");
    bad_filter("userName eq \"a\" garbage");
    bad_filter("shoeSize eq 5");
    bad_filter("password eq \"x\"");
    bad_filter("active eq \"yes\"");
}


static void
a_plus_sign_that_was_not_encoded_is_understood(void **state)
{
    json_t *json;

    (void) state;
    json = list("/Users", "filter=userName+eq+%22a%2Bb@x.com%22");
    assert_int_equal(number(json, "totalResults"), 0);
    json_decref(json);
    json_decref(harness_ask(&harness, 201, SCIM_METHOD_POST, "/Users", NULL,
        "{\"userName\":\"a+b@x.com\"}"));
    json = list("/Users", "filter=userName+eq+%22a+b@x.com%22");
    assert_int_equal(number(json, "totalResults"), 1);
    harness_ask(&harness, 204, SCIM_METHOD_DELETE, harness_format("/Users/%s",
        harness_text(json, "Resources.0.id")), NULL, NULL);
    json_decref(json);
}


static void
scans_have_a_budget_and_lookups_do_not(void **state)
{
    harness_call_t *call;

    (void) state;
    harness.service.scan_max = USER_COUNT - 1;
    refused("/Users", "filter=title%20pr", "tooMany");
    assert_int_equal(found("/Users", "userName eq \"u007@x.com\" and "
        "title pr"), 1);
    harness.service.scan_max = USER_COUNT;
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, "/Users",
        "filter=title%20pr&count=1", NULL);
    /* three lots of ids, documents by 10, the one that is shown */
    assert_int_equal(call->commands, 3 + 25 + 1);
    harness_call_free(call);
    harness.service.scan_max = 10000;
}


static void
pages_of_a_scan_are_cut_right(void **state)
{
    json_t *json;

    (void) state;
    json = list("/Users", "filter=active%20eq%20false&startIndex=11&count=5");
    assert_int_equal(number(json, "totalResults"), 25);
    assert_int_equal(number(json, "itemsPerPage"), 5);
    assert_string_equal(harness_text(json, "Resources.0.title"), "100");
    assert_string_equal(harness_text(json, "Resources.4.title"), "140");
    json_decref(json);
}


static void
search_bodies_are_queries(void **state)
{
    json_t *json;

    (void) state;
    json = harness_ask(&harness, 200, SCIM_METHOD_POST, "/Users/.search",
        "count=1", "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"
        "SearchRequest\"],\"filter\":\"active eq false\",\"startIndex\":2,"
        "\"count\":3,\"attributes\":[\"title\",\"name\"]}");
    assert_int_equal(number(json, "totalResults"), 25);
    assert_int_equal(number(json, "itemsPerPage"), 3);
    assert_string_equal(harness_text(json, "Resources.0.title"), "10");
    assert_int_equal(json_object_size(json_array_get(json_object_get(json,
        "Resources"), 0)), 4);
    json_decref(json);
    json_decref(harness_ask(&harness, 405, SCIM_METHOD_GET, "/Users/.search",
        NULL, NULL));
    json_decref(harness_ask(&harness, 400, SCIM_METHOD_POST, "/Users/.search",
        NULL, "{\"count\":\"x\"}"));
}


/* ---- projections ---- */

/* The names at the top of user 7 with this query, joined by spaces. */
static const char *
shown(const char *query)
{
    char        text[1024] = "";
    json_t     *json, *value;
    const char *name;

    json = list(users[0], query);
    json_object_foreach(json, name, value) {
        strcat(text, *text ? " " : "");
        strcat(text, name);
    }
    json_decref(json);
    return harness_format("%s", text);
}


static void
projections_show_what_was_asked_for(void **state)
{
    const char *department = "urn:ietf:params:scim:schemas:extension:"
                             "enterprise:2.0:User:department";
    const char *core = "urn:ietf:params:scim:schemas:core:2.0:User:userName";
    json_t     *json;

    (void) state;
    assert_string_equal(shown("attributes=userName"), "schemas id userName");
    assert_string_equal(shown("attributes=USERNAME,%20title,nothing"),
        "schemas id userName title");
    assert_string_equal(shown("attributes=password"), "schemas id");
    assert_string_equal(shown(harness_format("attributes=%s", core)),
        "schemas id userName");
    assert_string_equal(shown("attributes=meta"), "schemas id meta");
    json = list(users[0], harness_format("attributes=%s,emails[type%%20eq%%20"
        "%%22work%%22],name.givenName", department));
    assert_int_equal(json_object_size(json), 5);
    assert_string_equal(harness_text(json, "name.givenName"), "G0");
    assert_string_equal(harness_text(json, "name.familyName"), "");
    assert_string_equal(harness_text(json, "emails.0.type"), "work");
    json_decref(json);

    json = list(users[0], "excludedAttributes=id,schemas,userName,"
        "emails.type,groups,meta,externalId,displayName,title,active,"
        "name.familyName");
    assert_int_equal(json_object_size(json), 5); /* id schemas name emails U */
    assert_string_equal(harness_text(json, "emails.0.type"), "");
    assert_string_equal(harness_text(json, "emails.0.value"), "u000@x.com");
    json_decref(json);
}


static void
projections_hold_for_writes(void **state)
{
    json_t *json;

    (void) state;
    json = harness_ask(&harness, 200, SCIM_METHOD_PATCH, group,
        "attributes=displayName", "{\"Operations\":[]}");
    assert_int_equal(json_object_size(json), 3);
    json_decref(json);
    json = harness_ask(&harness, 200, SCIM_METHOD_PATCH, users[3],
        "attributes=active", "{\"Operations\":[]}");
    assert_int_equal(json_object_size(json), 3);
    json_decref(json);
    json = harness_ask(&harness, 200, SCIM_METHOD_PUT, group,
        "excludedAttributes=members", "{\"displayName\":\"Ads\"}");
    assert_null(json_object_get(json, "members"));
    json_decref(json);
}


static void
groups_are_read_only_when_they_are_shown(void **state)
{
    harness_call_t *call;

    (void) state;
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, users[0],
        "excludedAttributes=groups", NULL);
    assert_int_equal(call->commands, 1);
    assert_null(strstr(call->operation->response.body.data, "\"groups\""));
    harness_call_free(call);
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, users[0], NULL,
        NULL);
    assert_int_equal(call->commands, 2);
    assert_non_null(strstr(call->operation->response.body.data,
        "\"groups\":[{"));
    harness_call_free(call);
}


static int
start(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    for (int i = 0; i < USER_COUNT; i++) {
        harness_create(&harness, "/Users", harness_format(
            "{\"userName\":\"u%03d@x.com\",\"externalId\":\"E%d\","
            "\"displayName\":\"User %d\",\"title\":\"%d\",\"active\":%s,"
            "\"name\":{\"givenName\":\"G%d\",\"familyName\":\"F\"},"
            "\"emails\":[{\"value\":\"u%03d@x.com\",\"type\":\"work\"}],"
            "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":"
            "{\"department\":\"D%d\"}}", i, i, i, i,
            i % 10 ? "true" : "false", i, i, i % 10), users[i]);
    }
    harness_create(&harness, "/Groups", harness_format(
        "{\"displayName\":\"Ads\",\"members\":[{\"value\":\"%s\"},"
        "{\"value\":\"%s\"}]}", harness_id(users[0]), harness_id(users[1])),
        group);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_hold_everybody_once),
        cmocka_unit_test(odd_page_numbers_are_read_as_the_rfc_says),
        cmocka_unit_test(filters_find_who_they_describe),
        cmocka_unit_test(groups_are_found_by_name_and_member),
        cmocka_unit_test(bad_filters_never_find_everybody),
        cmocka_unit_test(a_plus_sign_that_was_not_encoded_is_understood),
        cmocka_unit_test(scans_have_a_budget_and_lookups_do_not),
        cmocka_unit_test(pages_of_a_scan_are_cut_right),
        cmocka_unit_test(search_bodies_are_queries),
        cmocka_unit_test(projections_show_what_was_asked_for),
        cmocka_unit_test(projections_hold_for_writes),
        cmocka_unit_test(groups_are_read_only_when_they_are_shown),
    };

    return cmocka_run_group_tests_name("lists", tests, start, stop);
}
