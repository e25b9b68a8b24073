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

/* Bulk without Redis: which commands wait together, scripted replies. */
#define ID  "0190dada-0000-7000-8000-000000000001"
#define ID2 "0190dada-0000-7000-8000-000000000002"

static redis_harness_t harness; /* schemas, service, principal; no Redis */

static const char record[] =
    "0000000005" "0000000002" "1700000000000" "1700000000000" "0"
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
    "\"id\":\"" ID "\",\"userName\":\"ann\",\"active\":true}";


/* Steps until it waits for replies or is done; how often it yielded. */
static unsigned
settle(harness_call_t *call)
{
    unsigned yields = 0;

    if (call->operation == NULL) {
        harness_call_step(&harness, call);
    }
    while (call->step == SCIM_STEP_YIELD) {
        harness_call_step(&harness, call);
        yields++;
    }
    return yields;
}


static harness_call_t *
begin_body(const char *body)
{
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_POST,
        "/Bulk", NULL, body);

    settle(call);
    return call;
}


/* `operations` with ' for ". */
static harness_call_t *
begin(const char *more, const char *operations)
{
    char           *body = NULL;
    harness_call_t *call;

    assert_true(asprintf(&body, "{%s'Operations':[%s]}", more, operations)
                > 0);
    for (char *p = body; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    call = begin_body(body);
    free(body);
    return call;
}


/* The reply to a pending command; those behind it move up. */
static void
feed(harness_call_t *call, unsigned place, const scim_reply_t *reply)
{
    scim_command_t *command = call->pending[place];

    assert_true(place < call->pending_count);
    call->pending_count--;
    memmove(call->pending + place, call->pending + place + 1,
        (call->pending_count - place) * sizeof(call->pending[0]));
    call->step = scim_operation_reply(call->operation, command, reply);
    while (call->step != SCIM_STEP_DONE
           && (command = scim_operation_command(call->operation)))
    {
        call->pending[call->pending_count++] = command;
    }
    settle(call);
}


static void
feed_words(harness_call_t *call, unsigned place, const char *first,
    const char *second)
{
    const char  *words[] = { first, second, "1700000000000", "1700000000000",
                             "1" };
    scim_reply_t elements[5] = { 0 };
    scim_reply_t reply = { .type = SCIM_REPLY_ARRAY, .element = elements,
                           .elements = 5 };

    for (int i = 0; i < 5; i++) {
        elements[i] = (scim_reply_t) { .type = SCIM_REPLY_STRING,
            .text = words[i], .len = strlen(words[i]) };
    }
    feed(call, place, &reply);
}


static void
feed_ok(harness_call_t *call, unsigned place)
{
    feed_words(call, place, "OK", "1");
}


static void
feed_record(harness_call_t *call, unsigned place)
{
    feed(call, place, &(scim_reply_t) { .type = SCIM_REPLY_STRING,
        .text = record, .len = sizeof(record) - 1 });
}


static bool
names(const scim_command_t *command, const char *text)
{
    for (size_t i = 0; i < command->argc; i++) {
        if (memmem(command->argv[i], command->argv_len[i], text,
                strlen(text)))
        {
            return true;
        }
    }
    return false;
}


/* What waits: the texts that commands name, in their order. */
static void
assert_pending(const harness_call_t *call, unsigned count, ...)
{
    va_list     texts;
    const char *text;

    assert_int_equal(call->pending_count, count);
    va_start(texts, count);
    for (unsigned i = 0; i < count; i++) {
        text = va_arg(texts, const char *);
        if (!names(call->pending[i], text)) {
            fail_msg("command %u does not name %s", i, text);
        }
    }
    va_end(texts);
}


/* "201 400" */
static void
assert_statuses(harness_call_t *call, const char *statuses)
{
    size_t  i;
    char    found[256] = "";
    json_t *json, *one;

    assert_int_equal(call->step, SCIM_STEP_DONE);
    assert_int_equal(call->operation->response.status, 200);
    json = harness_json(call);
    json_array_foreach(json_object_get(json, "Operations"), i, one) {
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s",
            i ? " " : "", harness_text(one, "status"));
    }
    json_decref(json);
    assert_string_equal(found, statuses);
    harness_call_free(call);
}


