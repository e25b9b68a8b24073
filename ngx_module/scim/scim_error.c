#include "scim_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scim_json.h"

static const char *const type_names[] = {
    "", "invalidFilter", "tooMany", "uniqueness", "mutability",
    "invalidSyntax", "invalidPath", "noTarget", "invalidValue",
    "invalidVers", "sensitive", "invalidCursor", "expiredCursor",
    "invalidCount"
};


bool
scim_error_set(scim_error_t *error, int status, scim_error_type_t type,
    const char *format, ...)
{
    va_list arguments;

    if (error == NULL) {
        return false;
    }
    error->status = status;
    error->type = type;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    for (char *p = error->detail; *p; p++) {
        if ((unsigned char) *p < 0x20 || (unsigned char) *p > 0x7e) {
            *p = '?';
        }
    }
    return false;
}


const char *
scim_error_type_name(scim_error_type_t type)
{
    return type_names[type];
}


void
scim_error_render(const scim_error_t *error, scim_buffer_t *out)
{
    scim_buffer_printf(out, "{\"schemas\":[\"urn:ietf:params:scim:api:"
        "messages:2.0:Error\"],\"status\":\"%d\"", error->status);
    if (error->type != SCIM_ERROR_NONE) {
        scim_buffer_printf(out, ",\"scimType\":\"%s\"",
            scim_error_type_name(error->type));
    }
    if (error->detail[0]) {
        scim_buffer_append_text(out, ",\"detail\":");
        scim_json_write_string(error->detail, strlen(error->detail), out);
    }
    scim_buffer_append_char(out, '}');
}
