#ifndef SCIM_JSON_H
#define SCIM_JSON_H

#include <jansson.h>

#include "scim_buffer.h"
#include "scim_error.h"

/*
 * Our own reader and writer around jansson's tree: jansson stays the document
 * type; only lexing and dumping are ours, because they dominate the cost of a
 * request.  Both are held against json_loadb() and json_dumpb() by a
 * differential fuzz target.
 */
typedef struct {
    size_t depth_max;  /* nested arrays and objects; 32 is the usual value */
    size_t string_max; /* bytes of one decoded string; 0 = no limit */
    bool   fold_keys;  /* keys that differ only in ASCII case are duplicates */
} scim_json_limits_t;

extern const scim_json_limits_t scim_json_request_limits; /* 32, 65536, true */
extern const scim_json_limits_t scim_json_stored_limits;  /* 64, 0, false */

/*
 * Reads one JSON value (any type) that fills the whole text.  Returns a new
 * reference, or NULL with *error set (400 invalidSyntax, naming the byte
 * offset).  Refuses: duplicate keys, invalid UTF-8, U+0000, lone surrogates,
 * numbers outside long long / double, trailing bytes, excess depth.  A UTF-8
 * byte order mark at the start is skipped.
 */
json_t *scim_json_read(const char *text, size_t len,
    const scim_json_limits_t *limits, scim_error_t *error)
    __attribute__((warn_unused_result));

/*
 * Appends compact JSON text, as json_dumpb() does with JSON_COMPACT, but for
 * decimals: no more digits than it takes to read the same number again.
 */
void scim_json_write(const json_t *value, scim_buffer_t *out);

/* Appends one JSON string, quotes included. */
void scim_json_write_string(const char *text, size_t len, scim_buffer_t *out);

#endif
