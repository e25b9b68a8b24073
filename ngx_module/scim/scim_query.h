#ifndef SCIM_QUERY_H
#define SCIM_QUERY_H

#include "scim_operation.h"

/*
 * The parameters of a query, from a URL or from a SearchRequest body (RFC
 * 7644 sections 3.4.2, 3.4.3 and 3.9, RFC 9865).  Text is decoded and lives
 * in the arena it was read into; `text` is NULL for what was not given.
 */
typedef struct {
    scim_text_t filter;
    scim_text_t attributes; /* comma-separated */
    scim_text_t excluded_attributes;
    scim_text_t sort_by;
    scim_text_t cursor;      /* "" asks for the first page */
    long long   start_index; /* from 1 */
    long long   count;       /* -1 = not given */
    bool        descending;
    bool        indexed;     /* startIndex is given */
} scim_query_t;

/*
 * Reads a raw query string (without '?').  Unknown parameters are ignored;
 * startIndex below 1 reads as 1, a negative count as 0.  False with *error
 * (400) for a number that is none, a parameter given twice, both attributes
 * and excludedAttributes, both cursor and startIndex, bad percent-encoding.
 */
bool scim_query_read(scim_text_t text, scim_arena_t *arena,
    scim_query_t *query, scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * The same from the body of `POST .../.search`; what is no SearchRequest or
 * has members of the wrong type is 400 invalidSyntax.
 */
bool scim_query_read_search(const json_t *body, scim_arena_t *arena,
    scim_query_t *query, scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
