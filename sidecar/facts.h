#ifndef SIDECAR_FACTS_H
#define SIDECAR_FACTS_H

#include <hiredis/hiredis.h>

#include "app_cache.h"
#include "planner.h"

/*
 * What the function `facts` answered, as the planner takes it.  Owns every
 * text that `plan` points at.
 */
typedef struct {
    char         digest[48]; /* what plan_commit compares */
    plan_facts_t plan;
    void        *memory; /* private */
} facts_t;

/*
 * NULL when the reply is damaged or memory is gone.  The apps are lent by the
 * cache until facts_free().
 */
facts_t *facts_read(const redisReply *reply, app_cache_t *cache);
void facts_free(facts_t *facts);

/* A person as connectors and the planner see one. */
typedef struct {
    bool active;
    char email[320]; /* primary, else work, else first; "" = none */
    char user_name[320];
    char display_name[320];
    char given_name[160];
    char family_name[160];
} person_t;

/* From a user record (header and document); inactive when it is "". */
void person_read(const char *record, size_t len, person_t *person);

/* The grant fields of `facts` and `task_claim`, in their order. */
#define GRANT_FIELD_COUNT 21
enum {
    GRANT_FIELD_STATE, GRANT_FIELD_ROLE, GRANT_FIELD_ACCESS_ROLE,
    GRANT_FIELD_APPLIED_ROLE, GRANT_FIELD_SOURCES, GRANT_FIELD_MEMBER_ID,
    GRANT_FIELD_EMAIL, GRANT_FIELD_USER_NAME, GRANT_FIELD_V,
    GRANT_FIELD_TASK, GRANT_FIELD_LOST_AT, GRANT_FIELD_BEFORE,
    GRANT_FIELD_REPLAN, GRANT_FIELD_KEPT, GRANT_FIELD_HELD_AS,
    GRANT_FIELD_CODE, GRANT_FIELD_RESEND,
    GRANT_FIELD_INVITED_AT, GRANT_FIELD_REMINDED_AT, GRANT_FIELD_REMINDED,
    GRANT_FIELD_REINVITED
};

#endif
