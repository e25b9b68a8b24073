#include "scim_projection.h"

#include <string.h>

#include "scim_fold.h"


static scim_text_t
trimmed(const char *text, size_t len)
{
    while (len && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    return (scim_text_t) { text, len };
}


/* Splits "URN:rest"; the last colon ends the URN. */
static bool
split_urn(scim_text_t name, scim_text_t *urn, scim_text_t *rest)
{
    const char *colon = memrchr(name.text, ':', name.len);

    if (colon == NULL) {
        return false;
    }
    *urn = (scim_text_t) { name.text, (size_t) (colon - name.text) };
    *rest = (scim_text_t) { colon + 1, name.len - urn->len - 1 };
    return true;
}


static bool
is_core(const scim_resource_type_t *type, scim_text_t urn)
{
    return scim_name_equal(type->schema->id, type->schema->id_len, urn.text,
        urn.len);
}


/* `attribute` or `attribute.sub`, of the core schema or an extension. */
static bool
read_attribute(const scim_resource_type_t *type, const scim_schema_t *schema,
    scim_text_t name, scim_projection_path_t *path)
{
    size_t      len = name.len;
    const char *dot = memchr(name.text, '.', name.len);

    if (dot) {
        len = (size_t) (dot - name.text);
    }
    path->extension = schema;
    path->sub = NULL;
    path->attribute = scim_resource_type_attribute(type,
        schema ? schema->id : NULL, schema ? schema->id_len : 0, name.text,
        len);
    if (path->attribute == NULL) {
        return false;
    }
    if (dot) {
        path->sub = scim_attribute_sub(path->attribute, dot + 1,
            name.len - len - 1);
        return path->sub != NULL;
    }
    return true;
}


/* False for a name that this type does not have: it is ignored. */
static bool
read_path(const scim_resource_type_t *type, scim_text_t name,
    scim_projection_path_t *path)
{
    scim_text_t          urn, rest;
    const scim_schema_t *extension;

    extension = scim_resource_type_extension(type, name.text, name.len);
    if (extension || is_core(type, name)) {
        *path = (scim_projection_path_t) { extension, NULL, NULL };
        return true;
    }
    if (!split_urn(name, &urn, &rest)) {
        return read_attribute(type, NULL, name, path);
    }
    extension = scim_resource_type_extension(type, urn.text, urn.len);
    return (extension || is_core(type, urn))
        && read_attribute(type, extension, rest, path);
}


/* emails[type eq "work"].value: the bracket is ignored (P-3.9-06). */
static scim_text_t
without_bracket(scim_text_t name)
{
    const char *open = memchr(name.text, '[', name.len);

    return open ? (scim_text_t) { name.text, (size_t) (open - name.text) }
                : name;
}


bool
scim_projection_read(const scim_resource_type_t *type,
    const scim_query_t *query, scim_projection_t *projection,
    scim_error_t *error)
{
    scim_text_t name, list = query->attributes;
    const char *at, *end, *next;

    projection->type = type;
    projection->mode = SCIM_PROJECTION_ONLY;
    projection->count = 0;
    projection->body = NULL;
    if (list.text == NULL) {
        list = query->excluded_attributes;
        projection->mode = SCIM_PROJECTION_WITHOUT;
    }
    if (list.text == NULL) {
        projection->mode = SCIM_PROJECTION_ALL;
        return true;
    }
    end = list.text + list.len;
    for (at = list.text; at < end; at = next + 1) {
        next = memchr(at, ',', (size_t) (end - at));
        next = next ? next : end;
        name = without_bracket(trimmed(at, (size_t) (next - at)));
        if (projection->count == SCIM_PROJECTION_PATH_MAX) {
            return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE,
                "more than %d attributes are named",
                SCIM_PROJECTION_PATH_MAX);
        }
        if (name.len && read_path(type, name,
                &projection->path[projection->count]))
        {
            projection->count++;
        }
    }
    return true;
}


