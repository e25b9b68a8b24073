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


/* ---- what the body of a write names ---- */

/* An attribute, or a sub-attribute of it, in the scope's schema. */
typedef struct {
    const scope_t          *scope;
    const scim_attribute_t *attribute;
    const scim_attribute_t *sub; /* or NULL */
} target_t;


static bool
is_called(const scim_attribute_t *attribute, const char *name, size_t len)
{
    return scim_name_equal(name, len, attribute->name, attribute->name_len);
}


/* Whether a value of the attribute says anything of its sub-attribute. */
static bool
value_names(const target_t *target, const json_t *value)
{
    size_t      i;
    json_t     *inner;
    const char *name;

    if (target->sub == NULL) {
        return true;
    }
    json_array_foreach((json_t *) value, i, inner) {
        if (value_names(target, inner)) {
            return true;
        }
    }
    json_object_foreach((json_t *) value, name, inner) {
        if (is_called(target->sub, name, strlen(name))) {
            return true;
        }
    }
    return false;
}


/*
 * "urn:...:User:a.b" and "a[...].b" name b of a.  Without a URN it is a core
 * attribute or, where there is none of that name, any extension's (L-48).
 */
static bool
path_names(const target_t *target, const char *path, const json_t *value)
{
    size_t                      len = strcspn(path, "[");
    const scope_t              *scope = target->scope;
    const char                 *colon = memrchr(path, ':', len);
    const scim_resource_type_t *type = scope->projection->type;
    const scim_schema_t        *extension = NULL;

    if (colon) {
        extension = scim_resource_type_extension(type, path,
            (size_t) (colon - path));
        path = colon + 1;
    }
    len = strcspn(path, ".[");
    if (colon == NULL
        && !scim_resource_type_attribute(type, NULL, 0, path, len))
    {
        extension = scope->extension;
    }
    if (extension != scope->extension
        || !is_called(target->attribute, path, len))
    {
        return false;
    }
    path += len;
    if (*path == '[') {
        colon = strrchr(path, ']');
        path = colon ? colon + 1 : path + strlen(path);
    }
    return *path == '.' && target->sub
        ? is_called(target->sub, path + 1, strlen(path + 1))
        : value_names(target, value);
}


static bool object_names(const target_t *target, const json_t *object);


/* A member of a resource, or path and value of an operation. */
static bool
member_names(const target_t *target, const char *name, const json_t *value)
{
    json_t              *inner;
    const char          *inside;
    const scim_schema_t *extension = target->scope->extension;

    if (extension && scim_name_equal(name, strlen(name), extension->id,
            extension->id_len))
    {
        json_object_foreach((json_t *) value, inside, inner) {
            if (is_called(target->attribute, inside, strlen(inside))
                && value_names(target, inner))
            {
                return true;
            }
        }
        return false;
    }
    return path_names(target, name, value);
}


static bool
operation_names(const target_t *target, const json_t *operation)
{
    json_t     *member, *value = NULL;
    const char *name, *path = NULL;

    json_object_foreach((json_t *) operation, name, member) {
        if (scim_name_equal(name, strlen(name), "path", 4)) {
            path = json_string_value(member);
        } else if (scim_name_equal(name, strlen(name), "value", 5)) {
            value = member;
        }
    }
    return path ? member_names(target, path, value)
                : object_names(target, value);
}


/* A resource, or the body of a PATCH. */
static bool
object_names(const target_t *target, const json_t *object)
{
    size_t      i;
    json_t     *value, *operation;
    const char *name;

    json_object_foreach((json_t *) object, name, value) {
        if (member_names(target, name, value)) {
            return true;
        }
        if (scim_name_equal(name, strlen(name), "Operations", 10)) {
            json_array_foreach(value, i, operation) {
                if (operation_names(target, operation)) {
                    return true;
                }
            }
        }
    }
    return false;
}


static bool
hidden(const scope_t *scope, const scim_attribute_t *attribute,
    const scim_attribute_t *sub)
{
    target_t        target = { scope, attribute, sub };
    scim_returned_t returned = (sub ? sub : attribute)->returned;

    return returned == SCIM_RETURNED_NEVER
        || (returned == SCIM_RETURNED_REQUEST
            && !named(scope, attribute, sub)
            && !object_names(&target, scope->projection->body));
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
