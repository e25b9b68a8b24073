#include "fuzz_core.h"
#include "scim_json_scan.h"

/*
 * Bytes from the network: our reader agrees with jansson's on every text, our
 * writer with jansson's on every value, each member is found in what was
 * written, and what is an object goes on to be the body of a POST.
 */
static const scim_json_limits_t wide = { 2000, 0, false };


/* A member of an object's text, read alone, is the object's. */
static void
compare_members(const json_t *object, const char *text, size_t len)
{
    json_t       *value, *some;
    const char   *name;
    scim_buffer_t written;

    scim_buffer_init(&written, 1 << 24);
    json_object_foreach((json_t *) object, name, value) {
        scim_buffer_reset(&written);
        scim_json_write_string(name, strlen(name), &written);
        if (written.len != strlen(name) + 2) {
            continue; /* it has escapes; no attribute has */
        }
        some = scim_json_scan_members(text, len, &name, 1);
        require(json_object_size(some) == 1);
        require(json_equal(value, json_object_get(some, name)));
        json_decref(some);
    }
    scim_buffer_free(&written);
}


/* Of decimals we write the digits that were sent, jansson seventeen. */
static bool
has_decimals(const json_t *value)
{
    size_t      i;
    json_t     *inner;
    const char *name;

    json_array_foreach((json_t *) value, i, inner) {
        if (has_decimals(inner)) {
            return true;
        }
    }
    json_object_foreach((json_t *) value, name, inner) {
        if (has_decimals(inner)) {
            return true;
        }
    }
    return json_is_real(value);
}


static void
compare_writers(const json_t *value)
{
    char          *expected;
    json_t        *again;
    scim_buffer_t  out;

    scim_buffer_init(&out, 1 << 24);
    scim_json_write(value, &out);
    expected = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    require(expected && !scim_buffer_failed(&out));
    require(has_decimals(value) || strcmp(expected, out.data) == 0);
    compare_members(value, out.data, out.len);
    again = scim_json_read(out.data, out.len, &wide, NULL);
    require(json_equal(value, again));
    json_decref(again);
    free(expected);
    scim_buffer_free(&out);
}


/* Where we refuse what jansson takes: it loses NUL bytes after numbers. */
static bool
stricter(const char *text, size_t len, const scim_error_t *error)
{
    return strstr(error->detail, "nested too deep")
        || strstr(error->detail, "number too long")
        || memchr(text, '\0', len);
}


static void
compare_readers(const char *text, size_t len)
{
    size_t       mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0
                      ? 3 : 0;
    json_t      *ours, *theirs;
    scim_error_t error = { 0 };

    ours = scim_json_read(text, len, &wide, &error);
    theirs = json_loadb(text + mark, len - mark,
        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    require((ours == NULL) == (theirs == NULL)
        || (theirs && stricter(text, len, &error)));
    if (ours) {
        require(json_equal(ours, theirs));
        compare_writers(ours);
    } else {
        require_refused(&error);
    }
    json_decref(ours);
    json_decref(theirs);
}


static void
create(const char *name, const json_t *body)
{
    json_t                     *document = NULL;
    scim_members_t              members;
    scim_error_t                error = { 0 };
    const scim_resource_type_t *type = fuzz_type(name);

    require(scim_members_init(&members));
    if (scim_document_normalize(type, SCIM_DOCUMENT_CREATE, body, NULL,
            FUZZ_ID, &document, &members, NULL, &error))
    {
        require_canonical(type, document);
        require_members(&members);
        json_decref(document);
    } else {
        require_refused(&error);
    }
    scim_members_free(&members);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t      *body;
    scim_error_t error = { 0 };

    compare_readers((const char *) data, size);
    body = scim_json_read((const char *) data, size,
        &scim_json_request_limits, &error);
    if (body == NULL) {
        require_refused(&error);
        return 0;
    }
    create("User", body);
    create("Group", body);
    json_decref(body);
    return 0;
}
