#ifndef SCIM_LIST_H
#define SCIM_LIST_H

#include "scim_path.h"
#include "scim_resource.h"
#include "scim_uuid.h"

/*
 * Lists and searches: RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865.  Shared by
 * the files scim_list_*.c and scim_resource_list.c, not part of the core's
 * interface.
 *
 * A list has one segment for each resource type it is about (the root has
 * several), and each segment a plan of where its resources come from.
 */
#define SCIM_LIST_CHUNK    10   /* documents read by one command */
#define SCIM_LIST_GROUPS   10   /* the same with their members */
#define SCIM_LIST_IDS      100  /* ids read by one command */
#define SCIM_LIST_SHOWN    200  /* resources shown by one command */
#define SCIM_LIST_BOTH_MAX 5000 /* ids that may be intersected */
#define SCIM_LIST_KEY_MAX  512  /* bytes of a value that decide its order */
#define SCIM_LIST_SEGMENT_MAX 8

/* what matching may cost (scim_filter_work_t): a chunk, and each document that
   a request may read, all taken together */
#define SCIM_LIST_WORK_MAX  50000000
#define SCIM_LIST_WORK_EACH 20000

/* seconds that a cursor may be used (ServiceProviderConfig: cursorTimeout) */
#define SCIM_CURSOR_TIMEOUT 3600

/* A range of a sorted set as the functions in Redis take it (PROTOCOL.md). */
typedef struct {
    const char *source; /* "all", "index", "members", "nested", "groups" */
    scim_text_t name;
    scim_text_t from; /* bounds of ZRANGEBYLEX */
    scim_text_t to;
    bool        by_id; /* members come in the order of ids, each once */
} scim_list_range_t;

typedef enum {
    SCIM_PLAN_NOBODY,
    SCIM_PLAN_RANGE, /* one range; `all` without bounds is a scan */
    SCIM_PLAN_UNION, /* of left and right */
    SCIM_PLAN_AND,   /* undecided: sizes say which side, or both */
    SCIM_PLAN_BOTH   /* the intersection of left and right */
} scim_plan_kind_t;

typedef struct scim_plan_s scim_plan_t;

struct scim_plan_s {
    scim_plan_kind_t     kind;
    scim_plan_t         *left;
    scim_plan_t         *right;
    scim_list_range_t    range;
    const scim_filter_t *rest;   /* what must still match; NULL = nothing */
    const scim_filter_t *filter; /* all of what this node stands for */
    long long            size;   /* of RANGE: at most so many; -1 = unknown */
    scim_buffer_t        ids;    /* once read: sorted, SCIM_UUID_LEN each */
    bool                 read;
};

/* In the arena; no filter (NULL) is everybody.  NULL when memory is gone. */
scim_plan_t *scim_plan_new(const scim_resource_type_t *type,
    const scim_filter_t *filter, scim_arena_t *arena);

/* Frees what is not in the arena. */
void scim_plan_clear(scim_plan_t *plan);

/* A plan of all of the type, by rank and position. */
bool scim_plan_is_scan(const scim_plan_t *plan);

/* Makes a plan that looks at everybody of it, with what it had read freed. */
void scim_plan_scan(scim_plan_t *plan, const scim_filter_t *filter);

/* Whether sizes must be known before the plan can be followed. */
bool scim_plan_undecided(const scim_plan_t *plan);

/* The i-th range in the plan, or NULL; a decided plan is NULL-safe, too. */
scim_plan_t *scim_plan_range(scim_plan_t *plan, size_t i);

/* Chooses sides once every range has its size. */
void scim_plan_decide(scim_plan_t *plan);

/* Combines the ids of the ranges; false when memory is gone. */
bool scim_plan_combine(scim_plan_t *plan);

/* ---- order ---- */

/* Where the value to sort by is; `attribute` NULL: this type has none. */
typedef struct {
    const scim_schema_t    *extension;
    const scim_attribute_t *attribute;
    const scim_attribute_t *sub;
} scim_list_sort_t;

