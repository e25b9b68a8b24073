#include <string.h>

#include "scim_patch_internal.h"


static bool
invalid(patch_t *patch, const char *what)
{
    return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE, "%s",
        what);
}


/* `value eq "a"`, and such joined by `or`: whom the path names. */
static bool
named_by_filter(patch_t *patch, const scim_filter_t *filter)
{
    if (filter->kind == SCIM_FILTER_OR) {
        return named_by_filter(patch, filter->left)
            && named_by_filter(patch, filter->right);
    }
    if (filter->kind != SCIM_FILTER_EQ || filter->sub == NULL
        || strcmp(filter->sub->name, "value") != 0
        || !json_is_string(filter->value))
    {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_PATH,
            "members can only be chosen by value eq \"...\"");
    }
    if (json_string_length(filter->value) > SCIM_MEMBER_ID_MAX) {
        return true; /* nobody has such an id */
    }
    return scim_members_remove(patch->members,
        json_string_value(filter->value), json_string_length(filter->value));
}


/*
 * Who is removed is said by the path or by a list of values.  Only a remove
 * without any `value` key means everybody; an empty or null one is a
 * client's mistake and must never be read so (reference L-12, L-13).
 */
static bool
remove_members(patch_t *patch, const scim_path_t *path, const json_t *value)
{
    bool    ok;
    size_t  i;
    json_t *id, *ids;

    if (path->filter) {
        if (value) { /* the path decides */
            scim_lenient_note(patch->lenient, SCIM_LENIENT_MEMBERS_TWICE);
        }
        return named_by_filter(patch, path->filter);
    }
    if (value == NULL) {
        return scim_members_replace(patch->members);
    }
    if (json_is_null(value)) {
        return invalid(patch, "remove of members with a null value; leave "
            "value out to remove everybody");
    }
    scim_lenient_note(patch->lenient, SCIM_LENIENT_MEMBERS_VALUE_LIST);
    ids = json_array();
    ok = scim_members_read(value, ids, patch->lenient, patch->error);
    if (ok && json_array_size(ids) == 0) {
        ok = invalid(patch, "remove of members with an empty value; leave "
            "value out to remove everybody");
    }
    json_array_foreach(ids, i, id) {
        ok = ok && scim_members_remove(patch->members, json_string_value(id),
            json_string_length(id));
    }
    json_decref(ids);
    return ok;
}


static bool
add_members(patch_t *patch, patch_verb_t verb, const json_t *value)
{
    bool    ok;
    size_t  i;
    json_t *id, *ids;

    if (value == NULL || json_is_null(value)
        || (json_is_string(value) && json_string_length(value) == 0))
    {
        return invalid(patch, "members needs a value; send [] to name "
            "nobody");
    }
    ids = json_array();
    ok = scim_members_read(value, ids, patch->lenient, patch->error);
    if (ok && verb == PATCH_REPLACE) {
        ok = scim_members_replace(patch->members);
    }
    json_array_foreach(ids, i, id) {
        if (ok && strcmp(json_string_value(id), patch->id) == 0) {
            ok = invalid(patch, "a group cannot be its own member");
        }
        ok = ok && scim_members_add(patch->members, json_string_value(id),
            json_string_length(id));
    }
    json_decref(ids);
    return ok;
}


bool
scim_patch_members(patch_t *patch, patch_verb_t verb, const scim_path_t *path,
    const json_t *value)
{
    /* remove of members.value names nobody, so it must not mean everybody */
    if (path->sub || (path->filter && verb != PATCH_REMOVE)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_MUTABILITY,
            "a member is added or removed, not edited");
    }
    return verb == PATCH_REMOVE ? remove_members(patch, path, value)
                                : add_members(patch, verb, value);
}
