#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "connector_list.h"
#include "scim_json.h"

/*
 * TLS: an app that asks for our certificate, and one that is not who it says.
 * The app is `openssl s_server`, whose answer is a page that is no JSON.
 */
#define WATCHDOG_MS 20000

static const char make_certificates[] =
    "cd '%s' && exec > /dev/null 2>&1 && "
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem "
    "-days 2 -subj /CN=test && echo subjectAltName=IP:127.0.0.1 > ext && "
    "for n in server client; do openssl req -newkey rsa:2048 -nodes "
    "-keyout $n.key -out $n.csr -subj /CN=$n && openssl x509 -req -in $n.csr "
    "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
    "-out $n.pem || exit 1; done";

static char     folder[] = "/tmp/connector-tls-XXXXXX";
static pid_t    server;
static int      output = -1;
static unsigned port;


static void
be_the_server(int out)
{
    if (chdir(folder) == 0 && dup2(out, STDOUT_FILENO) >= 0) {
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0",
            "-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem",
            "-Verify", "1", "-verify_return_error", "-www", (char *) NULL);
    }
    _exit(127);
}


static int
start_server(void **state)
{
    int   ends[2];
    char  command[1024], line[256];
    FILE *in;

    (void) state;
    curl_global_init(CURL_GLOBAL_ALL);
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), make_certificates, folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(pipe(ends), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        be_the_server(ends[1]);
    }
    close(ends[1]);
    output = dup(ends[0]);
    in = fdopen(ends[0], "r");
    while (port == 0 && fgets(line, sizeof(line), in)) {
        sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
    }
    fclose(in);
    assert_true(port > 0);
    return 0;
}


static int
stop_server(void **state)
{
    char command[128];

    (void) state;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close(output);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    curl_global_cleanup();
    return 0;
}


typedef struct {
    loop_t *loop;
    char    reason[200];
} seen_t;


static bool
on_member(void *data, const connector_member_t *member)
{
    (void) data;
    (void) member;
    return true;
}


static void
on_listed(void *data, const connector_list_result_t *result)
{
    seen_t *seen = data;

    assert_false(result->complete);
    snprintf(seen->reason, sizeof(seen->reason), "%s", result->reason);
    loop_stop(seen->loop, 0);
}


static void
on_watchdog(loop_t *loop, void *data)
{
    (void) data;
    loop_stop(loop, 1);
}


static void
read_definition(const char *more, scim_app_t *app)
{
    char                    text[1024], *stored;
    json_t                 *body, *canonical;
    scim_error_t            error = { 0 };
    const scim_app_policy_t policy = { .allow_loopback = true,
        .secret_files = "*" };

    snprintf(text, sizeof(text), "{\"name\":\"A\",\"accessRoles\":[\"m\"],"
        "\"defaultAccessRole\":\"m\",\"connector\":{\"type\":\"http\","
        "\"baseUrl\":\"https://127.0.0.1:%u\",\"list\":{\"method\":\"GET\","
        "\"path\":\"/\",\"items\":\"\",\"map\":{\"id\":\"/id\",\"email\":"
        "\"/email\"}}%s}}", port, more);
    body = scim_json_read(text, strlen(text), &scim_json_request_limits,
        &error);
    assert_non_null(body);
    if (!scim_app_validate(body, &policy, &canonical, &error)) {
        fail_msg("the test's definition: %s", error.detail);
    }
    json_object_set_new(canonical, "id", json_string("app-1"));
    stored = json_dumps(canonical, 0);
    assert_true(scim_app_read(stored, strlen(stored), app));
    free(stored);
    json_decref(canonical);
    json_decref(body);
}


/* Lists the app once; why that failed goes to `reason`. */
static void
list(const char *ca_file, const char *more, char *reason, size_t size)
{
    char              problem[96];
    seen_t            seen = { .loop = loop_new() };
    loop_timer_t     *watchdog;
    scim_app_t        app;
    connectors_t     *connectors;
    outcome_kind_t    kind;
    connectors_conf_t conf = {
        .policy = { .allow_loopback = true, .secret_files = "*" },
        .ca_file = ca_file, .calls_max = 2
    };

    assert_non_null(seen.loop);
    watchdog = loop_timer_new(seen.loop, on_watchdog, NULL);
    connectors = connectors_new(seen.loop, &conf);
    assert_non_null(connectors);
    read_definition(more, &app);
    assert_non_null(connector_list_start(connectors, &app, "acme", NULL,
        LIST_BY_ITSELF, on_member, on_listed, &seen, &kind, problem,
        sizeof(problem)));
    loop_timer_arm(watchdog, WATCHDOG_MS);
    assert_int_equal(loop_run(seen.loop), 0);
    snprintf(reason, size, "%s", seen.reason);
    connectors_free(connectors);
    loop_timer_free(watchdog);
    scim_app_free(&app);
    loop_free(seen.loop);
}


static void
our_certificate_is_shown_where_the_definition_has_one(void **state)
{
    char ca_file[64], more[256], reason[200];

    (void) state;
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    snprintf(more, sizeof(more), ",\"clientCertificate\":{\"certificate\":"
        "\"file:%s/client.pem\",\"key\":\"file:%s/client.key\"}", folder,
        folder);
    list(ca_file, more, reason, sizeof(reason));
    /* the connection stood: what came over it is a page */
    assert_string_equal(reason, "list: an answer that is not JSON");
}


static void
an_app_that_asks_for_a_certificate_refuses_without(void **state)
{
    char ca_file[64], reason[200];

    (void) state;
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    list(ca_file, "", reason, sizeof(reason));
    assert_non_null(strstr(reason, "no answer"));
}


static void
an_app_with_a_certificate_of_nobody_we_know_is_not_called(void **state)
{
    char more[256], reason[200];

    (void) state;
    snprintf(more, sizeof(more), ",\"clientCertificate\":{\"certificate\":"
        "\"file:%s/client.pem\",\"key\":\"file:%s/client.key\"}", folder,
        folder);
    list(NULL, more, reason, sizeof(reason));
    assert_non_null(strstr(reason, "certificate"));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            our_certificate_is_shown_where_the_definition_has_one),
        cmocka_unit_test(an_app_that_asks_for_a_certificate_refuses_without),
        cmocka_unit_test(
            an_app_with_a_certificate_of_nobody_we_know_is_not_called)
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
