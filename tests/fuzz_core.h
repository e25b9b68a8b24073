#ifndef FUZZ_CORE_H
#define FUZZ_CORE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_json.h"
#include "scim_patch.h"
#include "scim_schema.h"

/* What the fuzz targets of the SCIM core share. */
#define FUZZ_ID "0190dada-0000-7000-8000-000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Ends the run, saying what was expected and where. */
#define require(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                          \
        }                                                                     \
    } while (0)


/* "User" or "Group" of the built-in schemas, which are read once. */
static inline const scim_resource_type_t *
fuzz_type(const char *name)
{
    static scim_schemas_t *schemas;

    if (schemas == NULL) {
        schemas = scim_schemas_new(scim_embedded_schemas,
            scim_embedded_schema_count, NULL);
        require(schemas != NULL);
    }
    return scim_resource_type_find(schemas, name, strlen(name));
}


/* A refusal names a client's error and says something. */
static inline void
require_refused(const scim_error_t *error)
{
    require(error->status >= 400 && error->status < 500);
    require(error->detail[0] != '\0');
}


/* The two documents are equal; else shows both. */
static inline void
require_equal(const json_t *expected, const json_t *found)
{
    if (!json_equal(expected, found)) {
        json_dumpf(expected, stderr, JSON_ENCODE_ANY);
        fputs("\nis not\n", stderr);
        json_dumpf(found, stderr, JSON_ENCODE_ANY);
        fputs("\n", stderr);
        abort();
    }
}


/* What is stored is canonical: normalizing it once more changes nothing. */
static inline void
require_canonical(const scim_resource_type_t *type, const json_t *document)
{
    json_t         *again = NULL, *finished = json_deep_copy(document);
    scim_members_t  members;
    scim_error_t    error = { 0 };

    require(scim_members_init(&members));
    require(scim_document_normalize(type, SCIM_DOCUMENT_CREATE, document,
        NULL, FUZZ_ID, &again, &members, NULL, &error));
    require_equal(document, again);
    require(members.mode == SCIM_MEMBERS_KEEP);
    require(scim_document_finish(type, FUZZ_ID, &finished, &error));
    require_equal(document, finished);
    json_decref(again);
    json_decref(finished);
    scim_members_free(&members);
}


/* Nobody can be added and removed, and no id is unusable. */
static inline void
require_members(const scim_members_t *members)
{
    json_t     *value;
    const char *id;

    json_object_foreach(members->add, id, value) {
        require(id[0] && strlen(id) <= SCIM_MEMBER_ID_MAX);
        require(strcmp(id, FUZZ_ID) != 0);
        require(json_object_get(members->remove, id) == NULL);
    }
    require(members->mode == SCIM_MEMBERS_DELTA
        || json_object_size(members->remove) == 0);
    require(members->mode != SCIM_MEMBERS_KEEP
        || json_object_size(members->add) == 0);
}

#endif
