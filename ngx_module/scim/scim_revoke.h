#ifndef SCIM_REVOKE_H
#define SCIM_REVOKE_H

#include "scim_buffer.h"
#include "scim_operation.h"

/*
 * Time-to-revoke of an app as Redis counts it (conf/redis/18_revokes.lua), for
 * people and for Prometheus.  Pure.
 */
#define SCIM_REVOKE_BOUND_COUNT 12
#define SCIM_REVOKE_BUCKETS     (SCIM_REVOKE_BOUND_COUNT + 1)
#define SCIM_REVOKE_FIELDS      (7 + SCIM_REVOKE_BUCKETS) /* of a reply */

typedef struct {
    long long overdue;     /* open, and over the target */
    long long unconfirmed; /* done by the app's word, and still listed */
    long long refused;     /* removals that are dead letters */
    long long failed;      /* all dead letters */
    long long count, sum_ms, missed;
    long long buckets[SCIM_REVOKE_BUCKETS]; /* each for itself */
} scim_revoke_t;

/* Reads the fields that a function answered, from element `at` on. */
void scim_revoke_read(const scim_reply_t *reply, size_t at,
    scim_revoke_t *revoke);

/*
 * Seconds within which the share `q` (0 to 1) was done, as far as buckets can
 * say; what took longer than the last bound counts as that.  0 with none.
 */
double scim_revoke_quantile(const scim_revoke_t *revoke, double q);

/*
 * The page of metrics of all apps: one part for each metric, since its samples
 * stand together.  Replies of `metrics` are added shard by shard.
 */
#define SCIM_APP_METRICS 11

typedef struct {
    scim_buffer_t part[SCIM_APP_METRICS];
} scim_app_metrics_t;

void scim_app_metrics_init(scim_app_metrics_t *metrics);
void scim_app_metrics_add(scim_app_metrics_t *metrics,
    const scim_reply_t *reply);
void scim_app_metrics_write(const scim_app_metrics_t *metrics,
    scim_buffer_t *out);
void scim_app_metrics_free(scim_app_metrics_t *metrics);

#endif
