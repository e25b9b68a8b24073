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
 * Random PATCH requests on the members of a group, in every shape that clients
 * send, against a model that is a set of eight people: the net change must
 * make of the members before what the model makes of them.  Shapes that name
 * nobody must be refused, and then nothing is to change at all.
 */
#define ID     "0190dada-0000-7000-8000-000000000001"
#define SEED   7643u
#define ROUNDS 20000
#define PEOPLE 8
#define OPERATION_MAX 6

static scim_schemas_t             *schemas;
static const scim_resource_type_t *type;
static uint32_t                    random_state = SEED;

static const char *const people[PEOPLE] = { "ann", "bob", "cid", "dee", "eve",
                                            "fay", "gus", "hal" };


static unsigned
pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}


/* One member as some client would name it. */
static json_t *
member(unsigned who)
{
    switch (pick(6)) {
    case 0:
        return json_string(people[who]);
    case 1:
        return json_pack("{ssss}", "value", people[who], "type", "User");
    case 2:
        return json_pack("{snss}", "$ref", "value", people[who]);
    case 3:
        return json_pack("{so}", "$ref",
            json_sprintf("https://h/scim/v2/Users/%s", people[who]));
    case 4:
        return json_pack("{ssss}", "VALUE", people[who], "display", "x");
    default:
        return json_pack("{ss}", "value", people[who]);
    }
}


/* A list of some of them, who are put into *set. */
static json_t *
list(unsigned *set, unsigned least)
{
    unsigned count = least + pick(4);
    json_t  *array = json_array();

    *set = 0;
    while (count-- > 0) {
        unsigned who = pick(PEOPLE);

        *set |= 1u << who;
        json_array_append_new(array, member(who));
    }
    return array;
}


/* The list, the list named once more, or its only element bare. */
static json_t *
wrapped(json_t *array)
{
    json_t *bare;

    if (pick(5) == 0) {
        return json_pack("{so}", "members", array);
    }
    if (json_array_size(array) == 1 && pick(3) == 0) {
        bare = json_incref(json_array_get(array, 0));
        json_decref(array);
        return bare;
    }
    return array;
}


static json_t *
by_filter(unsigned *set)
{
    unsigned a = pick(PEOPLE), b = pick(PEOPLE);
    char     path[160];

    *set = 1u << a;
    switch (pick(4)) {
    case 0:
        *set |= 1u << b;
        snprintf(path, sizeof(path), "members[value eq \"%s\" or value eq "
            "\"%s\"]", people[a], people[b]);
        break;
    case 1:
        snprintf(path, sizeof(path), "members[members.value EQ '%s']",
            people[a]);
        break;
    case 2:
        snprintf(path, sizeof(path), "MEMBERS[value eq\"%s\"]", people[a]);
        break;
    default:
        snprintf(path, sizeof(path), "members[value eq \"%s\"]", people[a]);
    }
    return json_pack("{ssss}", "op", pick(2) ? "remove" : "Remove", "path",
        path);
}


static json_t *
removal(unsigned *model)
{
    unsigned set;
    json_t  *operation;

    switch (pick(5)) {
    case 0:
        *model = 0;
        return json_pack("{ssss}", "op", "remove", "path", "members");
    case 1:
    case 2:
        operation = json_pack("{ssssso}", "op", "Remove", "path", "members",
            "value", wrapped(list(&set, 1)));
        break;
    default:
        operation = by_filter(&set);
        if (pick(4) == 0) { /* the path decides */
            unsigned ignored;

            json_object_set_new(operation, "value", list(&ignored, 0));
        }
    }
    *model &= ~set;
    return operation;
}


/* add or replace, with or without path */
static json_t *
addition(unsigned *model, bool replace)
{
    unsigned    set;
    const char *op = replace ? "replace" : pick(2) ? "add" : "Add";
    json_t     *array = list(&set, 0);

    *model = replace ? set : *model | set;
    if (pick(3) == 0) {
        return json_pack("{ss,s{so}}", "op", op, "value", "members", array);
    }
    return json_pack("{ssssso}", "op", op, "path", "members", "value",
        wrapped(array));
}


