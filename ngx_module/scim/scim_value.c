#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_document.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_time.h"

#define WHERE_MAX         160
#define SUB_ATTRIBUTE_MAX 64

typedef struct {
    scim_lenient_t *lenient;
    scim_error_t   *error;
} typing_t;


static bool
wrong(typing_t *typing, const char *where, const char *expected)
{
    return scim_error_set(typing->error, 400, SCIM_ERROR_INVALID_VALUE,
        "%.100s must be %s", where, expected);
}


static bool
given(json_t *value, json_t **out, typing_t *typing)
{
    if (value == NULL) {
        return scim_error_set(typing->error, 500, SCIM_ERROR_NONE,
            "no memory");
    }
    *out = value;
    return true;
}


static bool
type_string(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    char    text[64];
    int64_t ms;

    if (json_is_number(value) && attribute->type == SCIM_STRING) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_NUMBER_FOR_STRING);
        if (json_is_integer(value)) {
            snprintf(text, sizeof(text), "%lld",
                (long long) json_integer_value(value));
        } else {
            snprintf(text, sizeof(text), "%.15g", json_real_value(value));
        }
        return given(json_string(text), out, typing);
    }
    if (!json_is_string(value)) {
        return wrong(typing, where, "a string");
    }
    if (attribute->type == SCIM_DATETIME
        && !scim_time_parse(json_string_value(value),
            json_string_length(value), false, &ms))
    {
        return wrong(typing, where, "a date and time with a zone");
    }
    return given(json_incref((json_t *) value), out, typing);
}


static bool
type_boolean(const json_t *value, const char *where, json_t **out,
    typing_t *typing)
{
    const char *text = json_string_value(value);

    if (json_is_boolean(value)) {
        return given(json_incref((json_t *) value), out, typing);
    }
    if (text && scim_name_equal(text, strlen(text), "true", 4)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_BOOLEAN_TEXT);
        return given(json_true(), out, typing);
    }
    if (text && scim_name_equal(text, strlen(text), "false", 5)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_BOOLEAN_TEXT);
        return given(json_false(), out, typing);
    }
    return wrong(typing, where, "true or false");
}


static bool
type_number(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    char       *end;
    double      real;
    long long   integer;
    const char *text = json_string_value(value);

    if (json_is_integer(value)
        || (attribute->type == SCIM_DECIMAL && json_is_real(value)))
    {
        return given(json_incref((json_t *) value), out, typing);
    }
    if (text == NULL) {
        return wrong(typing, where, "a number");
    }
    scim_lenient_note(typing->lenient, SCIM_LENIENT_STRING_FOR_NUMBER);
    errno = 0;
    integer = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0') {
        return given(json_integer(integer), out, typing);
    }
    errno = 0;
    real = strtod(text, &end);
    if (attribute->type == SCIM_DECIMAL && errno == 0 && end != text
        && *end == '\0' && real - real == 0)
    {
        return given(json_real(real), out, typing);
    }
    return wrong(typing, where, "a number");
}


static bool
is_empty_text(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) == 0;
}


/* The position of the sub-attribute that a member's key means, or -1. */
static int
sub_position(const scim_attribute_t *attribute, const char *key,
    typing_t *typing)
{
    size_t                  len = strlen(key);
    const scim_attribute_t *sub = scim_attribute_sub(attribute, key, len);

    if (sub == NULL && scim_name_equal(key, len, "managerId", 9)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_MANAGER_FORM);
        sub = scim_attribute_sub(attribute, "value", 5);
    }
    if (sub == NULL && attribute->multi_valued
        && scim_name_equal(key, len, "displayName", 11))
    {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_ROLE_DISPLAY_NAME);
        sub = scim_attribute_sub(attribute, "display", 7);
    }
    if (sub == NULL) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_UNKNOWN_KEY);
        return -1;
    }
    if (strcmp(sub->name, key) != 0) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_KEY_CASE);
    }
    return (int) (sub - attribute->sub_attributes);
}


/* Entra sends a role as the text of a JSON object: reference L-34. */
static const json_t *
unpack_role(const scim_attribute_t *attribute, const json_t *element,
    json_t **owned, typing_t *typing)
{
    json_t     *inner;
    const char *text = json_string_value(json_object_get(element, "value"));

    if (text == NULL || text[0] != '{'
        || strcmp(attribute->name, "roles") != 0)
    {
        return element;
    }
    inner = scim_json_read(text, strlen(text), &scim_json_request_limits,
        NULL);
    if (inner == NULL || !json_is_string(json_object_get(inner, "value"))) {
        json_decref(inner);
        return element;
    }
    scim_lenient_note(typing->lenient, SCIM_LENIENT_ROLE_AS_TEXT);
    *owned = json_copy((json_t *) element);
    json_object_set(*owned, "value", json_object_get(inner, "value"));
    if (json_is_string(json_object_get(inner, "displayName"))) {
        json_object_set(*owned, "display",
            json_object_get(inner, "displayName"));
    }
    json_decref(inner);
    return *owned;
}


