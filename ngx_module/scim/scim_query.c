#include "scim_query.h"

#include <string.h>

#include "scim_document.h"
#include "scim_fold.h"

#define NUMBER_MAX 1000000000000000LL /* exact as a Lua number, too */


static bool
refuse(scim_error_t *error, const char *name, const char *what)
{
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_VALUE, "%s %s", name,
        what);
}


static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* Decodes once; a plus is a space, as in forms (reference L-23). */
static bool
decode(const char *text, size_t len, scim_arena_t *arena, scim_text_t *out)
{
    char  *copy = scim_arena_alloc(arena, len + 1);
    size_t n = 0;

    if (copy == NULL) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (len - i < 3 || hex_digit(text[i + 1]) < 0
                || hex_digit(text[i + 2]) < 0)
            {
                return false;
            }
            c = (char) (hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        }
        copy[n++] = c;
    }
    out->text = copy;
    out->len = n;
    return memchr(copy, '\0', n) == NULL;
}


/* A whole number of any length; what is too large to matter is cut. */
static bool
read_number(scim_text_t text, long long *number)
{
    bool      negative = text.len && text.text[0] == '-';
    size_t    i = text.len && (negative || text.text[0] == '+');
    long long value = 0;

    if (i == text.len) {
        return false;
    }
    for ( ; i < text.len; i++) {
        if (text.text[i] < '0' || text.text[i] > '9') {
            return false;
        }
        value = value * 10 + (text.text[i] - '0');
        if (value > NUMBER_MAX) {
            value = NUMBER_MAX;
        }
    }
    *number = negative ? -value : value;
    return true;
}


static void
set_start_index(scim_query_t *query, long long number,
    scim_lenient_t *lenient)
{
    if (number < 1) {
        scim_lenient_note(lenient, SCIM_LENIENT_PAGE_OUTSIDE);
    }
    query->indexed = true;
    query->start_index = number < 1 ? 1 : number;
}


static void
set_count(scim_query_t *query, long long number, scim_lenient_t *lenient)
{
    if (number < 0) {
        scim_lenient_note(lenient, SCIM_LENIENT_PAGE_OUTSIDE);
    }
    query->count = number < 0 ? 0 : number;
}


static bool
take_number(scim_text_t value, const char *name, long long *number,
    scim_error_t *error)
{
    return read_number(value, number)
        || refuse(error, name, "must be a whole number");
}


typedef struct {
    scim_query_t   *query;
    scim_text_t     start_index;
    scim_text_t     count;
    scim_text_t     sort_order;
    scim_lenient_t *lenient;
} parameters_t;


static bool
named(const char *name, const char *text, size_t len)
{
    return scim_name_equal(name, strlen(name), text, len);
}


/* Where a parameter goes; NULL for one that is not ours. */
static scim_text_t *
parameter(parameters_t *parameters, const char *name, size_t len)
{
    scim_query_t *query = parameters->query;
    const struct {
        const char  *name;
        scim_text_t *place;
    } known[] = {
        { "filter", &query->filter },
        { "attributes", &query->attributes },
        { "excludedAttributes", &query->excluded_attributes },
        { "startIndex", &parameters->start_index },
        { "count", &parameters->count },
        { "sortBy", &query->sort_by },
        { "sortOrder", &parameters->sort_order },
        { "cursor", &query->cursor }
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (named(known[i].name, name, len)) {
            return known[i].place;
        }
    }
    return NULL;
}


static bool
set_order(scim_query_t *query, scim_text_t order, scim_error_t *error)
{
    query->descending = named("descending", order.text, order.len);
    return query->descending || order.len == 0
        || named("ascending", order.text, order.len)
        || refuse(error, "sortOrder", "must be ascending or descending");
}


static bool
take_parameter(parameters_t *parameters, const char *text, size_t len,
    scim_arena_t *arena, scim_error_t *error)
{
    scim_text_t  name, *place;
    const char  *equals = memchr(text, '=', len);
    size_t       name_len = equals ? (size_t) (equals - text) : len;

    if (!decode(text, name_len, arena, &name)) {
        return refuse(error, "the query", "has a bad parameter name");
    }
    place = parameter(parameters, name.text, name.len);
    if (place == NULL) {
        if (equals == NULL) { /* a flag of the base URL: reference L-51 */
            scim_lenient_note(parameters->lenient, SCIM_LENIENT_URL_FORM);
        }
        return true;
    }
    if (place->text) {
        return refuse(error, name.text, "is given twice");
    }
    if (equals == NULL) {
        equals = text + len - 1; /* no value: an empty one */
    }
    len = (size_t) (text + len - equals - 1);
    if (!decode(equals + 1, len, arena, place)) {
        return refuse(error, name.text, "has a bad percent-encoding");
    }
    if (memchr(equals + 1, '+', len)) {
        scim_lenient_note(parameters->lenient, SCIM_LENIENT_PLUS_IS_SPACE);
    }
    return true;
}


