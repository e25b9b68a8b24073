#include "template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_app_host.h"
#include "scim_json.h"

#define TEXT_MAX 65536

/* Variables that say who or where: an empty one would mean somebody else. */
#define NEVER_EMPTY (SCIM_APP_VARIABLE(SCIM_APP_USER_EMAIL) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_USER_NAME) \
    | SCIM_APP_VARIABLE(SCIM_APP_USER_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_GRANT_ACCESS_ROLE) \
    | SCIM_APP_VARIABLE(SCIM_APP_MEMBER_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_START) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_NUMBER) \
    | SCIM_APP_VARIABLE(SCIM_APP_PAGE_OFFSET) \
    | SCIM_APP_VARIABLE(SCIM_APP_ROLE_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_ID) \
    | SCIM_APP_VARIABLE(SCIM_APP_WORKSPACE))

typedef bool (*encode_pt)(const char *value, scim_buffer_t *out);


static bool
fail(template_values_t *values, const char *variable, const char *problem)
{
    snprintf(values->error, sizeof(values->error), "%s %s", variable,
        problem);
    return false;
}


static bool
encode_url(const char *value, scim_buffer_t *out)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char) *value;

        if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            scim_buffer_append_char(out, (char) c);
        } else {
            scim_buffer_printf(out, "%%%02X", c);
        }
    }
    return true;
}


static bool
encode_header(const char *value, scim_buffer_t *out)
{
    for (const char *p = value; *p; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            return false;
        }
    }
    return scim_buffer_append_text(out, value);
}


static bool
encode_plain(const char *value, scim_buffer_t *out)
{
    return scim_buffer_append_text(out, value);
}


static bool
append_variable(scim_app_variable_t variable, template_values_t *values,
    encode_pt encode, scim_buffer_t *out)
{
    const char *value = values->value[variable];
    const char *name = scim_app_variable_name(variable);

    if (value == NULL) {
        return fail(values, name, "is not known");
    }
    if (*value == '\0' && (NEVER_EMPTY & SCIM_APP_VARIABLE(variable))) {
        return fail(values, name, "is empty");
    }
    if (!encode(value, out)) {
        return fail(values, name, "cannot stand in a header or is too long");
    }
    return true;
}


/* Appends the text with its variables filled in. */
static bool
expand(const char *text, template_values_t *values, encode_pt encode,
    scim_buffer_t *out)
{
    scim_app_piece_t piece;

    while ((piece = scim_app_template_next(&text)).type
        != SCIM_APP_PIECE_END)
    {
        if (piece.type == SCIM_APP_PIECE_BROKEN) {
            return fail(values, "a template", "is broken");
        }
        if (piece.type == SCIM_APP_PIECE_TEXT) {
            scim_buffer_append(out, piece.text, piece.len);
        } else if (!append_variable(piece.variable, values, encode, out)) {
            return false;
        }
    }
    if (scim_buffer_failed(out)) {
        return fail(values, "a template", "became too long");
    }
    return true;
}


/*
 * True when a value left a segment empty.  Segments that were empty in the
 * template itself are the operator's own.
 */
static bool
emptied_segment(const char *text, const char *path, size_t len)
{
    size_t before = 0, after = 0;

    for (; *text && *text != '?'; text++) {
        before += text[0] == '/'
            && (text[1] == '/' || text[1] == '\0' || text[1] == '?');
    }
    for (size_t i = 0; i < len; i++) {
        after += path[i] == '/' && (i + 1 == len || path[i + 1] == '/');
    }
    return after > before;
}


bool
template_path(const char *text, template_values_t *values,
    scim_buffer_t *out)
{
    size_t      start = out->len, len;
    const char *path;

    if (!expand(text, values, encode_url, out)) {
        return false;
    }
    path = out->data ? out->data + start : "";
    len = strcspn(path, "?");
    if (!scim_app_path_plain(path, len)
        || emptied_segment(text, path, len))
    {
        return fail(values, "a value", "cannot stand in the path");
    }
    return true;
}


bool
template_header(const char *text, template_values_t *values,
    scim_buffer_t *out)
{
    return expand(text, values, encode_header, out);
}


bool
template_text(const char *text, template_values_t *values,
    scim_buffer_t *out)
{
    return expand(text, values, encode_plain, out);
}


/* jansson is asked only where there is a doubt. */
static bool
is_utf8(const char *text, size_t len)
{
    bool    valid = true;
    json_t *string;

    for (size_t i = 0; i < len; i++) {
        valid = valid && (unsigned char) text[i] < 0x80;
    }
    if (valid) {
        return true;
    }
    string = json_stringn(text, len);
    valid = string != NULL;
    json_decref(string);
    return valid;
}


static bool
write_string(const json_t *string, template_values_t *values,
    scim_buffer_t *out)
{
    bool          done;
    const char   *filled;
    scim_buffer_t text;

    scim_buffer_init(&text, TEXT_MAX);
    done = expand(json_string_value(string), values, encode_plain, &text);
    filled = text.len ? text.data : "";
    if (done && values->role_id_number
        && strcmp(json_string_value(string), "${role.id}") == 0)
    {
        scim_buffer_printf(out, "%lld", strtoll(filled, NULL, 10));
    } else if (done && !is_utf8(filled, text.len)) {
        done = fail(values, "a value", "is not UTF-8");
    } else if (done) {
        scim_json_write_string(filled, text.len, out);
    }
    scim_buffer_free(&text);
    return done;
}


/* The tree as JSON text, its strings filled in. */
static bool
write_filled(const json_t *tree, template_values_t *values,
    scim_buffer_t *out)
{
    bool        object = json_is_object(tree), first = true;
    size_t      index;
    json_t     *member;
    const char *name;

    if (json_is_string(tree)) {
        return write_string(tree, values, out);
    }
    if (!object && !json_is_array(tree)) {
        scim_json_write(tree, out);
        return true;
    }
    scim_buffer_append_char(out, object ? '{' : '[');
    json_object_foreach((json_t *) tree, name, member) {
        scim_buffer_append_text(out, first ? "" : ",");
        scim_json_write_string(name, strlen(name), out);
        scim_buffer_append_char(out, ':');
        if (!write_filled(member, values, out)) {
            return false;
        }
        first = false;
    }
    json_array_foreach(tree, index, member) {
        scim_buffer_append_text(out, index ? "," : "");
        if (!write_filled(member, values, out)) {
            return false;
        }
    }
    scim_buffer_append_char(out, object ? '}' : ']');
    return true;
}


bool
template_body(const json_t *body, template_values_t *values,
    scim_buffer_t *out)
{
    if (!write_filled(body, values, out)) {
        return false;
    }
    if (scim_buffer_failed(out)) {
        return fail(values, "the body", "became too long");
    }
    return true;
}


static bool
text_uses(const char *text, scim_app_variable_t variable)
{
    scim_app_piece_t piece;

    while ((piece = scim_app_template_next(&text)).type
        != SCIM_APP_PIECE_END)
    {
        if (piece.type == SCIM_APP_PIECE_VARIABLE
            && piece.variable == variable)
        {
            return true;
        }
    }
    return false;
}


bool
template_uses(const json_t *tree, scim_app_variable_t variable)
{
    size_t      index;
    json_t     *member;
    const char *name;

    if (json_is_string(tree)) {
        return text_uses(json_string_value(tree), variable);
    }
    json_object_foreach((json_t *) tree, name, member) {
        if (template_uses(member, variable)) {
            return true;
        }
    }
    json_array_foreach(tree, index, member) {
        if (template_uses(member, variable)) {
            return true;
        }
    }
    return false;
}
