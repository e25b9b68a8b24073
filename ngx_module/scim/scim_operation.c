#include "scim_operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scim_embedded.h"
#include "scim_key.h"
#include "scim_text.h"

#define BODY_MAX       ((size_t) 1 << 31)
#define ARGUMENTS_MIN  64


static bool
holds(scim_text_t text, const char *word)
{
    return text.len && memmem(text.text, text.len, word, strlen(word));
}


const char *
scim_media_type(scim_text_t accept)
{
    return holds(accept, "application/json")
            && !holds(accept, "application/scim+json")
            && !holds(accept, "*/*") && !holds(accept, "application/*")
        ? "application/json" : "application/scim+json";
}


const char *
scim_operation_media_type(const scim_operation_t *operation)
{
    return scim_media_type(operation->request->accept);
}


static void
render_scim_error(scim_operation_t *operation, const scim_error_t *error)
{
    operation->response.content_type = scim_operation_media_type(operation);
    scim_error_render(error, &operation->response.body);
}


void *
scim_operation_alloc(size_t size, const scim_service_t *service,
    const scim_request_t *request)
{
    scim_operation_t *operation = calloc(1, size);

    if (operation) {
        operation->service = service;
        operation->request = request;
        operation->command.operation = operation;
        operation->render_error = render_scim_error;
        scim_buffer_init(&operation->response.body, BODY_MAX);
    }
    return operation;
}


void
scim_operation_free(scim_operation_t *operation)
{
    if (operation == NULL) {
        return;
    }
    if (operation->destroy) {
        operation->destroy(operation);
    }
    free(operation->command.argv);
    free(operation->command.argv_len);
    scim_buffer_free(&operation->response.body);
    scim_arena_free(&operation->sending);
    scim_arena_free(&operation->arena);
    free(operation);
}


/* What a step left behind, checked once for all families. */
static scim_step_t
checked(scim_operation_t *operation, scim_step_t step)
{
    static const scim_error_t no_memory = { 500, SCIM_ERROR_NONE,
                                            "no memory" };

    if (operation->parts && step != SCIM_STEP_DONE) {
        return step; /* commands are under way: at its end */
    }
    if (operation->arena.failed
        || scim_buffer_failed(&operation->response.body))
    {
        operation->arena.failed = false;
        scim_buffer_reset(&operation->response.body);
        return scim_operation_fail(operation, &no_memory);
    }
    return step;
}


scim_step_t
scim_operation_start(scim_operation_t *operation)
{
    return checked(operation, operation->next(operation, NULL));
}


scim_command_t *
scim_operation_command(scim_operation_t *operation)
{
    if (operation->parts) {
        return operation->parts->command(operation);
    }
    if (!operation->composed) {
        return NULL;
    }
    operation->composed = false;
    return &operation->command;
}


scim_step_t
scim_operation_reply(scim_operation_t *operation, scim_command_t *command,
    const scim_reply_t *reply)
{
    if (operation->parts) {
        return checked(operation,
            operation->parts->reply(operation, command, reply));
    }
    if (scim_operation_refused(operation, reply)) {
        return SCIM_STEP_DONE;
    }
    return checked(operation, operation->next(operation, reply));
}


scim_step_t
scim_operation_lost(scim_operation_t *operation, scim_command_t *command,
    const char *detail)
{
    scim_error_t error = { 0 };

    if (operation->parts) {
        return checked(operation,
            operation->parts->lost(operation, command, detail));
    }
    scim_error_set(&error, 503, SCIM_ERROR_NONE, "%s", detail);
    scim_operation_fail(operation, &error);
    operation->response.retry_after = SCIM_RETRY_AFTER;
    return SCIM_STEP_DONE;
}


scim_step_t
scim_operation_continue(scim_operation_t *operation)
{
    return checked(operation, operation->parts->resume(operation));
}


