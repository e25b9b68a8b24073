#include "scimctl_command.h"

#include <stdio.h>
#include <string.h>

#include "scim_uuid.h"
#include "scimctl_table.h"


const char *
command_word(const command_t *command, int position)
{
    return position < command->argc ? command->argv[position] : "";
}


int
command_wrong(const char *what)
{
    fprintf(stderr, "scimctl: %s; see scimctl --help\n", what);
    return 2;
}


void
command_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}


/* Says why a request was refused; 0 when it was not. */
static int
refused(int status, const json_t *answer)
{
    const char   *message;
    const json_t *error = json_object_get(answer, "error");

    if (status >= 200 && status < 300) {
        return 0;
    }
    message = json_string_value(json_object_get(error, "message"));
    if (status) { /* it begins with the field that is wrong, if one is */
        fprintf(stderr, "scimctl: %s\n", message ? message : "refused");
    }
    return 1;
}


int
command_request(command_t *command, scim_method_t method, const char *path,
    const char *query, const json_t *body, json_t **answer)
{
    int status = scimctl_request(&command->ctl, method, path, query, body,
        answer);

    if (refused(status, *answer)) {
        json_decref(*answer);
        *answer = NULL;
        return 1;
    }
    return 0;
}


int
command_show(command_t *command, scim_method_t method, const char *path,
    const json_t *body)
{
    json_t *answer;

    if (command_request(command, method, path, "", body, &answer)) {
        return 1;
    }
    if (answer && command->json) {
        command_print_json(answer);
    } else if (answer) {
        table_print_object(answer);
    }
    json_decref(answer);
    return 0;
}


/* Moves the rows of one page; the cursor of the next, "" after the last. */
static bool
take_page(json_t *rows, json_t *answer, const char *plural, char *cursor,
    size_t size)
{
    const char *next = json_string_value(json_object_get(answer,
        "nextCursor"));

    snprintf(cursor, size, "%s", next ? next : "");
    return json_array_extend(rows, json_object_get(answer, plural)) == 0;
}


/* All pages, or one of --limit rows. */
json_t *
command_rows(command_t *command, const char *path, const char *query,
    const char *plural)
{
    bool    ok = true;
    char    cursor[512] = "", page[1024];
    json_t *answer, *rows = json_array();

    do {
        snprintf(page, sizeof(page), "limit=%.20s%s%s%s%s",
            command->limit ? command->limit : "1000", *query ? "&" : "",
            query, *cursor ? "&cursor=" : "", cursor);
        ok = command_request(command, SCIM_METHOD_GET, path, page, NULL,
            &answer) == 0;
        ok = ok && take_page(rows, answer, plural, cursor, sizeof(cursor));
        json_decref(answer);
    } while (ok && *cursor && command->limit == NULL);
    if (!ok) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}


int
command_list(command_t *command, const char *path, const char *query,
    const char *plural, const char *columns)
{
    json_t *answer, *rows = command_rows(command, path, query, plural);

    if (rows == NULL) {
        return 1;
    }
    if (command->json) {
        answer = json_pack("{sO}", plural, rows);
        command_print_json(answer);
        json_decref(answer);
    } else {
        table_print(rows, columns);
    }
    json_decref(rows);
    return 0;
}


bool
command_find(command_t *command, const char *collection, const char *word,
    char *id, size_t size)
{
    char        path[64];
    size_t      i, found = 0;
    json_t     *rows, *row;
    const char *one, *name;

    if (*word == '\0') {
        command_wrong("a word is missing");
        return false;
    }
    snprintf(id, size, "%s", word);
    if (scim_uuid_valid(word, strlen(word))) {
        return true;
    }
    snprintf(path, sizeof(path), "/%s", collection);
    rows = command_rows(command, path, "", collection);
    if (rows == NULL) {
        return false;
    }
    json_array_foreach(rows, i, row) {
        one = json_string_value(json_object_get(row, "id"));
        name = json_string_value(json_object_get(row, "name"));
        if (one && name && strcmp(name, word) == 0) {
            found++;
            snprintf(id, size, "%s", one);
        }
    }
    json_decref(rows);
    if (found != 1) {
        fprintf(stderr, found ? "scimctl: several %s are called %s: give the "
            "id\n" : "scimctl: none of the %s is called %s\n", collection,
            word);
    }
    return found == 1;
}


bool
command_find_user(command_t *command, const char *word, char *id, size_t size)
{
    int status;

    if (*word == '\0') {
        command_wrong("a word is missing");
        return false;
    }
    snprintf(id, size, "%s", word);
    if (scim_uuid_valid(word, strlen(word))) {
        return true;
    }
    status = scimctl_find_user(&command->ctl, word, id, size);
    if (status == 404) {
        fprintf(stderr, "scimctl: no user has the userName %s\n", word);
    }
    return status == 200;
}


json_t *
command_file(const command_t *command)
{
    json_t      *value;
    const char  *file = command->file;
    json_error_t error;

    if (file == NULL) {
        command_wrong("-f FILE is missing");
        return NULL;
    }
    value = strcmp(file, "-") == 0
        ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
        : json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        fprintf(stderr, "scimctl: %s:%d: %s\n", file, error.line, error.text);
    }
    return value;
}
