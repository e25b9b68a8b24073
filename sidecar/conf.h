#ifndef SIDECAR_CONF_H
#define SIDECAR_CONF_H

#include "connector.h"
#include "redis_client.h"

/* Settings of the daemon: command line over file over defaults. */
typedef struct {
    char             *redis;         /* "unix:/path" or "host:port" */
    char             *redis_user;
    char             *redis_password;
    char             *state_dir;     /* where the known data set is noted */
    char             *name;          /* consumer name; stable over restarts */
    char             *join_base_url; /* for ${join.url}; "" = none */
    char             *scim_schemas;  /* folder, as nginx has it; "" = none */
    connectors_conf_t connectors;
    unsigned          events_max;    /* events worked on at once */
    unsigned          audit_days;    /* entries of the audit are kept */
    unsigned          audit_entries; /* at most, of a workspace */
    unsigned          done_days;     /* done tasks are kept */
    unsigned          done_tasks;    /* at most, of a workspace */
} conf_t;

/* Defaults, from the environment where the contract says so. */
void conf_init(conf_t *conf);
void conf_free(conf_t *conf);

/*
 * Reads `key value` lines.  False with a message on standard error that names
 * file, line and what is wrong.
 */
bool conf_read(conf_t *conf, const char *file);

/* One setting by name; false when it is unknown or its value is wrong. */
bool conf_set(conf_t *conf, const char *key, const char *value);

#endif
