#ifndef SCIMCTL_REDIS_H
#define SCIMCTL_REDIS_H

#include <hiredis/hiredis.h>
#include <jansson.h>

#include "scim_operation.h"

/* The operator's connection: the same operations as the edge, synchronous. */
typedef struct {
    redisContext    *redis;
    scim_service_t   service;
    scim_principal_t principal;
    char             dataset[80];
    unsigned         shard_count;
} scimctl_t;

/*
 * Connects, as `user` (NULL = default) with the password that is the first
 * line of a file (NULL = none).  False with a message on standard error.
 */
bool scimctl_connect(scimctl_t *ctl, const char *address, const char *user,
    const char *password_file, const char *workspace);
void scimctl_close(scimctl_t *ctl);

/* Reads the data set's id and shards; false when there is none. */
bool scimctl_dataset(scimctl_t *ctl);

/* Makes every shard usable under one new random id. */
bool scimctl_dataset_create(scimctl_t *ctl, unsigned shard_count);

/*
 * One request of the admin API, as its owner.  Returns the HTTP status (0 =
 * Redis failed, said on standard error); *answer is a new reference or NULL.
 */
int scimctl_request(scimctl_t *ctl, scim_method_t method, const char *path,
    const char *query, const json_t *body, json_t **answer);

/*
 * One of our functions on the workspace's shard: its arguments as texts, NULL
 * at the end.  NULL (said on standard error) when Redis failed; the caller
 * frees the reply.
 */
redisReply *scimctl_call(scimctl_t *ctl, bool read_only,
    const char *function, ...) __attribute__((sentinel));

/* The same on any shard, for functions that are about all of it. */
redisReply *scimctl_call_shard(scimctl_t *ctl, unsigned shard,
    bool read_only, const char *function, ...) __attribute__((sentinel));

/* A plain command of printf() form, as redisCommand(); NULL as above. */
redisReply *scimctl_command(scimctl_t *ctl, const char *format, ...);

/*
 * The id of the user with this userName.  200, 404, or what else went wrong
 * (said on standard error).
 */
int scimctl_find_user(scimctl_t *ctl, const char *user_name, char *id,
    size_t size);

#endif
