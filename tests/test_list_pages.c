#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_list.h"

/*
 * Order, cursors and budgets (RFC 7644 section 3.4.2.3, RFC 9865), against a
 * real Redis; the sets that filters find are in test_list_property.c.
 */
#define USER_COUNT 45
#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

static redis_harness_t harness;
static char            users[USER_COUNT][64]; /* paths */


static json_t *
list(const char *query)
{
    return harness_ask(&harness, 200, SCIM_METHOD_GET, "/Users", query, NULL);
}


static void
refused(const char *endpoint, const char *query, const char *type)
{
    json_t *json = harness_ask(&harness, 400, SCIM_METHOD_GET, endpoint,
        query, NULL);

    if (strcmp(harness_text(json, "scimType"), type) != 0) {
        fail_msg("%s: %s, not %s", query, harness_text(json, "scimType"),
            type);
    }
    json_decref(json);
}


static const char *
next_of(const json_t *json)
{
    return harness_format("%s", harness_text(json, "nextCursor"));
}


/* One member of all resources of an answer, joined by spaces. */
static const char *
joined(const json_t *json, const char *member)
{
    char    text[2048] = "";
    size_t  i;
    json_t *one;

    json_array_foreach(json_object_get(json, "Resources"), i, one) {
        strcat(text, *text ? " " : "");
        strcat(text, harness_text(one, member));
    }
    return harness_format("%s", text);
}


static void
in_order(const char *query, const char *expected)
{
    json_t     *json = list(query);
    const char *names = joined(json, "userName");

    if (strcmp(names, expected) != 0) {
        fail_msg("%s: %s", query, names);
    }
    json_decref(json);
}


/* ---- order ---- */

#define ONLY "filter=title%20eq%20%22sorted%22&sortBy="

static void
any_attribute_gives_an_order(void **state)
{
    static const char *const bodies[] = {
        "\"userName\":\"s1\",\"nickName\":\"b\",\"active\":true,"
        "\"emails\":[{\"value\":\"z@x\"},{\"value\":\"a@x\",\"primary\":true"
        "}],\"" ENTERPRISE "\":{\"department\":\"x\"}",
        "\"userName\":\"S2\",\"nickName\":\"A\",\"active\":false,"
        "\"emails\":[{\"value\":\"b@x\"},{\"value\":\"0@x\"}]",
        "\"userName\":\"s3\",\"nickName\":\"\xc3\xa4\",\"active\":true,"
        "\"name\":{\"familyName\":\"Y\"},\"" ENTERPRISE "\":{\"department\":"
        "\"D\",\"manager\":{\"value\":\"m\"}}",
        "\"userName\":\"s4\",\"name\":{\"familyName\":\"x\"}"
    };
    char paths[4][64];

    (void) state;
    for (int i = 0; i < 4; i++) {
        harness_create(&harness, "/Users", harness_format(
            "{\"title\":\"sorted\",%s}", bodies[i]), paths[i]);
    }
    in_order(ONLY "userName", "s1 S2 s3 s4");
    in_order(ONLY "USERNAME&sortOrder=Descending", "s4 s3 S2 s1");
    in_order(ONLY "nickName", "S2 s1 s3 s4");
    in_order(ONLY "nickName&sortOrder=descending", "s4 s3 s1 S2");
    in_order(ONLY "active", "S2 s1 s3 s4");
    in_order(ONLY "active&sortOrder=descending", "s1 s3 s4 S2");
    in_order(ONLY "emails", "s1 S2 s3 s4");
    in_order(ONLY "emails.value&sortOrder=descending", "s3 s4 S2 s1");
    in_order(ONLY "name.familyName", "s4 s3 s1 S2");
    in_order(ONLY ENTERPRISE ":department", "s3 s1 S2 s4");
    in_order(ONLY ENTERPRISE ":manager.value", "s3 s1 S2 s4");
    in_order(ONLY "meta.created&count=2", "s1 S2");
    in_order(ONLY "meta.lastModified&startIndex=2&count=2", "S2 s3");
    in_order(ONLY "id&sortOrder=descending", "s4 s3 S2 s1");
    in_order(ONLY "&sortOrder=descending", "s1 S2 s3 s4");
    in_order(ONLY "nickName&startIndex=4", "s4");
    in_order(ONLY "nickName&startIndex=5", "");
    in_order(ONLY "nickName&count=0", "");
    refused("/Users", "sortBy=shoeSize", "invalidPath");
    refused("/Users", "sortBy=name", "invalidPath");
    refused("/Users", "sortBy=password", "invalidPath");
    refused("/Users", "sortBy=emails[primary%20eq%20true]", "invalidPath");
    refused("/Users", "sortBy=" ENTERPRISE, "invalidPath");
    refused("/Users", "sortBy=userName&sortOrder=up", "invalidValue");
    for (int i = 0; i < 4; i++) {
        json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE, paths[i],
            NULL, NULL));
    }
}


