#include "scim_patch.h"

#include <stdio.h>
#include <string.h>

#include "scim_document.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_patch_internal.h"

static const char patch_urn[] = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
static const char message_urn[] = "urn:ietf:params:scim:api:messages:2.0:";


static bool
syntax(scim_error_t *error, const char *what)
{
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX, "%s", what);
}


/* A member by its name in any case; notes another spelling. */
static const json_t *
member_named(const json_t *object, const char *name, scim_lenient_t *lenient)
{
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) object, key, value) {
        if (scim_name_equal(key, strlen(key), name, strlen(name))) {
            if (strcmp(key, name) != 0) {
                scim_lenient_note(lenient, SCIM_LENIENT_KEY_CASE);
            }
            return value;
        }
    }
    return NULL;
}


static bool
check_schemas(const json_t *body, scim_lenient_t *lenient,
    scim_error_t *error)
{
    bool    ok = true;
    size_t  i;
    json_t *urn, *schemas = scim_document_schemas_list(
        member_named(body, "schemas", lenient), lenient);

    if (schemas == NULL) {
        scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_MISSING);
    }
    json_array_foreach(schemas, i, urn) {
        const char *text = json_string_value(urn);
        size_t      len = json_string_length(urn);

        ok = ok && !(text && len >= sizeof(message_urn) - 1
            && scim_name_equal(text, sizeof(message_urn) - 1, message_urn,
                sizeof(message_urn) - 1)
            && !scim_name_equal(text, len, patch_urn, sizeof(patch_urn) - 1));
    }
    json_decref(schemas);
    return ok
        || syntax(error, "schemas names another message than PatchOp");
}


static bool
read_verb(const json_t *operation, patch_verb_t *verb, patch_t *patch)
{
    static const char *const words[] = { "add", "remove", "replace" };
    const json_t *op = member_named(operation, "op", patch->lenient);

    for (int i = 0; json_is_string(op) && i < 3; i++) {
        if (scim_name_equal(json_string_value(op), json_string_length(op),
                words[i], strlen(words[i])))
        {
            if (strcmp(json_string_value(op), words[i]) != 0) {
                scim_lenient_note(patch->lenient, SCIM_LENIENT_OP_CASE);
            }
            *verb = (patch_verb_t) i;
            return true;
        }
    }
    return syntax(patch->error, "op must be add, remove or replace");
}


static bool
is_ignored_member(const char *key)
{
    return scim_name_equal(key, strlen(key), "id", 2)
        || scim_name_equal(key, strlen(key), "meta", 4)
        || scim_name_equal(key, strlen(key), "schemas", 7);
}


/* A key of a pathless value that is a path itself: L-26 to L-28. */
static void
note_key(patch_t *patch, const char *key, const scim_path_t *path)
{
    if (path->filter) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_FILTER_KEY);
    } else if (strchr(key, ':') && path->attribute) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_URN_KEY);
    } else if (path->sub) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_DOTTED_KEY);
    } else if (path->attribute && strcmp(key, path->attribute->name) != 0) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_KEY_CASE);
    }
}


/* One member of an object that came without a path. */
static bool
apply_member(patch_t *patch, patch_verb_t verb, const char *key,
    const json_t *value)
{
    bool         ok;
    size_t       len = strlen(key);
    scim_path_t  path = { 0 };
    scim_error_t unknown = { 0 };

    if (is_ignored_member(key)) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_READ_ONLY);
        return true;
    }
    if (!scim_path_parse(patch->type, key, len, &path, patch->lenient,
            &unknown))
    {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_UNKNOWN_KEY);
        return true;
    }
    note_key(patch, key, &path);
    if (path.unknown_extension) {
        ok = true;
    } else if (path.attribute
               && path.attribute->mutability == SCIM_READ_ONLY)
    {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_READ_ONLY);
        ok = true;
    } else {
        ok = scim_patch_at(patch, verb, &path, value);
    }
    scim_path_free(&path);
    return ok;
}


static bool
apply_object(patch_t *patch, patch_verb_t verb, const json_t *object)
{
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) object, key, value) {
        if (!apply_member(patch, verb, key, value)) {
            return false;
        }
    }
    return true;
}


static bool
apply_pathless(patch_t *patch, patch_verb_t verb, const json_t *value)
{
    bool    ok;
    json_t *parsed;

    if (verb == PATCH_REMOVE) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_NO_TARGET,
            "remove needs a path");
    }
    if (json_is_object(value)) {
        return apply_object(patch, verb, value);
    }
    /* scim-for-keycloak sends the object as text: reference L-29 */
    parsed = json_is_string(value)
        ? scim_json_read(json_string_value(value), json_string_length(value),
            &scim_json_request_limits, NULL)
        : NULL;
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_VALUE,
            "without a path the value must be an object");
    }
    scim_lenient_note(patch->lenient, SCIM_LENIENT_VALUE_AS_TEXT);
    ok = apply_object(patch, verb, parsed);
    json_decref(parsed);
    return ok;
}


