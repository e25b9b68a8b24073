#ifndef SCIM_JSON_SCAN_H
#define SCIM_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/*
 * Goes over the members of an object's JSON text without reading what they
 * hold: for the few members of a stored document that somebody needs.  The
 * text is trusted to be what scim_json_write() wrote; any other one ends the
 * scan early, or gives values that scim_json_read() refuses, and no more.
 */
typedef struct {
    const char *at, *end;
} scim_json_scan_t;

/* A piece of the text, borrowed. */
typedef struct {
    const char *text;
    size_t      len;
} scim_json_piece_t;

void scim_json_scan_open(scim_json_scan_t *scan, const char *text,
    size_t len);

/*
 * The next member: its name between the quotes, escapes as they are, and its
 * value's text.  False at the end.
 */
bool scim_json_scan_next(scim_json_scan_t *scan, scim_json_piece_t *name,
    scim_json_piece_t *value);

/*
 * An object of those members that have one of `count` names, each given once,
 * without escapes: a new reference.  NULL: no memory, or a damaged value.
 */
json_t *scim_json_scan_members(const char *text, size_t len,
    const char *const *names, size_t count)
    __attribute__((warn_unused_result));

bool scim_json_piece_is(const scim_json_piece_t *piece, const char *text);

/*
 * Copies a string value into `out` with a NUL; false, and `out` untouched,
 * when it is no string, damaged, or takes more than `size` bytes.
 */
bool scim_json_piece_copy(const scim_json_piece_t *value, char *out,
    size_t size);

#endif
