#include "scim_list.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "scim_index.h"
#include "scim_uuid.h"

/*
 * From a filter to look-ups.  A leaf that an index answers is a range; `and`
 * takes one side and matches the other one (or intersects two small ones),
 * `or` needs both; everything else is a scan of the type.
 */
typedef struct {
    const scim_resource_type_t *type;
    scim_arena_t               *arena;
} planner_t;

static scim_plan_t *plan_filter(const planner_t *planner,
    const scim_filter_t *filter);


static scim_plan_t *
new_plan(const planner_t *planner, scim_plan_kind_t kind,
    const scim_filter_t *filter)
{
    scim_plan_t *plan = scim_arena_alloc(planner->arena, sizeof(*plan));

    if (plan) {
        plan->kind = kind;
        plan->filter = filter;
        plan->size = -1;
        scim_buffer_init(&plan->ids, (size_t) 1 << 30);
    }
    return plan;
}


static scim_text_t
bound(const planner_t *planner, char open, const char *text, size_t len,
    char end, bool ended)
{
    char *copy = scim_arena_alloc(planner->arena, len + 2);

    if (copy == NULL) {
        return (scim_text_t) { "", 0 };
    }
    copy[0] = open;
    memcpy(copy + 1, text, len);
    copy[len + 1] = end;
    return (scim_text_t) { copy, len + 1 + ended };
}


static const scim_list_range_t everybody = {
    "all", { "", 0 }, { "-", 1 }, { "+", 1 }, true
};


static scim_plan_t *
plan_all(const planner_t *planner, const scim_filter_t *rest)
{
    scim_plan_t *plan = new_plan(planner, SCIM_PLAN_RANGE, rest);

    if (plan) {
        plan->range = everybody;
        plan->rest = rest;
    }
    return plan;
}


void
scim_plan_scan(scim_plan_t *plan, const scim_filter_t *filter)
{
    scim_plan_clear(plan);
    plan->kind = SCIM_PLAN_RANGE;
    plan->left = plan->right = NULL;
    plan->range = everybody;
    plan->rest = plan->filter = filter;
}


bool
scim_plan_is_scan(const scim_plan_t *plan)
{
    return plan->kind == SCIM_PLAN_RANGE
        && strcmp(plan->range.source, "all") == 0
        && plan->range.from.text[0] == '-';
}


/* ---- leaves ---- */

static const char *
named_attribute(const scim_filter_t *filter, char *name, size_t size)
{
    size_t                  len;
    const scim_attribute_t *sub = filter->sub;

    if (filter->extension || filter->attribute == NULL) {
        return NULL;
    }
    if (sub == NULL && filter->attribute->type == SCIM_COMPLEX) {
        sub = scim_attribute_sub(filter->attribute, "value", 5);
    }
    len = filter->attribute->name_len;
    if (len + (sub ? 1 + sub->name_len : 0) >= size) {
        return NULL;
    }
    memcpy(name, filter->attribute->name, len + 1);
    if (sub) {
        name[len] = '.';
        memcpy(name + len + 1, sub->name, sub->name_len + 1);
    }
    return name;
}


static scim_plan_t *
plan_id(const planner_t *planner, const scim_filter_t *filter,
    const char *text, size_t len)
{
    scim_plan_t *plan;

    if (!scim_uuid_valid(text, len)) {
        return new_plan(planner, SCIM_PLAN_NOBODY, filter);
    }
    plan = new_plan(planner, SCIM_PLAN_RANGE, filter);
    if (plan) {
        plan->range = (scim_list_range_t) { "all", { "", 0 },
            bound(planner, '[', text, len, 0, false),
            bound(planner, '[', text, len, 0, false), true };
    }
    return plan;
}


/* groups.value of a user, members.value of a group: the membership itself. */
static scim_plan_t *
plan_membership(const planner_t *planner, const scim_filter_t *filter,
    const char *source, const char *text, size_t len)
{
    scim_plan_t *plan;

    if (!scim_uuid_valid(text, len)) {
        return new_plan(planner, SCIM_PLAN_NOBODY, filter);
    }
    plan = new_plan(planner, SCIM_PLAN_RANGE, filter);
    if (plan) {
        plan->range = (scim_list_range_t) { source,
            { scim_arena_copy(planner->arena, text, len), len },
            { "[U", 2 }, { "(V", 2 }, strcmp(source, "members") == 0 };
    }
    return plan;
}


