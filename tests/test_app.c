#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_app.h"
#include "scim_app_connector.h"
#include "scim_app_host.h"
#include "scim_json.h"

static const scim_app_policy_t open_policy = {
    .allow_loopback = true, .secret_env = "*", .secret_files = "*"
};
static const scim_app_policy_t closed_policy = { 0 };

/* A complete definition in which one test replaces one member. */
static const char complete[] =
    "{\"name\":\"Demo\",\"seats\":3,\"accessRoles\":[\"member\",\"admin\"],"
    "\"defaultAccessRole\":\"member\",\"connector\":{\"type\":\"http\","
    "\"baseUrl\":\"https://api.example.com/v1\","
    "\"auth\":{\"bearer\":\"env:DEMO_TOKEN\"},"
    "\"invite\":{\"method\":\"POST\",\"path\":\"/members\",\"body\":{"
    "\"email\":\"${user.email}\",\"role\":\"${grant.accessRole}\"},"
    "\"memberId\":\"/id\"},"
    "\"role\":{\"method\":\"PATCH\",\"path\":\"/members/${member.id}\","
    "\"body\":{\"role\":\"${grant.accessRole}\"}},"
    "\"remove\":{\"method\":\"DELETE\",\"path\":\"/members/${member.id}\"},"
    "\"cancel\":{\"method\":\"DELETE\",\"path\":\"/invites/${member.id}\"},"
    "\"list\":{\"method\":\"GET\","
    "\"path\":\"/members?cursor=${page.cursor}\",\"items\":\"/members\","
    "\"next\":\"/next\",\"map\":{\"id\":\"/id\",\"email\":\"/email\","
    "\"accessRole\":\"/role\",\"state\":\"/state\"}}}}";


static json_t *
parse(const char *text)
{
    scim_error_t error = { 0 };
    json_t      *value = scim_json_read(text, strlen(text),
        &scim_json_request_limits, &error);

    if (value == NULL) {
        fail_msg("test's own JSON: %s", error.detail);
    }
    return value;
}


/* The complete definition with the member at a path set to a JSON text. */
static json_t *
changed(const char *path, const char *text)
{
    char        name[64];
    json_t     *body = parse(complete), *at = body;
    const char *dot;

    while ((dot = strchr(path, '.')) != NULL) {
        snprintf(name, sizeof(name), "%.*s", (int) (dot - path), path);
        if (json_object_get(at, name) == NULL) {
            json_object_set_new(at, name, json_object());
        }
        at = json_object_get(at, name);
        path = dot + 1;
    }
    if (text == NULL) {
        json_object_del(at, path);
    } else {
        json_object_set_new(at, path, parse(text));
    }
    return body;
}


static void
refused_at(const char *path, const char *text, const char *field)
{
    char         prefix[128];
    bool         valid;
    json_t      *body = changed(path, text), *definition = NULL;
    scim_error_t error = { 0 };

    valid = scim_app_validate(body, &open_policy, &definition, &error);
    if (valid) {
        fail_msg("%s = %s was taken", path, text ? text : "(absent)");
    }
    snprintf(prefix, sizeof(prefix), "%s: ", field);
    if (strncmp(error.detail, prefix, strlen(prefix)) != 0) {
        fail_msg("%s = %s: \"%s\" does not begin with \"%s\"", path,
            text ? text : "(absent)", error.detail, prefix);
    }
    assert_int_equal(error.status, 400);
    assert_null(definition);
    json_decref(body);
}


static void
refused(const char *path, const char *text)
{
    refused_at(path, text, path);
}


static void
taken(const char *path, const char *text)
{
    json_t      *body = changed(path, text), *definition = NULL;
    scim_error_t error = { 0 };

    if (!scim_app_validate(body, &open_policy, &definition, &error)) {
        fail_msg("%s = %s: %s", path, text ? text : "(absent)",
            error.detail);
    }
    json_decref(definition);
    json_decref(body);
}


