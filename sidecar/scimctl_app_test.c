#include <stdio.h>
#include <string.h>

#include "scim_app_list.h"
#include "scimctl_command.h"

/*
 * Tries an app's connector without changing anything in the app: the sidecar
 * lists the members, with its own secrets and from where it stands.
 */
#define WAIT_SECONDS 120

/* What to look at when the reason says so; the first that fits. */
static const struct {
    const char *reason, *advice;
} hints[] = {
    { "variable is not set", "set it in the environment of the sidecar and "
      "start that again" },
    { "allow-list", "see secret_env and secret_files in sidecar.conf" },
    { "secret's file", "the sidecar must be able to read it" },
    { "no access token", "look at auth.oauth2: tokenUrl, clientId, the "
      "secret, credentials (body or basic), scope" },
    { "address is not allowed", "loopback and private addresses need a "
      "setting in sidecar.conf; link-local ones are never called" },
    { "(401)", "the credential is wrong or ran out" },
    { "(403)", "the credential may not list members: give it the right to" },
    { "(404)", "nothing is there: is baseUrl with list.path right?" },
    { "redirects", "baseUrl leads elsewhere: put the last address there" },
    { "(429)", "the app is over its limit: set limits.ratePerSecond" },
    { "not JSON", "is baseUrl the API and not a web page?" },
    { "array of members", "list.items does not point to an array of the "
      "answer" },
    { "usable id", "list.map.id does not point to an id of a member" },
    { "more pages", "say how pages follow: list.next, nextUrl or total" },
    { "begin alike", "the app ignores the page variable of list.path" },
    { "circle", "list.next points to something that is no cursor" },
    { "total", "list.total does not point to the number of members" },
    { "certificate", "the app's certificate is not one that ca_file knows" },
    { "resolve", "the name of the host is not known where the sidecar runs" },
    { "connect to", "nothing answers at the host or port of baseUrl" },
    { "timed out", "the app did not answer in time: limits.timeoutMs" }
};


static const char *
advice_for(const char *reason)
{
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strcasestr(reason, hints[i].reason)) {
            return hints[i].advice;
        }
    }
    return "see conf/apps/README.md";
}


/* Which work the connector does, and which a person. */
static void
print_verbs(const json_t *connector)
{
    static const char *const verbs[] = { "invite", "role", "remove", "list" };
    const char *type = json_string_value(json_object_get(connector, "type"));
    bool        scim = strcmp(type, "scim") == 0;
    bool        email = strcmp(type, "email") == 0;

    printf("connector: %s\n", type);
    for (size_t i = 0; i < 4; i++) {
        bool has = json_object_get(connector, verbs[i]) != NULL || scim
            || (email && i == 0)
            || (i == 1 && json_object_get(connector, "assign") != NULL);

        if (scim && i == 1) {
            has = json_object_get(connector, "roles") != NULL;
        }
        printf("  %-7s %s\n", verbs[i], has ? "yes"
            : i == 3 ? "no: look-ups and checks are not possible"
            : i == 1 ? "no: removed and invited again, or for a person"
            : "no: a task for a person");
    }
}


static bool
is_access_role(const json_t *app, const char *role)
{
    size_t  index;
    json_t *known;

    json_array_foreach(json_object_get(app, "accessRoles"), index, known) {
        if (strcmp(json_string_value(known), role) == 0) {
            return true;
        }
    }
    return false;
}


/* What a list that could be read says about its mapping. */
static void
print_doubts(const json_t *app, const json_t *report)
{
    size_t     index, strangers = 0, without_email = 0;
    json_t    *finding;
    long long  members = (long long) json_integer_value(
        json_object_get(report, "members"));

    json_array_foreach(json_object_get(report, "findings"), index, finding) {
        const char *actual = json_string_value(
            json_object_get(finding, "actual"));
        const char *email = json_string_value(
            json_object_get(finding, "email"));
        const char *kind = json_string_value(
            json_object_get(finding, "kind"));

        if (actual && !is_access_role(app, actual) && strangers++ == 0) {
            printf("  doubtful: the app has a role \"%s\", which is none of "
                "accessRoles: see list.map.accessRole, roleIds\n", actual);
        }
        without_email += kind && strcmp(kind, "unknown") == 0 && email
            && *email == '\0';
    }
    if (members == 0) {
        printf("  doubtful: nobody is listed: see list.items, list.path\n");
    }
    if (without_email > 0) {
        printf("  doubtful: %zu members have no address: see "
            "list.map.email\n", without_email);
    }
}


static int
try_list(command_t *command, const json_t *app, const char *id)
{
    int         status;
    json_t     *report = NULL;
    const char *reason;

    status = command_check_report(command, id, WAIT_SECONDS, &report);
    if (status != 0) {
        json_decref(report);
        return status;
    }
    reason = json_string_value(json_object_get(report, "reason"));
    if (reason) {
        printf("FAILED: %s\n  %s\n", reason, advice_for(reason));
        status = 1;
    } else {
        printf("ok: %lld members are listed, %lld differ from what they "
            "should be (scimctl check)\n",
            (long long) json_integer_value(json_object_get(report,
                "members")),
            (long long) json_integer_value(json_object_get(report,
                "count")));
        print_doubts(app, report);
    }
    json_decref(report);
    return status;
}


int
command_app_test(command_t *command, const char *id)
{
    int           status;
    char          path[128];
    json_t       *app = NULL;
    const json_t *connector;

    snprintf(path, sizeof(path), "/apps/%s", id);
    status = command_request(command, SCIM_METHOD_GET, path, "", NULL, &app);
    if (status != 0) {
        return status;
    }
    connector = json_object_get(app, "connector");
    print_verbs(connector);
    if (scim_app_can_list(connector)) {
        status = try_list(command, app, id);
    } else {
        printf("nothing can be tried without a change in the app: the "
            "connector has no list\n");
    }
    json_decref(app);
    return status;
}
