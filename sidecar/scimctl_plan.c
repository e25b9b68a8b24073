#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_cache.h"
#include "facts.h"
#include "loop.h"
#include "redis_client.h"
#include "scim_json.h"
#include "scimctl_command.h"
#include "scimctl_table.h"
#include "what_if.h"

/*
 * A dry run: everybody whom a change concerns goes through the planner, with
 * the facts as they would be.  Nothing is written.  The hash stands for the
 * change and for everything that it would do.
 */
#define PAGE        "500"
#define VERSION_LEN 10
#define COLUMNS     "userName what from to accessRole was share why"

typedef struct {
    command_t    *command;
    char          app[80];
    scim_method_t method; /* of the request that would be made */
    char          path[256];
    json_t       *body;
    char          subject[PLAN_SUBJECT_MAX];
    scim_app_t    stored, definition;
    what_if_t     what_if;
    app_cache_t  *cache;
    json_t       *rows;
    long long     people;
    char          hash[65];
} dry_run_t;


static void
end_run(dry_run_t *run)
{
    json_decref(run->body);
    json_decref(run->rows);
    scim_app_free(&run->stored);
    scim_app_free(&run->definition);
    app_cache_free(run->cache);
}


static int
failed(const char *what)
{
    fprintf(stderr, "scimctl: %s\n", what);
    return 1;
}


/* ---- the change that is looked at ---- */

/* "/apps/<id>/shares/teams/<id>" */
static int
read_share(dry_run_t *run)
{
    char        kind[8], id[80];
    command_t  *command = run->command;
    const char *role;
    int         status = command_share_request(command, &run->method,
        run->path, &run->body);

    if (status) {
        return status;
    }
    if (sscanf(run->path, "/apps/%79[^/]/shares/%4[a-z]s/%79s", run->app,
            kind, id) != 3)
    {
        return failed("that share cannot be planned");
    }
    snprintf(run->subject, sizeof(run->subject), "%s:%.60s", kind, id);
    role = command->role ? command->role : "";
    if (run->body && strcmp(role, "owner") != 0
        && strcmp(role, "collaborator") != 0)
    {
        return failed("role: must be owner or collaborator");
    }
    run->what_if.subject = run->subject;
    run->what_if.unshared = run->body == NULL;
    run->what_if.owner = strcmp(role, "owner") == 0;
    run->what_if.access_role = command->access_role ? command->access_role
                                                    : "";
    return 0;
}


static int
read_app_change(dry_run_t *run)
{
    command_t  *command = run->command;
    const char *verb = command_word(command, 1);
    bool        deleted = strcmp(verb, "delete") == 0;

    if (!deleted && strcmp(verb, "update") != 0) {
        return command_wrong("plan app update APP -f FILE or plan app "
            "delete APP");
    }
    if (!command_find(command, "apps", command_word(command, 2), run->app,
            sizeof(run->app)))
    {
        return 1;
    }
    snprintf(run->path, sizeof(run->path), "/apps/%s", run->app);
    run->method = deleted ? SCIM_METHOD_DELETE : SCIM_METHOD_PUT;
    run->what_if.deleted = deleted;
    run->body = deleted ? NULL : command_file(command);
    return deleted || run->body ? 0 : 1;
}


static int
read_change(dry_run_t *run)
{
    command_t  *command = run->command;
    const char *what;

    /* the words behind `plan` are a command of their own */
    if (command->argc > 0) {
        command->argc--;
        command->argv++;
    }
    what = command_word(command, 0);
    if (strcmp(what, "share") == 0 || strcmp(what, "unshare") == 0) {
        return read_share(run);
    }
    return strcmp(what, "app") == 0 ? read_app_change(run)
        : command_wrong("plan share, plan unshare, plan app update or plan "
            "app delete");
}


/* ---- the app, before and after ---- */

