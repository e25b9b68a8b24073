#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_key.h"
#include "scimctl_redis.h"
#include "scimctl_table.h"

/* exit status: 0 done, 1 refused or failed, 2 wrong words */

static const char usage[] =
    "usage: scimctl [options] COMMAND ...\n"
    "\n"
    "  dataset create [--shards N]   make an empty Redis usable (128 shards)\n"
    "  dataset show\n"
    "  token create --role ROLE [--name NAME]   owner, admin, viewer or scim;\n"
    "                                makes the workspace; prints the secret\n"
    "  token list\n"
    "  token delete ID\n"
    "  app add -f FILE               a definition as JSON (conf/apps)\n"
    "  app list | show APP | update APP -f FILE | delete APP\n"
    "  share APP team:ID|user:ID --role owner|collaborator\n"
    "                                [--access-role ROLE]\n"
    "  unshare APP team:ID|user:ID\n"
    "  shares APP\n"
    "  team list | show TEAM | create NAME\n"
    "  team add-member TEAM USER | remove-member TEAM USER\n"
    "  members APP [--state STATE]   who has what\n"
    "  tasks [--app APP] [--state STATE]\n"
    "  task retry ID | task done ID\n"
    "  audit [--after ID]            changes of grants, oldest first\n"
    "  stats\n"
    "\n"
    "APP is an id or a name, TEAM an id or a name.\n"
    "\n"
    "  --redis ADDRESS    unix:/path or host:port\n"
    "                     (default unix:$SCIM_RUN_DIR/redis.sock)\n"
    "  --workspace SLUG   (default demo)\n"
    "  --json             print JSON instead of tables\n"
    "  --limit N          rows of a list (default 1000)\n"
    "  --help\n";

typedef struct {
    const char *redis, *workspace, *role, *name, *file, *access_role, *state,
        *app, *after, *limit;
    unsigned    shards;
    bool        json;
    int         argc;
    char      **argv;
    scimctl_t   ctl;
} command_t;


static int
wrong_words(const char *what)
{
    fprintf(stderr, "scimctl: %s; see scimctl --help\n", what);
    return 2;
}


static void
print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}


/* Says why a request was refused; 0 when it was not. */
static int
refused(int status, const json_t *answer)
{
    const char *message;

    if (status >= 200 && status < 300) {
        return 0;
    }
    if (status) {
        message = json_string_value(json_object_get(
            json_object_get(answer, "error"), "message"));
        fprintf(stderr, "scimctl: %s\n", message ? message : "refused");
    }
    return 1;
}


static int
request(command_t *command, scim_method_t method, const char *path,
    const char *query, const json_t *body, json_t **answer)
{
    int status = scimctl_request(&command->ctl, method, path, query, body,
        answer);

    if (refused(status, *answer)) {
        json_decref(*answer);
        *answer = NULL;
        return 1;
    }
    return 0;
}


/* A request whose answer is shown whole: a list's rows, or one object. */
static int
show(command_t *command, scim_method_t method, const char *path,
    const char *query, const json_t *body, const char *plural,
    const char *columns)
{
    json_t *answer;

    if (request(command, method, path, query, body, &answer)) {
        return 1;
    }
    if (answer && command->json) {
        print_json(answer);
    } else if (answer && plural && json_object_get(answer, plural)) {
        table_print(json_object_get(answer, plural), columns);
    } else if (answer) {
        table_print_object(answer);
    }
    json_decref(answer);
    return 0;
}


static const char *
word(const command_t *command, int position)
{
    return position < command->argc ? command->argv[position] : "";
}


/* The id that a name stands for, when exactly one has it. */
static bool
find_id(command_t *command, const char *collection, const char *name,
    char *id, size_t size)
{
    char        path[64], query[32] = "limit=1000";
    size_t      i, found = 0;
    json_t     *answer, *row;
    const char *one;

    snprintf(id, size, "%s", name);
    snprintf(path, sizeof(path), "/%s", collection);
    if (*name == '\0' || request(command, SCIM_METHOD_GET, path, query, NULL,
            &answer))
    {
        return false;
    }
    json_array_foreach(json_object_get(answer, collection), i, row) {
        const char *row_name = json_string_value(json_object_get(row, "name"));

        one = json_string_value(json_object_get(row, "id"));
        if (one && strcmp(one, name) == 0) {
            found = 1; /* an id is never ambiguous */
            snprintf(id, size, "%s", one);
            break;
        }
        if (one && row_name && strcmp(row_name, name) == 0) {
            found++;
            snprintf(id, size, "%s", one);
        }
    }
    json_decref(answer);
    if (found > 1) {
        fprintf(stderr, "scimctl: %zu %s are called %s: give the id\n", found,
            collection, name);
        return false;
    }
    return true;
}


