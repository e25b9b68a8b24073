#include "scim_path.h"

#include <string.h>

#include "scim_fold.h"


static bool
refuse(scim_error_t *error, const char *text, size_t len, const char *what)
{
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_PATH,
        "path \"%.*s\": %s", (int) (len > 64 ? 64 : len), text, what);
}


/* The unquoted ']' that ends the filter beginning at text[at] == '['. */
static size_t
closing_bracket(const char *text, size_t len, size_t at)
{
    bool quoted = false;

    for (size_t i = at + 1; i < len; i++) {
        if (quoted && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == ']' && !quoted) {
            return i;
        }
    }
    return 0;
}


/* "URN" or "URN." prefix of a whole extension; the rest is the attribute. */
static const scim_schema_t *
leading_extension(const scim_resource_type_t *type, const char *text,
    size_t len)
{
    for (size_t e = 0; e < type->extension_count; e++) {
        const scim_schema_t *schema = type->extensions[e];

        if (len >= schema->id_len
            && scim_name_equal(text, schema->id_len, schema->id,
                schema->id_len)
            && (len == schema->id_len || text[schema->id_len] == '.'))
        {
            return schema;
        }
    }
    return NULL;
}


/* Extension attributes named without their URN: reference L-38, L-48. */
static const scim_attribute_t *
unprefixed_extension(const scim_resource_type_t *type, const char *name,
    size_t len, const scim_schema_t **extension)
{
    for (size_t e = 0; e < type->extension_count; e++) {
        const scim_attribute_t *attribute = scim_resource_type_attribute(type,
            type->extensions[e]->id, type->extensions[e]->id_len, name, len);

        if (attribute) {
            *extension = type->extensions[e];
            return attribute;
        }
    }
    return NULL;
}


typedef struct {
    const char *urn; /* NULL = none */
    size_t      urn_len;
    const char *name;
    size_t      name_len;
    const char *sub; /* NULL = none */
    size_t      sub_len;
} head_t;


static head_t
split_head(const char *text, size_t len)
{
    head_t      head = { 0 };
    const char *colon = memrchr(text, ':', len);
    const char *dot;

    head.name = colon ? colon + 1 : text;
    head.name_len = len - (size_t) (head.name - text);
    if (colon) {
        head.urn = text;
        head.urn_len = (size_t) (colon - text);
    }
    dot = memchr(head.name, '.', head.name_len);
    if (dot) {
        head.sub = dot + 1;
        head.sub_len = head.name_len - (size_t) (dot + 1 - head.name);
        head.name_len = (size_t) (dot - head.name);
    }
    return head;
}


static bool
resolve_sub(const char *text, size_t len, const char *name, size_t name_len,
    scim_path_t *path, scim_lenient_t *lenient, scim_error_t *error)
{
    path->sub = scim_attribute_sub(path->attribute, name, name_len);
    if (path->sub == NULL && path->attribute->multi_valued
        && scim_name_equal(name, name_len, "displayName", 11))
    {
        scim_lenient_note(lenient, SCIM_LENIENT_ROLE_DISPLAY_NAME);
        path->sub = scim_attribute_sub(path->attribute, "display", 7);
    }
    return path->sub != NULL
        || refuse(error, text, len, "unknown sub-attribute");
}


static bool
resolve_name(const scim_resource_type_t *type, const char *text, size_t len,
    const head_t *head, scim_path_t *path, scim_lenient_t *lenient,
    scim_error_t *error)
{
    path->attribute = scim_resource_type_attribute(type, head->urn,
        head->urn_len, head->name, head->name_len);
    if (head->urn) {
        path->extension = scim_resource_type_extension(type, head->urn,
            head->urn_len);
        if (path->attribute == NULL && path->extension == NULL
            && !scim_name_equal(head->urn, head->urn_len, type->schema->id,
                type->schema->id_len))
        {
            scim_lenient_note(lenient, SCIM_LENIENT_UNKNOWN_EXTENSION);
            path->unknown_extension = true;
            return true;
        }
    } else if (path->attribute == NULL) {
        path->attribute = unprefixed_extension(type, head->name,
            head->name_len, &path->extension);
        if (path->attribute) {
            scim_lenient_note(lenient, SCIM_LENIENT_EXTENSION_TOP_LEVEL);
        }
    }
    if (path->attribute == NULL) {
        return refuse(error, text, len, "unknown attribute");
    }
    return head->sub == NULL
        || resolve_sub(text, len, head->sub, head->sub_len, path, lenient,
               error);
}


/* Everything before the brackets. */
static bool
resolve_head(const scim_resource_type_t *type, const char *text, size_t len,
    scim_path_t *path, scim_lenient_t *lenient, scim_error_t *error)
{
    head_t               head;
    const scim_schema_t *schema = leading_extension(type, text, len);

    if (schema && len == schema->id_len) {
        path->extension = schema;
        return true;
    }
    if (schema) {
        head = split_head(text + schema->id_len + 1, len - schema->id_len - 1);
        head.urn = schema->id;
        head.urn_len = schema->id_len;
    } else {
        head = split_head(text, len);
    }
    return resolve_name(type, text, len, &head, path, lenient, error);
}


static bool
parse_bracketed(const scim_resource_type_t *type, const char *text,
    size_t len, size_t open, scim_path_t *path, scim_lenient_t *lenient,
    scim_error_t *error)
{
    size_t       close = closing_bracket(text, len, open);
    scim_error_t inner = { 0 };

    if (close == 0) {
        return refuse(error, text, len, "']' is missing");
    }
    if (!resolve_head(type, text, open, path, lenient, error)) {
        return false;
    }
    if (path->unknown_extension) {
        return true;
    }
    if (path->attribute == NULL || path->sub
        || (path->attribute->type != SCIM_COMPLEX
            && !path->attribute->multi_valued))
    {
        return refuse(error, text, len, "a filter is not possible here");
    }
    path->filter = scim_filter_parse_value(path->attribute, text + open + 1,
        close - open - 1, lenient, &inner);
    if (path->filter == NULL) {
        return refuse(error, text, len, inner.detail);
    }
    if (close + 1 == len) {
        return true;
    }
    if (text[close + 1] != '.') {
        return refuse(error, text, len, "unexpected text after ']'");
    }
    return resolve_sub(text, len, text + close + 2, len - close - 2, path,
        lenient, error);
}


bool
scim_path_parse(const scim_resource_type_t *type, const char *text,
    size_t len, scim_path_t *path, scim_lenient_t *lenient,
    scim_error_t *error)
{
    bool        ok;
    scim_path_t parsed = { 0 };
    const char *open = memchr(text, '[', len);

    if (len > SCIM_FILTER_LEN_MAX) {
        return refuse(error, text, len, "too long");
    }
    ok = open ? parse_bracketed(type, text, len, (size_t) (open - text),
                    &parsed, lenient, error)
              : resolve_head(type, text, len, &parsed, lenient, error);
    if (!ok) {
        scim_path_free(&parsed);
        return false;
    }
    *path = parsed;
    return true;
}


void
scim_path_free(scim_path_t *path)
{
    scim_filter_free(path->filter);
    path->filter = NULL;
}
