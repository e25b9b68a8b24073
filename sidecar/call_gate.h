#ifndef SIDECAR_CALL_GATE_H
#define SIDECAR_CALL_GATE_H

#include "engine.h"

/*
 * Leave for calls that are no task's first, from Redis, for all sidecars: they
 * count towards the app's places and its rate.
 */
connector_gate_t call_gate(engine_t *engine);

#endif
