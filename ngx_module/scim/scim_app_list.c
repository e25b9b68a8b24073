#include "scim_app_list.h"

#include <string.h>


bool
scim_app_can_list(const json_t *connector)
{
    const char *type = json_string_value(json_object_get(connector, "type"));

    return json_object_get(connector, "list") != NULL
        || (type && strcmp(type, "scim") == 0);
}


bool
scim_app_lists_pending(const json_t *connector)
{
    return json_object_get(connector, "openInvites") != NULL
        || !json_is_false(json_object_get(json_object_get(connector, "list"),
            "pending"));
}
