#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_apply.h"
#include "check_compare.h"
#include "engine.h"
#include "log.h"
#include "scim_app_exemption.h"
#include "scim_app_list.h"
#include "scim_uuid.h"

#define CLAIM_MAX    8
#define LEASE        10000 /* ms; renewed while it is worked on */
#define RENEW_PERIOD (LEASE / 3)
#define GRANT_PAGE   500
#define GRANT_FIELDS 9
#define ROW_PAGE     200
#define RETRY_PERIOD 1000 /* ms between tries to reach Redis */
#define RETRY_MAX    25

/* One check, from its claim until its report is stored. */
struct check_job_s {
    check_job_t      *next, *prev;
    engine_t         *engine;
    unsigned          shard;
    char              workspace[64];
    char              id[ENGINE_ID_MAX];
    char              attempt[24];
    char              since[24]; /* ms, Redis' clock: listing began */
    char              app_id[ENGINE_ID_MAX];
    char              after[ENGINE_ID_MAX]; /* the grants read so far */
    scim_app_t        app;
    connector_list_t *list; /* while it is listing */
    check_compare_t  *compare;
    const char      **exempt; /* of `app` */
    const finding_t  *findings;
    const finding_t  *identities;
    size_t            finding_count, stored;
    size_t            identity_count, learned;
    loop_timer_t     *timer; /* renews the lease; later, tries again */
    bool              removed; /* which grants are read */
    bool              finishing;
    bool              scheduled; /* nobody asked for it */
    unsigned          tries;
    const char       *state;
    char              reason[160];
};

static void ask_grants(check_job_t *job);
static void send_finish(check_job_t *job);


static void
job_end(check_job_t *job)
{
    if (job->prev) {
        job->prev->next = job->next;
    } else {
        job->engine->checks = job->next;
    }
    if (job->next) {
        job->next->prev = job->prev;
    }
    check_compare_free(job->compare);
    free(job->exempt);
    scim_app_free(&job->app);
    loop_timer_free(job->timer);
    free(job);
}


/* A call of a function about this check. */
static void
begin_call(check_job_t *job, redis_call_t *call, const char *function,
    bool read_only)
{
    redis_call_begin(call, function, read_only, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(call, job->id);
    redis_call_text(call, job->engine->conf->name);
    redis_call_text(call, job->attempt);
}


static void
send_call(check_job_t *job, redis_call_t *call, redis_reply_pt reply)
{
    if (!redis_call_send(call, job->engine->redis, reply, job)) {
        reply(job, NULL);
    }
}


/* ---- the end ---- */

/*
 * Does the app's policy have the report made right?  Never when the list is
 * suspicious, nor when more people would go than the guard lets go.
 */
static bool
may_apply(const check_job_t *job)
{
    double limit = job->app.guard.percent / 100
        * (double) check_compare_listed(job->compare);
    size_t removals = check_compare_removals(job->compare);

    if (!job->scheduled || !job->app.checks_apply || job->finding_count == 0) {
        return false;
    }
    if (*check_compare_suspicion(job->compare)) {
        log_error("check %s of app %s is not applied: %s", job->id,
            job->app_id, check_compare_suspicion(job->compare));
        return false;
    }
    if (removals > job->app.guard.count && (double) removals > limit) {
        log_error("check %s of app %s is not applied: it would remove %zu "
            "people", job->id, job->app_id, removals);
        return false;
    }
    return true;
}


static void
on_finished(void *data, const redisReply *reply)
{
    check_job_t *job = data;

    if (reply == NULL && !job->engine->stopping && ++job->tries < RETRY_MAX) {
        loop_timer_arm(job->timer, RETRY_PERIOD);
        return;
    }
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("check %s: %.200s", job->id, reply->str);
    }
    if (redis_reply_ok(reply) && strcmp(job->state, "done") == 0
        && may_apply(job))
    {
        check_apply_start(job->engine, job->shard, job->workspace,
            job->app_id, job->id);
    }
    job_end(job);
}


