#include <stdio.h>
#include <string.h>

#include "scimctl_command.h"


static int
write_app(command_t *command, scim_method_t method, const char *path)
{
    int     status;
    json_t *body = command_file(command);

    if (body == NULL) {
        return 1;
    }
    status = command_show(command, method, path, body);
    json_decref(body);
    return status;
}


int
command_app(command_t *command)
{
    char        id[80], path[128];
    const char *verb = command_word(command, 1);

    if (strcmp(verb, "add") == 0) {
        return write_app(command, SCIM_METHOD_POST, "/apps");
    }
    if (strcmp(verb, "list") == 0) {
        return command_list(command, "/apps", "", "apps",
            "id name seats defaultAccessRole");
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "update") != 0
        && strcmp(verb, "delete") != 0 && strcmp(verb, "test") != 0)
    {
        return command_wrong("app add, list, show, update, test or delete");
    }
    if (!command_find(command, "apps", command_word(command, 2), id,
            sizeof(id)))
    {
        return 1;
    }
    if (strcmp(verb, "test") == 0) {
        return command_app_test(command, id);
    }
    snprintf(path, sizeof(path), "/apps/%s", id);
    if (strcmp(verb, "update") == 0) {
        return write_app(command, SCIM_METHOD_PUT, path);
    }
    return command_show(command, strcmp(verb, "show") == 0
        ? SCIM_METHOD_GET : SCIM_METHOD_DELETE, path, NULL);
}


/* "/apps/<id>/shares/teams/<id>" from the words of share and unshare; 0 or
   the exit status */
static int
share_path(command_t *command, char *path, size_t size)
{
    bool        found;
    char        app[80], subject[80];
    const char *who = command_word(command, 2);

    if (strncmp(who, "team:", 5) != 0 && strncmp(who, "user:", 5) != 0) {
        return command_wrong("whom to share with is team:TEAM or user:USER");
    }
    found = command_find(command, "apps", command_word(command, 1), app,
        sizeof(app));
    found = found && (*who == 't'
        ? command_find(command, "teams", who + 5, subject, sizeof(subject))
        : command_find_user(command, who + 5, subject, sizeof(subject)));
    snprintf(path, size, "/apps/%s/shares/%.4ss/%s", app, who, subject);
    return found ? 0 : 1;
}


int
command_share_request(command_t *command, scim_method_t *method, char *path,
    json_t **body)
{
    bool put = strcmp(command_word(command, 0), "share") == 0;

    *body = NULL;
    *method = put ? SCIM_METHOD_PUT : SCIM_METHOD_DELETE;
    if (put && command->role == NULL) {
        return command_wrong("share needs --role owner or collaborator");
    }
    if (put) {
        *body = json_pack("{ss,ss*}", "role", command->role, "accessRole",
            command->access_role);
    }
    return share_path(command, path, 256);
}


int
command_share(command_t *command)
{
    int           status;
    char          path[256];
    json_t       *body;
    scim_method_t method;

    status = command_share_request(command, &method, path, &body);
    if (status == 0) {
        status = command_show(command, method, path, body);
    }
    json_decref(body);
    return status;
}


int
command_unshare(command_t *command)
{
    return command_share(command);
}


static int
list_of_app(command_t *command, const char *plural, const char *query,
    const char *columns)
{
    char id[80], path[160];

    if (!command_find(command, "apps", command_word(command, 1), id,
            sizeof(id)))
    {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s/%s", id, plural);
    return command_list(command, path, query, plural, columns);
}


int
command_shares(command_t *command)
{
    return list_of_app(command, "shares", "", "type id role accessRole");
}


int
command_members(command_t *command)
{
    char query[64];

    snprintf(query, sizeof(query), "state=%.40s",
        command->state ? command->state : "");
    return list_of_app(command, "members", query,
        "userId userName email state role accessRole");
}


int
command_invite(command_t *command)
{
    char        app[80], user[80], path[200];
    const char *verb = command_word(command, 1);

    if (strcmp(verb, "resend") != 0 && strcmp(verb, "revoke") != 0) {
        return command_wrong("invite resend or revoke");
    }
    if (!command_find(command, "apps", command_word(command, 2), app,
            sizeof(app))
        || !command_find_user(command, command_word(command, 3), user,
            sizeof(user)))
    {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s/members/%s/%s", app, user, verb);
    return command_show(command, SCIM_METHOD_POST, path, NULL);
}
