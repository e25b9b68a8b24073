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

#endif
