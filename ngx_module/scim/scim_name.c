#include "scim_name.h"

#include <string.h>


static bool
usable(const json_t *text)
{
    size_t len = json_string_length(text);

    return len > 0 && len <= SCIM_NAME_MAX;
}


static json_t *
given_and_family(const json_t *name)
{
    const json_t *given = json_object_get(name, "givenName");
    const json_t *family = json_object_get(name, "familyName");

    if (!json_is_string(given) || !json_is_string(family)) {
        return json_incref((json_t *) (given ? given : family));
    }
    return json_sprintf("%s %s", json_string_value(given),
        json_string_value(family));
}


static json_t *
user_name(const json_t *document)
{
    json_t *both, *name = json_object_get(document, "name");
    json_t *found = json_object_get(document, "displayName");

    if (usable(found)) {
        return json_incref(found);
    }
    found = json_object_get(name, "formatted");
    if (usable(found)) {
        return json_incref(found);
    }
    both = given_and_family(name);
    if (usable(both)) {
        return both;
    }
    json_decref(both);
    found = json_object_get(document, "userName");
    return usable(found) ? json_incref(found) : NULL;
}


json_t *
scim_name_of(const scim_resource_type_t *type, const json_t *document)
{
    json_t *name = strcmp(type->key_word, "group") == 0
        ? json_incref(json_object_get(document, "displayName"))
        : user_name(document);

    return name ? name : json_string("");
}
