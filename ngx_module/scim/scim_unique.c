#include "scim_unique.h"

#include <stdlib.h>

#define FEW 16 /* are compared with all: cheaper than making texts of all */


static bool
known_before(const json_t *array, size_t position)
{
    json_t *element = json_array_get(array, position);

    for (size_t i = 0; i < position; i++) {
        if (json_equal(json_array_get(array, i), element)) {
            return true;
        }
    }
    return false;
}


static void
compare_pairs(json_t *array, size_t from)
{
    for (size_t i = json_array_size(array); i-- > from; ) {
        if (known_before(array, i)) {
            json_array_remove(array, i);
        }
    }
}


/* Notes the element by its text; *known: there was such a one. */
static bool
note_text(json_t *texts, const json_t *element, bool *known)
{
    bool  ok;
    char *text = json_dumps(element,
        JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    *known = text && json_object_get(texts, text);
    ok = text && (*known || json_object_set_new_nocheck(texts, text,
        json_true()) == 0);
    free(text);
    return ok;
}


static bool
look_up_texts(json_t *array, json_t *texts, size_t from)
{
    bool   known;
    size_t kept = 0, count = json_array_size(array);

    for (size_t i = 0; i < count; i++) {
        json_t *element = json_array_get(array, i);

        if (!note_text(texts, element, &known)) {
            return false;
        }
        if (known && i >= from) {
            continue;
        }
        if (kept != i && json_array_set(array, kept, element) != 0) {
            return false;
        }
        kept++;
    }
    while (count > kept) {
        json_array_remove(array, --count);
    }
    return true;
}


bool
scim_unique(json_t *array, size_t from)
{
    bool    ok;
    size_t  count = json_array_size(array);
    json_t *texts;

    if (from >= count || count - from <= FEW) {
        compare_pairs(array, from);
        return true;
    }
    texts = json_object();
    ok = texts && look_up_texts(array, texts, from);
    json_decref(texts);
    return ok;
}
