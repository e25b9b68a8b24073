#ifndef SCIM_FILTER_H
#define SCIM_FILTER_H

#include "scim_buffer.h"
#include "scim_lenient.h"
#include "scim_schema.h"

/* RFC 7644 section 3.4.2.2, with its errata. */
#define SCIM_FILTER_LEN_MAX   4096
#define SCIM_FILTER_NODE_MAX  200
#define SCIM_FILTER_DEPTH_MAX 32

typedef enum {
    SCIM_FILTER_AND,
    SCIM_FILTER_OR,
    SCIM_FILTER_NOT,
    SCIM_FILTER_VALUE_PATH, /* attribute[ child ], optionally .sub op value */
    SCIM_FILTER_PRESENT,
    SCIM_FILTER_EQ,
    SCIM_FILTER_NE,
    SCIM_FILTER_CO,
    SCIM_FILTER_SW,
    SCIM_FILTER_EW,
    SCIM_FILTER_GT,
    SCIM_FILTER_GE,
    SCIM_FILTER_LT,
    SCIM_FILTER_LE
} scim_filter_kind_t;

typedef struct scim_filter_s scim_filter_t;

struct scim_filter_s {
    scim_filter_kind_t      kind;
    scim_filter_t          *left;  /* AND, OR, NOT, VALUE_PATH's filter */
    scim_filter_t          *right; /* AND, OR; what follows a value path */
    const scim_schema_t    *extension; /* NULL = core */
    const scim_attribute_t *attribute; /* NULL = unknown extension attribute */
    const scim_attribute_t *sub;
    json_t                 *value; /* typed by the attribute; owned */
    scim_buffer_t           folded; /* of text that is compared so */
};

/*
 * What matching costs, in bytes of plain text that were compared, about a
 * nanosecond each.  Beyond `most` nothing is compared any more: an answer
 * counts only while `done` is not above it.
 */
typedef struct {
    size_t done;
    size_t most;
} scim_filter_work_t;

/*
 * Parses and types a filter.  NULL with *error (400 invalidFilter naming the
 * position) on anything wrong; never matches everything by accident.
 */
scim_filter_t *scim_filter_parse(const scim_resource_type_t *type,
    const char *text, size_t len, scim_lenient_t *lenient,
    scim_error_t *error) __attribute__((warn_unused_result));

/*
 * The same for a query of all types at once, of which `type` is one: an
 * attribute that only another type has is no error and has no value (RFC 7644
 * section 3.4.2.1).
 */
scim_filter_t *scim_filter_parse_any(const scim_schemas_t *schemas,
    const scim_resource_type_t *type, const char *text, size_t len,
    scim_lenient_t *lenient, scim_error_t *error)
    __attribute__((warn_unused_result));

/* The filter between the brackets of `attribute[...]`. */
scim_filter_t *scim_filter_parse_value(const scim_attribute_t *attribute,
    const char *text, size_t len, scim_lenient_t *lenient,
    scim_error_t *error) __attribute__((warn_unused_result));

/* `left and right`, which it takes; NULL without memory or one of them. */
scim_filter_t *scim_filter_and(scim_filter_t *left, scim_filter_t *right)
    __attribute__((warn_unused_result));

void scim_filter_free(scim_filter_t *filter);

/* Appends the filter in canonical spelling: parse(print(f)) equals f. */
void scim_filter_print(const scim_filter_t *filter, scim_buffer_t *out);

/* Does the (canonical, rendered) resource match? */
bool scim_filter_match(const scim_filter_t *filter, const json_t *resource,
    scim_filter_work_t *work);

/* Does one element (object or simple value) of the attribute match? */
bool scim_filter_match_value(const scim_filter_t *filter,
    const json_t *element, scim_filter_work_t *work);

#endif
