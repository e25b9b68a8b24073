#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "scim_fold.h"
#include "scim_json.h"

#define NUMBER_TEXT_MAX  400 /* longer than any number that fits a double */
#define FOLD_SCAN_MAX    16  /* objects with more keys use a hash instead */

const scim_json_limits_t scim_json_request_limits = { 32, 65536, true };
const scim_json_limits_t scim_json_stored_limits = { 64, 0, false };

typedef struct {
    const unsigned char      *start;
    const unsigned char      *p;
    const unsigned char      *end;
    const scim_json_limits_t *limits;
    scim_error_t             *error;
    size_t                    depth;
    scim_buffer_t             scratch; /* a string that had escapes */
} reader_t;

static json_t *read_value(reader_t *reader);


static bool
refuse(reader_t *reader, const char *what)
{
    return scim_error_set(reader->error, 400, SCIM_ERROR_INVALID_SYNTAX,
        "%s at byte %zu of the JSON text", what,
        (size_t) (reader->p - reader->start));
}


static void
skip_space(reader_t *reader)
{
    while (reader->p < reader->end
           && (*reader->p == ' ' || *reader->p == '\n' || *reader->p == '\r'
               || *reader->p == '\t'))
    {
        reader->p++;
    }
}


/* Bytes from p that stand for themselves: printable ASCII but " and \. */
static const unsigned char *
skip_plain(const unsigned char *p, const unsigned char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    while (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *) p);
        /* signed compare: bytes from 0x80 on are negative, so < 0x20 */
        __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, space),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                _mm_cmpeq_epi8(bytes, backslash)));
        int mask = _mm_movemask_epi8(special);

        if (mask) {
            return p + __builtin_ctz((unsigned) mask);
        }
        p += 16;
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}


/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 = none. */
static size_t
utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t        len;
    unsigned char low = 0x80, high = 0xbf;

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if ((size_t) (end - p) < len) {
        return 0;
    }
    if (p[0] == 0xe0) {
        low = 0xa0;
    } else if (p[0] == 0xed) {
        high = 0x9f;
    } else if (p[0] == 0xf0) {
        low = 0x90;
    } else if (p[0] == 0xf4) {
        high = 0x8f;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }
    return len;
}


static int
hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


static bool
read_hex4(reader_t *reader, unsigned *unit)
{
    if (reader->end - reader->p < 4) {
        return refuse(reader, "truncated \\u escape");
    }
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(reader->p[i]);

        if (digit < 0) {
            return refuse(reader, "bad \\u escape");
        }
        *unit = *unit << 4 | (unsigned) digit;
    }
    reader->p += 4;
    return true;
}


static void
append_code_point(scim_buffer_t *out, unsigned c)
{
    char   bytes[4];
    size_t len;

    if (c < 0x80) {
        bytes[0] = (char) c;
        len = 1;
    } else if (c < 0x800) {
        bytes[0] = (char) (0xc0 | c >> 6);
        bytes[1] = (char) (0x80 | (c & 0x3f));
        len = 2;
    } else if (c < 0x10000) {
        bytes[0] = (char) (0xe0 | c >> 12);
        bytes[1] = (char) (0x80 | (c >> 6 & 0x3f));
        bytes[2] = (char) (0x80 | (c & 0x3f));
        len = 3;
    } else {
        bytes[0] = (char) (0xf0 | c >> 18);
        bytes[1] = (char) (0x80 | (c >> 12 & 0x3f));
        bytes[2] = (char) (0x80 | (c >> 6 & 0x3f));
        bytes[3] = (char) (0x80 | (c & 0x3f));
        len = 4;
    }
    scim_buffer_append(out, bytes, len);
}