/* A definition as it would be stored; what `app show` adds is no part of it. */
static bool
read_definition(dry_run_t *run)
{
    static const char *const shown[] = { "id", "seatUse", "delivery",
                                         "revoke" };

    bool          ok;
    json_t       *definition = NULL;
    scim_error_t  error = { 0 };
    scim_buffer_t text;

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_object_del(run->body, shown[i]);
    }
    if (!scim_app_validate(run->body, &run->command->ctl.service.app_policy,
            &definition, &error))
    {
        fprintf(stderr, "scimctl: %s\n", error.detail);
        return false;
    }
    json_object_set_new(definition, "id", json_string(run->app));
    scim_buffer_init(&text, 1 << 20);
    scim_json_write(definition, &text);
    json_decref(definition);
    ok = !scim_buffer_failed(&text)
        && scim_app_read(text.data, text.len, &run->definition);
    scim_buffer_free(&text);
    return ok;
}


static bool
take_app(dry_run_t *run, const redisReply *reply)
{
    const char *record = redis_reply_text(reply, 1);
    size_t      len = strlen(record);

    if (len <= VERSION_LEN || !scim_app_read(record + VERSION_LEN,
            len - VERSION_LEN, &run->stored))
    {
        return false;
    }
    run->what_if.app = run->app;
    run->what_if.definition = &run->stored;
    run->what_if.seats_in_use = redis_reply_number(reply, 2);
    run->what_if.waiting = redis_reply_number(reply, 3);
    run->what_if.leaving = redis_reply_number(reply, 4);
    run->what_if.base = redis_reply_number(reply, 5);
    run->what_if.hold = *redis_reply_text(reply, 6) != '\0';
    return true;
}


static int
read_app(dry_run_t *run)
{
    int         status = 0;
    redisReply *reply = scimctl_call(&run->command->ctl, true, "what_if_app",
        run->app, NULL);

    if (reply == NULL) {
        return 1;
    }
    if (!redis_reply_ok(reply) || !take_app(run, reply)) {
        status = failed("no such app");
    } else if (run->what_if.subject && !run->what_if.unshared
        && *run->what_if.access_role && scim_app_access_rank(&run->stored,
            run->what_if.access_role) < 0)
    {
        status = failed("accessRole: is none of the app's access roles");
    } else if (run->what_if.subject == NULL && run->body) {
        status = read_definition(run) ? 0 : 1;
        run->what_if.definition = &run->definition;
    }
    freeReplyObject(reply);
    return status;
}


/* ---- the people ---- */

static json_t *
row_of(const char *user, const plan_facts_t *facts, const what_if_row_t *row)
{
    return json_pack("{ss,ss,ss,ss,ss,ss,ss,ss,ss}", "userId", user,
        "userName", facts->user_name, "what", what_if_name(row->what),
        "from", grant_state_name(row->before), "to",
        grant_state_name(row->after), "accessRole", row->access_role, "was",
        row->old_access_role, "share", row->share, "why", row->why);
}


static bool
look_at(dry_run_t *run, const char *user, long long place)
{
    bool          ok;
    facts_t      *facts = NULL;
    what_if_row_t row;
    redisReply   *reply = scimctl_call(&run->command->ctl, true, "facts",
        user, NULL);

    if (redis_reply_ok(reply)) {
        facts = facts_read(reply, run->cache);
    }
    freeReplyObject(reply);
    ok = facts && what_if_person(&run->what_if, &facts->plan, place, &row);
    if (ok && row.what != WHAT_NOTHING) {
        json_t *one = row_of(user, &facts->plan, &row);

        if (one && row.guarded) {
            json_object_set_new(one, "guarded", json_true());
        }
        ok = json_array_append_new(run->rows, one) == 0;
    }
    run->people++;
    facts_free(facts);
    return ok;
}


static int
look_at_all(dry_run_t *run)
{
    bool        ok = true;
    char        after[80] = "";
    redisReply *reply;

    do {
        reply = scimctl_call(&run->command->ctl, true, "what_if_people",
            run->app, run->subject, after, PAGE, NULL);
        ok = redis_reply_ok(reply);
        for (size_t i = 2; ok && i + 1 < reply->elements; i += 2) {
            ok = look_at(run, redis_reply_text(reply, i),
                redis_reply_number(reply, i + 1));
        }
        snprintf(after, sizeof(after), "%s", redis_reply_text(reply, 1));
        freeReplyObject(reply);
    } while (ok && *after);
    return ok ? 0 : failed("somebody's facts cannot be read");
}