scim_step_t
scim_operation_end(scim_operation_t *operation, int status)
{
    operation->composed = false;
    operation->response.status = status;
    return SCIM_STEP_DONE;
}


scim_step_t
scim_operation_fail(scim_operation_t *operation, const scim_error_t *error)
{
    scim_buffer_reset(&operation->response.body);
    operation->response.etag[0] = '\0';
    operation->response.location[0] = '\0';
    operation->response.transaction[0] = '\0';
    operation->response.scim_type = error->type;
    operation->render_error(operation, error);
    return scim_operation_end(operation, error->status);
}


/* ---- commands ---- */

void
scim_command_add(scim_operation_t *operation, const char *text, size_t len)
{
    scim_command_t *command = &operation->command;
    size_t          n = command->argc, *lengths;
    const char    **arguments;

    /* room doubles at every power of two from ARGUMENTS_MIN on */
    if (n == 0 || (n >= ARGUMENTS_MIN && (n & (n - 1)) == 0)) {
        size_t room = n ? 2 * n : ARGUMENTS_MIN;

        arguments = realloc(command->argv, room * sizeof(*arguments));
        if (arguments) {
            command->argv = arguments;
        }
        lengths = realloc(command->argv_len, room * sizeof(*lengths));
        if (lengths) {
            command->argv_len = lengths;
        }
        if (arguments == NULL || lengths == NULL) {
            operation->arena.failed = true;
            return;
        }
    }
    command->argv[n] = scim_arena_copy(&operation->sending, text, len);
    if (command->argv[n] == NULL) {
        operation->arena.failed = true;
        return;
    }
    command->argv_len[n] = len;
    command->argc++;
}


void
scim_command_text(scim_operation_t *operation, const char *text)
{
    scim_command_add(operation, text, strlen(text));
}


void
scim_command_number(scim_operation_t *operation, long long number)
{
    char  text[SCIM_TEXT_DIGITS + 1];
    char *end = text + sizeof(text);
    char *begin = scim_text_number(end, number);

    scim_command_add(operation, begin, (size_t) (end - begin));
}


void
scim_command_plain(scim_operation_t *operation, const char *command)
{
    operation->command.argc = 0;
    scim_arena_free(&operation->sending);
    scim_command_text(operation, command);
}


void
scim_command_call(scim_operation_t *operation, const char *function,
    bool read_only)
{
    char                    name[80] = SCIM_FUNCTION_PREFIX;
    char                    key[SCIM_KEY_MAX];
    size_t                  prefix_len = sizeof(SCIM_FUNCTION_PREFIX) - 1;
    size_t                  len = strlen(function);
    const scim_request_t   *request = operation->request;
    const scim_principal_t *principal = request->principal;

    len = len < sizeof(name) - prefix_len ? len : 0; /* then it is unknown */
    memcpy(name + prefix_len, function, len);
    scim_command_plain(operation, read_only ? "FCALL_RO" : "FCALL");
    scim_command_add(operation, name, prefix_len + len);
    scim_command_text(operation, "1");
    scim_command_add(operation, key, scim_key_events(key, principal->shard));
    scim_command_text(operation, principal->workspace);
    scim_command_add(operation, request->dataset.text, request->dataset.len);
    scim_command_number(operation, request->deadline);
}


scim_step_t
scim_command_send(scim_operation_t *operation,
    scim_step_t (*next)(scim_operation_t *, const scim_reply_t *))
{
    operation->next = next;
    operation->composed = true;
    return SCIM_STEP_SEND;
}


/* ---- replies ---- */

bool
scim_reply_is(const scim_reply_t *reply, const char *code)
{
    const scim_reply_t *first;

    if (reply->type != SCIM_REPLY_ARRAY || reply->elements == 0) {
        return false;
    }
    first = &reply->element[0];
    return first->type == SCIM_REPLY_STRING && first->len == strlen(code)
        && memcmp(first->text, code, first->len) == 0;
}


