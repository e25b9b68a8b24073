#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "redis_client.h"
#include "scim_app_list.h"
#include "scim_embedded.h"
#include "scim_key.h"
#include "scimctl_doctor.h"
#include "scimctl_table.h"

/* Looks at what operators get wrong, and says what to do. */
#define BACKLOG_MANY  10000 /* events of a shard that wait */
#define STALE_MS      120000
#define SKEW_MAX      1000 /* ms between Redis' clock and ours */
#define LIST_WAIT     30 /* seconds for an app's list */


void
doctor_say(doctor_t *doctor, verdict_t verdict, const char *about,
    const char *found, const char *advice)
{
    static const char *const words[] = { "ok", "warning", "wrong" };

    doctor->bad += verdict == WRONG;
    json_array_append_new(doctor->rows, json_pack("{ss,ss,ss,ss}", "state",
        words[verdict], "about", about, "found", found, "advice",
        verdict == FINE ? "" : advice));
}


/* ---- Redis and its settings ---- */

/* A line of INFO: the text behind "name:". */
static const char *
info_line(const char *info, const char *name, char *out, size_t size)
{
    char        key[64];
    const char *at;

    snprintf(key, sizeof(key), "%s:", name);
    at = info ? strstr(info, key) : NULL;
    snprintf(out, size, "%.*s", at ? (int) strcspn(at + strlen(key), "\r\n")
                                   : 0, at ? at + strlen(key) : "");
    return out;
}


/* A setting as text, by INFO where CONFIG is not allowed; "" where neither. */
static void
setting(doctor_t *doctor, const char *name, char *out, size_t size)
{
    char        text[32];
    redisReply *reply = redisCommand(doctor->command->ctl.redis,
        "CONFIG GET %s", name), *info;

    snprintf(out, size, "%s", redis_reply_text(reply, 1));
    if (*out == '\0') {
        info = redisCommand(doctor->command->ctl.redis, "INFO");
        if (strcmp(name, "appendonly") == 0) {
            info_line(info ? info->str : NULL, "aof_enabled", text,
                sizeof(text));
            snprintf(out, size, "%s", strcmp(text, "1") == 0 ? "yes" : "no");
        } else if (strcmp(name, "maxmemory-policy") == 0) {
            info_line(info ? info->str : NULL, "maxmemory_policy", out, size);
        }
        freeReplyObject(info);
    }
    freeReplyObject(reply);
}


static void
check_setting(doctor_t *doctor, const char *name, const char *wanted,
    verdict_t otherwise, const char *advice)
{
    char value[128], found[300];

    setting(doctor, name, value, sizeof(value));
    snprintf(found, sizeof(found), "%s %s", name, *value ? value
        : "cannot be read (CONFIG is not allowed or renamed)");
    doctor_say(doctor, strcmp(value, wanted) == 0 ? FINE
        : *value ? otherwise : WARNING, "redis settings", found, advice);
}


static void
check_settings(doctor_t *doctor)
{
    check_setting(doctor, "appendonly", "yes", WRONG,
        "CONFIG SET appendonly yes, and in redis.conf: without it a restart "
        "of Redis loses what was acknowledged");
    check_setting(doctor, "appendfsync", "always", WARNING,
        "appendfsync always: with everysec the last second is lost when the "
        "machine dies");
    check_setting(doctor, "maxmemory-policy", "noeviction", WRONG,
        "maxmemory-policy noeviction: any other one deletes the directory "
        "when memory is full");
}