#define POST_USER(id, name)                                                   \
    "{'method':'POST','path':'/Users','bulkId':'" id "','data':{'userName':'" \
    name "'}}"
#define POST_GROUP(id, name, member)                                          \
    "{'method':'POST','path':'/Groups','bulkId':'" id "','data':"             \
    "{'displayName':'" name "','members':[{'value':'" member "'}]}}"
#define PATCH_USER(id, title)                                                 \
    "{'method':'PATCH','path':'/Users/" id "','data':{'Operations':["         \
    "{'op':'add','path':'title','value':'" title "'}]}}"
#define DELETE_USER(id) "{'method':'DELETE','path':'/Users/" id "'}"


/* ---- order ---- */

static void
independent_ones_wait_at_the_same_time(void **state)
{
    harness_call_t *call = begin("", POST_USER("a", "ann") ","
        POST_USER("b", "bob") "," POST_USER("c", "cem"));

    (void) state;
    assert_pending(call, 3, "ann", "bob", "cem");
    assert_true(names(call->pending[0], "txn-1:0"));
    assert_true(names(call->pending[2], "txn-1:2"));
    feed_ok(call, 2);
    feed_words(call, 0, "UNIQUE", "userName");
    feed_ok(call, 0);
    assert_statuses(call, "409 201 201");
}


static void
a_reference_waits_for_what_it_names(void **state)
{
    char            id[40];
    harness_call_t *call = begin("", POST_GROUP("g", "Ads", "bulkId:a") ","
        POST_USER("a", "ann"));

    (void) state;
    assert_pending(call, 1, "ann");
    snprintf(id, sizeof(id), "%s", call->pending[0]->argv[10]);
    feed_ok(call, 0);
    assert_pending(call, 1, id);
    feed_ok(call, 0);
    assert_statuses(call, "201 201");
}


static void
a_reference_to_what_failed_fails(void **state)
{
    harness_call_t *call = begin("", POST_GROUP("h", "Ops", "bulkId:g") ","
        POST_GROUP("g", "Ads", "bulkId:a") "," POST_USER("a", "ann") ","
        POST_GROUP("i", "Web", "bulkId:nobody"));

    (void) state;
    feed_words(call, 0, "UNIQUE", "userName");
    assert_statuses(call, "409 409 409 400");
}


static void
one_resource_is_changed_in_order(void **state)
{
    harness_call_t *call = begin("", PATCH_USER(ID, "one") ","
        PATCH_USER(ID, "two") "," PATCH_USER(ID2, "other"));

    (void) state;
    assert_pending(call, 2, ID, ID2);
    feed_record(call, 0);
    assert_pending(call, 2, ID2, "one");
    feed_ok(call, 1);
    assert_pending(call, 2, ID2, ID);
    feed_record(call, 1);
    assert_pending(call, 2, ID2, "two");
    feed_ok(call, 1);
    feed_words(call, 0, "OK", "1"); /* no record: damaged, and only this */
    feed_words(call, 0, "NOTFOUND", "");
    assert_statuses(call, "200 200 404");
}


static void
who_names_a_resource_comes_before_and_after_in_order(void **state)
{
    harness_call_t *call = begin("", POST_GROUP("g", "Ads", ID) ","
        DELETE_USER(ID) "," POST_GROUP("h", "Ops", ID));

    (void) state;
    assert_pending(call, 1, "Ads");
    feed_ok(call, 0);
    assert_pending(call, 1, ID);
    feed_record(call, 0);
    feed_ok(call, 0);
    assert_pending(call, 1, "Ops");
    feed_ok(call, 0);
    assert_statuses(call, "201 204 201");
}