static void
send_finish(check_job_t *job)
{
    redis_call_t call;
    bool         done = strcmp(job->state, "done") == 0;

    begin_call(job, &call, "check_finish", false);
    redis_call_text(&call, job->state);
    redis_call_text(&call, job->reason);
    redis_call_number(&call, done ? (long long) job->finding_count : 0);
    redis_call_number(&call, job->compare
        ? (long long) check_compare_listed(job->compare) : 0);
    redis_call_text(&call, done && job->finding_count > 0
        ? check_compare_suspicion(job->compare) : "");
    send_call(job, &call, on_finished);
}


static void
finish(check_job_t *job, const char *state, const char *reason)
{
    job->state = state;
    job->finishing = true;
    loop_timer_cancel(job->timer);
    snprintf(job->reason, sizeof(job->reason), "%s", reason);
    if (strcmp(state, "done") == 0) {
        log_info("check %s: %zu members, %zu findings", job->id,
            check_compare_listed(job->compare), job->finding_count);
    } else {
        log_error("check %s: %s", job->id, job->reason);
    }
    send_finish(job);
}


/* ---- the report ---- */

static void store_rows(check_job_t *job);


static void
on_rows(void *data, const redisReply *reply)
{
    check_job_t *job = data;

    if (!redis_reply_ok(reply)) {
        if (reply && reply->type == REDIS_REPLY_ERROR) {
            log_error("check %s: %.200s", job->id, reply->str);
        }
        job_end(job); /* its lease runs out; then it is made anew */
        return;
    }
    store_rows(job);
}


static void
add_row(redis_call_t *call, const finding_t *finding)
{
    redis_call_text(call, finding_kind_name(finding->kind));
    redis_call_text(call, finding_action_name(finding->action));
    redis_call_text(call, finding->user);
    redis_call_text(call, finding->member_id);
    redis_call_text(call, finding->email);
    redis_call_text(call, finding->address);
    redis_call_text(call, finding->expected);
    redis_call_text(call, finding->actual);
    redis_call_text(call, finding->v);
}


static void
store_rows(check_job_t *job)
{
    size_t       end = job->stored + ROW_PAGE;
    redis_call_t call;

    if (job->stored == job->finding_count) {
        finish(job, "done", "");
        return;
    }
    begin_call(job, &call, "check_rows", false);
    redis_call_number(&call, (long long) job->stored + 1);
    for ( ; job->stored < job->finding_count && job->stored < end;
         job->stored++)
    {
        add_row(&call, &job->findings[job->stored]);
    }
    send_call(job, &call, on_rows);
}


static void learn_identities(check_job_t *job);


static void
on_learned(void *data, const redisReply *reply)
{
    check_job_t *job = data;

    if (redis_reply_ok(reply)) {
        learn_identities(job);
    } else {
        job_end(job);
    }
}


/* Who is known to the app by another id, who accepted; then the report. */
static void
learn_identities(check_job_t *job)
{
    size_t       end = job->learned + ROW_PAGE;
    redis_call_t call;

    if (job->learned == job->identity_count) {
        store_rows(job);
        return;
    }
    begin_call(job, &call, "check_learn", false);
    for ( ; job->learned < job->identity_count && job->learned < end;
         job->learned++)
    {
        redis_call_text(&call, job->identities[job->learned].user);
        redis_call_text(&call, job->identities[job->learned].member_id);
        redis_call_text(&call, job->identities[job->learned].v);
        redis_call_text(&call, job->identities[job->learned].accepted ? "1"
            : "0");
    }
    send_call(job, &call, on_learned);
}


/* ---- the grants ---- */

static bool
take_grants(check_job_t *job, const redisReply *reply)
{
    for (size_t i = 2; i + GRANT_FIELDS <= reply->elements; i += GRANT_FIELDS)
    {
        check_grant_t grant = {
            .user = redis_reply_text(reply, i),
            .state = grant_state_parse(redis_reply_text(reply, i + 1)),
            .access_role = redis_reply_text(reply, i + 2),
            .member_id = redis_reply_text(reply, i + 4),
            .email = redis_reply_text(reply, i + 5),
            .user_name = redis_reply_text(reply, i + 6),
            .v = redis_reply_text(reply, i + 7),
            .busy = redis_reply_number(reply, i + 8) != 0
        };

        if (!check_compare_grant(job->compare, &grant)) {
            return false;
        }
    }
    return true;
}


