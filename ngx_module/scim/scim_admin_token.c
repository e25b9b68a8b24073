#include <stdio.h>
#include <string.h>

#include "scim_admin_internal.h"
#include "scim_key.h"
#include "scim_token.h"

/* Tokens: the secret is shown once; Redis holds its SHA-256. */
#define DAY_MS 86400000LL


static scim_step_t
tokens_listed(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *token, *list = json_array();
    const char   *cursor = NULL;
    scim_admin_t *admin = (scim_admin_t *) operation;

    for (size_t i = 1; i + 1 < reply->elements; i += 2) {
        if ((long long) json_array_size(list) == admin->limit) {
            scim_text_t last = scim_reply_text(reply, i - 2);

            cursor = scim_arena_copy(&operation->arena, last.text, last.len);
            break;
        }
        token = scim_admin_record(scim_reply_text(reply, i + 1));
        if (token) {
            json_object_del(token, "sha256");
            json_object_del(token, "shard");
            json_array_append_new(list, token);
        }
    }
    return scim_admin_list(admin, "tokens", list, cursor);
}


scim_step_t
scim_admin_tokens_get(scim_admin_t *admin)
{
    scim_command_call(&admin->head, "page", true);
    scim_command_text(&admin->head, "tokens");
    scim_command_text(&admin->head, "token");
    scim_command_text(&admin->head, admin->cursor);
    scim_command_number(&admin->head, admin->limit + 1);
    return scim_command_send(&admin->head, tokens_listed);
}


static scim_step_t
token_made(scim_operation_t *operation, const scim_reply_t *reply)
{
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (scim_reply_is(reply, "NOTFOUND")) {
        return scim_admin_error(admin, 400, "user: no such user");
    }
    return scim_admin_answer(admin, 201, json_incref(admin->result));
}


/* Which token it is, for the audit. */
static void
say_token(scim_admin_t *admin, const json_t *record)
{
    char        why[160];
    const char *role = json_string_value(json_object_get(record, "role"));
    const char *name = json_string_value(json_object_get(record, "name"));

    snprintf(why, sizeof(why), "role %.10s, name %.100s", role ? role : "",
        name ? name : "");
    scim_command_text(&admin->head, why);
    scim_admin_sign(admin);
}


static scim_step_t
put_token(scim_admin_t *admin, const json_t *record, const char *secret)
{
    const char   *user = json_string_value(json_object_get(record, "user"));
    char          hash[65];
    scim_buffer_t text;

    scim_token_hash(secret, SCIM_TOKEN_LEN, hash);
    scim_buffer_init(&text, 4096);
    scim_json_write(record, &text);
    scim_command_call(&admin->head, "token_put", false);
    scim_command_text(&admin->head, admin->new_id);
    scim_command_text(&admin->head, hash);
    scim_command_add(&admin->head, text.data, text.len);
    scim_buffer_free(&text);
    scim_command_text(&admin->head, user ? user : "");
    say_token(admin, record);
    return scim_command_send(&admin->head, token_made);
}


static bool
read_expiry(scim_admin_t *admin, json_int_t *days)
{
    const json_t *value = json_object_get(admin->body, "expiresInDays");

    *days = json_integer_value(value);
    if (value && (!json_is_integer(value) || *days < 1 || *days > 36500)) {
        scim_admin_error(admin, 400,
            "expiresInDays: must be a number from 1 to 36500");
        return false;
    }
    return true;
}


/* `user`: whom /Me means; NULL when absent.  False after answering 400. */
static bool
read_user(scim_admin_t *admin, scim_role_t role, const char **user)
{
    const json_t *value = json_object_get(admin->body, "user");

    *user = json_string_value(value);
    if (value == NULL) {
        return true;
    }
    if (*user == NULL
        || !scim_uuid_valid(*user, json_string_length(value)))
    {
        scim_admin_error(admin, 400, "user: must be the id of a user");
        return false;
    }
    if (role != SCIM_ROLE_SCIM) {
        scim_admin_error(admin, 400, "user: only a token of role scim has one");
        return false;
    }
    return true;
}