/* False with *error (400 invalidPath) for what nothing can be sorted by. */
bool scim_list_sort_read(const scim_resource_type_t *type, scim_text_t path,
    scim_list_sort_t *sort, scim_lenient_t *lenient, scim_error_t *error);

/*
 * Appends bytes that memcmp() puts into ascending order: by the primary value
 * or else the first one, without case unless the attribute is case-exact,
 * resources without a value last.
 */
bool scim_list_sort_key(const scim_list_sort_t *sort, const json_t *resource,
    scim_buffer_t *out);

/* ---- what is looked at ---- */

/* Names of top-level members of a stored document. */
typedef struct {
    const char **name;
    size_t       count;
    bool         whole; /* all of it must be read */
} scim_list_look_t;

/*
 * What filter (NULL: none) and order look at; the names are the schemas', the
 * list of them is in the arena.  False when memory is gone.
 */
bool scim_list_look_at(scim_list_look_t *look, const scim_filter_t *filter,
    const scim_list_sort_t *sort, scim_arena_t *arena);

/* The first `need` of what is added, in order, with bounded memory. */
typedef struct {
    char     id[SCIM_UUID_LEN + 1];
    unsigned segment;
    size_t   key_len;
    char    *key; /* owned */
} scim_list_item_t;

typedef struct {
    bool              descending;
    long long         need; /* most items to be kept */
    scim_list_item_t *item;
    size_t            count;
    size_t            room;
} scim_list_order_t;

/* Below, equal or above zero; items with equal keys are ordered by id. */
int scim_list_order_compare(const scim_list_order_t *order,
    const char *a_key, size_t a_len, const char *a_id, const char *b_key,
    size_t b_len, const char *b_id);
bool scim_list_order_add(scim_list_order_t *order, const char *key,
    size_t key_len, const char *id, unsigned segment);
void scim_list_order_finish(scim_list_order_t *order);
void scim_list_order_clear(scim_list_order_t *order);

/* ---- cursors ---- */

/* Where a walk goes on. */
typedef struct {
    unsigned    segment;
    scim_text_t after; /* member of the range, id, or sort key and id */
} scim_list_position_t;

/*
 * Appends the cursor for a position: base64url, bound to workspace, endpoint,
 * filter, order and count, sealed with a key that only this data set has.
 */
bool scim_list_cursor_write(const scim_operation_t *operation,
    const scim_query_t *query, const char *endpoint, long long count,
    const scim_list_position_t *position, scim_buffer_t *out);

/*
 * Opens a cursor of ours; `position` lives in the operation's arena.  False
 * with *error: 400 invalidCursor (whatever is not ours, or of another query),
 * expiredCursor.  *count: that of the walk.
 */
bool scim_list_cursor_read(scim_operation_t *operation,
    const scim_query_t *query, const char *endpoint, long long *count,
    scim_list_position_t *position, scim_error_t *error);

/* ---- the list itself ---- */

typedef struct {
    const scim_resource_type_t *type;
    scim_filter_t              *filter; /* owned; NULL = none */
    scim_plan_t                *plan;
    scim_list_sort_t            sort;
    scim_list_look_t            look; /* name NULL: not needed until now */
} scim_list_segment_t;

typedef struct {
    char     id[SCIM_UUID_LEN + 1];
    unsigned segment;
} scim_list_pick_t;

struct scim_list_s {
    const char         *endpoint; /* "/Users", or "" for the root */
    scim_list_segment_t segment[SCIM_LIST_SEGMENT_MAX];
    unsigned            segments;
    unsigned            at;       /* the segment at hand */

