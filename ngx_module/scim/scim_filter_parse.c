#include <stdlib.h>
#include <string.h>

#include "scim_filter.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_time.h"

typedef struct {
    const char                 *text;
    size_t                      len;
    size_t                      at;
    const scim_resource_type_t *type;      /* NULL inside a value filter */
    const scim_attribute_t     *container; /* set inside a value filter */
    const scim_schemas_t       *schemas;   /* other types' names are known */
    unsigned                    nodes;
    unsigned                    depth;
    scim_lenient_t             *lenient;
    scim_error_t               *error;
} parser_t;

typedef struct {
    const char        *word;
    scim_filter_kind_t kind;
} operator_t;

static const operator_t operators[] = {
    { "eq", SCIM_FILTER_EQ }, { "ne", SCIM_FILTER_NE },
    { "co", SCIM_FILTER_CO }, { "sw", SCIM_FILTER_SW },
    { "ew", SCIM_FILTER_EW }, { "gt", SCIM_FILTER_GT },
    { "ge", SCIM_FILTER_GE }, { "lt", SCIM_FILTER_LT },
    { "le", SCIM_FILTER_LE }, { "pr", SCIM_FILTER_PRESENT }
};

static scim_filter_t *parse_or(parser_t *parser);


static scim_filter_t *
refuse(parser_t *parser, const char *what)
{
    scim_error_set(parser->error, 400, SCIM_ERROR_INVALID_FILTER,
        "%s at position %zu of the filter", what, parser->at);
    return NULL;
}


static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}


static void
skip_space(parser_t *parser)
{
    while (parser->at < parser->len && is_space(parser->text[parser->at])) {
        parser->at++;
    }
}


static bool
name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '$';
}


/* Is the next word `word`, ended by a character that is in no name? */
static bool
at_word(const parser_t *parser, const char *word)
{
    size_t len = strlen(word), end = parser->at + len;

    return end <= parser->len
        && scim_name_equal(parser->text + parser->at, len, word, len)
        && (end == parser->len || !name_character(parser->text[end]));
}


static scim_filter_t *
new_node(parser_t *parser, scim_filter_kind_t kind)
{
    scim_filter_t *node;

    if (++parser->nodes > SCIM_FILTER_NODE_MAX) {
        return refuse(parser, "too many conditions");
    }
    node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return refuse(parser, "no memory");
    }
    node->kind = kind;
    return node;
}


void
scim_filter_free(scim_filter_t *filter)
{
    if (filter == NULL) {
        return;
    }
    scim_filter_free(filter->left);
    scim_filter_free(filter->right);
    json_decref(filter->value);
    free(filter);
}


/* End of an attribute path: names, dots, and colons of a URN. */
static size_t
path_end(const parser_t *parser)
{
    size_t i = parser->at;

    while (i < parser->len
           && (name_character(parser->text[i]) || parser->text[i] == '.'
               || parser->text[i] == ':'))
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
        refuse(parser, "unknown sub-attribute");
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
        refuse(parser, "unknown sub-attribute");
        return false;
    }
    return resolve_sub(parser, node, path, len);
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
        node->attribute = scim_resource_type_attribute(
            scim_resource_type_at(parser->schemas, i), NULL, 0, name, len);
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

    node->attribute = scim_resource_type_attribute(parser->type,
        colon ? path : NULL, urn_len, name, first);
    if (colon) {
        node->extension = scim_resource_type_extension(parser->type, path,
            urn_len);
    }
    if (node->attribute == NULL && parser->schemas && colon == NULL) {
        resolve_elsewhere(parser, node, name, first);
    }
    if (node->attribute == NULL) {
        if (colon && node->extension == NULL
            && !scim_name_equal(path, urn_len, parser->type->schema->id,
                parser->type->schema->id_len))
        {
            return true; /* unknown extension: nobody has a value */
        }
        refuse(parser, "unknown attribute");
        return false;
    }
    if (node->attribute->returned == SCIM_RETURNED_NEVER) {
        refuse(parser, "an attribute that is never returned");
        return false;
    }
    return dot == NULL
        || resolve_sub(parser, node, dot + 1,
            name_len - first - 1);
}


static bool
parse_path(parser_t *parser, scim_filter_t *node)
{
    size_t      end = path_end(parser);
    size_t      len = end - parser->at;
    const char *path = parser->text + parser->at;

    if (path == NULL || len == 0) {
        refuse(parser, "an attribute expected");
        return false;
    }
    if (!(parser->container ? resolve_inner(parser, node, path, len)
                            : resolve_outer(parser, node, path, len)))
    {
        return false;
    }
    parser->at = end;
    return true;
}