scim_step_t
scim_admin_tokens_post(scim_admin_t *admin)
{
    char                    secret[SCIM_TOKEN_LEN + 1];
    json_t                 *record;
    json_int_t              days;
    scim_role_t             role;
    scim_step_t             step;
    const char             *name, *role_name, *user;
    const scim_request_t   *request = admin->head.request;
    const scim_principal_t *principal = request->principal;

    role_name = json_string_value(json_object_get(admin->body, "role"));
    role = role_name ? scim_role_parse(role_name, strlen(role_name))
                     : SCIM_ROLE_NONE;
    if (role == SCIM_ROLE_NONE) {
        return scim_admin_error(admin, 400,
            "role: must be owner, admin, viewer or scim");
    }
    if (role == SCIM_ROLE_OWNER && principal->role != SCIM_ROLE_OWNER) {
        return scim_admin_error(admin, 403, "only an owner makes owners");
    }
    name = scim_admin_text(admin, "name", 100);
    if (name == NULL || !read_expiry(admin, &days)
        || !read_user(admin, role, &user))
    {
        return SCIM_STEP_DONE;
    }
    scim_token_make(principal->shard, request->random + 16, secret);
    record = json_pack("{ss,ss,ss,ss,sI,si,ss*}", "id", admin->new_id,
        "workspace", principal->workspace, "role", role_name, "name", name,
        "created", (json_int_t) request->now, "shard",
        (int) principal->shard, "user", user);
    if (days) {
        json_object_set_new(record, "expires",
            json_integer(request->now + days * DAY_MS));
    }
    admin->result = json_copy(record);
    json_object_del(admin->result, "shard");
    json_object_set_new(admin->result, "secret", json_string(secret));
    step = put_token(admin, record, secret);
    json_decref(record);
    return step;
}


static scim_step_t
no_such_token(scim_admin_t *admin)
{
    return scim_admin_error(admin, 404, "no such token");
}


static scim_step_t
token_deleted(scim_operation_t *operation, const scim_reply_t *reply)
{
    return scim_reply_is(reply, "NOTFOUND")
        ? no_such_token((scim_admin_t *) operation)
        : scim_admin_written(operation, reply);
}


/* Who could not make it cannot take it away: only owners delete owners'. */
static scim_step_t
delete_found(scim_operation_t *operation, const scim_reply_t *reply)
{
    json_t       *record;
    const char   *role;
    scim_role_t   theirs = SCIM_ROLE_OWNER; /* a record that is damaged */
    scim_admin_t *admin = (scim_admin_t *) operation;

    if (reply->type != SCIM_REPLY_STRING) {
        return no_such_token(admin);
    }
    record = scim_admin_record((scim_text_t) { reply->text, reply->len });
    role = json_string_value(json_object_get(record, "role"));
    if (role) {
        theirs = scim_role_parse(role, strlen(role));
    }
    if (theirs == SCIM_ROLE_OWNER
        && operation->request->principal->role != SCIM_ROLE_OWNER)
    {
        json_decref(record);
        return scim_admin_error(admin, 403,
            "only an owner deletes an owner's token");
    }
    scim_command_call(operation, "token_delete", false);
    scim_command_text(operation, admin->id);
    say_token(admin, record);
    json_decref(record);
    return scim_command_send(operation, token_deleted);
}


scim_step_t
scim_admin_token_delete(scim_admin_t *admin)
{
    char                    key[SCIM_KEY_MAX];
    size_t                  len;
    const scim_principal_t *principal = admin->head.request->principal;

    len = scim_key(key, principal->shard, principal->workspace, "token",
        admin->id, strlen(admin->id));
    if (len == 0) {
        return no_such_token(admin);
    }
    scim_command_plain(&admin->head, "GET");
    scim_command_add(&admin->head, key, len);
    return scim_command_send(&admin->head, delete_found);
}
