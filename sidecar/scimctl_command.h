#ifndef SCIMCTL_COMMAND_H
#define SCIMCTL_COMMAND_H

#include "scimctl_redis.h"

/*
 * One run of scimctl: its words and options, and what the commands share.
 * A command returns the exit status: 0 done, 1 refused or failed (said on
 * standard error), 2 wrong words.
 */
typedef struct {
    const char *redis, *redis_user, *redis_password_file;
    const char *workspace, *role, *name, *file, *access_role, *state, *app,
        *after, *limit, *reason, *user, *join_url, *apply, *from;
    const char *url, *secret, *events; /* all: NULL = not given */
    unsigned    shards;
    bool        json, dead, failed;
    int         argc; /* words: the command's name first */
    char      **argv;
    scimctl_t   ctl;
} command_t;

/* "" when there is no such word. */
const char *command_word(const command_t *command, int position);

/* Says what was wrong with the words; returns 2. */
int command_wrong(const char *what);

/*
 * One request of the admin API.  0 with *answer (a new reference or NULL), or
 * 1 with the reason on standard error.
 */
int command_request(command_t *command, scim_method_t method,
    const char *path, const char *query, const json_t *body,
    json_t **answer);

/* A request whose answer, if there is one, is printed as one object. */
int command_show(command_t *command, scim_method_t method, const char *path,
    const json_t *body);

/*
 * Prints a list: every page of it, or --limit rows.  `query` is further
 * parameters ("a=b&c=d") or "".  `plural` is the answer's member with the
 * rows, `columns` the table's columns, separated by spaces.
 */
int command_list(command_t *command, const char *path, const char *query,
    const char *plural, const char *columns);

/* The rows of a list, all pages of it; NULL with a message. */
json_t *command_rows(command_t *command, const char *path, const char *query,
    const char *plural);

/*
 * The id that a word stands for: an id, or a name that exactly one row of
 * the collection ("apps", "teams") has.  False with a message.
 */
bool command_find(command_t *command, const char *collection,
    const char *word, char *id, size_t size);

/* The same for a person: an id or a userName. */
bool command_find_user(command_t *command, const char *word, char *id,
    size_t size);

/* The JSON in --file ("-" = standard input); NULL with a message. */
json_t *command_file(const command_t *command);

void command_print_json(const json_t *value);

/* scimctl_access.c */
int command_app(command_t *command);
int command_share(command_t *command);
int command_unshare(command_t *command);
int command_shares(command_t *command);
int command_members(command_t *command);
int command_invite(command_t *command);

/*
 * The request that a share (or unshare) command stands for: its method, path
 * (256 bytes) and body (a new reference, NULL for unshare).  0, or the exit
 * status with a message.
 */
int command_share_request(command_t *command, scim_method_t *method,
    char *path, json_t **body);

/* scimctl_plan.c */
int command_plan(command_t *command);

/* scimctl_check.c */
int command_check(command_t *command);
int command_checks(command_t *command);
int command_apply(command_t *command);
/*
 * Has the app checked and waits for the report, a new reference; 0, or the
 * exit status with a message.
 */
int command_check_report(command_t *command, const char *app,
    unsigned wait_seconds, json_t **report);

/* scimctl_app_test.c */
int command_app_test(command_t *command, const char *id);

/* scimctl_team.c */
int command_team(command_t *command);

/* scimctl_task.c */
int command_tasks(command_t *command);
int command_task(command_t *command);
int command_holds(command_t *command);
int command_hold(command_t *command);
int command_audit(command_t *command);
int command_stats(command_t *command);

/* scimctl_resync.c */
int command_resync(command_t *command);
int command_replay(command_t *command);

/* scimctl_top.c, scimctl_doctor.c */
int command_top(command_t *command);
int command_doctor(command_t *command);

/* scimctl_why.c */
int command_why(command_t *command);

/* scimctl_webhook.c */
int command_webhook(command_t *command);

/* scimctl_token.c */
int command_dataset(command_t *command);
int command_token(command_t *command);

#endif
