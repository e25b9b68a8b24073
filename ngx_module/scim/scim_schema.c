#include "scim_schema.h"

#include <string.h>

#include "scim_fold.h"
#include "scim_schema_internal.h"

/* RFC 7643 section 3.1: attributes that every resource has. */
static const scim_attribute_t meta_attributes[] = {
    { .name = "resourceType", .name_len = 12, .case_exact = true,
      .mutability = SCIM_READ_ONLY },
    { .name = "created", .name_len = 7, .type = SCIM_DATETIME,
      .mutability = SCIM_READ_ONLY },
    { .name = "lastModified", .name_len = 12, .type = SCIM_DATETIME,
      .mutability = SCIM_READ_ONLY },
    { .name = "location", .name_len = 8, .type = SCIM_REFERENCE,
      .case_exact = true, .mutability = SCIM_READ_ONLY },
    { .name = "version", .name_len = 7, .case_exact = true,
      .mutability = SCIM_READ_ONLY }
};

static const scim_attribute_t common_attributes[] = {
    { .name = "schemas", .name_len = 7, .type = SCIM_REFERENCE,
      .multi_valued = true, .required = true,
      .returned = SCIM_RETURNED_ALWAYS },
    { .name = "id", .name_len = 2, .case_exact = true,
      .mutability = SCIM_READ_ONLY, .returned = SCIM_RETURNED_ALWAYS },
    { .name = "externalId", .name_len = 10, .case_exact = true },
    { .name = "meta", .name_len = 4, .type = SCIM_COMPLEX,
      .mutability = SCIM_READ_ONLY, .sub_attributes = meta_attributes,
      .sub_attribute_count =
          sizeof(meta_attributes) / sizeof(meta_attributes[0]) }
};

#define COMMON_COUNT (sizeof(common_attributes) / sizeof(common_attributes[0]))


const scim_schema_t *
scim_schemas_find(const scim_schemas_t *schemas, const char *urn, size_t len)
{
    for (size_t i = 0; i < schemas->schema_count; i++) {
        if (scim_name_equal(schemas->schemas[i].id,
                schemas->schemas[i].id_len, urn, len))
        {
            return &schemas->schemas[i];
        }
    }
    return NULL;
}


const scim_schema_t *
scim_schemas_at(const scim_schemas_t *schemas, size_t i)
{
    return i < schemas->schema_count ? &schemas->schemas[i] : NULL;
}


size_t
scim_schemas_count(const scim_schemas_t *schemas)
{
    return schemas->schema_count;
}


const scim_resource_type_t *
scim_resource_type_at(const scim_schemas_t *schemas, size_t i)
{
    return i < schemas->type_count ? &schemas->types[i] : NULL;
}


size_t
scim_resource_type_count(const scim_schemas_t *schemas)
{
    return schemas->type_count;
}


const scim_resource_type_t *
scim_resource_type_find(const scim_schemas_t *schemas, const char *name,
    size_t len)
{
    for (size_t i = 0; i < schemas->type_count; i++) {
        if (scim_name_equal(schemas->types[i].name,
                strlen(schemas->types[i].name), name, len))
        {
            return &schemas->types[i];
        }
    }
    return NULL;
}


static const scim_attribute_t *
find_attribute(const scim_attribute_t *attributes, size_t count,
    const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (scim_name_equal(attributes[i].name, attributes[i].name_len, name,
                len))
        {
            return &attributes[i];
        }
    }
    return NULL;
}


const scim_attribute_t *
scim_schema_attribute(const scim_schema_t *schema, const char *name,
    size_t len)
{
    const scim_attribute_t *attribute = find_attribute(schema->attributes,
        schema->attribute_count, name, len);

    return attribute ? attribute
                     : find_attribute(common_attributes, COMMON_COUNT, name,
                         len);
}


const scim_attribute_t *
scim_attribute_sub(const scim_attribute_t *attribute, const char *name,
    size_t len)
{
    return find_attribute(attribute->sub_attributes,
        attribute->sub_attribute_count, name, len);
}


const scim_schema_t *
scim_resource_type_extension(const scim_resource_type_t *type,
    const char *urn, size_t len)
{
    for (size_t i = 0; i < type->extension_count; i++) {
        if (scim_name_equal(type->extensions[i]->id,
                type->extensions[i]->id_len, urn, len))
        {
            return type->extensions[i];
        }
    }
    return NULL;
}


const scim_attribute_t *
scim_resource_type_attribute(const scim_resource_type_t *type,
    const char *urn, size_t urn_len, const char *name, size_t name_len)
{
    const scim_schema_t *extension;

    if (urn == NULL
        || scim_name_equal(type->schema->id, type->schema->id_len, urn,
            urn_len))
    {
        return scim_schema_attribute(type->schema, name, name_len);
    }
    extension = scim_resource_type_extension(type, urn, urn_len);
    return extension ? find_attribute(extension->attributes,
                           extension->attribute_count, name, name_len)
                     : NULL;
}


bool
scim_attribute_is_core(const scim_resource_type_t *type,
    const scim_attribute_t *attribute)
{
    return attribute->schema == NULL || attribute->schema == type->schema;
}
