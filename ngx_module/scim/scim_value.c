#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_base64.h"
#include "scim_document.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_time.h"
#include "scim_unique.h"

#define EXACT_MAX         ((long long) 1 << 53) /* integers in a double */
#define WHERE_MAX         160
#define SUB_ATTRIBUTE_MAX SCIM_SCHEMA_SUB_ATTRIBUTE_MAX

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
no_memory(typing_t *typing)
{
    return scim_error_set(typing->error, 500, SCIM_ERROR_NONE, "no memory");
}


static bool
given(json_t *value, json_t **out, typing_t *typing)
{
    if (value == NULL) {
        return no_memory(typing);
    }
    *out = value;
    return true;
}


/* A text that is a JSON object with a `value`, or NULL. */
static json_t *
role_object(const json_t *text)
{
    json_t *object;

    if (!json_is_string(text) || json_string_value(text)[0] != '{') {
        return NULL;
    }
    object = scim_json_read(json_string_value(text), json_string_length(text),
        &scim_json_request_limits, NULL);
    if (!json_is_string(json_object_get(object, "value"))) {
        json_decref(object);
        return NULL;
    }
    return object;
}


/* Entra sends a role as the text of a JSON object: reference L-34. */
static bool
type_role(const json_t *value, json_t **out, typing_t *typing)
{
    json_t *object, *text = json_incref((json_t *) value);

    while ((object = role_object(text)) != NULL) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_ROLE_AS_TEXT);
        json_decref(text);
        text = json_incref(json_object_get(object, "value"));
        json_decref(object);
    }
    if (json_string_length(text) == 0) {
        json_decref(text);
        return true; /* unassigned, as everywhere */
    }
    return given(text, out, typing);
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
    if (attribute->type == SCIM_BINARY
        && !scim_base64_valid(json_string_value(value),
            json_string_length(value)))
    {
        return wrong(typing, where, "base64");
    }
    if (attribute->parent && strcmp(attribute->parent->name, "roles") == 0
        && strcmp(attribute->name, "value") == 0)
    {
        return type_role(value, out, typing);
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


/*
 * A decimal has a point (RFC 7643 section 2.3.3) unless that would cost it
 * digits; 2 and 2.0 are one value.
 */
static json_t *
new_integer(const scim_attribute_t *attribute, long long integer)
{
    return attribute->type == SCIM_DECIMAL && integer <= EXACT_MAX
        && integer >= -EXACT_MAX ? json_real((double) integer)
                                 : json_integer(integer);
}


/* A number as text, all of it; NULL for another text: reference L-09. */
static json_t *
number_of_text(const scim_attribute_t *attribute, const char *text)
{
    char     *end;
    double    real;
    long long integer;

    if (text[strspn(text, "+-.0123456789eE")] != '\0') {
        return NULL; /* strtod takes more: " 1", "0x1", "nan" */
    }
    errno = 0;
    integer = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0') {
        return new_integer(attribute, integer);
    }
    errno = 0;
    real = strtod(text, &end);
    return attribute->type == SCIM_DECIMAL && errno == 0 && end != text
        && *end == '\0' ? json_real(real) : NULL;
}


static bool
type_number(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    json_t *number = NULL;

    if (json_is_integer(value)) {
        return given(new_integer(attribute, json_integer_value(value)), out,
            typing);
    }
    if (attribute->type == SCIM_DECIMAL && json_is_real(value)) {
        return given(json_incref((json_t *) value), out, typing);
    }
    if (json_is_string(value)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_STRING_FOR_NUMBER);
        number = number_of_text(attribute, json_string_value(value));
    }
    return number ? given(number, out, typing)
                  : wrong(typing, where, "a number");
}


/* Null and "" unassign: reference L-09a and L-39. */
static bool
says_nothing(const json_t *value, typing_t *typing)
{
    bool empty = json_is_string(value) && json_string_length(value) == 0;

    if (empty) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_EMPTY_UNASSIGNS);
    } else if (json_is_null(value)) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_NULL_ENTRY);
    }
    return empty || json_is_null(value);
}