static bool
type_members(const scim_attribute_t *attribute, const json_t *object,
    const char *where, json_t *result, typing_t *typing)
{
    int           position;
    char          inner[WHERE_MAX];
    json_t       *value, *typed;
    const char   *key;
    const json_t *values[SUB_ATTRIBUTE_MAX] = { NULL };

    json_object_foreach((json_t *) object, key, value) {
        position = sub_position(attribute, key, typing);
        if (position >= 0 && position < SUB_ATTRIBUTE_MAX) {
            values[position] = value;
        }
    }
    for (size_t i = 0; i < attribute->sub_attribute_count
         && i < SUB_ATTRIBUTE_MAX; i++)
    {
        const scim_attribute_t *sub = &attribute->sub_attributes[i];

        if (values[i] == NULL) {
            continue;
        }
        if (sub->mutability == SCIM_READ_ONLY) {
            scim_lenient_note(typing->lenient, SCIM_LENIENT_READ_ONLY);
            continue;
        }
        snprintf(inner, sizeof(inner), "%.100s.%.40s", where, sub->name);
        typed = NULL;
        if (!scim_value_normalize(sub, values[i], inner, &typed,
                typing->lenient, typing->error))
        {
            return false;
        }
        if (typed) {
            json_object_set_new(result, sub->name, typed);
        }
    }
    return true;
}


/* The sub-attribute that a plain string stands for: L-09b, L-38, L-63. */
static const scim_attribute_t *
default_sub(const scim_attribute_t *attribute)
{
    const scim_attribute_t *sub = scim_attribute_sub(attribute, "value", 5);

    return sub ? sub : scim_attribute_sub(attribute, "formatted", 9);
}


static bool
type_complex(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    json_t                 *object = json_object(), *owned = NULL;
    const scim_attribute_t *sub;
    bool                    ok = true;

    if (json_is_array(value) && json_array_size(value) == 1
        && !attribute->multi_valued)
    {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_MANAGER_FORM);
        value = json_array_get(value, 0);
    }
    if (json_is_object(value)) {
        value = unpack_role(attribute, value, &owned, typing);
        ok = type_members(attribute, value, where, object, typing);
    } else {
        sub = default_sub(attribute);
        if (sub == NULL || !json_is_string(value)) {
            ok = wrong(typing, where, "an object");
        } else {
            json_t *typed = NULL;

            scim_lenient_note(typing->lenient, attribute->multi_valued
                    ? SCIM_LENIENT_SINGLE_FOR_ARRAY
                    : strcmp(attribute->name, "name") == 0
                    ? SCIM_LENIENT_NAME_AS_TEXT
                    : SCIM_LENIENT_MANAGER_FORM);
            ok = scim_value_normalize(sub, value, where, &typed,
                typing->lenient, typing->error);
            if (ok && typed) {
                json_object_set_new(object, sub->name, typed);
            }
        }
    }
    json_decref(owned);
    if (ok && json_object_size(object) > 0) {
        *out = object;
        return true;
    }
    json_decref(object);
    return ok;
}


static bool
type_single(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    if (json_is_null(value)) {
        return true;
    }
    if (is_empty_text(value)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_EMPTY_UNASSIGNS);
        return true;
    }
    switch (attribute->type) {
    case SCIM_BOOLEAN:
        return type_boolean(value, where, out, typing);
    case SCIM_INTEGER:
    case SCIM_DECIMAL:
        return type_number(attribute, value, where, out, typing);
    case SCIM_COMPLEX:
        return type_complex(attribute, value, where, out, typing);
    default:
        return type_string(attribute, value, where, out, typing);
    }
}


static bool
already_there(const json_t *array, const json_t *element)
{
    size_t  i;
    json_t *other;

    json_array_foreach((json_t *) array, i, other) {
        if (json_equal(other, (json_t *) element)) {
            return true;
        }
    }
    return false;
}


/* At most one element is primary: the last one wins, reference L-40. */
static void
one_primary(json_t *array, typing_t *typing)
{
    bool seen = false;

    for (size_t i = json_array_size(array); i-- > 0; ) {
        json_t *element = json_array_get(array, i);

        if (!json_is_true(json_object_get(element, "primary"))) {
            continue;
        }
        if (seen) {
            scim_lenient_note(typing->lenient, SCIM_LENIENT_TWO_PRIMARY);
            json_object_set_new(element, "primary", json_false());
        }
        seen = true;
    }
}


static bool
type_array(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    char    inner[WHERE_MAX];
    size_t  i;
    json_t *element, *typed, *array = json_array();

    json_array_foreach((json_t *) value, i, element) {
        typed = NULL;
        snprintf(inner, sizeof(inner), "%.100s[%zu]", where, i);
        if (json_is_null(element)) {
            scim_lenient_note(typing->lenient, SCIM_LENIENT_NULL_ENTRY);
            continue;
        }
        if (!type_single(attribute, element, inner, &typed, typing)) {
            json_decref(array);
            return false;
        }
        if (typed && already_there(array, typed)) {
            json_decref(typed);
        } else if (typed) {
            json_array_append_new(array, typed);
        }
    }
    one_primary(array, typing);
    if (json_array_size(array) > 0) {
        *out = array;
    } else {
        json_decref(array);
    }
    return true;
}


bool
scim_value_normalize(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, scim_lenient_t *lenient,
    scim_error_t *error)
{
    json_t  *wrapped;
    bool     ok;
    typing_t typing = { lenient, error };

    *out = NULL;
    if (!attribute->multi_valued) {
        return type_single(attribute, value, where, out, &typing);
    }
    if (json_is_array(value)) {
        return type_array(attribute, value, where, out, &typing);
    }
    if (json_is_null(value) || is_empty_text(value)) {
        return true;
    }
    scim_lenient_note(lenient, SCIM_LENIENT_SINGLE_FOR_ARRAY);
    wrapped = json_pack("[O]", value);
    if (wrapped == NULL) {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory");
    }
    ok = type_array(attribute, wrapped, where, out, &typing);
    json_decref(wrapped);
    return ok;
}
