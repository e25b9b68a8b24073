#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_key.h"
#include "scimctl_command.h"

/* exit status: 0 done, 1 refused or failed, 2 wrong words */

static const char usage[] =
    "usage: scimctl [options] COMMAND ...\n"
    "\n"
    "  dataset create [--shards N]   make an empty Redis usable (128 shards)\n"
    "  dataset show\n"
    "  token create --role ROLE [--name NAME]   owner, admin, viewer or scim;\n"
    "                                makes the workspace; prints the secret\n"
    "                                --user USER: whom /Me means (scim)\n"
    "  token list\n"
    "  token delete ID\n"
    "  app add -f FILE               a definition as JSON (conf/apps)\n"
    "  app list | show APP | update APP -f FILE | delete APP\n"
    "  app test APP                  tries the connector, changes nothing\n"
    "  share APP team:TEAM|user:USER --role owner|collaborator\n"
    "                                [--access-role ROLE]\n"
    "  unshare APP team:TEAM|user:USER\n"
    "  shares APP\n"
    "  team list | show TEAM | create NAME\n"
    "  team add-member TEAM USER | remove-member TEAM USER\n"
    "  members APP [--state STATE]   who has what\n"
    "  invite resend APP USER        a new link; the invite is sent again\n"
    "  invite revoke APP USER        the link leads nowhere any more\n"
    "  why USER APP                  one person in one app, explained\n"
    "  plan share|unshare ...        what that would do; changes nothing\n"
    "  plan app update APP -f FILE | plan app delete APP\n"
    "                                --apply HASH: does it, if it still would\n"
    "                                do what the plan with that hash said\n"
    "  check APP                     the app's own list beside the grants\n"
    "  checks APP                    the reports of the last 30 days\n"
    "  apply APP CHECK [FINDING ...] makes all of it right, or those named\n"
    "                                --hash HASH: only if all of that still\n"
    "                                is as the report says\n"
    "  tasks [--app APP] [--state STATE]\n"
    "  task retry ID | task done ID\n"
    "  holds [--state STATE]         removals that the guard holds\n"
    "  hold approve ID | hold reject ID [--reason TEXT]\n"
    "  webhook add --url URL --secret env:NAME|file:/PATH\n"
    "              [--events grant.*,task.failed,...] [--app APP] | -f FILE\n"
    "  webhook list | show ID | enable ID | disable ID | delete ID\n"
    "  webhook update ID [--url ...] [--secret ...] [--events ...] | -f FILE\n"
    "  webhook test ID               sends a message and says what came of it\n"
    "  webhook deliveries ID         the latest first\n"
    "  webhook replay ID --after ENTRY   (of the audit; 0-0 = from the start)\n"
    "  audit [--after ID]            changes of grants, oldest first\n"
    "  stats\n"
    "  top                           rates, backlog, apps with trouble; live\n"
    "                                on a terminal\n"
    "  doctor                        looks at Redis, sidecars and apps, and\n"
    "                                says what to do; status 1 when wrong\n"
    "  resync                        derives teams and grants anew\n"
    "  replay --from ID              events that are still kept, once more\n"
    "  replay --dead                 events that nobody understood\n"
    "  replay --failed [--app APP]   failed tasks are tried again\n"
    "\n"
    "APP and TEAM are an id or a name, USER an id or a userName.\n"
    "\n"
    "  --redis ADDRESS    unix:/path or host:port\n"
    "                     (default unix:$SCIM_RUN_DIR/redis.sock)\n"
    "  --redis-user NAME, --redis-password-file FILE\n"
    "  --workspace SLUG   (default demo)\n"
    "  --join-url URL     what links of /join begin with (default\n"
    "                     $SCIM_JOIN_URL, else as $SCIM_RUN_DIR has it)\n"
    "  --json             print JSON instead of tables\n"
    "  --limit N          rows of a list (default all)\n"
    "  --help\n";

static const struct {
    const char *name;
    int       (*run)(command_t *command);
} commands[] = {
    { "token", command_token },
    { "app", command_app },
    { "share", command_share },
    { "unshare", command_unshare },
    { "shares", command_shares },
    { "members", command_members },
    { "invite", command_invite },
    { "why", command_why },
    { "plan", command_plan },
    { "team", command_team },
    { "check", command_check },
    { "checks", command_checks },
    { "apply", command_apply },
    { "tasks", command_tasks },
    { "task", command_task },
    { "holds", command_holds },
    { "hold", command_hold },
    { "webhook", command_webhook },
    { "audit", command_audit },
    { "stats", command_stats },
    { "resync", command_resync },
    { "replay", command_replay },
    { "top", command_top },
    { "doctor", command_doctor }
};


