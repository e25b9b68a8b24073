#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <curl/curl.h>

#include "engine.h"
#include "log.h"
#include "schemas.h"

/* exit status: 0 stopped, 1 failed while running, 2 wrong settings */

const char *argp_program_version = "scim-sidecar 0.1";

static const char documentation[] =
    "Turns what the identity provider says into team membership, app invites "
    "and removals. It opens no listening port.\v"
    "Settings: conf/sidecar.conf. SIGHUP: secrets are read again, apps that "
    "are down are tried at once. SIGTERM lets calls in flight finish; a "
    "second one leaves at once. Whatever was unfinished is done by the next "
    "sidecar.";

static const struct argp_option options[] = {
    { "redis", 'r', "ADDRESS", 0, "unix:/path or host:port "
      "(default unix:$SCIM_RUN_DIR/redis.sock)", 0 },
    { "conf", 'c', "FILE", 0, "settings", 0 },
    { "state-dir", 's', "DIR", 0, "where the known data set is noted "
      "(default $SCIM_RUN_DIR)", 0 },
    { "name", 'n', "NAME", 0, "consumer name: stable over restarts, another "
      "for each sidecar (default: host name and -1)", 0 },
    { 0 }
};

typedef struct {
    const char *redis, *file, *state_dir, *name;
} arguments_t;


static error_t
parse_option(int key, char *value, struct argp_state *state)
{
    arguments_t *arguments = state->input;

    switch (key) {
    case 'r':
        arguments->redis = value;
        return 0;
    case 'c':
        arguments->file = value;
        return 0;
    case 's':
        arguments->state_dir = value;
        return 0;
    case 'n':
        arguments->name = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument: %s", value);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}


static bool
read_settings(conf_t *conf, const arguments_t *arguments)
{
    conf_init(conf);
    if (arguments->file && !conf_read(conf, arguments->file)) {
        return false;
    }
    if (arguments->redis) {
        conf_set(conf, "redis", arguments->redis);
    }
    if (arguments->state_dir) {
        conf_set(conf, "state_dir", arguments->state_dir);
    }
    if (arguments->name) {
        conf_set(conf, "name", arguments->name);
    }
    if (strpbrk(conf->name, "/ \t\r\n") || conf->name[0] == '\0'
        || strlen(conf->name) > 100)
    {
        fprintf(stderr, "scim-sidecar: a name has 1 to 100 characters, none "
            "of them a slash or a space\n");
        return false;
    }
    return true;
}


static void
on_signal(loop_t *loop, int fd, int events, void *data)
{
    struct signalfd_siginfo info;

    (void) loop;
    (void) events;
    if (read(fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        engine_reload(data);
    } else {
        engine_stop(data);
    }
}


/* Blocked before any thread exists; the loop reads them. */
static int
catch_signals(void)
{
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}


int
main(int argc, char **argv)
{
    int                      status = 1, signals;
    conf_t                   conf;
    loop_t                  *loop;
    engine_t                *engine = NULL;
    scim_schemas_t          *schemas;
    arguments_t              arguments = { 0 };
    static const struct argp parser = { options, parse_option, NULL,
                                        documentation, NULL, NULL, NULL };

    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments) != 0
        || !read_settings(&conf, &arguments))
    {
        return 2;
    }
    schemas = schemas_read(conf.scim_schemas);
    if (schemas == NULL) {
        return 2;
    }
    prctl(PR_SET_DUMPABLE, 0); /* secrets stay out of core files */
    srandom((unsigned) (loop_wall() ^ getpid()));
    signals = catch_signals();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop = loop_new();
    if (loop && signals >= 0) {
        engine = engine_new(loop, &conf, schemas);
    }
    if (engine && loop_watch(loop, signals, LOOP_READ, on_signal, engine)) {
        status = loop_run(loop);
    } else {
        log_error("cannot start: no memory or no descriptors");
    }
    engine_free(engine);
    loop_free(loop);
    scim_schemas_free(schemas);
    conf_free(&conf);
    curl_global_cleanup();
    log_info("stopped");
    return status;
}
