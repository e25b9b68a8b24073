#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_json.h"
#include "scim_webhook.h"
#include "webhook_message.h"
#include "webhook_sign.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define KEY_HEX "31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define SECONDS 1614265330
#define A44 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


static const char *
signature_of(const char *secret, const char *body)
{
    static char   text[256];
    const char   *problem = NULL;
    scim_buffer_t out;

    scim_buffer_init(&out, 1024);
    if (webhook_sign(secret, ID, SECONDS, body, strlen(body), &out,
            &problem))
    {
        snprintf(text, sizeof(text), "%s", out.data);
    } else {
        snprintf(text, sizeof(text), "%s", problem);
    }
    scim_buffer_free(&out);
    return text;
}


/* The same by the openssl program. */
static void
sign_elsewhere(const char *body, char *out, size_t size)
{
    char  command[1024];
    FILE *pipe;

    snprintf(command, sizeof(command), "printf '%%s' '%s.%d.%s' | openssl dgst "
        "-sha256 -mac HMAC -macopt hexkey:%s -binary | openssl base64 -A",
        ID, SECONDS, body, KEY_HEX);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    memcpy(out, "v1,", 4);
    assert_non_null(fgets(out + 3, (int) size - 3, pipe));
    assert_int_equal(pclose(pipe), 0);
}


static void
a_signature_is_what_openssl_makes_of_it(void **state)
{
    char                     expected[256];
    static const char *const bodies[] = { "{\"test\": 2432232314}", "",
        "{\"a\":\"b.c.d\",\"e\":\"\xc3\xa9\"}" };

    (void) state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        sign_elsewhere(bodies[i], expected, sizeof(expected));
        assert_string_equal(signature_of(SECRET, bodies[i]), expected);
    }
    /* the example that libraries of Standard Webhooks are tested with */
    assert_string_equal(signature_of(SECRET, bodies[0]),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}


static void
what_is_no_secret_signs_nothing(void **state)
{
    static const char *const wrong[] = { "", "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8I",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ9r8GKYqrTwjUPD8I"
        "LPZIo2LaLa==MfKQ", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
        "whsec_MfKQ9r8GKYqrTwjUPD8 LPZIo2LaLaSw",
        /* 66 bytes */
        "whsec_" A44 A44
    };

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_string_equal(signature_of(wrong[i], "{}"), "the secret is not "
            "whsec_ and the base64 of 24 to 64 bytes");
    }
    /* 64 bytes are the most */
    assert_memory_equal(signature_of("whsec_" A44 "AAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAA==", "{}"), "v1,", 3);
}


static void
two_secrets_make_two_signatures(void **state)
{
    const char   *problem;
    scim_buffer_t out;

    (void) state;
    scim_buffer_init(&out, 1024);
    for (int i = 0; i < 2; i++) {
        assert_true(webhook_sign(SECRET, ID, SECONDS, "{}", 2, &out,
            &problem));
    }
    assert_int_equal(out.len, 2 * 47 + 1);
    assert_int_equal(out.data[47], ' ');
    assert_memory_equal(out.data, out.data + 48, 47);
    scim_buffer_free(&out);
    /* without room there is none, not half of one */
    scim_buffer_init(&out, 20);
    assert_false(webhook_sign(SECRET, ID, SECONDS, "{}", 2, &out, &problem));
    scim_buffer_free(&out);
}


static json_t *
definition_of(const char *more)
{
    char         text[512];
    json_t      *json, *definition = NULL;
    scim_error_t error = { 0 };
    const scim_app_policy_t policy = { .secret_env = "HOOK" };

    snprintf(text, sizeof(text), "{\"url\":\"https://example.com/hook\","
        "\"secret\":\"env:HOOK\"%s}", more);
    json = scim_json_read(text, strlen(text), &scim_json_stored_limits,
        &error);
    assert_non_null(json);
    if (!scim_webhook_validate(json, &policy, &definition, &error)) {
        definition = json_string(error.detail);
    }
    json_decref(json);
    return definition;
}


static void
the_filter_is_by_type_and_by_app(void **state)
{
    const struct {
        const char *definition, *type, *app;
        bool        wanted;
    } cases[] = {
        { "", "grant.invited", "a", true },
        { "", "webhook.disabled", "", true },
        { ",\"events\":[\"*\"]", "task.failed", "a", true },
        { ",\"events\":[\"grant.*\"]", "grant.invited", "a", true },
        { ",\"events\":[\"grant.*\"]", "task.failed", "a", false },
        { ",\"events\":[\"grant.removed\"]", "grant.removed", "a", true },
        { ",\"events\":[\"grant.removed\"]", "grant.removing", "a", false },
        { ",\"events\":[\"hold.*\",\"task.failed\"]", "task.failed", "a",
          true },
        { ",\"events\":[\"hold.*\",\"task.failed\"]", "task.done", "a",
          false },
        { ",\"apps\":[\"a\",\"b\"]", "grant.invited", "b", true },
        { ",\"apps\":[\"a\",\"b\"]", "grant.invited", "c", false },
        { ",\"apps\":[\"a\"]", "webhook.disabled", "", false },
        { ",\"apps\":[\"a\"],\"events\":[\"task.*\"]", "grant.held", "a",
          false }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *definition = definition_of(cases[i].definition);

        if (scim_webhook_wants(definition, cases[i].type, cases[i].app)
            != cases[i].wanted)
        {
            fail_msg("%s: %s of %s", cases[i].definition, cases[i].type,
                cases[i].app);
        }
        json_decref(definition);
    }
}


