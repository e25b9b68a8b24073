#include <stdio.h>
#include <string.h>

#include "scimctl_command.h"

#define PATH_SIZE 160


int
command_tasks(command_t *command)
{
    char id[80] = "", query[160];

    if (command->app
        && !command_find(command, "apps", command->app, id, sizeof(id)))
    {
        return 1;
    }
    snprintf(query, sizeof(query), "app=%s&state=%.40s", id,
        command->state ? command->state : "");
    return command_list(command, "/tasks", query, "tasks",
        "id app user kind state attempts reason answer");
}


/* "<VERB> ID" of the command's words as a path; the verb is one of two. */
static bool
verb_path(const command_t *command, const char *parent, const char *one,
    const char *other, char path[PATH_SIZE])
{
    const char *verb = command_word(command, 1), *id = command_word(command, 2);

    snprintf(path, PATH_SIZE, "%s/%.80s/%s", parent, id, verb);
    return *id && (strcmp(verb, one) == 0 || strcmp(verb, other) == 0);
}


int
command_task(command_t *command)
{
    char path[PATH_SIZE];

    return verb_path(command, "/tasks", "retry", "done", path)
        ? command_show(command, SCIM_METHOD_POST, path, NULL)
        : command_wrong("task retry ID or task done ID");
}


int
command_holds(command_t *command)
{
    char query[64];

    snprintf(query, sizeof(query), "state=%.40s",
        command->state ? command->state : "");
    return command_list(command, "/holds", query, "holds",
        "id app state count createdAt decidedBy reason");
}


int
command_hold(command_t *command)
{
    int     status;
    char    path[PATH_SIZE];
    json_t *body;

    if (!verb_path(command, "/holds", "approve", "reject", path)) {
        return command_wrong("hold approve ID or hold reject ID");
    }
    body = json_pack("{ss*}", "reason", command->reason);
    status = command_show(command, SCIM_METHOD_POST, path, body);
    json_decref(body);
    return status;
}


int
command_audit(command_t *command)
{
    char query[96];

    snprintf(query, sizeof(query), "after=%.64s",
        command->after ? command->after : "");
    return command_list(command, "/audit", query, "entries",
        "id actor op resource app user from to why txn");
}


int
command_stats(command_t *command)
{
    return command_show(command, SCIM_METHOD_GET, "/stats", NULL);
}
