#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scim_filter.h"
#include "scim_json.h"
#include "scim_json_scan.h"
#include "scim_list.h"

/*
 * Random filters against a model that knows nothing of parsing, folding and
 * schemas: a tree of conditions over lists of ASCII words.  A scan, which reads
 * of a stored document what the filter looks at, sees the same.  And: printing
 * and parsing again gives the same tree.  The seed is fixed.
 */
/* as much work as it takes */
#define WORK &(scim_filter_work_t) { 0, SIZE_MAX }
#define ENT   "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define SEED  7643u
#define ROUNDS 20000
#define DEPTH 4
#define VALUE_MAX 4

typedef enum { AND, OR, NOT, PRESENT, EQ, NE, CO, SW, EW, GT, GE, LT, LE,
               VALUE_PATH } kind_t;

typedef struct {
    const char *path;  /* as a client names it */
    const char *outer; /* the member of the resource */
    const char *inner; /* the member of its value, or NULL */
    bool        exact; /* case counts */
} name_t;

/* The last two stand inside of emails[...]. */
static const name_t names[] = {
    { "userName", "userName", NULL, false },
    { "title", "title", NULL, false },
    { "externalId", "externalId", NULL, true },
    { "name.givenName", "name", "givenName", false },
    { ENT ":department", ENT, "department", false },
    { "emails.value", "emails", "value", false },
    { "emails", "emails", "value", false },
    { "emails.type", "emails", "type", false },
    { "value", NULL, "value", false },
    { "type", NULL, "type", false }
};

#define OUTER_COUNT 8
#define INNER_COUNT 2

typedef struct node_s node_t;

struct node_s {
    kind_t        kind;
    node_t       *left;
    node_t       *right;
    const name_t *name;
    const char   *literal;
};

static const char *const words[] = { "a", "A", "ab", "aB", "b", "work",
                                     "WORK", "home", "c\\", "d\"e" };
static const char *const operators[] = {
    [PRESENT] = "pr", [EQ] = "eq", [NE] = "ne", [CO] = "co", [SW] = "sw",
    [EW] = "ew", [GT] = "gt", [GE] = "ge", [LT] = "lt", [LE] = "le"
};

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
pick_word(void)
{
    return words[pick(sizeof(words) / sizeof(words[0]))];
}


/* ---- filters ---- */

static node_t *
make_filter(unsigned depth, bool inside)
{
    node_t *node = calloc(1, sizeof(*node));

    assert_non_null(node);
    switch (depth ? pick(inside ? 5 : 6) : 4) {
    case 0:
    case 1:
    case 2:
        node->kind = (kind_t) pick(3);
        node->left = make_filter(depth - 1, inside);
        node->right = node->kind == NOT ? NULL
                                        : make_filter(depth - 1, inside);
        break;
    case 5:
        node->kind = VALUE_PATH;
        node->left = make_filter(depth - 1, true);
        break;
    default:
        node->kind = (kind_t) (PRESENT + pick(LE - PRESENT + 1));
        node->name = inside ? &names[OUTER_COUNT + pick(INNER_COUNT)]
                            : &names[pick(OUTER_COUNT)];
        node->literal = pick_word();
        if (node->kind == PRESENT && strcmp(node->name->path, "emails") == 0) {
            node->kind = EQ; /* `emails pr` asks for more than for values */
        }
    }
    return node;
}


static void
free_filter(node_t *node)
{
    if (node) {
        free_filter(node->left);
        free_filter(node->right);
        free(node);
    }
}


/* Now and then another case, and more spaces than one. */
static void
append_sloppily(const char *text, scim_buffer_t *out)
{
    bool upper = pick(4) == 0;

    for ( ; *text; text++) {
        scim_buffer_append_char(out, upper && *text >= 'a' && *text <= 'z'
            ? (char) (*text - 'a' + 'A') : *text);
    }
    if (pick(8) == 0) {
        scim_buffer_append_char(out, ' ');
    }
}


static void
append_literal(const char *word, scim_buffer_t *out)
{
    scim_buffer_append_char(out, '"');
    for ( ; *word; word++) {
        if (*word == '"' || *word == '\\') {
            scim_buffer_append_char(out, '\\');
        }
        scim_buffer_append_char(out, *word);
    }
    scim_buffer_append_char(out, '"');
}


