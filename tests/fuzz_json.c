#include "fuzz_core.h"

/*
 * Bytes from the network: our reader agrees with jansson's on every text, our
 * writer with jansson's on every value, and what is an object goes on to be
 * the body of a POST.
 */
static const scim_json_limits_t wide = { 2000, 0, false };


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
    require(strcmp(expected, out.data) == 0);
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
