#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rate_limit.h"

#define NOW 1700000000000LL /* 2023-11-14T22:13:20Z */


/* Reads the header lines of one answer, which end with a NUL line. */
static void
read_lines(const char *const *lines, rate_limit_t *limit)
{
    *limit = (rate_limit_t) RATE_LIMIT_NONE;
    for (int i = 0; i < 4 && lines[i]; i++) {
        rate_limit_header(limit, lines[i], strlen(lines[i]), NOW);
    }
}


static void
every_dialect_of_the_headers_is_read(void **state)
{
    static const struct {
        const char *lines[4];
        long long   limit, remaining;
        int64_t     reset_ms;
    } cases[] = {
        { { "X-RateLimit-Limit: 100\r\n", "X-RateLimit-Remaining: 7\r\n",
            "X-RateLimit-Reset: 30\r\n" }, 100, 7, 30000 },
        { { "x-ratelimit-limit: 5000", "x-ratelimit-remaining: 4999",
            "x-ratelimit-reset: 1700000060" }, 5000, 4999, 60000 },
        { { "X-Rate-Limit-Limit: 600", "X-Rate-Limit-Remaining: 1",
            "X-Rate-Limit-Reset: 1700000060000" }, 600, 1, 60000 },
        { { "RateLimit-Limit: 100, 100;w=60", "RateLimit-Remaining: 50",
            "RateLimit-Reset: 5" }, 100, 50, 5000 },
        { { "RateLimit: limit=100, remaining=50, reset=5" }, 100, 50, 5000 },
        { { "RateLimit: \"default\";r=50;t=30\r\n" }, -1, 50, 30000 },
        { { "RateLimit: \"a\";q=10;r=0;t=2" }, 10, 0, 2000 },
        { { "X-HubSpot-RateLimit-Max: 190",
            "X-HubSpot-RateLimit-Remaining: 3" }, 190, 3, -1 },
        { { "X-RateLimit-Reset-After: 1.5" }, -1, -1, 1500 },
        { { "X-RateLimit-Reset-After-Ms: 250" }, -1, -1, 250 },
        { { "X-RateLimit-Reset-Ms: 4000" }, -1, -1, 4000 },
        { { "x-ratelimit-reset-requests: 1m30s" }, -1, -1, 90000 },
        { { "x-ratelimit-reset-requests: 250ms" }, -1, -1, 250 },
        { { "x-ratelimit-limit-requests: 60",
            "x-ratelimit-remaining-requests: 59" }, 60, 59, -1 },
        { { "X-RateLimit-Reset: 2023-11-14T22:13:50Z" }, -1, -1, 30000 },
        { { "X-RateLimit-Reset: Tue, 14 Nov 2023 22:13:50 GMT" }, -1, -1,
          30000 },
        { { "X-RateLimit-Reset: 2023-11-14T22:13:00Z" }, -1, -1, 0 },
        { { "X-RateLimit-Reset: 0" }, -1, -1, 0 },
        { { "X-RateLimit-Reset: 99999" }, -1, -1, 3600000 },
        { { "X-RateLimit-Reset: soon" }, -1, -1, -1 },
        { { "X-RateLimit-Remaining: many" }, -1, -1, -1 },
        { { "X-RateLimit-Remaining: -5" }, -1, -1, -1 },
        { { "X-RateLimit-Remaining:" }, -1, -1, -1 },
        { { "X-RateLimit-Type: per-second" }, -1, -1, -1 },
        { { "Remaining: 5" }, -1, -1, -1 },
        { { "RateLimit" }, -1, -1, -1 },
        { { "RateLimit:" }, -1, -1, -1 }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rate_limit_t limit;

        read_lines(cases[i].lines, &limit);
        if (limit.limit != cases[i].limit
            || limit.remaining != cases[i].remaining
            || limit.reset_ms != cases[i].reset_ms)
        {
            fail_msg("%s: %lld %lld %lld", cases[i].lines[0], limit.limit,
                limit.remaining, (long long) limit.reset_ms);
        }
    }
}


static void
the_end_of_a_window_is_spread_and_an_empty_one_waited_for(void **state)
{
    static const struct {
        rate_limit_t limit;
        double       per_second;
        int64_t      hold_ms, pause_ms;
    } cases[] = {
        { RATE_LIMIT_NONE, 0, 0, 0 },
        { { 100, 26, 10000, -1 }, 0, 0, 0 },
        { { 100, 25, 10000, -1 }, 2.5, 10000, 0 },
        { { 100, 1, 10000, -1 }, 0.1, 10000, 0 },
        { { 100, 0, 10000, -1 }, 0, 0, 10000 },
        { { -1, 21, 10000, -1 }, 0, 0, 0 },
        { { -1, 20, 10000, -1 }, 2, 10000, 0 },
        { { 190, 19, -1, 10000 }, 1.9, 10000, 0 },
        { { 190, 0, -1, 10000 }, 0, 0, 10000 },
        { { 100, 0, -1, -1 }, 0, 0, 0 },
        { { 100, 0, 0, -1 }, 0, 0, 0 },
        { { 100, 0, 86400000, -1 }, 0, 0, 3600000 },
        { { 100, -1, 10000, -1 }, 0, 0, 0 }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rate_limit_advice_t advice;

        rate_limit_advise(&cases[i].limit, &advice);
        if (fabs(advice.per_second - cases[i].per_second) > 1e-9
            || advice.hold_ms != cases[i].hold_ms
            || advice.pause_ms != cases[i].pause_ms)
        {
            fail_msg("case %zu: %g %lld %lld", i, advice.per_second,
                (long long) advice.hold_ms, (long long) advice.pause_ms);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialect_of_the_headers_is_read),
        cmocka_unit_test(
            the_end_of_a_window_is_spread_and_an_empty_one_waited_for)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
