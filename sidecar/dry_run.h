#ifndef SIDECAR_DRY_RUN_H
#define SIDECAR_DRY_RUN_H

#include <hiredis/hiredis.h>
#include <openssl/evp.h>

#include "app_cache.h"
#include "scim_app.h"
#include "what_if.h"

/*
 * A dry run of one change: everybody whom it concerns goes through the
 * planner, with the facts as they would be.  Nothing is written.  The hash
 * stands for the change and for everything that it would do.
 *
 * The change is one of
 *   {"subject": "team:<id>" or "user:<id>", "role", "accessRole"}
 *   {"subject"}      that share is taken away
 *   {"definition"}   the app's, validated
 *   {"deleted": true}
 */
#define DRY_RUN_HASH_SIZE 65 /* hexadecimal, NUL */

typedef struct {
    char        app[80];
    json_t     *change;
    what_if_t   what_if;
    scim_app_t  stored, definition;
    EVP_MD_CTX *digest;
    long long   people;
    long long   counts[WHAT_COUNT];  /* rows */
    long long   guarded[WHAT_COUNT]; /* losses among them */
} dry_run_t;

/* Takes `change`, also on failure: it is none, or memory is gone. */
bool dry_run_init(dry_run_t *run, const char *app, json_t *change);
void dry_run_free(dry_run_t *run);

/* "" or the subject of a share. */
const char *dry_run_subject(const dry_run_t *run);

/* From the reply of what_if_app; NULL or what is wrong, a literal. */
const char *dry_run_take_app(dry_run_t *run, const redisReply *reply);

/*
 * The next person, from the reply of `facts`.  *row is what happens to them
 * ("guarded": a loss that the guard may hold), to be freed; NULL for nothing.
 * False when the reply is damaged or memory is gone.
 */
bool dry_run_person(dry_run_t *run, const char *user, const redisReply *facts,
    long long place, app_cache_t *cache, json_t **row);

/* After the last person: what a row says when the guard holds its loss. */
void dry_run_settle_row(const dry_run_t *run, json_t *row);

/* {"invite": 3, ...}; {"held","losses","leaving","limit"} */
json_t *dry_run_counts(const dry_run_t *run);
json_t *dry_run_guard(const dry_run_t *run);

/* Once, at the end.  False when memory is gone. */
bool dry_run_hash(dry_run_t *run, char hash[DRY_RUN_HASH_SIZE]);

#endif