/* startIndex and count, which an empty value leaves at their defaults. */
static bool
take_page(const parameters_t *parameters, scim_error_t *error)
{
    long long       number;
    scim_query_t   *query = parameters->query;
    scim_lenient_t *lenient = parameters->lenient;

    if (parameters->start_index.len) {
        if (!take_number(parameters->start_index, "startIndex", &number,
                error))
        {
            return false;
        }
        set_start_index(query, number, lenient);
    } else if (parameters->start_index.text) {
        scim_lenient_note(lenient, SCIM_LENIENT_PAGE_OUTSIDE);
    }
    if (parameters->count.len) {
        if (!take_number(parameters->count, "count", &number, error)) {
            return false;
        }
        set_count(query, number, lenient);
    } else if (parameters->count.text) {
        scim_lenient_note(lenient, SCIM_LENIENT_PAGE_OUTSIDE);
    }
    return true;
}


static void
set_defaults(scim_query_t *query)
{
    memset(query, 0, sizeof(*query));
    query->start_index = 1;
    query->count = -1;
}


/* An empty list of attributes says nothing, nor does an empty sortBy. */
static bool
check_query(scim_query_t *query, scim_error_t *error)
{
    if (query->attributes.len == 0) {
        query->attributes.text = NULL;
    }
    if (query->excluded_attributes.len == 0) {
        query->excluded_attributes.text = NULL;
    }
    if (query->attributes.text && query->excluded_attributes.text) {
        return refuse(error, "attributes",
            "and excludedAttributes exclude each other");
    }
    if (query->sort_by.len == 0) {
        query->sort_by.text = NULL;
    }
    if (query->cursor.text && query->indexed) {
        return refuse(error, "cursor", "and startIndex exclude each other");
    }
    return true;
}


bool
scim_query_read(scim_text_t text, scim_arena_t *arena, scim_query_t *query,
    scim_lenient_t *lenient, scim_error_t *error)
{
    size_t       len;
    const char  *at = text.text, *end = text.text + text.len, *next;
    parameters_t parameters = { .query = query, .lenient = lenient };

    set_defaults(query);
    for ( ; at < end; at = next + 1) {
        next = memchr(at, '&', (size_t) (end - at));
        next = next ? next : end;
        len = (size_t) (next - at);
        if (len && !take_parameter(&parameters, at, len, arena, error)) {
            return false;
        }
    }
    return take_page(&parameters, error)
        && set_order(query, parameters.sort_order, error)
        && check_query(query, error);
}


/* ---- SearchRequest ---- */

static bool
bad_type(scim_error_t *error, const char *name, const char *type)
{
    return scim_error_set(error, 400, SCIM_ERROR_INVALID_SYNTAX,
        "%s must be %s", name, type);
}


/* An array of names (one string is taken, too) as comma-separated text. */
static bool
take_names(const json_t *value, const char *name, scim_arena_t *arena,
    scim_text_t *out, scim_lenient_t *lenient, scim_error_t *error)
{
    bool          ok = true;
    size_t        i;
    json_t       *element;
    scim_buffer_t joined;

    if (json_is_string(value)) {
        scim_lenient_note(lenient, SCIM_LENIENT_SINGLE_FOR_ARRAY);
        out->len = json_string_length(value);
        out->text = scim_arena_copy(arena, json_string_value(value), out->len);
        return out->text != NULL;
    }
    if (!json_is_array(value)) {
        return bad_type(error, name, "an array of strings");
    }
    scim_buffer_init(&joined, 1 << 20);
    json_array_foreach((json_t *) value, i, element) {
        if (!json_is_string(element)) {
            ok = bad_type(error, name, "an array of strings");
            break;
        }
        if (i) {
            scim_buffer_append_char(&joined, ',');
        }
        scim_buffer_append(&joined, json_string_value(element),
            json_string_length(element));
    }
    out->text = scim_arena_copy(arena, joined.data, joined.len);
    out->len = joined.len;
    scim_buffer_free(&joined);
    return ok;
}