static void
check_info(doctor_t *doctor)
{
    char        version[32], used[32], max[32], found[120], status[32];
    redisReply *reply = scimctl_command(&doctor->command->ctl, "INFO");
    const char *info = reply ? reply->str : NULL;

    info_line(info, "redis_version", version, sizeof(version));
    snprintf(found, sizeof(found), "Redis %s", version);
    doctor_say(doctor, strtod(version, NULL) >= 7.0 ? FINE : WRONG,
        "redis version", found, "functions need Redis 7.0 or later");
    info_line(info, "aof_last_write_status", status, sizeof(status));
    doctor_say(doctor, strcmp(status, "err") ? FINE : WRONG, "append-only file",
        *status ? status : "not in use", "Redis cannot write its log: look "
        "at its disk and at its own log");
    info_line(info, "aof_last_bgrewrite_status", status, sizeof(status));
    if (strcmp(status, "err") == 0) {
        doctor_say(doctor, WARNING, "append-only file", "its last rewrite "
            "failed", "room on Redis' disk, and memory for a fork (vm."
            "overcommit_memory 1): without a rewrite the file only grows");
    }
    info_line(info, "used_memory", used, sizeof(used));
    info_line(info, "maxmemory", max, sizeof(max));
    snprintf(found, sizeof(found), "%s of %s bytes", used,
        strcmp(max, "0") ? max : "unlimited");
    doctor_say(doctor, strtod(max, NULL) > 0 && strtod(used, NULL) > 0.9
        * strtod(max, NULL) ? WRONG : FINE, "memory", found,
        "give Redis more memory: writes are refused when it is full "
        "(removals still run)");
    freeReplyObject(reply);
}


static void
check_clock(doctor_t *doctor)
{
    char        found[80];
    long long   skew;
    int64_t     before = loop_wall();
    redisReply *reply = scimctl_command(&doctor->command->ctl, "TIME");

    skew = redis_reply_number(reply, 0) * 1000
        + redis_reply_number(reply, 1) / 1000
        - (before + (loop_wall() - before) / 2);
    snprintf(found, sizeof(found), "Redis' clock is %lld ms %s ours",
        llabs(skew), skew < 0 ? "behind" : "ahead of");
    doctor_say(doctor, llabs(skew) <= SKEW_MAX ? FINE : WARNING, "clock", found,
        "run a time service on both machines: commands carry a deadline on "
        "Redis' clock");
    freeReplyObject(reply);
}


static void
check_functions(doctor_t *doctor)
{
    bool        ok;
    redisReply *reply = scimctl_call(&doctor->command->ctl, true, "stats",
        NULL);

    ok = reply && strcmp(redis_reply_code(reply), "OK") == 0;
    doctor_say(doctor, ok ? FINE : WRONG, "functions", ok
        ? SCIM_FUNCTION_PREFIX "* can be loaded and called"
        : "cannot be called", "the user needs FUNCTION LOAD, FCALL and "
        "FCALL_RO on all keys (README, access rights)");
    freeReplyObject(reply);
}


/* ---- the data set, shard by shard ---- */

typedef struct {
    long long waiting, pending, stale, dirty_late, due_late, dead;
    unsigned  groupless, strange, consumers;
} shards_t;


static long long
number_of(doctor_t *doctor, const char *format, const char *key,
    long long max)
{
    redisReply *reply = scimctl_command(&doctor->command->ctl, format, key,
        max);
    long long   number = reply && reply->type == REDIS_REPLY_INTEGER
        ? reply->integer : 0;

    freeReplyObject(reply);
    return number;
}


static void
look_at_group(const redisReply *group, shards_t *shards)
{
    for (size_t i = 0; group && i + 1 < group->elements; i += 2) {
        const char *name = redis_reply_text(group, i);

        if (strcmp(name, "pending") == 0) {
            shards->pending += group->element[i + 1]->integer;
        } else if (strcmp(name, "consumers") == 0
            && group->element[i + 1]->integer > shards->consumers)
        {
            shards->consumers = (unsigned) group->element[i + 1]->integer;
        }
    }
}


