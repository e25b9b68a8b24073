#ifndef SCIM_ERROR_H
#define SCIM_ERROR_H

#include "scim_buffer.h"

/* scimType of RFC 7644 section 3.12 and RFC 9865 section 2.2 */
typedef enum {
    SCIM_ERROR_NONE = 0,
    SCIM_ERROR_INVALID_FILTER,
    SCIM_ERROR_TOO_MANY,
    SCIM_ERROR_UNIQUENESS,
    SCIM_ERROR_MUTABILITY,
    SCIM_ERROR_INVALID_SYNTAX,
    SCIM_ERROR_INVALID_PATH,
    SCIM_ERROR_NO_TARGET,
    SCIM_ERROR_INVALID_VALUE,
    SCIM_ERROR_INVALID_VERS,
    SCIM_ERROR_SENSITIVE,
    SCIM_ERROR_INVALID_CURSOR,
    SCIM_ERROR_EXPIRED_CURSOR,
    SCIM_ERROR_INVALID_COUNT
} scim_error_type_t;

/*
 * An error by value: owned by the caller, filled in only on failure.
 * `detail` says what and where; it never holds secrets, and quotes at most
 * 64 bytes of input.
 */
typedef struct {
    int               status; /* HTTP status; 0 = no error */
    scim_error_type_t type;
    char              detail[256];
} scim_error_t;

/*
 * Fills in *error (which may be NULL) and always returns false, so that a
 * function can `return scim_error_set(...)`.  Bytes of the formatted text
 * that are not printable ASCII or valid UTF-8 are replaced by '?'.
 */
bool scim_error_set(scim_error_t *error, int status, scim_error_type_t type,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "invalidFilter" and so on; "" for SCIM_ERROR_NONE. */
const char *scim_error_type_name(scim_error_type_t type);

/* Appends the error resource of RFC 7644 section 3.12 as JSON text. */
void scim_error_render(const scim_error_t *error, scim_buffer_t *out);

#endif
