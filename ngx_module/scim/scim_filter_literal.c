#include <string.h>

#include "scim_filter_internal.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_time.h"

typedef scim_filter_parser_t parser_t;


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
        scim_filter_refuse(parser, "unterminated string");
        return NULL;
    }
    value = scim_json_read(parser->text + from, i + 1 - from,
        &scim_json_request_limits, &inner);
    if (value == NULL) {
        scim_filter_refuse(parser, "bad string");
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
            scim_filter_refuse(parser, "control character in a string");
            return NULL;
        }
    }
    value = json_stringn(text, len);
    if (value == NULL) {
        scim_filter_refuse(parser, "bad string");
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
        scim_filter_refuse(parser, "unterminated string");
        return NULL;
    }
    scim_lenient_note(parser->lenient, SCIM_LENIENT_SINGLE_QUOTED);
    value = plain_string(parser, from, (size_t) (end - from));
    if (value) {
        parser->at = (size_t) (end + 1 - parser->text);
    }
    return value;
}


/* true, false and null in any case; NULL for another word. */
static json_t *
constant(parser_t *parser, const char *word, size_t len)
{
    static const char *const names[] = { "true", "false", "null" };

    for (int i = 0; i < 3; i++) {
        if (!scim_name_equal(word, len, names[i], strlen(names[i]))) {
            continue;
        }
        if (memcmp(word, names[i], len) != 0) {
            scim_lenient_note(parser->lenient, SCIM_LENIENT_FILTER_SPELLING);
        }
        return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
    }
    return NULL;
}


/* A bare word: a JSON literal when it is one, else a string (L-20). */
static json_t *
parse_bare(parser_t *parser)
{
    size_t       from = parser->at, i = from;
    json_t      *value;
    const char  *word = parser->text + from;
    scim_error_t ignored = { 0 };

    while (i < parser->len && !scim_filter_space(parser->text[i])
           && parser->text[i] != ')' && parser->text[i] != ']')
    {
        i++;
    }
    if (i == from || strchr("{[(", *word)) {
        scim_filter_refuse(parser, "a value expected");
        return NULL;
    }
    parser->at = i;
    value = constant(parser, word, i - from);
    if (value) {
        return value;
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


json_t *
scim_filter_read_literal(scim_filter_parser_t *parser)
{
    switch (parser->text[parser->at]) {
    case '"':
        return parse_quoted(parser);
    case '\'':
        return parse_single_quoted(parser);
    default:
        return parse_bare(parser);
    }
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


/* A date alone or a time without zone is taken as UTC: reference L-59. */
static bool
type_time_literal(parser_t *parser, const scim_filter_t *node)
{
    int64_t     ms;
    const char *text = json_string_value(node->value);
    size_t      len = json_string_length(node->value);

    if (scim_time_parse(text, len, false, &ms)) {
        return true;
    }
    scim_lenient_note(parser->lenient, SCIM_LENIENT_TIME_FORM);
    return scim_time_parse(text, len, true, &ms);
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


/* Once here, not once for each value that it is compared with. */
static bool
fold_literal(parser_t *parser, scim_filter_t *node,
    const scim_attribute_t *attribute)
{
    if (json_is_string(node->value) && !attribute->case_exact
        && !scim_fold(json_string_value(node->value),
            json_string_length(node->value), &node->folded))
    {
        scim_filter_refuse(parser, "bad string");
        return false;
    }
    return true;
}


bool
scim_filter_type_literal(parser_t *parser, scim_filter_t *node, size_t from)
{
    bool                    ok;
    const scim_attribute_t *attribute = compared_attribute(node);

    if (node->attribute == NULL) {
        return true; /* an attribute of an unknown extension */
    }
    if (attribute == NULL && !json_is_null(node->value)) {
        scim_filter_refuse(parser, "a complex attribute cannot be compared");
        return false;
    }
    if (json_is_null(node->value)) {
        if (node->kind == SCIM_FILTER_EQ || node->kind == SCIM_FILTER_NE) {
            return true;
        }
        scim_filter_refuse(parser, "null can only be compared by eq and ne");
        return false;
    }
    if (!operator_fits(node->kind, attribute->type)) {
        scim_filter_refuse(parser,
            "the operator does not fit the attribute's type");
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
            && type_time_literal(parser, node);
        break;
    default:
        /* a literal 5 for a string is a type error, L-20 is for words */
        ok = json_is_string(node->value)
            || (!json_is_number(node->value)
                && type_text_literal(parser, node, from));
        break;
    }
    if (!ok) {
        parser->at = from;
        scim_filter_refuse(parser,
            "the value does not fit the attribute's type");
    }
    return ok && fold_literal(parser, node, attribute);
}