static void
the_contract_s_example_is_taken_and_defaults_are_written(void **state)
{
    json_t      *body = parse(complete), *definition = NULL, *again = NULL;
    scim_error_t error = { 0 };

    (void) state;
    assert_true(scim_app_validate(body, &open_policy, &definition, &error));
    assert_int_equal(json_integer_value(json_object_get(
        json_object_get(definition, "limits"), "timeoutMs")), 10000);
    assert_int_equal(json_integer_value(json_object_get(
        json_object_get(definition, "limits"), "maxAttempts")), 8);
    assert_null(json_object_get(json_object_get(definition, "limits"),
        "ratePerSecond"));
    assert_int_equal(json_integer_value(json_object_get(
        json_object_get(definition, "guard"), "windowSeconds")), 600);
    assert_int_equal(json_integer_value(json_object_get(definition,
        "settleSeconds")), 5);
    assert_true(json_equal(json_object_get(body, "connector"),
        json_object_get(definition, "connector")));

    /* what was written is valid and canonical itself */
    assert_true(scim_app_validate(definition, &open_policy, &again, &error));
    assert_true(json_equal(definition, again));
    json_decref(again);
    json_decref(definition);
    json_decref(body);
}


static void
ways_to_authenticate_are_checked(void **state)
{
    (void) state;
    taken("connector.auth", "{\"oauth2\":{\"tokenUrl\":"
        "\"https://id.example.com/token\",\"clientId\":\"c\","
        "\"clientSecret\":\"env:S\",\"refreshToken\":\"env:R\","
        "\"credentials\":\"basic\",\"parameters\":{\"a\":\"b\"}}}");
    refused_at("connector.auth", "{\"oauth2\":{}}",
        "connector.auth.oauth2.tokenUrl");
    refused_at("connector.auth", "{\"oauth2\":{\"tokenUrl\":"
        "\"http://169.254.169.254/x\"}}", "connector.auth.oauth2.tokenUrl");
    refused_at("connector.auth", "{\"oauth2\":{\"tokenUrl\":"
        "\"https://id.example.com/\",\"clientId\":\"c\","
        "\"clientSecret\":\"literal\"}}",
        "connector.auth.oauth2.clientSecret");
    refused_at("connector.auth", "{\"oauth2\":{\"tokenUrl\":"
        "\"https://id.example.com/\",\"clientId\":\"c\","
        "\"clientSecret\":\"env:S\",\"parameters\":{\"secret\":\"x\"}}}",
        "connector.auth.oauth2.parameters.secret");
    refused_at("connector.auth", "{\"oauth2\":{\"tokenUrl\":"
        "\"https://id.example.com/\",\"clientId\":\"c\","
        "\"clientSecret\":\"env:S\",\"credentials\":\"x\"}}",
        "connector.auth.oauth2.credentials");
    taken("connector.clientCertificate", "{\"certificate\":"
        "\"file:/etc/c.pem\",\"key\":\"file:/etc/k.pem\"}");
    refused_at("connector.clientCertificate", "{\"certificate\":"
        "\"env:C\",\"key\":\"file:/etc/k.pem\"}",
        "connector.clientCertificate.certificate");
    refused_at("connector.clientCertificate", "{\"certificate\":"
        "\"file:/etc/c.pem\"}", "connector.clientCertificate.key");
}


static void
unknown_members_are_refused_with_their_place(void **state)
{
    (void) state;
    refused("colour", "1");
    refused("limits.colour", "1");
    refused("guard.colour", "1");
    refused("connector.colour", "1");
    refused("connector.invite.colour", "1");
    refused("connector.list.map.colour", "\"/x\"");
    refused_at("connector.auth.co:lour", "\"x\"", "connector.auth.co?lour");
}


static void
members_of_the_wrong_kind_are_refused(void **state)
{
    (void) state;
    refused("name", NULL);
    refused("name", "\"\"");
    refused("name", "7");
    refused("name", "\"a\\nb\"");
    refused("seats", "0");
    refused("seats", "-1");
    refused("seats", "2.5");
    refused("seats", "\"3\"");
    taken("seats", "null");
    refused("accessRoles", "[]");
    refused("accessRoles", "\"member\"");
    refused_at("accessRoles", "[\"member\",\"\"]", "accessRoles[1]");
    refused_at("accessRoles", "[\"member\",7]", "accessRoles[1]");
    refused_at("accessRoles", "[\"member\",\"a\",\"a\"]", "accessRoles[2]");
    refused("defaultAccessRole", "\"owner\"");
    refused("defaultAccessRole", NULL);
    refused("limits", "[]");
    refused("limits.concurrency", "0");
    refused("limits.concurrency", "1.5");
    refused("limits.ratePerSecond", "0");
    taken("limits.ratePerSecond", "0.5");
    refused("limits.timeoutMs", "0");
    refused("limits.maxAttempts", "0");
    refused("guard.percent", "101");
    refused("guard.percent", "-1");
    refused("guard.windowSeconds", "0");
    refused("settleSeconds", "-1");
}


static void
a_connector_of_the_wrong_kind_is_refused(void **state)
{
    (void) state;
    refused("connector.list.pending", "\"no\"");
    refused("connector.find", "{\"method\":\"GET\",\"path\":\"/m\","
        "\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":\"/e\"}}");
    refused("connector.list.pendingStates", "\"x\"");
    taken("connector.list.pendingStates", "[\"invited\"]");
    refused_at("connector.list.nextUrl", "\"/n\"", "connector.list.next");
    refused_at("connector.list.next", "\"Link\"", "connector.list.next");
    refused("connector.invite.lookFirst", "\"yes\"");
    taken("connector.invite.lookFirst", "true");
    taken("connector.openInvites", "{\"method\":\"GET\",\"path\":\"/i\","
        "\"items\":\"/i\",\"map\":{\"id\":\"/id\",\"email\":\"/e\"}}");
    refused_at("connector.openInvites", "{\"method\":\"GET\",\"path\":\"/i\","
        "\"items\":\"/i\",\"map\":{\"id\":\"/id\"}}",
        "connector.openInvites.map.email");
    refused_at("connector.openInvites", "{\"method\":\"GET\",\"path\":"
        "\"/i?${user.email}\",\"items\":\"/i\"}",
        "connector.openInvites.path");
    refused("connector.answer", "7");
    refused("connector.answer.ok", "\"x\"");
    refused_at("connector.answer", "{\"wait\":[\"x\"]}",
        "connector.answer.code");
    refused_at("connector.answer", "{\"code\":\"/c\",\"wait\":[{}]}",
        "connector.answer.wait[0]");
    taken("connector.answer", "{\"ok\":\"/c\",\"equals\":0,\"code\":"
        "\"/c\",\"wait\":[1,\"x\"]}");
    refused("connector.roleIds", "[]");
    refused("connector.roleIds.member", "\"\"");
    refused("connector.roleIds", "{\"member\":\"1\"}");
    taken("connector.roleIds", "{\"member\":\"1\",\"admin\":2}");
    refused_at("connector.invite.body", "{\"r\":\"${role.id}\",\"e\":"
        "\"${user.email}\"}", "connector.roleIds");
    refused_at("connector.unassign", "{\"method\":\"DELETE\",\"path\":"
        "\"/g/${member.id}\"}", "connector.unassign");
    refused_at("connector.assign", "{\"method\":\"PUT\",\"path\":"
        "\"/g/${member.id}\"}", "connector.role");
    taken("connector.list.pending", "false");
    refused("connector.remind", "{\"method\":\"POST\",\"path\":\"/r\"}");
    taken("connector.remind", "{\"method\":\"POST\",\"path\":"
        "\"/r/${member.id}\"}");
    refused("connector", NULL);
    refused("connector", "[]");
}


