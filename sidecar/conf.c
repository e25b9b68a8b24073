#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LINE_LEN_MAX 4096


static void
set_text(char **where, const char *value)
{
    free(*where);
    *where = strdup(value);
}


void
conf_init(conf_t *conf)
{
    char        text[512], host[128] = "sidecar";
    const char *run = getenv("SCIM_RUN_DIR");

    memset(conf, 0, sizeof(*conf));
    if (run == NULL || *run == '\0') {
        run = "run";
    }
    snprintf(text, sizeof(text), "unix:%.480s/redis.sock", run);
    conf->redis = strdup(text);
    conf->state_dir = strdup(run);
    gethostname(host, sizeof(host) - 1);
    snprintf(text, sizeof(text), "%s-1", host);
    conf->name = strdup(text);
    conf->join_base_url = strdup("");
    conf->scim_schemas = strdup("");
    conf->events_max = 1024;
    conf->audit_days = 400;
    conf->audit_entries = 1000000;
    conf->done_days = 7;
    conf->done_tasks = 100000;
    conf->connectors.calls_max = 256;
}


void
conf_free(conf_t *conf)
{
    free(conf->redis);
    free(conf->redis_user);
    free(conf->redis_password);
    free(conf->state_dir);
    free(conf->name);
    free(conf->join_base_url);
    free(conf->scim_schemas);
    free((char *) conf->connectors.ca_file);
    free((char *) conf->connectors.policy.secret_env);
    free((char *) conf->connectors.policy.secret_files);
}


static bool
set_flag(bool *where, const char *value)
{
    *where = strcmp(value, "on") == 0;
    return *where || strcmp(value, "off") == 0;
}


static bool
set_number(unsigned *where, const char *value, unsigned min, unsigned max)
{
    char         *end;
    unsigned long number;

    errno = 0;
    number = strtoul(value, &end, 10);
    if (errno || *end || end == value || number < min || number > max) {
        return false;
    }
    *where = (unsigned) number;
    return true;
}


/* The first line of a file, so that no password stands in the settings. */
static bool
set_from_file(char **where, const char *file)
{
    char  line[512];
    FILE *in = fopen(file, "r");
    bool  ok = in && fgets(line, sizeof(line), in);

    if (in) {
        fclose(in);
    }
    if (ok) {
        line[strcspn(line, "\r\n")] = '\0';
        set_text(where, line);
    }
    explicit_bzero(line, sizeof(line));
    return ok;
}


static bool
set_level(const char *value)
{
    static const char *const names[] = { "error", "info", "debug" };

    for (int i = 0; i < 3; i++) {
        if (strcmp(names[i], value) == 0) {
            log_set_level((log_level_t) i);
            return true;
        }
    }
    return false;
}


static bool
set_any_text(conf_t *conf, const char *key, const char *value)
{
    const struct {
        const char *key;
        char      **where;
    } texts[] = {
        { "redis", &conf->redis },
        { "redis_user", &conf->redis_user },
        { "state_dir", &conf->state_dir },
        { "name", &conf->name },
        { "join_base_url", &conf->join_base_url },
        { "scim_schemas", &conf->scim_schemas },
        { "ca_file", (char **) &conf->connectors.ca_file },
        { "secret_env", (char **) &conf->connectors.policy.secret_env },
        { "secret_files", (char **) &conf->connectors.policy.secret_files }
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(texts[i].key, key) == 0) {
            set_text(texts[i].where, value);
            return true;
        }
    }
    return false;
}


bool
conf_set(conf_t *conf, const char *key, const char *value)
{
    if (set_any_text(conf, key, value)) {
        return true;
    }
    if (strcmp(key, "redis_password_file") == 0) {
        return set_from_file(&conf->redis_password, value);
    }
    if (strcmp(key, "allow_loopback") == 0) {
        return set_flag(&conf->connectors.policy.allow_loopback, value);
    }
    if (strcmp(key, "allow_private") == 0) {
        return set_flag(&conf->connectors.policy.allow_private, value);
    }
    if (strcmp(key, "calls_max") == 0) {
        return set_number(&conf->connectors.calls_max, value, 1, 10000);
    }
    if (strcmp(key, "events_max") == 0) {
        return set_number(&conf->events_max, value, 1, 100000);
    }
    if (strcmp(key, "audit_days") == 0) {
        return set_number(&conf->audit_days, value, 1, 36500);
    }
    if (strcmp(key, "audit_entries") == 0) {
        return set_number(&conf->audit_entries, value, 1000, 1000000000);
    }
    if (strcmp(key, "done_days") == 0) {
        return set_number(&conf->done_days, value, 1, 7);
    }
    if (strcmp(key, "done_tasks") == 0) {
        return set_number(&conf->done_tasks, value, 100, 10000000);
    }
    if (strcmp(key, "log_level") == 0) {
        return set_level(value);
    }
    return false;
}


bool
conf_read(conf_t *conf, const char *file)
{
    char     line[LINE_LEN_MAX];
    FILE    *in = fopen(file, "r");
    unsigned number = 0;
    bool     ok = true;

    if (in == NULL) {
        fprintf(stderr, "scim-sidecar: %s: %s\n", file, strerror(errno));
        return false;
    }
    while (ok && fgets(line, sizeof(line), in)) {
        char *key = line, *value, *end;

        number++;
        while (isspace((unsigned char) *key)) {
            key++;
        }
        if (*key == '\0' || *key == '#') {
            continue;
        }
        value = key + strcspn(key, " \t\r\n");
        if (*value) {
            *value++ = '\0';
        }
        while (isspace((unsigned char) *value)) {
            value++;
        }
        end = value + strlen(value);
        while (end > value && isspace((unsigned char) end[-1])) {
            *--end = '\0';
        }
        ok = conf_set(conf, key, value);
        if (!ok) {
            fprintf(stderr, "scim-sidecar: %s:%u: unknown setting or wrong "
                "value: %s\n", file, number, key);
        }
    }
    fclose(in);
    return ok;
}
