#include "webhook_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "scim_json.h"
#include "webhook_delivery.h"

/*
 * A round of one subscription:
 *
 *   read -> send, WEBHOOK_WINDOW at a time, never two of one person at once
 *        -> commit what was answered, again and again -> set free
 *
 * The cursor moves behind what is delivered, unwanted, or put off to be tried
 * again by itself.  Who dies in between loses nothing: the lease runs out, and
 * what was not committed is delivered once more.
 */
#define RENEW_PERIOD  (WEBHOOK_LEASE / 3)
#define READ_MAX      200
#define FAILURES_MAX  4     /* then the round ends */
#define RETRY_PERIOD  1000  /* ms between tries to reach Redis */
#define TRIES_MAX     10

struct webhook_job_s {
    webhook_job_t      *next, *prev;
    webhooks_t         *webhooks;
    unsigned            shard;
    char                workspace[SCIM_WORKSPACE_MAX + 1];
    char                id[ENGINE_ID_MAX];
    char                epoch[24];
    json_t             *definition;
    webhook_delivery_t *deliveries;
    size_t              count;
    size_t              passed;    /* of them the cursor is behind */
    unsigned            sending;
    unsigned            failures;  /* since the last success */
    bool                asking;    /* a reply of Redis is on its way */
    bool                resend;    /* a commit was not answered */
    bool                releasing; /* by the commit under way */
    bool                draining;  /* nothing more is sent */
    bool                failing;   /* nothing was accepted lately */
    int64_t             pause;     /* ms that the receiver asked for */
    const char         *off;       /* why it is to be switched off, or "" */
    unsigned            tries;
    loop_timer_t       *timer;
};

static void go_on(webhook_job_t *job);
static void commit(webhook_job_t *job);


static void
job_free(webhook_job_t *job)
{
    if (job->prev) {
        job->prev->next = job->next;
    } else {
        job->webhooks->jobs = job->next;
    }
    if (job->next) {
        job->next->prev = job->prev;
    }
    for (size_t i = 0; i < job->count; i++) {
        webhook_delivery_free(&job->deliveries[i]);
    }
    free(job->deliveries);
    json_decref(job->definition);
    loop_timer_free(job->timer);
    free(job);
}


static void
job_end(webhook_job_t *job, bool again)
{
    bool        failing = job->failing;
    unsigned    shard = job->shard;
    webhooks_t *webhooks = job->webhooks;

    job_free(job);
    webhooks_job_ended(webhooks, shard, failing, again);
}


static void
begin_call(webhook_job_t *job, redis_call_t *call, const char *function)
{
    engine_t *engine = job->webhooks->engine;

    redis_call_begin(call, function, false, job->shard, job->workspace,
        engine->dataset);
    redis_call_text(call, job->id);
    redis_call_text(call, engine->conf->name);
    redis_call_text(call, job->epoch);
}


/* ---- the round ---- */

/* Deliveries of one person do not overtake each other. */
static bool
must_wait(const webhook_job_t *job, size_t index)
{
    const webhook_delivery_t *delivery = &job->deliveries[index];

    for (size_t i = 0; i < index && delivery->user[0]; i++) {
        const webhook_delivery_t *other = &job->deliveries[i];

        if (other->state <= WEBHOOK_SENDING
            && strcmp(other->user, delivery->user) == 0)
        {
            return true;
        }
    }
    return false;
}


static void
take_answer(webhook_job_t *job, const webhook_delivery_t *delivery)
{
    job->failures = delivery->done ? 0 : job->failures + 1;
    if (delivery->status == 410) {
        job->off = "the receiver is gone (410)";
    }
    if (delivery->pause > job->pause) {
        job->pause = delivery->pause;
    }
    job->draining = job->draining || job->failures >= FAILURES_MAX
        || job->pause > 0 || *job->off;
}


static void
on_answered(void *data, webhook_delivery_t *delivery)
{
    webhook_job_t *job = data;

    job->sending--;
    take_answer(job, delivery);
    go_on(job);
}


static void
send_delivery(webhook_job_t *job, webhook_delivery_t *delivery)
{
    webhook_sender_t sender = {
        .http = job->webhooks->http,
        .policy = &job->webhooks->engine->conf->connectors.policy,
        .definition = job->definition
    };

    delivery->answered = on_answered;
    delivery->data = job;
    webhook_delivery_send(delivery, &sender);
    if (delivery->state == WEBHOOK_SENDING) {
        job->sending++;
    } else {
        take_answer(job, delivery);
    }
}