/* The attribute whose type decides the literal: `.value` where none named. */
static const scim_attribute_t *
compared_attribute(const scim_filter_t *node)
{
    if (node->sub) {
        return node->sub;
    }
    if (node->attribute && node->attribute->type == SCIM_COMPLEX) {
        return scim_attribute_sub(node->attribute, "value", 5);
    }
    return node->attribute;
}


/* A JSON string literal; `at` is on its quote. */
static json_t *
parse_quoted(parser_t *parser)
{
    size_t       from = parser->at, i = from + 1;
    json_t      *value;
    scim_error_t inner = { 0 };

    while (i < parser->len && parser->text[i] != '"') {
        i += parser->text[i] == '\\' ? 2 : 1;
    }
    if (i >= parser->len) {
        refuse(parser, "unterminated string");
        return NULL;
    }
    value = scim_json_read(parser->text + from, i + 1 - from,
        &scim_json_request_limits, &inner);
    if (value == NULL) {
        refuse(parser, "bad string");
        return NULL;
    }
    parser->at = i + 1;
    return value;
}


/* A string that is no JSON: valid UTF-8 without control characters. */
static json_t *
plain_string(parser_t *parser, const char *text, size_t len)
{
    json_t *value;

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) text[i] < 0x20) {
            refuse(parser, "control character in a string");
            return NULL;
        }
    }
    value = json_stringn(text, len);
    if (value == NULL) {
        refuse(parser, "bad string");
    }
    return value;
}


static json_t *
parse_single_quoted(parser_t *parser)
{
    json_t     *value;
    const char *from = parser->text + parser->at + 1;
    const char *end = memchr(from, '\'', parser->len - parser->at - 1);

    if (end == NULL) {
        refuse(parser, "unterminated string");
        return NULL;
    }
    scim_lenient_note(parser->lenient, SCIM_LENIENT_SINGLE_QUOTED);
    value = plain_string(parser, from, (size_t) (end - from));
    if (value) {
        parser->at = (size_t) (end + 1 - parser->text);
    }
    return value;
}


/* A bare word: a JSON literal when it is one, else a string (L-20). */
static json_t *
parse_bare(parser_t *parser)
{
    size_t       from = parser->at, i = from;
    json_t      *value;
    const char  *word = parser->text + from;
    scim_error_t ignored = { 0 };

    while (i < parser->len && !is_space(parser->text[i])
           && parser->text[i] != ')' && parser->text[i] != ']')
    {
        i++;
    }
    if (i == from) {
        refuse(parser, "a value expected");
        return NULL;
    }
    parser->at = i;
    if (scim_name_equal(word, i - from, "true", 4)) {
        return json_true();
    }
    if (scim_name_equal(word, i - from, "false", 5)) {
        return json_false();
    }
    if (scim_name_equal(word, i - from, "null", 4)) {
        return json_null();
    }
    value = scim_json_read(word, i - from, &scim_json_request_limits,
        &ignored);
    if (json_is_number(value)) {
        return value;
    }
    json_decref(value);
    scim_lenient_note(parser->lenient, SCIM_LENIENT_UNQUOTED_LITERAL);
    return plain_string(parser, word, i - from);
}


static bool
type_boolean_literal(parser_t *parser, scim_filter_t *node)
{
    const char *text = json_string_value(node->value);
    bool        is_true;

    if (json_is_boolean(node->value)) {
        return true;
    }
    if (text == NULL) {
        return false;
    }
    is_true = scim_name_equal(text, strlen(text), "true", 4);
    if (!is_true && !scim_name_equal(text, strlen(text), "false", 5)) {
        return false;
    }
    scim_lenient_note(parser->lenient, SCIM_LENIENT_BOOLEAN_TEXT);
    json_decref(node->value);
    node->value = json_boolean(is_true);
    return true;
}


/* A number where text is compared: its decimal text was meant (L-20). */
static bool
type_text_literal(parser_t *parser, scim_filter_t *node, size_t from)
{
    json_t *text;

    if (json_is_string(node->value)) {
        return true;
    }
    if (parser->text[from] == '"') {
        return false;
    }
    text = plain_string(parser, parser->text + from, parser->at - from);
    if (text == NULL) {
        return false;
    }
    json_decref(node->value);
    node->value = text;
    return true;
}