static void write_filter(const node_t *node, scim_buffer_t *out);


static void
write_side(const node_t *side, bool group, scim_buffer_t *out)
{
    scim_buffer_append_text(out, group ? "(" : "");
    write_filter(side, out);
    scim_buffer_append_text(out, group ? ")" : "");
}


static void
write_filter(const node_t *node, scim_buffer_t *out)
{
    switch (node->kind) {
    case AND:
        write_side(node->left, node->left->kind == OR || pick(3) == 0, out);
        append_sloppily(" and ", out);
        write_side(node->right, node->right->kind == OR || pick(3) == 0, out);
        break;
    case OR:
        write_side(node->left, pick(3) == 0, out);
        append_sloppily(" or ", out);
        write_side(node->right, pick(3) == 0, out);
        break;
    case NOT:
        append_sloppily("not ", out);
        write_side(node->left, true, out);
        break;
    case VALUE_PATH:
        scim_buffer_append_text(out, "emails[");
        write_filter(node->left, out);
        scim_buffer_append_char(out, ']');
        break;
    default:
        append_sloppily(node->name->path, out);
        scim_buffer_append_char(out, ' ');
        append_sloppily(operators[node->kind], out);
        if (node->kind != PRESENT) {
            scim_buffer_append_char(out, ' ');
            append_literal(node->literal, out);
        }
    }
}


/* ---- resources ---- */

static void
maybe_set(json_t *object, const char *name)
{
    if (pick(3)) {
        json_object_set_new(object, name, json_string(pick_word()));
    }
}


static json_t *
make_object(const char *first, const char *second)
{
    json_t *object = json_object();

    maybe_set(object, first);
    maybe_set(object, second);
    return object;
}


static json_t *
make_resource(void)
{
    json_t *emails = json_array();
    json_t *resource = make_object("title", "externalId");

    json_object_set_new(resource, "userName", json_string(pick_word()));
    json_object_set_new(resource, "name", make_object("givenName",
        "familyName"));
    json_object_set_new(resource, ENT, make_object("department", "division"));
    for (unsigned n = pick(VALUE_MAX); n > 0; n--) {
        json_array_append_new(emails, make_object("value", "type"));
    }
    json_object_set_new(resource, "emails", emails);
    return resource;
}


/* ---- the model ---- */

static bool
word_matches(kind_t kind, const char *value, const char *literal, bool exact)
{
    int    order;
    char   a[16] = { 0 }, b[16] = { 0 };
    size_t a_len = strlen(value), b_len = strlen(literal);

    for (size_t i = 0; i < sizeof(a) - 1; i++) {
        a[i] = i < a_len ? value[i] : '\0';
        b[i] = i < b_len ? literal[i] : '\0';
        if (!exact) {
            a[i] = a[i] >= 'A' && a[i] <= 'Z' ? (char) (a[i] + 32) : a[i];
            b[i] = b[i] >= 'A' && b[i] <= 'Z' ? (char) (b[i] + 32) : b[i];
        }
    }
    order = strcmp(a, b);
    switch (kind) {
    case EQ:
        return order == 0;
    case NE:
        return order != 0;
    case CO:
        return strstr(a, b) != NULL;
    case SW:
        return strncmp(a, b, b_len) == 0;
    case EW:
        return a_len >= b_len && strcmp(a + a_len - b_len, b) == 0;
    case GT:
        return order > 0;
    case GE:
        return order >= 0;
    case LT:
        return order < 0;
    default:
        return order <= 0;
    }
}


/* The words that a name leads to; NULL for a value that is not there. */
static size_t
collect(const name_t *name, const json_t *from, const char **values)
{
    size_t        i, count = 0;
    json_t       *element;
    const json_t *value = name->outer ? json_object_get(from, name->outer)
                                      : from;

    json_array_foreach((json_t *) value, i, element) {
        values[count++] = json_string_value(json_object_get(element,
            name->inner));
    }
    if (!json_is_array(value)) {
        values[count++] = json_string_value(name->inner
                ? json_object_get(value, name->inner) : value);
    }
    if (count == 0) {
        values[count++] = NULL;
    }
    return count;
}


