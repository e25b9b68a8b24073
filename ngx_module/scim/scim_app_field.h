#ifndef SCIM_APP_FIELD_H
#define SCIM_APP_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "scim_error.h"

/*
 * Reading the members of an app's definition one by one, each with its place
 * in the definition, so that a refusal can say "connector.invite.path: ...".
 * Shared by scim_app*.c only.
 */
typedef struct scim_app_place_s {
    const struct scim_app_place_s *parent; /* NULL for the outermost */
    const char *name;  /* NULL: an element of an array */
    size_t      index; /* valid when name is NULL */
} scim_app_place_t;

/*
 * Sets *error (400 invalidValue) to "<place>: <message>" and returns false.
 * The place is cut at 100 bytes.
 */
bool scim_app_refuse(scim_error_t *error, const scim_app_place_t *place,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * True when value is an object whose members are all among `names`, a list
 * that ends with NULL.
 */
bool scim_app_object(const json_t *value, const scim_app_place_t *place,
    const char *const *names, scim_error_t *error)
    __attribute__((warn_unused_result));

/* The member, or NULL when it is absent or null: both mean "not given". */
const json_t *scim_app_member(const json_t *object, const char *name);

/*
 * A string of 1 to `max` bytes without control characters.  *text points
 * into the object; NULL when the member is absent and not required.
 */
bool scim_app_text(const json_t *object, const scim_app_place_t *place,
    const char *name, bool required, size_t max, const char **text,
    scim_error_t *error) __attribute__((warn_unused_result));

/* What a number may be; `value` is also what an absent member gets. */
typedef struct {
    const char *name;
    double      min, max, value;
    bool        whole; /* integers only */
} scim_app_number_t;

/* Reads the member named by `number` and writes it, or its default, to out. */
bool scim_app_number(const json_t *object, const scim_app_place_t *place,
    const scim_app_number_t *number, json_t *out, scim_error_t *error)
    __attribute__((warn_unused_result));

#endif
