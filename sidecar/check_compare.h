#ifndef SIDECAR_CHECK_COMPARE_H
#define SIDECAR_CHECK_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "connector_list.h"
#include "planner.h"

/*
 * What an app's list says beside the grants: pure.  Members and grants are
 * added in any order, then compared once.
 *
 * Members are found by the id that the app gave at the invite, else by
 * address, else by userName (both case-folded).  A grant that is changing is
 * matched, so that nobody takes its person for a stranger, and not judged.
 */
#define CHECK_MEMBERS_MAX 1000000

typedef struct check_compare_s check_compare_t;

typedef struct {
    const char *const *exempt; /* members left alone: address or id */
    size_t             exempt_count;
    const char *const *access_roles; /* weakest first */
    size_t             access_role_count;
    bool               lists_pending; /* invites not accepted are listed */
    long long          listed_last; /* members, -1 = never listed */
} check_options_t;

/* Texts are lent for the call; "" where there is none. */
typedef struct {
    const char   *user, *access_role, *member_id, *email, *user_name, *v;
    grant_state_t state;
    bool          busy; /* changed since listing began, or is about to */
} check_grant_t;

typedef enum { FINDING_MISSING, FINDING_ROLE, FINDING_UNKNOWN }
    finding_kind_t;

typedef enum { ACTION_NONE, ACTION_INVITE, ACTION_ROLE, ACTION_REMOVE }
    finding_action_t;

/* Texts belong to the comparison. */
typedef struct {
    finding_kind_t   kind;
    finding_action_t action;
    const char      *user;      /* "" when no grant says */
    const char      *member_id; /* "" when the app did not say */
    const char      *email;
    const char      *address;   /* the same, folded */
    const char      *expected, *actual; /* access roles */
    const char      *v;         /* of the grant that was looked at */
    bool             accepted;  /* of an identity alone */
} finding_t;

/* The options' texts must outlive the comparison.  NULL: no memory. */
check_compare_t *check_compare_new(const check_options_t *options);
void check_compare_free(check_compare_t *compare);

/* False: no memory, or more than CHECK_MEMBERS_MAX. */
bool check_compare_member(check_compare_t *compare,
    const connector_member_t *member) __attribute__((warn_unused_result));
bool check_compare_grant(check_compare_t *compare,
    const check_grant_t *grant) __attribute__((warn_unused_result));

/* Compares.  False: no memory. */
bool check_compare_run(check_compare_t *compare)
    __attribute__((warn_unused_result));

/* Of check_compare_run(): missing and role in the order of the grants, then
 * unknown in the order of the list. */
const finding_t *check_compare_findings(const check_compare_t *compare,
    size_t *count);

/*
 * What the list tells about people who are there by right: the id by which
 * the app knows them now, and that an invite was accepted.  user, member_id,
 * v and accepted are set.  Nothing to ask anybody about, and to be learned
 * at once: a removal would miss them.
 */
const finding_t *check_compare_identities(const check_compare_t *compare,
    size_t *count);

/* Members that the app listed as active. */
size_t check_compare_listed(const check_compare_t *compare);

/*
 * Why the list is not to be believed without a person, in words; "" when it
 * is: nobody at all, or less than half of the last list and more than ten
 * people fewer.
 */
const char *check_compare_suspicion(const check_compare_t *compare);

/* Findings that a rule would remove somebody for. */
size_t check_compare_removals(const check_compare_t *compare);

const char *finding_kind_name(finding_kind_t kind);
const char *finding_action_name(finding_action_t action);

#endif