/* By userName an index has the order: nothing but the page is read. */
static void
an_index_that_has_the_order_is_read_alone(void **state)
{
    harness_call_t *call;

    (void) state;
    harness.service.scan_max = 1;
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, "/Users",
        "sortBy=userName&sortOrder=descending&startIndex=41&count=3", NULL);
    assert_int_equal(call->commands, 1);
    harness_call_free(call);
    in_order("sortBy=userName&sortOrder=descending&startIndex=41&count=3",
        "u04 u03 u02");
    in_order("sortBy=userName&startIndex=44", "u43 u44");
    in_order("filter=userName%20sw%20%22U1%22&sortBy=userName&startIndex=9",
        "u18 u19");
    refused("/Users", "sortBy=title", "tooMany");
    harness.service.scan_max = 10000;
}


/* ---- cursors ---- */

static void
a_walk_shows_everybody_once_whoever_comes_and_goes(void **state)
{
    char    seen[USER_COUNT] = "", late[64];
    size_t  i;
    json_t *json, *one;
    char    cursor[1024] = "";

    (void) state;
    for (int page = 0; page < 20; page++) {
        json = list(harness_format("count=7&cursor=%s", cursor));
        assert_null(json_object_get(json, "startIndex"));
        json_array_foreach(json_object_get(json, "Resources"), i, one) {
            const char *title = harness_text(one, "title");

            if (*title) {
                assert_false(seen[atoi(title)]);
                seen[atoi(title)] = 1;
            }
        }
        snprintf(cursor, sizeof(cursor), "%s", next_of(json));
        json_decref(json);
        if (*cursor == '\0') {
            break;
        }
        /* one who was shown goes, one comes */
        if (page == 1) {
            harness_create(&harness, "/Users", "{\"userName\":\"late\"}",
                late);
            json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE,
                users[2], NULL, NULL));
        }
    }
    for (i = 0; i < USER_COUNT; i++) {
        assert_true(seen[i]);
    }
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE, late, NULL,
        NULL));
    harness_create(&harness, "/Users", "{\"userName\":\"u02\",\"title\":"
        "\"2\",\"active\":true}", users[2]);
}


static void
cursors_are_good_for_their_own_query_only(void **state)
{
    char    cursor[1024], other[1024], *place;
    json_t *json = list("count=7&cursor=");

    (void) state;
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), USER_COUNT);
    snprintf(cursor, sizeof(cursor), "%s", next_of(json));
    json_decref(json);
    assert_int_equal(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
        "nopqrstuvwxyz0123456789-_"), strlen(cursor));
    for (size_t i = 0; i < strlen(cursor); i++) {
        strcpy(other, cursor);
        other[i] = other[i] == 'A' ? 'B' : 'A';
        refused("/Users", harness_format("count=7&cursor=%s", other),
            "invalidCursor");
    }
    strcpy(other, cursor);
    other[strlen(other) - 1] = '\0';
    refused("/Users", harness_format("cursor=%s", other), "invalidCursor");
    refused("/Users", "cursor=x", "invalidCursor");
    refused("/Users", "cursor=%25%2a", "invalidCursor");
    refused("/Groups", harness_format("cursor=%s", cursor), "invalidCursor");
    refused("/", harness_format("cursor=%s", cursor), "invalidCursor");
    refused("/Users", harness_format("filter=title%%20pr&cursor=%s", cursor),
        "invalidCursor");
    refused("/Users", harness_format("sortBy=userName&cursor=%s", cursor),
        "invalidCursor");
    refused("/Users", harness_format("sortOrder=descending&cursor=%s",
        cursor), "invalidCursor");
    refused("/Users", harness_format("count=8&cursor=%s", cursor),
        "invalidCount");
    refused("/Users", "count=201&cursor=", "invalidCount");
    refused("/Users", harness_format("startIndex=1&cursor=%s", cursor),
        "invalidValue");
    refused("/Users", "startIndex=1&cursor=", "invalidValue");
    refused("/Users", "cursor=&cursor=", "invalidValue");
    /* without a count the walk's own holds */
    json = list(harness_format("cursor=%s", cursor));
    assert_int_equal(json_array_size(json_object_get(json, "Resources")), 7);
    json_decref(json);
    place = strcpy(other, harness.principal.workspace);
    strcpy(harness.principal.workspace, "other");
    refused("/Users", harness_format("cursor=%s", cursor), "invalidCursor");
    strcpy(harness.principal.workspace, place);
    harness.now += 1000LL * (SCIM_CURSOR_TIMEOUT + 2);
    refused("/Users", harness_format("cursor=%s", cursor), "expiredCursor");
}