static bool
model(const node_t *node, const json_t *from)
{
    bool        any = false;
    size_t      i, count;
    json_t     *element;
    const char *values[VALUE_MAX];

    switch (node->kind) {
    case AND:
        return model(node->left, from) && model(node->right, from);
    case OR:
        return model(node->left, from) || model(node->right, from);
    case NOT:
        return !model(node->left, from);
    case VALUE_PATH:
        json_array_foreach(json_object_get(from, "emails"), i, element) {
            any = any || model(node->left, element);
        }
        return any;
    default:
        count = collect(node->name, from, values);
        for (i = 0; i < count; i++) {
            any = any || (values[i] == NULL ? node->kind == NE
                : node->kind == PRESENT || word_matches(node->kind, values[i],
                    node->literal, node->name->exact));
        }
        return any;
    }
}


/* ---- properties ---- */

static bool
same(const scim_filter_t *a, const scim_filter_t *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->kind == b->kind && a->extension == b->extension
        && a->attribute == b->attribute && a->sub == b->sub
        && (a->value == b->value || json_equal(a->value, b->value))
        && same(a->left, b->left) && same(a->right, b->right);
}


static scim_filter_t *
parse(const scim_buffer_t *text)
{
    scim_error_t   error = { 0 };
    scim_filter_t *filter = scim_filter_parse(type, text->data, text->len,
        NULL, &error);

    if (filter == NULL) {
        fail_msg("%s: %s", text->data, error.detail);
    }
    return filter;
}


static bool
matched_by_scan(const scim_filter_t *filter, const json_t *resource)
{
    bool             matches;
    json_t          *part;
    scim_arena_t     arena = { 0 };
    scim_buffer_t    text;
    scim_list_look_t look;

    scim_buffer_init(&text, 1 << 20);
    scim_json_write(resource, &text);
    assert_true(scim_list_look_at(&look, filter, &(scim_list_sort_t) { 0 },
        &arena));
    assert_false(look.whole);
    part = scim_json_scan_members(text.data, text.len, look.name, look.count);
    assert_non_null(part);
    assert_in_range(json_object_size(part), 0, look.count);
    matches = scim_filter_match(filter, part, WORK);
    json_decref(part);
    scim_buffer_free(&text);
    scim_arena_free(&arena);
    return matches;
}


static void
filters_match_what_the_model_matches(void **state)
{
    json_t        *resource;
    node_t        *node;
    unsigned       matched = 0;
    scim_buffer_t  text;
    scim_filter_t *filter;

    (void) state;
    scim_buffer_init(&text, 1 << 20);
    for (unsigned i = 0; i < ROUNDS; i++) {
        node = make_filter(pick(DEPTH), false);
        resource = make_resource();
        scim_buffer_reset(&text);
        write_filter(node, &text);
        filter = parse(&text);
        matched += model(node, resource);
        if (scim_filter_match(filter, resource, WORK) != model(node, resource)
            || matched_by_scan(filter, resource) != model(node, resource))
        {
            fail_msg("round %u: %s on %s", i, text.data,
                json_dumps(resource, JSON_COMPACT));
        }
        scim_filter_free(filter);
        json_decref(resource);
        free_filter(node);
    }
    scim_buffer_free(&text);
    /* both answers are common, or this proves nothing */
    assert_in_range(matched, ROUNDS / 4, 3 * ROUNDS / 4);
}


static void
a_printed_filter_parses_to_itself(void **state)
{
    node_t        *node;
    scim_buffer_t  text;
    scim_filter_t *filter, *again;

    (void) state;
    scim_buffer_init(&text, 1 << 20);
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        node = make_filter(DEPTH, false);
        scim_buffer_reset(&text);
        write_filter(node, &text);
        filter = parse(&text);
        scim_buffer_reset(&text);
        scim_filter_print(filter, &text);
        again = parse(&text);
        if (!same(filter, again)) {
            fail_msg("round %u: %s", i, text.data);
        }
        scim_filter_free(filter);
        scim_filter_free(again);
        free_filter(node);
    }
    scim_buffer_free(&text);
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
        cmocka_unit_test(filters_match_what_the_model_matches),
        cmocka_unit_test(a_printed_filter_parses_to_itself)
    };

    return cmocka_run_group_tests(tests, start, stop);
}
