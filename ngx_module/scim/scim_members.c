#include "scim_members.h"

#include <string.h>

#include "scim_fold.h"


bool
scim_members_init(scim_members_t *members)
{
    members->mode = SCIM_MEMBERS_KEEP;
    members->add = json_object();
    members->remove = json_object();
    return members->add != NULL && members->remove != NULL;
}


void
scim_members_free(scim_members_t *members)
{
    json_decref(members->add);
    json_decref(members->remove);
    members->add = members->remove = NULL;
}


static bool
move_id(scim_members_t *members, json_t *from, json_t *to, const char *id,
    size_t len)
{
    char key[SCIM_MEMBER_ID_MAX + 1];

    if (len > SCIM_MEMBER_ID_MAX) {
        return false;
    }
    memcpy(key, id, len);
    key[len] = '\0';
    if (members->mode == SCIM_MEMBERS_KEEP) {
        members->mode = SCIM_MEMBERS_DELTA;
    }
    json_object_del(from, key);
    if (to == members->remove && members->mode == SCIM_MEMBERS_REPLACE) {
        return true;
    }
    return json_object_set_new(to, key, json_true()) == 0;
}


bool
scim_members_add(scim_members_t *members, const char *id, size_t len)
{
    return move_id(members, members->remove, members->add, id, len);
}


bool
scim_members_remove(scim_members_t *members, const char *id, size_t len)
{
    return move_id(members, members->add, members->remove, id, len);
}


bool
scim_members_replace(scim_members_t *members)
{
    members->mode = SCIM_MEMBERS_REPLACE;
    return json_object_clear(members->add) == 0
        && json_object_clear(members->remove) == 0;
}


static bool
id_usable(const char *id, size_t len)
{
    if (len == 0 || len > SCIM_MEMBER_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = id[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || strchr("._:@-", c)) || c == '\0')
        {
            return false;
        }
    }
    return true;
}


/* The last segment of ".../Users/<id>" or ".../Groups/<id>". */
static const char *
reference_id(const json_t *reference, size_t *len)
{
    const char *slash, *text = json_string_value(reference);

    if (text == NULL
        || (strstr(text, "/Users/") == NULL
            && strstr(text, "/Groups/") == NULL))
    {
        return NULL;
    }
    slash = strrchr(text, '/') + 1;
    *len = strlen(slash);
    return slash;
}


static const json_t *
member_named(const json_t *object, const char *name)
{
    const char *key;
    json_t     *value;

    json_object_foreach((json_t *) object, key, value) {
        if (scim_name_equal(key, strlen(key), name, strlen(name))) {
            return value;
        }
    }
    return NULL;
}


/* What we work out ourselves, and nulls: reference L-19e and L-09a. */
static void
note_ignored(const json_t *element, const json_t *value,
    scim_lenient_t *lenient)
{
    const json_t *reference = member_named(element, "$ref");

    if (json_is_null(reference)) {
        scim_lenient_note(lenient, SCIM_LENIENT_NULL_ENTRY);
    }
    if (member_named(element, "display")
        || (json_is_string(reference) && json_is_string(value)))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_MEMBERS_DISPLAY);
    }
}


/* The id of one element, lent; NULL when it has none. */
static const char *
element_id(const json_t *element, size_t *len, scim_lenient_t *lenient)
{
    const json_t *value = element;

    if (json_is_object(element)) {
        if (member_named(element, "operation")) {
            return NULL; /* SCIM 1.1: never read as an add, L-19h */
        }
        value = member_named(element, "value");
        note_ignored(element, value, lenient);
        if (value == NULL || json_is_null(value)) {
            scim_lenient_note(lenient, SCIM_LENIENT_MEMBERS_REF);
            return reference_id(member_named(element, "$ref"), len);
        }
    } else {
        scim_lenient_note(lenient, SCIM_LENIENT_MEMBERS_FORM);
    }
    if (!json_is_string(value)) {
        return NULL;
    }
    *len = json_string_length(value);
    return json_string_value(value);
}


static bool
read_element(const json_t *element, size_t position, json_t *ids,
    scim_lenient_t *lenient, scim_error_t *error)
{
    size_t      len = 0;
    const char *id = element_id(element, &len, lenient);

    if (id == NULL || !id_usable(id, len)) {
        return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE,
            "members[%zu] has no usable value", position);
    }
    if (json_array_append_new(ids, json_stringn(id, len)) != 0) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory");
    }
    return true;
}


bool
scim_members_read(const json_t *value, json_t *ids, scim_lenient_t *lenient,
    scim_error_t *error)
{
    size_t        i;
    json_t       *element;
    const json_t *inner;

    if (json_is_object(value)) {
        inner = member_named(value, "members");
        if (inner) {
            scim_lenient_note(lenient, SCIM_LENIENT_MEMBERS_NESTED);
            value = inner;
        }
    }
    if (!json_is_array(value)) {
        scim_lenient_note(lenient, SCIM_LENIENT_MEMBERS_FORM);
        return read_element(value, 0, ids, lenient, error);
    }
    json_array_foreach((json_t *) value, i, element) {
        if (!read_element(element, i, ids, lenient, error)) {
            return false;
        }
    }
    return true;
}
