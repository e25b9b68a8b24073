#ifndef SCIM_UNIQUE_H
#define SCIM_UNIQUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Takes out of the array, from position `from` on, what equals an element
 * before it (RFC 7643 section 2.4).  A few are compared with all, many are
 * looked up by their text, so that the work grows with what there is and not
 * with its square.  False without memory; the array is then not unique.
 */
bool scim_unique(json_t *array, size_t from)
    __attribute__((warn_unused_result));

#endif
