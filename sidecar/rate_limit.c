#include "rate_limit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "retry_after.h"
#include "scim_time.h"

#define VALUE_MAX 96
#define FEW_LEFT 20 /* where the limit is not said */

typedef enum { PART_LIMIT, PART_REMAINING, PART_RESET, PART_RESET_MS,
               PART_INTERVAL_MS, PART_ALL } part_t;

/* What follows the prefix of a name. */
static const struct {
    const char *name;
    part_t      part;
} parts[] = {
    { "limit", PART_LIMIT },
    { "max", PART_LIMIT },
    { "limit-requests", PART_LIMIT },
    { "remaining", PART_REMAINING },
    { "remaining-requests", PART_REMAINING },
    { "reset", PART_RESET },
    { "reset-after", PART_RESET },
    { "reset-at", PART_RESET },
    { "reset-requests", PART_RESET },
    { "reset-ms", PART_RESET_MS },
    { "reset-after-ms", PART_RESET_MS },
    { "interval-milliseconds", PART_INTERVAL_MS }
};

static const char *const prefixes[] = {
    "ratelimit-", "x-ratelimit-", "x-rate-limit-", "x-hubspot-ratelimit-"
};


/* A count; -1 for what is none.  "100, 100;w=60" is 100. */
static long long
read_count(const char *value)
{
    char     *end;
    long long count = strtoll(value, &end, 10);

    while (*end == ' ') {
        end++;
    }
    if (end == value || !isdigit((unsigned char) *value)
        || (*end && *end != ',' && *end != ';' && *end != '.'))
    {
        return -1;
    }
    return count;
}


/* Seconds, a duration like "1m30s" or "250ms", Unix time, or a date. */
static int64_t
read_reset(const char *value, int64_t now_ms)
{
    char   *end;
    double  number, total = 0;
    int64_t at;

    if (scim_time_parse(value, strlen(value), false, &at)) {
        return at > now_ms ? at - now_ms : 0;
    }
    for (const char *p = value; isdigit((unsigned char) *p); p = end) {
        number = strtod(p, &end);
        if (strncmp(end, "ms", 2) == 0) {
            total += number;
            end += 2;
        } else if (*end == 'h' || *end == 'm' || *end == 's') {
            total += number * (*end == 'h' ? 3600000 : *end == 'm' ? 60000
                : 1000);
            end++;
        } else {
            break;
        }
        if (*end == '\0') {
            return total < RETRY_AFTER_MAX_MS ? (int64_t) total
                : RETRY_AFTER_MAX_MS;
        }
    }
    return strcmp(value, "0") == 0 ? 0 : retry_after_ms(value, NULL, now_ms);
}


static void
set_part(rate_limit_t *limit, part_t part, const char *value, int64_t now_ms)
{
    long long count = read_count(value);

    switch (part) {
    case PART_LIMIT:
        limit->limit = count;
        break;
    case PART_REMAINING:
        limit->remaining = count;
        break;
    case PART_RESET:
        limit->reset_ms = read_reset(value, now_ms);
        break;
    case PART_RESET_MS:
        limit->reset_ms = count;
        break;
    case PART_INTERVAL_MS:
        limit->interval_ms = count;
        break;
    case PART_ALL:
        break;
    }
}


/*
 * One header with all of it: `limit=100, remaining=50, reset=30`, or, since
 * the eighth draft, `"default";r=50;t=30`.
 */
static void
read_all(rate_limit_t *limit, char *value, int64_t now_ms)
{
    char *word, *number, *rest = NULL;

    for (word = strtok_r(value, ",; ", &rest); word;
         word = strtok_r(NULL, ",; ", &rest))
    {
        number = strchr(word, '=');
        if (number == NULL) {
            continue;
        }
        *number++ = '\0';
        if (strcasecmp(word, "limit") == 0 || strcasecmp(word, "q") == 0) {
            set_part(limit, PART_LIMIT, number, now_ms);
        } else if (strcasecmp(word, "remaining") == 0
                   || strcasecmp(word, "r") == 0)
        {
            set_part(limit, PART_REMAINING, number, now_ms);
        } else if (strcasecmp(word, "reset") == 0
                   || strcasecmp(word, "t") == 0)
        {
            set_part(limit, PART_RESET, number, now_ms);
        }
    }
}


/* What the header's name stands for; false for other headers. */
static bool
find_part(const char *name, size_t len, part_t *part)
{
    if (len == 9 && strncasecmp(name, "ratelimit", 9) == 0) {
        *part = PART_ALL;
        return true;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t prefix = strlen(prefixes[i]);

        if (len <= prefix || strncasecmp(name, prefixes[i], prefix) != 0) {
            continue;
        }
        for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
            if (strlen(parts[j].name) == len - prefix
                && strncasecmp(name + prefix, parts[j].name, len - prefix)
                    == 0)
            {
                *part = parts[j].part;
                return true;
            }
        }
    }
    return false;
}


void
rate_limit_header(rate_limit_t *limit, const char *line, size_t len,
    int64_t now_ms)
{
    char        value[VALUE_MAX];
    size_t      value_len;
    part_t      part;
    const char *colon = memchr(line, ':', len);

    if (colon == NULL || !find_part(line, (size_t) (colon - line), &part)) {
        return;
    }
    for (colon++; colon < line + len && (*colon == ' ' || *colon == '"');
         colon++)
    {
    }
    value_len = len - (size_t) (colon - line);
    value_len = value_len < VALUE_MAX ? value_len : VALUE_MAX - 1;
    memcpy(value, colon, value_len);
    value[value_len] = '\0';
    value[strcspn(value, "\r\n")] = '\0';
    if (part == PART_ALL) {
        read_all(limit, value, now_ms);
    } else {
        set_part(limit, part, value, now_ms);
    }
}


void
rate_limit_advise(const rate_limit_t *limit, rate_limit_advice_t *advice)
{
    int64_t reset = limit->reset_ms >= 0 ? limit->reset_ms
        : limit->interval_ms;

    memset(advice, 0, sizeof(*advice));
    if (limit->remaining < 0 || reset <= 0) {
        return;
    }
    reset = reset < RETRY_AFTER_MAX_MS ? reset : RETRY_AFTER_MAX_MS;
    if (limit->remaining == 0) {
        advice->pause_ms = reset;
        return;
    }
    if (limit->limit > 0 ? limit->remaining * 4 > limit->limit
        : limit->remaining > FEW_LEFT)
    {
        return;
    }
    advice->per_second = (double) limit->remaining * 1000 / (double) reset;
    advice->hold_ms = reset;
}
