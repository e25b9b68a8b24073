#include "scim_revoke.h"

#define PART_MAX (8 << 20)
/* workspace, app, down, calls under way, waiting, open holds, people held */
#define ROW_HEAD 7

/* Seconds; conf/redis/18_revokes.lua has the same in milliseconds. */
static const double bounds[SCIM_REVOKE_BOUND_COUNT] = {
    1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400
};

enum { UP, RUNNING, WAITING, FAILED, HOLDS, HELD, OVERDUE, UNCONFIRMED,
    REFUSED, MISSED, TIME };

static const struct {
    const char *name, *type, *help;
} heads[SCIM_APP_METRICS] = {
    [UP] = { "app_up", "gauge", "1: calls get through to the app." },
    [RUNNING] = { "app_calls", "gauge", "Calls under way." },
    [WAITING] = { "app_tasks_waiting", "gauge", "Tasks that wait." },
    [FAILED] = { "app_tasks_failed", "gauge",
        "Dead letters: tasks that the app refused for good." },
    [HOLDS] = { "app_holds_open", "gauge",
        "Holds of the mass-removal guard that nobody decided yet." },
    [HELD] = { "app_people_held", "gauge", "People whose removal they hold." },
    [OVERDUE] = { "app_revokes_overdue", "gauge",
        "Removals that are open and over the app's target." },
    [UNCONFIRMED] = { "app_removals_unconfirmed", "gauge",
        "Removals that the app confirmed and its list still denies." },
    [REFUSED] = { "app_removals_failed", "gauge",
        "Removals among them: people who are still in the app." },
    [MISSED] = { "app_revokes_missed_total", "counter",
        "Removals that took longer than the app's target." },
    [TIME] = { "app_revoke_seconds", "histogram",
        "From the loss of an app to the verified removal." }
};


void
scim_revoke_read(const scim_reply_t *reply, size_t at, scim_revoke_t *revoke)
{
    revoke->overdue = scim_reply_number(reply, at);
    revoke->unconfirmed = scim_reply_number(reply, at + 1);
    revoke->refused = scim_reply_number(reply, at + 2);
    revoke->failed = scim_reply_number(reply, at + 3);
    revoke->count = scim_reply_number(reply, at + 4);
    revoke->sum_ms = scim_reply_number(reply, at + 5);
    revoke->missed = scim_reply_number(reply, at + 6);
    for (size_t i = 0; i < SCIM_REVOKE_BUCKETS; i++) {
        revoke->buckets[i] = scim_reply_number(reply, at + 7 + i);
    }
}


double
scim_revoke_quantile(const scim_revoke_t *revoke, double q)
{
    double wanted, seen = 0, from = 0, total = 0;

    for (size_t i = 0; i < SCIM_REVOKE_BUCKETS; i++) {
        total += (double) revoke->buckets[i];
    }
    wanted = q * total;
    for (size_t i = 0; i < SCIM_REVOKE_BOUND_COUNT; i++) {
        double here = (double) revoke->buckets[i];

        if (here > 0 && seen + here >= wanted) {
            return from + (bounds[i] - from) * (wanted - seen) / here;
        }
        seen += here;
        from = bounds[i];
    }
    return total > 0 ? from : 0;
}


void
scim_app_metrics_init(scim_app_metrics_t *metrics)
{
    for (size_t i = 0; i < SCIM_APP_METRICS; i++) {
        scim_buffer_init(&metrics->part[i], PART_MAX);
    }
}


void
scim_app_metrics_free(scim_app_metrics_t *metrics)
{
    for (size_t i = 0; i < SCIM_APP_METRICS; i++) {
        scim_buffer_free(&metrics->part[i]);
    }
}


static void
add_time(scim_buffer_t *out, scim_text_t workspace, scim_text_t app,
    const scim_revoke_t *revoke)
{
    long long sum = 0;

    for (size_t i = 0; i < SCIM_REVOKE_BUCKETS; i++) {
        char bound[24] = "+Inf";

        sum += revoke->buckets[i];
        if (i < SCIM_REVOKE_BOUND_COUNT) {
            snprintf(bound, sizeof(bound), "%g", bounds[i]);
        }
        scim_buffer_printf(out, "scim_app_revoke_seconds_bucket{workspace="
            "\"%.*s\",app=\"%.*s\",le=\"%s\"} %lld\n", (int) workspace.len,
            workspace.text, (int) app.len, app.text, bound, sum);
    }
    scim_buffer_printf(out, "scim_app_revoke_seconds_sum{workspace=\"%.*s\","
        "app=\"%.*s\"} %.3f\nscim_app_revoke_seconds_count{workspace=\"%.*s\","
        "app=\"%.*s\"} %lld\n", (int) workspace.len, workspace.text,
        (int) app.len, app.text, (double) revoke->sum_ms / 1000,
        (int) workspace.len, workspace.text, (int) app.len, app.text, sum);
}


static void
add_row(scim_app_metrics_t *metrics, const scim_reply_t *reply, size_t at)
{
    scim_revoke_t revoke;
    scim_text_t   workspace = scim_reply_text(reply, at);
    scim_text_t   app = scim_reply_text(reply, at + 1);
    long long     values[TIME];

    scim_revoke_read(reply, at + ROW_HEAD, &revoke);
    values[UP] = !scim_reply_number(reply, at + 2);
    values[RUNNING] = scim_reply_number(reply, at + 3);
    values[WAITING] = scim_reply_number(reply, at + 4);
    values[HOLDS] = scim_reply_number(reply, at + 5);
    values[HELD] = scim_reply_number(reply, at + 6);
    values[OVERDUE] = revoke.overdue;
    values[UNCONFIRMED] = revoke.unconfirmed;
    values[FAILED] = revoke.failed;
    values[REFUSED] = revoke.refused;
    values[MISSED] = revoke.missed;
    for (size_t i = 0; i < TIME; i++) {
        scim_buffer_printf(&metrics->part[i],
            "scim_%s{workspace=\"%.*s\",app=\"%.*s\"} %lld\n", heads[i].name,
            (int) workspace.len, workspace.text, (int) app.len, app.text,
            values[i]);
    }
    add_time(&metrics->part[TIME], workspace, app, &revoke);
}


void
scim_app_metrics_add(scim_app_metrics_t *metrics, const scim_reply_t *reply)
{
    size_t row = ROW_HEAD + SCIM_REVOKE_FIELDS;

    if (!scim_reply_is(reply, "OK")) {
        return;
    }
    for (size_t at = 1; at + row <= reply->elements; at += row) {
        add_row(metrics, reply, at);
    }
}


void
scim_app_metrics_write(const scim_app_metrics_t *metrics, scim_buffer_t *out)
{
    for (size_t i = 0; i < SCIM_APP_METRICS; i++) {
        const scim_buffer_t *part = &metrics->part[i];

        if (part->len > 0) {
            scim_buffer_printf(out, "# HELP scim_%s %s\n# TYPE scim_%s %s\n",
                heads[i].name, heads[i].help, heads[i].name, heads[i].type);
            scim_buffer_append(out, part->data, part->len);
        }
    }
}
