/*
 * How fast Redis runs the very function calls that the edge makes: the
 * commands are produced by the edge's own operations, then sent over a few
 * connections whose pipelines are kept full.
 * usage: redis_limit SOCKET WORKSPACE SHARD RUN COUNT CONNECTIONS DEPTH
 * prints: {"calls":n,"seconds":s,"errors":e}
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "scim_embedded.h"
#include "scim_operation.h"

#define CONNECTION_MAX 64

static const char body_format[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\","
    "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"],"
    "\"userName\":\"%s@example.com\",\"name\":{\"givenName\":\"Isabella\","
    "\"familyName\":\"Lindqvist-Okonkwo\"},\"emails\":[{\"primary\":true,"
    "\"value\":\"%s@example.com\",\"type\":\"work\"}],\"phoneNumbers\":"
    "[{\"value\":\"+46 70 123 45 67\",\"type\":\"mobile\"}],\"title\":"
    "\"Paid Social Lead\",\"displayName\":\"Isabella Lindqvist-Okonkwo\","
    "\"locale\":\"en-US\",\"externalId\":\"%s\",\"groups\":[],\"urn:ietf:"
    "params:scim:schemas:extension:enterprise:2.0:User\":{"
    "\"employeeNumber\":\"701984\",\"department\":\"Marketing\","
    "\"costCenter\":\"4130\"},\"active\":true}";

typedef struct {
    char  *text;
    size_t len;
} call_t;

typedef struct {
    int          fd;
    redisReader *reader;
    size_t       sent;      /* bytes of the present call already written */
    long         next;      /* call being written, -1 = none */
    unsigned     in_flight;
} connection_t;

typedef struct {
    call_t      *calls;
    long         count;
    long         started;
    long         answered;
    long         errors;
    unsigned     depth;
    connection_t connections[CONNECTION_MAX];
    unsigned     connection_count;
} bench_t;


static void
fail(const char *what)
{
    fprintf(stderr, "redis_limit: %s: %s\n", what, strerror(errno));
    exit(1);
}


/* The command that the edge sends for one POST /Users. */
static call_t
make_call(const scim_service_t *service, const scim_principal_t *principal,
    const char *run, long number)
{
    char              body[2048], name[64];
    call_t            call = { NULL, 0 };
    scim_request_t    request;
    scim_operation_t *operation;
    long long         len;

    memset(&request, 0, sizeof(request));
    snprintf(name, sizeof(name), "l%s-%ld", run, number);
    snprintf(body, sizeof(body), body_format, name, name, name);
    request.method = SCIM_METHOD_POST;
    request.path = (scim_text_t) { "/Users", 6 };
    request.content_type = (scim_text_t) { "application/scim+json", 21 };
    request.body = (scim_text_t) { body, strlen(body) };
    request.principal = principal;
    request.transaction = (scim_text_t) { name, strlen(name) };
    request.now = (int64_t) time(NULL) * 1000 + number % 1000;
    for (size_t i = 0; i < sizeof(request.random); i++) {
        request.random[i] = (unsigned char) random();
    }
    operation = scim_operation_new(service, &request);
    if (operation == NULL
        || scim_operation_start(operation) != SCIM_STEP_SEND)
    {
        fprintf(stderr, "redis_limit: the operation did not ask for Redis\n");
        exit(1);
    }
    len = redisFormatCommandArgv(&call.text, (int) operation->command.argc,
        operation->command.argv, operation->command.argv_len);
    if (len < 0) {
        fail("format");
    }
    call.len = (size_t) len;
    scim_operation_free(operation);
    return call;
}


static int
connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        fail(path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0) {
        fail(path);
    }
    return fd;
}


static void
load_library(const char *path)
{
    redisContext *redis = redisConnectUnix(path);
    redisReply   *reply;

    if (redis == NULL || redis->err) {
        fail(path);
    }
    reply = redisCommand(redis, "FUNCTION LOAD %b", scim_function_library,
        scim_function_library_len);
    freeReplyObject(reply); /* "already exists" is as good */
    redisFree(redis);
}


