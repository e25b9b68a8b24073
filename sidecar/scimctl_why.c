#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scimctl_command.h"
#include "scimctl_table.h"

/* One grant explained in one screen. */

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}


static long long
number_of(const json_t *object, const char *name)
{
    return (long long) json_integer_value(json_object_get(object, name));
}


static void
time_text(long long ms, char *out, size_t size)
{
    time_t    seconds = (time_t) (ms / 1000);
    struct tm parts;

    snprintf(out, size, "-");
    if (ms > 0 && localtime_r(&seconds, &parts)) {
        strftime(out, size, "%Y-%m-%d %H:%M:%S", &parts);
    }
}


static void
print_time(const char *before, long long ms)
{
    char when[32];

    time_text(ms, when, sizeof(when));
    printf("%s%s", before, when);
}


static void
print_state(const json_t *why)
{
    const char *name = text_of(why, "userName");
    const char *email = text_of(why, "email");

    printf("person      %s%s%s%s%s\n", name,
        strcmp(name, email) ? " <" : "", strcmp(name, email) ? email : "",
        strcmp(name, email) ? ">" : "",
        json_is_true(json_object_get(why, "deleted")) ? ", deleted"
        : json_is_true(json_object_get(why, "active")) ? ", active"
        : ", not active");
    printf("app         %s\n", text_of(why, "appName"));
    printf("state       %s", text_of(why, "state"));
    if (json_object_get(why, "since")) {
        print_time(" since ", number_of(why, "since"));
    }
    putchar('\n');
    if (json_object_get(why, "role")) {
        printf("has         role %s, access role %s", text_of(why, "role"),
            text_of(why, "accessRole"));
        if (strcmp(text_of(why, "accessRole"), text_of(why, "appliedRole"))) {
            printf(" (the app was told: %s)", *text_of(why, "appliedRole")
                ? text_of(why, "appliedRole") : "nothing yet");
        }
        putchar('\n');
    }
    if (*text_of(why, "memberId")) {
        printf("known as    %s\n", text_of(why, "memberId"));
    }
}


/* "a member" or the groups by which, outermost last */
static void
print_membership(const json_t *source)
{
    size_t      i;
    json_t     *group;
    const char *how = text_of(source, "membership");

    if (strcmp(how, "nested") == 0) {
        printf(", in it by ");
        json_array_foreach(json_object_get(source, "path"), i, group) {
            printf("%s\"%s\"", i ? " > " : "", json_string_value(group));
        }
    } else if (*how) {
        printf(", %s", strcmp(how, "manual") == 0 ? "put into it by hand"
            : strcmp(how, "direct") == 0 ? "a member of the group"
                                         : "not in the group any more");
    }
}


static void
print_sources(const json_t *why)
{
    size_t        i;
    json_t       *source;
    const json_t *sources = json_object_get(why, "sources");

    if (json_array_size(sources) == 0) {
        printf("because of  nothing: no share reaches this person\n");
    }
    json_array_foreach((json_t *) sources, i, source) {
        bool gives = json_is_true(json_object_get(source, "gives"));

        printf("%s", gives ? "because of  "
            : json_is_true(json_object_get(why, "active")) ? "also by     "
            : "would have  ");
        if (strcmp(text_of(source, "type"), "team") == 0) {
            printf("the share with team \"%s\"", text_of(source, "name"));
        } else {
            printf("a share with this person alone");
        }
        printf(": %s, %s", text_of(source, "role"),
            text_of(source, "accessRole"));
        print_membership(source);
        if (*text_of(source, "by")) {
            printf("; shared by %s", text_of(source, "by"));
            print_time(" on ", number_of(source, "at"));
        }
        putchar('\n');
    }
}


static void
print_seat(const json_t *why)
{
    const json_t *seat = json_object_get(why, "seat");

    printf("seat        ");
    if (json_object_get(seat, "place")) {
        printf("waits, number %lld in line", number_of(seat, "place"));
    } else {
        printf("%s", json_is_true(json_object_get(seat, "held")) ? "has one"
                                                                 : "none");
    }
    printf(" (%lld in use", number_of(seat, "inUse"));
    if (json_object_get(seat, "limit")) {
        printf(" of %lld", number_of(seat, "limit"));
    }
    printf(", %lld waiting)\n", number_of(seat, "waiting"));
}


static void
print_circumstances(const json_t *why)
{
    const json_t *hold = json_object_get(why, "hold");
    const json_t *exemption = json_object_get(why, "exemption");

    if (json_object_get(why, "settlesAt")) {
        print_time("settles     removed unless wanted again until ",
            number_of(why, "settlesAt"));
        putchar('\n');
    }
    if (*text_of(why, "keptAfter")) {
        printf("kept        a hold was rejected: stays although %s\n",
            text_of(why, "keptAfter"));
    }
    if (hold) {
        printf("hold        %s, %s%s%s\n", text_of(hold, "id"),
            text_of(hold, "state"), *text_of(hold, "reason") ? ": " : "",
            text_of(hold, "reason"));
    }
    if (exemption) {
        printf("exemption   %s, by %s until %s\n",
            text_of(exemption, "reason"), text_of(exemption, "owner"),
            text_of(exemption, "until"));
    }
}


static void
print_task(const json_t *why)
{
    const json_t *task = json_object_get(why, "task");
    const json_t *answer = json_object_get(task, "answer");

    if (task == NULL) {
        return;
    }
    printf("task        %s %s, %lld attempts", text_of(task, "kind"),
        text_of(task, "state"), number_of(task, "attempts"));
    if (strcmp(text_of(task, "state"), "waiting") == 0) {
        print_time(", next at ", number_of(task, "nextAt"));
    }
    printf(" (%s)\n", text_of(task, "id"));
    if (answer) {
        printf("answer      %lld %s\n", number_of(answer, "status"),
            text_of(answer, "body"));
    }
}


static void
print_history(const json_t *why)
{
    char    when[32];
    size_t  i;
    json_t *entry;
    json_t *history = json_object_get(why, "history");

    json_array_foreach(history, i, entry) {
        time_text(number_of(entry, "ts"), when, sizeof(when));
        json_object_set_new(entry, "when", json_string(when));
    }
    if (json_array_size(history)) {
        putchar('\n');
        table_print(history, "when from to why actor op share txn");
    }
}


int
command_why(command_t *command)
{
    char    app[80], user[80], path[256];
    json_t *why;

    if (*command_word(command, 2) == '\0') {
        return command_wrong("why USER APP");
    }
    if (!command_find(command, "apps", command_word(command, 2), app,
            sizeof(app))
        || !command_find_user(command, command_word(command, 1), user,
            sizeof(user)))
    {
        return 1;
    }
    snprintf(path, sizeof(path), "/apps/%s/members/%s", app, user);
    if (command_request(command, SCIM_METHOD_GET, path, "", NULL, &why)) {
        return 1;
    }
    if (command->json) {
        command_print_json(why);
    } else {
        print_state(why);
        print_sources(why);
        print_seat(why);
        print_circumstances(why);
        print_task(why);
        print_history(why);
    }
    json_decref(why);
    return 0;
}