static json_t *
read_file(const char *file)
{
    json_t      *value;
    json_error_t error;

    if (file == NULL) {
        fprintf(stderr, "scimctl: -f FILE is missing\n");
        return NULL;
    }
    value = strcmp(file, "-") == 0
        ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
        : json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        fprintf(stderr, "scimctl: %s:%d: %s\n", file, error.line, error.text);
    }
    return value;
}


/* ---- commands ---- */

static int
run_dataset(command_t *command)
{
    if (strcmp(word(command, 1), "create") == 0) {
        if (command->shards < 1 || command->shards > SCIM_SHARD_COUNT_MAX) {
            return wrong_words("--shards is 1 to 1000");
        }
        return scimctl_dataset_create(&command->ctl, command->shards) ? 0 : 1;
    }
    if (strcmp(word(command, 1), "show") != 0) {
        return wrong_words("dataset create or dataset show");
    }
    if (!scimctl_dataset(&command->ctl)) {
        return 1;
    }
    if (command->json) {
        printf("{\"id\":\"%s\",\"shards\":%u}\n", command->ctl.dataset,
            command->ctl.shard_count);
    } else {
        printf("id      %s\nshards  %u\n", command->ctl.dataset,
            command->ctl.shard_count);
    }
    return 0;
}


static int
create_token(command_t *command)
{
    int     failed;
    json_t *answer, *body;

    if (command->role == NULL) {
        return wrong_words("token create needs --role");
    }
    body = json_pack("{ss,ss}", "role", command->role, "name",
        command->name ? command->name : command->role);
    failed = request(command, SCIM_METHOD_POST, "/tokens", "", body, &answer);
    json_decref(body);
    if (failed) {
        return 1;
    }
    if (command->json) {
        print_json(answer);
    } else {
        printf("%s\n",
            json_string_value(json_object_get(answer, "secret")));
    }
    json_decref(answer);
    return 0;
}


static int
run_token(command_t *command)
{
    char path[128];

    if (strcmp(word(command, 1), "create") == 0) {
        return create_token(command);
    }
    if (strcmp(word(command, 1), "list") == 0) {
        return show(command, SCIM_METHOD_GET, "/tokens", command->limit, NULL,
            "tokens", "id role name created expires");
    }
    if (strcmp(word(command, 1), "delete") == 0) {
        snprintf(path, sizeof(path), "/tokens/%.80s", word(command, 2));
        return show(command, SCIM_METHOD_DELETE, path, "", NULL, NULL, NULL);
    }
    return wrong_words("token create, list or delete");
}


static int
write_app(command_t *command, scim_method_t method, const char *path)
{
    int     status;
    json_t *body = read_file(command->file);

    if (body == NULL) {
        return 1;
    }
    status = show(command, method, path, "", body, NULL, NULL);
    json_decref(body);
    return status;
}


static int
run_app(command_t *command)
{
    char        id[80], path[128];
    const char *verb = word(command, 1);

    if (strcmp(verb, "add") == 0) {
        return write_app(command, SCIM_METHOD_POST, "/apps");
    }
    if (strcmp(verb, "list") == 0) {
        return show(command, SCIM_METHOD_GET, "/apps", command->limit, NULL,
            "apps", "id name seats defaultAccessRole");
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "update") != 0
        && strcmp(verb, "delete") != 0)
    {
        return wrong_words("app add, list, show, update or delete");
    }
    if (!find_id(command, "apps", word(command, 2), id, sizeof(id))) {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s", id);
    if (strcmp(verb, "update") == 0) {
        return write_app(command, SCIM_METHOD_PUT, path);
    }
    return show(command, strcmp(verb, "show") == 0 ? SCIM_METHOD_GET
                                                   : SCIM_METHOD_DELETE,
        path, "", NULL, NULL, NULL);
}


