#include "scim_resource.h"

#include <string.h>

#include "scim_uuid.h"

/*
 * Users whose groups were too many to be told with all the others
 * (conf/redis/10_directory.lua): some users are asked for at a time, and those
 * whose groups do not come with this answer once more.
 */
#define ASKED_MAX 16


static scim_step_t request_groups(scim_resource_t *resource);


static bool
lacks_groups(const scim_entry_t *entry)
{
    return entry->extra_count == 0 && entry->extra_total > 0;
}


/* Moves on to the first entry that lacks its groups; false = none does. */
static bool
find_lacking(scim_resource_t *resource)
{
    while (resource->lacking < resource->entry_count) {
        if (lacks_groups(&resource->entry[resource->lacking])) {
            return true;
        }
        resource->lacking++;
    }
    return false;
}


static scim_step_t
damaged(scim_resource_t *resource)
{
    return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
        "the store gave an answer that cannot be read");
}


/* An entry of the answer: those before it that were asked for are gone. */
static void
take_groups(scim_resource_t *resource, size_t *at, const scim_entry_t *read)
{
    scim_entry_t *entry;

    while (*at < resource->entry_count) {
        entry = &resource->entry[(*at)++];
        if (!lacks_groups(entry)) {
            continue;
        }
        if (memcmp(entry->id.text, read->id.text, SCIM_UUID_LEN) != 0) {
            entry->extra_total = 0;
            continue;
        }
        entry->extra = read->extra;
        entry->extra_total = read->extra_total;
        entry->extra_count = entry->extra_room = read->extra_count;
        return;
    }
}


static scim_step_t
on_groups(scim_operation_t *operation, const scim_reply_t *reply)
{
    size_t           at = 3, entry_at, asked = 0;
    long long        count = scim_reply_number(reply, 2);
    scim_entry_t     read;
    scim_resource_t *resource = (scim_resource_t *) operation;

    if (!scim_reply_is(reply, "OK")) {
        return damaged(resource);
    }
    entry_at = resource->lacking;
    while (count-- > 0) {
        memset(&read, 0, sizeof(read));
        if (!scim_resource_take_entry(resource, reply, &at, &read)) {
            return damaged(resource);
        }
        scim_resource_keep_entry(resource, &read);
        take_groups(resource, &entry_at, &read);
        asked++;
    }
    if (resource->page.failed) {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "no memory");
    }
    if (asked == 0) { /* whoever was asked for is gone */
        resource->entry[resource->lacking].extra_total = 0;
    }
    return find_lacking(resource) ? request_groups(resource)
                                  : resource->done(resource);
}


static scim_step_t
request_groups(scim_resource_t *resource)
{
    size_t            asked = 0;
    scim_operation_t *operation = &resource->operation;

    scim_command_call(operation, "list_read", true);
    scim_command_text(operation, resource->type->key_word);
    scim_command_text(operation, "1");
    for (size_t i = resource->lacking;
         i < resource->entry_count && asked < ASKED_MAX; i++)
    {
        if (lacks_groups(&resource->entry[i])) {
            scim_command_add(operation, resource->entry[i].id.text,
                SCIM_UUID_LEN);
            asked++;
        }
    }
    return scim_command_send(operation, on_groups);
}


scim_step_t
scim_resource_complete_groups(scim_resource_t *resource,
    scim_resource_step_t done)
{
    resource->lacking = 0;
    if (!find_lacking(resource)) {
        return done(resource);
    }
    for (size_t i = 0; i < resource->entry_count; i++) {
        scim_resource_keep_entry(resource, &resource->entry[i]);
    }
    if (resource->page.failed) {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            "no memory");
    }
    resource->done = done;
    return request_groups(resource);
}