static bool
path_covers(const scim_projection_path_t *path, const char *attribute,
    const char *sub, bool only)
{
    if (path->extension || path->attribute == NULL) {
        return path->extension == NULL;
    }
    if (strcmp(path->attribute->name, attribute) != 0) {
        return false;
    }
    return path->sub == NULL || (sub ? strcmp(path->sub->name, sub) == 0
                                     : only);
}


bool
scim_projection_wants(const scim_projection_t *projection,
    const char *attribute, const char *sub)
{
    bool only = projection->mode == SCIM_PROJECTION_ONLY;

    for (size_t i = 0; i < projection->count; i++) {
        if (path_covers(&projection->path[i], attribute, sub, only)) {
            return only;
        }
    }
    return !only;
}


/* ---- attributes=... ---- */

static bool
copy_member(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);

    return value == NULL || json_object_set(to, name, value) == 0;
}


static bool
copy_sub(json_t *to, const json_t *from, const char *name)
{
    return !json_is_object(from) || copy_member(to, from, name);
}


/* Adds one sub-attribute of a complex value, or of each of its elements. */
static bool
add_sub(json_t *to, const json_t *from, const char *name, const char *sub)
{
    bool    ok = true;
    size_t  i;
    json_t *element, *value = json_object_get(from, name);
    json_t *shown = json_object_get(to, name);

    if (value == NULL) {
        return true;
    }
    if (shown == NULL) {
        shown = json_is_array(value) ? json_array() : json_object();
        if (json_object_set_new(to, name, shown) != 0) {
            return false;
        }
    }
    if (json_is_object(value)) {
        return copy_sub(shown, value, sub);
    }
    json_array_foreach(value, i, element) {
        if (json_array_size(shown) <= i) {
            ok = ok && json_array_append_new(shown, json_object()) == 0;
        }
        ok = ok && copy_sub(json_array_get(shown, i), element, sub);
    }
    return ok;
}


static bool
add_path(json_t *to, json_t *from, const scim_projection_path_t *path)
{
    return path->sub ? add_sub(to, from, path->attribute->name,
                           path->sub->name)
                     : copy_member(to, from, path->attribute->name);
}


static bool
add_extension(json_t *to, json_t *resource,
    const scim_projection_path_t *path)
{
    json_t *shown, *container = json_object_get(resource, path->extension->id);

    if (container == NULL) {
        return true;
    }
    if (path->attribute == NULL) {
        return json_object_set(to, path->extension->id, container) == 0;
    }
    shown = json_object_get(to, path->extension->id);
    if (shown == NULL) {
        shown = json_object();
        if (json_object_set_new(to, path->extension->id, shown) != 0) {
            return false;
        }
    } else if (shown == container) {
        return true; /* the whole container was named before */
    }
    return add_path(shown, container, path);
}


static bool
add_core(json_t *to, json_t *resource)
{
    bool        ok = true;
    json_t     *value;
    const char *name;

    json_object_foreach(resource, name, value) {
        if (strchr(name, ':') == NULL) {
            ok = ok && json_object_set(to, name, value) == 0;
        }
    }
    return ok;
}


static bool
add(json_t *to, json_t *resource, const scim_projection_path_t *path)
{
    if (path->extension) {
        return add_extension(to, resource, path);
    }
    return path->attribute ? add_path(to, resource, path)
                           : add_core(to, resource);
}


static json_t *
only(const scim_projection_t *projection, json_t *resource)
{
    bool    ok;
    json_t *shown = json_object();

    ok = shown && copy_member(shown, resource, "schemas")
        && copy_member(shown, resource, "id");
    /* whole attributes first, so that a sub-attribute never cuts one */
    for (size_t i = 0; ok && i < projection->count; i++) {
        ok = projection->path[i].sub
            || add(shown, resource, &projection->path[i]);
    }
    for (size_t i = 0; ok && i < projection->count; i++) {
        ok = projection->path[i].sub == NULL
            || add(shown, resource, &projection->path[i]);
    }
    ok = ok && (!projection->type->returned_rules
                || scim_projection_add_always(projection, shown, resource));
    if (!ok) {
        json_decref(shown);
        return NULL;
    }
    return shown;
}