/* "/apps/<id>/shares/teams/<id>" from the words of share and unshare */
static bool
share_path(command_t *command, char *path, size_t size)
{
    char        app[80], subject[80];
    const char *who = word(command, 2);

    if (!find_id(command, "apps", word(command, 1), app, sizeof(app))) {
        return false;
    }
    if (strncmp(who, "team:", 5) == 0) {
        if (!find_id(command, "teams", who + 5, subject, sizeof(subject))) {
            return false;
        }
    } else if (strncmp(who, "user:", 5) == 0) {
        snprintf(subject, sizeof(subject), "%s", who + 5);
    } else {
        wrong_words("whom to share with is team:ID or user:ID");
        return false;
    }
    snprintf(path, size, "/apps/%s/shares/%.4ss/%s", app, who, subject);
    return true;
}


static int
run_share(command_t *command)
{
    int     status;
    char    path[256];
    json_t *body;

    if (command->role == NULL) {
        return wrong_words("share needs --role owner or collaborator");
    }
    if (!share_path(command, path, sizeof(path))) {
        return 1;
    }
    body = json_pack("{ss,ss*}", "role", command->role, "accessRole",
        command->access_role);
    status = show(command, SCIM_METHOD_PUT, path, "", body, NULL, NULL);
    json_decref(body);
    return status;
}


static int
run_unshare(command_t *command)
{
    char path[256];

    if (!share_path(command, path, sizeof(path))) {
        return 1;
    }
    return show(command, SCIM_METHOD_DELETE, path, "", NULL, NULL, NULL);
}


static int
of_app(command_t *command, const char *what, const char *query,
    const char *columns)
{
    char id[80], path[160];

    if (!find_id(command, "apps", word(command, 1), id, sizeof(id))) {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s/%s", id, what);
    return show(command, SCIM_METHOD_GET, path, query, NULL, what, columns);
}


static int
run_shares(command_t *command)
{
    return of_app(command, "shares", "", "type id role accessRole");
}


static int
run_members(command_t *command)
{
    char query[160];

    snprintf(query, sizeof(query), "%s&state=%.40s", command->limit,
        command->state ? command->state : "");
    return of_app(command, "members", query,
        "userId userName email state role accessRole");
}


static int
create_team(command_t *command)
{
    int     status;
    json_t *body = json_pack("{ss}", "name", word(command, 2));

    status = show(command, SCIM_METHOD_POST, "/teams", "", body, NULL, NULL);
    json_decref(body);
    return status;
}


static int
run_team(command_t *command)
{
    char        id[80], path[256];
    const char *verb = word(command, 1);

    if (strcmp(verb, "list") == 0) {
        return show(command, SCIM_METHOD_GET, "/teams", command->limit, NULL,
            "teams", "id name source");
    }
    if (strcmp(verb, "create") == 0) {
        return create_team(command);
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "add-member") != 0
        && strcmp(verb, "remove-member") != 0)
    {
        return wrong_words("team list, show, create, add-member or "
            "remove-member");
    }
    if (!find_id(command, "teams", word(command, 2), id, sizeof(id))) {
        return 1;
    }
    if (strcmp(verb, "show") == 0) {
        snprintf(path, sizeof(path), "/teams/%s", id);
        return show(command, SCIM_METHOD_GET, path, command->limit, NULL,
            "members", "userId userName email active");
    }
    snprintf(path, sizeof(path), "/teams/%s/members/%.80s", id,
        word(command, 3));
    return show(command, strcmp(verb, "add-member") == 0
            ? SCIM_METHOD_PUT : SCIM_METHOD_DELETE,
        path, "", NULL, NULL, NULL);
}


static int
run_tasks(command_t *command)
{
    char id[80] = "", query[256];

    if (command->app
        && !find_id(command, "apps", command->app, id, sizeof(id)))
    {
        return 1;
    }
    snprintf(query, sizeof(query), "%s&app=%s&state=%.40s", command->limit,
        id, command->state ? command->state : "");
    return show(command, SCIM_METHOD_GET, "/tasks", query, NULL, "tasks",
        "id app user kind state attempts answer");
}


