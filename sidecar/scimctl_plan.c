#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_cache.h"
#include "dry_run.h"
#include "redis_client.h"
#include "scimctl_command.h"
#include "scimctl_table.h"

/* A dry run, made here; with --apply the change, if it still does the same. */
#define PAGE    "500"
#define COLUMNS "userName what from to accessRole was share why"

typedef struct {
    command_t    *command;
    char          app[80];
    scim_method_t method; /* of the request that would be made */
    char          path[256];
    json_t       *body;
    dry_run_t     run;
    app_cache_t  *cache;
    json_t       *rows;
    char          hash[DRY_RUN_HASH_SIZE];
} plan_command_t;


static int
failed(const char *what)
{
    fprintf(stderr, "scimctl: %s\n", what);
    return 1;
}


/* ---- the change that is looked at ---- */

/* "/apps/<id>/shares/teams/<id>" */
static int
read_share(plan_command_t *plan, json_t **change)
{
    char        kind[8], id[80], subject[100];
    command_t  *command = plan->command;
    const char *role = command->role ? command->role : "";
    int         status = command_share_request(command, &plan->method,
        plan->path, &plan->body);

    if (status) {
        return status;
    }
    if (sscanf(plan->path, "/apps/%79[^/]/shares/%4[a-z]s/%60s", plan->app,
            kind, id) != 3)
    {
        return failed("that share cannot be planned");
    }
    if (plan->body && strcmp(role, "owner") != 0
        && strcmp(role, "collaborator") != 0)
    {
        return failed("role: must be owner or collaborator");
    }
    snprintf(subject, sizeof(subject), "%s:%s", kind, id);
    *change = plan->body ? json_deep_copy(plan->body) : json_object();
    json_object_set_new(*change, "subject", json_string(subject));
    return 0;
}


/* A definition as it would be stored; what `app show` adds is no part of it. */
static int
read_definition(plan_command_t *plan, json_t **change)
{
    static const char *const shown[] = { "id", "seatUse", "delivery",
                                         "revoke" };

    json_t       *definition = NULL;
    scim_error_t  error = { 0 };

    plan->body = command_file(plan->command);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_object_del(plan->body, shown[i]);
    }
    if (plan->body == NULL) {
        return 1;
    }
    if (!scim_app_validate(plan->body,
            &plan->command->ctl.service.app_policy, &definition, &error))
    {
        return failed(error.detail);
    }
    *change = json_pack("{so}", "definition", definition);
    return 0;
}


static int
read_app_change(plan_command_t *plan, json_t **change)
{
    command_t  *command = plan->command;
    const char *verb = command_word(command, 1);
    bool        deleted = strcmp(verb, "delete") == 0;

    if (!deleted && strcmp(verb, "update") != 0) {
        return command_wrong("plan app update APP -f FILE or plan app "
            "delete APP");
    }
    if (!command_find(command, "apps", command_word(command, 2), plan->app,
            sizeof(plan->app)))
    {
        return 1;
    }
    snprintf(plan->path, sizeof(plan->path), "/apps/%s", plan->app);
    plan->method = deleted ? SCIM_METHOD_DELETE : SCIM_METHOD_PUT;
    if (deleted) {
        *change = json_pack("{sb}", "deleted", 1);
        return 0;
    }
    return read_definition(plan, change);
}


static int
read_change(plan_command_t *plan, json_t **change)
{
    command_t  *command = plan->command;
    const char *what;

    /* the words behind `plan` are a command of their own */
    if (command->argc > 0) {
        command->argc--;
        command->argv++;
    }
    what = command_word(command, 0);
    if (strcmp(what, "share") == 0 || strcmp(what, "unshare") == 0) {
        return read_share(plan, change);
    }
    return strcmp(what, "app") == 0 ? read_app_change(plan, change)
        : command_wrong("plan share, plan unshare, plan app update or plan "
            "app delete");
}


static int
begin(plan_command_t *plan)
{
    json_t     *change = NULL;
    int         status = read_change(plan, &change);
    const char *wrong;
    redisReply *reply;

    if (status) {
        json_decref(change);
        return status;
    }
    if (!dry_run_init(&plan->run, plan->app, change)) {
        return failed("no memory");
    }
    reply = scimctl_call(&plan->command->ctl, true, "what_if_app", plan->app,
        NULL);
    wrong = reply ? dry_run_take_app(&plan->run, reply) : "no answer";
    freeReplyObject(reply);
    return wrong ? failed(wrong) : 0;
}


