#include "scim_arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 8192

struct scim_arena_chunk_s {
    scim_arena_chunk_t *next;
    size_t              used;
    size_t              size;
    alignas(max_align_t) unsigned char bytes[];
};


void *
scim_arena_alloc(scim_arena_t *arena, size_t size)
{
    void               *memory;
    size_t              room;
    scim_arena_chunk_t *chunk = arena->chunks;

    if (size > SIZE_MAX / 2) { /* rounding up must not wrap */
        arena->failed = true;
        return NULL;
    }
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (chunk == NULL || chunk->size - chunk->used < size) {
        room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = malloc(sizeof(*chunk) + room);
        if (chunk == NULL) {
            arena->failed = true;
            return NULL;
        }
        chunk->used = 0;
        chunk->size = room;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    memory = chunk->bytes + chunk->used;
    chunk->used += size;
    memset(memory, 0, size);
    return memory;
}


char *
scim_arena_copy(scim_arena_t *arena, const char *text, size_t len)
{
    char *copy = scim_arena_alloc(arena, len + 1);

    if (copy && len) {
        memcpy(copy, text, len);
    }
    return copy;
}


void
scim_arena_free(scim_arena_t *arena)
{
    scim_arena_chunk_t *next;

    for (scim_arena_chunk_t *chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena->chunks = NULL;
    arena->failed = false;
}
