#ifndef SCIM_TEXT_H
#define SCIM_TEXT_H

#include <string.h>

/*
 * Copies `text` into `out` (`size` bytes, at least 1), cut short where it
 * does not fit, always with a NUL.  What printf does for this costs more
 * than the copy, and it is made for every person.
 */
static inline void
scim_text_copy(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);

    memcpy(out, text, len);
    out[len] = '\0';
}


#define SCIM_TEXT_DIGITS 20 /* that a number has at most, without its sign */

/* Writes the digits backwards from `end` on; where they begin. */
static inline char *
scim_text_digits(char *end, unsigned long long number)
{
    do {
        *--end = (char) ('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

/* The same with a sign, which takes one byte more. */
static inline char *
scim_text_number(char *end, long long number)
{
    if (number >= 0) {
        return scim_text_digits(end, (unsigned long long) number);
    }
    end = scim_text_digits(end, -(unsigned long long) number);
    *--end = '-';
    return end;
}

#endif
