#include "scim_app_list.h"


bool
scim_app_can_list(const json_t *connector)
{
    return json_object_get(connector, "list") != NULL;
}


bool
scim_app_lists_pending(const json_t *connector)
{
    return !json_is_false(json_object_get(json_object_get(connector, "list"),
        "pending"));
}
