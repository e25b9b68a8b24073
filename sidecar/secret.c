#include "secret.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scim_app_connector.h"


static bool
fail(const char **problem, const char *text)
{
    *problem = text;
    return false;
}


/* The allow-list names folders as configured; links must not lead out. */
static bool
resolved_is_allowed(const char *path, const scim_app_policy_t *policy)
{
    char  reference[PATH_MAX + 8], folder[PATH_MAX];
    char  resolved[PATH_MAX];
    char *copy, *word, *rest = NULL;
    bool  allowed = false;

    if (policy->secret_files == NULL || !realpath(path, resolved)) {
        return false;
    }
    snprintf(reference, sizeof(reference), "file:%s", resolved);
    if (scim_app_secret_allowed(reference, policy)) {
        return true;
    }
    copy = strdup(policy->secret_files);
    for (word = copy ? strtok_r(copy, " ", &rest) : NULL; word;
        word = strtok_r(NULL, " ", &rest))
    {
        scim_app_policy_t one = { .secret_files = folder };

        allowed = allowed || (realpath(word, folder)
            && scim_app_secret_allowed(reference, &one));
    }
    free(copy);
    return allowed;
}


static bool
read_file(const char *path, const scim_app_policy_t *policy,
    scim_buffer_t *out, const char **problem)
{
    int         fd;
    char        bytes[SECRET_MAX + 1];
    ssize_t     len;
    struct stat status;

    if (!resolved_is_allowed(path, policy)) {
        return fail(problem, "the secret's file is absent or not allowed");
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return fail(problem, "the secret's file cannot be opened");
    }
    len = fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
        ? read(fd, bytes, sizeof(bytes)) : -1;
    close(fd);
    if (len < 0 || (size_t) len > SECRET_MAX) {
        return fail(problem, "the secret's file cannot be read");
    }
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) {
        len--;
    }
    scim_buffer_append(out, bytes, (size_t) len);
    explicit_bzero(bytes, sizeof(bytes));
    return true;
}


static bool
is_usable(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) bytes[i] < 0x20 || bytes[i] == 0x7f) {
            return false;
        }
    }
    return len > 0;
}


bool
secret_read(const char *reference, const scim_app_policy_t *policy,
    scim_buffer_t *out, const char **problem)
{
    size_t      start = out->len;
    const char *value;

    if (!scim_app_secret_allowed(reference, policy)) {
        return fail(problem, "the secret is not in the allow-list");
    }
    if (strncmp(reference, "file:", 5) == 0) {
        if (!read_file(reference + 5, policy, out, problem)) {
            return false;
        }
    } else {
        value = getenv(reference + 4);
        if (value == NULL) {
            return fail(problem, "the secret's variable is not set");
        }
        scim_buffer_append_text(out, value);
    }
    if (scim_buffer_failed(out)
        || !is_usable(out->data ? out->data + start : "", out->len - start))
    {
        return fail(problem, "the secret is empty, too long or not text");
    }
    return true;
}


const char *
secret_path(const char *reference, const scim_app_policy_t *policy,
    const char **problem)
{
    if (strncmp(reference, "file:", 5) != 0
        || !scim_app_secret_allowed(reference, policy)
        || !resolved_is_allowed(reference + 5, policy))
    {
        *problem = "the certificate's file is absent or not allowed";
        return NULL;
    }
    return reference + 5;
}


void
secret_free(scim_buffer_t *buffer)
{
    if (buffer->data) {
        explicit_bzero(buffer->data, buffer->size);
    }
    scim_buffer_free(buffer);
}
