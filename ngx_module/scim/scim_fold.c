#include "scim_fold.h"

#include <stdlib.h>
#include <utf8proc.h>

#define UNICODE_WORK 32 /* a byte of other text costs so much more */


static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
}


bool
scim_name_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len) {
        return false;
    }
    for (size_t i = 0; i < a_len; i++) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}


static bool
is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) text[i] >= 0x80) {
            return false;
        }
    }
    return true;
}


/*
 * NFKC, folding, NFKC: one pass is not always idempotent, because folding can
 * produce what composition changes.  Two passes are (checked by a test over
 * all code points).
 */
static bool
fold_unicode(const char *text, size_t len, scim_buffer_t *out)
{
    bool                    ok = false;
    utf8proc_uint8_t       *once = NULL, *twice = NULL;
    utf8proc_ssize_t        n;
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE
        | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;

    n = utf8proc_map((const utf8proc_uint8_t *) text, (utf8proc_ssize_t) len,
        &once, options);
    if (n >= 0) {
        n = utf8proc_map(once, n, &twice, options);
    }
    if (n >= 0) {
        ok = scim_buffer_append(out, twice, (size_t) n);
    }
    free(once);
    free(twice);
    return ok;
}


size_t
scim_fold_work(const char *text, size_t len)
{
    return is_ascii(text, len) ? len : len * UNICODE_WORK;
}


bool
scim_fold(const char *text, size_t len, scim_buffer_t *out)
{
    if (!is_ascii(text, len)) {
        return fold_unicode(text, len, out);
    }
    if (!scim_buffer_reserve(out, len)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        out->data[out->len + i] = lower(text[i]);
    }
    out->len += len;
    if (out->data) {
        out->data[out->len] = '\0';
    }
    return true;
}
