#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_harness.h"
#include "scim_join.h"
#include "scim_join_page.h"

/* The page of an invited person, and what its steps do in the store. */
#define APP "app-1"
#define KEY "scim:{007}:" HARNESS_WORKSPACE ":"

static redis_harness_t harness;
static char            user[64];
static scim_buffer_t   html;


static const char *
page(const scim_join_page_t *what)
{
    scim_buffer_free(&html);
    scim_buffer_init(&html, 65536);
    scim_join_page(what, &html);
    assert_false(scim_buffer_failed(&html));
    return html.data;
}


static scim_join_page_t
ann(const char *state)
{
    return (scim_join_page_t) { .app = "Paint", .workspace = "acme",
        .person = "Ann", .email = "ann@example.com", .state = state,
        .access_role = "editor" };
}


static void
everything_that_is_shown_is_escaped(void **state)
{
    const char      *text, bad[] = "<b a=\"'&\">~%s";
    scim_join_page_t what = { .app = bad, .workspace = bad, .person = bad,
        .email = "<i>", .state = "invited", .access_role = bad };

    (void) state;
    text = page(&what);
    assert_null(strstr(text, "<b a"));
    assert_null(strstr(text, "<i>"));
    assert_non_null(strstr(text,
        "<strong>&lt;b a=&quot;&#39;&amp;&quot;&gt;~%s</strong>"));
}


static void
the_next_step_is_the_only_one_to_press(void **state)
{
    scim_join_page_t what = ann("invited");

    (void) state;
    assert_non_null(strstr(page(&what), "value=\"accept\""));
    assert_null(strstr(html.data, "value=\"account\""));
    what = ann("accepted");
    assert_non_null(strstr(page(&what), "value=\"account\""));
    what.account = true;
    assert_non_null(strstr(page(&what), "value=\"connect\""));
    assert_null(strstr(html.data, "value=\"accept\""));
    what = ann("connected");
    assert_null(strstr(page(&what), "<form"));
}


static void
whoever_waits_is_told_why_and_has_nothing_to_press(void **state)
{
    scim_join_page_t what = ann("waitlisted");

    (void) state;
    assert_non_null(strstr(page(&what), "No seat is free"));
    assert_null(strstr(html.data, "<form"));
    what = ann("held");
    assert_non_null(strstr(page(&what), "administrator"));
    assert_null(strstr(html.data, "<form"));
}


static void
a_code_says_its_shard_and_nothing_else_is_a_code(void **state)
{
    char          code[SCIM_JOIN_CODE_LEN + 1];
    unsigned      shard;
    unsigned char random[SCIM_JOIN_RANDOM_LEN];

    (void) state;
    memset(random, 0xfb, sizeof(random));
    scim_join_code_make(42, random, code);
    assert_int_equal(strlen(code), SCIM_JOIN_CODE_LEN);
    assert_true(scim_join_code_read(code, strlen(code), &shard));
    assert_int_equal(shard, 42);
    assert_false(scim_join_code_read(code, strlen(code) - 1, &shard));
    code[0] = 'x';
    assert_false(scim_join_code_read(code, strlen(code), &shard));
    code[0] = '0';
    code[20] = '/';
    assert_false(scim_join_code_read(code, strlen(code), &shard));
}


/* ---- the store ---- */

static int
begin(void **state)
{
    (void) state;
    redis_harness_start(&harness);
    return 0;
}


static int
end(void **state)
{
    (void) state;
    scim_buffer_free(&html);
    redis_harness_stop(&harness);
    return 0;
}


/* A person who is invited to an app whose invites last an hour. */
static int
invited(void **state)
{
    char path[64];

    (void) state;
    redis_harness_flush(&harness);
    harness_create(&harness, "/Users", "{\"userName\":\"ann@example.com\"}",
        path);
    snprintf(user, sizeof(user), "%s", harness_id(path));
    access_expect(&harness, "OK", "app_put", APP, "0", "{\"id\":\"" APP "\","
        "\"name\":\"A\",\"accessRoles\":[\"viewer\"],\"defaultAccessRole\":"
        "\"viewer\",\"settleSeconds\":0,\"connector\":{\"type\":\"http\","
        "\"invite\":{},\"remove\":{}}}", "op", "", "", "20", "10", "600",
        "", "8", "", "", "60000", "3600", NULL);
    access_expect(&harness, "OK", "share_put", APP,
        harness_format("user:%s", user), "{\"role\":\"collaborator\"}", "op",
        "", NULL);
    access_plan(&harness, user);
    return 0;
}


static const char *
grant(const char *field)
{
    return access_grant(&harness, APP, user, field);
}


static void
step(const char *code, const char *name)
{
    access_expect(&harness, code, "join_step", grant("codeHash"), name,
        "txn-1", NULL);
}


static void
a_link_is_there_as_soon_as_the_invite_is_planned(void **state)
{
    redisReply *reply;

    (void) state;
    assert_string_equal(grant("state"), "pending");
    reply = access_call(&harness, "join_show", grant("codeHash"), NULL);
    assert_string_equal(redis_reply_code(reply), "OK");
    assert_string_equal(redis_reply_text(reply, 1), HARNESS_WORKSPACE);
    assert_string_equal(redis_reply_text(reply, 4), "pending");
    freeReplyObject(reply);
    access_expect(&harness, "NOTFOUND", "join_show", "other", NULL);
}


