#include <ctype.h>
#include <string.h>

#include "scim_app_connector.h"

#define REFERENCE_MAX 1024


/* True when `matches` accepts a word of a space-separated list, or "*" is. */
static bool
list_allows(const char *list, const char *value,
    bool (*matches)(const char *word, size_t len, const char *value))
{
    while (list && *list) {
        size_t len = strcspn(list, " ");

        if ((len == 1 && *list == '*')
            || (len > 0 && matches(list, len, value)))
        {
            return true;
        }
        list += len;
        list += strspn(list, " ");
    }
    return false;
}


static bool
same_name(const char *word, size_t len, const char *value)
{
    return strlen(value) == len && memcmp(word, value, len) == 0;
}


static bool
inside_folder(const char *word, size_t len, const char *value)
{
    while (len > 0 && word[len - 1] == '/') {
        len--;
    }
    return strncmp(word, value, len) == 0 && value[len] == '/';
}


static bool
is_variable_name(const char *name)
{
    if (*name == '\0' || isdigit((unsigned char) *name)) {
        return false;
    }
    for (; *name; name++) {
        if (!isalnum((unsigned char) *name) && *name != '_') {
            return false;
        }
    }
    return true;
}


/* Absolute, and no way up: the allow-list compares prefixes. */
static bool
is_plain_path(const char *path)
{
    if (path[0] != '/' || path[strlen(path) - 1] == '/') {
        return false;
    }
    for (const char *p = path; p; p = strchr(p + 1, '/')) {
        size_t len = strcspn(p + 1, "/");

        if ((len == 1 && p[1] == '.')
            || (len == 2 && p[1] == '.' && p[2] == '.'))
        {
            return false;
        }
    }
    return true;
}


bool
scim_app_secret_allowed(const char *reference,
    const scim_app_policy_t *policy)
{
    if (strlen(reference) > REFERENCE_MAX) {
        return false;
    }
    if (strncmp(reference, "env:", 4) == 0) {
        return is_variable_name(reference + 4)
            && list_allows(policy->secret_env, reference + 4, same_name);
    }
    if (strncmp(reference, "file:", 5) == 0) {
        return is_plain_path(reference + 5)
            && list_allows(policy->secret_files, reference + 5,
                inside_folder);
    }
    return false;
}
