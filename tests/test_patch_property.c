#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_patch.h"

/*
 * Random PATCH requests on random users against a model that keeps plain
 * fields and knows no schema.  Both must agree on the document, and on which
 * requests are refused; a refused one leaves everything as it was.
 */
#define ENT  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define ID   "0190dada-0000-7000-8000-000000000001"
#define SEED 7644u
#define ROUNDS        4000
#define OPERATION_MAX 5
#define EMAIL_MAX     32

/* Values are pointers into `words` or NULL: equal words are one pointer. */
typedef struct {
    const char *value;
    const char *type;
    int         primary; /* -1 = not there */
} email_t;

typedef struct {
    const char *user_name, *title, *given, *family, *department;
    bool        active;
    size_t      email_count;
    email_t     email[EMAIL_MAX];
} user_t;

static const char *const words[] = { "a", "b", "c", "d" };
static const char *const kinds[] = { "work", "home", "other" };
static const char *const verbs[] = { "add", "replace" };

static scim_schemas_t             *schemas;
static const scim_resource_type_t *type;
static uint32_t                    random_state = SEED;


static unsigned
pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}


static const char *
word(void)
{
    return words[pick(4)];
}


/* ---- the model as a document ---- */

static void
put(json_t *object, const char *name, const char *value)
{
    if (value) {
        json_object_set_new(object, name, json_string(value));
    }
}


static void
put_object(json_t *object, const char *name, json_t *value)
{
    if (json_object_size(value) || json_array_size(value)) {
        json_object_set(object, name, value);
    }
    json_decref(value);
}


static json_t *
email_json(const email_t *email)
{
    json_t *object = json_object();

    put(object, "value", email->value);
    put(object, "type", email->type);
    if (email->primary >= 0) {
        json_object_set_new(object, "primary", json_boolean(email->primary));
    }
    return object;
}


static json_t *
user_json(const user_t *user)
{
    json_t *object = json_object(), *name = json_object();
    json_t *extension = json_object(), *emails = json_array();

    put(object, "userName", user->user_name);
    put(object, "title", user->title);
    json_object_set_new(object, "active", json_boolean(user->active));
    put(name, "givenName", user->given);
    put(name, "familyName", user->family);
    put_object(object, "name", name);
    put(extension, "department", user->department);
    put_object(object, ENT, extension);
    for (size_t i = 0; i < user->email_count; i++) {
        json_array_append_new(emails, email_json(&user->email[i]));
    }
    put_object(object, "emails", emails);
    return object;
}


/* ---- the model's operations ---- */

static bool
same_email(const email_t *a, const email_t *b)
{
    return a->value == b->value && a->type == b->type
        && a->primary == b->primary;
}


static void
only_primary(user_t *user, size_t winner)
{
    for (size_t i = 0; i < user->email_count; i++) {
        if (i != winner && user->email[winner].primary == 1
            && user->email[i].primary == 1)
        {
            user->email[i].primary = 0;
        }
    }
}


static void
add_email(user_t *user, email_t email)
{
    for (size_t i = 0; i < user->email_count; i++) {
        if (same_email(&user->email[i], &email)) {
            return;
        }
    }
    assert_true(user->email_count < EMAIL_MAX);
    user->email[user->email_count] = email;
    only_primary(user, user->email_count++);
}


/* Takes out the addresses of this type; tells whether there were any. */
static bool
drop_emails(user_t *user, const char *kind)
{
    size_t kept = 0, count = user->email_count;

    for (size_t i = 0; i < count; i++) {
        if (user->email[i].type != kind) {
            user->email[kept++] = user->email[i];
        }
    }
    user->email_count = kept;
    return kept != count;
}


static email_t
make_email(void)
{
    return (email_t) { word(), pick(3) ? kinds[pick(3)] : NULL,
                       (int) pick(3) - 1 };
}


static user_t
make_user(void)
{
    user_t user = { .user_name = word(), .active = pick(2) };

    user.title = pick(2) ? word() : NULL;
    user.given = pick(2) ? word() : NULL;
    user.family = pick(2) ? word() : NULL;
    user.department = pick(2) ? word() : NULL;
    for (unsigned n = pick(4); n > 0; n--) {
        add_email(&user, make_email());
    }
    return user;
}