static scim_plan_t *
plan_index(const planner_t *planner, const scim_filter_t *filter,
    const scim_index_t *index, const char *text, size_t len)
{
    bool          equal = filter->kind == SCIM_FILTER_EQ;
    scim_plan_t  *plan = NULL;
    scim_buffer_t key;

    scim_buffer_init(&key, 1 << 20);
    if (scim_index_key(planner->type, index, text, len, &key) && key.len
        && memchr(key.data, '\0', key.len) == NULL)
    {
        plan = new_plan(planner, SCIM_PLAN_RANGE, filter);
    }
    if (plan) {
        /* between a value and its id there is a NUL; no text has 0xff */
        plan->range = (scim_list_range_t) { "index",
            { index->attribute, strlen(index->attribute) },
            bound(planner, '[', key.data, key.len, 0, equal),
            bound(planner, '(', key.data, key.len, equal ? 1 : (char) 0xff,
                true), equal };
        /* longer values are cut in the index */
        plan->rest = key.len < SCIM_INDEX_VALUE_MAX ? NULL : filter;
    }
    scim_buffer_free(&key);
    return plan;
}


/* NULL when nothing but a scan answers it. */
static scim_plan_t *
plan_leaf(const planner_t *planner, const scim_filter_t *filter)
{
    char                name[128];
    bool                equal = filter->kind == SCIM_FILTER_EQ;
    bool                group = strcmp(planner->type->key_word, "group") == 0;
    const char         *text = json_string_value(filter->value);
    size_t              len = json_string_length(filter->value);
    const scim_index_t *index;

    if ((!equal && filter->kind != SCIM_FILTER_SW) || text == NULL || len == 0
        || named_attribute(filter, name, sizeof(name)) == NULL)
    {
        return NULL;
    }
    if (equal && strcmp(name, "id") == 0) {
        return plan_id(planner, filter, text, len);
    }
    if (equal && strcmp(name, group ? "members.value" : "groups.value") == 0) {
        return plan_membership(planner, filter, group ? "groups" : "members",
            text, len);
    }
    if (equal && strcmp(name, "meta.resourceType") == 0) {
        return strcmp(text, planner->type->name) == 0
            ? plan_all(planner, NULL)
            : new_plan(planner, SCIM_PLAN_NOBODY, filter);
    }
    index = scim_index_find(planner->type, name, strlen(name));
    return index ? plan_index(planner, filter, index, text, len) : NULL;
}


/* A name that this type has not, by its path or at all: no value. */
static bool
foreign(const planner_t *planner, const scim_filter_t *filter)
{
    const scim_schema_t    *extension = filter->extension;
    const scim_attribute_t *attribute = filter->attribute;

    if (attribute == NULL) {
        return true;
    }
    return extension
        ? scim_resource_type_extension(planner->type, extension->id,
              extension->id_len) != extension
        : scim_resource_type_attribute(planner->type, NULL, 0,
              attribute->name, attribute->name_len) != attribute;
}


/* What asks for a value that is not there finds nobody. */
static bool
finds_nobody(const planner_t *planner, const scim_filter_t *filter)
{
    return filter->kind != SCIM_FILTER_NE && !json_is_null(filter->value)
        && foreign(planner, filter);
}


/* ---- combinations ---- */

static bool
is_everybody(const scim_plan_t *plan)
{
    return scim_plan_is_scan(plan) && plan->rest == NULL;
}


/* `plan`, whose ids must match `other`, too; `filter` is all of it. */
static scim_plan_t *
narrowed(scim_plan_t *plan, const scim_filter_t *other,
    const scim_filter_t *filter)
{
    plan->rest = plan->kind == SCIM_PLAN_RANGE && plan->rest == NULL ? other
                                                                     : filter;
    return plan;
}


