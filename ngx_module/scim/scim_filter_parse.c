#include <stdlib.h>
#include <string.h>

#include "scim_filter_internal.h"
#include "scim_fold.h"

/* folding makes text longer, at most by this */
#define FOLDED_MAX (64 * SCIM_FILTER_LEN_MAX)

typedef scim_filter_parser_t parser_t;

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


scim_filter_t *
scim_filter_refuse(parser_t *parser, const char *what)
{
    scim_error_set(parser->error, 400, SCIM_ERROR_INVALID_FILTER,
        "%s at position %zu of the filter", what, parser->at);
    return NULL;
}


static void
skip_space(parser_t *parser)
{
    while (parser->at < parser->len
           && scim_filter_space(parser->text[parser->at]))
    {
        parser->at++;
    }
}


/* Is the next word `word`, ended by a character that is in no name? */
static bool
at_word(const parser_t *parser, const char *word)
{
    size_t len = strlen(word), end = parser->at + len;

    return end <= parser->len
        && scim_name_equal(parser->text + parser->at, len, word, len)
        && (end == parser->len
            || !scim_filter_name_character(parser->text[end]));
}


/* Takes a word that at_word() saw; notes another spelling of it. */
static void
take_word(parser_t *parser, const char *word)
{
    if (memcmp(parser->text + parser->at, word, strlen(word)) != 0) {
        scim_lenient_note(parser->lenient, SCIM_LENIENT_FILTER_SPELLING);
    }
    parser->at += strlen(word);
}


static scim_filter_t *
new_node(parser_t *parser, scim_filter_kind_t kind)
{
    scim_filter_t *node;

    if (++parser->nodes > SCIM_FILTER_NODE_MAX) {
        return scim_filter_refuse(parser, "too many conditions");
    }
    node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return scim_filter_refuse(parser, "no memory");
    }
    node->kind = kind;
    scim_buffer_init(&node->folded, FOLDED_MAX);
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
    scim_buffer_free(&filter->folded);
    free(filter);
}


static bool
parse_operator(parser_t *parser, scim_filter_kind_t *kind)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (at_word(parser, operators[i].word)) {
            take_word(parser, operators[i].word);
            *kind = operators[i].kind;
            return true;
        }
    }
    scim_filter_refuse(parser, "an operator expected");
    return false;
}


static bool
parse_comparison(parser_t *parser, scim_filter_t *node)
{
    size_t from;

    if (parser->at == parser->len
        || !scim_filter_space(parser->text[parser->at]))
    {
        scim_filter_refuse(parser, "an operator expected");
        return false;
    }
    skip_space(parser);
    if (!parse_operator(parser, &node->kind)) {
        return false;
    }
    from = parser->at;
    if (node->value && node->kind != SCIM_FILTER_PRESENT) {
        scim_filter_refuse(parser, "a schema has no value to compare");
        return false;
    }
    if (node->value) {
        node->kind = SCIM_FILTER_EQ; /* schemas eq URN */
        return scim_filter_type_literal(parser, node, from);
    }
    if (node->kind == SCIM_FILTER_PRESENT) {
        return true;
    }
    skip_space(parser);
    if (parser->at == parser->len) {
        scim_filter_refuse(parser, "a value expected");
        return false;
    }
    if (parser->at == from) { /* members[value eq"id"] */
        scim_lenient_note(parser->lenient, SCIM_LENIENT_FILTER_SPELLING);
    }
    from = parser->at;
    node->value = scim_filter_read_literal(parser);
    return node->value && scim_filter_type_literal(parser, node, from);
}


/* attribute[filter] with an optional `.sub op value` behind it. */
static scim_filter_t *
parse_value_path(parser_t *parser, scim_filter_t *node)
{
    bool           tail;
    parser_t       inner = *parser;
    scim_filter_t *compare;

    if (parser->container || parser->nowhere || node->sub || node->value) {
        return scim_filter_refuse(parser, "'[' not allowed here");
    }
    node->kind = SCIM_FILTER_VALUE_PATH;
    inner.at++;
    inner.depth++;
    inner.container = node->attribute;
    inner.nowhere = node->attribute == NULL;
    node->left = parse_or(&inner);
    parser->at = inner.at;
    parser->nodes = inner.nodes;
    if (node->left == NULL) {
        return NULL;
    }
    skip_space(parser);
    if (parser->at == parser->len || parser->text[parser->at] != ']') {
        return scim_filter_refuse(parser, "']' expected");
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
    if (!scim_filter_read_path(&inner, compare)
        || !parse_comparison(&inner, compare))
    {
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
    if (!scim_filter_read_path(parser, node)) {
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
        return scim_filter_refuse(parser, "nested too deep");
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
        return scim_filter_refuse(parser, "')' expected");
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
        return scim_filter_refuse(parser, "a condition expected");
    }
    if (parser->text[parser->at] == '(') {
        return parse_group(parser);
    }
    if (!at_word(parser, "not")) {
        return parse_condition(parser);
    }
    from = parser->at;
    take_word(parser, "not");
    skip_space(parser);
    if (parser->at == parser->len || parser->text[parser->at] != '(') {
        parser->at = from;
        return scim_filter_refuse(parser, "'(' expected after not");
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
        take_word(parser, word);
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
        return scim_filter_refuse(parser, "too long; cut");
    }
    filter = parse_or(parser);
    if (filter == NULL) {
        return NULL;
    }
    skip_space(parser);
    if (parser->at != parser->len) {
        scim_filter_free(filter);
        return scim_filter_refuse(parser, "unexpected text");
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


scim_filter_t *
scim_filter_and(scim_filter_t *left, scim_filter_t *right)
{
    scim_filter_t *both = left && right ? calloc(1, sizeof(*both)) : NULL;

    if (both == NULL) {
        scim_filter_free(left);
        scim_filter_free(right);
        return NULL;
    }
    both->kind = SCIM_FILTER_AND;
    both->left = left;
    both->right = right;
    return both;
}
