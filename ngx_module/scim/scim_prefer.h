#ifndef SCIM_PREFER_H
#define SCIM_PREFER_H

#include "scim_operation.h"

/*
 * Whether a Prefer header (RFC 7240) asks for an answer before the work is
 * done: `respond-async`.  *wait: the seconds that the client would rather wait
 * for a usual answer, 0 = none.
 */
bool scim_prefer_async(scim_text_t prefer, unsigned *wait);

#endif
