#include "scim_prefer.h"

#include <string.h>

#include "scim_fold.h"

#define WAIT_MAX 3600 /* seconds; more is no more patient */


/* Cuts the part before the next `end` outside of quotes off, trimmed. */
static scim_text_t
cut(scim_text_t *text, char end)
{
    bool        quoted = false;
    size_t      len = 0;
    scim_text_t part;

    while (len < text->len && (quoted || text->text[len] != end)) {
        if (text->text[len] == '"') {
            quoted = !quoted;
        }
        len++;
    }
    part = (scim_text_t) { text->text, len };
    len += len < text->len;
    text->text += len;
    text->len -= len;
    while (part.len && (part.text[0] == ' ' || part.text[0] == '\t')) {
        part.text++;
        part.len--;
    }
    while (part.len && (part.text[part.len - 1] == ' '
                        || part.text[part.len - 1] == '\t'))
    {
        part.len--;
    }
    return part;
}


static bool
is(scim_text_t text, const char *word)
{
    return scim_name_equal(text.text, text.len, word, strlen(word));
}


static unsigned
seconds(scim_text_t value)
{
    unsigned number = 0;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.text[i];

        if (c == '"') {
            continue;
        }
        if (c < '0' || c > '9') {
            return 0;
        }
        number = number * 10 + (unsigned) (c - '0');
        if (number > WAIT_MAX) {
            return WAIT_MAX;
        }
    }
    return number;
}


bool
scim_prefer_async(scim_text_t prefer, unsigned *wait)
{
    bool        async = false, waits = false;
    scim_text_t preference, name;

    *wait = 0;
    while (prefer.len) {
        preference = cut(&prefer, ',');
        preference = cut(&preference, ';'); /* without its parameters */
        name = cut(&preference, '=');
        if (is(name, "respond-async")) {
            async = true;
        } else if (is(name, "wait") && !waits) {
            waits = true; /* of several the first one counts */
            *wait = seconds(cut(&preference, ';'));
        }
    }
    return async;
}
