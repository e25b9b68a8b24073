#ifndef SIDECAR_TEMPLATE_H
#define SIDECAR_TEMPLATE_H

#include <jansson.h>

#include "scim_app_template.h"
#include "scim_buffer.h"

/*
 * Fills in the templates of the http connector.  A value that is NULL is one
 * the call has not got; "" is allowed only where it cannot change who is
 * meant (names in bodies, a first page's cursor).
 */
typedef struct {
    const char *value[SCIM_APP_VARIABLE_COUNT];
    bool        role_id_number; /* ${role.id} alone is a number in JSON */
    const char *url; /* the whole URL, instead of the path; NULL = none */
    /* filled in on failure: what was wrong, for people; no values */
    char        error[96];
} template_values_t;

/*
 * Appends a path with its query.  Values are percent-encoded byte by byte
 * (RFC 3986 unreserved stay), so that they never leave their segment or
 * parameter.  Refused: a segment that a value leaves empty, "." or "..".
 */
bool template_path(const char *text, template_values_t *values,
    scim_buffer_t *out) __attribute__((warn_unused_result));

/* Appends plain text: values stand in it as they are. */
bool template_text(const char *text, template_values_t *values,
    scim_buffer_t *out) __attribute__((warn_unused_result));

/* Appends a header's value; refused: control characters. */
bool template_header(const char *text, template_values_t *values,
    scim_buffer_t *out) __attribute__((warn_unused_result));

/*
 * Appends a JSON body: values are filled in inside strings, which stay
 * strings; keys and everything else stay as they are.
 */
bool template_body(const json_t *body, template_values_t *values,
    scim_buffer_t *out) __attribute__((warn_unused_result));

/* True when the text, or any string of the tree, uses the variable. */
bool template_uses(const json_t *tree, scim_app_variable_t variable);

#endif
