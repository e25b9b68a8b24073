#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis_harness.h"

/*
 * Random groups in groups against a plain model: what is refused is exactly
 * what closes a circle or is too deep, and what a user shows is exactly what
 * holds the user.
 */
#define GROUPS 30
#define STEPS  1500
#define LEVELS 16

typedef struct {
    bool in[GROUPS][GROUPS]; /* [outer][inner] */
    bool user[GROUPS];       /* holds the user itself */
} model_t;

static redis_harness_t harness;
static char            group[GROUPS][64];
static char            user[64];


/* Levels from a group on; more than there are groups for a circle. */
static int
levels(const model_t *model, int from, bool down, int depth)
{
    int most = 0, more;

    if (depth > GROUPS) {
        return depth;
    }
    for (int i = 0; i < GROUPS; i++) {
        if (down ? model->in[from][i] : model->in[i][from]) {
            more = levels(model, i, down, depth + 1);
            most = more > most ? more : most;
        }
        if (most > GROUPS) {
            return most;
        }
    }
    return most + 1;
}


static bool
holds(const model_t *model, int outer, int inner)
{
    if (outer == inner) {
        return true;
    }
    for (int i = 0; i < GROUPS; i++) {
        if (model->in[outer][i] && holds(model, i, inner)) {
            return true;
        }
    }
    return false;
}


static bool
may_be_put(const model_t *model, int outer, int inner)
{
    return model->in[outer][inner]
        || (!holds(model, inner, outer)
            && levels(model, outer, false, 0) + levels(model, inner, true, 0)
                   <= LEVELS);
}


static bool
shows(const model_t *model, int outer)
{
    bool found = model->user[outer];

    for (int i = 0; i < GROUPS && !found; i++) {
        found = model->in[outer][i] && shows(model, i);
    }
    return found;
}


static void
check_user(const model_t *model)
{
    size_t      i;
    int         n, expected = 0;
    json_t     *one, *json = harness_ask(&harness, 200, SCIM_METHOD_GET,
        harness_format("/Users/%s", user), NULL, NULL);
    const char *type;

    for (n = 0; n < GROUPS; n++) {
        expected += shows(model, n);
    }
    assert_int_equal(json_array_size(json_object_get(json, "groups")),
        expected);
    json_array_foreach(json_object_get(json, "groups"), i, one) {
        n = atoi(harness_text(one, "display") + 1);
        type = harness_text(one, "type");
        assert_true(shows(model, n));
        assert_string_equal(type, model->user[n] ? "direct" : "indirect");
    }
    json_decref(json);
}


static void
change(int status, int outer, const char *op, const char *member)
{
    json_decref(harness_ask(&harness, status, SCIM_METHOD_PATCH,
        harness_format("/Groups/%s", group[outer]), NULL, harness_format(
        "{\"Operations\":[{\"op\":\"%s\",\"path\":\"members\",\"value\":"
        "[{\"value\":\"%s\"}]}]}", op, member)));
}


static void
what_is_refused_is_what_the_model_refuses(void **state)
{
    int     put = 0, circles = 0, deep = 0, outer, inner;
    bool    may;
    model_t model;

    (void) state;
    memset(&model, 0, sizeof(model));
    srand(3);
    for (int step = 0; step < STEPS; step++) {
        outer = rand() % GROUPS;
        inner = rand() % GROUPS;
        if (rand() % 8 == 0) {
            model.user[outer] = !model.user[outer];
            change(204, outer, model.user[outer] ? "add" : "remove", user);
        } else if (rand() % 12 == 0) {
            model.in[outer][inner] = false;
            change(204, outer, "remove", group[inner]);
        } else if (outer != inner) {
            may = may_be_put(&model, outer, inner);
            change(may ? 204 : 400, outer, "add", group[inner]);
            model.in[outer][inner] = may;
            put += may;
            circles += !may && holds(&model, inner, outer);
            deep += !may && !holds(&model, inner, outer);
        }
        if (step % 50 == 0) {
            check_user(&model);
        }
    }
    assert_true(put > 100 && circles > 100 && deep > 20);
}


static int
start(void **state)
{
    char path[64];

    (void) state;
    redis_harness_start(&harness);
    harness_create(&harness, "/Users", "{\"userName\":\"ann\"}", path);
    snprintf(user, sizeof(user), "%s", harness_id(path));
    for (int i = 0; i < GROUPS; i++) {
        harness_create(&harness, "/Groups", harness_format(
            "{\"displayName\":\"g%d\"}", i), path);
        snprintf(group[i], sizeof(group[i]), "%s", harness_id(path));
    }
    return 0;
}


static int
stop(void **state)
{
    (void) state;
    redis_harness_stop(&harness);
    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_is_what_the_model_refuses),
    };

    return cmocka_run_group_tests_name("nesting property", tests, start,
        stop);
}
