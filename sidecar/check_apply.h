#ifndef SIDECAR_CHECK_APPLY_H
#define SIDECAR_CHECK_APPLY_H

#include "engine.h"

/*
 * Makes right what a check of the schedule found, all of it, piece by piece.
 * The check is done; what is not applied is logged, and found by the next one.
 */
void check_apply_start(engine_t *engine, unsigned shard,
    const char *workspace, const char *app, const char *check);

#endif