static void
two_that_want_one_name_are_in_order(void **state)
{
    harness_call_t *call = begin("", POST_USER("a", "Ann") ","
        POST_USER("b", "aNN") "," POST_GROUP("g", "ann", ID));

    (void) state;
    assert_pending(call, 2, "Ann", ID);
    feed_ok(call, 0);
    assert_pending(call, 2, ID, "aNN");
    feed_words(call, 1, "UNIQUE", "userName");
    feed_ok(call, 0);
    assert_statuses(call, "201 409 201");
}


static void
a_name_that_is_given_up_before_it_is_tried_again(void **state)
{
    harness_call_t *call = begin("", DELETE_USER(ID) ","
        POST_USER("a", "ann") "," POST_GROUP("g", "Ads", "bulkId:a"));

    (void) state;
    assert_pending(call, 2, ID, "ann");
    feed_words(call, 1, "UNIQUE", "userName");
    feed_record(call, 0);
    assert_pending(call, 1, "commit_oom");
    feed_ok(call, 0);
    assert_pending(call, 1, "ann");
    feed_ok(call, 0);
    assert_pending(call, 1, "Ads");
    feed_ok(call, 0);
    assert_statuses(call, "204 201 201");
}


static void
in_a_circle_the_first_goes_ahead(void **state)
{
    harness_call_t *call = begin("", POST_GROUP("z", "Out", "bulkId:a") ","
        POST_GROUP("a", "Ads", "bulkId:b") ","
        POST_GROUP("b", "Ops", "bulkId:c") ","
        POST_GROUP("c", "Web", "bulkId:a"));

    (void) state;
    assert_pending(call, 1, "Ads");
    feed_ok(call, 0);
    assert_pending(call, 2, "Out", "Web");
    feed_ok(call, 1);
    assert_pending(call, 2, "Out", "Ops");
    feed_ok(call, 1);
    feed_ok(call, 0);
    assert_statuses(call, "201 201 201 201");
}


static void
who_is_held_and_waited_for_goes_on(void **state)
{
    harness_call_t *call = begin("", "{'method':'PATCH','path':'/Users/" ID
        "','data':[{'op':'add','path':'manager','value':'bulkId:a'}]},"
        POST_USER("a", "ann"));

    (void) state;
    assert_pending(call, 1, "ann");
    feed_words(call, 0, "UNIQUE", "userName");
    assert_pending(call, 1, "ann");
    feed_words(call, 0, "UNIQUE", "userName");
    assert_statuses(call, "409 409");
}


/* ---- failOnErrors, losses ---- */

static void
no_more_are_under_way_than_may_fail(void **state)
{
    harness_call_t *call = begin("'failOnErrors':2,", POST_USER("a", "ann")
        "," POST_USER("b", "bob") "," POST_USER("c", "cem") ","
        POST_USER("d", "dea"));

    (void) state;
    assert_pending(call, 2, "ann", "bob");
    feed_words(call, 0, "UNIQUE", "userName");
    assert_pending(call, 1, "bob");
    feed_ok(call, 0);
    assert_pending(call, 1, "cem");
    feed_words(call, 0, "UNIQUE", "userName");
    assert_statuses(call, "409 201 409");
}


static void
lose(harness_call_t *call)
{
    scim_command_t *command = call->pending[0];

    call->pending_count--;
    memmove(call->pending, call->pending + 1,
        call->pending_count * sizeof(call->pending[0]));
    call->step = scim_operation_lost(call->operation, command, "it is away");
    settle(call);
}


static void
without_the_store_nothing_more_is_begun(void **state)
{
    harness_call_t *call = begin("", POST_USER("a", "ann") ","
        POST_USER("b", "bob") "," POST_GROUP("g", "Ads", "bulkId:a") ","
        DELETE_USER("1"));

    (void) state;
    feed_ok(call, 0);
    assert_pending(call, 2, "bob", "Ads");
    lose(call);
    lose(call);
    assert_statuses(call, "201 503 503 404");
}


