#include "retry_after.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <curl/curl.h>

#define YEAR_10000 253402300800LL /* no HTTP-date says more */
#define TEN_YEARS_MS (10LL * 366 * 86400 * 1000)


static int64_t
clamp(int64_t ms)
{
    return ms < RETRY_AFTER_MIN_MS ? RETRY_AFTER_MIN_MS
        : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}


/* An HTTP-date in any of its three forms, ms since 1970; false for others. */
static bool
read_date(const char *text, int64_t *ms)
{
    time_t seconds;

    if (text == NULL || !isalpha((unsigned char) *text)
        || strpbrk(text, "0123456789") == NULL)
    {
        return false;
    }
    seconds = curl_getdate(text, NULL);
    if (seconds < 0 || seconds > YEAR_10000) {
        return false;
    }
    *ms = (int64_t) seconds * 1000;
    return true;
}


/* A decimal number in thousandths; very large ones stay very large. */
static bool
read_thousandths(const char *text, int64_t *thousandths)
{
    bool    negative = *text == '-';
    int64_t value = 0, scale = 1000;
    const char *start;

    text += negative || *text == '+';
    for (start = text; isdigit((unsigned char) *text); text++) {
        if (value < INT64_MAX / 100000) {
            value = value * 10 + (*text - '0');
        }
    }
    if (text == start) {
        return false;
    }
    value *= 1000;
    if (*text == '.') {
        for (text++; isdigit((unsigned char) *text); text++) {
            scale /= 10;
            value += scale * (*text - '0');
        }
    }
    text += strspn(text, " \t");
    *thousandths = negative ? -value : value;
    return *text == '\0';
}


static bool
is_near(int64_t ms, int64_t now_ms)
{
    return ms > now_ms - TEN_YEARS_MS && ms < now_ms + TEN_YEARS_MS;
}


int64_t
retry_after_ms(const char *value, const char *date, int64_t now_ms)
{
    int64_t wait, at, reference;

    if (value == NULL) {
        return -1;
    }
    value += strspn(value, " \t");
    reference = read_date(date, &at) ? at : now_ms;
    if (read_date(value, &at)) {
        return clamp(at - reference);
    }
    if (!read_thousandths(value, &wait)) {
        return -1;
    }
    if (is_near(wait, reference)) {
        return clamp(wait - reference); /* Unix time in seconds */
    }
    if (is_near(wait / 1000, reference)) {
        return clamp(wait / 1000 - reference); /* in milliseconds */
    }
    return clamp(wait);
}
