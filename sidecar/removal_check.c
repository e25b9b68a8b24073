#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connector_list.h"
#include "engine.h"
#include "log.h"
#include "scim_app_list.h"
#include "scim_buffer.h"
#include "scim_fold.h"

#define RENEW_PERIOD 10000
#define ROW_PAGE     200
#define SHARE        4     /* listing takes at most a fifth of the time */
#define NEXT_MIN     1000  /* ms */
#define NEXT_MAX     30000
#define NEXT_PRESENT 3000  /* ms that a list which lags is given */
#define NEXT_FAILED  10000
#define ID_SIZE      257

typedef enum { VERDICT_ABSENT, VERDICT_PRESENT, VERDICT_ACCEPTED } verdict_t;

/* A removal that the app confirmed. */
typedef struct {
    char      task[ENGINE_ID_MAX];
    char      member_id[ID_SIZE];
    char     *address; /* folded */
    char      seen_id[ID_SIZE];
    verdict_t verdict;
} removal_t;

/* One listing of an app, for all removals that were done before it began. */
struct removal_check_s {
    removal_check_t  *next, *prev;
    engine_t         *engine;
    unsigned          shard;
    char              workspace[64];
    char              app_id[ENGINE_ID_MAX];
    const scim_app_t *app; /* lent by the cache */
    connector_list_t *list;
    removal_t        *removals; /* by address */
    removal_t       **by_id;
    size_t            count, told;
    int64_t           started; /* loop time */
    int64_t           next_ms;
    loop_timer_t     *timer;
};

static void tell(removal_check_t *check);


static void
check_end(removal_check_t *check)
{
    if (check->prev) {
        check->prev->next = check->next;
    } else {
        check->engine->removal_checks = check->next;
    }
    if (check->next) {
        check->next->prev = check->prev;
    }
    for (size_t i = 0; i < check->count; i++) {
        free(check->removals[i].address);
    }
    free(check->removals);
    free(check->by_id);
    if (check->app) {
        app_cache_release(check->engine->apps, check->app);
    }
    loop_timer_free(check->timer);
    free(check);
}


static void
begin_call(removal_check_t *check, redis_call_t *call, const char *function)
{
    redis_call_begin(call, function, false, check->shard, check->workspace,
        check->engine->dataset);
    redis_call_text(call, check->app_id);
}


/* ---- what is told ---- */

static void
on_told(void *data, const redisReply *reply)
{
    removal_check_t *check = data;

    if (!redis_reply_ok(reply)) {
        check_end(check); /* its lease runs out; then it is listed anew */
        return;
    }
    for (size_t i = 1; i < reply->elements; i++) {
        log_error("workspace %s, app %s, task %s: the app confirmed the "
            "removal, and its list still shows the person", check->workspace,
            check->app_id, redis_reply_text(reply, i));
    }
    if (check->told < check->count) {
        tell(check);
    } else {
        check_end(check);
    }
}


static void
tell(removal_check_t *check)
{
    size_t       end = check->told + ROW_PAGE;
    redis_call_t call;
    static const char *const verdicts[] = { "absent", "present",
                                            "accepted" };

    end = end < check->count ? end : check->count;
    begin_call(check, &call, "verify_end");
    if (end < check->count) {
        redis_call_text(&call, "");
    } else {
        redis_call_number(&call, check->next_ms);
    }
    redis_call_number(&call, (long long) (end - check->told));
    for (; check->told < end; check->told++) {
        const removal_t *removal = &check->removals[check->told];

        redis_call_text(&call, removal->task);
        redis_call_text(&call, verdicts[removal->verdict]);
        redis_call_text(&call, removal->seen_id);
    }
    if (!redis_call_send(&call, check->engine->redis, on_told, check)) {
        on_told(check, NULL);
    }
}


/* Nothing was learned: all of them wait for the next listing. */
static void
give_up(removal_check_t *check, const char *reason)
{
    log_debug("app %s: %s", check->app_id, reason);
    check->next_ms = NEXT_FAILED;
    check->told = check->count;
    tell(check);
}


static int64_t
next_after(const removal_check_t *check)
{
    int64_t next = SHARE * (loop_now(check->engine->loop) - check->started);

    next = next < NEXT_MIN ? NEXT_MIN : next > NEXT_MAX ? NEXT_MAX : next;
    for (size_t i = 0; i < check->count; i++) {
        if (check->removals[i].verdict != VERDICT_ABSENT) {
            return next < NEXT_PRESENT ? NEXT_PRESENT : next;
        }
    }
    return next;
}


static void
on_listed(void *data, const connector_list_result_t *result)
{
    removal_check_t *check = data;

    check->list = NULL;
    if (!result->complete) {
        give_up(check, result->reason);
        return;
    }
    check->next_ms = next_after(check);
    tell(check);
}


/* ---- the list ---- */

static int
compare_address(const void *a, const void *b)
{
    return strcmp(((const removal_t *) a)->address,
        ((const removal_t *) b)->address);
}


static int
compare_id(const void *a, const void *b)
{
    return strcmp((*(const removal_t *const *) a)->member_id,
        (*(const removal_t *const *) b)->member_id);
}


static void
mark(removal_t *removal, const connector_member_t *member)
{
    removal->verdict = member->accepted ? VERDICT_ACCEPTED : VERDICT_PRESENT;
    snprintf(removal->seen_id, sizeof(removal->seen_id), "%s", member->id);
}