static void
send_more(webhook_job_t *job)
{
    for (size_t i = 0; i < job->count && !job->draining
         && !job->webhooks->engine->stopping
         && job->sending < WEBHOOK_WINDOW; i++)
    {
        if (job->deliveries[i].state == WEBHOOK_WAITING && !must_wait(job, i)) {
            send_delivery(job, &job->deliveries[i]);
        }
    }
}


static size_t
count_of(const webhook_job_t *job, webhook_state_t state)
{
    size_t found = 0;

    for (size_t i = 0; i < job->count; i++) {
        found += job->deliveries[i].state == state;
    }
    return found;
}


/*
 * The round ends before the turn of these, and the cursor shall pass what was
 * accepted behind them: they wait among those that are tried again.
 */
static void
put_off_skipped(webhook_job_t *job)
{
    bool behind = false;

    for (size_t i = job->count; i-- > 0; ) {
        webhook_delivery_t *delivery = &job->deliveries[i];

        if (delivery->state >= WEBHOOK_ANSWERED) {
            behind = behind || delivery->state != WEBHOOK_UNWANTED;
        } else if (behind && !delivery->again) {
            delivery->later = true;
            delivery->state = WEBHOOK_ANSWERED;
        }
    }
}


/* Commits when there is something to commit; sets free when all is over. */
static void
go_on(webhook_job_t *job)
{
    send_more(job);
    if (job->asking || job->resend) {
        return;
    }
    job->releasing = job->sending == 0;
    if (job->releasing) {
        put_off_skipped(job);
    }
    if (job->releasing || count_of(job, WEBHOOK_ANSWERED) > 0) {
        commit(job);
    }
}


/* The last entry up to which nothing is open; NULL when it did not move. */
static const char *
cursor_of(webhook_job_t *job)
{
    size_t      passed = job->passed;
    const char *cursor = NULL;

    while (passed < job->count
        && job->deliveries[passed].state >= WEBHOOK_COMMITTING)
    {
        if (!job->deliveries[passed].again) {
            cursor = job->deliveries[passed].entry;
        }
        passed++;
    }
    return cursor;
}


static void
add_result(redis_call_t *call, const webhook_delivery_t *delivery)
{
    redis_call_text(call, delivery->entry);
    redis_call_text(call, delivery->type);
    redis_call_number(call, delivery->attempt);
    redis_call_number(call, delivery->status);
    redis_call_text(call, delivery->later ? "later" : delivery->done ? "done"
        : "retry");
    redis_call_number(call, delivery->wait);
    redis_call_text(call, delivery->reason);
}


static void
on_committed(void *data, const redisReply *reply)
{
    bool           again;
    webhook_job_t *job = data;

    job->asking = false;
    if (reply == NULL && !job->webhooks->engine->stopping
        && ++job->tries < TRIES_MAX)
    {
        job->resend = true;
        loop_timer_arm(job->timer, RETRY_PERIOD);
        return;
    }
    if (!redis_reply_ok(reply)) {
        if (reply && reply->type == REDIS_REPLY_ERROR) {
            log_error("webhook %s: %.200s", job->id, reply->str);
        }
        job_end(job, false); /* somebody else's by now, or nobody's soon */
        return;
    }
    if (*redis_reply_text(reply, 2)) {
        log_error("webhook %s is switched off: %s", job->id,
            redis_reply_text(reply, 2));
        job_end(job, false);
        return;
    }
    again = strcmp(redis_reply_text(reply, 1), "0") == 0;
    if (job->releasing) {
        job_end(job, again);
        return;
    }
    job->tries = 0;
    for (size_t i = 0; i < job->count; i++) {
        if (job->deliveries[i].state == WEBHOOK_COMMITTING) {
            job->deliveries[i].state = WEBHOOK_SETTLED;
        }
    }
    while (job->passed < job->count
        && job->deliveries[job->passed].state >= WEBHOOK_SETTLED)
    {
        job->passed++;
    }
    loop_timer_arm(job->timer, RENEW_PERIOD);
    if (job->sending == 0 || count_of(job, WEBHOOK_ANSWERED) > 0) {
        go_on(job);
    }
}


static void
send_commit(webhook_job_t *job)
{
    const char  *cursor = cursor_of(job);
    redis_call_t call;

    begin_call(job, &call, "webhook_commit");
    redis_call_number(&call, job->releasing ? 0 : WEBHOOK_LEASE);
    redis_call_text(&call, cursor ? cursor : "");
    redis_call_number(&call, job->releasing ? job->pause : 0);
    redis_call_text(&call, job->releasing ? job->off : "");
    for (size_t i = 0; i < job->count; i++) {
        if (job->deliveries[i].state == WEBHOOK_COMMITTING) {
            add_result(&call, &job->deliveries[i]);
        }
    }
    job->asking = true;
    if (!redis_call_send(&call, job->webhooks->engine->redis, on_committed,
            job))
    {
        on_committed(job, NULL);
    }
}


