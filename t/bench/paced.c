/*
 * SCIM requests at a fixed rate, whether or not the answers keep up: each
 * has its moment, and its time counts from that moment.  A quarter each:
 * a look-up by userName, a read, a title that is replaced, a new user.
 * usage: paced PORT IDS RUN RATE SECONDS CONNECTIONS, SCIM_TOKEN set; IDS is
 * a file of ids of users
 * prints: {"sent":n,"answered":n,"seconds":s,"errors":e,"p50_ms":m,
 * "p99_ms":m}
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_MAX 512
#define ID_MAX         4096
#define ANSWER_MAX     65536
#define PATIENCE       5.0 /* seconds to wait for the last answers */

typedef struct {
    int    fd;
    bool   busy;
    double due; /* seconds; when the request should have been sent */
    char   answer[ANSWER_MAX];
    size_t len;
} connection_t;

typedef struct {
    const char   *token, *run;
    char          ids[ID_MAX][40];
    size_t        id_count;
    double        rate, seconds, from, last;
    long          sent, answered, errors;
    double       *times;
    long          times_max;
    connection_t *connections;
    unsigned      connection_count;
} bench_t;


static void
fail(const char *what)
{
    fprintf(stderr, "paced: %s: %s\n", what, strerror(errno));
    exit(1);
}


static double
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}


