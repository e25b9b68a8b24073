#include <stdio.h>
#include <string.h>

#include "scimctl_command.h"


static int
create_team(command_t *command)
{
    int     status;
    json_t *body = json_pack("{ss}", "name", command_word(command, 2));

    status = command_show(command, SCIM_METHOD_POST, "/teams", body);
    json_decref(body);
    return status;
}


static int
change_member(command_t *command, const char *team, scim_method_t method)
{
    char user[80], path[256];

    if (!command_find_user(command, command_word(command, 3), user,
            sizeof(user)))
    {
        return 1;
    }
    snprintf(path, sizeof(path), "/teams/%s/members/%s", team, user);
    return command_show(command, method, path, NULL);
}


int
command_team(command_t *command)
{
    char        id[80], path[128];
    const char *verb = command_word(command, 1);

    if (strcmp(verb, "list") == 0) {
        return command_list(command, "/teams", "", "teams", "id name source");
    }
    if (strcmp(verb, "create") == 0) {
        return create_team(command);
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "add-member") != 0
        && strcmp(verb, "remove-member") != 0)
    {
        return command_wrong("team list, show, create, add-member or "
            "remove-member");
    }
    if (!command_find(command, "teams", command_word(command, 2), id,
            sizeof(id)))
    {
        return 1;
    }
    if (strcmp(verb, "show") == 0) {
        snprintf(path, sizeof(path), "/teams/%s", id);
        return command_list(command, path, "", "members",
            "userId userName email active");
    }
    return change_member(command, id, strcmp(verb, "add-member") == 0
        ? SCIM_METHOD_PUT : SCIM_METHOD_DELETE);
}