static scim_plan_t *
plan_and(const planner_t *planner, const scim_filter_t *filter)
{
    scim_plan_t *plan, *left = plan_filter(planner, filter->left);
    scim_plan_t *right = plan_filter(planner, filter->right);

    if (left == NULL || right == NULL) {
        return NULL;
    }
    if (left->kind == SCIM_PLAN_NOBODY || is_everybody(right)) {
        return left;
    }
    if (right->kind == SCIM_PLAN_NOBODY || is_everybody(left)) {
        return right;
    }
    if (scim_plan_is_scan(right)) {
        return narrowed(left, filter->right, filter);
    }
    if (scim_plan_is_scan(left)) {
        return narrowed(right, filter->left, filter);
    }
    plan = new_plan(planner, SCIM_PLAN_AND, filter);
    if (plan) {
        plan->left = left;
        plan->right = right;
    }
    return plan;
}


static scim_plan_t *
plan_or(const planner_t *planner, const scim_filter_t *filter)
{
    scim_plan_t *plan, *left = plan_filter(planner, filter->left);
    scim_plan_t *right = plan_filter(planner, filter->right);

    if (left == NULL || right == NULL) {
        return NULL;
    }
    if (right->kind == SCIM_PLAN_NOBODY || is_everybody(left)) {
        return left;
    }
    if (left->kind == SCIM_PLAN_NOBODY || is_everybody(right)) {
        return right;
    }
    if (scim_plan_is_scan(left) || scim_plan_is_scan(right)) {
        return plan_all(planner, filter);
    }
    plan = new_plan(planner, SCIM_PLAN_UNION, filter);
    if (plan) {
        plan->left = left;
        plan->right = right;
        plan->rest = left->rest || right->rest ? filter : NULL;
    }
    return plan;
}


/* attribute[filter]: one comparison in brackets is the comparison itself. */
static scim_plan_t *
plan_value_path(const planner_t *planner, const scim_filter_t *filter)
{
    scim_plan_t         *plan = NULL;
    const scim_filter_t *inner = filter->right;

    if (foreign(planner, filter)) {
        return new_plan(planner, SCIM_PLAN_NOBODY, filter);
    }
    if (filter->extension) {
        return plan_all(planner, filter);
    }
    if (inner) {
        plan = plan_leaf(planner, inner);
    }
    if (plan == NULL) {
        inner = filter->left;
        plan = plan_filter(planner, inner);
    }
    if (plan == NULL || plan->kind == SCIM_PLAN_NOBODY) {
        return plan;
    }
    if (scim_plan_is_scan(plan)) {
        return plan_all(planner, filter);
    }
    if (filter->right || plan->rest || inner->left) {
        /* ids do not say whether one and the same element satisfies all */
        plan->rest = filter;
    }
    return plan;
}


static scim_plan_t *
plan_filter(const planner_t *planner, const scim_filter_t *filter)
{
    scim_plan_t *plan;

    switch (filter->kind) {
    case SCIM_FILTER_AND:
        return plan_and(planner, filter);
    case SCIM_FILTER_OR:
        return plan_or(planner, filter);
    case SCIM_FILTER_NOT:
        return plan_all(planner, filter);
    case SCIM_FILTER_VALUE_PATH:
        return plan_value_path(planner, filter);
    default:
        if (finds_nobody(planner, filter)) {
            return new_plan(planner, SCIM_PLAN_NOBODY, filter);
        }
        plan = plan_leaf(planner, filter);
        return plan ? plan : plan_all(planner, filter);
    }
}


scim_plan_t *
scim_plan_new(const scim_resource_type_t *type, const scim_filter_t *filter,
    scim_arena_t *arena)
{
    planner_t planner = { type, arena };

    return filter ? plan_filter(&planner, filter) : plan_all(&planner, NULL);
}


void
scim_plan_clear(scim_plan_t *plan)
{
    if (plan) {
        scim_plan_clear(plan->left);
        scim_plan_clear(plan->right);
        scim_buffer_free(&plan->ids);
    }
}


/* ---- sizes ---- */

bool
scim_plan_undecided(const scim_plan_t *plan)
{
    return plan && (plan->kind == SCIM_PLAN_AND
                    || scim_plan_undecided(plan->left)
                    || scim_plan_undecided(plan->right));
}