static void
count_says_how_much_and_nought_only_the_number(void **state)
{
    json_t *json = list("count=0&cursor=");

    (void) state;
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), USER_COUNT);
    assert_int_equal(json_array_size(json_object_get(json, "Resources")), 0);
    assert_null(json_object_get(json, "nextCursor"));
    json_decref(json);
    json = list("count=-3&cursor=&filter=active%20eq%20false");
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), 5);
    json_decref(json);
    json = list(harness_format("count=%d&cursor=", USER_COUNT));
    assert_int_equal(json_array_size(json_object_get(json, "Resources")),
        USER_COUNT);
    assert_null(json_object_get(json, "nextCursor"));
    json_decref(json);

    /* the number alone is no page of a walk, which would end with it */
    refused("/Users", "count=0&cursor=x", "invalidCursor");
    json = list("count=2&cursor=");
    refused("/Users", harness_format("count=0&cursor=%s", next_of(json)),
        "invalidCount");
    refused("/Users", harness_format("count=-2&cursor=%s", next_of(json)),
        "invalidCount");
    json_decref(json);
}


/* Who a walk with this filter shows, in lists of two. */
static size_t
walked(const char *filter)
{
    char   cursor[1024] = "";
    size_t found = 0;

    do {
        json_t *json = list(harness_format("filter=%s&count=2&cursor=%s",
            filter, cursor));

        found += json_array_size(json_object_get(json, "Resources"));
        snprintf(cursor, sizeof(cursor), "%s", next_of(json));
        json_decref(json);
        assert_true(found <= USER_COUNT);
    } while (*cursor);
    return found;
}


/* A look-up with many candidates is a scan for who walks. */
static void
a_walk_does_not_mind_how_many_candidates_an_index_has(void **state)
{
    static const struct {
        const char *filter;
        size_t      found;
    } cases[] = {
        { "userName%20sw%20%22u%22%20and%20active%20eq%20false", 5 },
        { "active%20eq%20false%20and%20emails%20sw%20%22u%22", 5 },
        { "emails%20sw%20%22u%22", USER_COUNT - 1 }, /* u02 came without */
        { "userName%20sw%20%22u%22%20or%20externalId%20eq%20%22E3%22",
          USER_COUNT },
        { "userName%20sw%20%22u%22%20and%20emails%20sw%20%22u1%22", 10 }
    };

    (void) state;
    for (unsigned max = 1; max < 100; max += 12) {
        harness.service.scan_max = max;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            if (walked(cases[i].filter) != cases[i].found) {
                fail_msg("%s with %u: %zu", cases[i].filter, max,
                    walked(cases[i].filter));
            }
        }
    }
    harness.service.scan_max = 20;
    refused("/Users", harness_format("filter=%s", cases[0].filter), "tooMany");
    refused("/Users", harness_format("cursor=&sortBy=title&filter=%s",
        cases[0].filter), "tooMany");
    harness.service.scan_max = 10000;
}


/* What one request must not read at once, a walk reads bit by bit. */
static void
a_walk_goes_on_where_the_budget_ends(void **state)
{
    char     cursor[1024] = "";
    json_t  *json;
    unsigned pages = 0, found = 0;

    (void) state;
    harness.service.scan_max = 20;
    refused("/Users", "filter=active%20eq%20false", "tooMany");
    refused("/Users", "filter=active%20eq%20false&count=0", "tooMany");
    refused("/Users", "filter=active%20eq%20false&sortBy=title&cursor=",
        "tooMany");
    do {
        json = list(harness_format("filter=title%%20eq%%20%%2244%%22&"
            "count=2&cursor=%s", cursor));
        found += json_array_size(json_object_get(json, "Resources"));
        snprintf(cursor, sizeof(cursor), "%s", next_of(json));
        assert_true(*cursor == '\0' || json_object_get(json, "totalResults")
            == NULL);
        json_decref(json);
    } while (*cursor && ++pages < 10);
    assert_int_equal(found, 1);
    assert_int_equal(pages, 2); /* and the last one: 20, 20, 5 documents */
    harness.service.scan_max = 1; /* less than a chunk: still it goes on */
    json = list("filter=title%20eq%20%2244%22&cursor=");
    assert_true(*next_of(json));
    json_decref(json);
    harness.service.scan_max = 10000;
}


