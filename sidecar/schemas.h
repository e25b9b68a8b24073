#ifndef SIDECAR_SCHEMAS_H
#define SIDECAR_SCHEMAS_H

#include "scim_schema.h"

/*
 * The built-in schemas and those of a folder (*.json; "" = none), as nginx
 * reads them.  NULL with a message on standard error.
 */
scim_schemas_t *schemas_read(const char *folder);

#endif
