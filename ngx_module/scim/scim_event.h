#ifndef SCIM_EVENT_H
#define SCIM_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "scim_schema.h"

/*
 * Entries of the event stream as Security Event Tokens: RFC 9967 (SCIM events)
 * in the claims of RFC 8417.  Claims only: who delivers them signs them.
 *
 *   user.created                          prov:create
 *   user.replaced                         prov:put
 *   user.patched, group.members           prov:patch
 *   user.deleted                          prov:delete
 *   active changed with one of these      prov:activate, prov:deactivate
 *   async.completed                       misc:asyncresp
 *
 * What happens to teams, shares and apps is nobody's business outside.
 */
typedef struct {
    const char   *op;      /* fields of the entry, PROTOCOL.md */
    const char   *type;
    const char   *id;      /* "" when there is none: a create that failed */
    long long     version; /* 0 = none */
    int64_t       ts;      /* ms */
    const char   *txn;
    const json_t *data;
} scim_event_t;

typedef struct {
    const char *jti;      /* of this token alone */
    const char *issuer;   /* the base URL, as clients see it */
    const char *audience;
    bool        full;     /* `full` events where they can be made, or notices */
    /*
     * The resource as clients see it, or NULL.  Used when it is the version
     * that the event is about: an event says what changed, not to what.
     */
    const json_t *resource;
} scim_event_token_t;

/*
 * The claims, a new reference.  NULL: events of this kind are none of SCIM's,
 * or memory is gone.
 */
json_t *scim_event_claims(const scim_schemas_t *schemas,
    const scim_event_t *event, const scim_event_token_t *token);

/*
 * URIs of events that somebody can receive, for ServiceProviderConfig; NULL
 * behind the last one.
 */
const char *scim_event_uri(size_t i);

#endif
