#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"
#include "scim_filter.h"

/*
 * For random filters over random resources: what the plans find (by index, by
 * scan, by both) is what matching every resource one by one finds, in pages,
 * in cursor walks and sorted.
 */
/* as much work as it takes */
#define WORK &(scim_filter_work_t) { 0, SIZE_MAX }
#define USER_COUNT   90
#define GROUP_COUNT  8
#define IDS_MAX      (USER_COUNT + GROUP_COUNT + 8) /* and a page too many */
#define CORE         "urn:ietf:params:scim:schemas:core:2.0:"
#define ENTERPRISE \
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define ROOT         2 /* both types, in endpoints */
#define FILTER_COUNT 600
#define SEED         20260101u

static redis_harness_t harness;
static json_t         *everything[2]; /* users, groups: as they are shown */
static uint32_t        random_state = SEED;
static unsigned        indexed, scanned; /* answers by plan */

static const char *const endpoints[] = { "/Users", "/Groups", "/" };


static unsigned
pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}


/* ---- resources ---- */

static const char *
word(void)
{
    static const char *const words[] = { "a", "Ab", "abc", "aB c", "b",
        "B\xc3\xa4r", "b\xc3\xa4rchen", "x+y", "GROSS", "gro\xc3\x9f",
        "z", "10", "9" };

    return words[pick(sizeof(words) / sizeof(words[0]))];
}


static const char *
id_of(unsigned type, unsigned i)
{
    return harness_text(json_array_get(everything[type], i), "id");
}


static void
make_user(unsigned i, char *path)
{
    static const char *const types[] = { "work", "home", "other" };

    harness_create(&harness, "/Users", harness_format(
        "{\"userName\":\"%s%u\",\"externalId\":\"%s\",\"displayName\":\"%s\","
        "\"title\":%s%s%s,\"active\":%s,\"emails\":[{\"value\":\"%s@x\","
        "\"type\":\"%s\"},{\"value\":\"%s%u@y\",\"type\":\"%s\",\"primary\":"
        "true}],\"" ENTERPRISE "\":{%s}}", word(), i, word(), word(),
        i % 3 ? "\"" : "", i % 3 ? word() : "null", i % 3 ? "\"" : "",
        i % 4 ? "true" : "false", word(), types[pick(3)], word(), pick(9),
        types[pick(3)], i % 5 ? "" : "\"department\":\"D\","
            "\"manager\":{\"value\":\"m\"}"), path);
}


static json_t *
all_of(const char *endpoint)
{
    json_t *list = harness_ask(&harness, 200, SCIM_METHOD_GET, endpoint,
        "count=200", NULL);
    json_t *resources = json_incref(json_object_get(list, "Resources"));

    json_decref(list);
    return resources;
}


static int
start(void **state)
{
    char        paths[USER_COUNT][64], group[64], members[4096];
    const char *external;

    (void) state;
    redis_harness_start(&harness);
    for (unsigned i = 0; i < USER_COUNT; i++) {
        make_user(i, paths[i]);
    }
    for (unsigned i = 0; i < GROUP_COUNT; i++) {
        members[0] = '\0';
        for (unsigned j = pick(4); j < USER_COUNT; j += 1 + pick(20)) {
            size_t len = strlen(members);

            snprintf(members + len, sizeof(members) - len,
                "%s{\"value\":\"%s\"}", len ? "," : "", harness_id(paths[j]));
        }
        external = word();
        harness_create(&harness, "/Groups", harness_format(
            "{\"displayName\":\"%s%u\",\"externalId\":\"%s\",\"members\":[%s]"
            "}", word(), i, external, members), group);
    }
    everything[0] = all_of("/Users");
    everything[1] = all_of("/Groups");
    assert_int_equal(json_array_size(everything[0]), USER_COUNT);
    assert_int_equal(json_array_size(everything[1]), GROUP_COUNT);
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    json_decref(everything[0]);
    json_decref(everything[1]);
    redis_harness_stop(&harness);
    return 0;
}


/* ---- filters ---- */