static int
run(command_t *command)
{
    const char *name = command_word(command, 0);

    if (strcmp(name, "dataset") == 0) {
        return command_dataset(command);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return scimctl_dataset(&command->ctl) ? commands[i].run(command)
                                                  : 1;
        }
    }
    return command_wrong("unknown command");
}


/* What links begin with; "" = nobody said so. */
static scim_text_t
join_url(const command_t *command)
{
    static char line[512];
    char        file[512];
    const char *url = command->join_url ? command->join_url
                                        : getenv("SCIM_JOIN_URL");
    const char *dir = getenv("SCIM_RUN_DIR");
    FILE       *in = NULL;

    if (url == NULL) {
        snprintf(file, sizeof(file), "%.480s/join-url", dir && *dir ? dir
                                                                    : "run");
        in = fopen(file, "r");
        url = in && fgets(line, sizeof(line), in) ? line : "";
    }
    if (in) {
        fclose(in);
    }
    return (scim_text_t) { url, strcspn(url, "\r\n") };
}


static bool
read_options(command_t *command, int argc, char **argv)
{
    static char default_redis[512];
    int         option;
    const char *run_dir = getenv("SCIM_RUN_DIR");
    static const struct option options[] = {
        { "redis", required_argument, NULL, 'R' },
        { "redis-user", required_argument, NULL, 'U' },
        { "redis-password-file", required_argument, NULL, 'P' },
        { "workspace", required_argument, NULL, 'w' },
        { "role", required_argument, NULL, 'r' },
        { "name", required_argument, NULL, 'n' },
        { "user", required_argument, NULL, 'u' },
        { "file", required_argument, NULL, 'f' },
        { "access-role", required_argument, NULL, 'a' },
        { "state", required_argument, NULL, 's' },
        { "app", required_argument, NULL, 'p' },
        { "reason", required_argument, NULL, 'W' },
        { "url", required_argument, NULL, 'L' },
        { "secret", required_argument, NULL, 'C' },
        { "events", required_argument, NULL, 'E' },
        { "after", required_argument, NULL, 'e' },
        { "limit", required_argument, NULL, 'l' },
        { "apply", required_argument, NULL, 'A' },
        { "hash", required_argument, NULL, 'A' },
        { "from", required_argument, NULL, 'F' },
        { "dead", no_argument, NULL, 'D' },
        { "failed", no_argument, NULL, 'X' },
        { "shards", required_argument, NULL, 'S' },
        { "join-url", required_argument, NULL, 'J' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    snprintf(default_redis, sizeof(default_redis), "unix:%.480s/redis.sock",
        run_dir && *run_dir ? run_dir : "run");
    command->redis = default_redis;
    command->workspace = "demo";
    command->shards = SCIM_SHARD_COUNT_DEFAULT;
    while ((option = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
        switch (option) {
        case 'R': command->redis = optarg; break;
        case 'w': command->workspace = optarg; break;
        case 'r': command->role = optarg; break;
        case 'n': command->name = optarg; break;
        case 'u': command->user = optarg; break;
        case 'f': command->file = optarg; break;
        case 'a': command->access_role = optarg; break;
        case 's': command->state = optarg; break;
        case 'p': command->app = optarg; break;
        case 'W': command->reason = optarg; break;
        case 'L': command->url = optarg; break;
        case 'C': command->secret = optarg; break;
        case 'E': command->events = optarg; break;
        case 'e': command->after = optarg; break;
        case 'S':
            command->shards = (unsigned) strtoul(optarg, NULL, 10);
            break;
        case 'l': command->limit = optarg; break;
        case 'A': command->apply = optarg; break;
        case 'F': command->from = optarg; break;
        case 'D': command->dead = true; break;
        case 'X': command->failed = true; break;
        case 'U': command->redis_user = optarg; break;
        case 'P': command->redis_password_file = optarg; break;
        case 'J': command->join_url = optarg; break;
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
        return command_wrong("unknown option");
    }
    if (command.argc == 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (!scim_workspace_valid(command.workspace, strlen(command.workspace))) {
        return command_wrong("a workspace is a slug: a-z, 0-9, - and at most "
            "63 characters");
    }
    if (!scimctl_connect(&command.ctl, command.redis, command.redis_user,
            command.redis_password_file, command.workspace))
    {
        status = 1;
    } else {
        command.ctl.service.join_url = join_url(&command);
        status = run(&command);
    }
    scimctl_close(&command.ctl);
    return status;
}