static void
look_at_shard(doctor_t *doctor, unsigned shard, shards_t *shards)
{
    char        key[SCIM_KEY_MAX], prefix[32], late[80];
    long long   now = loop_wall();
    scimctl_t  *ctl = &doctor->command->ctl;
    redisReply *reply;

    scim_key_dataset(key, shard);
    reply = scimctl_command(ctl, "HMGET %s id appended committed", key);
    shards->strange += strcmp(redis_reply_text(reply, 0), ctl->dataset) != 0;
    if (redis_reply_number(reply, 1) - redis_reply_number(reply, 2)
        > shards->waiting)
    {
        shards->waiting = redis_reply_number(reply, 1)
            - redis_reply_number(reply, 2);
    }
    freeReplyObject(reply);
    scim_key_events(key, shard);
    reply = redisCommand(ctl->redis, "XINFO GROUPS %s", key);
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0)
    {
        shards->groupless++;
    } else {
        look_at_group(reply->element[0], shards);
    }
    freeReplyObject(reply);
    reply = redisCommand(ctl->redis, "XPENDING %s sidecar IDLE %d - + 1000",
        key, STALE_MS);
    shards->stale += reply && reply->type == REDIS_REPLY_ARRAY
        ? (long long) reply->elements : 0;
    freeReplyObject(reply);
    snprintf(prefix, sizeof(prefix), "scim:{%03u}:", shard % 1000);
    snprintf(late, sizeof(late), "%sdirty", prefix);
    shards->dirty_late += number_of(doctor, "ZCOUNT %s -inf %lld", late,
        now - STALE_MS);
    snprintf(late, sizeof(late), "%sdue", prefix);
    shards->due_late += number_of(doctor, "ZCOUNT %s -inf %lld", late,
        now - STALE_MS);
    snprintf(late, sizeof(late), "%sdead", prefix);
    shards->dead += number_of(doctor, "XLEN %s", late, 0);
}


static void
say_number(doctor_t *doctor, verdict_t otherwise, const char *about,
    long long number, long long fine, const char *what, const char *advice)
{
    char found[120];

    snprintf(found, sizeof(found), "%lld %s", number, what);
    doctor_say(doctor, number <= fine ? FINE : otherwise, about, found, advice);
}


static void
check_shards(doctor_t *doctor)
{
    shards_t shards = { 0 };

    for (unsigned i = 0; i < doctor->command->ctl.shard_count; i++) {
        look_at_shard(doctor, i, &shards);
    }
    say_number(doctor, WRONG, "data set", shards.strange, 0,
        "shards are not of this data set", "part of the data is lost or "
        "from elsewhere: restore all of it from one backup");
    say_number(doctor, WRONG, "consumer group", shards.groupless, 0,
        "streams have no consumer group", "start a sidecar: it makes them");
    doctor_say(doctor, shards.consumers ? FINE : WRONG, "sidecars",
        shards.consumers ? "have read events" : "none ever read an event",
        "start scim-sidecar");
    say_number(doctor, WRONG, "backlog", shards.waiting, BACKLOG_MANY,
        "events wait in the fullest shard", "is a sidecar running? start "
        "more of them");
    say_number(doctor, WARNING, "pending", shards.pending, BACKLOG_MANY,
        "events were read and not acknowledged", "a sidecar hangs or died; "
        "others take its events over within a minute");
    say_number(doctor, WRONG, "pending", shards.stale, 0, "events were read "
        "more than two minutes ago and are not done", "is a sidecar running? "
        "one that does takes them over; its log says why they fail");
    say_number(doctor, WRONG, "planning", shards.dirty_late, 0,
        "people wait for their plan for more than two minutes",
        "is a sidecar running? its log says why plans fail");
    say_number(doctor, WRONG, "tasks", shards.due_late, 0,
        "tasks are due for more than two minutes", "is a sidecar running? "
        "an app at its rate limit is slow, too: scimctl top");
    say_number(doctor, WARNING, "set aside", shards.dead, 0,
        "events were not understood", "after an update of the sidecar: "
        "scimctl replay --dead");
}


/* ---- work that waits for somebody ---- */