/* ---- what an index answers ---- */

static void
lookups_read_no_more_than_they_show(void **state)
{
    static const struct {
        const char *query;
        unsigned    commands;
    } cases[] = {
        { "filter=userName%20eq%20%22u07%22", 1 },
        { "filter=userName%20sw%20%22u0%22", 1 },
        { "filter=externalId%20sw%20%22E%22&startIndex=20&count=2", 1 },
        { "filter=userName%20eq%20%22u07%22%20and%20title%20pr", 1 },
        /* ids of two, then the two: */
        { "filter=userName%20eq%20%22u07%22%20or%20externalId%20eq%20"
          "%22E8%22", 3 },
        /* sizes, ids, ids, the one: */
        { "filter=userName%20eq%20%22u07%22%20and%20externalId%20eq%20"
          "%22E7%22", 4 },
        { "filter=emails.value%20sw%20%22u0%22", 2 },
        { "filter=groups.value%20eq%20%22nobody%22", 0 },
        { "filter=id%20eq%20%22nobody%22%20and%20title%20pr", 0 },
        { "filter=meta.resourceType%20eq%20%22User%22", 1 },
        { "filter=meta.resourceType%20eq%20%22Group%22", 0 },
    };

    (void) state;
    harness.service.scan_max = USER_COUNT - 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        harness_call_t *call = harness_expect(&harness, 200, SCIM_METHOD_GET,
            "/Users", cases[i].query, NULL);

        if (call->commands != cases[i].commands) {
            fail_msg("%s: %u commands", cases[i].query, call->commands);
        }
        harness_call_free(call);
    }
    harness.service.scan_max = 10000;
}


/* Legacy Entra: is this user in that group? (reference N-02) */
static void
membership_is_asked_without_reading_the_group(void **state)
{
    char            group[64];
    json_t         *json;
    harness_call_t *call;

    (void) state;
    harness_create(&harness, "/Groups", harness_format("{\"displayName\":"
        "\"Ads\",\"members\":[{\"value\":\"%s\"},{\"value\":\"%s\"}]}",
        harness_id(users[3]), harness_id(users[4])), group);
    call = harness_expect(&harness, 200, SCIM_METHOD_GET, "/Groups",
        harness_format("attributes=id&filter=id%%20eq%%20%%22%s%%22%%20and"
            "%%20members%%20eq%%20%%22%s%%22", harness_id(group),
            harness_id(users[4])), NULL);
    json = harness_json(call);
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), 1);
    json_decref(json);
    harness_call_free(call);
    in_order(harness_format("filter=groups.value%%20eq%%20%%22%s%%22",
        harness_id(group)), "u03 u04");
    in_order(harness_format("filter=groups.value%%20eq%%20%%22%s%%22%%20and"
        "%%20title%%20eq%%20%%224%%22", harness_id(group)), "u04");
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE, group, NULL,
        NULL));
}


/* Nobody there is never the answer of a data set that was not meant. */
static void
another_data_set_is_not_an_empty_list(void **state)
{
    static const char *const queries[] = { NULL, "startIndex=900",
        "count=0", "cursor=", "filter=userName%20eq%20%22nobody%22",
        "filter=title%20pr", "sortBy=title", "sortBy=userName&count=0",
        "filter=emails%20sw%20%22nobody%22" };
    char dataset[sizeof(harness.dataset)];

    (void) state;
    memcpy(dataset, harness.dataset, sizeof(dataset));
    snprintf(harness.dataset, sizeof(harness.dataset), "another");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        json_decref(harness_ask(&harness, 503, SCIM_METHOD_GET, "/Users",
            queries[i], NULL));
    }
    memcpy(harness.dataset, dataset, sizeof(dataset));
}


/* ---- requests of all types, and by POST ---- */

