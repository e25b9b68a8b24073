#include <stdio.h>
#include <string.h>

#include "scimctl_command.h"


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


int
command_task(command_t *command)
{
    char        path[160];
    const char *verb = command_word(command, 1);

    if ((strcmp(verb, "retry") != 0 && strcmp(verb, "done") != 0)
        || *command_word(command, 2) == '\0')
    {
        return command_wrong("task retry ID or task done ID");
    }
    snprintf(path, sizeof(path), "/tasks/%.80s/%s", command_word(command, 2),
        verb);
    return command_show(command, SCIM_METHOD_POST, path, NULL);
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
    int         status;
    char        path[160];
    json_t     *body;
    const char *verb = command_word(command, 1);

    if ((strcmp(verb, "approve") != 0 && strcmp(verb, "reject") != 0)
        || *command_word(command, 2) == '\0')
    {
        return command_wrong("hold approve ID or hold reject ID");
    }
    snprintf(path, sizeof(path), "/holds/%.80s/%s", command_word(command, 2),
        verb);
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
