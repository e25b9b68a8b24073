#include <stdlib.h>

#include "scim_bulk_internal.h"

/*
 * Who waits for whom.  An item runs when everything it refers to was made,
 * and after what stands before it in the request and touches the same
 * resource or the same unique value: then the outcome is that of one by one
 * (RFC 7644 section 3.7).  All others run at the same time.
 *
 *     waiting ──▶ ready ──▶ running ──▶ done
 *                   ▲          │
 *                   └── held ◀─┘  its value was taken by one that may yet
 *                                 give it up
 */


bool
scim_bulk_grow(scim_bulk_memory_t *memory, size_t count, size_t size)
{
    void  *larger;
    size_t room = memory->room ? 2 * memory->room : 64;

    if (count < memory->room) {
        return true;
    }
    larger = realloc(memory->bytes, room * size);
    if (larger == NULL) {
        return false;
    }
    memory->bytes = larger;
    memory->room = room;
    return true;
}


bool
scim_bulk_wait(scim_bulk_t *bulk, size_t from, size_t to, bool needs)
{
    scim_bulk_edge_t *edge;
    scim_bulk_item_t *waiter = &bulk->item.at[from];
    scim_bulk_item_t *awaited = &bulk->item.at[to];

    /* many references to one item are one edge; the stronger one comes first */
    if (from == to || bulk->marked[to] == from + 1) {
        return true;
    }
    if (!SCIM_BULK_GROW(&bulk->edge)) {
        return false;
    }
    edge = &bulk->edge.at[bulk->edge.count];
    edge->from = (uint16_t) from;
    edge->to = (uint16_t) to;
    edge->needs = needs;
    edge->next_need = waiter->first_need;
    edge->next_waiter = awaited->first_waiter;
    waiter->first_need = awaited->first_waiter = bulk->edge.count++;
    waiter->waits++;
    if (needs) {
        bulk->marked[to] = (uint16_t) (from + 1);
    }
    return true;
}


void
scim_bulk_set_ready(scim_bulk_t *bulk, size_t number)
{
    bulk->item.at[number].state = SCIM_BULK_READY;
    bulk->ready[number / 64] |= UINT64_C(1) << number % 64;
}


bool
scim_bulk_next_ready(scim_bulk_t *bulk, size_t *number)
{
    for (size_t i = 0; i < sizeof(bulk->ready) / sizeof(bulk->ready[0]); i++) {
        if (bulk->ready[i]) {
            *number = 64 * i + (size_t) __builtin_ctzll(bulk->ready[i]);
            bulk->ready[i] &= bulk->ready[i] - 1;
            return true;
        }
    }
    return false;
}


void
scim_bulk_set_done(scim_bulk_t *bulk, size_t number)
{
    bool              failed;
    scim_bulk_edge_t *edge;
    scim_bulk_item_t *waiter, *item = &bulk->item.at[number];

    item->state = SCIM_BULK_DONE;
    bulk->done++;
    failed = item->status >= 300;
    for (size_t i = item->first_waiter; i; i = edge->next_waiter) {
        edge = &bulk->edge.at[i];
        waiter = &bulk->item.at[edge->from];
        waiter->waits--;
        if (failed && edge->needs) {
            waiter->broken = item->bulk_id.text;
        }
        if (waiter->waits == 0 && waiter->state == SCIM_BULK_WAITING) {
            scim_bulk_set_ready(bulk, edge->from);
        }
    }
    while (bulk->oldest < bulk->item.count
           && bulk->item.at[bulk->oldest].state == SCIM_BULK_DONE)
    {
        bulk->oldest++;
    }
    if (bulk->oldest < bulk->item.count
        && bulk->item.at[bulk->oldest].state == SCIM_BULK_HELD)
    {
        scim_bulk_set_ready(bulk, bulk->oldest);
    }
}


/* Whom a waiting item waits for; itself when it is for nobody. */
static size_t
awaited_by(const scim_bulk_t *bulk, size_t number)
{
    const scim_bulk_edge_t *edge;

    for (size_t i = bulk->item.at[number].first_need; i; i = edge->next_need) {
        edge = &bulk->edge.at[i];
        if (bulk->item.at[edge->to].state != SCIM_BULK_DONE) {
            return edge->to;
        }
    }
    return number;
}


/*
 * Following whom one waits for ends at one that is held, or in a circle: so
 * many steps lead into it, and once around it finds its first.
 */
bool
scim_bulk_unlock(scim_bulk_t *bulk)
{
    size_t at = bulk->oldest, first;

    if (at == bulk->item.count) {
        return false;
    }
    for (size_t i = 0; i < bulk->item.count; i++) {
        if (bulk->item.at[at].state == SCIM_BULK_HELD) {
            scim_bulk_set_ready(bulk, at);
            return true;
        }
        at = awaited_by(bulk, at);
    }
    first = at;
    bulk->item.at[at].circular = true;
    for (size_t next = awaited_by(bulk, at); next != at;
         next = awaited_by(bulk, next))
    {
        bulk->item.at[next].circular = true;
        first = next < first ? next : first;
    }
    scim_bulk_set_ready(bulk, first);
    return true;
}
