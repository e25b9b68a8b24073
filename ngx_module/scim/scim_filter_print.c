#include "scim_filter.h"
#include "scim_json.h"

static const char *const words[] = {
    [SCIM_FILTER_PRESENT] = "pr", [SCIM_FILTER_EQ] = "eq",
    [SCIM_FILTER_NE] = "ne", [SCIM_FILTER_CO] = "co",
    [SCIM_FILTER_SW] = "sw", [SCIM_FILTER_EW] = "ew",
    [SCIM_FILTER_GT] = "gt", [SCIM_FILTER_GE] = "ge",
    [SCIM_FILTER_LT] = "lt", [SCIM_FILTER_LE] = "le"
};


static void print(const scim_filter_t *filter, bool inner,
    scim_buffer_t *out);


static void
print_path(const scim_filter_t *filter, bool inner, scim_buffer_t *out)
{
    if (filter->extension) {
        scim_buffer_append(out, filter->extension->id,
            filter->extension->id_len);
        scim_buffer_append_char(out, ':');
    }
    if (inner) {
        scim_buffer_append_text(out, filter->sub ? filter->sub->name
                                                 : "value");
        return;
    }
    scim_buffer_append_text(out, filter->attribute ? filter->attribute->name
                                                   : "urn:unknown:attribute");
    if (filter->sub) {
        scim_buffer_append_char(out, '.');
        scim_buffer_append_text(out, filter->sub->name);
    }
}


static void
print_comparison(const scim_filter_t *filter, bool inner, scim_buffer_t *out)
{
    print_path(filter, inner, out);
    scim_buffer_append_char(out, ' ');
    scim_buffer_append_text(out, words[filter->kind]);
    if (filter->kind != SCIM_FILTER_PRESENT) {
        scim_buffer_append_char(out, ' ');
        scim_json_write(filter->value, out);
    }
}


static void
print_grouped(const scim_filter_t *filter, bool inner, scim_buffer_t *out)
{
    scim_buffer_append_char(out, '(');
    print(filter, inner, out);
    scim_buffer_append_char(out, ')');
}


/* Parentheses only where the tree says other than precedence would. */
static void
print_side(const scim_filter_t *side, scim_filter_kind_t kind, bool right,
    bool inner, scim_buffer_t *out)
{
    bool group = (kind == SCIM_FILTER_AND && side->kind == SCIM_FILTER_OR)
        || (right && side->kind == kind);

    if (group) {
        print_grouped(side, inner, out);
    } else {
        print(side, inner, out);
    }
}


static void
print(const scim_filter_t *filter, bool inner, scim_buffer_t *out)
{
    switch (filter->kind) {
    case SCIM_FILTER_AND:
    case SCIM_FILTER_OR:
        print_side(filter->left, filter->kind, false, inner, out);
        scim_buffer_append_text(out,
            filter->kind == SCIM_FILTER_AND ? " and " : " or ");
        print_side(filter->right, filter->kind, true, inner, out);
        break;
    case SCIM_FILTER_NOT:
        scim_buffer_append_text(out, "not ");
        print_grouped(filter->left, inner, out);
        break;
    case SCIM_FILTER_VALUE_PATH:
        print_path(filter, false, out);
        scim_buffer_append_char(out, '[');
        print(filter->left, true, out);
        scim_buffer_append_char(out, ']');
        if (filter->right) {
            scim_buffer_append_char(out, '.');
            print_comparison(filter->right, true, out);
        }
        break;
    default:
        print_comparison(filter, inner, out);
        break;
    }
}


void
scim_filter_print(const scim_filter_t *filter, scim_buffer_t *out)
{
    /* a value filter's own root has no attribute outside its brackets; the
       printed form is what scim_filter_parse() takes */
    print(filter, false, out);
}
