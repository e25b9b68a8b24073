#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"

/* Subscriptions in a real Redis: claims, cursors, tries, gaps. */
#define W     "scim:{007}:acme:"
#define QUEUE "scim:{007}:webhooks"
#define FIELDS 17 /* of an entry, with its id */

static redis_harness_t harness;
static char            hook[64];


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


static void
subscribe(void)
{
    json_t *answer;

    harness.service.app_policy.secret_env = "*";
    answer = harness_ask(&harness, 201, SCIM_METHOD_POST,
        "/admin/v1/webhooks", NULL, "{\"url\":\"https://example.com/\","
        "\"secret\":\"env:HOOK\"}");
    snprintf(hook, sizeof(hook), "%s", harness_text(answer, "id"));
    json_decref(answer);
}


static int
begin(void **state)
{
    (void) state;
    redis_harness_flush(&harness);
    subscribe();
    return 0;
}


/* What a webhook is told: the end of a check, without the check. */
static const char *
say(const char *check)
{
    static char entry[2][64];
    static int  turn;
    redisReply *reply;

    freeReplyObject(redis_harness_command(&harness, "HSET "
        "scim:{007}:acme:check:%s app a state running owner me attempts 1",
        check));
    access_expect(&harness, "OK", "check_finish", check, "me", "1", "done",
        "", "0", "0", "", NULL);
    reply = redis_harness_command(&harness, "XREVRANGE " W "audit + - COUNT "
        "1");
    turn = !turn;
    snprintf(entry[turn], sizeof(entry[turn]), "%s",
        reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    return entry[turn];
}


/* As if its time had come. */
static void
make_due(void)
{
    freeReplyObject(redis_harness_command(&harness, "ZADD %s 0 %b", QUEUE,
        harness_format("acme %s", hook), 5 + strlen(hook)));
}


/* Claims what is due; the epoch, or "" when nothing is. */
static const char *
claim(const char *owner)
{
    static char epoch[24];
    redisReply *reply = access_call(&harness, "webhook_due", owner, "10000",
        "8", "8", NULL);

    assert_string_equal(redis_reply_code(reply), "OK");
    epoch[0] = '\0';
    if (reply->elements > 2) {
        assert_string_equal(redis_reply_text(reply, 2), "acme");
        assert_string_equal(redis_reply_text(reply, 3), hook);
        snprintf(epoch, sizeof(epoch), "%lld", redis_reply_number(reply, 4));
    }
    freeReplyObject(reply);
    return epoch;
}


/* The ids of what is to be delivered, those tried before with their count. */
static const char *
work(const char *owner, const char *epoch, bool *lost)
{
    static char text[1024];
    size_t      at = 4, len = 0;
    redisReply *reply = access_call(&harness, "webhook_read", hook, owner,
        epoch, "10", NULL);
    long long   again = redis_reply_number(reply, 3);

    assert_string_equal(redis_reply_code(reply), "OK");
    if (lost) {
        *lost = redis_reply_number(reply, 2) == 1;
    }
    text[0] = '\0';
    for ( ; at + FIELDS <= reply->elements; at += FIELDS) {
        if (again > 0) {
            len += (size_t) snprintf(text + len, sizeof(text) - len, "%s*",
                redis_reply_text(reply, at++));
            again--;
        }
        len += (size_t) snprintf(text + len, sizeof(text) - len, "%s ",
            redis_reply_text(reply, at));
    }
    freeReplyObject(reply);
    return text;
}


/* One delivery is over; what is due next, in ms, or why it is off now. */
static const char *
settle(const char *owner, const char *epoch, const char *entry,
    const char *cursor, const char *result, const char *off)
{
    static char text[64];
    redisReply *reply = access_call(&harness, "webhook_commit", hook, owner,
        epoch, "0", cursor, "0", off, entry, "check.done", "1", "500",
        result, "60000", "answered 500", NULL);

    snprintf(text, sizeof(text), "%s%s", redis_reply_ok(reply) ? ""
        : redis_reply_code(reply), redis_reply_text(reply, 1));
    if (*redis_reply_text(reply, 2)) {
        snprintf(text, sizeof(text), "%s", redis_reply_text(reply, 2));
    }
    freeReplyObject(reply);
    return text;
}


static long long
state_number(const char *field)
{
    return redis_harness_number(&harness, "HGET " W "webhook:%s:state %s",
        hook, field);
}


static void
a_subscription_is_claimed_by_one(void **state)
{
    const char *epoch;
    char        mine[24], entry[64];

    (void) state;
    epoch = claim("one");
    assert_string_equal(epoch, "2");
    assert_string_equal(claim("two"), "");
    assert_string_equal(work("one", "2", NULL), "");
    snprintf(entry, sizeof(entry), "%s", say("c1"));
    assert_string_equal(claim("two"), ""); /* not while it is leased */
    assert_string_equal(work("one", "2", NULL), harness_format("%s ",
        entry));
    /* its lease runs out: another one goes on, the first one is refused */
    make_due();
    snprintf(mine, sizeof(mine), "%s", claim("two"));
    assert_string_equal(mine, "3");
    access_expect(&harness, "STATE", "webhook_read", hook, "one", "2", "10",
        NULL);
    assert_string_equal(settle("one", "2", entry, entry, "done", ""),
        "STATE");
    assert_int_equal(state_number("delivered"), 0);
    assert_string_equal(work("two", "3", NULL), harness_format("%s ",
        entry));
    assert_string_not_equal(settle("two", "3", entry, entry, "done", ""),
        "0");
    assert_int_equal(state_number("delivered"), 1);
    assert_string_equal(claim("one"), "");
    say("c2");
    assert_string_equal(claim("one"), "4");
}


static void
what_fails_waits_and_the_rest_goes_on(void **state)
{
    char first[64], second[64];

    (void) state;
    snprintf(first, sizeof(first), "%s", say("c1"));
    snprintf(second, sizeof(second), "%s", say("c2"));
    assert_string_equal(claim("one"), "2");
    assert_string_equal(settle("one", "2", first, first, "retry", ""), "0");
    assert_true(state_number("failing") > 0);
    assert_string_equal(claim("one"), "3");
    assert_string_equal(work("one", "3", NULL), harness_format("%s ",
        second));
    settle("one", "3", second, second, "done", "");
    assert_int_equal(state_number("failing"), 0);
    assert_string_equal(claim("one"), "");
    /* its time has come */
    freeReplyObject(redis_harness_command(&harness, "ZADD " W "webhook:%s:"
        "retries 0 %s", hook, first));
    make_due();
    assert_string_equal(claim("one"), "4");
    assert_string_equal(work("one", "4", NULL), harness_format("1*%s ",
        first));
    settle("one", "4", first, "", "done", "");
    assert_int_equal(redis_harness_number(&harness, "ZCARD " W "webhook:%s:"
        "retries", hook), 0);
    assert_int_equal(redis_harness_number(&harness, "EXISTS " W "webhook:%s:"
        "attempts", hook), 0);
}


static void
nothing_new_is_sent_while_nothing_is_accepted(void **state)
{
    char entries[6][64];

    (void) state;
    for (int i = 0; i < 6; i++) {
        snprintf(entries[i], sizeof(entries[i]), "%s", say("c"));
    }
    for (int i = 0; i < 4; i++) {
        const char *epoch = claim("one");

        assert_string_not_equal(epoch, "");
        settle("one", epoch, entries[i], entries[i], "retry", "");
    }
    /* but for one, now and then */
    assert_string_equal(claim("one"), "6");
    assert_string_equal(work("one", "6", NULL), harness_format("%s ",
        entries[4]));
    settle("one", "6", entries[4], entries[4], "retry", "");
    assert_string_equal(claim("one"), "");
    make_due();
    assert_string_equal(claim("one"), "7");
    assert_string_equal(work("one", "7", NULL), "");
    /* one is accepted: the others are not held back any more */
    freeReplyObject(redis_harness_command(&harness, "ZADD " W "webhook:%s:"
        "retries 0 %s", hook, entries[0]));
    assert_string_equal(work("one", "7", NULL), harness_format("1*%s ",
        entries[0]));
    assert_string_equal(settle("one", "7", entries[0], "", "done", ""), "0");
}


/* One commit more for an entry that was tried before. */
static void
refuse_again(const char *entry)
{
    redisReply *reply;

    make_due();
    reply = access_call(&harness, "webhook_commit", hook, "one",
        claim("one"), "0", "", "0", "", entry, "check.done", "7", "400",
        "retry", "60000", "answered 400", NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    freeReplyObject(reply);
}


static void
what_is_refused_again_and_again_holds_up_no_other(void **state)
{
    char entries[8][64];

    (void) state;
    for (int i = 0; i < 8; i++) {
        const char *epoch;

        snprintf(entries[i], sizeof(entries[i]), "%s", say("c"));
        epoch = claim("one");
        assert_string_not_equal(epoch, "");
        settle("one", epoch, entries[i], entries[i], i % 2 ? "done"
            : "retry", "");
    }
    assert_int_equal(state_number("failing"), 0);
    refuse_again(entries[0]);
    assert_int_equal(state_number("failing"), 0);
    say("c");
    assert_string_not_equal(claim("one"), "");
}


/* Claims as `owner` with room for so many that fail. */
static size_t
count_claimed(const char *failing_room)
{
    size_t      count;
    redisReply *reply = access_call(&harness, "webhook_due", "one", "10000",
        "8", failing_room, NULL);

    count = (reply->elements - 2) / 4;
    freeReplyObject(reply);
    return count;
}


static void
who_fails_leaves_room_for_who_does_not(void **state)
{
    char former[64];

    (void) state;
    snprintf(former, sizeof(former), "%s", hook);
    say("c1");
    freeReplyObject(redis_harness_command(&harness, "HSET " W "webhook:%s:"
        "state failing 1000", hook));
    subscribe();
    make_due();
    /* of the two the one that fails is due for longer */
    freeReplyObject(redis_harness_command(&harness, "ZADD " QUEUE " -1 %b",
        harness_format("acme %s", former), 5 + strlen(former)));
    assert_int_equal(count_claimed("0"), 1);
    assert_int_equal(count_claimed("0"), 0);
    assert_int_equal(count_claimed("1"), 1);
}


static void
after_days_one_is_given_up_or_all_is_switched_off(void **state)
{
    char first[64], epoch[24];

    (void) state;
    snprintf(first, sizeof(first), "%s", say("c1"));
    freeReplyObject(redis_harness_command(&harness, "HSET " W "webhook:%s:"
        "attempts %s %b", hook, first, "90 1000", (size_t) 7));
    assert_string_equal(claim("one"), "2");
    settle("one", "2", first, first, "retry", "");
    assert_int_equal(state_number("givenUp"), 1);
    assert_int_equal(redis_harness_number(&harness, "ZCARD " W "webhook:%s:"
        "retries", hook), 0);
    freeReplyObject(redis_harness_command(&harness, "HSET " W "webhook:%s:"
        "state failing 1000", hook));
    snprintf(first, sizeof(first), "%s", say("c2"));
    assert_string_equal(claim("one"), "3");
    assert_string_equal(settle("one", "3", first, first, "retry", ""),
        "nothing was accepted for 3 days");
    say("c3");
    assert_string_equal(claim("one"), "");
    access_expect(&harness, "STATE", "webhook_test", hook, "me", "txn",
        NULL);
    /* switched on again it goes on where it was */
    json_decref(harness_ask(&harness, 200, SCIM_METHOD_PATCH,
        harness_format("/admin/v1/webhooks/%s", hook), NULL,
        "{\"enabled\":true}"));
    assert_string_not_equal(claim("one"), "");
    /* ... and what waited has its days before it again */
    freeReplyObject(redis_harness_command(&harness, "HSET " W "webhook:%s:"
        "attempts %s %b", hook, first, "90 1000", (size_t) 7));
    freeReplyObject(redis_harness_command(&harness, "ZADD " W "webhook:%s:"
        "retries 0 %s", hook, first));
    json_decref(harness_ask(&harness, 200, SCIM_METHOD_PATCH,
        harness_format("/admin/v1/webhooks/%s", hook), NULL,
        "{\"enabled\":true}"));
    snprintf(epoch, sizeof(epoch), "%s", claim("one"));
    settle("one", epoch, first, "", "retry", "");
    assert_int_equal(state_number("givenUp"), 1);
}


static void
a_test_waits_for_nothing(void **state)
{
    bool        lost;
    const char *test;
    redisReply *reply;

    (void) state;
    say("c1");
    reply = access_call(&harness, "webhook_test", hook, "me", "txn", NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    test = harness_format("0*%s ", redis_reply_text(reply, 1));
    freeReplyObject(reply);
    assert_string_equal(claim("one"), "2");
    assert_memory_equal(work("one", "2", &lost), test, strlen(test));
    assert_false(lost);
}


static void
what_is_trimmed_too_early_is_noted(void **state)
{
    bool lost;
    char entry[64];

    (void) state;
    say("c1");
    say("c2");
    snprintf(entry, sizeof(entry), "%s", say("c3"));
    freeReplyObject(redis_harness_command(&harness, "XTRIM " W "audit MAXLEN "
        "1"));
    assert_string_equal(claim("one"), "2");
    assert_string_equal(work("one", "2", &lost), harness_format("%s ",
        entry));
    assert_true(lost);
    assert_true(state_number("gapAt") > 0);
    work("one", "2", &lost);
    assert_false(lost);
    settle("one", "2", entry, entry, "done", "");
    /* what was delivered may go */
    freeReplyObject(redis_harness_command(&harness, "XTRIM " W "audit MAXLEN "
        "0"));
    say("c4");
    assert_string_equal(claim("one"), "3");
    work("one", "3", &lost);
    assert_false(lost);
}


static void
without_a_subscription_nothing_more_is_written(void **state)
{
    long long entries;

    (void) state;
    say("c1");
    entries = redis_harness_number(&harness, "XLEN " W "audit");
    json_decref(harness_ask(&harness, 204, SCIM_METHOD_DELETE,
        harness_format("/admin/v1/webhooks/%s", hook), NULL, NULL));
    freeReplyObject(redis_harness_command(&harness, "HSET "
        "scim:{007}:acme:check:c2 app a state running owner me attempts 1"));
    access_expect(&harness, "OK", "check_finish", "c2", "me", "1", "done",
        "", "0", "0", "", NULL);
    /* that it was deleted is all */
    assert_int_equal(redis_harness_number(&harness, "XLEN " W "audit"),
        entries + 1);
    assert_int_equal(redis_harness_number(&harness, "ZCARD " QUEUE), 0);
    assert_int_equal(redis_harness_number(&harness, "EXISTS " W "webhook:%s "
        W "webhook:%s:state", hook, hook), 0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_subscription_is_claimed_by_one, begin),
        cmocka_unit_test_setup(what_fails_waits_and_the_rest_goes_on, begin),
        cmocka_unit_test_setup(nothing_new_is_sent_while_nothing_is_accepted,
            begin),
        cmocka_unit_test_setup(
            what_is_refused_again_and_again_holds_up_no_other, begin),
        cmocka_unit_test_setup(who_fails_leaves_room_for_who_does_not, begin),
        cmocka_unit_test_setup(
            after_days_one_is_given_up_or_all_is_switched_off, begin),
        cmocka_unit_test_setup(a_test_waits_for_nothing, begin),
        cmocka_unit_test_setup(what_is_trimmed_too_early_is_noted, begin),
        cmocka_unit_test_setup(without_a_subscription_nothing_more_is_written,
            begin)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