static bool
read_unicode_escape(reader_t *reader)
{
    unsigned unit, low;

    if (!read_hex4(reader, &unit)) {
        return false;
    }
    if (unit == 0) {
        return refuse(reader, "U+0000");
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return refuse(reader, "lone surrogate");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (reader->end - reader->p < 2 || reader->p[0] != '\\'
            || reader->p[1] != 'u')
        {
            return refuse(reader, "lone surrogate");
        }
        reader->p += 2;
        if (!read_hex4(reader, &low)) {
            return false;
        }
        if (low < 0xdc00 || low > 0xdfff) {
            return refuse(reader, "lone surrogate");
        }
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    append_code_point(&reader->scratch, unit);
    return true;
}


static bool
read_escape(reader_t *reader)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char       *which;

    reader->p++;
    if (reader->p == reader->end) {
        return refuse(reader, "unterminated string");
    }
    if (*reader->p == 'u') {
        reader->p++;
        return read_unicode_escape(reader);
    }
    which = *reader->p ? strchr(from, *reader->p) : NULL;
    if (which == NULL) {
        return refuse(reader, "bad escape");
    }
    reader->p++;
    return scim_buffer_append_char(&reader->scratch, to[which - from]);
}


/*
 * Reads a string; *text points into the input when nothing was escaped, else
 * into the scratch buffer (valid until the next string is read).
 */
static bool
read_string(reader_t *reader, const char **text, size_t *len)
{
    const unsigned char *from = ++reader->p;
    bool                 copied = false;
    size_t               sequence, max = reader->limits->string_max;

    for ( ;; ) {
        reader->p = skip_plain(reader->p, reader->end);
        if (reader->p == reader->end) {
            return refuse(reader, "unterminated string");
        }
        if (*reader->p == '"') {
            break;
        }
        if (*reader->p == '\\') {
            if (!copied) {
                scim_buffer_reset(&reader->scratch);
                copied = true;
            }
            scim_buffer_append(&reader->scratch, from,
                (size_t) (reader->p - from));
            if (!read_escape(reader)) {
                return false;
            }
            from = reader->p;
            continue;
        }
        if (*reader->p < 0x20) {
            return refuse(reader, "control character in a string");
        }
        sequence = utf8_sequence(reader->p, reader->end);
        if (sequence == 0) {
            return refuse(reader, "invalid UTF-8");
        }
        reader->p += sequence;
    }
    if (copied) {
        scim_buffer_append(&reader->scratch, from,
            (size_t) (reader->p - from));
        if (scim_buffer_failed(&reader->scratch)) {
            return refuse(reader, "no memory for the string");
        }
        *text = reader->scratch.data ? reader->scratch.data : "";
        *len = reader->scratch.len;
    } else {
        *text = (const char *) from;
        *len = (size_t) (reader->p - from);
    }
    if (max && *len > max) {
        return refuse(reader, "string too long");
    }
    reader->p++;
    return true;
}


static bool
is_digit(const reader_t *reader, const unsigned char *p)
{
    return p < reader->end && *p >= '0' && *p <= '9';
}


/* Moves p over a JSON number; tells whether it has a fraction or exponent. */
static bool
scan_number(reader_t *reader, const unsigned char **end, bool *real)
{
    const unsigned char *p = reader->p;

    *real = false;
    if (*p == '-') {
        p++;
    }
    if (!is_digit(reader, p)) {
        return refuse(reader, "unexpected character");
    }
    if (*p == '0') {
        p++;
    } else {
        while (is_digit(reader, p)) {
            p++;
        }
    }
    if (p < reader->end && *p == '.') {
        *real = true;
        p++;
        if (!is_digit(reader, p)) {
            return refuse(reader, "bad number");
        }
        while (is_digit(reader, p)) {
            p++;
        }
    }
    if (p < reader->end && (*p == 'e' || *p == 'E')) {
        *real = true;
        p++;
        if (p < reader->end && (*p == '+' || *p == '-')) {
            p++;
        }
        if (!is_digit(reader, p)) {
            return refuse(reader, "bad number");
        }
        while (is_digit(reader, p)) {
            p++;
        }
    }
    *end = p;
    return true;
}


/* strtod() wants the locale's decimal point. */
static double
text_to_real(char *text)
{
    char *point = strchr(text, '.');

    if (point) {
        *point = localeconv()->decimal_point[0];
    }
    return strtod(text, NULL);
}


static json_t *
read_number(reader_t *reader)
{
    char                 text[NUMBER_TEXT_MAX];
    bool                 real;
    size_t               len;
    double               number;
    long long            integer;
    const unsigned char *end = reader->p;

    if (!scan_number(reader, &end, &real)) {
        return NULL;
    }
    len = (size_t) (end - reader->p);
    if (len >= sizeof(text)) {
        refuse(reader, "number too long");
        return NULL;
    }
    memcpy(text, reader->p, len);
    text[len] = '\0';
    errno = 0;
    if (!real) {
        integer = strtoll(text, NULL, 10);
        if (errno == ERANGE) {
            refuse(reader, "integer out of range");
            return NULL;
        }
        reader->p = end;
        return json_integer(integer);
    }
    number = text_to_real(text);
    if (isinf(number)) {
        refuse(reader, "number out of range");
        return NULL;
    }
    reader->p = end;
    return json_real(number);
}


static json_t *
read_word(reader_t *reader)
{
    size_t left = (size_t) (reader->end - reader->p);

    if (left >= 4 && memcmp(reader->p, "true", 4) == 0) {
        reader->p += 4;
        return json_true();
    }
    if (left >= 5 && memcmp(reader->p, "false", 5) == 0) {
        reader->p += 5;
        return json_false();
    }
    if (left >= 4 && memcmp(reader->p, "null", 4) == 0) {
        reader->p += 4;
        return json_null();
    }
    refuse(reader, "unexpected character");
    return NULL;
}


static json_t *
read_array(reader_t *reader)
{
    json_t *array = json_array();
    json_t *element;

    reader->p++;
    skip_space(reader);
    if (reader->p < reader->end && *reader->p == ']') {
        reader->p++;
        return array;
    }
    for ( ;; ) {
        element = read_value(reader);
        if (element == NULL || json_array_append_new(array, element) != 0) {
            break;
        }
        skip_space(reader);
        if (reader->p < reader->end && *reader->p == ',') {
            reader->p++;
            continue;
        }
        if (reader->p < reader->end && *reader->p == ']') {
            reader->p++;
            return array;
        }
        refuse(reader, "',' or ']' expected");
        break;
    }
    json_decref(array);
    return NULL;
}


static void
fold_key(const char *key, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = key[i] >= 'A' && key[i] <= 'Z' ? (char) (key[i] | 0x20)
                                                : key[i];
    }
    out[len] = '\0';
}


/*
 * SCIM names do not know case, so {"active":..,"Active":..} says two things.
 * Few keys are compared one by one; many go through a hash (*folded).
 */
static bool
key_known_folded(const json_t *object, json_t **folded, const char *key,
    size_t len)
{
    json_t     *value;
    const char *other;
    char        small[256];
    char       *lower = len < sizeof(small) ? small : malloc(len + 1);
    bool        known = false;

    if (lower == NULL) {
        return false;
    }
    fold_key(key, len, lower);
    if (*folded == NULL && json_object_size(object) < FOLD_SCAN_MAX) {
        json_object_foreach((json_t *) object, other, value) {
            if (scim_name_equal(other, strlen(other), key, len)) {
                known = true;
                break;
            }
        }
    } else {
        if (*folded == NULL) {
            *folded = json_object();
            json_object_foreach((json_t *) object, other, value) {
                char *copy = strdup(other);

                if (copy) {
                    fold_key(other, strlen(other), copy);
                    json_object_set_new(*folded, copy, json_true());
                    free(copy);
                }
            }
        }
        known = json_object_get(*folded, lower) != NULL;
        json_object_set_new(*folded, lower, json_true());
    }
    if (lower != small) {
        free(lower);
    }
    return known;
}


