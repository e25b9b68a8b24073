#ifndef SCIM_OPERATION_H
#define SCIM_OPERATION_H

#include <jansson.h>
#include <stdint.h>

#include "scim_app.h"
#include "scim_arena.h"
#include "scim_buffer.h"
#include "scim_error.h"
#include "scim_lenient.h"
#include "scim_reply.h"
#include "scim_schema.h"

/*
 * One HTTP request as a pure state machine.  An operation says which Redis
 * commands it wants next; whoever owns the sockets (nginx module, scimctl, a
 * unit test) sends them, one behind the other without waiting, and hands each
 * reply over when it comes, until the operation is done:
 *
 *     step = scim_operation_start(operation);
 *     while (step != SCIM_STEP_DONE) {
 *         while ((command = scim_operation_command(operation)) != NULL) {
 *             send(command);
 *         }
 *         if (step == SCIM_STEP_YIELD) {
 *             ... others have their turn ...
 *             step = scim_operation_continue(operation);
 *         } else {
 *             ... wait for the reply to any command that was sent ...
 *             step = scim_operation_reply(operation, command, &reply);
 *         }
 *     }
 *     send operation->response
 *
 * A command that cannot be sent, or whose reply will not come, is given back
 * by scim_operation_lost().  Replies may be handed over while an operation
 * yields.  It is done only when no command is under way.
 *
 * No I/O, no clock, no randomness: time and ids come in with the request.
 */
typedef enum { SCIM_STEP_SEND, SCIM_STEP_YIELD, SCIM_STEP_DONE } scim_step_t;

/* Seconds after which a client may ask again when the store is away. */
#define SCIM_RETRY_AFTER 2

typedef enum {
    SCIM_METHOD_GET,
    SCIM_METHOD_HEAD,
    SCIM_METHOD_POST,
    SCIM_METHOD_PUT,
    SCIM_METHOD_PATCH,
    SCIM_METHOD_DELETE,
    SCIM_METHOD_OPTIONS,
    SCIM_METHOD_OTHER
} scim_method_t;

typedef enum {
    SCIM_ROLE_NONE,
    SCIM_ROLE_SCIM,
    SCIM_ROLE_VIEWER,
    SCIM_ROLE_ADMIN,
    SCIM_ROLE_OWNER
} scim_role_t;

typedef struct {
    const char *text;
    size_t      len;
} scim_text_t;

/* What a token says about its bearer. */
typedef struct {
    char        workspace[64];
    char        token_id[40];
    char        actor[128]; /* the token's name; goes into events and audit */
    char        user[40];   /* who the bearer is (/Me), "" = no user here */
    scim_role_t role;
    unsigned    shard;
    int64_t     expires; /* ms; 0 = never */
} scim_principal_t;

/* Settings that all requests share; owned by the glue, outlives requests. */
typedef struct {
    const scim_schemas_t *schemas;
    scim_text_t           base_url; /* "https://h/scim/v2", no trailing slash */
    unsigned              shard_count;
    size_t                body_max;      /* bytes */
    long long             backlog_max;   /* events waiting; 0 = no limit */
    unsigned              page_size;     /* default count of a list */
    unsigned              page_size_max; /* filter.maxResults */
    unsigned              scan_max;      /* documents one filter may read */
    scim_app_policy_t     app_policy;    /* what app definitions may name */
    bool                  async;         /* `Prefer: respond-async` is heard */
    unsigned              wait_max;      /* s that an answer takes at most */
    scim_text_t           join_url;      /* "https://h/join"; empty = none */
} scim_service_t;

/* What an operation of a Bulk request did when it was executed before. */
typedef struct {
    long long version; /* of the resource, by it; 0 = nothing */
} scim_effect_t;

/* All text is borrowed and must outlive the operation. */
typedef struct {
    scim_method_t           method;
    scim_text_t             path;  /* decoded, below the mount: "/Users/1" */
    scim_text_t             query; /* raw, without '?' */
    scim_text_t             content_type;
    scim_text_t             accept;
    scim_text_t             if_match;
    scim_text_t             if_none_match;
    scim_text_t             prefer;
    scim_text_t             body;
    bool                    odd_token; /* not "Bearer <token>": L-52 */
    bool                    odd_url; /* the path stood in the query: L-51 */
    const json_t           *json;  /* the body when it was read before */
    scim_text_t             new_id; /* of what POST creates; empty = any */
    bool                    brief; /* the answer needs no body (Bulk) */
    bool                    circular; /* one of a circle of a Bulk request */
    const scim_principal_t *principal;
    scim_text_t             transaction; /* txn */
    scim_text_t             execution;   /* id of the accepted request that is
                                            executed now; empty = none */
    const scim_effect_t    *effect;      /* of Bulk operations, by number */
    size_t                  effect_count;
    scim_text_t             dataset;     /* id the glue expects; may be empty */
    int64_t                 now;         /* ms, local clock */
    int64_t                 deadline;    /* ms on Redis' clock; 0 = none */
    unsigned char           random[64];  /* fresh random bytes */
} scim_request_t;

typedef struct scim_operation_s scim_operation_t;

/* Stays as it is until its reply is handed over. */
typedef struct {
    size_t            argc;
    const char      **argv; /* owned by the operation */
    size_t           *argv_len;
    scim_operation_t *operation; /* whose it is; NULL: the glue's own */
} scim_command_t;