/* The same address may stand in several removals, of a person come twice. */
static void
mark_address(removal_check_t *check, const connector_member_t *member)
{
    removal_t     wanted, *found;
    scim_buffer_t folded;

    scim_buffer_init(&folded, 4096);
    if (scim_fold(member->email, strlen(member->email), &folded)
        && !scim_buffer_failed(&folded) && folded.len > 0)
    {
        wanted.address = folded.data;
        found = bsearch(&wanted, check->removals, check->count,
            sizeof(*check->removals), compare_address);
        while (found && found > check->removals
               && strcmp(found[-1].address, folded.data) == 0)
        {
            found--;
        }
        for (; found && found < check->removals + check->count
             && strcmp(found->address, folded.data) == 0; found++)
        {
            mark(found, member);
        }
    }
    scim_buffer_free(&folded);
}


static void
mark_id(removal_check_t *check, const connector_member_t *member)
{
    removal_t   wanted, *key = &wanted, **found;

    snprintf(wanted.member_id, sizeof(wanted.member_id), "%s", member->id);
    found = bsearch(&key, check->by_id, check->count, sizeof(*check->by_id),
        compare_id);
    if (found) {
        mark(*found, member);
    }
}


/* Whose address is hidden is known by the id. */
static bool
on_member(void *data, const connector_member_t *member)
{
    if (member->active && member->email[0]) {
        mark_address(data, member);
    } else if (member->active) {
        mark_id(data, member);
    }
    return true;
}


static void
start_list(removal_check_t *check)
{
    char           problem[96];
    outcome_kind_t kind;

    check->started = loop_now(check->engine->loop);
    check->list = connector_list_start(check->engine->connectors, check->app,
        check->workspace, NULL, LIST_BY_ITSELF, on_member, on_listed, check,
        &kind, problem, sizeof(problem));
    if (check->list == NULL) {
        give_up(check, problem);
    }
}


/* ---- what is to be verified ---- */

static bool
read_removal(removal_t *removal, const redisReply *reply, size_t at)
{
    bool          folded;
    const char   *email = redis_reply_text(reply, at + 2);
    scim_buffer_t address;

    snprintf(removal->task, sizeof(removal->task), "%s",
        redis_reply_text(reply, at));
    snprintf(removal->member_id, sizeof(removal->member_id), "%s",
        redis_reply_text(reply, at + 1));
    scim_buffer_init(&address, 4096);
    folded = scim_fold(email, strlen(email), &address)
        && !scim_buffer_failed(&address);
    removal->address = strdup(folded && address.len ? address.data : "");
    scim_buffer_free(&address);
    return removal->address != NULL;
}


static bool
read_removals(removal_check_t *check, const redisReply *reply)
{
    size_t size = (reply->elements - 2) / 3;

    check->removals = calloc(size + 1, sizeof(*check->removals));
    check->by_id = calloc(size + 1, sizeof(*check->by_id));
    if (check->removals == NULL || check->by_id == NULL) {
        return false;
    }
    for (; check->count < size; check->count++) {
        if (!read_removal(&check->removals[check->count], reply,
                2 + 3 * check->count))
        {
            return false;
        }
    }
    qsort(check->removals, size, sizeof(*check->removals), compare_address);
    for (size_t i = 0; i < size; i++) {
        check->by_id[i] = &check->removals[i];
    }
    qsort(check->by_id, size, sizeof(*check->by_id), compare_id);
    return true;
}


static void
on_begun(void *data, const redisReply *reply)
{
    removal_check_t  *check = data;
    const redisReply *record;

    if (!redis_reply_ok(reply) || reply->elements < 2) {
        check_end(check);
        return;
    }
    record = reply->element[1];
    if (record->type == REDIS_REPLY_STRING) {
        check->app = app_cache_read(check->engine->apps, record->str,
            (size_t) record->len);
    }
    if (!read_removals(check, reply)) {
        check_end(check);
    } else if (check->count == 0 || check->app == NULL
               || !scim_app_can_list(check->app->connector))
    {
        check->next_ms = NEXT_MIN; /* the app's word has to do */
        tell(check);
    } else {
        start_list(check);
    }
}


static void
on_renewed(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply;
}


static void
on_timer(loop_t *loop, void *data)
{
    removal_check_t *check = data;
    redis_call_t     call;

    (void) loop;
    begin_call(check, &call, "verify_renew");
    redis_call_send(&call, check->engine->redis, on_renewed, NULL);
    loop_timer_arm(check->timer, RENEW_PERIOD);
}


void
removal_check_start(engine_t *engine, unsigned shard, const char *workspace,
    const char *app)
{
    removal_check_t *check = calloc(1, sizeof(*check));
    redis_call_t     call;

    if (check) {
        check->timer = loop_timer_new(engine->loop, on_timer, check);
    }
    if (check == NULL || check->timer == NULL) {
        free(check);
        return; /* its lease runs out */
    }
    check->engine = engine;
    check->shard = shard;
    snprintf(check->workspace, sizeof(check->workspace), "%s", workspace);
    snprintf(check->app_id, sizeof(check->app_id), "%s", app);
    check->next = engine->removal_checks;
    if (check->next) {
        check->next->prev = check;
    }
    engine->removal_checks = check;
    loop_timer_arm(check->timer, RENEW_PERIOD);
    begin_call(check, &call, "verify_begin");
    if (!redis_call_send(&call, engine->redis, on_begun, check)) {
        check_end(check);
    }
}


void
removal_checks_cancel(engine_t *engine)
{
    removal_check_t *check, *next;

    for (check = engine->removal_checks; check; check = next) {
        next = check->next;
        if (check->list) {
            connector_list_cancel(check->list);
            check_end(check);
        }
    }
}