static int
connect_to(int port)
{
    int                on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t) port),
        .sin_addr = { htonl(INADDR_LOOPBACK) }
    };

    if (fd < 0 || connect(fd, (struct sockaddr *) &address,
                      sizeof(address)) != 0)
    {
        fail("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}


static void
read_ids(bench_t *bench, const char *path)
{
    FILE *in = fopen(path, "r");

    if (in == NULL) {
        fail(path);
    }
    while (bench->id_count < ID_MAX
           && fscanf(in, "%39s", bench->ids[bench->id_count]) == 1)
    {
        bench->id_count++;
    }
    fclose(in);
    if (bench->id_count == 0) {
        fail("no ids");
    }
}


static int
write_body(const bench_t *bench, long number, char *body, size_t size)
{
    switch (number % 4) {
    case 2:
        return snprintf(body, size, "{\"schemas\":[\"urn:ietf:params:scim:api:"
            "messages:2.0:PatchOp\"],\"Operations\":[{\"op\":\"replace\","
            "\"path\":\"title\",\"value\":\"%s %ld\"}]}", bench->run, number);
    case 3:
        return snprintf(body, size, "{\"schemas\":[\"urn:ietf:params:scim:"
            "schemas:core:2.0:User\"],\"userName\":\"%s-%ld@example.com\","
            "\"name\":{\"givenName\":\"Isabella\",\"familyName\":\"Lindqvist-"
            "Okonkwo\"},\"emails\":[{\"primary\":true,\"value\":\"%s-%ld@"
            "example.com\",\"type\":\"work\"}],\"displayName\":\"Isabella "
            "Lindqvist-Okonkwo\",\"externalId\":\"%s-%ld\",\"active\":true}",
            bench->run, number, bench->run, number, bench->run, number);
    default:
        return 0;
    }
}


static void
send_request(bench_t *bench, connection_t *connection)
{
    char        text[2048], body[1024], path[160];
    int         len, body_len;
    long        number = bench->sent++;
    const char *id = bench->ids[(size_t) (number / 4) % bench->id_count];
    static const char *const methods[] = { "GET", "GET", "PATCH", "POST" };

    body_len = write_body(bench, number, body, sizeof(body));
    if (number % 4 == 0) {
        snprintf(path, sizeof(path), "?filter=userName%%20eq%%20%%22p%ld"
            "%%40example.com%%22", number / 4 % 1000);
    } else {
        snprintf(path, sizeof(path), "%s%s", number % 4 == 3 ? "" : "/",
            number % 4 == 3 ? "" : id);
    }
    len = snprintf(text, sizeof(text), "%s /scim/v2/Users%s HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n"
        "%.*s", methods[number % 4], path, bench->token, body_len, body_len,
        body);
    connection->busy = true;
    connection->len = 0;
    connection->due = bench->from + (double) number / bench->rate;
    if (send(connection->fd, text, (size_t) len, MSG_NOSIGNAL) != len) {
        fail("send");
    }
}


/* True when the answer is whole. */
static bool
is_whole(connection_t *connection)
{
    char *end, *length;

    connection->answer[connection->len] = '\0';
    end = strstr(connection->answer, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    length = strcasestr(connection->answer, "content-length:");
    if (length == NULL || length > end) {
        return strncmp(connection->answer, "HTTP/1.1 204", 12) == 0;
    }
    return connection->len - (size_t) (end + 4 - connection->answer)
        >= strtoul(length + 15, NULL, 10);
}


static void
read_answer(bench_t *bench, connection_t *connection)
{
    ssize_t n = recv(connection->fd, connection->answer + connection->len,
        ANSWER_MAX - 1 - connection->len, MSG_DONTWAIT);

    if (n <= 0) {
        fail("read");
    }
    connection->len += (size_t) n;
    if (!is_whole(connection)) {
        return;
    }
    if (connection->answer[9] != '2') {
        bench->errors++;
        fprintf(stderr, "paced: %.300s\n", connection->answer);
    }
    bench->last = now();
    bench->times[bench->answered++] = bench->last - connection->due;
    connection->busy = false;
}


/* Sends what is due while a connection is free. */
static void
send_due(bench_t *bench)
{
    unsigned at = 0;
    double   passed = now() - bench->from;
    long     due = (long) ((passed < bench->seconds ? passed
        : bench->seconds) * bench->rate);

    while (bench->sent < due && bench->sent < bench->times_max) {
        while (at < bench->connection_count && bench->connections[at].busy) {
            at++;
        }
        if (at == bench->connection_count) {
            return;
        }
        send_request(bench, &bench->connections[at]);
    }
}


static void
run(bench_t *bench)
{
    struct pollfd   polls[CONNECTION_MAX];
    struct timespec pause = { 0, 0 };

    bench->from = now();
    while (bench->answered < bench->times_max
           && now() < bench->from + bench->seconds + PATIENCE)
    {
        send_due(bench);
        for (unsigned i = 0; i < bench->connection_count; i++) {
            polls[i].fd = bench->connections[i].busy
                ? bench->connections[i].fd : -1;
            polls[i].events = POLLIN;
        }
        pause.tv_nsec = (long) (1e9 / bench->rate);
        if (ppoll(polls, bench->connection_count, &pause, NULL) < 0) {
            fail("poll");
        }
        for (unsigned i = 0; i < bench->connection_count; i++) {
            if (polls[i].fd >= 0 && polls[i].revents) {
                read_answer(bench, &bench->connections[i]);
            }
        }
    }
}


static int
compare(const void *a, const void *b)
{
    double left = *(const double *) a, right = *(const double *) b;

    return (left > right) - (left < right);
}


static void
report(bench_t *bench)
{
    long n = bench->answered;

    qsort(bench->times, (size_t) n, sizeof(*bench->times), compare);
    printf("{\"sent\":%ld,\"answered\":%ld,\"seconds\":%.6f,\"errors\":%ld,"
        "\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", bench->sent, n,
        bench->last - bench->from, bench->errors,
        n ? bench->times[n / 2] * 1000 : 0,
        n ? bench->times[n * 99 / 100] * 1000 : 0);
}


int
main(int argc, char **argv)
{
    static bench_t bench;

    if (argc != 7 || getenv("SCIM_TOKEN") == NULL) {
        fprintf(stderr, "usage: paced PORT IDS RUN RATE SECONDS CONNECTIONS, "
            "SCIM_TOKEN set\n");
        return 2;
    }
    bench.token = getenv("SCIM_TOKEN");
    bench.run = argv[3];
    bench.rate = strtod(argv[4], NULL);
    bench.seconds = strtod(argv[5], NULL);
    bench.connection_count = (unsigned) strtoul(argv[6], NULL, 10);
    if (!(bench.rate > 0) || !(bench.seconds > 0)
        || bench.connection_count == 0
        || bench.connection_count > CONNECTION_MAX)
    {
        fprintf(stderr, "paced: a number is out of range\n");
        return 2;
    }
    read_ids(&bench, argv[2]);
    bench.times_max = (long) (bench.rate * bench.seconds);
    bench.times = calloc((size_t) bench.times_max + 1, sizeof(double));
    bench.connections = calloc(bench.connection_count,
        sizeof(*bench.connections));
    if (bench.times == NULL || bench.connections == NULL) {
        fail("memory");
    }
    for (unsigned i = 0; i < bench.connection_count; i++) {
        bench.connections[i].fd = connect_to((int) strtol(argv[1], NULL, 10));
    }
    run(&bench);
    report(&bench);
    return 0;
}
