#ifndef SCIM_NAME_H
#define SCIM_NAME_H

#include <jansson.h>

#include "scim_schema.h"

#define SCIM_NAME_MAX 256 /* bytes of a user's name where others show it */

/*
 * What a user or group is called where others show it (members[].display,
 * groups[].display; RFC 7643 section 2.4): a group by its displayName, a user
 * by displayName, name.formatted, givenName and familyName, or userName, the
 * first that is there and not too long.  A new string, "" when there is none
 * (as for a NULL document), NULL when memory is gone.
 */
json_t *scim_name_of(const scim_resource_type_t *type,
    const json_t *document);

#endif
