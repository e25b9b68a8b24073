#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_json.h"

/* 1 where a byte cannot stand for itself inside a JSON string */
static const unsigned char must_escape[256] = {
    [0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1
};


static void
write_escape(unsigned char c, scim_buffer_t *out)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *p = short_forms; *p; p += 2) {
        if ((unsigned char) p[0] == c) {
            scim_buffer_append_char(out, '\\');
            scim_buffer_append_char(out, p[1]);
            return;
        }
    }
    scim_buffer_printf(out, "\\u%04X", c);
}


void
scim_json_write_string(const char *text, size_t len, scim_buffer_t *out)
{
    size_t from = 0;

    scim_buffer_reserve(out, len + 2);
    scim_buffer_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];

        if (must_escape[c]) {
            scim_buffer_append(out, text + from, i - from);
            write_escape(c, out);
            from = i + 1;
        }
    }
    scim_buffer_append(out, text + from, len - from);
    scim_buffer_append_char(out, '"');
}


/*
 * With no more digits than tell the value from all others (0.1 stays 0.1),
 * always a sign of a real, and an exponent without '+' and leading zeros.
 */
static void
write_real(double real, scim_buffer_t *out)
{
    char   text[64];
    char  *exponent;
    size_t skip;

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real) {
            break;
        }
    }
    exponent = strchr(text, 'e');
    if (exponent) {
        exponent += exponent[1] == '-' ? 2 : 1;
        skip = strspn(exponent, "+0");
        memmove(exponent, exponent + skip, strlen(exponent + skip) + 1);
    } else if (strchr(text, '.') == NULL) {
        strncat(text, ".0", sizeof(text) - strlen(text) - 1);
    }
    scim_buffer_append_text(out, text);
}


static void
write_array(const json_t *array, scim_buffer_t *out)
{
    size_t  i;
    json_t *element;

    scim_buffer_append_char(out, '[');
    json_array_foreach((json_t *) array, i, element) {
        if (i) {
            scim_buffer_append_char(out, ',');
        }
        scim_json_write(element, out);
    }
    scim_buffer_append_char(out, ']');
}


static void
write_object(const json_t *object, scim_buffer_t *out)
{
    bool        first = true;
    json_t     *value;
    const char *key;

    scim_buffer_append_char(out, '{');
    json_object_foreach((json_t *) object, key, value) {
        if (!first) {
            scim_buffer_append_char(out, ',');
        }
        first = false;
        scim_json_write_string(key, strlen(key), out);
        scim_buffer_append_char(out, ':');
        scim_json_write(value, out);
    }
    scim_buffer_append_char(out, '}');
}


void
scim_json_write(const json_t *value, scim_buffer_t *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(value, out);
        break;
    case JSON_ARRAY:
        write_array(value, out);
        break;
    case JSON_STRING:
        scim_json_write_string(json_string_value(value),
            json_string_length(value), out);
        break;
    case JSON_INTEGER:
        scim_buffer_append_number(out, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(json_real_value(value), out);
        break;
    case JSON_TRUE:
        scim_buffer_append_text(out, "true");
        break;
    case JSON_FALSE:
        scim_buffer_append_text(out, "false");
        break;
    case JSON_NULL:
        scim_buffer_append_text(out, "null");
        break;
    }
}
