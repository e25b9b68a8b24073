#include "dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "redis_client.h"
#include "scim_json.h"

#define VERSION_LEN    10
#define DEFINITION_MAX (1 << 20)


static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}


bool
dry_run_init(dry_run_t *run, const char *app, json_t *change)
{
    const char *subject = json_string_value(json_object_get(change,
        "subject"));

    memset(run, 0, sizeof(*run));
    snprintf(run->app, sizeof(run->app), "%s", app);
    run->change = change;
    run->digest = EVP_MD_CTX_new();
    run->what_if.app = run->app;
    run->what_if.subject = subject;
    run->what_if.unshared = json_object_get(change, "role") == NULL;
    run->what_if.owner = strcmp(text_of(change, "role"), "owner") == 0;
    run->what_if.access_role = text_of(change, "accessRole");
    run->what_if.deleted = json_is_true(json_object_get(change, "deleted"));
    return run->digest != NULL && (subject || run->what_if.deleted
        || json_is_object(json_object_get(change, "definition")));
}


void
dry_run_free(dry_run_t *run)
{
    json_decref(run->change);
    scim_app_free(&run->stored);
    scim_app_free(&run->definition);
    EVP_MD_CTX_free(run->digest);
    memset(run, 0, sizeof(*run));
}


const char *
dry_run_subject(const dry_run_t *run)
{
    return run->what_if.subject ? run->what_if.subject : "";
}


/* ---- the app, before and after ---- */

static bool
add_to_hash(dry_run_t *run, const json_t *value)
{
    bool  ok;
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS
        | JSON_ENCODE_ANY);

    ok = text && EVP_DigestUpdate(run->digest, text, strlen(text) + 1) == 1;
    free(text);
    return ok;
}


static bool
begin_hash(dry_run_t *run)
{
    bool    ok;
    json_t *change = json_pack("{ss,sO,sO}", "app", run->app, "change",
        run->change, "now", run->stored.json);

    ok = change && EVP_DigestInit_ex(run->digest, EVP_sha256(), NULL) == 1
        && add_to_hash(run, change);
    json_decref(change);
    return ok;
}


static bool
read_definition(dry_run_t *run)
{
    bool          ok;
    json_t       *json = json_copy(json_object_get(run->change,
        "definition"));
    scim_buffer_t text;

    json_object_set_new(json, "id", json_string(run->app));
    scim_buffer_init(&text, DEFINITION_MAX);
    scim_json_write(json, &text);
    json_decref(json);
    ok = !scim_buffer_failed(&text)
        && scim_app_read(text.data, text.len, &run->definition);
    scim_buffer_free(&text);
    run->what_if.definition = &run->definition;
    return ok;
}


const char *
dry_run_take_app(dry_run_t *run, const redisReply *reply)
{
    what_if_t  *what_if = &run->what_if;
    const char *record = redis_reply_text(reply, 1);
    size_t      len = strlen(record);

    if (!redis_reply_ok(reply) || len <= VERSION_LEN
        || !scim_app_read(record + VERSION_LEN, len - VERSION_LEN,
            &run->stored))
    {
        return "no such app";
    }
    what_if->definition = &run->stored;
    what_if->seats_in_use = redis_reply_number(reply, 2);
    what_if->waiting = redis_reply_number(reply, 3);
    what_if->leaving = redis_reply_number(reply, 4);
    what_if->base = redis_reply_number(reply, 5);
    what_if->hold = *redis_reply_text(reply, 6) != '\0';
    if (what_if->subject && !what_if->unshared && *what_if->access_role
        && scim_app_access_rank(&run->stored, what_if->access_role) < 0)
    {
        return "accessRole: is none of the app's access roles";
    }
    if (json_object_get(run->change, "definition") && !read_definition(run)) {
        return "the definition cannot be read";
    }
    return begin_hash(run) ? NULL : "no memory";
}


/* ---- the people ---- */

static json_t *
row_of(const char *user, const char *user_name, const what_if_row_t *row)
{
    json_t *json = json_pack("{ss,ss,ss,ss,ss,ss,ss,ss,ss}", "userId", user,
        "userName", user_name, "what", what_if_name(row->what), "from",
        grant_state_name(row->before), "to", grant_state_name(row->after),
        "accessRole", row->access_role, "was", row->old_access_role, "share",
        row->share, "why", row->why);

    if (row->guarded) {
        json_object_set_new(json, "guarded", json_true());
    }
    return json;
}


bool
dry_run_person(dry_run_t *run, const char *user, const redisReply *reply,
    long long place, app_cache_t *cache, json_t **out)
{
    bool          ok;
    facts_t      *facts = redis_reply_ok(reply) ? facts_read(reply, cache)
                                                : NULL;
    what_if_row_t row;

    *out = NULL;
    ok = facts && what_if_person(&run->what_if, &facts->plan, place, &row);
    if (ok && row.what != WHAT_NOTHING) {
        *out = row_of(user, facts->plan.user_name, &row);
        ok = *out && add_to_hash(run, *out);
        run->counts[row.what]++;
        run->guarded[row.what] += row.guarded;
    }
    run->people++;
    facts_free(facts);
    return ok;
}


/* ---- the end ---- */

void
dry_run_settle_row(const dry_run_t *run, json_t *row)
{
    if (json_object_get(row, "guarded") == NULL) {
        return;
    }
    json_object_del(row, "guarded");
    if (what_if_held(&run->what_if)) {
        json_object_set_new(row, "what", json_string("hold"));
        json_object_set_new(row, "to", json_string("held"));
    }
}


json_t *
dry_run_counts(const dry_run_t *run)
{
    long long held = 0, count;
    json_t   *counts = json_object();
    bool      holds = what_if_held(&run->what_if);

    for (size_t i = 0; i < WHAT_COUNT; i++) {
        count = run->counts[i] - (holds ? run->guarded[i] : 0);
        held += run->guarded[i];
        if (count > 0) {
            json_object_set_new(counts, what_if_name((what_t) i),
                json_integer(count));
        }
    }
    if (holds && held > 0) {
        json_object_set_new(counts, "hold", json_integer(held));
    }
    return counts;
}


json_t *
dry_run_guard(const dry_run_t *run)
{
    return json_pack("{sb,sI,sI,sI}", "held", what_if_held(&run->what_if),
        "losses", (json_int_t) run->what_if.losses, "leaving",
        (json_int_t) run->what_if.leaving, "limit",
        (json_int_t) what_if_limit(&run->what_if));
}


bool
dry_run_hash(dry_run_t *run, char hash[DRY_RUN_HASH_SIZE])
{
    bool          ok;
    unsigned int  len = 0;
    json_t       *guard = dry_run_guard(run);
    unsigned char digest[EVP_MAX_MD_SIZE];

    /* the guard decides what becomes of the losses; its numbers do not */
    ok = guard && add_to_hash(run, json_object_get(guard, "held"))
        && EVP_DigestFinal_ex(run->digest, digest, &len) == 1;
    json_decref(guard);
    for (unsigned int i = 0; ok && i < len && i < 32; i++) {
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    }
    return ok;
}