/* ---- one random operation: on the model, and as a request ---- */

static json_t *
operation(const char *verb, const char *path, json_t *value)
{
    json_t *object = json_pack("{ss}", "op", verb);

    if (path) {
        json_object_set_new(object, "path", json_string(path));
    }
    if (value) {
        json_object_set_new(object, "value", value);
    }
    return object;
}


typedef struct {
    const char *path;
    size_t      field;
    bool        required;
} text_field_t;

static const text_field_t text_fields[] = {
    { "userName", offsetof(user_t, user_name), true },
    { "title", offsetof(user_t, title), false },
    { "name.givenName", offsetof(user_t, given), false },
    { "NAME.familyName", offsetof(user_t, family), false },
    { ENT ":department", offsetof(user_t, department), false }
};


/* A text is set, or unassigned by remove, null or nothing. */
static json_t *
on_text(user_t *user, bool *ok)
{
    const text_field_t *field = &text_fields[pick(5)];
    const char        **value = (const char **) (void *) ((char *) user
        + field->field);

    switch (pick(4)) {
    case 0:
        *value = NULL;
        *ok = !field->required;
        return operation("remove", field->path, NULL);
    case 1:
        *value = NULL;
        *ok = !field->required;
        return operation("replace", field->path,
            pick(2) ? json_null() : json_string(""));
    default:
        *value = word();
        return operation(verbs[pick(2)], field->path, json_string(*value));
    }
}


static json_t *
on_name(user_t *user)
{
    switch (pick(3)) {
    case 0:
        user->given = user->family = NULL;
        return operation("remove", "name", NULL);
    case 1:
        user->given = word();
        return operation(verbs[pick(2)], NULL, json_pack("{s{ss}}", "name",
            "givenName", user->given));
    default:
        user->given = word();
        user->family = NULL;
        return operation(verbs[pick(2)], "name", json_pack("{ss,sn}",
            "givenName", user->given, "familyName"));
    }
}


static json_t *
on_active(user_t *user, bool *ok)
{
    if (pick(4) == 0) {
        *ok = false;
        return operation("remove", "active", NULL);
    }
    user->active = pick(2);
    return operation(verbs[pick(2)], pick(2) ? "active" : NULL, NULL);
}


static json_t *
active_value(const user_t *user, const json_t *made)
{
    json_t *value = pick(2) ? json_boolean(user->active)
        : json_string(user->active ? "True" : "false");

    return json_object_get(made, "path") ? value
                                         : json_pack("{so}", "active", value);
}


static json_t *
on_email_list(user_t *user)
{
    email_t email = make_email();

    switch (pick(4)) {
    case 0:
        user->email_count = 0;
        return operation("remove", "emails", NULL);
    case 1:
        user->email_count = 0;
        add_email(user, email);
        return operation("replace", "emails", json_pack("[o]",
            email_json(&email)));
    default:
        add_email(user, email);
        return operation("add", "emails", pick(2) ? email_json(&email)
            : json_pack("[o]", email_json(&email)));
    }
}


/* emails[type eq "x"].value and .primary; made up where there is none. */
static json_t *
on_email_value(user_t *user)
{
    char        path[64];
    bool        found = false, primary = pick(2);
    email_t     email = { NULL, kinds[pick(3)], -1 };
    const char *value = word();

    snprintf(path, sizeof(path), "emails[type eq \"%s\"].%s", email.type,
        primary ? "primary" : "value");
    for (size_t i = 0; i < user->email_count; i++) {
        if (user->email[i].type == email.type) {
            found = true;
            if (primary) {
                user->email[i].primary = 1;
                only_primary(user, i);
            } else {
                user->email[i].value = value;
            }
        }
    }
    if (!found) {
        email.value = primary ? NULL : value;
        email.primary = primary ? 1 : -1;
        add_email(user, email);
    }
    return operation(verbs[pick(2)], path, primary ? json_true()
                                                   : json_string(value));
}


