#include "fuzz_core.h"

#include "scim_path.h"

/*
 * Any text as a PATCH path: refused as invalidPath, or resolved to something
 * that hangs together.
 */
static void
check_taken(const scim_resource_type_t *type, const scim_path_t *path)
{
    if (path->unknown_extension) {
        return;
    }
    require(path->attribute || path->extension);
    require(path->attribute || (!path->sub && !path->filter));
    if (path->sub) {
        require(path->sub->parent == path->attribute
            || path->attribute->schema == NULL);
    }
    if (path->attribute) {
        require(scim_attribute_is_core(type, path->attribute)
            == (path->extension == NULL));
    }
}


static void
resolve(const char *name, const char *text, size_t len)
{
    scim_path_t                 path = { 0 };
    scim_error_t                error = { 0 };
    const scim_resource_type_t *type = fuzz_type(name);

    if (scim_path_parse(type, text, len, &path, NULL, &error)) {
        check_taken(type, &path);
    } else {
        require_refused(&error);
        require(error.type == SCIM_ERROR_INVALID_PATH);
        require(path.filter == NULL && path.attribute == NULL);
    }
    scim_path_free(&path);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    resolve("User", (const char *) data, size);
    resolve("Group", (const char *) data, size);
    return 0;
}
