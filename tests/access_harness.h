#ifndef ACCESS_HARNESS_H
#define ACCESS_HARNESS_H

#include "facts.h"
#include "redis_client.h"
#include "redis_harness.h"

/*
 * The sidecar's work against a real Redis, step by step, in the order that a
 * test wants.
 */

/*
 * An app of two access roles that settles at once.  `more`: more members of
 * its definition, with a comma before them.  Its id is written.
 */
void access_app(redis_harness_t *harness, const char *more, char id[64]);

/* "<name>@example.com"; the id is written. */
void access_user(redis_harness_t *harness, const char *name, char id[64]);

void access_set_active(redis_harness_t *harness, const char *user,
    bool active);

/* A share of the user's own: owner or collaborator. */
void access_share(redis_harness_t *harness, const char *app,
    const char *user, const char *role);
void access_unshare(redis_harness_t *harness, const char *app,
    const char *user);

/* A share, which is planned, and its invite is done. */
void access_connect(redis_harness_t *harness, const char *app,
    const char *user, const char *role);

/* A function of the library: its arguments as texts, NULL at the end. */
redisReply *access_call(redis_harness_t *harness, const char *function, ...)
    __attribute__((sentinel));

/* The same; the answer's code must be this one. */
void access_expect(redis_harness_t *harness, const char *code,
    const char *function, ...) __attribute__((sentinel));

/* The facts of a user; free with facts_free(). */
facts_t *access_facts(redis_harness_t *harness, const char *user);

/*
 * Commits what the planner makes of the facts.  Tasks get the ids
 * "<first>-0", "<first>-1", ...  The caller frees the reply.
 */
redisReply *access_commit(redis_harness_t *harness, const char *user,
    const facts_t *facts, const char *first);

/* The same, and `owner` claims the new tasks in the same call. */
redisReply *access_commit_for(redis_harness_t *harness, const char *user,
    const facts_t *facts, const char *first, const char *owner);

/* Teams follow the directory, for one user, who is planned and committed. */
void access_plan(redis_harness_t *harness, const char *user);

/* The open task of a grant is claimed and ends so (done, failed, manual,
 * waiting); "" when there is none. */
void access_finish(redis_harness_t *harness, const char *app,
    const char *user, const char *state, const char *unknown);

/* A field of a grant, valid until 32 more were read; "" = none. */
const char *access_grant(redis_harness_t *harness, const char *app,
    const char *user, const char *field);
const char *access_task(redis_harness_t *harness, const char *app,
    const char *user, const char *field);

#endif