static void
nothing_done_is_503_for_all(void **state)
{
    harness_call_t *call = begin("", POST_USER("a", "ann") ","
        POST_GROUP("g", "Ads", "bulkId:a"));

    (void) state;
    lose(call);
    assert_int_equal(call->step, SCIM_STEP_DONE);
    assert_int_equal(call->operation->response.status, 503);
    assert_int_equal(call->operation->response.retry_after,
        SCIM_RETRY_AFTER);
    harness_call_free(call);
}


/* ---- size ---- */

static char *
many(unsigned count, const char *more)
{
    char  *body = malloc(count * 200 + strlen(more) + 100);
    size_t len;

    assert_non_null(body);
    len = (size_t) sprintf(body, "{\"Operations\":[");
    for (unsigned i = 0; i < count; i++) {
        len += (size_t) sprintf(body + len, "%s{\"method\":\"POST\",\"path\":"
            "\"/Users\",\"bulkId\":\"%u\",\"data\":{\"userName\":\"u%u\"}}",
            i ? "," : "", i, i);
    }
    sprintf(body + len, "]%s}", more);
    return body;
}


static void
a_window_of_many_is_under_way(void **state)
{
    char           *body = many(SCIM_BULK_ITEM_MAX, "");
    unsigned        yields;
    harness_call_t *call = harness_call_new(&harness, SCIM_METHOD_POST,
        "/Bulk", NULL, body);

    (void) state;
    yields = settle(call);
    assert_true(yields > 5); /* it is read in steps */
    assert_int_equal(call->pending_count, SCIM_BULK_WINDOW);
    for (int i = 0; i < SCIM_BULK_ITEM_MAX; i++) {
        assert_int_equal(call->pending_count,
            i + SCIM_BULK_WINDOW < SCIM_BULK_ITEM_MAX
                ? SCIM_BULK_WINDOW : SCIM_BULK_ITEM_MAX - i);
        feed_ok(call, (unsigned) i * 7 % call->pending_count);
    }
    assert_int_equal(call->operation->response.status, 200);
    harness_call_free(call);
    free(body);

    body = many(SCIM_BULK_ITEM_MAX + 1, "");
    call = begin_body(body);
    assert_int_equal(call->operation->response.status, 413);
    harness_call_free(call);
    free(body);
}


/* Beyond what stays parsed: the same by reading twice. */
static void
what_is_not_kept_is_read_again(void **state)
{
    char           *big, *body;
    harness_call_t *call;

    (void) state;
    big = malloc(40 * 60000 + 4000);
    assert_non_null(big);
    strcpy(big, "{\"method\":\"DELETE\",\"path\":\"/Users/1\",\"data\":[");
    for (int i = 0; i < 40; i++) {
        char *p = big + strlen(big);

        *p++ = '"';
        memset(p, 'x', 60000);
        strcpy(p + 60000, i < 39 ? "\"," : "\"]}");
    }
    assert_true(asprintf(&body, "{\"Operations\":[%s,{\"method\":\"POST\","
        "\"path\":\"/Groups\",\"bulkId\":\"g\",\"data\":{\"displayName\":"
        "\"Ads\",\"members\":[{\"value\":\"bulkId:u\"}],\"x\":%s}},"
        "{\"method\":\"POST\",\"path\":\"/Users\",\"bulkId\":\"u\","
        "\"data\":{\"userName\":\"ann\"}}]}", big, strchr(big, '[')) > 0);
    body[strlen(body) - 1] = '}';
    /* the group's `x` ends with the element's own brace: take it out */
    {
        char *extra = strstr(body, "]}}},{\"method\":\"POST\",\"path\":"
            "\"/Users\"");

        assert_non_null(extra);
        memmove(extra + 1, extra + 2, strlen(extra + 1));
    }
    call = begin_body(body);
    assert_pending(call, 1, "ann");
    feed_ok(call, 0);
    assert_pending(call, 1, "Ads");
    assert_false(names(call->pending[0], "bulkId"));
    feed_ok(call, 0);
    assert_statuses(call, "404 201 201");
    free(body);
    free(big);
}


/* ---- the envelope ---- */