static void
checks_and_invites_of_the_wrong_kind_are_refused(void **state)
{
    (void) state;
    taken("checks", "{\"everySeconds\":60}");
    taken("checks", "{\"everySeconds\":60,\"apply\":true}");
    refused_at("checks", "{}", "checks.everySeconds");
    refused("checks.everySeconds", "0");
    refused_at("checks", "{\"everySeconds\":60,\"apply\":1}",
        "checks.apply");
    taken("invites", "{\"expireSeconds\":60}");
    taken("invites", "{\"expireSeconds\":60,\"onExpiry\":\"reinvite\","
        "\"reinviteMax\":2}");
    refused("invites", "[]");
    refused("invites.expireSeconds", "0");
    refused_at("invites", "{\"reinviteMax\":2}", "invites.expireSeconds");
    refused_at("invites", "{\"expireSeconds\":60,\"onExpiry\":\"shrug\"}",
        "invites.onExpiry");
    refused_at("invites", "{\"expireSeconds\":60,\"reinviteMax\":2}",
        "invites.reinviteMax");
    refused_at("invites", "{\"remindEverySeconds\":60}",
        "invites.remindEverySeconds");
    refused_at("invites", "{\"remindMax\":2}",
        "invites.remindEverySeconds");
}


static void
exemptions_of_the_wrong_kind_are_refused(void **state)
{
    (void) state;
    refused("exemptions", "{}");
    refused_at("exemptions", "[{\"member\":\"a\"}]",
        "exemptions[0].reason");
    refused_at("exemptions", "[{\"member\":\"a\",\"reason\":\"r\","
        "\"owner\":\"o\",\"until\":\"soon\"}]", "exemptions[0].until");
    taken("exemptions", "[{\"member\":\"a\",\"reason\":\"r\","
        "\"owner\":\"o\",\"until\":\"2026-12-31\"}]");
}


static void
connector_types_are_checked(void **state)
{
    (void) state;
    refused("connector.type", "\"ftp\"");
    refused("connector.type", NULL);
    refused_at("connector.type", "\"email\"", "connector.baseUrl");
    refused_at("connector.type", "\"scim\"", "connector.invite");
    taken("connector", "{\"type\":\"manual\"}");
    taken("connector", "{\"type\":\"manual\",\"instructions\":\"Ask IT\\n\"}");
    refused("connector.instructions", "\"x\"");
    refused_at("connector", "{\"type\":\"manual\",\"instructions\":7}",
        "connector.instructions");
    refused_at("connector", "{\"type\":\"manual\",\"baseUrl\":\"x\"}",
        "connector.baseUrl");
}


static void
verbs_are_checked(void **state)
{
    (void) state;
    refused("connector.invite.method", "\"GET\"");
    refused("connector.invite.method", "\"post\"");
    refused("connector.invite.method", NULL);
    refused("connector.list.method", "\"DELETE\"");
    refused("connector.invite.path", "\"members\"");
    refused("connector.invite.path", "\"/a b\"");
    refused("connector.invite.path", "\"/a#b\"");
    refused("connector.invite.path", "\"/a/../b\"");
    refused("connector.invite.path", "\"/a/%2E%2e\"");
    refused("connector.invite.path", "\"/\\u00e9\"");
    refused("connector.invite.body", "\"text\"");
    refused("connector.invite.memberId", "\"id\"");
    refused("connector.invite.memberId", "\"/a~2\"");
    refused_at("connector.invite.body.email", "\"${user.mail}\"",
        "connector.invite.body.email");
    refused_at("connector.invite.body.email", "\"${member.id}\"",
        "connector.invite.body.email");
    refused_at("connector.invite.body", "{\"a\":[\"${user.email\"]}",
        "connector.invite.body.a[0]");
    taken("connector.invite.body",
        "{\"a\":\"$5 $${user.mail}\",\"b\":\"${user.id}\"}");
    refused("connector.remove.path", "\"/m/${page.cursor}\"");
    refused_at("connector.remove.path", "\"/members\"", "connector.remove");
    taken("connector.role", NULL);
    taken("connector.role", "null");
    taken("connector.list", NULL);
    refused_at("connector", "{\"type\":\"http\","
        "\"baseUrl\":\"https://a.example\"}", "connector");
}


