#ifndef SCIM_ADMIN_H
#define SCIM_ADMIN_H

#include "scim_operation.h"

/*
 * Appends {"error":{"code","message","field"?}}.  A detail that begins with
 * "field: " names the field at fault; the code follows from the status.
 */
void scim_admin_error_render(const scim_error_t *error, scim_buffer_t *out);

#endif
