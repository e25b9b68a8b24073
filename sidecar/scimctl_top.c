#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "redis_client.h"
#include "scim_key.h"
#include "scimctl_command.h"
#include "scimctl_table.h"

/* What goes on: rates, what waits, and the apps that have trouble. */
#define PERIOD_MS 2000

typedef struct {
    long long appended, committed; /* events, of all shards */
    long long dirty;               /* people to be planned */
    int64_t   at;
} counters_t;


static bool
read_counters(scimctl_t *ctl, counters_t *counters)
{
    char        key[SCIM_KEY_MAX], dirty[32];
    redisReply *reply;

    memset(counters, 0, sizeof(*counters));
    for (unsigned i = 0; i < ctl->shard_count; i++) {
        scim_key_dataset(key, i);
        reply = scimctl_command(ctl, "HMGET %s appended committed", key);
        if (reply == NULL) {
            return false;
        }
        counters->appended += redis_reply_number(reply, 0);
        counters->committed += redis_reply_number(reply, 1);
        freeReplyObject(reply);
        snprintf(dirty, sizeof(dirty), "scim:{%03u}:dirty", i % 1000);
        reply = scimctl_command(ctl, "ZCARD %s", dirty);
        if (reply == NULL) {
            return false;
        }
        counters->dirty += reply->integer;
        freeReplyObject(reply);
    }
    counters->at = loop_wall();
    return true;
}


static const char *
app_name(const json_t *apps, const char *id)
{
    size_t  i;
    json_t *app;

    json_array_foreach((json_t *) apps, i, app) {
        if (strcmp(json_string_value(json_object_get(app, "id")), id) == 0) {
            return json_string_value(json_object_get(app, "name"));
        }
    }
    return id;
}


/* One more of `kind` for the app's row. */
static void
count_trouble(json_t *rows, const char *app, const char *kind,
    json_int_t number)
{
    json_t *row = json_object_get(rows, app);

    if (row == NULL) {
        row = json_pack("{si,si,si,si}", "failed", 0, "manual", 0, "waiting",
            0, "held", 0);
        json_object_set_new(rows, app, row);
    }
    json_object_set_new(row, kind, json_integer(number
        + json_integer_value(json_object_get(row, kind))));
}


static bool
add_tasks(command_t *command, json_t *rows, const char *state)
{
    char    query[64];
    size_t  i;
    json_t *task, *list;

    snprintf(query, sizeof(query), "state=%s", state);
    list = command_rows(command, "/tasks", query, "tasks");
    json_array_foreach(list, i, task) {
        count_trouble(rows, json_string_value(json_object_get(task, "app")),
            state, 1);
    }
    json_decref(list);
    return list != NULL;
}


static bool
add_holds(command_t *command, json_t *rows)
{
    size_t  i;
    json_t *hold, *list = command_rows(command, "/holds", "state=open",
        "holds");

    json_array_foreach(list, i, hold) {
        count_trouble(rows, json_string_value(json_object_get(hold, "app")),
            "held", json_integer_value(json_object_get(hold, "count")));
    }
    json_decref(list);
    return list != NULL;
}


/* Apps with tasks that need somebody, or wait, or with people held. */
static json_t *
troubles(command_t *command)
{
    bool        ok;
    json_t     *row, *rows = json_object(), *list = json_array();
    json_t     *apps = command_rows(command, "/apps", "", "apps");
    const char *id;

    ok = apps && add_tasks(command, rows, "failed")
        && add_tasks(command, rows, "manual")
        && add_tasks(command, rows, "waiting") && add_holds(command, rows);
    json_object_foreach(rows, id, row) {
        json_object_set_new(row, "id", json_string(id));
        json_object_set_new(row, "app", json_string(app_name(apps, id)));
        json_array_append(list, row);
    }
    json_decref(rows);
    json_decref(apps);
    if (!ok) {
        json_decref(list);
        return NULL;
    }
    return list;
}


static double
per_second(long long now, long long before, int64_t ms)
{
    return ms > 0 ? (double) (now - before) * 1000 / (double) ms : 0;
}


/* One look, as an object; NULL with a message. */
static json_t *
look(command_t *command, counters_t *before)
{
    json_t    *stats, *apps;
    counters_t now;
    int64_t    ms;

    if (!read_counters(&command->ctl, &now)
        || command_request(command, SCIM_METHOD_GET, "/stats", "", NULL,
            &stats))
    {
        return NULL;
    }
    apps = troubles(command);
    if (apps == NULL) {
        json_decref(stats);
        return NULL;
    }
    ms = now.at - before->at;
    json_object_set_new(stats, "eventsPerSecond", json_real(
        per_second(now.appended, before->appended, ms)));
    json_object_set_new(stats, "committedPerSecond", json_real(
        per_second(now.committed, before->committed, ms)));
    json_object_set_new(stats, "backlog", json_integer(now.appended
        - now.committed));
    json_object_set_new(stats, "toBePlanned", json_integer(now.dirty));
    json_object_set_new(stats, "troubles", apps);
    *before = now;
    return stats;
}


static void
print_look(const command_t *command, const json_t *seen)
{
    json_t       *number;
    const char   *name;
    const json_t *seats = json_object_get(seen, "seats");

    printf("workspace %s: %lld users, %lld groups, %lld apps; seats %lld in "
        "use, %lld waiting\n", command->workspace,
        (long long) json_integer_value(json_object_get(seen, "users")),
        (long long) json_integer_value(json_object_get(seen, "groups")),
        (long long) json_integer_value(json_object_get(seen, "apps")),
        (long long) json_integer_value(json_object_get(seats, "inUse")),
        (long long) json_integer_value(json_object_get(seats, "waiting")));
    printf("events    %.1f/s in, %.1f/s done, %lld wait; %lld people to be "
        "planned\n",
        json_number_value(json_object_get(seen, "eventsPerSecond")),
        json_number_value(json_object_get(seen, "committedPerSecond")),
        (long long) json_integer_value(json_object_get(seen, "backlog")),
        (long long) json_integer_value(json_object_get(seen, "toBePlanned")));
    printf("tasks    ");
    json_object_foreach(json_object_get(seen, "tasks"), name, number) {
        printf(" %s %lld", name, (long long) json_integer_value(number));
    }
    printf("; open holds %lld\n\n",
        (long long) json_integer_value(json_object_get(seen, "holds")));
    if (json_array_size(json_object_get(seen, "troubles"))) {
        table_print(json_object_get(seen, "troubles"),
            "app failed manual waiting held id");
    } else {
        printf("no app has trouble\n");
    }
}


static void
pause_a_little(void)
{
    struct timespec period = { PERIOD_MS / 1000,
                               PERIOD_MS % 1000 * 1000000L };

    fflush(stdout);
    nanosleep(&period, NULL);
}


/* One look for programs; on a terminal again and again, until Ctrl-C. */
int
command_top(command_t *command)
{
    bool       live = !command->json && isatty(1);
    json_t    *seen;
    counters_t before;

    if (!read_counters(&command->ctl, &before)) {
        return 1;
    }
    do {
        pause_a_little();
        seen = look(command, &before);
        if (seen == NULL) {
            return 1;
        }
        if (live) {
            printf("\033[H\033[2J");
        }
        if (command->json) {
            command_print_json(seen);
        } else {
            print_look(command, seen);
        }
        json_decref(seen);
    } while (live);
    return 0;
}
