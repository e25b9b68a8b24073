#include "schemas.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_embedded.h"

#define FILES_MAX     256
#define FILE_SIZE_MAX (1024 * 1024) /* bytes of one */


static bool
complain(const char *file, const char *what)
{
    fprintf(stderr, "scim-sidecar: %s: %s\n", file, what);
    return false;
}


static bool
read_file(const char *name, scim_schema_file_t *file)
{
    bool  ok = false;
    char *text = malloc(FILE_SIZE_MAX + 1);
    FILE *in = fopen(name, "r");

    if (in == NULL || text == NULL) {
        complain(name, strerror(errno));
    } else {
        file->len = fread(text, 1, FILE_SIZE_MAX + 1, in);
        ok = !ferror(in) && file->len <= FILE_SIZE_MAX;
        if (!ok) {
            complain(name, "cannot be read, or is larger than 1 MB");
        }
    }
    if (in) {
        fclose(in);
    }
    file->name = name;
    file->text = text;
    return ok;
}


static scim_schemas_t *
read_all(const glob_t *found, scim_schema_file_t *files)
{
    size_t          count = scim_embedded_schema_count;
    bool            ok = true;
    scim_error_t    error = { 0 };
    scim_schemas_t *schemas = NULL;

    memcpy(files, scim_embedded_schemas, count * sizeof(*files));
    for (size_t i = 0; ok && i < found->gl_pathc; i++) {
        ok = read_file(found->gl_pathv[i], &files[count++]);
    }
    if (ok) {
        schemas = scim_schemas_new(files, count, &error);
        if (schemas == NULL) {
            complain("scim_schemas", error.detail);
        }
    }
    for (size_t i = scim_embedded_schema_count; i < count; i++) {
        free((char *) files[i].text);
    }
    return schemas;
}


scim_schemas_t *
schemas_read(const char *folder)
{
    int                 found_any;
    char                pattern[4096];
    glob_t              found = { 0 };
    scim_schemas_t     *schemas = NULL;
    scim_schema_file_t *files;

    snprintf(pattern, sizeof(pattern), "%s/*.json", folder);
    found_any = *folder ? glob(pattern, 0, NULL, &found) : 0;
    files = calloc(scim_embedded_schema_count + found.gl_pathc + 1,
        sizeof(*files));
    if (found_any != 0) {
        complain(folder, "no schema file is there");
    } else if (found.gl_pathc > FILES_MAX || files == NULL) {
        complain(folder, "too many files");
    } else {
        schemas = read_all(&found, files);
    }
    free(files);
    globfree(&found);
    return schemas;
}
