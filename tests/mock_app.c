#include "mock_app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS_MAX 64
#define ANSWERS_MAX 256
#define INPUT_MAX 65536

typedef struct {
    int         fd; /* -1 = closed */
    char       *input;
    size_t      input_len;
    const char *output; /* the answer being sent */
    size_t      output_len;
    mock_then_t then;
} connection_t;

typedef struct {
    char       *bytes;
    size_t      len;
    mock_then_t then;
} answer_t;

struct mock_app_s {
    loop_t         *loop;
    int             fd;
    unsigned        port;
    connection_t    connections[CONNECTIONS_MAX];
    unsigned        connection_count;
    answer_t        answers[ANSWERS_MAX];
    size_t          answer_count, answered;
    mock_request_t *requests;
    size_t          request_count;
};

static void on_ready(loop_t *loop, int fd, int events, void *data);


static void
close_connection(mock_app_t *app, connection_t *connection)
{
    loop_watch(app->loop, connection->fd, 0, NULL, NULL);
    close(connection->fd);
    connection->fd = -1;
    free(connection->input);
    connection->input = NULL;
}


static void
keep_request(mock_app_t *app, connection_t *connection, size_t head,
    size_t body)
{
    size_t          size;
    mock_request_t *request;

    size = (app->request_count + 1) * sizeof(*app->requests);
    app->requests = realloc(app->requests, size);
    assert_non_null(app->requests);
    request = &app->requests[app->request_count++];
    memset(request, 0, sizeof(*request));
    assert_true(head < sizeof(request->head));
    memcpy(request->head, connection->input, head);
    memcpy(request->body, connection->input + head,
        body < sizeof(request->body) ? body : sizeof(request->body) - 1);
    request->connection = (unsigned) (connection - app->connections);
}


/* Takes one whole request from the input and picks its answer. */
static bool
take_request(mock_app_t *app, connection_t *connection)
{
    char       *end, *length;
    size_t      head, body = 0;
    answer_t   *answer;

    connection->input[connection->input_len] = '\0';
    end = strstr(connection->input, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    head = (size_t) (end - connection->input) + 4;
    length = strcasestr(connection->input, "\r\nContent-Length:");
    if (length && length < end) {
        body = strtoul(length + 17, NULL, 10);
    }
    assert_true(head + body < INPUT_MAX);
    if (connection->input_len < head + body) {
        return false;
    }
    keep_request(app, connection, head, body);
    connection->input_len -= head + body;
    memmove(connection->input, connection->input + head + body,
        connection->input_len);
    if (app->answered == app->answer_count) {
        fail_msg("the app has no answer for: %.*s",
            (int) strcspn(app->requests[app->request_count - 1].head, "\r"),
            app->requests[app->request_count - 1].head);
    }
    answer = &app->answers[app->answered++];
    connection->output = answer->bytes;
    connection->output_len = answer->len;
    connection->then = answer->then;
    return true;
}


static void
send_output(mock_app_t *app, connection_t *connection)
{
    ssize_t sent;

    while (connection->output_len > 0) {
        sent = send(connection->fd, connection->output,
            connection->output_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            loop_watch(app->loop, connection->fd, LOOP_READ | LOOP_WRITE,
                on_ready, app);
            return;
        }
        if (sent < 0) {
            close_connection(app, connection);
            return;
        }
        connection->output += sent;
        connection->output_len -= (size_t) sent;
    }
    if (connection->then == MOCK_CLOSE) {
        close_connection(app, connection);
        return;
    }
    loop_watch(app->loop, connection->fd, LOOP_READ, on_ready, app);
}


static void
on_ready(loop_t *loop, int fd, int events, void *data)
{
    ssize_t       len;
    mock_app_t   *app = data;
    connection_t *connection = app->connections;

    (void) loop;
    while (connection->fd != fd) {
        connection++;
    }
    if (connection->output_len > 0) {
        if (events & LOOP_WRITE) {
            send_output(app, connection);
        }
        return;
    }
    len = recv(fd, connection->input + connection->input_len,
        INPUT_MAX - 1 - connection->input_len, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len <= 0) {
        close_connection(app, connection);
        return;
    }
    connection->input_len += (size_t) len;
    if (take_request(app, connection)) {
        send_output(app, connection);
    }
}


static void
on_accept(loop_t *loop, int fd, int events, void *data)
{
    mock_app_t   *app = data;
    connection_t *connection;

    (void) events;
    assert_true(app->connection_count < CONNECTIONS_MAX);
    connection = &app->connections[app->connection_count++];
    connection->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(connection->fd >= 0);
    connection->input = malloc(INPUT_MAX);
    assert_non_null(connection->input);
    assert_true(loop_watch(loop, connection->fd, LOOP_READ, on_ready, app));
}


mock_app_t *
mock_app_new(loop_t *loop)
{
    socklen_t          len;
    mock_app_t        *app = calloc(1, sizeof(*app));
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };

    assert_non_null(app);
    len = sizeof(address);
    app->loop = loop;
    app->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(app->fd >= 0);
    assert_int_equal(bind(app->fd, (void *) &address, len), 0);
    assert_int_equal(listen(app->fd, 64), 0);
    assert_int_equal(getsockname(app->fd, (void *) &address, &len), 0);
    app->port = ntohs(address.sin_port);
    assert_true(loop_watch(loop, app->fd, LOOP_READ, on_accept, app));
    return app;
}


void
mock_app_free(mock_app_t *app)
{
    for (unsigned i = 0; i < app->connection_count; i++) {
        if (app->connections[i].fd >= 0) {
            close_connection(app, &app->connections[i]);
        }
    }
    for (size_t i = 0; i < app->answer_count; i++) {
        free(app->answers[i].bytes);
    }
    loop_watch(app->loop, app->fd, 0, NULL, NULL);
    close(app->fd);
    free(app->requests);
    free(app);
}


unsigned
mock_app_port(const mock_app_t *app)
{
    return app->port;
}


void
mock_app_raw(mock_app_t *app, const char *bytes, size_t len,
    mock_then_t then)
{
    answer_t *answer = &app->answers[app->answer_count++];

    assert_true(app->answer_count <= ANSWERS_MAX);
    answer->bytes = malloc(len + 1);
    assert_non_null(answer->bytes);
    memcpy(answer->bytes, bytes, len);
    answer->len = len;
    answer->then = then;
}


void
mock_app_answer(mock_app_t *app, int status, const char *headers,
    const char *body)
{
    char *bytes;
    int   len = asprintf(&bytes, "HTTP/1.1 %d Status\r\n%s"
        "Content-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);

    assert_true(len > 0);
    mock_app_raw(app, bytes, (size_t) len, MOCK_KEEP);
    free(bytes);
}


size_t
mock_app_count(const mock_app_t *app)
{
    return app->request_count;
}


const mock_request_t *
mock_app_request(const mock_app_t *app, size_t index)
{
    assert_true(index < app->request_count);
    return &app->requests[index];
}


bool
mock_app_is(const mock_app_t *app, size_t index, const char *begin)
{
    return strncmp(mock_app_request(app, index)->head, begin,
        strlen(begin)) == 0;
}


bool
mock_app_has(const mock_app_t *app, size_t index, const char *line)
{
    char text[1024];

    snprintf(text, sizeof(text), "\r\n%s\r\n", line);
    return strcasestr(mock_app_request(app, index)->head, text) != NULL;
}


size_t
mock_app_left(const mock_app_t *app)
{
    return app->answer_count - app->answered;
}
