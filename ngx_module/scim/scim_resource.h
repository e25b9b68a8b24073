#ifndef SCIM_RESOURCE_H
#define SCIM_RESOURCE_H

#include "scim_filter.h"
#include "scim_members.h"
#include "scim_operation.h"
#include "scim_projection.h"
#include "scim_record.h"
#include "scim_uuid.h"

/*
 * Operations on resources (Users, Groups): shared by the files
 * scim_resource_*.c and the router, not part of the core's interface.
 */
/*
 * Attempts of read, change, compare-and-set before the client has to wait: one
 * of those who write at the same time wins each round.
 */
#define SCIM_COMMIT_ATTEMPT_MAX 1000

/*
 * One resource as a function answers it.  `extra` is a user's groups (pairs
 * of 'D', direct, or 'I', indirect, with the id, and displayName as JSON text)
 * or a group's members (ids, each behind 'U' or 'G', one behind the other, up
 * to 1000 in a string).  There are `extra_total` of them; `extra_here` members,
 * and `extra_count` strings, are here.
 */
typedef struct {
    scim_text_t   id;
    scim_record_t record;
    size_t        extra_total;
    size_t        extra_here;
    size_t        extra_count;
    size_t        extra_room; /* strings that `extra` has place for */
    scim_text_t  *extra;
    scim_text_t  *name; /* of each member, JSON text or empty; or NULL */
} scim_entry_t;

#define SCIM_MEMBER_LEN (1 + SCIM_UUID_LEN) /* 'U' or 'G', and the id */

/* A member of one of the entries. */
typedef struct {
    size_t entry;
    size_t page;   /* of the entry's `extra` */
    size_t offset; /* in that */
    size_t member; /* of the entry's */
} scim_member_place_t;

typedef struct scim_resource_s scim_resource_t;
typedef struct scim_list_s     scim_list_t; /* scim_list.h */

typedef scim_step_t (*scim_resource_step_t)(scim_resource_t *resource);

struct scim_resource_s {
    scim_operation_t            operation; /* first: they share an address */
    const scim_resource_type_t *type;
    scim_text_t                 id; /* len 0 = the endpoint itself */
    char                        id_made[40];
    scim_query_t                query;
    scim_projection_t           projection;

    /* entries of the last reply; in `page` when a further reply is needed */
    scim_arena_t         page;
    scim_entry_t        *entry;
    size_t               entry_count;
    size_t               lacking; /* no entry before it lacks anything */
    scim_resource_step_t done; /* goes on when the entries are complete */
    bool                 fetch_extra;

    /* names of members, scim_resource_members.c */
    bool                named; /* they are shown or looked at */
    char                named_kind;
    scim_member_place_t named_to;

    /* POST, PUT, PATCH, DELETE */
    unsigned       attempts;
    scim_lenient_t noted;    /* before the first attempt */
    json_t        *body;
    json_t        *current;  /* the stored document */
    json_t        *document; /* what it becomes */
    scim_members_t members;
    scim_buffer_t  text;     /* `document` as text */

    scim_list_t *list; /* NULL for what is no list */
};

/* The type at an endpoint ("Users"), or NULL. */
const scim_resource_type_t *scim_route_type(const scim_service_t *service,
    scim_text_t endpoint);

/* Families: each answers the first step of the method it is named after. */
scim_operation_t *scim_resource_new(const scim_service_t *service,
    const scim_request_t *request, const scim_resource_type_t *type,
    scim_text_t id);
scim_step_t scim_resource_get(scim_operation_t *operation,
    const scim_reply_t *none);