static const struct {
    const char *about, *outer, *name; /* in the answer of /stats */
    verdict_t   verdict;
    const char *what, *advice;
} work[] = {
    { "removals", NULL, "removalsFailed", WRONG, "removals were refused: "
      "these people are still in the app", "scimctl tasks --state failed "
      "shows the app's answer; task retry ID, or take them out by hand and "
      "task done ID" },
    { "removals", NULL, "removalsUnconfirmed", WRONG, "removals that the app "
      "confirmed and its list denies", "look into the app: these people are "
      "still there" },
    { "removals", "revokes", "overdue", WRONG, "removals are over the target",
      "scimctl tasks shows them as overdue, with the app's last answer" },
    { "tasks", "tasks", "failed", WARNING, "tasks were given up",
      "scimctl tasks --state failed shows the app's answer; task retry ID" },
    { "tasks", "tasks", "manual", WARNING, "tasks wait for a person",
      "scimctl tasks --state manual; task done ID when it is done" },
    { "holds", NULL, "holds", WARNING, "mass removals wait for a decision",
      "scimctl holds; hold approve ID or hold reject ID" }
};


static void
check_down(doctor_t *doctor, const json_t *stats)
{
    size_t  i;
    json_t *app;

    json_array_foreach(json_object_get(stats, "appsDown"), i, app) {
        char about[100];

        snprintf(about, sizeof(about), "app %.80s", json_string_value(
            json_object_get(app, "app")));
        doctor_say(doctor, WRONG, about, json_string_value(json_object_get(app,
            "why")), "the app is down: tasks wait, and one at a time tries "
            "it; scimctl app show says since when");
    }
}


/* Of this workspace alone. */
static void
check_work(doctor_t *doctor)
{
    json_t *stats = NULL;

    if (command_request(doctor->command, SCIM_METHOD_GET, "/stats", "", NULL,
            &stats))
    {
        return;
    }
    check_down(doctor, stats);
    for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
        const json_t *from = work[i].outer
            ? json_object_get(stats, work[i].outer) : stats;

        say_number(doctor, work[i].verdict, work[i].about, json_integer_value(
            json_object_get(from, work[i].name)), 0, work[i].what,
            work[i].advice);
    }
    json_decref(stats);
}


/* ---- the apps ---- */

static void
check_app(doctor_t *doctor, const json_t *app)
{
    char        about[300];
    int         status;
    json_t     *report = NULL;
    const char *reason;

    snprintf(about, sizeof(about), "app %.200s",
        json_string_value(json_object_get(app, "name")));
    status = command_check_report(doctor->command, json_string_value(
        json_object_get(app, "id")), LIST_WAIT, &report);
    reason = json_string_value(json_object_get(report, "reason"));
    doctor_say(doctor, status == 0 && reason == NULL ? FINE : WRONG, about,
        status ? "the check does not end: is a sidecar running?"
        : reason ? reason : "lists its members",
        "scimctl app test APP explains it");
    json_decref(report);
}


static void
check_apps(doctor_t *doctor)
{
    size_t  i;
    json_t *app, *answer = NULL;

    if (command_request(doctor->command, SCIM_METHOD_GET, "/apps",
            "limit=1000", NULL, &answer))
    {
        return;
    }
    json_array_foreach(json_object_get(answer, "apps"), i, app) {
        const json_t *connector = json_object_get(app, "connector");

        if (scim_app_can_list(connector)) {
            check_app(doctor, app);
        }
    }
    json_decref(answer);
}


int
command_doctor(command_t *command)
{
    json_t  *answer;
    doctor_t doctor = { command, json_array(), 0 };

    doctor_check_library(&doctor);
    check_info(&doctor);
    check_settings(&doctor);
    doctor_check_access(&doctor);
    check_clock(&doctor);
    check_functions(&doctor);
    check_shards(&doctor);
    check_work(&doctor);
    doctor_check_webhooks(&doctor);
    check_apps(&doctor);
    if (command->json) {
        answer = json_pack("{sb,sO}", "healthy", doctor.bad == 0, "checks",
            doctor.rows);
        command_print_json(answer);
        json_decref(answer);
    } else {
        table_print(doctor.rows, "state about found advice");
    }
    json_decref(doctor.rows);
    return doctor.bad ? 1 : 0;
}
