#ifndef SCIM_FILTER_INTERNAL_H
#define SCIM_FILTER_INTERNAL_H

#include "scim_filter.h"

/* Shared by the parts of the filter's parser; nobody else includes it. */
typedef struct {
    const char                 *text;
    size_t                      len;
    size_t                      at;
    const scim_resource_type_t *type;      /* NULL inside a value filter */
    const scim_attribute_t     *container; /* set inside a value filter */
    const scim_schemas_t       *schemas;   /* other types' names are known */
    bool                        nowhere;   /* in brackets of what nobody has */
    unsigned                    nodes;
    unsigned                    depth;
    scim_lenient_t             *lenient;
    scim_error_t               *error;
} scim_filter_parser_t;

/* Sets the error, naming the position; always NULL. */
scim_filter_t *scim_filter_refuse(scim_filter_parser_t *parser,
    const char *what);

/*
 * The path at the parser's position, moved over: sets the node's extension,
 * attribute and sub-attribute, and for the URN of a schema alone its value.
 * False with the error set.
 */
bool scim_filter_read_path(scim_filter_parser_t *parser,
    scim_filter_t *node) __attribute__((warn_unused_result));

/*
 * The literal at the parser's position (which is inside the text), moved
 * over; a new reference, or NULL with the error set.
 */
json_t *scim_filter_read_literal(scim_filter_parser_t *parser)
    __attribute__((warn_unused_result));

/*
 * Checks that operator and literal fit the type of the node's attribute and
 * gives the literal that type; `from` is where it begins in the text.
 */
bool scim_filter_type_literal(scim_filter_parser_t *parser,
    scim_filter_t *node, size_t from) __attribute__((warn_unused_result));

static inline bool
scim_filter_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '$';
}


static inline bool
scim_filter_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif
