#include "scim_json_scan.h"

#include <string.h>

#include "scim_json.h"


static void
skip_space(scim_json_scan_t *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at)
           && *scan->at)
    {
        scan->at++;
    }
}


/* An odd number of backslashes before a quote makes it part of the string. */
static bool
escaped(const char *quote, const char *begin)
{
    const char *at = quote;

    while (at > begin && at[-1] == '\\') {
        at--;
    }
    return (quote - at) % 2;
}


/* Behind the closing quote of the string that begins here. */
static void
skip_string(scim_json_scan_t *scan)
{
    const char *begin = scan->at + 1, *quote = scan->at;

    do {
        quote++;
        quote = memchr(quote, '"', (size_t) (scan->end - quote));
    } while (quote && escaped(quote, begin));
    scan->at = quote ? quote + 1 : scan->end;
}


static void
skip_value(scim_json_scan_t *scan)
{
    size_t depth = 0;

    while (scan->at < scan->end) {
        switch (*scan->at) {
        case '"':
            skip_string(scan);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0) {
                return;
            }
            depth--;
            break;
        case ',':
            if (depth == 0) {
                return;
            }
            break;
        default:
            break;
        }
        scan->at++;
    }
}


static bool
take(scim_json_scan_t *scan, char c)
{
    skip_space(scan);
    if (scan->at < scan->end && *scan->at == c) {
        scan->at++;
        return true;
    }
    return false;
}


void
scim_json_scan_open(scim_json_scan_t *scan, const char *text, size_t len)
{
    scan->at = text;
    scan->end = text + len;
    if (!take(scan, '{')) {
        scan->at = scan->end;
    }
}


bool
scim_json_scan_next(scim_json_scan_t *scan, scim_json_piece_t *name,
    scim_json_piece_t *value)
{
    (void) take(scan, ','); /* behind the member before */
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != '"') {
        return false;
    }
    name->text = scan->at + 1;
    skip_string(scan);
    name->len = (size_t) (scan->at - name->text) - 1;
    if (!take(scan, ':')) {
        return false;
    }
    skip_space(scan);
    value->text = scan->at;
    skip_value(scan);
    value->len = (size_t) (scan->at - value->text);
    return true;
}


json_t *
scim_json_scan_members(const char *text, size_t len,
    const char *const *names, size_t count)
{
    json_t           *object = json_object(), *member;
    scim_json_scan_t  scan;
    scim_json_piece_t name, value;

    scim_json_scan_open(&scan, text, len);
    while (object && json_object_size(object) < count
           && scim_json_scan_next(&scan, &name, &value))
    {
        for (size_t i = 0; object && i < count; i++) {
            if (!scim_json_piece_is(&name, names[i])) {
                continue;
            }
            member = scim_json_read(value.text, value.len,
                &scim_json_stored_limits, NULL);
            if (json_object_set_new_nocheck(object, names[i], member) != 0) {
                json_decref(object);
                object = NULL;
            }
        }
    }
    return object;
}


bool
scim_json_piece_is(const scim_json_piece_t *piece, const char *text)
{
    return piece->len == strlen(text)
        && memcmp(piece->text, text, piece->len) == 0;
}


bool
scim_json_piece_copy(const scim_json_piece_t *value, char *out, size_t size)
{
    bool    copied = false;
    json_t *string;

    if (value->len >= 2 && value->text[0] == '"'
        && value->text[value->len - 1] == '"'
        && memchr(value->text, '\\', value->len) == NULL)
    {
        if (value->len - 2 < size) {
            memcpy(out, value->text + 1, value->len - 2);
            out[value->len - 2] = '\0';
            return true;
        }
        return false;
    }
    string = scim_json_read(value->text, value->len,
        &scim_json_stored_limits, NULL);
    if (json_is_string(string) && json_string_length(string) < size) {
        memcpy(out, json_string_value(string), json_string_length(string) + 1);
        copied = true;
    }
    json_decref(string);
    return copied;
}
