#ifndef SCIM_BUFFER_H
#define SCIM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing byte buffer with a maximum that is given when it is born.
 * Failure (maximum passed, or no memory) is sticky: every later append does
 * nothing, and the caller tests scim_buffer_failed() once at the end.  The
 * bytes are always followed by a NUL that is not counted in `len`.
 */
typedef struct {
    char   *data; /* NULL until the first append */
    size_t  len;  /* bytes used */
    size_t  size; /* bytes allocated */
    size_t  max;  /* `len` never exceeds this */
    bool    failed;
} scim_buffer_t;

void scim_buffer_init(scim_buffer_t *buffer, size_t max);

/* Frees the bytes; the buffer may be used again afterwards. */
void scim_buffer_free(scim_buffer_t *buffer);

/* Sets len to 0, keeps the memory, clears `failed`. */
void scim_buffer_reset(scim_buffer_t *buffer);

/* Makes room for `extra` more bytes; false when that fails. */
bool scim_buffer_reserve(scim_buffer_t *buffer, size_t extra);

bool scim_buffer_append(scim_buffer_t *buffer, const void *bytes, size_t len);
bool scim_buffer_append_text(scim_buffer_t *buffer, const char *text);
bool scim_buffer_append_char(scim_buffer_t *buffer, char c);
bool scim_buffer_append_number(scim_buffer_t *buffer, long long number);
bool scim_buffer_printf(scim_buffer_t *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline bool
scim_buffer_failed(const scim_buffer_t *buffer)
{
    return buffer->failed;
}

/*
 * Hands the bytes over: the caller frees them with free().  NULL when the
 * buffer failed or nothing was ever appended.  The buffer is empty afterwards.
 */
char *scim_buffer_take(scim_buffer_t *buffer, size_t *len);

#endif
