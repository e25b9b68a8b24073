#include "backoff.h"


int64_t
backoff_wait(unsigned attempt, uint64_t random)
{
    int64_t cap = BACKOFF_BASE;

    while (attempt-- > 1 && cap < BACKOFF_CAP) {
        cap *= 2;
    }
    if (cap > BACKOFF_CAP) {
        cap = BACKOFF_CAP;
    }
    return (int64_t) (random % (uint64_t) cap);
}


int64_t
backoff_clamp(int64_t asked_ms)
{
    if (asked_ms < 1000) {
        return 1000;
    }
    return asked_ms > BACKOFF_CAP ? BACKOFF_CAP : asked_ms;
}
