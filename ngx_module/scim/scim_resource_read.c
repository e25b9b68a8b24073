#include "scim_resource.h"


static scim_step_t
answer_get(scim_resource_t *resource)
{
    uint64_t version = resource->entry->record.version;

    if (!scim_resource_if_match(resource, version)) {
        return scim_resource_other_version(resource);
    }
    if (scim_resource_if_none_match(resource, version)) {
        scim_resource_headers(resource, version);
        return scim_operation_end(&resource->operation, 304);
    }
    return scim_resource_answer(resource, 200);
}


scim_step_t
scim_resource_get(scim_operation_t *operation, const scim_reply_t *none)
{
    scim_resource_t *resource = (scim_resource_t *) operation;

    (void) none;
    if (!scim_resource_read_query(resource)) {
        return SCIM_STEP_DONE;
    }
    if (resource->query.filter.text) {
        return scim_resource_fetch(resource, false, scim_resource_list_one);
    }
    return scim_resource_fetch(resource, scim_resource_wants_extra(resource),
        answer_get);
}


scim_step_t
scim_resource_unknown(scim_operation_t *operation, const scim_reply_t *none)
{
    (void) none;
    return scim_resource_not_found((scim_resource_t *) operation);
}