/* emails[type eq "x"]: gone, or another one that keeps the type alone. */
static json_t *
on_email_element(user_t *user)
{
    char        path[64];
    bool        found = false;
    email_t     email = { word(), kinds[pick(3)], -1 };

    snprintf(path, sizeof(path), "emails[type eq \"%s\"]", email.type);
    if (pick(2)) {
        drop_emails(user, email.type);
        return operation("remove", path, NULL);
    }
    for (size_t i = 0; i < user->email_count; i++) {
        if (user->email[i].type == email.type) {
            found = true;
            user->email[i] = email;
        }
    }
    if (!found) {
        add_email(user, email);
    }
    return operation("replace", path, json_pack("{ss}", "value",
        email.value));
}


static json_t *
on_something_wrong(bool *ok)
{
    static const char *const paths[] = { "nosuch", "emails[", "id",
        "emails[value eq \"nobody\"].display", "meta.version" };

    *ok = false;
    return operation("replace", paths[pick(5)], json_string("x"));
}


static json_t *
make_operation(user_t *user, bool *ok)
{
    json_t *made;

    switch (pick(16)) {
    case 0:
        return on_something_wrong(ok);
    case 1:
    case 2:
        return on_name(user);
    case 3:
    case 4:
        made = on_active(user, ok);
        if (*ok) {
            json_object_set_new(made, "value", active_value(user, made));
        }
        return made;
    case 5:
    case 6:
    case 7:
        return on_email_list(user);
    case 8:
    case 9:
        return on_email_value(user);
    case 10:
        return on_email_element(user);
    default:
        return on_text(user, ok);
    }
}


/* ---- the property ---- */

static json_t *
stored(const user_t *user)
{
    json_t         *document = NULL, *body = user_json(user);
    scim_members_t  members;

    assert_true(scim_members_init(&members));
    assert_true(scim_document_normalize(type, SCIM_DOCUMENT_CREATE, body,
        NULL, ID, &document, &members, NULL, NULL));
    scim_members_free(&members);
    json_decref(body);
    return document;
}


static void
compare(unsigned round, const json_t *body, const json_t *current,
    const user_t *user, bool expected)
{
    bool            ok;
    json_t         *found = NULL, *wanted = expected ? stored(user) : NULL;
    scim_error_t    error = { 0 };
    scim_members_t  members;

    assert_true(scim_members_init(&members));
    ok = scim_patch_apply(type, body, current, ID, &found, &members, NULL,
        &error);
    if (ok != expected || (ok && !json_equal(found, wanted))) {
        fail_msg("round %u: %s\non %s\ngives %s\nnot %s", round,
            json_dumps(body, 0), json_dumps(current, 0),
            ok ? json_dumps(found, 0) : error.detail,
            wanted ? json_dumps(wanted, 0) : "an error");
    }
    scim_members_free(&members);
    json_decref(found);
    json_decref(wanted);
}


static void
patches_do_what_the_model_does(void **state)
{
    unsigned taken = 0;

    (void) state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool    ok = true;
        user_t  user = make_user();
        json_t *current = stored(&user), *before = json_deep_copy(current);
        json_t *operations = json_array(), *body;

        for (unsigned n = 1 + pick(OPERATION_MAX); n > 0; n--) {
            bool fine = true;

            json_array_append_new(operations, make_operation(&user, &fine));
            ok = ok && fine;
        }
        body = json_pack("{s[s],so}", "schemas",
            "urn:ietf:params:scim:api:messages:2.0:PatchOp", "Operations",
            operations);
        ok = ok && user.user_name;
        compare(i, body, current, &user, ok);
        assert_true(json_equal(before, current));
        taken += ok;
        json_decref(current);
        json_decref(before);
        json_decref(body);
    }
    /* most are taken and many are not, or this proves little */
    assert_in_range(taken, ROUNDS / 2, ROUNDS - ROUNDS / 10);
}


static int
start(void **state)
{
    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, NULL);
    type = schemas ? scim_resource_type_find(schemas, "User", 4) : NULL;
    return type ? 0 : -1;
}


static int
stop(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_do_what_the_model_does)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