static int
run_task(command_t *command)
{
    char        path[160];
    const char *verb = word(command, 1);

    if (strcmp(verb, "retry") != 0 && strcmp(verb, "done") != 0) {
        return wrong_words("task retry or task done");
    }
    snprintf(path, sizeof(path), "/tasks/%.80s/%s", word(command, 2), verb);
    return show(command, SCIM_METHOD_POST, path, "", NULL, NULL, NULL);
}


static int
run_audit(command_t *command)
{
    char query[160];

    snprintf(query, sizeof(query), "%s&after=%.64s", command->limit,
        command->after ? command->after : "");
    return show(command, SCIM_METHOD_GET, "/audit", query, NULL, "entries",
        "id actor app user from to why");
}


static int
run_stats(command_t *command)
{
    return show(command, SCIM_METHOD_GET, "/stats", "", NULL, NULL, NULL);
}


static const struct {
    const char *name;
    int       (*run)(command_t *command);
} commands[] = {
    { "token", run_token }, { "app", run_app }, { "share", run_share },
    { "unshare", run_unshare }, { "shares", run_shares },
    { "members", run_members }, { "team", run_team }, { "tasks", run_tasks },
    { "task", run_task }, { "audit", run_audit }, { "stats", run_stats }
};


static int
run(command_t *command)
{
    const char *name = word(command, 0);

    if (strcmp(name, "dataset") == 0) {
        return run_dataset(command);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return scimctl_dataset(&command->ctl) ? commands[i].run(command)
                                                  : 1;
        }
    }
    return wrong_words("unknown command");
}


static bool
read_options(command_t *command, int argc, char **argv)
{
    static char default_redis[512], limit[32];
    int         option;
    const char *run_dir = getenv("SCIM_RUN_DIR");
    static const struct option options[] = {
        { "redis", required_argument, NULL, 'R' },
        { "workspace", required_argument, NULL, 'w' },
        { "role", required_argument, NULL, 'r' },
        { "name", required_argument, NULL, 'n' },
        { "file", required_argument, NULL, 'f' },
        { "access-role", required_argument, NULL, 'a' },
        { "state", required_argument, NULL, 's' },
        { "app", required_argument, NULL, 'p' },
        { "after", required_argument, NULL, 'e' },
        { "limit", required_argument, NULL, 'l' },
        { "shards", required_argument, NULL, 'S' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    snprintf(default_redis, sizeof(default_redis), "unix:%.480s/redis.sock",
        run_dir && *run_dir ? run_dir : "run");
    command->redis = default_redis;
    command->workspace = "demo";
    command->shards = SCIM_SHARD_COUNT_DEFAULT;
    command->limit = "limit=1000";
    while ((option = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
        switch (option) {
        case 'R': command->redis = optarg; break;
        case 'w': command->workspace = optarg; break;
        case 'r': command->role = optarg; break;
        case 'n': command->name = optarg; break;
        case 'f': command->file = optarg; break;
        case 'a': command->access_role = optarg; break;
        case 's': command->state = optarg; break;
        case 'p': command->app = optarg; break;
        case 'e': command->after = optarg; break;
        case 'S':
            command->shards = (unsigned) strtoul(optarg, NULL, 10);
            break;
        case 'l':
            snprintf(limit, sizeof(limit), "limit=%.20s", optarg);
            command->limit = limit;
            break;
        case 'j': command->json = true; break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return false;
        }
    }
    command->argc = argc - optind;
    command->argv = argv + optind;
    return true;
}


int
main(int argc, char **argv)
{
    int       status;
    command_t command = { 0 };

    if (!read_options(&command, argc, argv)) {
        return wrong_words("unknown option");
    }
    if (command.argc == 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (!scim_workspace_valid(command.workspace, strlen(command.workspace))) {
        return wrong_words("a workspace is a slug: a-z, 0-9, - and at most "
            "63 characters");
    }
    if (!scimctl_connect(&command.ctl, command.redis, command.workspace)) {
        status = 1;
    } else {
        status = run(&command);
    }
    scimctl_close(&command.ctl);
    return status;
}