/* The position of the sub-attribute that a member's key means, or -1. */
static int
sub_position(const scim_attribute_t *attribute, const char *key,
    typing_t *typing)
{
    size_t                  len = strlen(key);
    const scim_attribute_t *sub = scim_attribute_sub(attribute, key, len);

    if (sub && strcmp(sub->name, key) != 0) {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_KEY_CASE);
    }
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
    return (int) (sub - attribute->sub_attributes);
}


json_t *
scim_value_role_display(const scim_attribute_t *attribute,
    const json_t *value)
{
    json_t *object, *display = NULL;

    if (strcmp(attribute->name, "roles") == 0) {
        object = role_object(value);
        display = json_incref(json_object_get(object, "displayName"));
        json_decref(object);
    }
    if (display && !json_is_string(display)) {
        json_decref(display);
        display = NULL;
    }
    return display;
}


static const json_t *
unpack_role(const scim_attribute_t *attribute, const json_t *element,
    json_t **owned)
{
    json_t *display = scim_value_role_display(attribute,
        json_object_get(element, "value"));

    if (display) {
        *owned = json_copy((json_t *) element);
        json_object_set_new(*owned, "display", display);
    }
    return *owned ? *owned : element;
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
        if (typed && json_object_set_new(result, sub->name, typed) != 0) {
            return no_memory(typing);
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


/* A plain string as the object that it stands for; NULL when it is none. */
static json_t *
complex_of_text(const scim_attribute_t *attribute, const json_t *value,
    typing_t *typing)
{
    const scim_attribute_t *sub = default_sub(attribute);

    if (sub == NULL || !json_is_string(value)) {
        return NULL;
    }
    scim_lenient_note(typing->lenient, attribute->multi_valued
            ? SCIM_LENIENT_SINGLE_FOR_ARRAY
            : strcmp(attribute->name, "name") == 0
            ? SCIM_LENIENT_NAME_AS_TEXT
            : SCIM_LENIENT_MANAGER_FORM);
    return json_pack("{sO}", sub->name, value);
}


static bool
type_complex(const scim_attribute_t *attribute, const json_t *value,
    const char *where, json_t **out, typing_t *typing)
{
    json_t *object = json_object(), *source, *owned = NULL;
    bool    ok;

    if (json_is_array(value) && json_array_size(value) == 1
        && !attribute->multi_valued)
    {
        scim_lenient_note(typing->lenient, SCIM_LENIENT_MANAGER_FORM);
        value = json_array_get(value, 0);
    }
    source = json_is_object(value) ? json_incref((json_t *) value)
                                   : complex_of_text(attribute, value, typing);
    ok = source
        ? type_members(attribute, unpack_role(attribute, source, &owned),
            where, object, typing)
        : wrong(typing, where, "an object");
    json_decref(source);
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
    if (says_nothing(value, typing)) {
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
    json_t *element, *typed, *array;

    if (json_array_size(value) > SCIM_DOCUMENT_VALUE_MAX) {
        return scim_error_set(typing->error, 400, SCIM_ERROR_INVALID_VALUE,
            "%.100s has more than %d values", where, SCIM_DOCUMENT_VALUE_MAX);
    }
    array = json_array();
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
        if (typed && json_array_append_new(array, typed) != 0) {
            json_decref(array);
            return no_memory(typing);
        }
    }
    if (!scim_unique(array, 0)) {
        json_decref(array);
        return no_memory(typing);
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
    if (says_nothing(value, &typing)) {
        return true;
    }
    scim_lenient_note(lenient, SCIM_LENIENT_SINGLE_FOR_ARRAY);
    wrapped = json_pack("[O]", value);
    if (wrapped == NULL) {
        return no_memory(&typing);
    }
    ok = type_array(attribute, wrapped, where, out, &typing);
    json_decref(wrapped);
    return ok;
}
