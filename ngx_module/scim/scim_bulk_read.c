#include <string.h>

#include "scim_bulk_internal.h"
#include "scim_fold.h"
#include "scim_json.h"

/*
 * The envelope of a BulkRequest, element by element, so that a large one can
 * be read in steps and no tree of the whole is ever made.  What a value holds
 * is judged by scim_json_read(); only the places between values are ours.
 */
#define ITEM_COST 256 /* of reading one, beside its bytes */

enum { SEEN_OPERATIONS = 1, SEEN_FAIL_ON_ERRORS = 2, SEEN_SCHEMAS = 4 };

static const char message_urn[] = "urn:ietf:params:scim:api:messages:2.0:";
static const char bulk_urn[] =
    "urn:ietf:params:scim:api:messages:2.0:BulkRequest";


static const char *
end_of(const scim_bulk_t *bulk)
{
    scim_text_t body = bulk->operation.request->body;

    return body.text + body.len;
}


static scim_step_t
refuse(scim_bulk_t *bulk, int status, scim_error_type_t type,
    const char *detail)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, status, type, "%s", detail);
    return scim_operation_fail(&bulk->operation, &error);
}


static scim_step_t
syntax(scim_bulk_t *bulk, const char *what)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, 400, SCIM_ERROR_INVALID_SYNTAX,
        "%s at byte %zu of the JSON text", what,
        (size_t) (bulk->at - bulk->operation.request->body.text));
    return scim_operation_fail(&bulk->operation, &error);
}


static void
skip_space(scim_bulk_t *bulk)
{
    while (bulk->at < end_of(bulk) && strchr(" \n\r\t", *bulk->at)
           && *bulk->at)
    {
        bulk->at++;
    }
}


/* True, and behind it, when this is the next character. */
static bool
take(scim_bulk_t *bulk, char c)
{
    skip_space(bulk);
    if (bulk->at < end_of(bulk) && *bulk->at == c) {
        bulk->at++;
        return true;
    }
    return false;
}


/* The closing quote of the string whose opening one is at `p`. */
static const char *
closing_quote(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
    }
    return p < end ? p : end - 1;
}


/* Up to the comma or bracket behind the value that begins here. */
static scim_text_t
value_text(scim_bulk_t *bulk)
{
    size_t      depth = 0;
    scim_text_t text;
    const char *p, *end = end_of(bulk);

    skip_space(bulk);
    for (p = bulk->at; p < end; p++) {
        if (*p == '"') {
            p = closing_quote(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) {
                break;
            }
            depth--;
        } else if (*p == ',' && depth == 0) {
            break;
        }
    }
    text = (scim_text_t) { bulk->at, (size_t) (p - bulk->at) };
    bulk->at = p;
    return text;
}


/* ---- members of the envelope ---- */

/* Clients that leave schemas out are understood; another message is not. */
static bool
check_schemas(scim_bulk_t *bulk, const json_t *schemas)
{
    size_t  i;
    json_t *urn;

    json_array_foreach((json_t *) schemas, i, urn) {
        const char *text = json_string_value(urn);
        size_t      len = json_string_length(urn);

        if (text && len >= sizeof(message_urn) - 1
            && scim_name_equal(text, sizeof(message_urn) - 1, message_urn,
                sizeof(message_urn) - 1)
            && !scim_name_equal(text, len, bulk_urn, sizeof(bulk_urn) - 1))
        {
            refuse(bulk, 400, SCIM_ERROR_INVALID_SYNTAX,
                "schemas names another message than BulkRequest");
            return false;
        }
    }
    return true;
}


static bool
take_fail_on_errors(scim_bulk_t *bulk, const json_t *value)
{
    if (json_is_null(value)) {
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 1) {
        refuse(bulk, 400, SCIM_ERROR_INVALID_VALUE,
            "failOnErrors must be an integer from 1 on");
        return false;
    }
    bulk->fail_on_errors = json_integer_value(value);
    return true;
}


static unsigned
member_bit(const json_t *name)
{
    static const char *const names[] = { "Operations", "failOnErrors",
                                         "schemas" };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (scim_name_equal(json_string_value(name), json_string_length(name),
                names[i], strlen(names[i])))
        {
            return 1U << i;
        }
    }
    return 0;
}


static json_t *
read_value(scim_bulk_t *bulk)
{
    json_t      *value;
    scim_text_t  text = value_text(bulk);
    scim_error_t error = { 0 };

    value = scim_json_read(text.text, text.len, &scim_json_request_limits,
        &error);
    if (value == NULL) {
        bulk->at = text.text;
        syntax(bulk, "there is no JSON value");
    }
    return value;
}