/* ---- the people ---- */

static bool
look_at(plan_command_t *plan, const char *user, long long place)
{
    json_t     *row = NULL;
    redisReply *reply = scimctl_call(&plan->command->ctl, true, "facts",
        user, NULL);
    bool        ok = reply && dry_run_person(&plan->run, user, reply, place,
        plan->cache, &row);

    freeReplyObject(reply);
    return row ? json_array_append_new(plan->rows, row) == 0 && ok : ok;
}


static int
look_at_all(plan_command_t *plan)
{
    bool        ok;
    char        after[80] = "";
    redisReply *reply;

    do {
        reply = scimctl_call(&plan->command->ctl, true, "what_if_people",
            plan->app, dry_run_subject(&plan->run), after, PAGE, NULL);
        ok = redis_reply_ok(reply);
        for (size_t i = 2; ok && i + 1 < reply->elements; i += 2) {
            ok = look_at(plan, redis_reply_text(reply, i),
                redis_reply_number(reply, i + 1));
        }
        snprintf(after, sizeof(after), "%s", redis_reply_text(reply, 1));
        freeReplyObject(reply);
    } while (ok && *after);
    return ok ? 0 : failed("somebody's facts cannot be read");
}


static int
settle(plan_command_t *plan)
{
    size_t  i;
    json_t *row;

    json_array_foreach(plan->rows, i, row) {
        dry_run_settle_row(&plan->run, row);
    }
    return dry_run_hash(&plan->run, plan->hash) ? 0 : failed("no memory");
}


/* ---- what is said, what is done ---- */

static void
print_plan(const plan_command_t *plan, const json_t *counts)
{
    json_t          *number;
    const char      *what;
    const what_if_t *what_if = &plan->run.what_if;

    printf("app %s: %lld people looked at", plan->run.stored.name,
        plan->run.people);
    json_object_foreach((json_t *) counts, what, number) {
        printf(", %s %lld", what, (long long) json_integer_value(number));
    }
    printf("%s\n", json_object_size(counts) ? "" : ", nothing to do");
    if (what_if_held(what_if)) {
        printf("the guard would hold %lld removals: %s\n", what_if->losses,
            what_if->hold ? "a hold is open" : "more than its limit");
    }
    if (json_array_size(plan->rows)) {
        table_print(plan->rows, COLUMNS);
    }
    printf("hash %s\n", plan->hash);
}


static void
show(const plan_command_t *plan)
{
    json_t *answer, *counts = dry_run_counts(&plan->run);

    if (!plan->command->json) {
        print_plan(plan, counts);
        json_decref(counts);
        return;
    }
    answer = json_pack("{ss,ss,sI,so,so,sO}", "hash", plan->hash, "app",
        plan->app, "people", (json_int_t) plan->run.people, "counts", counts,
        "guard", dry_run_guard(&plan->run), "rows", plan->rows);
    command_print_json(answer);
    json_decref(answer);
}


static int
apply(plan_command_t *plan)
{
    if (strcmp(plan->command->apply, plan->hash) != 0) {
        fprintf(stderr, "scimctl: this would do something else by now, so "
            "nothing was done: plan again (the hash is %s)\n", plan->hash);
        return 1;
    }
    return command_show(plan->command, plan->method, plan->path, plan->body);
}


int
command_plan(command_t *command)
{
    int            status;
    plan_command_t plan = { .command = command, .rows = json_array(),
                            .cache = app_cache_new() };

    status = plan.rows && plan.cache ? begin(&plan) : failed("no memory");
    if (status == 0) {
        status = look_at_all(&plan);
    }
    if (status == 0) {
        status = settle(&plan);
    }
    if (status == 0 && command->apply) {
        status = apply(&plan);
    } else if (status == 0) {
        show(&plan);
    }
    dry_run_free(&plan.run);
    json_decref(plan.body);
    json_decref(plan.rows);
    app_cache_free(plan.cache);
    return status;
}
