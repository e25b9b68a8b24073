#ifndef SCIM_MEMBERS_H
#define SCIM_MEMBERS_H

#include <jansson.h>

#include "scim_error.h"
#include "scim_lenient.h"

#define SCIM_MEMBER_ID_MAX 128 /* bytes; [A-Za-z0-9._:@-] only */

/*
 * What a request does to the memberships of a group, without knowing who is
 * in it: memberships are keys of their own, never part of the document.
 */
typedef enum {
    SCIM_MEMBERS_KEEP,   /* says nothing about members */
    SCIM_MEMBERS_DELTA,  /* add these, remove those */
    SCIM_MEMBERS_REPLACE /* exactly `add`; an empty `add` empties the group */
} scim_members_mode_t;

typedef struct {
    scim_members_mode_t mode;
    json_t             *add;    /* object: id -> true, in order of arrival */
    json_t             *remove; /* object: id -> true; empty for REPLACE */
} scim_members_t;

/* False only when memory is gone. */
bool scim_members_init(scim_members_t *members);
void scim_members_free(scim_members_t *members);

/*
 * The operations of a PATCH fold into one net delta, in order: a later add
 * takes an earlier remove back and the other way round.  After a replace they
 * change the new list itself.
 */
bool scim_members_add(scim_members_t *members, const char *id, size_t len);
bool scim_members_remove(scim_members_t *members, const char *id, size_t len);
bool scim_members_replace(scim_members_t *members); /* start a new list */

/*
 * Reads ids out of any accepted form of a `members` value (array or one of:
 * object with value, object with $ref, plain string; {members:[...]} is
 * unwrapped once) into `ids`, an empty array made by the caller.  Reference
 * L-13, L-14, L-19a..L-19h.  False with *error (400 invalidValue) when an
 * element has no usable id.
 */
bool scim_members_read(const json_t *value, json_t *ids,
    scim_lenient_t *lenient, scim_error_t *error);

#endif