static bool
operator_fits(scim_filter_kind_t kind, scim_attribute_type_t type)
{
    switch (type) {
    case SCIM_BOOLEAN:
        return kind == SCIM_FILTER_EQ || kind == SCIM_FILTER_NE;
    case SCIM_INTEGER:
    case SCIM_DECIMAL:
    case SCIM_DATETIME:
        return kind != SCIM_FILTER_CO && kind != SCIM_FILTER_SW
            && kind != SCIM_FILTER_EW;
    case SCIM_BINARY:
        return kind < SCIM_FILTER_GT;
    default:
        return true;
    }
}


static bool
type_literal(parser_t *parser, scim_filter_t *node, size_t from)
{
    bool                    ok;
    int64_t                 ms;
    const scim_attribute_t *attribute = compared_attribute(node);

    if (node->attribute == NULL) {
        return true; /* an attribute of an unknown extension */
    }
    if (attribute == NULL) {
        refuse(parser, "a complex attribute cannot be compared");
        return false;
    }
    if (json_is_null(node->value)) {
        if (node->kind == SCIM_FILTER_EQ || node->kind == SCIM_FILTER_NE) {
            return true;
        }
        refuse(parser, "null can only be compared by eq and ne");
        return false;
    }
    if (!operator_fits(node->kind, attribute->type)) {
        refuse(parser, "the operator does not fit the attribute's type");
        return false;
    }
    switch (attribute->type) {
    case SCIM_BOOLEAN:
        ok = type_boolean_literal(parser, node);
        break;
    case SCIM_INTEGER:
    case SCIM_DECIMAL:
        ok = json_is_number(node->value);
        break;
    case SCIM_DATETIME:
        ok = type_text_literal(parser, node, from)
            && scim_time_parse(json_string_value(node->value),
                json_string_length(node->value), true, &ms);
        break;
    default:
        /* a literal 5 for a string is a type error, L-20 is for words */
        ok = json_is_string(node->value)
            || (!json_is_number(node->value)
                && type_text_literal(parser, node, from));
        break;
    }
    if (!ok) {
        refuse(parser, "the value does not fit the attribute's type");
    }
    return ok;
}


static bool
parse_operator(parser_t *parser, scim_filter_kind_t *kind)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (at_word(parser, operators[i].word)) {
            parser->at += strlen(operators[i].word);
            *kind = operators[i].kind;
            return true;
        }
    }
    refuse(parser, "an operator expected");
    return false;
}


static bool
parse_comparison(parser_t *parser, scim_filter_t *node)
{
    size_t from;

    if (parser->at == parser->len || !is_space(parser->text[parser->at])) {
        refuse(parser, "an operator expected");
        return false;
    }
    skip_space(parser);
    if (!parse_operator(parser, &node->kind)) {
        return false;
    }
    if (node->kind == SCIM_FILTER_PRESENT) {
        return true;
    }
    skip_space(parser);
    from = parser->at;
    if (from == parser->len) {
        refuse(parser, "a value expected");
        return false;
    }
    node->value = parser->text[from] == '"' ? parse_quoted(parser)
        : parser->text[from] == '\''        ? parse_single_quoted(parser)
                                            : parse_bare(parser);
    return node->value && type_literal(parser, node, from);
}


/* attribute[filter] with an optional `.sub op value` behind it. */
static scim_filter_t *
parse_value_path(parser_t *parser, scim_filter_t *node)
{
    bool           tail;
    parser_t       inner = *parser;
    scim_filter_t *compare;

    if (parser->container || node->sub || node->attribute == NULL) {
        return refuse(parser, "'[' not allowed here");
    }
    node->kind = SCIM_FILTER_VALUE_PATH;
    inner.at++;
    inner.depth++;
    inner.container = node->attribute;
    node->left = parse_or(&inner);
    parser->at = inner.at;
    parser->nodes = inner.nodes;
    if (node->left == NULL) {
        return NULL;
    }
    skip_space(parser);
    if (parser->at == parser->len || parser->text[parser->at] != ']') {
        return refuse(parser, "']' expected");
    }
    parser->at++;
    tail = parser->at < parser->len && parser->text[parser->at] == '.';
    if (!tail) {
        return node;
    }
    parser->at++;
    compare = node->right = new_node(parser, SCIM_FILTER_EQ);
    if (compare == NULL) {
        return NULL;
    }
    inner.at = parser->at;
    inner.nodes = parser->nodes;
    if (!parse_path(&inner, compare) || !parse_comparison(&inner, compare)) {
        return NULL;
    }
    parser->at = inner.at;
    return node;
}


