#ifndef SCIM_APP_H
#define SCIM_APP_H

#include <jansson.h>
#include <stdint.h>

#include "scim_error.h"

/*
 * An app's definition as the admin API takes it and Redis keeps it: pure
 * validation, shared by the edge, the sidecar and scimctl.  The connector is
 * validated with the place of the error ("connector.invite.path").
 */
typedef struct {
    unsigned concurrency;     /* calls in flight; default 8 */
    double   rate_per_second; /* 0 = none (default) */
    double   burst;           /* calls at once; 0 = a tenth of a second's */
    unsigned timeout_ms;      /* default 10000 */
    unsigned max_attempts;    /* default 8 */
} scim_app_limits_t;

typedef struct {
    double   percent;        /* default 20 */
    unsigned count;          /* default 10 */
    unsigned window_seconds; /* default 600 */
} scim_app_guard_t;

/* Invites that nobody accepted yet; 0 = no such thing. */
typedef struct {
    int64_t  expire_ms;    /* since the app had the invite */
    int64_t  remind_ms;    /* between reminders, and before the first */
    unsigned remind_max;   /* reminders of one invite */
    unsigned reinvite_max; /* invites that follow one that ran out */
} scim_app_invites_t;

typedef struct {
    const char        *id;   /* points into `json` */
    const char        *name; /* points into `json` */
    long long          seats; /* -1 = no limit */
    size_t             access_role_count;
    const char       **access_roles; /* weakest first; point into `json` */
    const char        *default_access_role;
    scim_app_limits_t  limits;
    scim_app_guard_t   guard;
    int64_t            settle_ms; /* default 5000 */
    scim_app_invites_t invites;
    const char        *account; /* whom the connector runs as: address or
                                   member id; NULL = not said */
    bool               checks_apply; /* scheduled checks make it right */
    json_t            *connector; /* owned: of type http or manual; another
                                     type as what it stands for */
    json_t            *json;      /* owned: the whole definition */
} scim_app_t;

/* What the operator allows; from scim_* directives or sidecar.conf. */
typedef struct {
    bool        allow_loopback;   /* connector hosts on 127.0.0.0/8, ::1 */
    bool        allow_private;    /* RFC 1918 and the like */
    const char *secret_env;       /* names, spaces between; "*" = all */
    const char *secret_files;     /* space-separated directories, "*", NULL */
} scim_app_policy_t;

/*
 * Validates a definition (POST/PUT body: no `id`) and writes the canonical
 * form with defaults, as a new reference, to *definition.  False with *error
 * (400, detail names the field as a path; a literal secret, an unknown
 * connector type, a forbidden host are refused here).  error->detail begins
 * with the field and a colon.
 */
bool scim_app_validate(const json_t *body, const scim_app_policy_t *policy,
    json_t **definition, scim_error_t *error)
    __attribute__((warn_unused_result));

/* Reads a stored definition; *app owns a reference.  False when damaged. */
bool scim_app_read(const char *text, size_t len, scim_app_t *app);
void scim_app_free(scim_app_t *app);

/* Position in access_roles (weakest = 0), or -1 when the app has none such. */
int scim_app_access_rank(const scim_app_t *app, const char *access_role);

#endif