    bool        of_one;  /* of the resource that the path names, alone */
    bool        cursors; /* RFC 9865; else startIndex */
    long long   skip;    /* matches still to be left out */
    long long   count;   /* most resources in the answer */
    long long   total;   /* matches so far */
    bool        partial; /* not all matches are in `total` */
    bool        more;    /* cursors: `position` is not the end */
    bool        plus_tried;
    long long   spent;   /* documents read, against scan_max */
    long long   worked;  /* what matching cost in chunks that are done */
    scim_filter_work_t work; /* ... and in the one at hand */
    long long   collected; /* ids of ranges, against scan_max, too */
    char        seen[SCIM_UUID_LEN]; /* id of the last one that was read */

    scim_list_position_t position; /* where to begin, then where it ended */
    scim_buffer_t        place;    /* its text */

    /* ids that are being looked at */
    bool          sorted;  /* matches go to `order` */
    bool          reverse; /* an index has the order, but backwards */
    bool          last;    /* no ids behind those in `ids` */
    scim_buffer_t ids;
    size_t        id_at;   /* of the next to be read */
    size_t        chunk;   /* ids in the command under way */
    scim_buffer_t behind;  /* the range's member that the next ids follow */
    scim_plan_t  *reading; /* the range whose ids are being read */
    size_t        range;   /* its number */
    bool          collect; /* all ids first: they do not come in order */

    scim_list_order_t order;

    /* ids to be shown */
    scim_list_pick_t *pick; /* room for `count`, once there may be some */
    size_t            picked;
    size_t            pick_at; /* of the next to be read */
    long long         shown;
    scim_buffer_t     items;
};

/* Type and projection of a segment, for what reads and renders entries. */
void scim_list_use(scim_resource_t *resource, unsigned segment);

/* Enters the segment at hand; or ends, behind the last one. */
scim_step_t scim_list_enter(scim_resource_t *resource);

/* Follows a plan that needs more than one page: ids, documents, matching. */
scim_step_t scim_list_read_ids(scim_resource_t *resource);
/*
 * ... of a `members` range whose group turned out to hold groups: the members
 * of all of them are read whole
 */
scim_step_t scim_list_read_nested(scim_resource_t *resource,
    scim_plan_t *range);
/* ... the batch behind the one that was looked at */
scim_step_t scim_list_more_ids(scim_resource_t *resource);
/* ... and what the ids in `ids` stand for */
scim_step_t scim_list_match_ids(scim_resource_t *resource);

/* Goes on behind the segment at hand; ends when nothing more is wanted. */
scim_step_t scim_list_leave(scim_resource_t *resource);

/* Reads and shows what was picked, then answers. */
scim_step_t scim_list_show_picks(scim_resource_t *resource);
scim_step_t scim_list_answer(scim_resource_t *resource);

/* Makes room for picks; false when memory is gone. */
bool scim_list_make_picks(scim_resource_t *resource);

/* Keeps where the list ended: the next page begins behind it. */
void scim_list_stop(scim_list_t *list, unsigned segment, const char *after,
    size_t len);

/* Appends an entry to the answer; false after an error answer. */
bool scim_list_show(scim_resource_t *resource, const scim_entry_t *entry);

/* What a filter sees of an entry: a new reference, NULL: cannot be read. */
json_t *scim_list_json(scim_resource_t *resource, const scim_entry_t *entry,
    bool meta, bool extra);

/* Whether a filter (may be NULL) looks at a core attribute. */
bool scim_list_looks_at(const scim_filter_t *filter, const char *attribute);

/* Ends with 400: more than scan_max documents would have to be read. */
scim_step_t scim_list_too_many(scim_resource_t *resource);
/* ... or more would have to be compared in them than SCIM_LIST_WORK_MAX. */
scim_step_t scim_list_too_much_work(scim_resource_t *resource);
scim_step_t scim_list_no_memory(scim_resource_t *resource);

/* The range as arguments of the command that is being put together. */
void scim_list_add_range(scim_operation_t *operation,
    const scim_list_range_t *range);

void scim_list_free(scim_list_t *list);

#endif
