#include "fuzz_core.h"

/* as much work as it takes */
#define WORK &(scim_filter_work_t) { 0, SIZE_MAX }

#include "scim_filter.h"

/*
 * Any text as a filter: a refusal names the position; what is taken prints to
 * a text that means the same, and matches without complaint.
 */
static const char resource[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
    "\"id\":\"" FUZZ_ID "\",\"userName\":\"Ann\",\"active\":true,"
    "\"displayName\":\"\",\"name\":{\"familyName\":\"Lee\"},"
    "\"emails\":[{\"value\":\"a@x\",\"type\":\"work\",\"primary\":true},"
    "{\"value\":\"b@x\"}],\"groups\":[{\"value\":\"g1\"}],"
    "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":"
    "{\"department\":\"D\",\"manager\":{\"value\":\"m1\"}},"
    "\"meta\":{\"resourceType\":\"User\","
    "\"created\":\"2026-01-02T03:04:05.678Z\"}}";


static void
check_taken(const scim_resource_type_t *type, const scim_filter_t *filter,
    const json_t *document)
{
    scim_filter_t *again;
    scim_buffer_t  first, second;

    scim_buffer_init(&first, 1 << 20);
    scim_buffer_init(&second, 1 << 20);
    scim_filter_print(filter, &first);
    require(!scim_buffer_failed(&first));
    if (first.len <= SCIM_FILTER_LEN_MAX) {
        again = scim_filter_parse(type, first.data, first.len, NULL, NULL);
        require(again != NULL);
        scim_filter_print(again, &second);
        require(strcmp(first.data, second.data) == 0);
        require(scim_filter_match(filter, document, WORK)
            == scim_filter_match(again, document, WORK));
        scim_filter_free(again);
    }
    scim_buffer_free(&first);
    scim_buffer_free(&second);
}


static void
filter(const char *name, const char *text, size_t len, const json_t *document)
{
    scim_error_t                error = { 0 };
    const scim_resource_type_t *type = fuzz_type(name);
    scim_filter_t *parsed = scim_filter_parse(type, text, len, NULL, &error);

    if (parsed) {
        check_taken(type, parsed, document);
        scim_filter_free(parsed);
    } else {
        require_refused(&error);
        require(error.type == SCIM_ERROR_INVALID_FILTER);
        require(strstr(error.detail, "at position ") != NULL);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *document = json_loads(resource, 0, NULL);

    filter("User", (const char *) data, size, document);
    filter("Group", (const char *) data, size, document);
    json_decref(document);
    return 0;
}
