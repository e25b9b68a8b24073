#ifndef SCIM_BULK_INTERNAL_H
#define SCIM_BULK_INTERNAL_H

#include <jansson.h>

#include "scim_bulk.h"
#include "scim_uuid.h"

/*
 * What the files scim_bulk*.c share.  A Bulk request goes through phases:
 *
 *     read ──▶ link ──▶ run ──▶ answer
 *
 * `read` takes the body apart (scim_bulk_read.c, scim_bulk_item.c), `link`
 * resolves references and finds out who waits for whom (scim_bulk_link.c,
 * scim_bulk_order.c), `run` has the items' operations made (scim_bulk.c).
 * Each phase yields when it has used up the budget of a step.
 */
typedef enum {
    SCIM_BULK_WAITING, /* for others, see scim_bulk_order.c */
    SCIM_BULK_READY,
    SCIM_BULK_RUNNING,
    SCIM_BULK_HELD, /* runs again when all before it are done */
    SCIM_BULK_DONE
} scim_bulk_state_t;

/* One element of Operations; texts live in the operation's arena. */
typedef struct {
    scim_text_t                 text;    /* in the request's body */
    json_t                     *element; /* NULL: `text` is read again */
    scim_text_t                 method_text;
    scim_method_t               method;
    scim_text_t                 bulk_id;
    scim_text_t                 path;    /* below the mount; no query */
    scim_text_t                 version;
    const scim_resource_type_t *type;    /* that the path names, or NULL */
    scim_text_t                 id;      /* of the resource; len 0 = none */
    size_t                      entity;  /* number of `id`, from 1; 0 = none */

    scim_bulk_state_t           state;
    bool                        again;   /* it ran before */
    bool                        circular; /* it waits for itself */
    unsigned                    waits;   /* edges to what is not done */
    size_t                      first_need;   /* edges from it; 0 = none */
    size_t                      first_waiter; /* edges to it; 0 = none */
    const char                 *broken;  /* bulkId that failed, or NULL */

    /* the answer; status 0 = none yet */
    int                         status;
    char                        version_made[32];
    scim_text_t                 response;
} scim_bulk_item_t;

/* Item `from` waits for item `to`. */
typedef struct {
    uint16_t from;
    uint16_t to;
    bool     needs; /* refers to it, so that it must succeed */
    size_t   next_need;
    size_t   next_waiter;
} scim_bulk_edge_t;

/* A resource that the request names by its id. */
typedef struct {
    size_t writer;       /* the last item that changes it, from 1; 0 = none */
    size_t first_reader; /* items that name it since then; 0 = none */
} scim_bulk_entity_t;

typedef struct {
    uint16_t item;
    size_t   next;
} scim_bulk_reader_t;

typedef struct {
    void  *bytes;
    size_t room; /* elements */
} scim_bulk_memory_t;

/* A growing array; element 0 is not used where 0 means `none`. */
#define SCIM_BULK_ARRAY(type)                                                 \
    struct {                                                                  \
        type              *at; /* memory.bytes */                             \
        size_t             count;                                             \
        scim_bulk_memory_t memory;                                            \
    }

/* The operation of an item that is under way. */
typedef struct scim_bulk_part_s scim_bulk_part_t;

struct scim_bulk_part_s {
    scim_operation_t *operation; /* NULL: the place is free */
    size_t            item;
    json_t           *data;
    scim_request_t    request;
    scim_bulk_part_t *next_sending;
};

typedef struct scim_bulk_s scim_bulk_t;

struct scim_bulk_s {
    scim_operation_t operation; /* first: they share an address */
    scim_step_t    (*phase)(scim_bulk_t *bulk);
    size_t           budget; /* bytes, or what they cost, of this step */

    /* reading: where in the body, and what was seen */
    const char      *at;
    bool             in_operations;
    bool             begun; /* a member, an element came: a comma follows */
    unsigned         seen;  /* members of the envelope, one bit each */
    size_t           kept;  /* bytes of items whose element is kept */
    long long        fail_on_errors; /* 0 = never */