/* any method on what cannot be an id of ours */
scim_step_t scim_resource_unknown(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_list(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_search(scim_operation_t *operation,
    const scim_reply_t *none);
/* the same of all types at once, at the root */
scim_step_t scim_resource_list_all(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_search_all(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_post(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_put(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_patch(scim_operation_t *operation,
    const scim_reply_t *none);
scim_step_t scim_resource_delete(scim_operation_t *operation,
    const scim_reply_t *none);

bool scim_resource_is_group(const scim_resource_t *resource);

/*
 * A query of one resource that is there: a list that holds it when the filter
 * matches (RFC 7644 section 3.4.2).
 */
scim_step_t scim_resource_list_one(scim_resource_t *resource);

/* Reads query and projection from the URL; false after an error answer. */
bool scim_resource_read_query(scim_resource_t *resource);

/* Whether the answer shows what entries carry as `extra`. */
bool scim_resource_wants_extra(const scim_resource_t *resource);

/*
 * Adds to the command whether it asks for extra: what the answer shows or, with
 * `looked_at`, what a filter or an order needs.
 */
void scim_resource_add_extra(scim_resource_t *resource, bool looked_at);

/* The body as JSON, a new reference; NULL after an error answer. */
json_t *scim_resource_read_body(scim_resource_t *resource);

/*
 * `count` entries of a reply, from element `first` on.  They point into the
 * reply.  False (after an error answer) when it is not what it should be.
 */
bool scim_resource_take_entries(scim_resource_t *resource,
    const scim_reply_t *reply, size_t first, size_t count);

/*
 * One of them, at element *at, which moves behind it; its `extra` lies in
 * `page`.  The other copies all that an entry points to, so that it outlives
 * the reply; `page` notes when memory is gone.
 */
bool scim_resource_take_entry(scim_resource_t *resource,
    const scim_reply_t *reply, size_t *at, scim_entry_t *entry);
void scim_resource_keep_entry(scim_resource_t *resource, scim_entry_t *entry);

/*
 * Fetches the groups, or the members and what they are called, that entries
 * lack, then goes on with `done`.
 */
scim_step_t scim_resource_complete(scim_resource_t *resource,
    scim_resource_step_t done);
scim_step_t scim_resource_complete_groups(scim_resource_t *resource,
    scim_resource_step_t done);

/* Whether this is what an entry has of members: scim_entry_t. */
bool scim_resource_members_valid(scim_text_t ids);

/*
 * Reads the resource named by the request into entry[0] and goes on with
 * `done`; unknown: ends with 404.  Without `extra` and for a user who was never
 * in a group this is one plain GET.
 */
scim_step_t scim_resource_fetch(scim_resource_t *resource, bool extra,
    scim_resource_step_t done);

/* The stored document of entry[0]; NULL after an error answer. */
json_t *scim_resource_document(scim_resource_t *resource);

/*
 * Appends an entry as the client wants to see it.  False when its document
 * cannot be read or memory is gone.
 */
bool scim_resource_render(const scim_resource_t *resource,
    const scim_entry_t *entry, scim_buffer_t *out);

/* The resource as JSON, a new reference: what a filter is matched against. */
json_t *scim_resource_json(const scim_resource_t *resource,
    const scim_entry_t *entry, bool whole);

/* Ends with entry[0] as body, its ETag and Location. */
scim_step_t scim_resource_answer(scim_resource_t *resource, int status);
void scim_resource_headers(scim_resource_t *resource, uint64_t version);

/* Ends with 404, the same for whatever is not there. */
scim_step_t scim_resource_not_found(scim_resource_t *resource);
scim_step_t scim_resource_error(scim_resource_t *resource, int status,
    scim_error_type_t type, const char *detail);

/*
 * If-Match holds or is absent; If-None-Match names the version: 304 for a
 * read, 412 for a write.
 */
bool scim_resource_if_match(const scim_resource_t *resource,
    uint64_t version);
bool scim_resource_if_none_match(const scim_resource_t *resource,
    uint64_t version);
scim_step_t scim_resource_other_version(scim_resource_t *resource); /* 412 */

/*
 * Puts the commit of `document` and `members` (for "deleted": of neither)
 * together.  `verb` is the event's: "created", "replaced", "patched",
 * "deleted".
 */
void scim_resource_commit_command(scim_resource_t *resource,
    const char *verb);

#endif