static scim_filter_t *
parse_condition(parser_t *parser)
{
    scim_filter_t *done, *node = new_node(parser, SCIM_FILTER_EQ);

    if (node == NULL) {
        return NULL;
    }
    if (!parse_path(parser, node)) {
        scim_filter_free(node);
        return NULL;
    }
    if (parser->at < parser->len && parser->text[parser->at] == '[') {
        done = parse_value_path(parser, node);
    } else {
        done = parse_comparison(parser, node) ? node : NULL;
    }
    if (done == NULL) {
        scim_filter_free(node);
    }
    return done;
}


static scim_filter_t *
parse_group(parser_t *parser)
{
    scim_filter_t *inner;

    if (parser->depth >= SCIM_FILTER_DEPTH_MAX) {
        return refuse(parser, "nested too deep");
    }
    parser->at++;
    parser->depth++;
    inner = parse_or(parser);
    parser->depth--;
    if (inner == NULL) {
        return NULL;
    }
    skip_space(parser);
    if (parser->at == parser->len || parser->text[parser->at] != ')') {
        scim_filter_free(inner);
        return refuse(parser, "')' expected");
    }
    parser->at++;
    return inner;
}


static scim_filter_t *
parse_not(parser_t *parser)
{
    scim_filter_t *node;
    size_t         from;

    skip_space(parser);
    if (parser->at == parser->len) {
        return refuse(parser, "a condition expected");
    }
    if (parser->text[parser->at] == '(') {
        return parse_group(parser);
    }
    if (!at_word(parser, "not")) {
        return parse_condition(parser);
    }
    from = parser->at;
    parser->at += 3;
    skip_space(parser);
    if (parser->at == parser->len || parser->text[parser->at] != '(') {
        parser->at = from;
        return refuse(parser, "'(' expected after not");
    }
    node = new_node(parser, SCIM_FILTER_NOT);
    if (node == NULL) {
        return NULL;
    }
    node->left = parse_group(parser);
    if (node->left == NULL) {
        scim_filter_free(node);
        return NULL;
    }
    return node;
}


/* Left-associative chains of one operator, so that depth stays bounded. */
static scim_filter_t *
parse_chain(parser_t *parser, const char *word, scim_filter_kind_t kind,
    scim_filter_t *(*parse_next)(parser_t *))
{
    scim_filter_t *node, *left = parse_next(parser);

    while (left) {
        skip_space(parser);
        if (!at_word(parser, word)) {
            break;
        }
        parser->at += strlen(word);
        node = new_node(parser, kind);
        if (node == NULL) {
            scim_filter_free(left);
            return NULL;
        }
        node->left = left;
        node->right = parse_next(parser);
        left = node->right ? node : NULL;
        if (left == NULL) {
            scim_filter_free(node);
        }
    }
    return left;
}


static scim_filter_t *
parse_and(parser_t *parser)
{
    return parse_chain(parser, "and", SCIM_FILTER_AND, parse_not);
}


static scim_filter_t *
parse_or(parser_t *parser)
{
    return parse_chain(parser, "or", SCIM_FILTER_OR, parse_and);
}


static scim_filter_t *
parse_all(parser_t *parser)
{
    scim_filter_t *filter;

    if (parser->len > SCIM_FILTER_LEN_MAX) {
        return refuse(parser, "too long; cut");
    }
    filter = parse_or(parser);
    if (filter == NULL) {
        return NULL;
    }
    skip_space(parser);
    if (parser->at != parser->len) {
        scim_filter_free(filter);
        return refuse(parser, "unexpected text");
    }
    return filter;
}


scim_filter_t *
scim_filter_parse(const scim_resource_type_t *type, const char *text,
    size_t len, scim_lenient_t *lenient, scim_error_t *error)
{
    parser_t parser = { .text = text, .len = len, .type = type,
                        .lenient = lenient, .error = error };

    return parse_all(&parser);
}


scim_filter_t *
scim_filter_parse_any(const scim_schemas_t *schemas,
    const scim_resource_type_t *type, const char *text, size_t len,
    scim_lenient_t *lenient, scim_error_t *error)
{
    parser_t parser = { .text = text, .len = len, .type = type,
                        .schemas = schemas, .lenient = lenient,
                        .error = error };

    return parse_all(&parser);
}


scim_filter_t *
scim_filter_parse_value(const scim_attribute_t *attribute, const char *text,
    size_t len, scim_lenient_t *lenient, scim_error_t *error)
{
    parser_t parser = { .text = text, .len = len, .container = attribute,
                        .lenient = lenient, .error = error };

    return parse_all(&parser);
}
