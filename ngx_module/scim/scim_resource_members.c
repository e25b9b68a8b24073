#include "scim_resource.h"

#include <stdio.h>
#include <string.h>

#include "scim_key.h"

/*
 * What a group's entry shows beside its document: members, of which the
 * function that gave the entry told the first ones, and what these are called.
 * Names are not kept in the group, so that a user's new name changes nothing
 * but the user: they are looked up when members are shown, as many as possible
 * at a time, first users', then groups'.  Both by plain commands: what Lua
 * hands over costs several times as much.
 */
#define PAGE_MAX 1000 /* members or names that one command asks for */


/* ---- members ---- */

bool
scim_resource_members_valid(scim_text_t ids)
{
    const char *id = ids.text;

    if (ids.len % SCIM_MEMBER_LEN) {
        return false;
    }
    for ( ; id < ids.text + ids.len; id += SCIM_MEMBER_LEN) {
        if ((*id != 'U' && *id != 'G')
            || !scim_uuid_valid(id + 1, SCIM_UUID_LEN))
        {
            return false;
        }
    }
    return true;
}


/* The first entry whose members are not all here, or NULL. */
static scim_entry_t *
incomplete(const scim_resource_t *resource)
{
    for (size_t i = 0; i < resource->entry_count; i++) {
        if (resource->entry[i].extra_here < resource->entry[i].extra_total) {
            return &resource->entry[i];
        }
    }
    return NULL;
}


/* Room for one more string of members. */
static bool
make_room(scim_resource_t *resource, scim_entry_t *entry)
{
    size_t       room;
    scim_text_t *larger;

    if (entry->extra_count < entry->extra_room) {
        return true;
    }
    room = 2 * entry->extra_room + 100;
    larger = scim_arena_alloc(&resource->page, room * sizeof(*larger));
    if (larger == NULL) {
        return false;
    }
    if (entry->extra_count) {
        memcpy(larger, entry->extra, entry->extra_count * sizeof(*larger));
    }
    entry->extra = larger;
    entry->extra_room = room;
    return true;
}


static bool
add_page(scim_resource_t *resource, scim_entry_t *entry,
    const scim_reply_t *reply)
{
    char       *page = scim_arena_alloc(&resource->page,
              reply->elements * SCIM_MEMBER_LEN);
    scim_text_t member, ids = { page, 0 };

    if (page == NULL || !make_room(resource, entry)) {
        scim_resource_error(resource, 500, SCIM_ERROR_NONE, "no memory");
        return false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        member = scim_reply_text(reply, i);
        if (member.len != SCIM_MEMBER_LEN
            || !scim_resource_members_valid(member))
        {
            scim_resource_error(resource, 500, SCIM_ERROR_NONE,
                "the store holds a damaged member");
            return false;
        }
        memcpy(page + ids.len, member.text, SCIM_MEMBER_LEN);
        ids.len += SCIM_MEMBER_LEN;
    }
    entry->extra[entry->extra_count++] = ids;
    entry->extra_here += reply->elements;
    return true;
}


static scim_step_t request_members(scim_resource_t *resource,
    scim_entry_t *entry);
static scim_step_t begin_names(scim_resource_t *resource);


static scim_step_t
on_members(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_resource_t *resource = (scim_resource_t *) operation;
    scim_entry_t    *entry = incomplete(resource);

    if (reply->elements == 0) {
        entry->extra_total = entry->extra_here; /* somebody left meanwhile */
    } else if (!add_page(resource, entry, reply)) {
        return SCIM_STEP_DONE;
    }
    entry = incomplete(resource);
    return entry ? request_members(resource, entry) : begin_names(resource);
}


static scim_step_t
request_members(scim_resource_t *resource, scim_entry_t *entry)
{
    char                    key[SCIM_KEY_MAX], id[SCIM_UUID_LEN + 16];
    char                    after[SCIM_MEMBER_LEN + 2] = "-";
    scim_operation_t       *operation = &resource->operation;
    const scim_principal_t *principal = operation->request->principal;
    const scim_text_t      *last;

    snprintf(id, sizeof(id), "%.*s:members", (int) entry->id.len,
        entry->id.text);
    if (entry->extra_count) {
        last = &entry->extra[entry->extra_count - 1];
        snprintf(after, sizeof(after), "(%.*s", SCIM_MEMBER_LEN,
            last->text + last->len - SCIM_MEMBER_LEN);
    }
    scim_command_plain(operation, "ZRANGEBYLEX");
    scim_command_add(operation, key, scim_key(key, principal->shard,
        principal->workspace, resource->type->key_word, id, strlen(id)));
    scim_command_text(operation, after);
    scim_command_text(operation, "+");
    scim_command_text(operation, "LIMIT");
    scim_command_text(operation, "0");
    scim_command_number(operation, PAGE_MAX);
    return scim_command_send(operation, on_members);
}