static const char *
some_value(unsigned type, const char *attribute)
{
    if (strcmp(attribute, "id") == 0) {
        return id_of(type, pick(type ? GROUP_COUNT : USER_COUNT));
    }
    if (strncmp(attribute, "groups", 6) == 0) {
        return id_of(1, pick(GROUP_COUNT));
    }
    if (strncmp(attribute, "members", 7) == 0) {
        return pick(5) ? id_of(0, pick(USER_COUNT)) : "nobody";
    }
    if (strcmp(attribute, "meta.resourceType") == 0) {
        return pick(2) ? "User" : "Group";
    }
    if (strcmp(attribute, "userName") == 0
        || strcmp(attribute, "displayName") == 0)
    {
        return harness_text(json_array_get(everything[type], pick(type
            ? GROUP_COUNT : USER_COUNT)), attribute);
    }
    if (strncmp(attribute, "emails", 6) == 0 && pick(2)) {
        return harness_text(json_array_get(everything[0], pick(USER_COUNT)),
            "emails.1.value");
    }
    return word();
}


static const char *
some_attribute(unsigned type)
{
    static const char *const user[] = { "userName", "userName", "externalId",
        "displayName", "emails.value", "emails", "title", "id",
        "groups.value", "groups", "meta.resourceType", "emails.type" };
    static const char *const group[] = { "displayName", "displayName",
        "externalId", "id", "members.value", "members",
        "meta.resourceType" };

    return type ? group[pick(sizeof(group) / sizeof(group[0]))]
                : user[pick(sizeof(user) / sizeof(user[0]))];
}


static const char *
leaf(unsigned type)
{
    static const char *const operators[] = { "eq", "eq", "eq", "eq", "sw",
        "sw", "sw", "co", "ew", "ne", "gt", "le" };
    const char *attribute = some_attribute(type);
    const char *operator = operators[pick(12)];

    switch (pick(12)) {
    case 0:
        return harness_format("%s pr", attribute);
    case 1:
        return type ? harness_format("members[value eq \"%s\"]",
                          some_value(type, "members"))
                    : harness_format("emails[type eq \"work\" and value %s "
                          "\"%s\"]", operator, some_value(0, "emails"));
    case 2:
        return type ? "members[type eq \"User\"]"
                    : harness_format("emails[type eq \"home\"].value eq "
                          "\"%s\"", some_value(0, "emails"));
    case 3:
        return type ? "externalId pr"
                    : harness_format("emails[value eq \"%s\" or value sw "
                          "\"%s\"]", some_value(0, "emails"), word());
    default:
        return harness_format("%s %s \"%s\"", attribute, operator,
            some_value(type, attribute));
    }
}


/* Written into `out`: texts of harness_format() do not live long enough. */
static void
some_filter(unsigned type, unsigned depth, char *out, size_t size)
{
    char left[1024], right[1024];

    switch (depth ? pick(6) : 0) {
    case 0:
    case 1:
        snprintf(out, size, "%s", leaf(type));
        return;
    case 2:
        some_filter(type, depth - 1, left, sizeof(left));
        snprintf(out, size, "not (%s)", left);
        return;
    default:
        some_filter(type, depth - 1, left, sizeof(left) / 2);
        some_filter(type, depth - 1, right, sizeof(right) / 2);
        snprintf(out, size, "(%s) %s (%s)", left, pick(2) ? "and" : "or",
            right);
    }
}


static const char *
encoded(const char *text)
{
    char   out[8192];
    size_t n = 0;

    for ( ; *text && n + 4 < sizeof(out); text++) {
        n += (size_t) snprintf(out + n, sizeof(out) - n, "%%%02x",
            (unsigned char) *text);
    }
    return harness_format("%s", out);
}


/* ---- answers ---- */

/* Ids that match, in the order in which they were made, one after another. */
static char *
expected(unsigned type, const char *text)
{
    size_t         i;
    char          *ids = calloc(IDS_MAX, 36);
    json_t        *one;
    scim_error_t   error = { 0 };
    scim_lenient_t lenient = { 0 };
    scim_filter_t *filter = scim_filter_parse(
        scim_resource_type_find(harness.schemas, type ? "Group" : "User",
            type ? 5 : 4), text, strlen(text), &lenient, &error);

    if (filter == NULL) {
        fail_msg("%s: %s", text, error.detail);
    }
    json_array_foreach(everything[type], i, one) {
        if (scim_filter_match(filter, one, WORK)) {
            strcat(ids, harness_text(one, "id"));
        }
    }
    scim_filter_free(filter);
    return ids;
}


static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, 36);
}