static void
search_requests_are_checked(void **state)
{
    static const char *const bad[] = { "[]", "{\"filter\":5}",
        "{\"sortBy\":[]}", "{\"sortOrder\":1}", "{\"cursor\":7}",
        "{\"attributes\":{}}", "{\"attributes\":[1]}", "{\"count\":\"1\"}",
        "{\"startIndex\":1.5}", "{\"schemas\":\"x\"}",
        "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]}"
    };
    json_t *json;

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json = harness_ask(&harness, 400, SCIM_METHOD_POST, "/.search", NULL,
            bad[i]);
        assert_string_equal(harness_text(json, "scimType"), "invalidSyntax");
        json_decref(json);
    }
    json = harness_ask(&harness, 200, SCIM_METHOD_POST, "/Users/.search",
        NULL, "{\"sortBy\":\"userName\",\"sortOrder\":\"descending\","
              "\"count\":2,\"cursor\":\"\",\"attributes\":\"userName\"}");
    assert_string_equal(joined(json, "userName"), "u44 u43");
    json_decref(harness_ask(&harness, 200, SCIM_METHOD_POST, "/Users/.search",
        NULL, harness_format("{\"sortBy\":\"userName\",\"sortOrder\":"
            "\"descending\",\"count\":2,\"cursor\":\"%s\"}", next_of(json))));
    json_decref(json);
}


static void
the_root_pages_through_all_types(void **state)
{
    char    group[64], cursor[1024] = "";
    json_t *json;
    size_t  seen = 0;

    (void) state;
    harness_create(&harness, "/Groups", "{\"displayName\":\"u00a\"}", group);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/",
        harness_format("startIndex=%d&count=5", USER_COUNT), NULL);
    assert_int_equal(json_integer_value(json_object_get(json,
        "totalResults")), USER_COUNT + 1);
    assert_string_equal(joined(json, "meta.resourceType"), "User Group");
    json_decref(json);
    json = harness_ask(&harness, 200, SCIM_METHOD_GET, "", "sortBy="
        "displayName&count=2", NULL);
    assert_string_equal(harness_text(json, "Resources.0.displayName"),
        "u00a");
    json_decref(json);
    do {
        json = harness_ask(&harness, 200, SCIM_METHOD_GET, "/",
            harness_format("count=9&cursor=%s", cursor), NULL);
        seen += json_array_size(json_object_get(json, "Resources"));
        snprintf(cursor, sizeof(cursor), "%s", next_of(json));
        json_decref(json);
    } while (*cursor && seen <= USER_COUNT + 1);
    assert_int_equal(seen, USER_COUNT + 1);
    refused("/", "filter=nothing%20pr", "invalidFilter");
    refused("/", "sortBy=nothing", "invalidPath");
    json_decref(harness_ask(&harness, 405, SCIM_METHOD_GET, "/.search", NULL,
        NULL));
    json_decref(harness_ask(&harness, 405, SCIM_METHOD_POST, "/", NULL,
        "{}"));
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE, group, NULL,
        NULL));
}


static int
start(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    for (int i = 0; i < USER_COUNT; i++) {
        harness_create(&harness, "/Users", harness_format(
            "{\"userName\":\"u%02d\",\"externalId\":\"E%d\",\"title\":\"%d\","
            "\"active\":%s,\"emails\":[{\"value\":\"u%02d@x\"}]}", i, i, i,
            i % 10 ? "true" : "false", i), users[i]);
    }
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
        cmocka_unit_test(any_attribute_gives_an_order),
        cmocka_unit_test(an_index_that_has_the_order_is_read_alone),
        cmocka_unit_test(a_walk_shows_everybody_once_whoever_comes_and_goes),
        cmocka_unit_test(cursors_are_good_for_their_own_query_only),
        cmocka_unit_test(count_says_how_much_and_nought_only_the_number),
        cmocka_unit_test(a_walk_goes_on_where_the_budget_ends),
        cmocka_unit_test(a_walk_does_not_mind_how_many_candidates_an_index_has),
        cmocka_unit_test(lookups_read_no_more_than_they_show),
        cmocka_unit_test(membership_is_asked_without_reading_the_group),
        cmocka_unit_test(another_data_set_is_not_an_empty_list),
        cmocka_unit_test(search_requests_are_checked),
        cmocka_unit_test(the_root_pages_through_all_types),
    };

    return cmocka_run_group_tests_name("pages", tests, start, stop);
}
