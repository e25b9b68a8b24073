#ifndef MOCK_APP_H
#define MOCK_APP_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

/*
 * An app for unit tests: an HTTP server on loopback, in the test's own loop,
 * that answers requests in the order in which answers were queued and keeps
 * every request.  Failures of the mock itself fail the test (cmocka).
 */
typedef struct mock_app_s mock_app_t;

typedef struct {
    char     head[8192]; /* request line and headers */
    char     body[8192]; /* NUL-terminated; the rest is dropped */
    unsigned connection; /* 0, 1, 2... in order of arrival */
} mock_request_t;

typedef enum {
    MOCK_KEEP,  /* keeps the connection for the next request */
    MOCK_CLOSE, /* closes after the answer */
    MOCK_HANG   /* keeps it open, says nothing more */
} mock_then_t;

mock_app_t *mock_app_new(loop_t *loop);
void mock_app_free(mock_app_t *app);

unsigned mock_app_port(const mock_app_t *app);

/* Queues raw bytes as the next answer ("" = none). */
void mock_app_raw(mock_app_t *app, const char *bytes, size_t len,
    mock_then_t then);

/*
 * Queues an answer with a Content-Length.  `headers`: lines that end with
 * CR LF each, or "".
 */
void mock_app_answer(mock_app_t *app, int status, const char *headers,
    const char *body);

/* Requests so far, and one of them. */
size_t mock_app_count(const mock_app_t *app);
const mock_request_t *mock_app_request(const mock_app_t *app, size_t index);

/* True when the request's head begins so, as in "DELETE /members/7 ". */
bool mock_app_is(const mock_app_t *app, size_t index, const char *begin);

/* True when the request has this header line (without CR LF). */
bool mock_app_has(const mock_app_t *app, size_t index, const char *line);

/* Answers that were queued and not asked for. */
size_t mock_app_left(const mock_app_t *app);

#endif
