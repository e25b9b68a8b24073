#ifndef SCIM_APP_TEMPLATE_H
#define SCIM_APP_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "scim_app_field.h"

/*
 * Templates of the http connector: text with ${variables}.  `$${` stands for
 * a literal `${`; any other `$` is itself.
 */
typedef enum {
    SCIM_APP_USER_EMAIL,
    SCIM_APP_USER_USER_NAME,
    SCIM_APP_USER_ID,
    SCIM_APP_USER_DISPLAY_NAME,
    SCIM_APP_USER_GIVEN_NAME,
    SCIM_APP_USER_FAMILY_NAME,
    SCIM_APP_GRANT_ROLE,
    SCIM_APP_GRANT_ACCESS_ROLE,
    SCIM_APP_MEMBER_ID,
    SCIM_APP_PAGE_CURSOR, /* what the page before gave; "" at first */
    SCIM_APP_PAGE_START,  /* items seen so far + 1 */
    SCIM_APP_PAGE_NUMBER, /* 1, 2, 3... */
    SCIM_APP_PAGE_OFFSET, /* items seen so far */
    SCIM_APP_ROLE_ID,     /* what `roleIds` says the access role is there */
    SCIM_APP_JOIN_URL,
    SCIM_APP_ID,
    SCIM_APP_WORKSPACE,
    SCIM_APP_VARIABLE_COUNT
} scim_app_variable_t;

/* Sets of variables, one bit each. */
#define SCIM_APP_VARIABLE(v) (1u << (v))

/* "user.email" and so on. */
const char *scim_app_variable_name(scim_app_variable_t variable);

typedef enum {
    SCIM_APP_PIECE_END,
    SCIM_APP_PIECE_TEXT,
    SCIM_APP_PIECE_VARIABLE,
    SCIM_APP_PIECE_BROKEN /* unknown variable or a brace that never closes */
} scim_app_piece_type_t;

typedef struct {
    scim_app_piece_type_t type;
    const char           *text; /* of the template; name when broken */
    size_t                len;
    scim_app_variable_t   variable; /* valid for SCIM_APP_PIECE_VARIABLE */
} scim_app_piece_t;

/* Reads the next piece and moves *at behind it. */
scim_app_piece_t scim_app_template_next(const char **at);

/*
 * Checks one template text against the variables that have a value where it
 * stands.  *used, when not NULL, collects what it uses.
 */
bool scim_app_template_check(const char *text, const scim_app_place_t *place,
    unsigned allowed, unsigned *used, scim_error_t *error)
    __attribute__((warn_unused_result));

/* The same for every string value of a JSON tree, nested at most 16 deep. */
bool scim_app_template_check_json(const json_t *value,
    const scim_app_place_t *place, unsigned allowed, unsigned *used,
    scim_error_t *error) __attribute__((warn_unused_result));

#endif
