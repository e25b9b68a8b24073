#ifndef SCIM_ADMIN_INTERNAL_H
#define SCIM_ADMIN_INTERNAL_H

#include "scim_admin.h"
#include "scim_json.h"
#include "scim_uuid.h"

/* Shared by the families of the admin API; nobody else includes it. */
#define SCIM_ADMIN_LIMIT_DEFAULT 100
#define SCIM_ADMIN_LIMIT_MAX     1000
#define SCIM_ADMIN_AUDIT_FIELDS  13 /* of an entry in a reply */

typedef struct {
    scim_operation_t head;
    char            *id;      /* of the path, "" when it has none */
    char            *other;   /* the second one */
    const char      *cursor;  /* "" = from the beginning */
    const char      *state;   /* ?state= */
    const char      *app;     /* ?app= */
    const char      *after;   /* ?after= */
    long long        limit;
    json_t          *body;
    json_t          *result;  /* what is answered in the end */
    long long        version; /* of the app that is changed */
    char             new_id[SCIM_UUID_LEN + 1];
} scim_admin_t;

typedef scim_step_t (*scim_admin_handler_pt)(scim_admin_t *admin);

/* Answers `value` (stolen) as JSON. */
scim_step_t scim_admin_answer(scim_admin_t *admin, int status, json_t *value);
scim_step_t scim_admin_nothing(scim_admin_t *admin); /* 204 */
scim_step_t scim_admin_error(scim_admin_t *admin, int status,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The usual end of a write: 204, 404, 409. */
scim_step_t scim_admin_written(scim_operation_t *operation,
    const scim_reply_t *reply);

/* {"<plural>":[...],"nextCursor"?}; takes `list`, cursor may be NULL. */
scim_step_t scim_admin_list(scim_admin_t *admin, const char *plural,
    json_t *list, const char *cursor);

/* Actor and transaction, as every write ends its arguments. */
void scim_admin_sign(scim_admin_t *admin);

/*
 * Adds a text for the audit: which members of a definition are new, and how
 * many there are where that is a number; `old` NULL: it is made.  Never a
 * value: these may name people.
 */
void scim_admin_say_changed(scim_admin_t *admin, const json_t *old,
    const json_t *now);

/* A JSON record of Redis; NULL when it is damaged. */
json_t *scim_admin_record(scim_text_t text);

/* Writes `patch` over `target` (RFC 7386, section 2). */
void scim_admin_merge(json_t *target, const json_t *patch);

/* {"userId","userName","email","active"} of a user record. */
json_t *scim_admin_person(scim_text_t id, scim_text_t record);

/*
 * Is the `accessRole` of admin->result, where it has one, one of the app's?
 * From the reply of `record`; false after answering 400, or 404: no app.
 */
bool scim_admin_access_role_fits(scim_admin_t *admin,
    const scim_reply_t *reply);

/* A required, non-empty string of the body; NULL after answering 400. */
const char *scim_admin_text(scim_admin_t *admin, const char *name,
    size_t max);

/* Is the word one of these, or empty? */
bool scim_admin_is_one_of(const char *word, const char *const *words,
    size_t count);

/* One entry of the audit, from element `at` of a reply on. */
json_t *scim_admin_audit_entry(const scim_reply_t *reply, size_t at);

/* Sets a text member. */
void scim_admin_set(json_t *object, const char *name, scim_text_t text);

scim_step_t scim_admin_teams_get(scim_admin_t *admin);
scim_step_t scim_admin_teams_post(scim_admin_t *admin);
scim_step_t scim_admin_team_get(scim_admin_t *admin);
scim_step_t scim_admin_team_member_put(scim_admin_t *admin);
scim_step_t scim_admin_team_member_delete(scim_admin_t *admin);
scim_step_t scim_admin_apps_get(scim_admin_t *admin);
scim_step_t scim_admin_apps_post(scim_admin_t *admin);
scim_step_t scim_admin_app_get(scim_admin_t *admin);
scim_step_t scim_admin_app_put(scim_admin_t *admin);
scim_step_t scim_admin_app_patch(scim_admin_t *admin);
scim_step_t scim_admin_app_delete(scim_admin_t *admin);
scim_step_t scim_admin_shares_get(scim_admin_t *admin);
scim_step_t scim_admin_share_team_put(scim_admin_t *admin);
scim_step_t scim_admin_share_team_delete(scim_admin_t *admin);
scim_step_t scim_admin_share_user_put(scim_admin_t *admin);
scim_step_t scim_admin_share_user_delete(scim_admin_t *admin);
scim_step_t scim_admin_members_get(scim_admin_t *admin);
scim_step_t scim_admin_invite_resend(scim_admin_t *admin);
scim_step_t scim_admin_invite_revoke(scim_admin_t *admin);
scim_step_t scim_admin_member_get(scim_admin_t *admin);
scim_step_t scim_admin_plan_post(scim_admin_t *admin);
scim_step_t scim_admin_plan_get(scim_admin_t *admin);
scim_step_t scim_admin_tasks_get(scim_admin_t *admin);
scim_step_t scim_admin_task_retry(scim_admin_t *admin);
scim_step_t scim_admin_task_done(scim_admin_t *admin);
scim_step_t scim_admin_checks_get(scim_admin_t *admin);
scim_step_t scim_admin_checks_post(scim_admin_t *admin);
scim_step_t scim_admin_check_get(scim_admin_t *admin);
scim_step_t scim_admin_check_apply(scim_admin_t *admin);
scim_step_t scim_admin_holds_get(scim_admin_t *admin);
scim_step_t scim_admin_hold_approve(scim_admin_t *admin);
scim_step_t scim_admin_hold_reject(scim_admin_t *admin);
scim_step_t scim_admin_tokens_get(scim_admin_t *admin);
scim_step_t scim_admin_tokens_post(scim_admin_t *admin);
scim_step_t scim_admin_token_delete(scim_admin_t *admin);
scim_step_t scim_admin_webhooks_get(scim_admin_t *admin);
scim_step_t scim_admin_webhooks_post(scim_admin_t *admin);
scim_step_t scim_admin_webhook_get(scim_admin_t *admin);
scim_step_t scim_admin_webhook_patch(scim_admin_t *admin);
scim_step_t scim_admin_webhook_delete(scim_admin_t *admin);
scim_step_t scim_admin_webhook_test(scim_admin_t *admin);
scim_step_t scim_admin_webhook_replay(scim_admin_t *admin);
scim_step_t scim_admin_webhook_deliveries(scim_admin_t *admin);
scim_step_t scim_admin_audit_get(scim_admin_t *admin);
scim_step_t scim_admin_resync(scim_admin_t *admin);
scim_step_t scim_admin_replay(scim_admin_t *admin);
scim_step_t scim_admin_stats_get(scim_admin_t *admin);

#endif
