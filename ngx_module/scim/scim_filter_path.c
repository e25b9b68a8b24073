#include <string.h>

#include "scim_filter_internal.h"
#include "scim_fold.h"

/*
 * An attribute path in a filter: where it ends, and which attribute of which
 * schema it names.
 */
typedef scim_filter_parser_t parser_t;


/* End of an attribute path: names and dots, behind any URN. */
static size_t
path_end(const parser_t *parser)
{
    size_t      i = parser->at;
    const char *text = parser->text;
    bool        urn = parser->len - i > 4
        && scim_name_equal(text + i, 4, "urn:", 4);

    while (i < parser->len
           && (scim_filter_name_character(text[i]) || text[i] == '.'
               || text[i] == ':'
               || (urn && !scim_filter_space(text[i])
                   && strchr("[]()\"", text[i]) == NULL)))
    {
        i++;
    }
    return i;
}


static bool
resolve_sub(parser_t *parser, scim_filter_t *node, const char *name,
    size_t len)
{
    if (node->attribute == NULL) {
        return true; /* of an unknown extension: has no value */
    }
    node->sub = scim_attribute_sub(node->attribute, name, len);
    if (node->sub == NULL) {
        scim_filter_refuse(parser, "unknown sub-attribute");
        return false;
    }
    if (node->sub->returned == SCIM_RETURNED_NEVER) {
        scim_filter_refuse(parser, "an attribute that is never returned");
        return false;
    }
    return true;
}


/* Inside brackets: the path names a sub-attribute of the container. */
static bool
resolve_inner(parser_t *parser, scim_filter_t *node, const char *path,
    size_t len)
{
    const scim_attribute_t *container = parser->container;
    const char             *dot = memchr(path, '.', len);

    if (dot && scim_name_equal(path, (size_t) (dot - path), container->name,
            container->name_len))
    {
        len -= (size_t) (dot + 1 - path); /* members[members.value eq ...] */
        path = dot + 1;
        scim_lenient_note(parser->lenient, SCIM_LENIENT_MEMBERS_FILTER_FORM);
    }
    node->attribute = container;
    if (container->type != SCIM_COMPLEX) {
        if (scim_name_equal(path, len, "value", 5)) {
            return true;
        }
        scim_filter_refuse(parser, "unknown sub-attribute");
        return false;
    }
    return resolve_sub(parser, node, path, len);
}


/* An extension's attribute without its URN: reference N-02, L-48. */
static void
resolve_unprefixed(parser_t *parser, const scim_resource_type_t *type,
    scim_filter_t *node, const char *name, size_t len)
{
    for (size_t i = 0; i < type->extension_count && node->attribute == NULL;
         i++)
    {
        const scim_schema_t *extension = type->extensions[i];

        node->attribute = scim_schema_attribute(extension, name, len);
        if (node->attribute) {
            node->extension = extension;
            scim_lenient_note(parser->lenient,
                SCIM_LENIENT_EXTENSION_TOP_LEVEL);
        }
    }
}


/*
 * The URN of a schema alone: `schemas` names an extension exactly when the
 * resource has it (RFC 7643 section 3).  The value is there already.
 */
static bool
resolve_schema(parser_t *parser, scim_filter_t *node, const char *path,
    size_t len)
{
    const scim_schema_t *schema = scim_resource_type_extension(parser->type,
        path, len);

    if (schema == NULL && scim_name_equal(path, len,
            parser->type->schema->id, parser->type->schema->id_len))
    {
        schema = parser->type->schema;
    }
    if (schema) {
        node->attribute = scim_resource_type_attribute(parser->type, NULL, 0,
            "schemas", 7);
        node->value = json_stringn(schema->id, schema->id_len);
    }
    return node->value != NULL;
}


/*
 * The name in another type: resources of this one have no such value, as the
 * path does not lead anywhere in them.
 */
static void
resolve_elsewhere(parser_t *parser, scim_filter_t *node, const char *name,
    size_t len)
{
    for (size_t i = 0; i < scim_resource_type_count(parser->schemas)
         && node->attribute == NULL; i++)
    {
        const scim_resource_type_t *type = scim_resource_type_at(
            parser->schemas, i);

        node->attribute = scim_resource_type_attribute(type, NULL, 0, name,
            len);
        resolve_unprefixed(parser, type, node, name, len);
    }
}


static bool
resolve_outer(parser_t *parser, scim_filter_t *node, const char *path,
    size_t len)
{
    const char *colon = memrchr(path, ':', len);
    const char *name = colon ? colon + 1 : path;
    size_t      name_len = len - (size_t) (name - path);
    const char *dot = memchr(name, '.', name_len);
    size_t      first = dot ? (size_t) (dot - name) : name_len;
    size_t      urn_len = colon ? (size_t) (colon - path) : 0;

    if (colon && resolve_schema(parser, node, path, len)) {
        return true;
    }
    node->attribute = scim_resource_type_attribute(parser->type,
        colon ? path : NULL, urn_len, name, first);
    if (colon) {
        node->extension = scim_resource_type_extension(parser->type, path,
            urn_len);
    }
    if (node->attribute == NULL && colon == NULL) {
        resolve_unprefixed(parser, parser->type, node, name, first);
    }
    if (node->attribute == NULL && parser->schemas && colon == NULL) {
        resolve_elsewhere(parser, node, name, first);
    }
    if (node->attribute == NULL) {
        if (urn_len && first && node->extension == NULL
            && !scim_name_equal(path, urn_len, parser->type->schema->id,
                parser->type->schema->id_len))
        {
            return true; /* unknown extension: nobody has a value */
        }
        scim_filter_refuse(parser, "unknown attribute");
        return false;
    }
    if (node->attribute->returned == SCIM_RETURNED_NEVER) {
        scim_filter_refuse(parser, "an attribute that is never returned");
        return false;
    }
    return dot == NULL
        || resolve_sub(parser, node, dot + 1,
            name_len - first - 1);
}


bool
scim_filter_read_path(parser_t *parser, scim_filter_t *node)
{
    size_t      end = path_end(parser);
    size_t      len = end - parser->at;
    const char *path = parser->text + parser->at;

    if (path == NULL || len == 0) {
        scim_filter_refuse(parser, "an attribute expected");
        return false;
    }
    if (parser->nowhere) {
        parser->at = end;
        return true;
    }
    if (!(parser->container ? resolve_inner(parser, node, path, len)
                            : resolve_outer(parser, node, path, len)))
    {
        return false;
    }
    parser->at = end;
    return true;
}