static void
commit(webhook_job_t *job)
{
    for (size_t i = 0; i < job->count; i++) {
        if (job->deliveries[i].state == WEBHOOK_ANSWERED) {
            job->deliveries[i].state = WEBHOOK_COMMITTING;
        }
    }
    send_commit(job);
}


/* Renews the lease; or Redis was away, and the commit is sent again. */
static void
on_timer(loop_t *loop, void *data)
{
    webhook_job_t *job = data;

    (void) loop;
    if (job->asking) {
        loop_timer_arm(job->timer, RENEW_PERIOD);
    } else {
        job->resend = false;
        send_commit(job);
    }
}


void
webhooks_cancel(webhooks_t *webhooks)
{
    webhook_job_t *job, *next;

    for (job = webhooks ? webhooks->jobs : NULL; job; job = next) {
        next = job->next;
        if (!job->asking) { /* else the reply ends it */
            job_end(job, false);
        }
    }
}


/* ---- the beginning ---- */

static json_t *
definition_of(const redisReply *reply)
{
    const redisReply *record = reply->elements > 1 ? reply->element[1]
        : NULL;

    if (record == NULL || record->type != REDIS_REPLY_STRING
        || record->len < 10)
    {
        return NULL;
    }
    return scim_json_read(record->str + 10, (size_t) record->len - 10,
        &scim_json_stored_limits, NULL);
}


static void
take_entries(webhook_job_t *job, const redisReply *reply)
{
    size_t at = 4, again = (size_t) redis_reply_number(reply, 3);

    job->deliveries = calloc(reply->elements / WEBHOOK_ENTRY_FIELDS + 1,
        sizeof(*job->deliveries));
    if (job->deliveries == NULL) {
        job->pause = RETRY_PERIOD; /* nothing is sent, the cursor stays */
        return;
    }
    while (at + (again > 0) + WEBHOOK_ENTRY_FIELDS <= reply->elements) {
        webhook_delivery_t *delivery = &job->deliveries[job->count++];

        if (again > 0) {
            again--;
            delivery->again = true;
            delivery->attempt = (unsigned) redis_reply_number(reply, at++);
        }
        webhook_delivery_read(delivery, reply, at, job->workspace,
            job->definition);
        at += WEBHOOK_ENTRY_FIELDS;
    }
}


static void
on_read(void *data, const redisReply *reply)
{
    webhook_job_t *job = data;

    job->asking = false;
    if (!redis_reply_ok(reply)) {
        if (reply && reply->type == REDIS_REPLY_ERROR) {
            log_error("webhook %s: %.200s", job->id, reply->str);
        }
        job_end(job, false);
        return;
    }
    if (redis_reply_number(reply, 2)) {
        log_error("webhook %s: entries of the audit were trimmed before they "
            "were delivered", job->id);
    }
    job->definition = definition_of(reply);
    if (job->definition == NULL) {
        log_error("webhook %s: its record is damaged", job->id);
        job_end(job, false);
        return;
    }
    take_entries(job, reply);
    go_on(job);
}


void
webhook_job_start(webhooks_t *webhooks, unsigned shard,
    const char *workspace, const char *id, const char *epoch, bool failing)
{
    webhook_job_t *job = calloc(1, sizeof(*job));
    redis_call_t   call;

    if (job) {
        job->timer = loop_timer_new(webhooks->engine->loop, on_timer, job);
    }
    if (job == NULL || job->timer == NULL) {
        free(job);
        return;
    }
    job->webhooks = webhooks;
    job->shard = shard;
    job->off = "";
    job->failing = failing;
    snprintf(job->workspace, sizeof(job->workspace), "%s", workspace);
    snprintf(job->id, sizeof(job->id), "%s", id);
    snprintf(job->epoch, sizeof(job->epoch), "%s", epoch);
    job->next = webhooks->jobs;
    if (job->next) {
        job->next->prev = job;
    }
    webhooks->jobs = job;
    webhooks->job_count++;
    webhooks->failing_count += failing;
    loop_timer_arm(job->timer, RENEW_PERIOD);
    begin_call(job, &call, "webhook_read");
    redis_call_number(&call, READ_MAX);
    job->asking = true;
    if (!redis_call_send(&call, webhooks->engine->redis, on_read, job)) {
        on_read(job, NULL);
    }
}