/* Members that mean nothing here: reference L-03. */
static void
note_members(const json_t *object, const char *const *known, size_t count,
    scim_lenient_t *lenient)
{
    size_t      i;
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) object, key, value) {
        for (i = 0; i < count; i++) {
            if (scim_name_equal(key, strlen(key), known[i],
                    strlen(known[i])))
            {
                break;
            }
        }
        if (i == count) {
            scim_lenient_note(lenient, SCIM_LENIENT_OP_MEMBER);
        }
    }
}


bool
scim_patch_spend(patch_t *patch, size_t work)
{
    patch->work.done += work;
    return patch->work.done <= patch->work.most
        || scim_error_set(patch->error, 413, SCIM_ERROR_NONE,
            "the operations are more work than one request may ask for; send "
            "fewer at once");
}


static bool
apply_operation(patch_t *patch, const json_t *operation)
{
    static const char *const known[] = { "op", "path", "value" };

    bool          ok;
    patch_verb_t  verb = PATCH_ADD;
    scim_path_t   path = { 0 };
    const json_t *text, *value;

    if (!json_is_object(operation)) {
        return syntax(patch->error, "an operation must be an object");
    }
    if (!read_verb(operation, &verb, patch)) {
        return false;
    }
    note_members(operation, known, 3, patch->lenient);
    text = member_named(operation, "path", patch->lenient);
    value = member_named(operation, "value", patch->lenient);
    if (text && !json_is_null(text) && !json_is_string(text)) {
        return scim_error_set(patch->error, 400, SCIM_ERROR_INVALID_PATH,
            "path must be a string");
    }
    if (json_string_length(text) == 0) {
        if (text) {
            scim_lenient_note(patch->lenient, SCIM_LENIENT_EMPTY_PATH);
        }
        return apply_pathless(patch, verb, value);
    }
    if (!scim_path_parse(patch->type, json_string_value(text),
            json_string_length(text), &path, patch->lenient, patch->error))
    {
        return false;
    }
    ok = path.unknown_extension || scim_patch_at(patch, verb, &path, value);
    scim_path_free(&path);
    return ok;
}


/* "Operations[3]: " before what went wrong */
static void
name_operation(scim_error_t *error, size_t position)
{
    char detail[sizeof(error->detail)];

    if (error == NULL) {
        return;
    }
    memcpy(detail, error->detail, sizeof(detail));
    snprintf(error->detail, sizeof(error->detail), "Operations[%zu]: %.200s",
        position, detail);
}


static bool
apply_all(patch_t *patch, const json_t *operations)
{
    size_t  i;
    json_t *operation;

    if (json_array_size(operations) == 0) {
        scim_lenient_note(patch->lenient, SCIM_LENIENT_NO_OPERATIONS);
    }
    if (json_array_size(operations) > SCIM_PATCH_OPERATION_MAX) {
        return scim_error_set(patch->error, 413, SCIM_ERROR_NONE,
            "more than %d operations", SCIM_PATCH_OPERATION_MAX);
    }
    json_array_foreach((json_t *) operations, i, operation) {
        if (!apply_operation(patch, operation)) {
            name_operation(patch->error, i);
            return false;
        }
    }
    return true;
}


bool
scim_patch_apply(const scim_resource_type_t *type, const json_t *body,
    const json_t *current, const char *id, json_t **document,
    scim_members_t *members, scim_lenient_t *lenient, scim_error_t *error)
{
    static const char *const known[] = { "schemas", "Operations" };
    patch_t                  patch = { type, id, NULL, members, lenient, error,
                                       { 0, SCIM_PATCH_WORK_MAX } };
    const json_t            *operations;

    if (!json_is_object(body)) {
        return syntax(error, "the body must be a JSON object");
    }
    if (!check_schemas(body, lenient, error)) {
        return false;
    }
    note_members(body, known, 2, lenient);
    operations = member_named(body, "Operations", lenient);
    if (!json_is_array(operations)) {
        return syntax(error, "Operations must be an array");
    }
    patch.document = json_deep_copy(current);
    /* a copy that ran out of memory is not whole */
    if (!json_equal(patch.document, current)
        || !apply_all(&patch, operations)
        || !scim_document_finish(type, id, &patch.document, error))
    {
        json_decref(patch.document);
        return error && error->status == 0
            ? scim_error_set(error, 500, SCIM_ERROR_NONE, "no memory")
            : false;
    }
    *document = patch.document;
    return true;
}
