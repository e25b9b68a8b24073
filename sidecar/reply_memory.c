#include "reply_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 2048
#define ALIGNMENT  16

typedef struct reply_block_s block_t;

struct reply_block_s {
    block_t *next;
    size_t   used, size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

/* What the caller sees of a reply, and where all of it lies. */
typedef struct {
    redisReply reply;
    block_t   *first;
} root_t;


static block_t *
block_new(size_t size)
{
    block_t *block;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    block = malloc(sizeof(*block) + (size < BLOCK_SIZE ? BLOCK_SIZE : size));
    if (block) {
        block->next = NULL;
        block->used = 0;
        block->size = size < BLOCK_SIZE ? BLOCK_SIZE : size;
    }
    return block;
}


static void *
take(reply_memory_t *memory, size_t size)
{
    void    *piece;
    block_t *block = memory->blocks;

    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > block->size - block->used) {
        block = block_new(size);
        if (block == NULL) {
            return NULL;
        }
        /* behind the first one, which leads to all of them */
        block->next = memory->blocks->next;
        memory->blocks->next = block;
        if (size >= BLOCK_SIZE) {
            block->used = size;
            return block->bytes;
        }
        memory->blocks = block;
    }
    piece = block->bytes + block->used;
    block->used += size;
    return piece;
}


/* A zeroed object; the first of a reply begins its memory. */
static redisReply *
new_object(const redisReadTask *task)
{
    root_t         *root;
    redisReply     *reply;
    reply_memory_t *memory = task->privdata;

    if (task->parent == NULL) {
        memory->blocks = block_new(sizeof(*root));
        if (memory->blocks == NULL) {
            return NULL;
        }
        root = take(memory, sizeof(*root));
        memset(root, 0, sizeof(*root));
        root->first = memory->blocks;
        root->reply.type = task->type;
        return &root->reply;
    }
    reply = take(memory, sizeof(*reply));
    if (reply) {
        memset(reply, 0, sizeof(*reply));
        reply->type = task->type;
    }
    return reply;
}


static void
free_object(void *reply)
{
    block_t *block, *next;

    for (block = reply ? ((root_t *) reply)->first : NULL; block;
         block = next)
    {
        next = block->next;
        free(block);
    }
}


/* Into its array; an object that could not be completed is given up. */
static void *
place(const redisReadTask *task, redisReply *reply, int complete)
{
    redisReply *parent;

    if (reply == NULL || !complete) {
        if (task->parent == NULL) {
            free_object(reply);
        }
        return NULL;
    }
    if (task->parent) {
        parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}


static void *
create_string(const redisReadTask *task, char *text, size_t len)
{
    redisReply *reply = new_object(task);

    if (reply) {
        reply->str = take(task->privdata, len + 1);
    }
    if (reply && reply->str) {
        memcpy(reply->str, text, len);
        reply->str[len] = '\0';
        reply->len = len;
    }
    return place(task, reply, reply && reply->str);
}


static void *
create_array_of(const redisReadTask *task, size_t elements)
{
    size_t      size = elements * sizeof(redisReply *);
    redisReply *reply = new_object(task);

    if (reply && elements > 0 && elements <= SIZE_MAX / 4 / sizeof(void *)) {
        reply->element = take(task->privdata, size);
        if (reply->element) {
            memset(reply->element, 0, size);
        }
    }
    if (reply) {
        reply->elements = elements;
    }
    return place(task, reply, reply && (elements == 0 || reply->element));
}


#if HIREDIS_MAJOR >= 1
static void *
create_array(const redisReadTask *task, size_t elements)
{
    return create_array_of(task, elements);
}
#else
static void *
create_array(const redisReadTask *task, int elements)
{
    return create_array_of(task, (size_t) elements);
}
#endif


static void *
create_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = new_object(task);

    if (reply) {
        reply->integer = value;
    }
    return place(task, reply, 1);
}


static void *
create_nil(const redisReadTask *task)
{
    redisReply *reply = new_object(task);

    if (reply) {
        reply->type = REDIS_REPLY_NIL; /* the task has a string's, or array's */
    }
    return place(task, reply, 1);
}


/* Replies of RESP2 alone are asked for. */
static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object
};


void
reply_memory_use(reply_memory_t *memory, redisReader *reader)
{
    memory->blocks = NULL;
    reader->fn = &functions;
    reader->privdata = memory;
}
