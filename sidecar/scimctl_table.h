#ifndef SCIMCTL_TABLE_H
#define SCIMCTL_TABLE_H

#include <jansson.h>

/*
 * Prints an array of objects as a table: `columns` are names separated by
 * spaces.  Values that are arrays or objects are printed as JSON.
 */
void table_print(const json_t *rows, const char *columns);

/* Prints one object, a member a line. */
void table_print_object(const json_t *object);

#endif
