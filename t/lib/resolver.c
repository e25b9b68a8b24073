/*
 * For tests, by LD_PRELOAD: names as a file says (SCIM_TEST_HOSTS, read anew
 * for every look-up), one a line with the port, addresses in their order:
 *
 *   app.example:443 127.0.0.1 10.0.0.1
 *   app.example:443 nxdomain | servfail | hang
 *
 * hang: until the file says something else.  Other names are looked up as ever.
 * Connections to addresses that are not of this machine's loopback are not
 * made: they are noted in the file SCIM_TEST_CONNECTS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_US 20000

typedef int (*getaddrinfo_pt)(const char *, const char *,
    const struct addrinfo *, struct addrinfo **);
typedef int (*connect_pt)(int, const struct sockaddr *, socklen_t);


/* What the file says behind the name; false = nothing. */
static int
find_line(const char *host, const char *service, char *line, size_t size)
{
    char        name[300];
    size_t      len = (size_t) snprintf(name, sizeof(name), "%s:%s", host,
        service ? service : "");
    const char *path = getenv("SCIM_TEST_HOSTS");
    FILE       *in = path ? fopen(path, "r") : NULL;
    int         found = 0;

    while (in && !found && fgets(line, (int) size, in)) {
        found = strncmp(line, name, len) == 0 && line[len] == ' ';
    }
    if (in) {
        fclose(in);
    }
    if (found) {
        memmove(line, line + len + 1, strlen(line + len + 1) + 1);
        line[strcspn(line, "\n")] = '\0';
    }
    return found;
}


/* glibc frees the elements of a list one by one: lists can be joined. */
static int
addresses(char *line, const char *service, const struct addrinfo *hints,
    struct addrinfo **result)
{
    char             *save = NULL;
    getaddrinfo_pt    next = (getaddrinfo_pt) dlsym(RTLD_NEXT,
        "getaddrinfo");
    struct addrinfo   asked = { 0 }, *one, **end = result;

    if (hints) {
        asked = *hints;
    }
    asked.ai_family = AF_UNSPEC;
    asked.ai_flags = AI_NUMERICHOST;
    *result = NULL;
    for (char *word = strtok_r(line, " ", &save); word;
         word = strtok_r(NULL, " ", &save))
    {
        if (next(word, service, &asked, &one) == 0) {
            *end = one;
            while (*end) {
                end = &(*end)->ai_next;
            }
        }
    }
    return *result ? 0 : EAI_NONAME;
}


int
getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **result)
{
    char           line[512];
    getaddrinfo_pt next = (getaddrinfo_pt) dlsym(RTLD_NEXT, "getaddrinfo");

    if (name == NULL || !find_line(name, service, line, sizeof(line))) {
        return next(name, service, hints, result);
    }
    /* the look-up hangs, in libcurl's thread, until the file says otherwise */
    while (strcmp(line, "hang") == 0) {
        usleep(PAUSE_US);
        if (!find_line(name, service, line, sizeof(line))) {
            return EAI_AGAIN;
        }
    }
    if (strcmp(line, "nxdomain") == 0) {
        return EAI_NONAME;
    }
    if (strcmp(line, "servfail") == 0) {
        return EAI_AGAIN;
    }
    return addresses(line, service, hints, result);
}


static int
is_elsewhere(const struct sockaddr *address, char *text, size_t size)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *) address;

        inet_ntop(AF_INET, &in->sin_addr, text, (socklen_t) size);
        return strncmp(text, "127.", 4) != 0;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *) address;

        inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t) size);
        return strcmp(text, "::1") != 0;
    }
    return 0;
}


int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
    char        text[INET6_ADDRSTRLEN];
    FILE       *out;
    connect_pt  next = (connect_pt) dlsym(RTLD_NEXT, "connect");
    const char *path = getenv("SCIM_TEST_CONNECTS");

    if (path == NULL || !is_elsewhere(address, text, sizeof(text))) {
        return next(fd, address, len);
    }
    out = fopen(path, "a");
    if (out) {
        fprintf(out, "%s\n", text);
        fclose(out);
    }
    errno = ENETUNREACH;
    return -1;
}