static scim_plan_t *
nth_range(scim_plan_t *plan, size_t *i)
{
    scim_plan_t *found;

    if (plan == NULL || plan->kind == SCIM_PLAN_NOBODY) {
        return NULL;
    }
    if (plan->kind == SCIM_PLAN_RANGE) {
        return (*i)-- == 0 ? plan : NULL;
    }
    found = nth_range(plan->left, i);
    return found ? found : nth_range(plan->right, i);
}


scim_plan_t *
scim_plan_range(scim_plan_t *plan, size_t i)
{
    return nth_range(plan, &i);
}


static void
decide_and(scim_plan_t *plan)
{
    scim_plan_t         *left = plan->left, *right = plan->right;
    scim_plan_t         *less = left->size <= right->size ? left : right;
    scim_plan_t         *more = less == left ? right : left;
    const scim_filter_t *other = less == left ? plan->filter->right
                                              : plan->filter->left;

    if (left->rest == NULL && right->rest == NULL
        && more->size <= SCIM_LIST_BOTH_MAX)
    {
        plan->kind = SCIM_PLAN_BOTH;
        plan->size = less->size;
        return;
    }
    if (plan->rest) {
        less->rest = plan->rest;
    } else {
        narrowed(less, other, plan->filter);
    }
    less->filter = plan->filter;
    *plan = *less;
}


void
scim_plan_decide(scim_plan_t *plan)
{
    if (plan->kind == SCIM_PLAN_AND || plan->kind == SCIM_PLAN_UNION) {
        scim_plan_decide(plan->left);
        scim_plan_decide(plan->right);
    }
    if (plan->kind == SCIM_PLAN_AND) {
        decide_and(plan);
    } else if (plan->kind == SCIM_PLAN_UNION) {
        plan->size = plan->left->size + plan->right->size;
        if (plan->rest == NULL && (plan->left->rest || plan->right->rest)) {
            plan->rest = plan->filter;
        }
    }
}


/* ---- ids ---- */

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, SCIM_UUID_LEN);
}


/* Sorts the ids of a range and drops those that are there twice. */
static void
settle(scim_buffer_t *ids)
{
    size_t to = 0;

    if (ids->len == 0) {
        return;
    }
    qsort(ids->data, ids->len / SCIM_UUID_LEN, SCIM_UUID_LEN, compare_ids);
    for (size_t i = 0; i + SCIM_UUID_LEN <= ids->len; i += SCIM_UUID_LEN) {
        if (to == 0
            || compare_ids(ids->data + to - SCIM_UUID_LEN, ids->data + i))
        {
            memmove(ids->data + to, ids->data + i, SCIM_UUID_LEN);
            to += SCIM_UUID_LEN;
        }
    }
    ids->len = to;
}


/* Both sides are sorted; what both have, or what either has. */
static void
merge(const scim_buffer_t *a, const scim_buffer_t *b, bool both,
    scim_buffer_t *out)
{
    int    order;
    size_t i = 0, j = 0;

    while (i < a->len || j < b->len) {
        order = i == a->len ? 1 : j == b->len ? -1
            : compare_ids(a->data + i, b->data + j);
        if (!both || order == 0) {
            scim_buffer_append(out, order <= 0 ? a->data + i : b->data + j,
                SCIM_UUID_LEN);
        }
        i += order <= 0 ? SCIM_UUID_LEN : 0;
        j += order >= 0 ? SCIM_UUID_LEN : 0;
    }
}


bool
scim_plan_combine(scim_plan_t *plan)
{
    if (plan->kind == SCIM_PLAN_RANGE) {
        settle(&plan->ids);
    } else if (plan->kind != SCIM_PLAN_NOBODY) {
        if (!scim_plan_combine(plan->left) || !scim_plan_combine(plan->right))
        {
            return false;
        }
        merge(&plan->left->ids, &plan->right->ids,
            plan->kind == SCIM_PLAN_BOTH, &plan->ids);
        scim_buffer_free(&plan->left->ids);
        scim_buffer_free(&plan->right->ids);
    }
    return !scim_buffer_failed(&plan->ids);
}
