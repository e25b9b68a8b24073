#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>

#include <cmocka.h>

#include "scim_json.h"
#include "scim_patch.h"

/*
 * Cases in folders: tests/corpus/<area>/<case>/ with
 *   request   the body, JSON
 *   stored    the body of the POST that made the resource (PATCH and PUT)
 *   schema    a schema file to add to the built-in ones (optional)
 *   expected  the document afterwards, without `schemas` and `id` unless the
 *             case names them; or
 *   error     "400 invalidValue", then what the detail must hold (optional)
 *   members   what happens to a group's memberships (optional, JSON)
 */
#define CORPUS   "tests/corpus"
#define ID       "0190dada-0000-7000-8000-000000000001"
#define CASE_MAX 500

typedef enum { CREATE, REPLACE, PATCH } action_t;

typedef struct {
    const char *name;
    const char *type;
    action_t    action;
} area_t;

static const area_t areas[] = {
    { "create_user", "User", CREATE }, { "create_group", "Group", CREATE },
    { "replace_user", "User", REPLACE }, { "replace_group", "Group", REPLACE },
    { "patch_user", "User", PATCH }, { "patch_group", "Group", PATCH }
};

typedef struct {
    const area_t *area;
    char          path[400];
} case_t;

typedef struct {
    const case_t               *c;
    scim_schemas_t             *schemas;
    const scim_resource_type_t *type;
    json_t                     *document;
    scim_members_t              members;
    scim_error_t                error;
} run_t;


/* A file of the case with a NUL behind it; NULL when there is none. */
static char *
slurp(const case_t *c, const char *name, size_t *len)
{
    char  path[512], *text = calloc(1, 1 << 16);
    FILE *in;

    assert_non_null(text);
    snprintf(path, sizeof(path), "%s/%s", c->path, name);
    in = fopen(path, "r");
    if (in == NULL) {
        free(text);
        return NULL;
    }
    *len = fread(text, 1, (1 << 16) - 1, in);
    fclose(in);
    while (*len && (text[*len - 1] == '\n')) {
        text[--*len] = '\0';
    }
    return text;
}


static json_t *
slurp_json(const case_t *c, const char *name)
{
    size_t       len = 0;
    char        *text = slurp(c, name, &len);
    json_t      *value = NULL;
    scim_error_t error = { 0 };

    if (text) {
        value = scim_json_read(text, len, &scim_json_request_limits, &error);
        if (value == NULL) {
            fail_msg("%s/%s: %s", c->path, name, error.detail);
        }
        free(text);
    }
    return value;
}


static void
load_schemas(run_t *run)
{
    char              *text;
    size_t             count = scim_embedded_schema_count;
    scim_schema_file_t files[16];

    assert_true(count < 15);
    memcpy(files, scim_embedded_schemas, count * sizeof(files[0]));
    files[count].name = "schema";
    text = slurp(run->c, "schema", &files[count].len);
    files[count].text = text;
    run->schemas = scim_schemas_new(files, count + (text != NULL),
        &run->error);
    free(text);
    if (run->schemas == NULL) {
        fail_msg("%s: %s", run->c->path, run->error.detail);
    }
    run->type = scim_resource_type_find(run->schemas, run->c->area->type,
        strlen(run->c->area->type));
    assert_non_null(run->type);
}


/* The document that a POST of `stored` made. */
static json_t *
create_stored(run_t *run)
{
    json_t         *body = slurp_json(run->c, "stored"), *document = NULL;
    scim_members_t  members;

    if (body == NULL) {
        return NULL;
    }
    assert_true(scim_members_init(&members));
    if (!scim_document_normalize(run->type, SCIM_DOCUMENT_CREATE, body, NULL,
            ID, &document, &members, NULL, &run->error))
    {
        fail_msg("%s/stored: %s", run->c->path, run->error.detail);
    }
    scim_members_free(&members);
    json_decref(body);
    return document;
}


static bool
act(run_t *run, const json_t *request, const json_t *current)
{
    if (run->c->area->action == PATCH) {
        return scim_patch_apply(run->type, request, current, ID,
            &run->document, &run->members, NULL, &run->error);
    }
    return scim_document_normalize(run->type,
        run->c->area->action == CREATE ? SCIM_DOCUMENT_CREATE
                                       : SCIM_DOCUMENT_REPLACE,
        request, current, ID, &run->document, &run->members, NULL,
        &run->error);
}