/* Reads `"key" :` and returns a copy of the key, or NULL. */
static char *
read_key(reader_t *reader, const json_t *object, json_t **folded, char *small,
    size_t small_size)
{
    char       *key;
    size_t      len;
    const char *text;

    skip_space(reader);
    if (reader->p == reader->end || *reader->p != '"') {
        refuse(reader, "a name in quotes expected");
        return NULL;
    }
    if (!read_string(reader, &text, &len)) {
        return NULL;
    }
    key = len < small_size ? small : malloc(len + 1);
    if (key == NULL) {
        refuse(reader, "no memory");
        return NULL;
    }
    memcpy(key, text, len);
    key[len] = '\0';
    if (json_object_get(object, key)
        || (reader->limits->fold_keys
            && key_known_folded(object, folded, key, len)))
    {
        refuse(reader, "duplicate name");
    } else {
        skip_space(reader);
        if (reader->p < reader->end && *reader->p == ':') {
            reader->p++;
            return key;
        }
        refuse(reader, "':' expected");
    }
    if (key != small) {
        free(key);
    }
    return NULL;
}


static bool
read_member(reader_t *reader, json_t *object, json_t **folded)
{
    char    small[128];
    char   *key = read_key(reader, object, folded, small, sizeof(small));
    json_t *value;
    bool    ok = false;

    if (key == NULL) {
        return false;
    }
    value = read_value(reader);
    if (value) {
        /* the key was checked as UTF-8 by the reader */
        ok = json_object_set_new_nocheck(object, key, value) == 0;
        if (!ok) {
            refuse(reader, "no memory");
        }
    }
    if (key != small) {
        free(key);
    }
    return ok;
}


static json_t *
read_object(reader_t *reader)
{
    json_t *object = json_object();
    json_t *folded = NULL;
    bool    ok = false;

    reader->p++;
    skip_space(reader);
    if (reader->p < reader->end && *reader->p == '}') {
        reader->p++;
        return object;
    }
    while (read_member(reader, object, &folded)) {
        skip_space(reader);
        if (reader->p < reader->end && *reader->p == ',') {
            reader->p++;
            continue;
        }
        if (reader->p < reader->end && *reader->p == '}') {
            reader->p++;
            ok = true;
        } else {
            refuse(reader, "',' or '}' expected");
        }
        break;
    }
    json_decref(folded);
    if (ok) {
        return object;
    }
    json_decref(object);
    return NULL;
}


static json_t *
read_nested(reader_t *reader)
{
    json_t *value;

    if (reader->depth == reader->limits->depth_max) {
        refuse(reader, "nested too deep");
        return NULL;
    }
    reader->depth++;
    value = *reader->p == '{' ? read_object(reader) : read_array(reader);
    reader->depth--;
    return value;
}


static json_t *
read_value(reader_t *reader)
{
    size_t      len;
    const char *text;

    skip_space(reader);
    if (reader->p == reader->end) {
        refuse(reader, "unexpected end");
        return NULL;
    }
    switch (*reader->p) {
    case '{':
    case '[':
        return read_nested(reader);
    case '"':
        if (!read_string(reader, &text, &len)) {
            return NULL;
        }
        return json_stringn_nocheck(text, len);
    case 't':
    case 'f':
    case 'n':
        return read_word(reader);
    default:
        return read_number(reader);
    }
}


json_t *
scim_json_read(const char *text, size_t len, const scim_json_limits_t *limits,
    scim_error_t *error)
{
    json_t  *value;
    reader_t reader = { 0 };

    reader.start = reader.p = (const unsigned char *) text;
    reader.end = reader.p + len;
    reader.limits = limits;
    reader.error = error;
    scim_buffer_init(&reader.scratch, len + 1);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        reader.p += 3;
    }
    value = read_value(&reader);
    if (value) {
        skip_space(&reader);
        if (reader.p != reader.end) {
            refuse(&reader, "trailing bytes");
            json_decref(value);
            value = NULL;
        }
    } else if (error && error->status == 0) {
        scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory");
    }
    scim_buffer_free(&reader.scratch);
    return value;
}