typedef struct {
    int           status;
    const char   *content_type; /* static text; NULL = no body */
    scim_buffer_t body;
    char          etag[32];      /* "" = none */
    char          location[512]; /* "" = none */
    char          transaction[40]; /* Set-Txn, of an accepted request */
    const char   *preference; /* that was applied; static text or NULL */
    const char   *allow;         /* static text or NULL */
    unsigned      retry_after;   /* seconds, 0 = none */
    bool          challenge;     /* send WWW-Authenticate: Bearer */
    scim_error_type_t scim_type; /* of an error */
    bool          page;          /* for people: the headers of /join */
} scim_response_t;

/*
 * What an operation does that is made of others (Bulk), each with a command of
 * its own; the functions below call it.
 */
typedef struct {
    scim_command_t *(*command)(scim_operation_t *operation);
    scim_step_t (*reply)(scim_operation_t *operation, scim_command_t *command,
        const scim_reply_t *reply);
    scim_step_t (*lost)(scim_operation_t *operation, scim_command_t *command,
        const char *detail);
    scim_step_t (*resume)(scim_operation_t *operation);
} scim_operation_parts_t;

/*
 * The public head of an operation.  Each family of endpoints (resources,
 * discovery, admin) embeds it as its first member and sets `next`.
 */
struct scim_operation_s {
    const scim_service_t         *service;
    const scim_request_t         *request;
    const scim_operation_parts_t *parts; /* NULL: one command at a time */
    scim_command_t                command;
    bool                          composed; /* it waits to be taken */
    scim_response_t               response;
    scim_lenient_t                lenient;
    scim_arena_t                  arena; /* lives as long as the operation */
    scim_arena_t                  sending; /* the command's arguments */
    scim_step_t (*next)(scim_operation_t *operation,
        const scim_reply_t *reply);
    void (*destroy)(scim_operation_t *operation); /* may be NULL */
    void (*render_error)(scim_operation_t *operation,
        const scim_error_t *error); /* the family's error body */
};

/*
 * A base URL with a flag of Entra ID in it, to which the client appends: "/"
 * with the query "aadOptscim062020/Users?..." is "/Users" with the rest.
 */
void scim_request_take_flag(scim_request_t *request);

/*
 * Whether everybody may know the answer: a read of ServiceProviderConfig, which
 * says how clients authenticate (RFC 7643 section 5).  Such a request has no
 * principal when it came without a token.
 */
bool scim_request_is_public(const scim_request_t *request);

/*
 * Routes a request below the SCIM mount (or the admin mount) to its family.
 * NULL only when memory is gone.  Neither reads nor checks anything that
 * needs Redis.
 */
scim_operation_t *scim_operation_new(const scim_service_t *service,
    const scim_request_t *request);
scim_operation_t *scim_admin_operation_new(const scim_service_t *service,
    const scim_request_t *request);
void scim_operation_free(scim_operation_t *operation);

scim_step_t scim_operation_start(scim_operation_t *operation);

/* The next command to send, or NULL when there is none now. */
scim_command_t *scim_operation_command(scim_operation_t *operation);

/* The reply to a command of this operation; it need not be kept afterwards. */
scim_step_t scim_operation_reply(scim_operation_t *operation,
    scim_command_t *command, const scim_reply_t *reply);

/*
 * No reply to this command will come, for the reason that `detail` gives in
 * words for the client: 503 with Retry-After.
 */
scim_step_t scim_operation_lost(scim_operation_t *operation,
    scim_command_t *command, const char *detail);

/* After SCIM_STEP_YIELD. */
scim_step_t scim_operation_continue(scim_operation_t *operation);

/*
 * For families.  `size` is that of the embedding structure, whose first member
 * is the operation; NULL when memory is gone.
 */
void *scim_operation_alloc(size_t size, const scim_service_t *service,
    const scim_request_t *request);

/*
 * Starts a command: a call of one of our functions with the arguments that
 * all of them begin with (PROTOCOL.md), or a plain command.  Arguments are
 * copied; scim_command_send() waits for the reply in `next`.
 */
void scim_command_call(scim_operation_t *operation, const char *function,
    bool read_only);
void scim_command_plain(scim_operation_t *operation, const char *command);
void scim_command_add(scim_operation_t *operation, const char *text,
    size_t len);
void scim_command_text(scim_operation_t *operation, const char *text);
void scim_command_number(scim_operation_t *operation, long long number);
scim_step_t scim_command_send(scim_operation_t *operation,
    scim_step_t (*next)(scim_operation_t *, const scim_reply_t *));

/* The code that a function answered, and its further elements as text. */
bool scim_reply_is(const scim_reply_t *reply, const char *code);
scim_text_t scim_reply_text(const scim_reply_t *reply, size_t element);
long long scim_reply_number(const scim_reply_t *reply, size_t element);

/*
 * Ends with an error, in the family's error shape.  Returns SCIM_STEP_DONE.
 */
scim_step_t scim_operation_fail(scim_operation_t *operation,
    const scim_error_t *error);
scim_step_t scim_operation_end(scim_operation_t *operation, int status);

/* An error of Redis that nothing but a bug of ours explains. */
bool scim_reply_is_bug(const scim_reply_t *reply);

/* The media type of SCIM answers to this request: RFC 7644 section 3.8. */
const char *scim_media_type(scim_text_t accept);
const char *scim_operation_media_type(const scim_operation_t *operation);

/*
 * For families: maps replies that every function can give (errors of Redis,
 * EXPIRED, DATASET, BACKLOG; conf/redis/PROTOCOL.md) to a status (503 with
 * Retry-After, or 500).  True when the reply was one of those and the
 * response is complete.
 */
bool scim_operation_refused(scim_operation_t *operation,
    const scim_reply_t *reply);

#endif
