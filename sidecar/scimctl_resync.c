#include <stdio.h>
#include <string.h>

#include "scimctl_command.h"

/* Everything once more, events once more, failed tasks once more. */

int
command_resync(command_t *command)
{
    json_t *answer;

    if (command_request(command, SCIM_METHOD_POST, "/resync", "", NULL,
            &answer))
    {
        return 1;
    }
    if (command->json) {
        command_print_json(answer);
    } else {
        printf("asked for: a sidecar looks at everybody of workspace %s "
            "(scimctl top shows how far it is)\n", command->workspace);
    }
    json_decref(answer);
    return 0;
}


/* Tasks that failed are tried again, one by one; the others stay. */
static int
replay_failed(command_t *command)
{
    int     retried = 0, refused = 0;
    size_t  i;
    char    app[80] = "", query[160], path[160];
    json_t *rows, *task, *nothing;

    if (command->app
        && !command_find(command, "apps", command->app, app, sizeof(app)))
    {
        return 1;
    }
    snprintf(query, sizeof(query), "app=%s&state=failed", app);
    rows = command_rows(command, "/tasks", query, "tasks");
    if (rows == NULL) {
        return 1;
    }
    json_array_foreach(rows, i, task) {
        snprintf(path, sizeof(path), "/tasks/%.80s/retry",
            json_string_value(json_object_get(task, "id")));
        if (scimctl_request(&command->ctl, SCIM_METHOD_POST, path, "", NULL,
                &nothing) == 204)
        {
            retried++;
        } else {
            refused++; /* somebody else was faster */
        }
        json_decref(nothing);
    }
    json_decref(rows);
    printf(command->json ? "{\"retried\":%d,\"skipped\":%d}\n"
                         : "%d tasks are tried again, %d were skipped\n",
        retried, refused);
    return 0;
}


int
command_replay(command_t *command)
{
    int     status;
    json_t *body;

    if (!!command->from + command->dead + command->failed != 1) {
        return command_wrong("replay --from ID, --dead or --failed");
    }
    if (command->failed) {
        return replay_failed(command);
    }
    body = command->dead ? json_pack("{sb}", "dead", 1)
                         : json_pack("{ss}", "from", command->from);
    status = command_show(command, SCIM_METHOD_POST, "/replay", body);
    json_decref(body);
    return status;
}
