#ifndef SIDECAR_RATE_LIMIT_H
#define SIDECAR_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What an app says of its limit in the headers of an answer: RateLimit-*
 * (the IETF's drafts, old and new), X-RateLimit-*, X-Rate-Limit-* and what
 * vendors make of them.  Pure: the time comes in.
 */
typedef struct {
    long long limit;       /* calls a window; -1 = not said */
    long long remaining;   /* of them; -1 = not said */
    int64_t   reset_ms;    /* until they are all there again; -1 */
    int64_t   interval_ms; /* a window's length; -1 */
} rate_limit_t;

/* What that means for calls to come. */
typedef struct {
    double  per_second; /* spread over the window; 0 = as one likes */
    int64_t hold_ms;    /* how long that holds */
    int64_t pause_ms;   /* no calls for so long; 0 = none */
} rate_limit_advice_t;

#define RATE_LIMIT_NONE { -1, -1, -1, -1 }

/*
 * Takes a header line (its end may hold CR LF); others are ignored.  `now_ms`
 * since 1970.
 */
void rate_limit_header(rate_limit_t *limit, const char *line, size_t len,
    int64_t now_ms);

/*
 * The last quarter of a window is spread over what is left of it; when nothing
 * is left, there is a pause.  Answers without numbers advise nothing.
 */
void rate_limit_advise(const rate_limit_t *limit,
    rate_limit_advice_t *advice);

#endif