static void
a_wrong_definition_is_refused_with_its_place(void **state)
{
    const struct {
        const char *more, *begin;
    } cases[] = {
        { ",\"previousSecret\":\"whsec_AAAA\"", "previousSecret: must be" },
        { ",\"previousSecret\":\"env:OTHER\"", "previousSecret: must be" },
        { ",\"events\":[\"grant.invited\",1]", "events[1]: is no event" },
        { ",\"events\":[\"nothing.*\"]", "events[0]: is no event" },
        { ",\"events\":[\"\"]", "events[0]: is no event" },
        { ",\"events\":{}", "events: must be an array" },
        { ",\"apps\":[\"a b\"]", "apps[0]: must be the id" },
        { ",\"description\":\"\"", "description: must have 1 to" },
        { ",\"enabeld\":true", "enabeld: is not known here" }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t     *result = definition_of(cases[i].more);
        const char *text = json_string_value(result);

        if (text == NULL || strncmp(text, cases[i].begin,
                strlen(cases[i].begin)) != 0)
        {
            fail_msg("%s: %s", cases[i].more, text ? text : "accepted");
        }
        json_decref(result);
    }
}


/* An entry with what is given; everything else is empty. */
static const char **
entry_of(webhook_entry_field_t a, const char *a_text,
    webhook_entry_field_t b, const char *b_text)
{
    static const char *entry[WEBHOOK_ENTRY_FIELDS];

    for (size_t i = 0; i < WEBHOOK_ENTRY_FIELDS; i++) {
        entry[i] = "";
    }
    entry[WEBHOOK_ENTRY_ID] = "1700000000000-3";
    entry[WEBHOOK_ENTRY_TS] = "1700000000000";
    entry[WEBHOOK_ENTRY_APP] = "app-1";
    entry[WEBHOOK_ENTRY_USER] = "user-1";
    entry[a] = a_text;
    entry[b] = b_text;
    return entry;
}


static void
expect_message(const char **entry, const char *type, const char *body)
{
    char          is[WEBHOOK_TYPE_SIZE];
    scim_buffer_t out;

    webhook_type((const char *const *) entry, is);
    assert_string_equal(is, type);
    scim_buffer_init(&out, 4096);
    assert_true(webhook_body((const char *const *) entry, "acme", is, &out));
    assert_string_equal(out.data, body);
    scim_buffer_free(&out);
}


static void
an_entry_becomes_a_message(void **state)
{
    char         id[WEBHOOK_ID_SIZE];
    const char **entry = entry_of(WEBHOOK_ENTRY_FROM, "pending",
        WEBHOOK_ENTRY_TO, "invited");

    (void) state;
    webhook_id((const char *const *) entry, "acme", id);
    assert_string_equal(id, "evt_acme_1700000000000-3");
    expect_message(entry, "grant.invited", "{\"type\":\"grant.invited\","
        "\"timestamp\":\"2023-11-14T22:13:20.000Z\",\"data\":{\"workspace\":"
        "\"acme\",\"cursor\":\"1700000000000-3\",\"app\":\"app-1\",\"user\":"
        "\"user-1\",\"from\":\"pending\",\"to\":\"invited\"}}");
    entry = entry_of(WEBHOOK_ENTRY_EVENT, "task.failed", WEBHOOK_ENTRY_STATUS,
        "422");
    entry[WEBHOOK_ENTRY_REF] = "task-1";
    entry[WEBHOOK_ENTRY_ATTEMPTS] = "3";
    expect_message(entry, "task.failed", "{\"type\":\"task.failed\","
        "\"timestamp\":\"2023-11-14T22:13:20.000Z\",\"data\":{\"workspace\":"
        "\"acme\",\"cursor\":\"1700000000000-3\",\"app\":\"app-1\",\"user\":"
        "\"user-1\",\"task\":\"task-1\",\"attempts\":3,\"status\":422}}");
    entry = entry_of(WEBHOOK_ENTRY_EVENT, "check.done",
        WEBHOOK_ENTRY_SUSPICIOUS, "1");
    entry[WEBHOOK_ENTRY_REF] = "check-1";
    expect_message(entry, "check.done", "{\"type\":\"check.done\","
        "\"timestamp\":\"2023-11-14T22:13:20.000Z\",\"data\":{\"workspace\":"
        "\"acme\",\"cursor\":\"1700000000000-3\",\"app\":\"app-1\",\"check\":"
        "\"check-1\",\"suspicious\":true}}");
    /* what an operator typed stays here */
    entry = entry_of(WEBHOOK_ENTRY_EVENT, "hold.rejected", WEBHOOK_ENTRY_WHY,
        "hold h-1: Ann Example asked for it");
    entry[WEBHOOK_ENTRY_REF] = "h-1";
    expect_message(entry, "hold.rejected", "{\"type\":\"hold.rejected\","
        "\"timestamp\":\"2023-11-14T22:13:20.000Z\",\"data\":{\"workspace\":"
        "\"acme\",\"cursor\":\"1700000000000-3\",\"app\":\"app-1\",\"hold\":"
        "\"h-1\"}}");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_what_openssl_makes_of_it),
        cmocka_unit_test(what_is_no_secret_signs_nothing),
        cmocka_unit_test(two_secrets_make_two_signatures),
        cmocka_unit_test(the_filter_is_by_type_and_by_app),
        cmocka_unit_test(a_wrong_definition_is_refused_with_its_place),
        cmocka_unit_test(an_entry_becomes_a_message)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