static void
compare(check_job_t *job)
{
    if (!check_compare_run(job->compare)) {
        finish(job, "failed", "out of memory");
        return;
    }
    job->findings = check_compare_findings(job->compare,
        &job->finding_count);
    job->identities = check_compare_identities(job->compare,
        &job->identity_count);
    learn_identities(job);
}


static void
on_grants(void *data, const redisReply *reply)
{
    check_job_t *job = data;

    if (!redis_reply_ok(reply)) {
        job_end(job);
        return;
    }
    if (!take_grants(job, reply)) {
        finish(job, "failed", "out of memory");
        return;
    }
    snprintf(job->after, sizeof(job->after), "%s",
        redis_reply_text(reply, 1));
    if (job->after[0]) {
        ask_grants(job);
    } else if (!job->removed) {
        job->removed = true;
        ask_grants(job);
    } else {
        compare(job);
    }
}


static void
ask_grants(check_job_t *job)
{
    redis_call_t call;

    redis_call_begin(&call, "check_grants", true, job->shard, job->workspace,
        job->engine->dataset);
    redis_call_text(&call, job->app_id);
    redis_call_text(&call, job->since);
    redis_call_text(&call, job->removed ? "removed" : "grants");
    redis_call_text(&call, job->after);
    redis_call_number(&call, GRANT_PAGE);
    send_call(job, &call, on_grants);
}


/* ---- the list ---- */

static bool
on_member(void *data, const connector_member_t *member)
{
    check_job_t *job = data;

    if (check_compare_member(job->compare, member)) {
        return true;
    }
    snprintf(job->reason, sizeof(job->reason),
        "the app lists more members than a check can hold");
    return false;
}


static void
on_listed(void *data, const connector_list_result_t *result)
{
    check_job_t *job = data;

    job->list = NULL;
    if (!result->complete) {
        finish(job, "failed", result->reason);
    } else if (job->reason[0]) {
        finish(job, "failed", job->reason);
    } else {
        ask_grants(job);
    }
}


/* Whom the check leaves alone; how many, -1 without memory. */
static int
read_exempt(check_job_t *job)
{
    int           count = 0;
    size_t        index;
    json_t       *exemption;
    const json_t *list = json_object_get(job->app.json, "exemptions");
    int64_t       now = strtoll(job->since, NULL, 10);

    job->exempt = calloc(json_array_size(list) + 1, sizeof(*job->exempt));
    if (job->exempt == NULL) {
        return -1;
    }
    if (job->app.account) {
        job->exempt[count++] = job->app.account;
    }
    json_array_foreach(list, index, exemption) {
        const char *member = scim_app_exemption_member(exemption, now);

        if (member) {
            job->exempt[count++] = member;
        }
    }
    return count;
}


static void
start_list(check_job_t *job, long long listed_last)
{
    int             exempt = read_exempt(job);
    char            problem[96];
    outcome_kind_t  kind;
    check_options_t options = {
        .exempt = job->exempt,
        .exempt_count = exempt > 0 ? (size_t) exempt : 0,
        .access_roles = job->app.access_roles,
        .access_role_count = job->app.access_role_count,
        .lists_pending = scim_app_lists_pending(job->app.connector),
        .listed_last = listed_last
    };

    job->compare = exempt < 0 ? NULL : check_compare_new(&options);
    if (job->compare == NULL) {
        finish(job, "failed", "out of memory");
        return;
    }
    job->list = connector_list_start(job->engine->connectors, &job->app,
        job->workspace, NULL, LIST_BY_ITSELF, on_member, on_listed, job,
        &kind, problem, sizeof(problem));
    if (job->list == NULL) {
        finish(job, "failed", problem);
    }
}