static void
lists_are_checked(void **state)
{
    (void) state;
    refused("connector.list.items", NULL);
    taken("connector.list.items", "\"\"");
    refused("connector.list.next", NULL);
    refused_at("connector.list.path", "\"/members\"", "connector.list.next");
    refused("connector.list.path",
        "\"/m?c=${page.cursor}&s=${page.start}\"");
    refused("connector.list.total", "\"/total\"");
    refused("connector.list.map", NULL);
    refused("connector.list.map.id", NULL);
    refused("connector.list.map.email", "7");
    taken("connector.list.map.accessRole", NULL);
    taken("connector.list", "{\"method\":\"GET\",\"path\":"
        "\"/m?startIndex=${page.start}\",\"items\":\"/Resources\","
        "\"total\":\"/totalResults\",\"map\":{\"id\":\"/id\","
        "\"email\":\"/emails/0/value\"}}");
}


static void
secrets_are_references_within_the_allow_lists(void **state)
{
    scim_app_policy_t policy = {
        .secret_env = "A_TOKEN B_TOKEN", .secret_files = "/run/keys /etc/k/"
    };

    (void) state;
    refused("connector.auth.bearer", "\"xoxb-123\"");
    refused("connector.auth.bearer", "\"env:\"");
    refused("connector.auth.bearer", "\"env:A B\"");
    refused("connector.auth.bearer", "\"env:1A\"");
    refused("connector.auth.bearer", "\"file:relative\"");
    refused("connector.auth.bearer", "\"file:/a/../b\"");
    refused("connector.auth.bearer", "7");
    refused_at("connector.auth", "{}", "connector.auth");
    refused_at("connector.auth.basic", "{}", "connector.auth");
    taken("connector.auth",
        "{\"basic\":{\"user\":\"me\",\"password\":\"env:P\"}}");
    refused_at("connector.auth",
        "{\"basic\":{\"user\":\"me\",\"password\":\"hunter2\"}}",
        "connector.auth.basic.password");
    taken("connector.auth",
        "{\"header\":{\"name\":\"X-Key\",\"value\":\"env:P\"}}");
    refused_at("connector.auth",
        "{\"header\":{\"name\":\"Host\",\"value\":\"env:P\"}}",
        "connector.auth.header.name");
    taken("connector.headers", "{\"Accept\":\"application/scim+json\"}");
    refused("connector.headers.Authorization", "\"Bearer x\"");
    refused("connector.headers.X-Api-Key", "\"x\"");
    refused("connector.headers.Content-Length", "\"1\"");
    refused("connector.headers.X-A", "\"a\\r\\nb\"");

    assert_true(scim_app_secret_allowed("env:A_TOKEN", &policy));
    assert_true(scim_app_secret_allowed("env:B_TOKEN", &policy));
    assert_false(scim_app_secret_allowed("env:A_TOKE", &policy));
    assert_false(scim_app_secret_allowed("env:C_TOKEN", &policy));
    assert_true(scim_app_secret_allowed("file:/run/keys/a", &policy));
    assert_true(scim_app_secret_allowed("file:/etc/k/a/b", &policy));
    assert_false(scim_app_secret_allowed("file:/run/keys", &policy));
    assert_false(scim_app_secret_allowed("file:/run/keys2/a", &policy));
    assert_false(scim_app_secret_allowed("file:/run/keys/../x", &policy));
    assert_false(scim_app_secret_allowed("file:/run/keys/a/..", &policy));
    assert_true(scim_app_secret_allowed("file:/run/keys/..a", &policy));
    assert_false(scim_app_secret_allowed("file:/x", &closed_policy));
    assert_false(scim_app_secret_allowed("env:A_TOKEN", &closed_policy));
}


static bool
url_taken(const char *url, bool loopback, bool private)
{
    bool              taken;
    scim_error_t      error = { 0 };
    scim_app_place_t  place = { NULL, "baseUrl", 0 };
    scim_app_policy_t policy = {
        .allow_loopback = loopback, .allow_private = private
    };

    taken = scim_app_base_url(url, &place, &policy, &error);
    assert_true(taken || strncmp(error.detail, "baseUrl: ", 9) == 0);
    return taken;
}