    SCIM_BULK_ARRAY(scim_bulk_item_t) item; /* from 0 on */
    json_t          *bulk_ids;  /* bulkId -> number of its item */
    json_t          *entity_of; /* id -> number of its entity */
    json_t          *claims;    /* unique value -> number of the last item */
    SCIM_BULK_ARRAY(scim_bulk_entity_t) entity;
    SCIM_BULK_ARRAY(scim_bulk_reader_t) reader;
    SCIM_BULK_ARRAY(scim_bulk_edge_t)   edge;
    uint16_t        *marked; /* per item: the last one with an edge to it */
    size_t           linked; /* items that are linked */

    /* running */
    uint64_t         ready[(SCIM_BULK_ITEM_MAX + 63) / 64];
    scim_bulk_part_t part[SCIM_BULK_WINDOW];
    scim_bulk_part_t *first_sending; /* parts with a command to take */
    scim_bulk_part_t *last_sending;
    size_t           running;
    size_t           oldest; /* every item before this one is done */
    size_t           done;
    size_t           errors;
    size_t           successes;
    const char      *away;  /* why nothing more is begun, or NULL */
    unsigned         retry_after; /* of the worst 503; 0 = there was none */
};

/* Makes room for one more element of `size` bytes; false without memory. */
bool scim_bulk_grow(scim_bulk_memory_t *memory, size_t count, size_t size);

#define SCIM_BULK_GROW(array)                                                 \
    (scim_bulk_grow(&(array)->memory, (array)->count, sizeof(*(array)->at))   \
        && ((array)->at = (array)->memory.bytes, true))

/*
 * Takes as much of the envelope as the budget allows: SCIM_STEP_YIELD, or
 * SCIM_STEP_DONE after an error answer, or SCIM_STEP_SEND when all items are
 * there.
 */
scim_step_t scim_bulk_read(scim_bulk_t *bulk);

/* Reads bulk->item[number] from its text; false after an error answer. */
bool scim_bulk_item_read(scim_bulk_t *bulk, size_t number);

/* The element as JSON, a new reference; it was read before. */
json_t *scim_bulk_item_element(scim_bulk_t *bulk, scim_bulk_item_t *item);

/* The item's answer is this error. */
void scim_bulk_item_fail(scim_bulk_t *bulk, scim_bulk_item_t *item,
    int status, scim_error_type_t type, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A member of an object by its name in any case, lent; NULL = absent, null. */
json_t *scim_bulk_member(const json_t *object, const char *name);

/* Ids for what is created, and numbers for all ids: before any link. */
bool scim_bulk_name(scim_bulk_t *bulk);

/*
 * Resolves the references of an item and notes whom it waits for.  What cannot
 * be resolved fails the item.  False when memory is gone.
 */
bool scim_bulk_link(scim_bulk_t *bulk, size_t number);

/*
 * The body of an item's own request, its references resolved: a new reference,
 * NULL without memory.
 */
json_t *scim_bulk_data(scim_bulk_t *bulk, size_t number);

/* `from` waits for `to`; does nothing for one with itself. */
bool scim_bulk_wait(scim_bulk_t *bulk, size_t from, size_t to, bool needs);

/* The item that is first in the request among those that may run. */
bool scim_bulk_next_ready(scim_bulk_t *bulk, size_t *number);
void scim_bulk_set_ready(scim_bulk_t *bulk, size_t number);

/* The item is done: those that wait for it may become ready. */
void scim_bulk_set_done(scim_bulk_t *bulk, size_t number);

/*
 * Nothing runs and nothing is ready: whoever comes first in a circle goes
 * ahead, or who was held.  False when all are done.
 */
bool scim_bulk_unlock(scim_bulk_t *bulk);

/* Ends with the BulkResponse. */
scim_step_t scim_bulk_answer(scim_bulk_t *bulk);

#endif