static void
write_calls(bench_t *bench, connection_t *connection)
{
    while (connection->in_flight < bench->depth) {
        if (connection->next < 0) {
            if (bench->started == bench->count) {
                return;
            }
            connection->next = bench->started++;
            connection->sent = 0;
        }
        call_t *call = &bench->calls[connection->next];
        ssize_t n = send(connection->fd, call->text + connection->sent,
            call->len - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) {
                return;
            }
            fail("write");
        }
        connection->sent += (size_t) n;
        if (connection->sent < call->len) {
            return;
        }
        connection->next = -1;
        connection->in_flight++;
    }
}


static void
read_answers(bench_t *bench, connection_t *connection)
{
    char    bytes[65536];
    void   *reply;
    ssize_t n = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n <= 0) {
        fail("read");
    }
    redisReaderFeed(connection->reader, bytes, (size_t) n);
    while (redisReaderGetReply(connection->reader, &reply) == REDIS_OK
           && reply != NULL)
    {
        redisReply *answer = reply;

        if (answer->type != REDIS_REPLY_ARRAY || answer->elements < 1
            || strcmp(answer->element[0]->str, "OK") != 0)
        {
            bench->errors++;
        }
        bench->answered++;
        connection->in_flight--;
        freeReplyObject(reply);
    }
}


static void
run(bench_t *bench)
{
    struct pollfd polls[CONNECTION_MAX];

    while (bench->answered < bench->count) {
        for (unsigned i = 0; i < bench->connection_count; i++) {
            connection_t *connection = &bench->connections[i];

            write_calls(bench, connection);
            polls[i].fd = connection->fd;
            polls[i].events = POLLIN;
            if (connection->next >= 0) {
                polls[i].events |= POLLOUT;
            }
        }
        if (poll(polls, bench->connection_count, 10000) <= 0) {
            fail("poll");
        }
        for (unsigned i = 0; i < bench->connection_count; i++) {
            if (polls[i].revents & (POLLIN | POLLHUP | POLLERR)) {
                read_answers(bench, &bench->connections[i]);
            }
        }
    }
}


int
main(int argc, char **argv)
{
    bench_t          bench = { 0 };
    scim_error_t     error = { 0 };
    scim_service_t   service = { 0 };
    scim_principal_t principal = { 0 };
    struct timespec  from, to;

    if (argc != 8) {
        fprintf(stderr, "usage: redis_limit SOCKET WORKSPACE SHARD RUN COUNT "
            "CONNECTIONS DEPTH\n");
        return 2;
    }
    srandom((unsigned) time(NULL));
    service.schemas = scim_schemas_new(scim_embedded_schemas,
        scim_embedded_schema_count, &error);
    if (service.schemas == NULL) {
        fprintf(stderr, "redis_limit: %s\n", error.detail);
        return 1;
    }
    service.base_url = (scim_text_t) { "http://127.0.0.1/scim/v2", 24 };
    service.body_max = 1 << 20;
    service.page_size = service.page_size_max = 100;
    snprintf(principal.workspace, sizeof(principal.workspace), "%s", argv[2]);
    snprintf(principal.actor, sizeof(principal.actor), "bench");
    principal.role = SCIM_ROLE_SCIM;
    principal.shard = (unsigned) strtoul(argv[3], NULL, 10);
    bench.count = strtol(argv[5], NULL, 10);
    bench.connection_count = (unsigned) strtoul(argv[6], NULL, 10);
    bench.depth = (unsigned) strtoul(argv[7], NULL, 10);
    if (bench.connection_count == 0 || bench.depth == 0 || bench.count <= 0
        || bench.connection_count > CONNECTION_MAX)
    {
        fprintf(stderr, "redis_limit: a number is out of range\n");
        return 2;
    }
    load_library(argv[1]);
    bench.calls = calloc((size_t) bench.count, sizeof(*bench.calls));
    if (bench.calls == NULL) {
        fail("memory");
    }
    for (long i = 0; i < bench.count; i++) {
        bench.calls[i] = make_call(&service, &principal, argv[4], i);
    }
    for (unsigned i = 0; i < bench.connection_count; i++) {
        bench.connections[i].fd = connect_to(argv[1]);
        bench.connections[i].reader = redisReaderCreate();
        bench.connections[i].next = -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    run(&bench);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("{\"calls\":%ld,\"seconds\":%.6f,\"errors\":%ld}\n",
        bench.answered, (double) (to.tv_sec - from.tv_sec)
        + (double) (to.tv_nsec - from.tv_nsec) / 1e9, bench.errors);
    return bench.errors == 0 ? 0 : 1;
}