static void
forbidden_hosts_are_refused_in_any_spelling(void **state)
{
    static const char *const never[] = {
        "https://169.254.169.254/", "https://169.254.169.254./",
        "https://2852039166/", "https://0xa9fea9fe/", "https://0XA9.254.43518",
        "https://0251.0376.0251.0376", "https://169.254.43518",
        "https://169.16689662", "https://0xa9.0376.169.0xfe",
        "https://[::ffff:169.254.169.254]", "https://[::ffff:a9fe:a9fe]/",
        "https://[0:0:0:0:0:FFFF:A9FE:A9FE]/", "https://[fe80::1]",
        "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]",
        "https://[64:ff9b::a9fe:a9fe]", "https://[2002:a9fe:a9fe::1]",
        "https://[::169.254.169.254]", "https://[fd00:ec2::254]",
        "https://[fd20:ce::254]", "https://metadata.google.internal",
        "https://METADATA.google.internal./", "https://metadata/",
        "https://100.100.100.200", "https://168.63.129.16",
        "https://0.0.0.0", "https://0", "https://[::]", "https://224.0.0.1",
        "https://255.255.255.255", "https://[ff02::1]",
        "https://[64:ff9b::7f00:1]", "https://192.0.0.192"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (url_taken(never[i], true, true)) {
            fail_msg("%s was taken", never[i]);
        }
    }
}


static void
loopback_and_private_hosts_need_their_setting(void **state)
{
    static const char *const loopback[] = {
        "https://127.0.0.1", "https://127.1:8443/x", "https://2130706433",
        "https://0x7f.1", "https://017700000001", "https://[::1]:1",
        "https://[::ffff:127.0.0.1]", "https://localhost",
        "https://LOCALHOST./", "https://app.localhost", "http://127.0.0.1:80",
        "http://localhost:8080/base", "http://[::1]"
    };
    static const char *const private[] = {
        "https://10.0.0.1", "https://172.16.0.1", "https://172.31.255.255",
        "https://192.168.1.1", "https://100.64.0.1", "https://[fd12::1]",
        "https://[::ffff:10.0.0.1]", "https://167772161"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (url_taken(loopback[i], false, true)
            || !url_taken(loopback[i], true, false))
        {
            fail_msg("%s", loopback[i]);
        }
    }
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        if (url_taken(private[i], true, false)
            || !url_taken(private[i], false, true))
        {
            fail_msg("%s", private[i]);
        }
    }
    assert_false(url_taken("http://10.0.0.1", true, true));
    assert_false(url_taken("http://api.example.com", true, true));
}


static void
urls_that_are_more_than_a_base_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "https://", "api.example.com", "ftp://a.example", "https:///x",
        "https://user:pass@a.example", "https://a.example@169.254.169.254",
        "https://a.example?x=1", "https://a.example/#x",
        "https://a.example\\@b", "https://a.example:0",
        "https://a.example:65536", "https://a.example:", "https://a.example:x",
        "https://a.example:99999999999999999999", "https://a..",
        "https://.a", "https://[::1", "https://[::1]x", "https://[]",
        "https://[1.2.3.4]", "https://1.2.3.4.5", "https://1.2.3.256",
        "https://0x1ffffffff", "https://1.2.3.08", "https://a%2eexample",
        "https://\xe2\x91\xa0.example", "https://a.example/../x",
        "https://a.example/x/..", "https://a.example/a b",
        "https://99999999999999999999"
    };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (url_taken(bad[i], true, true)) {
            fail_msg("%s was taken", bad[i]);
        }
    }
    assert_true(url_taken("https://api.example.com", false, false));
    assert_true(url_taken("HTTPS://api.example.com.:8443/v1/", false, false));
    assert_true(url_taken("https://8.8.8.8", false, false));
    assert_true(url_taken("https://[2606:4700::1]", false, false));
}


