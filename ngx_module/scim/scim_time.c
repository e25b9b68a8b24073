#include "scim_time.h"

#include <stdio.h>

typedef struct {
    const char *p;
    const char *end;
} cursor_t;


/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t
days_from_civil(int64_t year, int month, int day)
{
    int64_t era, year_of_era, day_of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4
        - year_of_era / 100 + day_of_year - 719468;
}


static void
civil_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t era, day_of_era, year_of_era, day_of_year, shifted;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day_of_era = days - era * 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524
        - day_of_era / 146096) / 365;
    day_of_year = day_of_era
        - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    shifted = (5 * day_of_year + 2) / 153;
    *day = (int) (day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int) (shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int) (year_of_era + era * 400 + (*month <= 2));
}


static void
put_digits(char *out, int width, int64_t number)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char) ('0' + number % 10);
        number /= 10;
    }
}


void
scim_time_format(int64_t ms, char *out)
{
    int     year, month, day;
    int64_t days = ms / 86400000, rest = ms % 86400000;

    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    civil_from_days(days, &year, &month, &day);
    put_digits(out, 4, year);
    out[4] = '-';
    put_digits(out + 5, 2, month);
    out[7] = '-';
    put_digits(out + 8, 2, day);
    out[10] = 'T';
    put_digits(out + 11, 2, rest / 3600000);
    out[13] = ':';
    put_digits(out + 14, 2, rest / 60000 % 60);
    out[16] = ':';
    put_digits(out + 17, 2, rest / 1000 % 60);
    out[19] = '.';
    put_digits(out + 20, 3, rest % 1000);
    out[23] = 'Z';
    out[24] = '\0';
}


static bool
take_digits(cursor_t *c, int count, int *number)
{
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (c->p == c->end || *c->p < '0' || *c->p > '9') {
            return false;
        }
        *number = *number * 10 + (*c->p++ - '0');
    }
    return true;
}


static bool
take(cursor_t *c, char expected)
{
    if (c->p == c->end || *c->p != expected) {
        return false;
    }
    c->p++;
    return true;
}


static int
days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
                                31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}


static bool
take_date(cursor_t *c, int64_t *days)
{
    int year, month, day;

    if (!take_digits(c, 4, &year) || !take(c, '-')
        || !take_digits(c, 2, &month) || !take(c, '-')
        || !take_digits(c, 2, &day) || month < 1 || month > 12 || day < 1
        || day > days_in_month(year, month))
    {
        return false;
    }
    *days = days_from_civil(year, month, day);
    return true;
}


/* HH:MM:SS[.fraction] to ms of the day. */
static bool
take_clock(cursor_t *c, int64_t *ms)
{
    int hour, minute, second, scale = 100;

    if (!take_digits(c, 2, &hour) || !take(c, ':')
        || !take_digits(c, 2, &minute) || !take(c, ':')
        || !take_digits(c, 2, &second) || hour > 24 || minute > 59
        || second > 59 || (hour == 24 && (minute || second)))
    {
        return false;
    }
    *ms = ((hour * 60 + minute) * 60 + second) * 1000LL;
    if (!take(c, '.')) {
        return true;
    }
    if (c->p == c->end || *c->p < '0' || *c->p > '9') {
        return false;
    }
    for ( ; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        *ms += (*c->p - '0') * scale;
        scale /= 10;
    }
    return true;
}


/* Z or +HH:MM, in minutes. */
static bool
take_zone(cursor_t *c, int *minutes)
{
    int  hour, minute;
    bool west;

    if (take(c, 'Z') || take(c, 'z')) {
        *minutes = 0;
        return true;
    }
    west = c->p < c->end && *c->p == '-';
    if (!west && (c->p == c->end || *c->p != '+')) {
        return false;
    }
    c->p++;
    if (!take_digits(c, 2, &hour) || !take(c, ':')
        || !take_digits(c, 2, &minute) || hour > 14 || minute > 59)
    {
        return false;
    }
    *minutes = (hour * 60 + minute) * (west ? -1 : 1);
    return true;
}


bool
scim_time_parse(const char *text, size_t len, bool lenient, int64_t *ms)
{
    int      zone = 0;
    int64_t  days, clock = 0;
    cursor_t c = { text, text + len };

    if (!take_date(&c, &days)) {
        return false;
    }
    if (c.p == c.end) {
        if (!lenient) {
            return false;
        }
    } else {
        if (!(take(&c, 'T') || take(&c, 't')) || !take_clock(&c, &clock)) {
            return false;
        }
        if (c.p == c.end ? !lenient : !take_zone(&c, &zone)) {
            return false;
        }
    }
    if (c.p != c.end) {
        return false;
    }
    *ms = days * 86400000 + clock - zone * 60000LL;
    return true;
}
