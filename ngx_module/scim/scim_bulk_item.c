#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scim_bulk_internal.h"
#include "scim_fold.h"
#include "scim_json.h"
#include "scim_resource.h"

/* One element of Operations: what it asks for, leniently read. */

/* One level more than a request of its own: its data lies in an object. */
static const scim_json_limits_t element_limits = { 33, 65536, true };

/* Elements stay parsed up to so many bytes of text; others are read again. */
#define KEPT_MAX ((size_t) 1 << 20)


json_t *
scim_bulk_member(const json_t *object, const char *name)
{
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) object, key, value) {
        if (scim_name_equal(key, strlen(key), name, strlen(name))) {
            return json_is_null(value) ? NULL : value;
        }
    }
    return NULL;
}


void
scim_bulk_item_fail(scim_bulk_t *bulk, scim_bulk_item_t *item, int status,
    scim_error_type_t type, const char *format, ...)
{
    va_list       arguments;
    char          detail[256];
    scim_error_t  error = { 0 };
    scim_buffer_t text;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    scim_error_set(&error, status, type, "%s", detail);
    scim_buffer_init(&text, 4096);
    scim_error_render(&error, &text);
    item->status = status;
    item->response.len = text.len;
    item->response.text = scim_arena_copy(&bulk->operation.arena,
        text.len ? text.data : "", text.len);
    if (scim_buffer_failed(&text)) {
        bulk->operation.arena.failed = true;
    }
    scim_buffer_free(&text);
}


json_t *
scim_bulk_item_element(scim_bulk_t *bulk, scim_bulk_item_t *item)
{
    json_t *element;

    if (item->element) {
        return json_incref(item->element);
    }
    element = scim_json_read(item->text.text, item->text.len, &element_limits,
        NULL);
    if (element == NULL) {
        bulk->operation.arena.failed = true; /* it was fine before */
    }
    return element;
}


/* ---- members ---- */

/* The same, noting another spelling of the name. */
static json_t *
member(scim_bulk_t *bulk, const json_t *element, const char *name)
{
    json_t *value = scim_bulk_member(element, name);

    if (value && json_object_get(element, name) != value) {
        scim_lenient_note(&bulk->operation.lenient, SCIM_LENIENT_KEY_CASE);
    }
    return value;
}


static bool
take_text(scim_bulk_t *bulk, scim_bulk_item_t *item, const json_t *element,
    const char *name, scim_text_t *out)
{
    const json_t *value = member(bulk, element, name);

    *out = (scim_text_t) { "", 0 };
    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value)) {
        scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_SYNTAX,
            "%s must be a string", name);
        return false;
    }
    out->len = json_string_length(value);
    out->text = scim_arena_copy(&bulk->operation.arena,
        json_string_value(value), out->len);
    if (out->text == NULL) {
        *out = (scim_text_t) { "", 0 };
        return false;
    }
    return true;
}


static bool
take_method(scim_bulk_t *bulk, scim_bulk_item_t *item)
{
    static const struct {
        const char   *word;
        scim_method_t method;
    } methods[] = {
        { "POST", SCIM_METHOD_POST }, { "PUT", SCIM_METHOD_PUT },
        { "PATCH", SCIM_METHOD_PATCH }, { "DELETE", SCIM_METHOD_DELETE }
    };
    scim_text_t text = item->method_text;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (scim_name_equal(text.text, text.len, methods[i].word,
                strlen(methods[i].word)))
        {
            if (memcmp(text.text, methods[i].word, text.len) != 0) {
                scim_lenient_note(&bulk->operation.lenient,
                    SCIM_LENIENT_BULK_FORM);
            }
            item->method = methods[i].method;
            item->method_text.text = methods[i].word;
            return true;
        }
    }
    item->method = SCIM_METHOD_OTHER;
    scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_SYNTAX,
        "method must be POST, PUT, PATCH or DELETE");
    return false;
}


/* ---- the path ---- */

static bool
is(scim_text_t text, const char *word)
{
    return scim_name_equal(text.text, text.len, word, strlen(word));
}


/* The first segment; *rest is what follows it. */
static scim_text_t
first_segment(scim_text_t path, scim_text_t *rest)
{
    scim_text_t one;

    while (path.len && path.text[0] == '/') {
        path.text++;
        path.len--;
    }
    one = path;
    while (path.len && path.text[0] != '/') {
        path.text++;
        path.len--;
    }
    one.len -= path.len;
    *rest = path;
    return one;
}


