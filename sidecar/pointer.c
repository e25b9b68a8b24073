#include "pointer.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_MAX 256


/* Undoes ~0 and ~1 (RFC 6901, section 4). */
static bool
read_token(const char *text, size_t len, char *token)
{
    size_t used = 0;

    if (len >= TOKEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '~') {
            if (++i == len || (text[i] != '0' && text[i] != '1')) {
                return false;
            }
            c = text[i] == '0' ? '~' : '/';
        }
        token[used++] = c;
    }
    token[used] = '\0';
    return true;
}


static const json_t *
array_element(const json_t *array, const char *token)
{
    size_t index = 0, len = strlen(token);

    if (len == 0 || len > 9 || (len > 1 && token[0] == '0')) {
        return NULL;
    }
    for (; *token; token++) {
        if (*token < '0' || *token > '9') {
            return NULL;
        }
        index = index * 10 + (size_t) (*token - '0');
    }
    return json_array_get(array, index);
}


const json_t *
pointer_get(const json_t *root, const char *pointer)
{
    char token[TOKEN_MAX];

    while (root && *pointer) {
        size_t len;

        if (*pointer++ != '/') {
            return NULL;
        }
        len = strcspn(pointer, "/");
        if (!read_token(pointer, len, token)) {
            return NULL;
        }
        root = json_is_array(root) ? array_element(root, token)
            : json_object_get(root, token);
        pointer += len;
    }
    return root;
}


bool
pointer_text(const json_t *value, char *out, size_t size)
{
    if (json_is_string(value)) {
        size_t len = json_string_length(value);

        if (len >= size || strlen(json_string_value(value)) != len) {
            return false;
        }
        memcpy(out, json_string_value(value), len + 1);
        return true;
    }
    if (json_is_integer(value)) {
        int len = snprintf(out, size, "%lld",
            (long long) json_integer_value(value));

        return len > 0 && (size_t) len < size;
    }
    return false;
}