/* Losses that the guard would hold are said to be held. */
static void
mark_held(dry_run_t *run)
{
    size_t  i;
    json_t *row;
    bool    held = what_if_held(&run->what_if);

    json_array_foreach(run->rows, i, row) {
        if (json_object_get(row, "guarded")) {
            json_object_del(row, "guarded");
            if (held) {
                json_object_set_new(row, "what", json_string("hold"));
                json_object_set_new(row, "to", json_string("held"));
            }
        }
    }
}


/* ---- the hash, and what is said ---- */

static bool
make_hash(dry_run_t *run)
{
    char         *text;
    unsigned int  len = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    json_t       *all = json_pack("{ss,si,sO?,sO,sO}", "path", run->path,
        "method", (int) run->method, "body", run->body, "app",
        run->stored.json, "rows", run->rows);

    text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    if (text == NULL || EVP_Digest(text, strlen(text), digest, &len,
            EVP_sha256(), NULL) != 1)
    {
        free(text);
        return false;
    }
    free(text);
    for (unsigned int i = 0; i < len && i < 32; i++) {
        snprintf(run->hash + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}


static json_t *
count_rows(const dry_run_t *run)
{
    size_t      i;
    json_t     *row, *counts = json_object();
    const char *what;

    json_array_foreach(run->rows, i, row) {
        what = json_string_value(json_object_get(row, "what"));
        json_object_set_new(counts, what, json_integer(1
            + json_integer_value(json_object_get(counts, what))));
    }
    return counts;
}


static void
print_plan(const dry_run_t *run, const json_t *counts)
{
    json_t     *number;
    const char *what;

    printf("app %s: %lld people looked at", run->stored.name, run->people);
    json_object_foreach((json_t *) counts, what, number) {
        printf(", %s %lld", what, (long long) json_integer_value(number));
    }
    printf("%s\n", json_object_size(counts) ? "" : ", nothing to do");
    if (what_if_held(&run->what_if)) {
        printf("the guard would hold %lld removals: %s\n",
            run->what_if.losses, run->what_if.hold ? "a hold is open"
                                                   : "more than its limit");
    }
    if (json_array_size(run->rows)) {
        table_print(run->rows, COLUMNS);
    }
    printf("hash %s\n", run->hash);
}


static void
show(const dry_run_t *run)
{
    json_t *answer, *counts = count_rows(run);

    if (!run->command->json) {
        print_plan(run, counts);
        json_decref(counts);
        return;
    }
    answer = json_pack("{ss,ss,sI,so,s{sb,sI,sI,sI},sO}", "hash", run->hash,
        "app", run->app, "people", (json_int_t) run->people, "counts",
        counts, "guard", "held", what_if_held(&run->what_if), "losses",
        (json_int_t) run->what_if.losses, "leaving",
        (json_int_t) run->what_if.leaving, "limit",
        (json_int_t) what_if_limit(&run->what_if), "rows", run->rows);
    command_print_json(answer);
    json_decref(answer);
}


static int
apply(dry_run_t *run)
{
    if (strcmp(run->command->apply, run->hash) != 0) {
        fprintf(stderr, "scimctl: this would do something else by now, so "
            "nothing was done: plan again (the hash is %s)\n", run->hash);
        return 1;
    }
    return command_show(run->command, run->method, run->path, run->body);
}


int
command_plan(command_t *command)
{
    int       status;
    dry_run_t run = { .command = command, .rows = json_array(),
                      .cache = app_cache_new() };

    run.what_if.access_role = "";
    status = run.rows && run.cache ? read_change(&run) : failed("no memory");
    if (status == 0) {
        status = read_app(&run);
    }
    if (status == 0) {
        status = look_at_all(&run);
    }
    if (status == 0) {
        mark_held(&run);
        status = make_hash(&run) ? 0 : failed("no memory");
    }
    if (status == 0 && command->apply) {
        status = apply(&run);
    } else if (status == 0) {
        show(&run);
    }
    end_run(&run);
    return status;
}