/* Reference L-62: the whole URL, or with the version in front. */
static void
strip_base(scim_bulk_t *bulk, scim_text_t *path)
{
    scim_text_t first, rest, base = bulk->operation.service->base_url;

    if (path->len == 0 || path->text[0] != '/') {
        scim_lenient_note(&bulk->operation.lenient, SCIM_LENIENT_BULK_FORM);
    }
    if (base.len && path->len >= base.len
        && memcmp(path->text, base.text, base.len) == 0)
    {
        path->text += base.len;
        path->len -= base.len;
        return;
    }
    first = first_segment(*path, &rest);
    while (is(first, "scim") || is(first, "v2")) {
        scim_lenient_note(&bulk->operation.lenient, SCIM_LENIENT_BULK_FORM);
        *path = rest;
        first = first_segment(*path, &rest);
    }
}


static void
take_path(scim_bulk_t *bulk, scim_bulk_item_t *item)
{
    scim_text_t first, second, rest;
    const char *query;

    strip_base(bulk, &item->path);
    query = memchr(item->path.text, '?', item->path.len);
    if (query) {
        item->path.len = (size_t) (query - item->path.text);
    }
    first = first_segment(item->path, &rest);
    second = first_segment(rest, &rest);
    if (first.len == 0 || is(first, "Bulk") || is(first, "Me")
        || is(first, ".search") || is(second, ".search"))
    {
        scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_VALUE,
            "path must name a resource or, to create one, its type");
        return;
    }
    if (first_segment(rest, &rest).len == 0) {
        item->type = scim_route_type(bulk->operation.service, first);
        item->id = second;
    }
    if (item->method == SCIM_METHOD_POST && second.len) {
        /* what it creates has an id of ours */
        scim_bulk_item_fail(bulk, item, 405, SCIM_ERROR_NONE,
            "a POST needs the path of a type");
    }
}


/* ---- the whole ---- */

static bool
take_bulk_id(scim_bulk_t *bulk, scim_bulk_item_t *item, size_t number)
{
    scim_error_t error = { 0 };

    if (item->bulk_id.len == 0) {
        if (item->method == SCIM_METHOD_POST) {
            scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_SYNTAX,
                "a POST needs a bulkId");
        }
        return true;
    }
    if (json_object_get(bulk->bulk_ids, item->bulk_id.text)) {
        scim_error_set(&error, 400, SCIM_ERROR_INVALID_SYNTAX,
            "Operations[%zu]: bulkId \"%.64s\" comes twice", number,
            item->bulk_id.text);
        scim_operation_fail(&bulk->operation, &error);
        return false;
    }
    if (json_object_set_new(bulk->bulk_ids, item->bulk_id.text,
            json_integer((json_int_t) number))
        != 0)
    {
        bulk->operation.arena.failed = true;
    }
    return true;
}


static bool
take_members(scim_bulk_t *bulk, size_t number, const json_t *element)
{
    scim_bulk_item_t *item = &bulk->item.at[number];

    if (!json_is_object(element)) {
        scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_SYNTAX,
            "Operations[%zu] must be an object", number);
        return true;
    }
    if (!take_text(bulk, item, element, "method", &item->method_text)
        || !take_text(bulk, item, element, "bulkId", &item->bulk_id)
        || !take_text(bulk, item, element, "path", &item->path)
        || !take_text(bulk, item, element, "version", &item->version))
    {
        return true;
    }
    if (take_method(bulk, item)) {
        take_path(bulk, item);
    }
    if (item->status == 0 && item->method != SCIM_METHOD_DELETE
        && member(bulk, element, "data") == NULL)
    {
        scim_bulk_item_fail(bulk, item, 400, SCIM_ERROR_INVALID_SYNTAX,
            "data is missing");
    }
    return take_bulk_id(bulk, item, number);
}


bool
scim_bulk_item_read(scim_bulk_t *bulk, size_t number)
{
    bool              ok;
    json_t           *element;
    scim_error_t      error = { 0 }, placed = { 0 };
    scim_bulk_item_t *item = &bulk->item.at[number];

    item->method = SCIM_METHOD_OTHER; /* until it is known */
    element = scim_json_read(item->text.text, item->text.len, &element_limits,
        &error);
    if (element == NULL) {
        scim_error_set(&placed, error.status, error.type,
            "Operations[%zu]: %.200s", number, error.detail);
        scim_operation_fail(&bulk->operation, &placed);
        return false;
    }
    ok = take_members(bulk, number, element);
    if (bulk->kept + item->text.len <= KEPT_MAX) {
        bulk->kept += item->text.len;
        item->element = element;
    } else {
        json_decref(element);
    }
    return ok;
}