scim_text_t
scim_reply_text(const scim_reply_t *reply, size_t element)
{
    const scim_reply_t *one;
    scim_text_t         none = { "", 0 };

    if (reply->type != SCIM_REPLY_ARRAY || element >= reply->elements) {
        return none;
    }
    one = &reply->element[element];
    return one->type == SCIM_REPLY_STRING
        ? (scim_text_t) { one->text, one->len } : none;
}


long long
scim_reply_number(const scim_reply_t *reply, size_t element)
{
    char        digits[24];
    scim_text_t text;

    if (reply->type == SCIM_REPLY_ARRAY && element < reply->elements
        && reply->element[element].type == SCIM_REPLY_INTEGER)
    {
        return reply->element[element].integer;
    }
    text = scim_reply_text(reply, element);
    if (text.len == 0 || text.len >= sizeof(digits)) {
        return 0;
    }
    memcpy(digits, text.text, text.len);
    digits[text.len] = '\0';
    return strtoll(digits, NULL, 10);
}


typedef struct {
    const char *prefix;
    int         status;
    unsigned    retry_after;
    const char *detail;
} refusal_t;

/* Answers of our functions that any of them can give. */
static const refusal_t code_refusals[] = {
    { "EXPIRED", 503, 1, "the store was too slow; nothing was changed" },
    { "DATASET", 503, 10, "the store holds another data set" },
    { "BACKLOG", 503, 5, "too many events wait to be processed" }
};

/* Errors of Redis itself, by prefix: reference, section B11. */
static const refusal_t error_refusals[] = {
    { "LOADING", 503, 2, "the store is starting" },
    { "MASTERDOWN", 503, 2, "the store has no master" },
    { "CLUSTERDOWN", 503, 2, "the store is incomplete" },
    { "TRYAGAIN", 503, 2, "the store is moving data" },
    { "NOREPLICAS", 503, 2, "the store lacks replicas" },
    { "BUSY", 503, 5, "the store is busy" },
    { "READONLY", 503, 2, "the store is read-only" },
    { "OOM", 503, 30, "the store is full" },
    { "MISCONF", 503, 10, "the store cannot write to its disk" },
    { "NOAUTH", 503, 10, "the store refuses this server" },
    { "NOPERM", 503, 10, "the store refuses this server" },
    { "WRONGPASS", 503, 10, "the store refuses this server" },
    { "ERR Function not found", 503, 1, "the store lacks our functions" },
    { "", 500, 0, "the store reported an error" }
};


static bool
refuse(scim_operation_t *operation, const refusal_t *refusal)
{
    scim_error_t error = { 0 };

    scim_error_set(&error, refusal->status, SCIM_ERROR_NONE, "%s",
        refusal->detail);
    scim_operation_fail(operation, &error);
    operation->response.retry_after = refusal->retry_after;
    return true;
}


/* What an error of Redis means. */
static const refusal_t *
refusal_of(const scim_reply_t *reply)
{
    const refusal_t *refusal = error_refusals;

    while (refusal->prefix[0]
           && (reply->len < strlen(refusal->prefix)
               || memcmp(reply->text, refusal->prefix,
                   strlen(refusal->prefix)) != 0))
    {
        refusal++;
    }
    return refusal;
}


bool
scim_reply_is_bug(const scim_reply_t *reply)
{
    return reply->type == SCIM_REPLY_ERROR
        && refusal_of(reply)->status == 500;
}


bool
scim_operation_refused(scim_operation_t *operation, const scim_reply_t *reply)
{
    if (reply->type == SCIM_REPLY_ERROR) {
        return refuse(operation, refusal_of(reply));
    }
    for (size_t i = 0; i < sizeof(code_refusals) / sizeof(code_refusals[0]);
         i++)
    {
        if (scim_reply_is(reply, code_refusals[i].prefix)) {
            return refuse(operation, &code_refusals[i]);
        }
    }
    return false;
}
