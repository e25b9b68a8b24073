#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scimctl_command.h"
#include "scimctl_table.h"

#define POLL_MS      100
#define WAIT_SECONDS 600

#define COLUMNS "id kind action email expected actual"


static void
wait_a_little(void)
{
    struct timespec pause = { 0, POLL_MS * 1000000L };

    nanosleep(&pause, NULL);
}


/* Polls until the check has ended; 0 with the report, or the exit status. */
static int
wait_for_report(command_t *command, const char *path, unsigned wait_seconds,
    json_t **report)
{
    int         status = 1;
    const char *state;

    for (unsigned i = 0; i < wait_seconds * 1000 / POLL_MS; i++) {
        status = command_request(command, SCIM_METHOD_GET, path, "", NULL,
            report);
        state = json_string_value(json_object_get(*report, "state"));
        if (status != 0 || (state && strcmp(state, "running") != 0)) {
            return status;
        }
        json_decref(*report);
        *report = NULL;
        wait_a_little();
    }
    fprintf(stderr, "scimctl: the check still runs; is a sidecar running?\n");
    return 1;
}


/* ": unknown 2, role 1" */
static void
print_counts(const json_t *counts)
{
    json_t     *number;
    const char *kind, *before = ": ";

    json_object_foreach((json_t *) counts, kind, number) {
        if (json_integer_value(number) > 0) {
            printf("%s%s %lld", before, kind,
                (long long) json_integer_value(number));
            before = ", ";
        }
    }
}


static int
print_report(const command_t *command, const json_t *report)
{
    const char *reason = json_string_value(json_object_get(report,
        "reason"));
    const char *suspicious = json_string_value(json_object_get(report,
        "suspicious"));

    if (command->json) {
        command_print_json(report);
    } else if (reason) {
        fprintf(stderr, "scimctl: the check failed: %s\n", reason);
    } else {
        printf("check %s: %lld members, %lld findings",
            json_string_value(json_object_get(report, "id")),
            (long long) json_integer_value(json_object_get(report,
                "members")),
            (long long) json_integer_value(json_object_get(report,
                "count")));
        print_counts(json_object_get(report, "counts"));
        printf("\nhash %s\n",
            json_string_value(json_object_get(report, "hash")));
        if (suspicious) {
            printf("suspicious: %s\n", suspicious);
        }
        table_print(json_object_get(report, "findings"), COLUMNS);
    }
    return reason ? 1 : 0;
}


int
command_check_report(command_t *command, const char *app,
    unsigned wait_seconds, json_t **report)
{
    int     status;
    char    path[256];
    json_t *started = NULL;

    snprintf(path, sizeof(path), "/apps/%s/checks", app);
    status = command_request(command, SCIM_METHOD_POST, path, "", NULL,
        &started);
    if (status == 0) {
        snprintf(path, sizeof(path), "/apps/%s/checks/%.80s", app,
            json_string_value(json_object_get(started, "id")));
        status = wait_for_report(command, path, wait_seconds, report);
    }
    json_decref(started);
    return status;
}


int
command_check(command_t *command)
{
    int     status;
    char    app[80];
    json_t *report = NULL;

    if (!command_find(command, "apps", command_word(command, 1), app,
            sizeof(app)))
    {
        return 1;
    }
    status = command_check_report(command, app, WAIT_SECONDS, &report);
    if (status == 0) {
        status = print_report(command, report);
    }
    json_decref(report);
    return status;
}


int
command_checks(command_t *command)
{
    char app[80], path[160];

    if (!command_find(command, "apps", command_word(command, 1), app,
            sizeof(app)))
    {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s/checks", app);
    return command_list(command, path, "", "checks",
        "id state members count counts suspicious createdAt hash");
}


int
command_apply(command_t *command)
{
    int         status;
    char        app[80], path[256];
    json_t     *body = json_object(), *actions = json_array();
    const char *check = command_word(command, 2);

    if (*check == '\0') {
        json_decref(body);
        json_decref(actions);
        return command_wrong("apply APP CHECK [FINDING ...]");
    }
    for (int i = 3; *command_word(command, i); i++) {
        json_array_append_new(actions, json_string(command_word(command, i)));
    }
    if (json_array_size(actions) > 0) {
        json_object_set(body, "actions", actions);
    }
    if (command->apply) {
        json_object_set_new(body, "hash", json_string(command->apply));
    }
    status = command_find(command, "apps", command_word(command, 1), app,
        sizeof(app)) ? 0 : 1;
    if (status == 0) {
        snprintf(path, sizeof(path), "/apps/%s/checks/%.80s/apply", app,
            check);
        status = command_show(command, SCIM_METHOD_POST, path, body);
    }
    json_decref(actions);
    json_decref(body);
    return status;
}