/* What names nobody, and must never be read as everybody. */
static json_t *
unclear(void)
{
    static const char *const texts[] = {
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":[]}",
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":null}",
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":\"\"}",
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":{}}",
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":[{}]}",
        "{\"op\":\"remove\",\"path\":\"members\",\"value\":[\"ann\",{}]}",
        "{\"op\":\"remove\",\"path\":\"members.value\"}",
        "{\"op\":\"remove\",\"path\":\"members[value eq \\\"ann\\\"].type\"}",
        "{\"op\":\"remove\",\"path\":\"members[value pr]\"}",
        "{\"op\":\"remove\",\"path\":\"members[not (value eq \\\"ann\\\")]\"}",
        "{\"op\":\"remove\",\"path\":\"members[type eq \\\"User\\\"]\"}",
        "{\"op\":\"remove\",\"value\":{\"members\":[\"ann\"]}}",
        "{\"op\":\"replace\",\"path\":\"members\",\"value\":null}",
        "{\"op\":\"replace\",\"path\":\"members\",\"value\":\"\"}",
        "{\"op\":\"replace\",\"path\":\"members\"}",
        "{\"op\":\"replace\",\"value\":{\"members\":null}}",
        "{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"ann\","
            "\"operation\":\"delete\"}]}",
        "{\"op\":\"replace\",\"path\":\"members[value eq \\\"ann\\\"]\","
            "\"value\":{\"value\":\"bob\"}}"
    };
    const char *text = texts[pick(sizeof(texts) / sizeof(texts[0]))];

    return json_loads(text, 0, NULL);
}


static json_t *
operation(unsigned *model)
{
    switch (pick(4)) {
    case 0:
        return addition(model, true);
    case 1:
        return removal(model);
    default:
        return addition(model, false);
    }
}


static unsigned
set_of(const json_t *ids)
{
    unsigned set = 0;

    for (unsigned who = 0; who < PEOPLE; who++) {
        if (json_object_get(ids, people[who])) {
            set |= 1u << who;
        }
    }
    assert_int_equal(json_object_size(ids), __builtin_popcount(set));
    return set;
}


/* The members after the change, of those before it. */
static unsigned
changed(const scim_members_t *members, unsigned before)
{
    unsigned add = set_of(members->add), out = set_of(members->remove);

    assert_int_equal(add & out, 0);
    switch (members->mode) {
    case SCIM_MEMBERS_KEEP:
        assert_int_equal(add | out, 0);
        return before;
    case SCIM_MEMBERS_DELTA:
        return (before | add) & ~out;
    default:
        assert_int_equal(out, 0);
        return add;
    }
}


static void
apply(json_t *operations, unsigned before, unsigned model, bool refused)
{
    bool           done;
    json_t        *document = NULL, *current, *body;
    scim_error_t   error = { 0 };
    scim_members_t members;

    current = json_pack("{s[s],ss,ss}", "schemas",
        "urn:ietf:params:scim:schemas:core:2.0:Group", "id", ID,
        "displayName", "G");
    body = json_pack("{sO}", "Operations", operations);
    assert_true(scim_members_init(&members));
    done = scim_patch_apply(type, body, current, ID, &document, &members,
        NULL, &error);
    if (done == refused || (done && changed(&members, before) != model)) {
        fail_msg("before %x, model %x, got %x (%s): %s", before, model,
            done ? changed(&members, before) : 0, error.detail,
            json_dumps(operations, JSON_COMPACT));
    }
    if (done) {
        assert_true(json_equal(document, current));
    } else {
        assert_int_equal(error.status, 400);
    }
    json_decref(document);
    json_decref(current);
    json_decref(body);
    scim_members_free(&members);
}


static void
members_become_what_the_model_says(void **state)
{
    (void) state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned before = pick(1u << PEOPLE), model = before;
        unsigned count = 1 + pick(OPERATION_MAX);
        bool     refused = pick(5) == 0;
        json_t  *operations = json_array();

        while (count-- > 0) {
            json_array_append_new(operations, operation(&model));
        }
        if (refused) {
            json_array_insert_new(operations,
                pick((unsigned) json_array_size(operations) + 1), unclear());
        }
        apply(operations, before, model, refused);
        json_decref(operations);
    }
}


static int
load(void **state)
{
    scim_error_t error = { 0 };

    (void) state;
    schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    type = schemas ? scim_resource_type_find(schemas, "Group", 5) : NULL;
    return type ? 0 : -1;
}


static int
unload(void **state)
{
    (void) state;
    scim_schemas_free(schemas);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_what_the_model_says)
    };

    return cmocka_run_group_tests(tests, load, unload);
}
