#include "fuzz_core.h"

/*
 * Any file in the folder of schemas: refused with its name, or taken, and
 * then every attribute of it can be found, written, patched and filtered.
 */
#define FILE_MAX 32


static scim_schemas_t *
with_file(const char *text, size_t len, scim_error_t *error)
{
    size_t             count = scim_embedded_schema_count;
    scim_schema_file_t files[FILE_MAX];

    require(count < FILE_MAX);
    memcpy(files, scim_embedded_schemas, count * sizeof(files[0]));
    files[count] = (scim_schema_file_t) { "own.json", text, len };
    return scim_schemas_new(files, count + 1, error);
}


/* A body that gives `value` to every attribute of the extension. */
static void
submit(const scim_resource_type_t *type, const scim_schema_t *schema,
    const char *value)
{
    json_t         *body, *container = json_object(), *document = NULL;
    scim_error_t    error = { 0 };
    scim_members_t  members;

    for (size_t i = 0; i < schema->attribute_count; i++) {
        json_object_set_new(container, schema->attributes[i].name,
            json_string(value));
    }
    body = json_pack("{ss,ss,so}", "userName", "ann", "displayName", "Ann",
        schema->id, container);
    require(scim_members_init(&members));
    if (scim_document_normalize(type, SCIM_DOCUMENT_CREATE, body, NULL,
            FUZZ_ID, &document, &members, NULL, &error))
    {
        require_canonical(type, document);
        json_decref(document);
    } else {
        require_refused(&error);
    }
    scim_members_free(&members);
    json_decref(body);
}


static void
check_attribute(const scim_resource_type_t *type,
    const scim_schema_t *schema, const scim_attribute_t *attribute)
{
    char           text[600];
    int            len;
    scim_path_t    path = { 0 };
    scim_filter_t *filter;

    len = snprintf(text, sizeof(text), "%s:%s pr", schema->id,
        attribute->name);
    require(scim_resource_type_attribute(type, schema->id, schema->id_len,
        attribute->name, attribute->name_len) == attribute);
    require(scim_path_parse(type, text, (size_t) len - 3, &path, NULL, NULL));
    require(path.attribute == attribute && path.extension == schema);
    scim_path_free(&path);
    filter = scim_filter_parse(type, text, (size_t) len, NULL, NULL);
    require(filter || attribute->returned == SCIM_RETURNED_NEVER);
    scim_filter_free(filter);
}


static void
check_type(const scim_resource_type_t *type)
{
    for (size_t e = 0; e < type->extension_count; e++) {
        const scim_schema_t *schema = type->extensions[e];

        for (size_t i = 0; i < schema->attribute_count; i++) {
            check_attribute(type, schema, &schema->attributes[i]);
        }
        submit(type, schema, "12");
        submit(type, schema, "true");
        submit(type, schema, "2026-01-02T03:04:05Z");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scim_error_t    error = { 0 };
    scim_schemas_t *schemas = with_file((const char *) data, size, &error);

    if (schemas == NULL) {
        require(error.status == 500);
        require(strstr(error.detail, "own.json: ") == error.detail);
        return 0;
    }
    check_type(scim_resource_type_find(schemas, "User", 4));
    check_type(scim_resource_type_find(schemas, "Group", 5));
    scim_schemas_free(schemas);
    return 0;
}