static void
broken_envelopes_are_refused(void **state)
{
    static const char *const bodies[] = {
        "", " ", "x", "[]", "{", "{\"Operations\"", "{\"Operations\":",
        "{\"Operations\":[", "{\"Operations\":[]", "{\"Operations\":[]}x",
        "{\"Operations\":[{}", "{\"Operations\":[{},]}",
        "{\"Operations\":[{} {}]}", "{\"Operations\":[,{}]}",
        "{\"Operations\":{}}", "{\"Operations\":null}", "{}",
        "{\"Operations\":[],}", "{,\"Operations\":[]}",
        "{\"a\" 1,\"Operations\":[]}", "{\"a\":,\"Operations\":[]}",
        "{a:1,\"Operations\":[]}", "{\"Operations\":[]\"a\":1}",
        "{\"Operations\":[],\"OPERATIONS\":[]}",
        "{\"Operations\":[{\"a\":1,\"A\":2}]}", "{\"Operations\":[\"]}",
        "{\"Operations\":[\"\\\"]}", "{\"Operations\":[}]}",
        "{\"Operations\":[[}]}", "{\"Operations\":[{]}]}"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        harness_call_t *call = begin_body(bodies[i]);

        if (call->step != SCIM_STEP_DONE
            || call->operation->response.status != 400)
        {
            fail_msg("%s: status %d", bodies[i],
                call->operation->response.status);
        }
        harness_call_free(call);
    }
}


static void
members_may_come_in_any_order_and_case(void **state)
{
    harness_call_t *call = begin("'schemas':['urn:ietf:params:scim:api:"
        "messages:2.0:BulkRequest'],'more':{'a':[1,']}']},",
        "{'Method':'post','Path':'/Users','BulkId':'a','VERSION':null,"
        "'data':{'userName':'ann'}}],'FAILONERRORS':1,'x':[");

    (void) state;
    assert_pending(call, 1, "ann");
    feed_ok(call, 0);
    assert_statuses(call, "201");
}


static void
paths_of_other_clients_are_understood(void **state)
{
    static const char *const paths[] = {
        "Users/" ID, "/v2/Users/" ID, "v2/Users/" ID, "/scim/v2/Users/" ID,
        "https://h/scim/v2/Users/" ID, "/Users/" ID "/", "//Users//" ID,
        "/Users/" ID "?attributes=id"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        harness_call_t *call = begin("", harness_format(
            "{'method':'DELETE','path':'%s'}", paths[i]));

        assert_pending(call, 1, "acme:user:" ID);
        feed_words(call, 0, "OK", "1");
        feed_words(call, 0, "NOTFOUND", "");
        assert_statuses(call, "404");
    }
}


static int
start(void **state)
{
    scim_error_t error = { 0 };

    (void) state;
    harness.schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    redis_harness_defaults(&harness);
    return harness.schemas ? 0 : -1;
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
        cmocka_unit_test(independent_ones_wait_at_the_same_time),
        cmocka_unit_test(a_reference_waits_for_what_it_names),
        cmocka_unit_test(a_reference_to_what_failed_fails),
        cmocka_unit_test(one_resource_is_changed_in_order),
        cmocka_unit_test(who_names_a_resource_comes_before_and_after_in_order),
        cmocka_unit_test(two_that_want_one_name_are_in_order),
        cmocka_unit_test(a_name_that_is_given_up_before_it_is_tried_again),
        cmocka_unit_test(in_a_circle_the_first_goes_ahead),
        cmocka_unit_test(who_is_held_and_waited_for_goes_on),
        cmocka_unit_test(no_more_are_under_way_than_may_fail),
        cmocka_unit_test(without_the_store_nothing_more_is_begun),
        cmocka_unit_test(nothing_done_is_503_for_all),
        cmocka_unit_test(a_window_of_many_is_under_way),
        cmocka_unit_test(what_is_not_kept_is_read_again),
        cmocka_unit_test(broken_envelopes_are_refused),
        cmocka_unit_test(members_may_come_in_any_order_and_case),
        cmocka_unit_test(paths_of_other_clients_are_understood)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
