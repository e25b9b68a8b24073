#include "scim_app_field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scim_buffer.h"

#define PLACE_MAX 100
#define NAME_SHOWN 64


static void
place_write(const scim_app_place_t *place, scim_buffer_t *out)
{
    if (place == NULL) {
        return;
    }
    place_write(place->parent, out);
    if (place->name == NULL) {
        scim_buffer_printf(out, "[%zu]", place->index);
        return;
    }
    /* a colon ends the place for whoever reads the text again */
    if (out->len > 0) {
        scim_buffer_append_char(out, '.');
    }
    for (size_t i = 0; place->name[i] && i < NAME_SHOWN; i++) {
        char c = place->name[i];

        scim_buffer_append_char(out, c == ':' ? '?' : c);
    }
}


bool
scim_app_refuse(scim_error_t *error, const scim_app_place_t *place,
    const char *format, ...)
{
    char          message[160];
    va_list       arguments;
    scim_buffer_t path;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);

    scim_buffer_init(&path, 4096);
    place_write(place, &path);
    scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE, "%.*s: %s",
        PLACE_MAX, path.len > 0 ? path.data : "app", message);
    scim_buffer_free(&path);
    return false;
}


static bool
name_known(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}


bool
scim_app_object(const json_t *value, const scim_app_place_t *place,
    const char *const *names, scim_error_t *error)
{
    const char *name;
    json_t     *member;

    if (!json_is_object(value)) {
        return scim_app_refuse(error, place, "must be a JSON object");
    }
    json_object_foreach((json_t *) value, name, member) {
        if (!name_known(name, names)) {
            scim_app_place_t unknown = { place, name, 0 };

            return scim_app_refuse(error, &unknown, "is not known here");
        }
    }
    return true;
}


const json_t *
scim_app_member(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);

    return json_is_null(member) ? NULL : member;
}


static bool
has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char) *text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}


bool
scim_app_text(const json_t *object, const scim_app_place_t *place,
    const char *name, bool required, size_t max, const char **text,
    scim_error_t *error)
{
    size_t           len;
    const json_t    *member = scim_app_member(object, name);
    scim_app_place_t here = { place, name, 0 };

    *text = NULL;
    if (member == NULL) {
        return required ? scim_app_refuse(error, &here, "is required") : true;
    }
    if (!json_is_string(member)) {
        return scim_app_refuse(error, &here, "must be a string");
    }
    len = json_string_length(member);
    if (len == 0 || len > max) {
        return scim_app_refuse(error, &here,
            "must have 1 to %zu bytes, has %zu", max, len);
    }
    if (has_control(json_string_value(member))
        || strlen(json_string_value(member)) != len)
    {
        return scim_app_refuse(error, &here,
            "must not hold control characters");
    }
    *text = json_string_value(member);
    return true;
}


bool
scim_app_number(const json_t *object, const scim_app_place_t *place,
    const scim_app_number_t *number, json_t *out, scim_error_t *error)
{
    double           value = number->value;
    const json_t    *member = scim_app_member(object, number->name);
    scim_app_place_t here = { place, number->name, 0 };

    if (member != NULL) {
        if (!json_is_number(member) || (number->whole
            && !json_is_integer(member)))
        {
            return scim_app_refuse(error, &here, "must be a %snumber",
                number->whole ? "whole " : "");
        }
        value = json_number_value(member);
        /* written so that a value that compares with nothing fails too */
        if (!(value >= number->min && value <= number->max)) {
            return scim_app_refuse(error, &here, "must be from %g to %g",
                number->min, number->max);
        }
    }
    if (json_object_set_new(out, number->name,
        value == (double) (json_int_t) value
            ? json_integer((json_int_t) value) : json_real(value)) != 0)
    {
        return scim_error_set(error, 500, SCIM_ERROR_NONE, "out of memory");
    }
    return true;
}
