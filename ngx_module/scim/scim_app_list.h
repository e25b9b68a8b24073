#ifndef SCIM_APP_LIST_H
#define SCIM_APP_LIST_H

#include <jansson.h>
#include <stdbool.h>

/* Can the members of an app with this (valid) connector be listed? */
bool scim_app_can_list(const json_t *connector);

/*
 * Do its lists show people who have not accepted their invite yet: the one of
 * its members, or one of its open invites?
 */
bool scim_app_lists_pending(const json_t *connector);

#endif
