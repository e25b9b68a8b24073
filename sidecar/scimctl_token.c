#include <stdio.h>
#include <string.h>

#include "scim_key.h"
#include "scimctl_command.h"


int
command_dataset(command_t *command)
{
    if (strcmp(command_word(command, 1), "create") == 0) {
        if (command->shards < 1 || command->shards > SCIM_SHARD_COUNT_MAX) {
            return command_wrong("--shards is 1 to 1000");
        }
        return scimctl_dataset_create(&command->ctl, command->shards) ? 0 : 1;
    }
    if (strcmp(command_word(command, 1), "show") != 0) {
        return command_wrong("dataset create or dataset show");
    }
    if (!scimctl_dataset(&command->ctl)) {
        return 1;
    }
    printf(command->json ? "{\"id\":\"%s\",\"shards\":%u}\n"
                         : "id      %s\nshards  %u\n",
        command->ctl.dataset, command->ctl.shard_count);
    return 0;
}


static int
create_token(command_t *command)
{
    int     failed;
    char    user[64] = "";
    json_t *answer, *body;

    if (command->role == NULL) {
        return command_wrong("token create needs --role");
    }
    if (command->user && !command_find_user(command, command->user, user,
            sizeof(user)))
    {
        return 1;
    }
    body = json_pack("{ss,ss,ss*}", "role", command->role, "name",
        command->name ? command->name : command->role, "user",
        *user ? user : NULL);
    failed = command_request(command, SCIM_METHOD_POST, "/tokens", "", body,
        &answer);
    json_decref(body);
    if (failed) {
        return 1;
    }
    if (command->json) {
        command_print_json(answer);
    } else {
        printf("%s\n",
            json_string_value(json_object_get(answer, "secret")));
    }
    json_decref(answer);
    return 0;
}


int
command_token(command_t *command)
{
    char        path[128];
    const char *verb = command_word(command, 1);

    if (strcmp(verb, "create") == 0) {
        return create_token(command);
    }
    if (strcmp(verb, "list") == 0) {
        return command_list(command, "/tokens", "", "tokens",
            "id role name created expires");
    }
    if (strcmp(verb, "delete") == 0 && *command_word(command, 2)) {
        snprintf(path, sizeof(path), "/tokens/%.80s",
            command_word(command, 2));
        return command_show(command, SCIM_METHOD_DELETE, path, NULL);
    }
    return command_wrong("token create, list or delete ID");
}