/* ---- excludedAttributes=... ---- */

static void
drop_sub(json_t *value, const scim_attribute_t *attribute)
{
    size_t      i;
    json_t     *element;
    const char *sub = attribute->name;

    if (attribute->returned == SCIM_RETURNED_ALWAYS) {
        return;
    }
    json_object_del(value, sub);
    json_array_foreach(value, i, element) {
        json_object_del(element, sub);
    }
}


/* The attributes of a whole schema; what is always returned stays. */
static void
drop_schema(const scim_projection_t *projection,
    const scim_schema_t *extension, json_t *holder)
{
    void                   *next;
    json_t                 *value;
    const char             *name;
    const scim_attribute_t *attribute;

    json_object_foreach_safe(holder, next, name, value) {
        attribute = scim_resource_type_attribute(projection->type,
            extension ? extension->id : NULL,
            extension ? extension->id_len : 0, name, strlen(name));
        if (attribute && attribute->returned != SCIM_RETURNED_ALWAYS) {
            json_object_del(holder, name);
        }
    }
}


static void
drop_path(const scim_projection_t *projection, json_t *resource,
    const scim_projection_path_t *path)
{
    json_t *holder = resource;

    if (path->extension) {
        holder = json_object_get(resource, path->extension->id);
    }
    if (path->attribute == NULL) {
        drop_schema(projection, path->extension, holder);
    } else if (path->sub) {
        drop_sub(json_object_get(holder, path->attribute->name), path->sub);
    } else if (path->attribute->returned != SCIM_RETURNED_ALWAYS) {
        json_object_del(holder, path->attribute->name);
    }
}


bool
scim_projection_is_plain(const scim_projection_t *projection)
{
    return projection->mode == SCIM_PROJECTION_ALL
        && !projection->type->returned_rules;
}


/* Takes out what has nothing left in it; true when `value` itself is so. */
static bool
prune(json_t *value)
{
    void       *next;
    json_t     *inner;
    const char *name;

    for (size_t i = json_array_size(value); i-- > 0; ) {
        if (prune(json_array_get(value, i))) {
            json_array_remove(value, i);
        }
    }
    json_object_foreach_safe(value, next, name, inner) {
        if (prune(inner)) {
            json_object_del(value, name);
        }
    }
    return (json_is_array(value) && json_array_size(value) == 0)
        || (json_is_object(value) && json_object_size(value) == 0);
}


/* `schemas` names what is there: RFC 7643 section 3. */
static void
prune_schemas(const scim_projection_t *projection, json_t *shown)
{
    json_t     *schemas = json_object_get(shown, "schemas");
    const char *urn;

    for (size_t i = json_array_size(schemas); i-- > 0; ) {
        urn = json_string_value(json_array_get(schemas, i));
        if (urn && strcmp(urn, projection->type->schema->id) != 0
            && json_object_get(shown, urn) == NULL)
        {
            json_array_remove(schemas, i);
        }
    }
}


json_t *
scim_projection_apply(const scim_projection_t *projection, json_t *resource)
{
    json_t *shown;

    if (projection->type->returned_rules) {
        scim_projection_hide(projection, resource);
    }
    if (projection->mode == SCIM_PROJECTION_ONLY) {
        shown = only(projection, resource);
    } else {
        shown = json_incref(resource);
        for (size_t i = 0; i < projection->count; i++) {
            drop_path(projection, shown, &projection->path[i]);
        }
    }
    if (shown && !scim_projection_is_plain(projection)) {
        prune(shown);
        prune_schemas(projection, shown);
    }
    return shown;
}