/* The name of a member and the colon behind it; its bit, 0 = unknown. */
static bool
read_name(scim_bulk_t *bulk, unsigned *bit)
{
    bool        ok;
    json_t     *name = NULL;
    const char *quote;

    skip_space(bulk);
    if (bulk->at < end_of(bulk) && *bulk->at == '"') {
        quote = closing_quote(bulk->at, end_of(bulk));
        name = scim_json_read(bulk->at, (size_t) (quote + 1 - bulk->at),
            &scim_json_request_limits, NULL);
    }
    if (name == NULL) {
        syntax(bulk, "a member's name is missing");
        return false;
    }
    bulk->at = quote + 1;
    *bit = member_bit(name);
    json_decref(name);
    ok = take(bulk, ':');
    if (!ok) {
        syntax(bulk, "a colon is missing");
    } else if (bulk->seen & *bit) {
        ok = false;
        syntax(bulk, "a member comes twice");
    }
    bulk->seen |= *bit;
    return ok;
}


static bool
read_member(scim_bulk_t *bulk)
{
    bool     ok;
    json_t  *value;
    unsigned bit;

    if (!read_name(bulk, &bit)) {
        return false;
    }
    bulk->begun = true;
    if (bit == SEEN_OPERATIONS) {
        bulk->in_operations = take(bulk, '[');
        bulk->begun = false;
        if (!bulk->in_operations) {
            syntax(bulk, "Operations must be an array");
        }
        return bulk->in_operations;
    }
    value = read_value(bulk);
    ok = value
        && (bit != SEEN_FAIL_ON_ERRORS || take_fail_on_errors(bulk, value))
        && (bit != SEEN_SCHEMAS || check_schemas(bulk, value));
    json_decref(value);
    return ok;
}


/* ---- elements of Operations ---- */

static bool
too_many(scim_bulk_t *bulk)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, 413, SCIM_ERROR_NONE, "the request has more "
        "operations than maxOperations (%d)", SCIM_BULK_ITEM_MAX);
    scim_operation_fail(&bulk->operation, &error);
    return false;
}


static bool
read_element(scim_bulk_t *bulk)
{
    size_t            cost;
    scim_bulk_item_t *item;

    if (bulk->item.count == SCIM_BULK_ITEM_MAX) {
        return too_many(bulk);
    }
    if (!SCIM_BULK_GROW(&bulk->item)) {
        refuse(bulk, 500, SCIM_ERROR_NONE, "no memory");
        return false;
    }
    item = &bulk->item.at[bulk->item.count];
    memset(item, 0, sizeof(*item));
    item->text = value_text(bulk);
    bulk->begun = true;
    cost = item->text.len + ITEM_COST;
    bulk->budget -= cost < bulk->budget ? cost : bulk->budget;
    return scim_bulk_item_read(bulk, bulk->item.count++);
}


/* ---- the envelope ---- */

/*
 * What comes next: an element or a member, or the end of either.  SCIM_STEP_
 * SEND: the end of all.
 */
static scim_step_t
read_next(scim_bulk_t *bulk)
{
    if (take(bulk, bulk->in_operations ? ']' : '}')) {
        if (bulk->in_operations) {
            bulk->in_operations = false;
            bulk->begun = true;
            return SCIM_STEP_YIELD;
        }
        skip_space(bulk);
        return bulk->at == end_of(bulk) ? SCIM_STEP_SEND
            : syntax(bulk, "something follows the request");
    }
    if (bulk->begun && !take(bulk, ',')) {
        return syntax(bulk, "a comma is missing");
    }
    return (bulk->in_operations ? read_element(bulk) : read_member(bulk))
        ? SCIM_STEP_YIELD : SCIM_STEP_DONE;
}


static bool
begin(scim_bulk_t *bulk)
{
    bulk->at = bulk->operation.request->body.text;
    if (bulk->operation.request->body.len == 0) {
        refuse(bulk, 400, SCIM_ERROR_INVALID_SYNTAX,
            "the request has no body");
        return false;
    }
    if (end_of(bulk) - bulk->at >= 3
        && memcmp(bulk->at, "\xef\xbb\xbf", 3) == 0)
    {
        bulk->at += 3;
        scim_lenient_note(&bulk->operation.lenient,
            SCIM_LENIENT_BYTE_ORDER_MARK);
    }
    if (!take(bulk, '{')) {
        syntax(bulk, "a Bulk request must be an object");
        return false;
    }
    return true;
}


scim_step_t
scim_bulk_read(scim_bulk_t *bulk)
{
    scim_step_t step = SCIM_STEP_YIELD;

    if (bulk->at == NULL && !begin(bulk)) {
        return SCIM_STEP_DONE;
    }
    while (step == SCIM_STEP_YIELD && bulk->budget) {
        step = read_next(bulk);
    }
    if (step == SCIM_STEP_SEND && !(bulk->seen & SEEN_OPERATIONS)) {
        return refuse(bulk, 400, SCIM_ERROR_INVALID_SYNTAX,
            "Operations is missing");
    }
    if (step == SCIM_STEP_SEND && !(bulk->seen & SEEN_SCHEMAS)) {
        scim_lenient_note(&bulk->operation.lenient,
            SCIM_LENIENT_SCHEMAS_MISSING);
    }
    return step;
}