/* ---- names ---- */

static scim_step_t request_names(scim_resource_t *resource);


/* The member at the place or the first one behind it; NULL at the end. */
static const char *
member_at(const scim_resource_t *resource, scim_member_place_t *place)
{
    const scim_entry_t *entry;

    while (place->entry < resource->entry_count) {
        entry = &resource->entry[place->entry];
        if (place->page == entry->extra_count) {
            *place = (scim_member_place_t) { .entry = place->entry + 1 };
        } else if (place->offset == entry->extra[place->page].len) {
            place->page++;
            place->offset = 0;
        } else {
            return entry->extra[place->page].text + place->offset;
        }
    }
    return NULL;
}


static void
move_on(scim_member_place_t *place)
{
    place->offset += SCIM_MEMBER_LEN;
    place->member++;
}


static void
set_name(scim_resource_t *resource, const scim_member_place_t *place,
    scim_text_t name)
{
    scim_entry_t *entry = &resource->entry[place->entry];

    if (name.len <= 2 || name.text[0] != '"'
        || name.text[name.len - 1] != '"')
    {
        return; /* none, or an empty one */
    }
    if (entry->name == NULL) {
        entry->name = scim_arena_alloc(&resource->page,
            entry->extra_here * sizeof(*entry->name));
    }
    name.text = scim_arena_copy(&resource->page, name.text, name.len);
    if (entry->name && name.text) {
        entry->name[place->member] = name;
    }
}


static scim_step_t
on_names(scim_operation_t *operation, const scim_reply_t *reply)
{
    size_t               i = 0;
    const char          *member;
    scim_resource_t     *resource = (scim_resource_t *) operation;
    scim_member_place_t *place = &resource->named_to;

    while (i < reply->elements
           && (member = member_at(resource, place)) != NULL)
    {
        if (*member == resource->named_kind) {
            set_name(resource, place, scim_reply_text(reply, i++));
        }
        move_on(place);
    }
    if (i == 0 || resource->page.failed) {
        return scim_resource_error(resource, 500, SCIM_ERROR_NONE,
            i ? "no memory" : "the store gave no names");
    }
    return request_names(resource);
}


static size_t
add_ids(scim_resource_t *resource)
{
    size_t              n = 0;
    const char         *member;
    scim_member_place_t place = resource->named_to;

    while (n < PAGE_MAX && (member = member_at(resource, &place)) != NULL) {
        if (*member == resource->named_kind) {
            scim_command_add(&resource->operation, member + 1, SCIM_UUID_LEN);
            n++;
        }
        move_on(&place);
    }
    return n;
}


static scim_step_t
request_names(scim_resource_t *resource)
{
    char                    key[SCIM_KEY_MAX];
    scim_operation_t       *operation = &resource->operation;
    const scim_principal_t *principal = operation->request->principal;

    scim_command_plain(operation, "HMGET");
    scim_command_add(operation, key, scim_key(key, principal->shard,
        principal->workspace, resource->named_kind == 'U' ? "user-names"
                                                          : "group-names",
        NULL, 0));
    if (add_ids(resource)) {
        return scim_command_send(operation, on_names);
    }
    if (resource->named_kind == 'G') {
        return resource->done(resource);
    }
    resource->named_kind = 'G';
    resource->named_to = (scim_member_place_t) { 0 };
    return request_names(resource);
}


static scim_step_t
begin_names(scim_resource_t *resource)
{
    if (!resource->named) {
        return resource->done(resource);
    }
    resource->named_kind = 'U';
    resource->named_to = (scim_member_place_t) { 0 };
    return request_names(resource);
}


scim_step_t
scim_resource_complete(scim_resource_t *resource, scim_resource_step_t done)
{
    scim_entry_t *entry;

    if (!scim_resource_is_group(resource)) {
        return scim_resource_complete_groups(resource, done);
    }
    entry = incomplete(resource);
    if (entry == NULL && !resource->named) {
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
    return entry ? request_members(resource, entry) : begin_names(resource);
}
