#include "scim_projection.h"

#include <string.h>

#include "scim_fold.h"

/*
 * The characteristic `returned`: RFC 7643 section 2.4.  Schemas of your own
 * may have attributes that are always, never, or only on request returned.
 */
typedef struct {
    const scim_projection_t *projection;
    const scim_schema_t     *extension; /* NULL = core */
} scope_t;


/* Whether the client named the attribute, or the sub-attribute itself. */
static bool
named(const scope_t *scope, const scim_attribute_t *attribute,
    const scim_attribute_t *sub)
{
    const scim_projection_t *projection = scope->projection;

    if (projection->mode != SCIM_PROJECTION_ONLY) {
        return false;
    }
    for (size_t i = 0; i < projection->count; i++) {
        if (projection->path[i].extension == scope->extension
            && projection->path[i].attribute == attribute
            && (projection->path[i].sub == sub || sub == NULL))
        {
            return true;
        }
    }
    return false;
}


/* "urn:...:User:a.b" and "a[...].b" name a, and b. */
static bool
path_names(const char *path, const scim_attribute_t *attribute)
{
    size_t      len;
    const char *colon = strrchr(path, ':');

    path = colon ? colon + 1 : path;
    while (*path) {
        len = strcspn(path, ".[]");
        if (scim_name_equal(path, len, attribute->name, attribute->name_len)) {
            return true;
        }
        path += len + (path[len] != '\0');
    }
    return false;
}


/* Whether a write says anything of it, as a member or in a path. */
static bool
body_names(const json_t *body, const scim_attribute_t *attribute)
{
    size_t      i;
    json_t     *value;
    const char *name;

    json_array_foreach((json_t *) body, i, value) {
        if (body_names(value, attribute)) {
            return true;
        }
    }
    json_object_foreach((json_t *) body, name, value) {
        if (path_names(name, attribute) || body_names(value, attribute)
            || (json_is_string(value) && scim_name_equal(name, strlen(name),
                    "path", 4)
                && path_names(json_string_value(value), attribute)))
        {
            return true;
        }
    }
    return false;
}


static bool
hidden(const scope_t *scope, const scim_attribute_t *attribute,
    const scim_attribute_t *sub)
{
    scim_returned_t returned = (sub ? sub : attribute)->returned;

    return returned == SCIM_RETURNED_NEVER
        || (returned == SCIM_RETURNED_REQUEST
            && !named(scope, attribute, sub)
            && !body_names(scope->projection->body, sub ? sub : attribute));
}


static void
hide_sub(json_t *value, const char *name)
{
    size_t  i;
    json_t *element;

    json_object_del(value, name);
    json_array_foreach(value, i, element) {
        json_object_del(element, name);
    }
}


static void
hide_in(const scope_t *scope, const scim_schema_t *schema, json_t *holder)
{
    const scim_attribute_t *attribute, *sub;

    for (size_t i = 0; i < schema->attribute_count; i++) {
        attribute = &schema->attributes[i];
        if (hidden(scope, attribute, NULL)) {
            json_object_del(holder, attribute->name);
            continue;
        }
        for (size_t j = 0; j < attribute->sub_attribute_count; j++) {
            sub = &attribute->sub_attributes[j];
            if (hidden(scope, attribute, sub)) {
                hide_sub(json_object_get(holder, attribute->name), sub->name);
            }
        }
    }
}


void
scim_projection_hide(const scim_projection_t *projection, json_t *resource)
{
    scope_t                     scope = { projection, NULL };
    const scim_resource_type_t *type = projection->type;

    hide_in(&scope, type->schema, resource);
    for (size_t i = 0; i < type->extension_count; i++) {
        scope.extension = type->extensions[i];
        hide_in(&scope, scope.extension,
            json_object_get(resource, scope.extension->id));
    }
}


/* ---- always ---- */

static bool
copy(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);

    return value == NULL || json_object_set(to, name, value) == 0;
}


/* A sub-attribute that is always there when its parent is. */
static bool
copy_sub(json_t *to, const json_t *from, const char *name)
{
    bool    ok = true;
    size_t  i;
    json_t *element;

    if (json_is_object(to)) {
        return to == from || copy(to, from, name);
    }
    json_array_foreach(to, i, element) {
        ok = ok && (element == json_array_get(from, i)
                    || copy(element, json_array_get(from, i), name));
    }
    return ok;
}


static bool
add_in(const scim_schema_t *schema, json_t *shown, const json_t *holder)
{
    bool                    ok = true;
    const scim_attribute_t *attribute;

    for (size_t i = 0; ok && i < schema->attribute_count; i++) {
        attribute = &schema->attributes[i];
        if (attribute->returned == SCIM_RETURNED_ALWAYS) {
            ok = copy(shown, holder, attribute->name);
            continue;
        }
        for (size_t j = 0; ok && j < attribute->sub_attribute_count; j++) {
            if (attribute->sub_attributes[j].returned == SCIM_RETURNED_ALWAYS)
            {
                ok = copy_sub(json_object_get(shown, attribute->name),
                    json_object_get(holder, attribute->name),
                    attribute->sub_attributes[j].name);
            }
        }
    }
    return ok;
}


static bool
add_extension(const scim_schema_t *extension, json_t *shown,
    const json_t *resource)
{
    bool    ok;
    json_t *part, *holder = json_object_get(resource, extension->id);

    if (holder == NULL) {
        return true;
    }
    part = json_object_get(shown, extension->id);
    if (part) {
        return part == holder || add_in(extension, part, holder);
    }
    part = json_object();
    ok = part && add_in(extension, part, holder);
    if (ok && json_object_size(part)) {
        ok = json_object_set(shown, extension->id, part) == 0;
    }
    json_decref(part);
    return ok;
}


bool
scim_projection_add_always(const scim_projection_t *projection, json_t *shown,
    const json_t *resource)
{
    const scim_resource_type_t *type = projection->type;

    if (!add_in(type->schema, shown, resource)) {
        return false;
    }
    for (size_t i = 0; i < type->extension_count; i++) {
        if (!add_extension(type->extensions[i], shown, resource)) {
            return false;
        }
    }
    return true;
}
