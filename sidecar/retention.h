#ifndef SIDECAR_RETENTION_H
#define SIDECAR_RETENTION_H

#include "engine.h"

/*
 * Has Redis forget what a shard keeps for long enough: entries of the audit,
 * done tasks.  A bit at a time, so that it is to be called again and again.
 */
void retention_trim(engine_t *engine, unsigned shard);

#endif
