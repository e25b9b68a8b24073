#include "scim_app_template.h"

#include <string.h>

#define DEPTH_MAX 16

static const char *const variable_names[SCIM_APP_VARIABLE_COUNT] = {
    [SCIM_APP_USER_EMAIL] = "user.email",
    [SCIM_APP_USER_USER_NAME] = "user.userName",
    [SCIM_APP_USER_ID] = "user.id",
    [SCIM_APP_USER_DISPLAY_NAME] = "user.displayName",
    [SCIM_APP_USER_GIVEN_NAME] = "user.givenName",
    [SCIM_APP_USER_FAMILY_NAME] = "user.familyName",
    [SCIM_APP_GRANT_ROLE] = "grant.role",
    [SCIM_APP_GRANT_ACCESS_ROLE] = "grant.accessRole",
    [SCIM_APP_MEMBER_ID] = "member.id",
    [SCIM_APP_PAGE_CURSOR] = "page.cursor",
    [SCIM_APP_PAGE_START] = "page.start",
    [SCIM_APP_PAGE_NUMBER] = "page.number",
    [SCIM_APP_PAGE_OFFSET] = "page.offset",
    [SCIM_APP_ROLE_ID] = "role.id",
    [SCIM_APP_JOIN_URL] = "join.url",
    [SCIM_APP_ID] = "app.id",
    [SCIM_APP_WORKSPACE] = "workspace"
};


const char *
scim_app_variable_name(scim_app_variable_t variable)
{
    return variable_names[variable];
}


static scim_app_piece_t
read_variable(const char **at)
{
    const char      *name = *at + 2;
    const char      *close = strchr(name, '}');
    scim_app_piece_t piece = { SCIM_APP_PIECE_BROKEN, name, 0, 0 };

    if (close == NULL) {
        piece.len = strlen(name);
        *at = name + piece.len;
        return piece;
    }
    piece.len = (size_t) (close - name);
    *at = close + 1;
    for (int i = 0; i < SCIM_APP_VARIABLE_COUNT; i++) {
        if (strlen(variable_names[i]) == piece.len
            && memcmp(variable_names[i], name, piece.len) == 0)
        {
            piece.type = SCIM_APP_PIECE_VARIABLE;
            piece.variable = (scim_app_variable_t) i;
        }
    }
    return piece;
}


scim_app_piece_t
scim_app_template_next(const char **at)
{
    const char      *p = *at;
    scim_app_piece_t piece = { SCIM_APP_PIECE_TEXT, p, 0, 0 };

    if (*p == '\0') {
        piece.type = SCIM_APP_PIECE_END;
        return piece;
    }
    if (strncmp(p, "${", 2) == 0) {
        return read_variable(at);
    }
    if (strncmp(p, "$${", 3) == 0) {
        piece.text = p + 1;
        piece.len = 2;
        *at = p + 3;
        return piece;
    }
    for (p++; *p && strncmp(p, "${", 2) != 0 && strncmp(p, "$${", 3) != 0;) {
        p++;
    }
    piece.len = (size_t) (p - *at);
    *at = p;
    return piece;
}


bool
scim_app_template_check(const char *text, const scim_app_place_t *place,
    unsigned allowed, unsigned *used, scim_error_t *error)
{
    scim_app_piece_t piece;

    for (;;) {
        piece = scim_app_template_next(&text);
        switch (piece.type) {
        case SCIM_APP_PIECE_END:
            return true;
        case SCIM_APP_PIECE_TEXT:
            break;
        case SCIM_APP_PIECE_BROKEN:
            return scim_app_refuse(error, place,
                "there is no variable ${%.*s}",
                piece.len > 48 ? 48 : (int) piece.len, piece.text);
        case SCIM_APP_PIECE_VARIABLE:
            if (!(allowed & SCIM_APP_VARIABLE(piece.variable))) {
                return scim_app_refuse(error, place,
                    "${%s} has no value here",
                    variable_names[piece.variable]);
            }
            if (used) {
                *used |= SCIM_APP_VARIABLE(piece.variable);
            }
            break;
        }
    }
}


static bool
check_json(const json_t *value, const scim_app_place_t *place,
    unsigned allowed, unsigned *used, unsigned depth, scim_error_t *error)
{
    size_t      index;
    const char *name;
    json_t     *member;

    if (json_is_string(value)) {
        return scim_app_template_check(json_string_value(value), place,
            allowed, used, error);
    }
    if (depth == DEPTH_MAX && (json_is_object(value) || json_is_array(value))) {
        return scim_app_refuse(error, place, "is nested too deep");
    }
    json_object_foreach((json_t *) value, name, member) {
        scim_app_place_t here = { place, name, 0 };

        if (!check_json(member, &here, allowed, used, depth + 1, error)) {
            return false;
        }
    }
    json_array_foreach(value, index, member) {
        scim_app_place_t here = { place, NULL, index };

        if (!check_json(member, &here, allowed, used, depth + 1, error)) {
            return false;
        }
    }
    return true;
}


bool
scim_app_template_check_json(const json_t *value,
    const scim_app_place_t *place, unsigned allowed, unsigned *used,
    scim_error_t *error)
{
    return check_json(value, place, allowed, used, 0, error);
}
