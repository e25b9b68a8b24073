#ifndef SIDECAR_REPLY_MEMORY_H
#define SIDECAR_REPLY_MEMORY_H

#include <hiredis/hiredis.h>

/*
 * Memory of hiredis' replies: one reply with all its elements lies in a few
 * blocks instead of two pieces an element.
 */
typedef struct {
    struct reply_block_s *blocks; /* of the reply that is being read */
} reply_memory_t;

/*
 * Has the reader put its replies together in blocks.  `memory` must outlive
 * the last byte that the reader is fed.  Replies are freed as the reader's
 * owner does: by its fn->freeObject().
 */
void reply_memory_use(reply_memory_t *memory, redisReader *reader);

#endif
