#include "fuzz_core.h"

/*
 * Bodies that are nearly right, made of the schema's own names and of values
 * that clients send for each other's types: POST, then PUT over its result.
 */
typedef struct {
    const uint8_t *data;
    size_t         size;
    size_t         at;
} source_t;

static const char *const texts[] = {
    "", "a", "true", "FALSE", "12", "1.5", "work", "home", "{\"value\":\"x\"}",
    "2026-01-02T03:04:05Z", "2026-01-02", "a@x", "m1", "\xc3\x84",
    "https://h/Users/u1", FUZZ_ID
};


static unsigned
next(source_t *source)
{
    return source->at < source->size ? source->data[source->at++] : 0;
}


static json_t *make_value(source_t *source, const scim_attribute_t *attribute,
    unsigned depth);


static json_t *
make_object(source_t *source, const scim_attribute_t *attributes,
    size_t count, unsigned depth)
{
    json_t *object = json_object();

    for (unsigned n = next(source) % 6; n > 0 && count > 0; n--) {
        const scim_attribute_t *attribute = &attributes[next(source) % count];

        json_object_set_new(object, attribute->name,
            make_value(source, attribute, depth + 1));
    }
    return object;
}


static json_t *
make_array(source_t *source, const scim_attribute_t *attribute,
    unsigned depth)
{
    json_t *array = json_array();

    for (unsigned n = next(source) % 4; n > 0; n--) {
        json_array_append_new(array, make_value(source, attribute,
            depth + 1));
    }
    return array;
}


static json_t *
make_value(source_t *source, const scim_attribute_t *attribute,
    unsigned depth)
{
    unsigned choice = next(source);

    if (depth > 5) {
        return json_null();
    }
    switch (choice % 9) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(choice & 16);
    case 2:
        return json_integer((long long) choice - 128);
    case 3:
        return json_real(choice / 8.0);
    case 4:
        return make_array(source, attribute, depth);
    case 5:
    case 6:
        return make_object(source, attribute->sub_attributes,
            attribute->sub_attribute_count, depth);
    default:
        return json_string(texts[next(source)
            % (sizeof(texts) / sizeof(texts[0]))]);
    }
}


static json_t *
make_body(source_t *source, const scim_resource_type_t *type)
{
    json_t *body = make_object(source, type->schema->attributes,
        type->schema->attribute_count, 0);

    json_object_set_new(body, type->schema->attributes[0].name,
        json_string("Ann"));
    for (size_t e = 0; e < type->extension_count; e++) {
        json_object_set_new(body, type->extensions[e]->id,
            make_object(source, type->extensions[e]->attributes,
                type->extensions[e]->attribute_count, 0));
    }
    return body;
}


static json_t *
submit(source_t *source, const scim_resource_type_t *type,
    const json_t *current)
{
    json_t         *document = NULL, *body = make_body(source, type);
    scim_members_t  members;
    scim_error_t    error = { 0 };

    require(scim_members_init(&members));
    if (scim_document_normalize(type,
            current ? SCIM_DOCUMENT_REPLACE : SCIM_DOCUMENT_CREATE, body,
            current, FUZZ_ID, &document, &members, NULL, &error))
    {
        require_canonical(type, document);
        require_members(&members);
    } else {
        require_refused(&error);
    }
    scim_members_free(&members);
    json_decref(body);
    return document;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t                     *created, *replaced;
    source_t                    source = { data, size, 0 };
    const scim_resource_type_t *type;

    type = fuzz_type(next(&source) % 2 ? "Group" : "User");
    created = submit(&source, type, NULL);
    if (created) {
        replaced = submit(&source, type, created);
        json_decref(replaced);
        json_decref(created);
    }
    return 0;
}
