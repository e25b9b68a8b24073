#include "scimctl_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_MAX 16
#define CELL_MAX   512


/* A cell's text; control bytes never reach the terminal. */
static void
cell_text(const json_t *value, char *out)
{
    char *text;

    out[0] = '\0';
    if (value == NULL || json_is_null(value)) {
        snprintf(out, CELL_MAX, "-");
    } else if (json_is_string(value)) {
        snprintf(out, CELL_MAX, "%s", json_string_value(value));
    } else {
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text) {
            snprintf(out, CELL_MAX, "%s", text);
            free(text);
        }
    }
    for (char *p = out; *p; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}


static size_t
split_columns(char *text, char **names)
{
    size_t count = 0;

    for (char *name = strtok(text, " "); name && count < COLUMN_MAX;
         name = strtok(NULL, " "))
    {
        names[count++] = name;
    }
    return count;
}


static size_t
column_width(const json_t *rows, const char *name)
{
    char    cell[CELL_MAX];
    size_t  i, width = strlen(name);
    json_t *row;

    json_array_foreach((json_t *) rows, i, row) {
        cell_text(json_object_get(row, name), cell);
        if (strlen(cell) > width) {
            width = strlen(cell);
        }
    }
    return width;
}


static void
print_cell(const char *text, size_t width, int last)
{
    if (last) {
        printf("%s\n", text);
    } else {
        printf("%-*s  ", (int) width, text);
    }
}


void
table_print(const json_t *rows, const char *columns)
{
    char    cell[CELL_MAX], copy[256], *names[COLUMN_MAX];
    size_t  i, count, width[COLUMN_MAX];
    json_t *row;

    snprintf(copy, sizeof(copy), "%s", columns);
    count = split_columns(copy, names);
    for (size_t c = 0; c < count; c++) {
        width[c] = column_width(rows, names[c]);
        print_cell(names[c], width[c], c + 1 == count);
    }
    json_array_foreach((json_t *) rows, i, row) {
        for (size_t c = 0; c < count; c++) {
            cell_text(json_object_get(row, names[c]), cell);
            print_cell(cell, width[c], c + 1 == count);
        }
    }
}


void
table_print_object(const json_t *object)
{
    char        cell[CELL_MAX];
    int         width = 0;
    json_t     *value;
    const char *key;

    json_object_foreach((json_t *) object, key, value) {
        if ((int) strlen(key) > width) {
            width = (int) strlen(key);
        }
    }
    json_object_foreach((json_t *) object, key, value) {
        cell_text(value, cell);
        printf("%-*s  %s\n", width, key, cell);
    }
}