static void
who_accepts_before_the_invite_is_through_has_accepted_then(void **state)
{
    (void) state;
    step("OK", "accept");
    assert_string_equal(grant("state"), "pending");
    access_finish(&harness, APP, user, "done", "0");
    assert_string_equal(grant("state"), "accepted");
}


static void
steps_out_of_turn_change_nothing(void **state)
{
    (void) state;
    access_finish(&harness, APP, user, "done", "0");
    step("OK", "connect");
    step("OK", "account");
    assert_string_equal(grant("state"), "invited");
    assert_string_equal(grant("accountAt"), "");
    step("OK", "accept");
    step("OK", "connect");
    assert_string_equal(grant("state"), "connected");
    step("OK", "accept");
    assert_string_equal(grant("state"), "connected");
}


static void
a_link_runs_out_unless_it_was_used(void **state)
{
    (void) state;
    access_finish(&harness, APP, user, "done", "0");
    freeReplyObject(redis_harness_command(&harness,
        "HSET " KEY "grant:" APP ":%s codeUntil 1", user));
    step("GONE", "accept");
    assert_string_equal(grant("state"), "invited");
    access_expect(&harness, "GONE", "join_show", grant("codeHash"), NULL);
    access_expect(&harness, "OK", "invite_resend", APP, user, "c2", "h2",
        "op", "", NULL);
    step("OK", "accept");
    freeReplyObject(redis_harness_command(&harness,
        "HSET " KEY "grant:" APP ":%s codeUntil 1", user));
    step("OK", "connect");
    assert_string_equal(grant("state"), "connected");
}


static void
a_removed_grant_is_over_and_the_next_one_has_another_link(void **state)
{
    char hash[64];

    (void) state;
    access_finish(&harness, APP, user, "done", "0");
    snprintf(hash, sizeof(hash), "%s", grant("codeHash"));
    access_expect(&harness, "OK", "share_delete", APP,
        harness_format("user:%s", user), "op", "", NULL);
    access_plan(&harness, user);
    step("GONE", "accept");
    access_finish(&harness, APP, user, "done", "0");
    assert_string_equal(grant("state"), "removed");
    access_expect(&harness, "GONE", "join_step", hash, "accept", "", NULL);
    access_expect(&harness, "OK", "share_put", APP,
        harness_format("user:%s", user), "{\"role\":\"collaborator\"}", "op",
        "", NULL);
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "pending");
    assert_string_not_equal(grant("codeHash"), hash);
    access_expect(&harness, "GONE", "join_step", hash, "accept", "", NULL);
    step("OK", "accept");
}


static void
an_invite_is_sent_again_with_another_link(void **state)
{
    char hash[64];

    (void) state;
    access_finish(&harness, APP, user, "done", "0");
    snprintf(hash, sizeof(hash), "%s", grant("codeHash"));
    access_expect(&harness, "OK", "invite_resend", APP, user, "c2", "h2",
        "op", "", NULL);
    access_expect(&harness, "NOTFOUND", "join_show", hash, NULL);
    assert_string_equal(grant("code"), "c2");
    access_plan(&harness, user);
    assert_string_equal(grant("state"), "pending");
    assert_string_equal(access_task(&harness, APP, user, "kind"), "invite");
    assert_string_equal(grant("resend"), "");
    assert_string_equal(grant("code"), "c2");
    access_expect(&harness, "OK", "task_claim", grant("task"), "one",
        "30000", NULL);
    access_expect(&harness, "STATE", "invite_resend", APP, user, "c3", "h3",
        "op", "", NULL);
}


static void
a_revoked_link_leads_nowhere(void **state)
{
    char hash[64];

    (void) state;
    snprintf(hash, sizeof(hash), "%s", grant("codeHash"));
    access_expect(&harness, "OK", "invite_revoke", APP, user, "op", "", NULL);
    access_expect(&harness, "NOTFOUND", "join_show", hash, NULL);
    access_expect(&harness, "NOTFOUND", "invite_revoke", APP, user, "op", "",
        NULL);
    assert_int_equal(redis_harness_number(&harness,
        "EXISTS scim:{007}:invite:%s", hash), 0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_is_shown_is_escaped),
        cmocka_unit_test(the_next_step_is_the_only_one_to_press),
        cmocka_unit_test(whoever_waits_is_told_why_and_has_nothing_to_press),
        cmocka_unit_test(a_code_says_its_shard_and_nothing_else_is_a_code),
        cmocka_unit_test_setup(
            a_link_is_there_as_soon_as_the_invite_is_planned, invited),
        cmocka_unit_test_setup(
            who_accepts_before_the_invite_is_through_has_accepted_then,
            invited),
        cmocka_unit_test_setup(steps_out_of_turn_change_nothing, invited),
        cmocka_unit_test_setup(a_link_runs_out_unless_it_was_used, invited),
        cmocka_unit_test_setup(
            a_removed_grant_is_over_and_the_next_one_has_another_link,
            invited),
        cmocka_unit_test_setup(an_invite_is_sent_again_with_another_link,
            invited),
        cmocka_unit_test_setup(a_revoked_link_leads_nowhere, invited)
    };

    return cmocka_run_group_tests(tests, begin, end);
}