static void
on_begun(void *data, const redisReply *reply)
{
    check_job_t      *job = data;
    const redisReply *app;
    const char       *last;

    if (!redis_reply_ok(reply) || reply->elements < 6) {
        job_end(job);
        return;
    }
    app = reply->element[3];
    last = redis_reply_text(reply, 4);
    job->scheduled = strcmp(redis_reply_text(reply, 5), "schedule") == 0;
    snprintf(job->since, sizeof(job->since), "%s",
        redis_reply_text(reply, 1));
    snprintf(job->app_id, sizeof(job->app_id), "%s",
        redis_reply_text(reply, 2));
    if (app->type != REDIS_REPLY_STRING || app->len < 10
        || !scim_app_read(app->str + 10, (size_t) app->len - 10, &job->app))
    {
        finish(job, "failed", "the app was deleted");
    } else if (!scim_app_can_list(job->app.connector)) {
        finish(job, "failed", "the app's connector cannot list its members");
    } else {
        start_list(job, *last ? strtoll(last, NULL, 10) : -1);
    }
}


/* ---- life ---- */

static void
on_renewed(void *data, const redisReply *reply)
{
    (void) data;
    (void) reply; /* a lost lease shows when the report is stored */
}


static void
on_timer(loop_t *loop, void *data)
{
    check_job_t *job = data;
    redis_call_t call;

    (void) loop;
    if (job->finishing) {
        send_finish(job);
        return;
    }
    begin_call(job, &call, "check_renew", false);
    redis_call_number(&call, LEASE);
    redis_call_send(&call, job->engine->redis, on_renewed, NULL);
    loop_timer_arm(job->timer, RENEW_PERIOD);
}


static void
job_start(engine_t *engine, unsigned shard, const redisReply *reply,
    size_t at)
{
    check_job_t *job = calloc(1, sizeof(*job));
    redis_call_t call;

    if (job) {
        job->timer = loop_timer_new(engine->loop, on_timer, job);
    }
    if (job == NULL || job->timer == NULL) {
        free(job);
        return; /* its lease runs out */
    }
    job->engine = engine;
    job->shard = shard;
    snprintf(job->workspace, sizeof(job->workspace), "%s",
        redis_reply_text(reply, at));
    snprintf(job->id, sizeof(job->id), "%s", redis_reply_text(reply, at + 1));
    snprintf(job->attempt, sizeof(job->attempt), "%s",
        redis_reply_text(reply, at + 2));
    job->next = engine->checks;
    if (job->next) {
        job->next->prev = job;
    }
    engine->checks = job;
    loop_timer_arm(job->timer, RENEW_PERIOD);
    begin_call(job, &call, "check_begin", true);
    send_call(job, &call, on_begun);
}


static void
on_due(void *data, const redisReply *reply)
{
    shard_t *shard = data;

    bool     again = shard->checks_again;

    shard->checks_asked = shard->checks_again = false;
    if (!redis_reply_ok(reply) || shard->engine->stopping) {
        return;
    }
    for (size_t i = 1; i + 2 < reply->elements; i += 3) {
        job_start(shard->engine, shard->number, reply, i);
    }
    if (again || reply->elements >= 1 + 3 * CLAIM_MAX) {
        checks_look(shard->engine, shard->number);
    }
}


void
checks_look(engine_t *engine, unsigned number)
{
    shard_t     *shard = &engine->shards[number];
    redis_call_t call;

    if (!engine->ready || engine->stopping || shard->checks_asked) {
        shard->checks_again = shard->checks_asked;
        return;
    }
    redis_call_begin(&call, "check_due", false, number, "", engine->dataset);
    redis_call_text(&call, engine->conf->name);
    redis_call_number(&call, LEASE);
    redis_call_number(&call, CLAIM_MAX);
    shard->checks_asked = redis_call_send(&call, engine->redis, on_due,
        shard);
}


void
checks_cancel(engine_t *engine)
{
    check_job_t *job, *next;

    for (job = engine->checks; job; job = next) {
        next = job->next;
        if (job->list) {
            connector_list_cancel(job->list);
            job_end(job);
        } else if (job->finishing && loop_timer_armed(job->timer)) {
            job_end(job); /* no reply is on its way */
        }
    }
}