static bool
take_integer(const json_t *value, const char *name, long long *number,
    scim_error_t *error)
{
    if (!json_is_integer(value)) {
        return bad_type(error, name, "an integer");
    }
    *number = json_integer_value(value);
    if (*number > NUMBER_MAX) {
        *number = NUMBER_MAX;
    }
    return true;
}


static bool
take_text(const json_t *value, const char *name, scim_arena_t *arena,
    scim_text_t *out, scim_error_t *error)
{
    if (!json_is_string(value)) {
        return bad_type(error, name, "a string");
    }
    out->len = json_string_length(value);
    out->text = scim_arena_copy(arena, json_string_value(value), out->len);
    return out->text != NULL;
}


/* Clients that leave schemas out are understood; another message is not. */
static bool
check_schemas(const json_t *value, scim_lenient_t *lenient,
    scim_error_t *error)
{
    static const char message[] =
        "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    bool    ok = false;
    size_t  i;
    json_t *urn, *schemas = scim_document_schemas_list(value, lenient);

    if (schemas == NULL && (json_is_null(value) || json_is_array(value))) {
        scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_MISSING);
        return true;
    }
    json_array_foreach(schemas, i, urn) {
        ok = ok || (json_is_string(urn) && named(message,
            json_string_value(urn), json_string_length(urn)));
    }
    json_decref(schemas);
    return ok
        || bad_type(error, "schemas", "an array with SearchRequest's URN");
}


static bool
take_page_member(const char *name, const json_t *value, scim_query_t *query,
    scim_lenient_t *lenient, scim_error_t *error)
{
    long long number = 0;

    if (named("startIndex", name, strlen(name))) {
        if (!take_integer(value, "startIndex", &number, error)) {
            return false;
        }
        set_start_index(query, number, lenient);
    } else if (named("count", name, strlen(name))) {
        if (!take_integer(value, "count", &number, error)) {
            return false;
        }
        set_count(query, number, lenient);
    }
    return true;
}


static bool
take_member(const char *name, const json_t *value, scim_arena_t *arena,
    scim_query_t *query, scim_lenient_t *lenient, scim_error_t *error)
{
    size_t      len = strlen(name);
    scim_text_t order = { NULL, 0 };

    if (json_is_null(value)) {
        return true;
    }
    if (named("schemas", name, len)) {
        return check_schemas(value, lenient, error);
    }
    if (named("filter", name, len)) {
        return take_text(value, "filter", arena, &query->filter, error);
    }
    if (named("sortBy", name, len)) {
        return take_text(value, "sortBy", arena, &query->sort_by, error);
    }
    if (named("sortOrder", name, len)) {
        return take_text(value, "sortOrder", arena, &order, error)
            && set_order(query, order, error);
    }
    if (named("cursor", name, len)) {
        return take_text(value, "cursor", arena, &query->cursor, error);
    }
    if (named("attributes", name, len)) {
        return take_names(value, "attributes", arena, &query->attributes,
            lenient, error);
    }
    if (named("excludedAttributes", name, len)) {
        return take_names(value, "excludedAttributes", arena,
            &query->excluded_attributes, lenient, error);
    }
    return take_page_member(name, value, query, lenient, error);
}


static void
note_spelling(const char *name, scim_lenient_t *lenient)
{
    static const char *const members[] = { "schemas", "attributes",
        "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex",
        "count", "cursor" };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (named(members[i], name, strlen(name))
            && strcmp(name, members[i]) != 0)
        {
            scim_lenient_note(lenient, SCIM_LENIENT_KEY_CASE);
        }
    }
}


bool
scim_query_read_search(const json_t *body, scim_arena_t *arena,
    scim_query_t *query, scim_lenient_t *lenient, scim_error_t *error)
{
    bool        named_so = false;
    json_t     *value;
    const char *name;

    set_defaults(query);
    if (!json_is_object(body)) {
        return bad_type(error, "the body", "a JSON object");
    }
    json_object_foreach((json_t *) body, name, value) {
        if (!take_member(name, value, arena, query, lenient, error)) {
            return false;
        }
        note_spelling(name, lenient);
        named_so = named_so || named("schemas", name, strlen(name));
    }
    if (!named_so) {
        scim_lenient_note(lenient, SCIM_LENIENT_SCHEMAS_MISSING);
    }
    return check_query(query, error);
}
