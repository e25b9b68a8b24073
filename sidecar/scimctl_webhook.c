#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scimctl_command.h"
#include "scimctl_table.h"

#define POLL_MS      100
#define WAIT_SECONDS 60
#define COLUMNS      "id url events enabled delivered retries failingSince"


/* "a,b" as an array. */
static json_t *
words_of(const char *list)
{
    json_t *words = json_array();

    while (*list) {
        size_t len = strcspn(list, ",");

        json_array_append_new(words, json_stringn(list, len));
        list += len + (list[len] == ',');
    }
    return words;
}


/* What the options say, or the file; NULL with a message. */
static json_t *
body_of(command_t *command)
{
    char    app[80];
    json_t *body;

    if (command->file) {
        return command_file(command);
    }
    body = json_pack("{ss*,ss*}", "url", command->url, "secret",
        command->secret);
    if (command->events) {
        json_object_set_new(body, "events", words_of(command->events));
    }
    if (command->app) {
        if (!command_find(command, "apps", command->app, app, sizeof(app))) {
            json_decref(body);
            return NULL;
        }
        json_object_set_new(body, "apps", json_pack("[s]", app));
    }
    return body;
}


static int
change(command_t *command, scim_method_t method, const char *path,
    json_t *body)
{
    int status = body ? command_show(command, method, path, body) : 1;

    json_decref(body);
    return status;
}


/* The latest try to deliver this message, NULL when there is none yet. */
static json_t *
find_delivery(const json_t *answer, const char *event)
{
    size_t      i;
    json_t     *delivery;
    const char *one;

    json_array_foreach(json_object_get(answer, "deliveries"), i, delivery) {
        one = json_string_value(json_object_get(delivery, "event"));
        if (one && strcmp(one, event) == 0) {
            return delivery;
        }
    }
    return NULL;
}


static int
print_test(const command_t *command, const json_t *delivery)
{
    const char *reason = json_string_value(json_object_get(delivery,
        "reason"));
    const char *result = json_string_value(json_object_get(delivery,
        "result"));

    if (command->json) {
        command_print_json(delivery);
    } else if (reason) {
        printf("FAILED: %s; it is tried again\n", reason);
    } else {
        printf("ok: the receiver accepted it (%lld)\n",
            (long long) json_integer_value(json_object_get(delivery,
                "status")));
    }
    return result && strcmp(result, "done") == 0 ? 0 : 1;
}


static int
wait_for_delivery(command_t *command, const char *id, const char *event)
{
    int             status = 0;
    char            path[160];
    json_t         *answer, *delivery;
    struct timespec pause = { 0, POLL_MS * 1000000L };

    snprintf(path, sizeof(path), "/webhooks/%.80s/deliveries", id);
    for (unsigned i = 0; i < WAIT_SECONDS * 1000 / POLL_MS; i++) {
        status = command_request(command, SCIM_METHOD_GET, path, "limit=100",
            NULL, &answer);
        if (status != 0) {
            return status;
        }
        delivery = find_delivery(answer, event);
        if (delivery) {
            status = print_test(command, delivery);
            json_decref(answer);
            return status;
        }
        json_decref(answer);
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "scimctl: it was not sent yet; is a sidecar running?\n");
    return 1;
}


static int
test(command_t *command, const char *id)
{
    int     status;
    char    path[160];
    json_t *answer = NULL;

    snprintf(path, sizeof(path), "/webhooks/%.80s/test", id);
    status = command_request(command, SCIM_METHOD_POST, path, "", NULL,
        &answer);
    if (status == 0) {
        status = wait_for_delivery(command, id,
            json_string_value(json_object_get(answer, "event")));
    }
    json_decref(answer);
    return status;
}


static int
replay(command_t *command, const char *id)
{
    char path[160];

    if (command->after == NULL) {
        return command_wrong("webhook replay ID --after ENTRY");
    }
    snprintf(path, sizeof(path), "/webhooks/%.80s/replay", id);
    return change(command, SCIM_METHOD_POST, path, json_pack("{ss}", "after",
        command->after));
}


static int
run_on(command_t *command, const char *verb, const char *id)
{
    char path[160];

    snprintf(path, sizeof(path), "/webhooks/%.80s", id);
    if (strcmp(verb, "show") == 0) {
        return command_show(command, SCIM_METHOD_GET, path, NULL);
    }
    if (strcmp(verb, "delete") == 0) {
        return command_show(command, SCIM_METHOD_DELETE, path, NULL);
    }
    if (strcmp(verb, "enable") == 0 || strcmp(verb, "disable") == 0) {
        return change(command, SCIM_METHOD_PATCH, path, json_pack("{sb}",
            "enabled", verb[0] == 'e'));
    }
    if (strcmp(verb, "update") == 0) {
        return change(command, SCIM_METHOD_PATCH, path, body_of(command));
    }
    if (strcmp(verb, "test") == 0) {
        return test(command, id);
    }
    if (strcmp(verb, "replay") == 0) {
        return replay(command, id);
    }
    if (strcmp(verb, "deliveries") == 0) {
        snprintf(path, sizeof(path), "/webhooks/%.80s/deliveries", id);
        return command_list(command, path, "", "deliveries",
            "id event type attempt status result reason");
    }
    return command_wrong("webhook add, list, show, update, enable, disable, "
        "delete, test, deliveries or replay");
}


int
command_webhook(command_t *command)
{
    const char *verb = command_word(command, 1);

    if (strcmp(verb, "list") == 0) {
        return command_list(command, "/webhooks", "", "webhooks", COLUMNS);
    }
    if (strcmp(verb, "add") == 0) {
        return change(command, SCIM_METHOD_POST, "/webhooks",
            body_of(command));
    }
    if (*command_word(command, 2) == '\0') {
        return command_wrong("webhook VERB ID; see webhook list");
    }
    return run_on(command, verb, command_word(command, 2));
}
