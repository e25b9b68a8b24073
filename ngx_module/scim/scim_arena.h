#ifndef SCIM_ARENA_H
#define SCIM_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Memory of one operation, freed at once.  Failure is sticky, so that a
 * command can be put together first and tested once.
 */
typedef struct scim_arena_chunk_s scim_arena_chunk_t;

typedef struct {
    scim_arena_chunk_t *chunks;
    bool                failed;
} scim_arena_t;

/* Zeroed, aligned for anything; NULL (and `failed`) when there is none. */
void *scim_arena_alloc(scim_arena_t *arena, size_t size);

/* A copy with a NUL behind it. */
char *scim_arena_copy(scim_arena_t *arena, const char *text, size_t len);

void scim_arena_free(scim_arena_t *arena);

#endif