static json_t *
ask(unsigned type, const char *query, char *ids)
{
    size_t          i;
    json_t         *one, *list;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_GET,
        endpoints[type], query, NULL);

    harness_call_run(&harness, call);
    list = harness_json(call);
    if (call->operation->response.status != 200) {
        fail_msg("%s: %s", query, call->operation->response.body.data);
    }
    harness_call_free(call);
    json_array_foreach(json_object_get(list, "Resources"), i, one) {
        strcat(ids, harness_text(one, "id"));
    }
    return list;
}


/* Every page of a walk, or of startIndex. */
static void
walk(unsigned type, const char *query, bool cursors, char *ids)
{
    char    at[2048] = "";
    json_t *list;

    for (unsigned page = 0; page < 200; page++) {
        size_t before = strlen(ids);

        list = cursors
            ? ask(type, harness_format("%s&count=7&cursor=%s", query, at), ids)
            : ask(type, harness_format("%s&count=7&startIndex=%u", query,
                      1 + 7 * page), ids);
        snprintf(at, sizeof(at), "%s", harness_text(list, "nextCursor"));
        json_decref(list);
        if (strlen(ids) > 36 * (USER_COUNT + GROUP_COUNT)) {
            fail_msg("%s: somebody twice", query);
        }
        if (cursors ? *at == '\0' : strlen(ids) == before) {
            return;
        }
    }
    fail_msg("%s: no end", query);
}


static void
check_ids(const char *what, const char *query, char *found,
    const char *wanted, bool ordered)
{
    size_t len = strlen(found);

    if (!ordered) {
        qsort(found, len / 36, 36, compare_ids);
    }
    if (strcmp(found, wanted) != 0) {
        fail_msg("%s of %s: %zu, not %zu", what, query, len / 36,
            strlen(wanted) / 36);
    }
}


static void
check_filter(unsigned type, const char *filter)
{
    char        query[8192];
    char       *wanted = expected(type, filter);
    char       *ids = calloc(IDS_MAX, 36);
    json_t     *list;
    unsigned    max = harness.service.scan_max;
    long long   total;

    snprintf(query, sizeof(query), "filter=%s", encoded(filter));
    list = ask(type, harness_format("%s&count=200", query), ids);
    total = json_integer_value(json_object_get(list, "totalResults"));
    json_decref(list);
    if (total != (long long) strlen(wanted) / 36) {
        fail_msg("%s: total %lld, not %zu", filter, total,
            strlen(wanted) / 36);
    }
    check_ids("one page", filter, ids, wanted, false);
    *ids = '\0';
    walk(type, query, false, ids);
    check_ids("pages", filter, ids, wanted, false);
    *ids = '\0';
    /* what no request may read at once, a walk shows bit by bit */
    harness.service.scan_max = 1 + pick(2 * USER_COUNT);
    walk(type, query, true, ids);
    harness.service.scan_max = max;
    check_ids("a walk", filter, ids, wanted, false);
    free(wanted);
    free(ids);
}


static void
check_order(unsigned type, const char *filter)
{
    static const char *const by[] = { "userName", "title", "emails",
        "displayName", "meta.created", "id", "active", "externalId" };
    static const char *const group_by[] = { "displayName", "externalId",
        "id", "meta.lastModified" };
    char  query[8192];
    char *wanted = expected(type, filter);
    char *whole = calloc(IDS_MAX, 36);
    char *ids = calloc(IDS_MAX, 36);

    snprintf(query, sizeof(query), "filter=%s&sortBy=%s&sortOrder=%s",
        encoded(filter), type ? group_by[pick(4)] : by[pick(8)],
        pick(2) ? "ascending" : "descending");
    json_decref(ask(type, harness_format("%s&count=200", query), whole));
    walk(type, query, false, ids);
    check_ids("sorted pages", filter, ids, whole, true);
    *ids = '\0';
    walk(type, query, true, ids);
    check_ids("a sorted walk", filter, ids, whole, true);
    check_ids("what is sorted", filter, ids, wanted, false);
    free(wanted);
    free(whole);
    free(ids);
}


/* What a plan reads: without a scan a list takes documents it shows. */
static void
count_plan(unsigned type, const char *filter)
{
    unsigned        max = harness.service.scan_max;
    harness_call_t *call;

    harness.service.scan_max = type ? GROUP_COUNT - 1 : USER_COUNT - 1;
    call = harness_call_new(&harness, SCIM_METHOD_GET, endpoints[type],
        harness_format("count=0&filter=%s", encoded(filter)), NULL);
    harness_call_run(&harness, call);
    if (call->operation->response.status == 200) {
        indexed++;
    } else {
        scanned++;
    }
    harness_call_free(call);
    harness.service.scan_max = max;
}


