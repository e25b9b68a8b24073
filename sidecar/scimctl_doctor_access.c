#include "scimctl_doctor.h"

#include <stdio.h>
#include <string.h>

#include "redis_client.h"
#include "scim_embedded.h"
#include "scim_key.h"

#define WORDS_MAX 12

/*
 * Each command that edges, sidecars and scimctl send, in a form that Redis
 * refuses for another reason, or that changes nothing, when the user may send
 * it.  "K" stands for a key of ours.
 */
static const struct {
    const char *name;
    const char *words[WORDS_MAX];
} commands[] = {
    { "PING", { "PING" } },
    { "TIME", { "TIME" } },
    { "INFO", { "INFO", "server" } },
    { "ROLE", { "ROLE" } },
    { "FCALL", { "FCALL", "scim_no_such_function", "1", "K" } },
    { "FCALL_RO", { "FCALL_RO", "scim_no_such_function", "1", "K" } },
    { "FUNCTION LOAD", { "FUNCTION", "LOAD", "no library" } },
    { "HGET", { "HGET", "K", "id" } },
    { "HMGET", { "HMGET", "K", "id" } },
    { "GET", { "GET", "K" } },
    { "MGET", { "MGET", "K" } },
    { "ZRANGE", { "ZRANGE", "K", "0", "x" } },
    { "XREADGROUP", { "XREADGROUP", "GROUP", "sidecar", "doctor", "COUNT",
        "x", "STREAMS", "K", ">" } },
    { "XACK", { "XACK", "K", "sidecar", "x" } },
    { "XAUTOCLAIM", { "XAUTOCLAIM", "K", "sidecar", "doctor", "x", "0" } },
    { "XGROUP CREATE", { "XGROUP", "CREATE", "K", "sidecar", "x" } },
    { "XINFO GROUPS", { "XINFO", "GROUPS", "K" } }
};


static redisReply *
try_command(doctor_t *doctor, const char *const *words)
{
    int         argc = 0;
    char        key[SCIM_KEY_MAX];
    const char *argv[WORDS_MAX];

    scim_key_events(key, 0);
    for (; argc < WORDS_MAX && words[argc]; argc++) {
        argv[argc] = strcmp(words[argc], "K") == 0 ? key : words[argc];
    }
    return redisCommandArgv(doctor->command->ctl.redis, argc, argv, NULL);
}


static bool
is_refused(const redisReply *reply)
{
    return reply == NULL || (reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "NOPERM", 6) == 0);
}


static void
check_rights(doctor_t *doctor)
{
    char   found[400] = "";
    size_t len = 0;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        redisReply *reply = try_command(doctor, commands[i].words);

        if (is_refused(reply) && len < sizeof(found)) {
            len += (size_t) snprintf(found + len, sizeof(found) - len, "%s%s",
                len ? ", " : "refused: ", commands[i].name);
        }
        freeReplyObject(reply);
    }
    doctor_say(doctor, len ? WRONG : FINE, "access rights", len ? found
        : "all commands that are needed are allowed on our keys",
        "ACL SETUSER as the line at the end of redis.conf (commands and "
        "~scim:*), for the user of edges, sidecars and scimctl");
}


/* "nopass" among the flags of ACL GETUSER. */
static bool
needs_no_password(const redisReply *user)
{
    bool on = false, open = false;

    for (size_t i = 0; user && i + 1 < user->elements; i += 2) {
        const redisReply *flags = user->element[i + 1];

        if (strcmp(redis_reply_text(user, i), "flags") != 0) {
            continue;
        }
        for (size_t j = 0; j < flags->elements; j++) {
            on = on || strcmp(redis_reply_text(flags, j), "on") == 0;
            open = open || strcmp(redis_reply_text(flags, j), "nopass") == 0;
        }
    }
    return on && open;
}


/* Over the network without a password: only where we may look. */
static void
check_default_user(doctor_t *doctor)
{
    redisContext *redis = doctor->command->ctl.redis;
    redisReply   *port = redisCommand(redis, "CONFIG GET port");
    redisReply   *user = redisCommand(redis, "ACL GETUSER default");
    bool          open = port && port->type == REDIS_REPLY_ARRAY
        && strcmp(redis_reply_text(port, 1), "0") != 0 && user
        && user->type == REDIS_REPLY_ARRAY && needs_no_password(user);

    if (open) {
        doctor_say(doctor, WRONG, "access rights",
            "whoever reaches Redis' port may do anything, without a password",
            "user default off (or with a password) in redis.conf, and a user "
            "of our own as at its end");
    }
    freeReplyObject(port);
    freeReplyObject(user);
}


void
doctor_check_access(doctor_t *doctor)
{
    check_rights(doctor);
    check_default_user(doctor);
}


/* Before anything of ours is called, which would load it. */
void
doctor_check_library(doctor_t *doctor)
{
    char          key[SCIM_KEY_MAX];
    redisReply   *reply;
    bool          missing;
    redisContext *redis = doctor->command->ctl.redis;

    scim_key_events(key, 0);
    reply = redisCommand(redis, "FCALL_RO " SCIM_FUNCTION_PREFIX "stats 1 %s",
        key);
    missing = reply && reply->type == REDIS_REPLY_ERROR
        && strstr(reply->str, "Function not found") != NULL;
    doctor_say(doctor, missing ? WARNING : FINE, "library version", missing
        ? "the functions of this scimctl were not in Redis"
        : SCIM_FUNCTION_PREFIX "* are in use", "edges and sidecars are of "
        "another version than this scimctl, or none has run since Redis lost "
        "its functions; each loads its own");
    freeReplyObject(reply);
}
