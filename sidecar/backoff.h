#ifndef SIDECAR_BACKOFF_H
#define SIDECAR_BACKOFF_H

#include <stdint.h>

#define BACKOFF_BASE 2000    /* ms */
#define BACKOFF_CAP  3600000 /* ms */

/*
 * Exponential with full jitter: a wait between 0 and BASE * 2^(attempt-1),
 * capped.  `random` is any 64 bits; attempt counts from 1.
 */
int64_t backoff_wait(unsigned attempt, uint64_t random);

/* What an app asked for, kept between a second and an hour. */
int64_t backoff_clamp(int64_t asked_ms);

#endif