static void
plans_find_what_matching_finds(void **state)
{
    char filter[4096];

    (void) state;
    for (unsigned i = 0; i < FILTER_COUNT; i++) {
        unsigned type = pick(3) == 0;

        some_filter(type, pick(4), filter, sizeof(filter));
        check_filter(type, filter);
        if (i % 3 == 0) {
            check_order(type, filter);
        }
        count_plan(type, filter);
    }
    /* both kinds were there, or this test would say nothing */
    assert_true(indexed > FILTER_COUNT / 8);
    assert_true(scanned > FILTER_COUNT / 8);
}


/* The root finds what the types find, users first. */
static void
the_root_finds_what_the_types_find(void **state)
{
    static const char *const filters[] = { "displayName sw \"a\"",
        "externalId eq \"abc\"", "externalId eq \"abc\" or title pr",
        "meta.resourceType eq \"Group\" and externalId pr",
        "not (displayName co \"b\")", "userName sw \"a\"", "active eq false",
        "emails[type eq \"work\"]", "department pr", ENTERPRISE " pr",
        CORE "User:emails[type eq \"work\"]", CORE "User:displayName pr",
        CORE "Group:members[value pr] or " ENTERPRISE ":department pr",
        ENTERPRISE ":manager[value pr]", "not (" ENTERPRISE ":manager pr)" };

    (void) state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        json_t *list, *one;
        size_t  j, users = 0;
        char   *wanted = calloc(IDS_MAX, 36);
        char   *ids = calloc(IDS_MAX, 36);

        for (unsigned type = 0; type < 2; type++) {
            scim_error_t   error = { 0 };
            scim_lenient_t lenient = { 0 };
            scim_filter_t *filter = scim_filter_parse_any(harness.schemas,
                scim_resource_type_find(harness.schemas, type ? "Group"
                    : "User", type ? 5 : 4), filters[i], strlen(filters[i]),
                &lenient, &error);

            assert_non_null(filter);
            json_array_foreach(everything[type], j, one) {
                if (scim_filter_match(filter, one, WORK)) {
                    strcat(wanted, harness_text(one, "id"));
                }
            }
            scim_filter_free(filter);
            users = type ? users : strlen(wanted) / 36;
        }
        list = harness_ask(&harness, 200, SCIM_METHOD_GET, "/",
            harness_format("count=200&filter=%s", encoded(filters[i])), NULL);
        json_array_foreach(json_object_get(list, "Resources"), j, one) {
            assert_string_equal(harness_text(one, "meta.resourceType"),
                j < users ? "User" : "Group");
            strcat(ids, harness_text(one, "id"));
        }
        assert_int_equal(json_integer_value(json_object_get(list,
            "totalResults")), strlen(wanted) / 36);
        json_decref(list);
        qsort(ids, users, 36, compare_ids);
        qsort(ids + 36 * users, strlen(ids) / 36 - users, 36, compare_ids);
        assert_string_equal(ids, wanted);
        free(ids);
        free(wanted);
    }
}


/* In any order a walk through all types shows what one page of all shows. */
static void
the_root_is_walked_in_any_order(void **state)
{
    static const char *const by[] = { "userName", "displayName", "id",
        "meta.created", "meta.resourceType", "externalId", "members.value" };
    static const char *const filters[] = { "",
        "&filter=externalId%20pr", "&filter=displayName%20sw%20%22a%22" };
    char *whole = calloc(IDS_MAX, 36);
    char *ids = calloc(IDS_MAX, 36);

    (void) state;
    for (size_t i = 0; i < 2 * sizeof(by) / sizeof(by[0]); i++) {
        for (size_t j = 0; j < sizeof(filters) / sizeof(filters[0]); j++) {
            const char *query = harness_format("sortBy=%s&sortOrder=%s%s",
                by[i / 2], i % 2 ? "ascending" : "descending", filters[j]);

            *whole = *ids = '\0';
            json_decref(ask(ROOT, harness_format("%s&count=200", query),
                whole));
            walk(ROOT, query, true, ids);
            check_ids("a walk of the root", query, ids, whole, true);
        }
    }
    free(whole);
    free(ids);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_find_what_matching_finds),
        cmocka_unit_test(the_root_finds_what_the_types_find),
        cmocka_unit_test(the_root_is_walked_in_any_order),
    };

    return cmocka_run_group_tests_name("random filters", tests, start, stop);
}