static void
assert_same(const run_t *run, const char *file, const json_t *expected,
    const json_t *found)
{
    char *text;

    if (!json_equal(expected, found)) {
        text = json_dumps(found, JSON_COMPACT);
        fail_msg("%s/%s: found %s", run->c->path, file, text);
    }
}


static void
check_document(const run_t *run)
{
    json_t *found = json_copy(run->document);
    json_t *expected = slurp_json(run->c, "expected");

    assert_non_null(expected);
    if (json_object_get(expected, "schemas") == NULL) {
        json_object_del(found, "schemas");
    }
    if (json_object_get(expected, "id") == NULL) {
        json_object_del(found, "id");
    }
    assert_same(run, "expected", expected, found);
    json_decref(expected);
    json_decref(found);
}


static json_t *
id_list(const json_t *ids)
{
    json_t     *value, *list = json_array();
    const char *id;

    json_object_foreach((json_t *) ids, id, value) {
        json_array_append_new(list, json_string(id));
    }
    return list;
}


static void
check_members(const run_t *run)
{
    static const char *const modes[] = { "keep", "delta", "replace" };
    json_t *found, *expected = slurp_json(run->c, "members");

    found = json_pack("{ss,so,so}", "mode", modes[run->members.mode], "add",
        id_list(run->members.add), "remove", id_list(run->members.remove));
    if (expected) {
        assert_same(run, "members", expected, found);
    } else {
        assert_int_equal(run->members.mode, SCIM_MEMBERS_KEEP);
    }
    json_decref(expected);
    json_decref(found);
}


static void
check_error(const run_t *run, char *expected)
{
    char  found[64];
    char *detail = strchr(expected, '\n');

    snprintf(found, sizeof(found), "%d %s", run->error.status,
        scim_error_type_name(run->error.type));
    if (detail) {
        *detail++ = '\0';
        if (strstr(run->error.detail, detail) == NULL) {
            fail_msg("%s: %s", run->c->path, run->error.detail);
        }
    }
    assert_string_equal(found, expected);
}


static void
run_case(void **state)
{
    bool    ok;
    char   *error;
    size_t  len;
    run_t   run = { .c = *state };
    json_t *request, *current, *before;

    load_schemas(&run);
    assert_true(scim_members_init(&run.members));
    request = slurp_json(run.c, "request");
    current = create_stored(&run);
    before = json_deep_copy(current);
    error = slurp(run.c, "error", &len);
    ok = act(&run, request, current);
    if (ok != (error == NULL)) {
        fail_msg("%s: %s", run.c->path, ok ? "taken" : run.error.detail);
    } else if (ok) {
        check_document(&run);
        check_members(&run);
    } else {
        check_error(&run, error);
        assert_null(run.document);
    }
    assert_true(current == NULL || json_equal(before, current));
    free(error);
    json_decref(request);
    json_decref(current);
    json_decref(before);
    json_decref(run.document);
    scim_members_free(&run.members);
    scim_schemas_free(run.schemas);
}


static size_t
add_cases(const area_t *area, case_t *cases, struct CMUnitTest *tests,
    size_t count)
{
    int             n;
    char            folder[64];
    struct dirent **entries;

    snprintf(folder, sizeof(folder), "%s/%s", CORPUS, area->name);
    n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && count < CASE_MAX) {
            cases[count].area = area;
            snprintf(cases[count].path, sizeof(cases[count].path), "%s/%s",
                folder, entries[i]->d_name);
            tests[count] = (struct CMUnitTest) {
                .name = cases[count].path + sizeof(CORPUS),
                .test_func = run_case, .initial_state = &cases[count]
            };
            count++;
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
    return count;
}


int
main(void)
{
    size_t                   count = 0;
    static case_t            cases[CASE_MAX];
    static struct CMUnitTest tests[CASE_MAX];

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        count = add_cases(&areas[i], cases, tests, count);
    }
    if (count == 0) {
        fputs("no cases: run this from the top folder\n", stderr);
        return 1;
    }
    return _cmocka_run_group_tests("corpus", tests, count, NULL, NULL);
}
