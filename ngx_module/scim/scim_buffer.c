#include "scim_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_text.h"

#define SCIM_BUFFER_SIZE_MIN 256


void
scim_buffer_init(scim_buffer_t *buffer, size_t max)
{
    memset(buffer, 0, sizeof(*buffer));
    buffer->max = max;
}


void
scim_buffer_free(scim_buffer_t *buffer)
{
    free(buffer->data);
    scim_buffer_init(buffer, buffer->max);
}


void
scim_buffer_reset(scim_buffer_t *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
    if (buffer->data) {
        buffer->data[0] = '\0';
    }
}


bool
scim_buffer_reserve(scim_buffer_t *buffer, size_t extra)
{
    size_t  size;
    char   *data;

    if (buffer->failed) {
        return false;
    }
    if (extra > buffer->max || buffer->len > buffer->max - extra) {
        buffer->failed = true;
        return false;
    }
    if (buffer->len + extra < buffer->size) {
        return true;
    }
    size = buffer->size ? buffer->size : SCIM_BUFFER_SIZE_MIN;
    while (size <= buffer->len + extra) {
        size *= 2;
    }
    data = realloc(buffer->data, size);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}


bool
scim_buffer_append(scim_buffer_t *buffer, const void *bytes, size_t len)
{
    if (!scim_buffer_reserve(buffer, len)) {
        return false;
    }
    if (len) {
        memcpy(buffer->data + buffer->len, bytes, len);
    }
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
    return true;
}


bool
scim_buffer_append_text(scim_buffer_t *buffer, const char *text)
{
    return scim_buffer_append(buffer, text, strlen(text));
}


bool
scim_buffer_append_char(scim_buffer_t *buffer, char c)
{
    return scim_buffer_append(buffer, &c, 1);
}


bool
scim_buffer_append_number(scim_buffer_t *buffer, long long number)
{
    char  text[SCIM_TEXT_DIGITS + 1];
    char *end = text + sizeof(text);
    char *begin = scim_text_number(end, number);

    return scim_buffer_append(buffer, begin, (size_t) (end - begin));
}


bool
scim_buffer_printf(scim_buffer_t *buffer, const char *format, ...)
{
    int     n;
    va_list arguments;

    va_start(arguments, format);
    n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0 || !scim_buffer_reserve(buffer, (size_t) n)) {
        buffer->failed = true;
        return false;
    }
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->len, (size_t) n + 1, format, arguments);
    va_end(arguments);
    buffer->len += (size_t) n;
    return true;
}


char *
scim_buffer_take(scim_buffer_t *buffer, size_t *len)
{
    char *data = NULL;

    if (!buffer->failed) {
        data = buffer->data;
        if (len) {
            *len = buffer->len;
        }
        buffer->data = NULL;
    }
    scim_buffer_free(buffer);
    return data;
}