static void
a_stored_definition_is_read_back(void **state)
{
    char        *text;
    json_t      *body = changed("limits.ratePerSecond", "2.5");
    json_t      *definition = NULL;
    scim_app_t   app;
    scim_error_t error = { 0 };

    (void) state;
    json_object_set_new(body, "settleSeconds", json_real(0.25));
    assert_true(scim_app_validate(body, &open_policy, &definition, &error));
    json_object_set_new(definition, "id", json_string("an-app"));
    text = json_dumps(definition, 0);
    assert_true(scim_app_read(text, strlen(text), &app));
    assert_string_equal(app.id, "an-app");
    assert_string_equal(app.name, "Demo");
    assert_int_equal(app.seats, 3);
    assert_int_equal(app.access_role_count, 2);
    assert_int_equal(scim_app_access_rank(&app, "admin"), 1);
    assert_int_equal(scim_app_access_rank(&app, "Admin"), -1);
    assert_string_equal(app.default_access_role, "member");
    assert_int_equal(app.limits.concurrency, 8);
    assert_true(app.limits.rate_per_second == 2.5);
    assert_int_equal(app.settle_ms, 250);
    assert_string_equal(json_string_value(json_object_get(app.connector,
        "type")), "http");
    scim_app_free(&app);
    free(text);
    json_decref(definition);
    json_decref(body);
}


static void
a_damaged_definition_is_not_read(void **state)
{
    static const char *const damaged[] = {
        "", "{", "[]", "{\"id\":\"a\",\"name\":\"b\"}",
        "{\"id\":\"a\",\"name\":\"b\",\"connector\":{},"
            "\"accessRoles\":[7],\"defaultAccessRole\":\"x\"}",
        "{\"id\":\"a\",\"name\":\"b\",\"connector\":{},"
            "\"accessRoles\":[\"x\"],\"defaultAccessRole\":\"y\"}"
    };
    scim_app_t app;

    (void) state;
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        assert_false(scim_app_read(damaged[i], strlen(damaged[i]), &app));
        assert_null(app.json);
    }
}


static void
every_preset_is_valid(void **state)
{
    glob_t            presets;
    scim_app_policy_t policy = { .secret_env = "*" };

    (void) state;
    assert_int_equal(glob("conf/apps/*.json", 0, NULL, &presets), 0);
    for (size_t i = 0; i < presets.gl_pathc; i++) {
        json_error_t where;
        json_t      *body, *definition;
        scim_error_t error = { 0 };

        body = json_load_file(presets.gl_pathv[i], JSON_REJECT_DUPLICATES,
            &where);
        if (body == NULL) {
            fail_msg("%s:%d: %s", presets.gl_pathv[i], where.line,
                where.text);
        }
        if (!scim_app_validate(body, &policy, &definition, &error)) {
            fail_msg("%s: %s", presets.gl_pathv[i], error.detail);
        }
        json_decref(definition);
        json_decref(body);
    }
    globfree(&presets);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_contract_s_example_is_taken_and_defaults_are_written),
        cmocka_unit_test(ways_to_authenticate_are_checked),
        cmocka_unit_test(unknown_members_are_refused_with_their_place),
        cmocka_unit_test(members_of_the_wrong_kind_are_refused),
        cmocka_unit_test(a_connector_of_the_wrong_kind_is_refused),
        cmocka_unit_test(checks_and_invites_of_the_wrong_kind_are_refused),
        cmocka_unit_test(exemptions_of_the_wrong_kind_are_refused),
        cmocka_unit_test(connector_types_are_checked),
        cmocka_unit_test(verbs_are_checked),
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(secrets_are_references_within_the_allow_lists),
        cmocka_unit_test(forbidden_hosts_are_refused_in_any_spelling),
        cmocka_unit_test(loopback_and_private_hosts_need_their_setting),
        cmocka_unit_test(urls_that_are_more_than_a_base_are_refused),
        cmocka_unit_test(a_stored_definition_is_read_back),
        cmocka_unit_test(a_damaged_definition_is_not_read),
        cmocka_unit_test(every_preset_is_valid)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
