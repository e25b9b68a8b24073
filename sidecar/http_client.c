#include "http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_call.h"
#include "scim_text.h"

#define IDLE_HANDLES_MAX 64

/* A list with its end, for the order of arrival. */
typedef struct {
    http_call_t *first, *last;
} call_list_t;

struct http_client_s {
    loop_t            *loop;
    loop_timer_t      *timer; /* curl's own */
    loop_timer_t      *turn;  /* waiting calls may start */
    CURLM             *multi;
    http_client_conf_t conf;
    call_list_t        running, waiting;
    unsigned           running_count;
    CURL              *idle[IDLE_HANDLES_MAX]; /* for reuse */
    unsigned           idle_count;
};


static void
list_append(call_list_t *list, http_call_t *call)
{
    call->next = NULL;
    call->prev = list->last;
    if (list->last) {
        list->last->next = call;
    } else {
        list->first = call;
    }
    list->last = call;
}


static void
list_remove(call_list_t *list, http_call_t *call)
{
    if (call->prev) {
        call->prev->next = call->next;
    } else {
        list->first = call->next;
    }
    if (call->next) {
        call->next->prev = call->prev;
    } else {
        list->last = call->prev;
    }
}


static CURL *
take_handle(http_client_t *client, bool mail)
{
    CURL *easy;

    if (!mail && client->idle_count > 0) {
        return client->idle[--client->idle_count];
    }
    easy = curl_easy_init();
    if (easy) {
        http_call_equip(easy, &client->conf);
    }
    return easy;
}


static bool
call_begin(http_call_t *call)
{
    http_client_t *client = call->client;

    call->easy = take_handle(client, call->mail_to != NULL);
    if (call->easy == NULL) {
        return false;
    }
    http_call_prepare(call);
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        curl_easy_cleanup(call->easy);
        call->easy = NULL;
        return false;
    }
    return true;
}


/* Takes a call out of curl; its handle is kept for the next one. */
static void
call_leave(http_call_t *call)
{
    http_client_t *client = call->client;

    if (call->easy == NULL) {
        list_remove(&client->waiting, call);
        return;
    }
    list_remove(&client->running, call);
    client->running_count--;
    curl_multi_remove_handle(client->multi, call->easy);
    if (call->mail_to == NULL && client->idle_count < IDLE_HANDLES_MAX) {
        http_call_strip(call);
        client->idle[client->idle_count++] = call->easy;
    } else {
        curl_easy_cleanup(call->easy);
    }
    call->easy = NULL;
}


static void
call_end(http_call_t *call, CURLcode code)
{
    char          problem[CURL_ERROR_SIZE];
    http_answer_t answer;

    http_call_answer(call, code, &answer);
    /* curl writes into its error buffer again when the handle goes */
    scim_text_copy(problem, sizeof(problem), answer.problem);
    answer.problem = problem;
    call_leave(call);
    call->done(call->data, &answer);
    http_call_free(call);
}


/* A call that curl would not take when its turn came. */
static void
call_fail(http_call_t *call)
{
    http_answer_t answer = {
        .result = HTTP_NOT_SENT, .body = "", .retry_after_ms = -1,
        .next = "",
        .problem = "out of memory"
    };

    list_remove(&call->client->waiting, call);
    call->done(call->data, &answer);
    http_call_free(call);
}


static void
start_waiting(http_client_t *client)
{
    http_call_t *call;

    while ((call = client->waiting.first) != NULL
        && client->running_count < client->conf.calls_max)
    {
        if (!call_begin(call)) {
            call_fail(call);
            continue;
        }
        list_remove(&client->waiting, call);
        list_append(&client->running, call);
        client->running_count++;
    }
}


static void
on_turn(loop_t *loop, void *data)
{
    (void) loop;
    start_waiting(data);
}


static void
drain(http_client_t *client)
{
    int          left;
    CURLMsg     *message;
    http_call_t *call;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        call_end(call, code);
    }
    start_waiting(client);
}


static void
on_socket_ready(loop_t *loop, int fd, int events, void *data)
{
    int            running, mask = 0;
    http_client_t *client = data;

    (void) loop;
    mask |= events & LOOP_READ ? CURL_CSELECT_IN : 0;
    mask |= events & LOOP_WRITE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(client->multi, fd, mask, &running);
    drain(client);
}


static void
on_timer(loop_t *loop, void *data)
{
    int            running;
    http_client_t *client = data;

    (void) loop;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(client);
}


static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *socket_data)
{
    int            events = 0;
    http_client_t *client = data;

    (void) easy;
    (void) socket_data;
    if (what != CURL_POLL_REMOVE) {
        events |= what & CURL_POLL_IN ? LOOP_READ : 0;
        events |= what & CURL_POLL_OUT ? LOOP_WRITE : 0;
    }
    return loop_watch(client->loop, fd, events, on_socket_ready, client)
        || what == CURL_POLL_REMOVE ? 0 : -1;
}


static int
on_curl_timer(CURLM *multi, long timeout_ms, void *data)
{
    http_client_t *client = data;

    (void) multi;
    if (timeout_ms < 0) {
        loop_timer_cancel(client->timer);
    } else {
        loop_timer_arm(client->timer, timeout_ms);
    }
    return 0;
}


http_client_t *
http_client_new(loop_t *loop, const http_client_conf_t *conf)
{
    http_client_t *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        return NULL;
    }
    client->loop = loop;
    client->conf = *conf;
    client->conf.calls_max += conf->calls_max == 0;
    client->timer = loop_timer_new(loop, on_timer, client);
    client->turn = loop_timer_new(loop, on_turn, client);
    client->multi = curl_multi_init();
    if (!client->timer || !client->turn || !client->multi) {
        http_client_free(client);
        return NULL;
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING,
        (long) CURLPIPE_NOTHING);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
        (long) client->conf.calls_max);
    return client;
}


void
http_client_free(http_client_t *client)
{
    if (client == NULL) {
        return;
    }
    while (client->running.first) {
        http_client_cancel(client->running.first);
    }
    while (client->waiting.first) {
        http_client_cancel(client->waiting.first);
    }
    while (client->idle_count > 0) {
        curl_easy_cleanup(client->idle[--client->idle_count]);
    }
    /* drops kept connections through on_curl_socket: the timers outlive it */
    if (client->multi) {
        curl_multi_cleanup(client->multi);
    }
    if (client->timer) {
        loop_timer_free(client->timer);
    }
    if (client->turn) {
        loop_timer_free(client->turn);
    }
    free(client);
}


http_call_t *
http_client_start(http_client_t *client, const http_request_t *request,
    http_done_pt done, void *data)
{
    http_call_t *call = http_call_new(&client->conf, request, done, data);

    if (call == NULL) {
        return NULL;
    }
    call->client = client;
    if (client->waiting.first
        || client->running_count >= client->conf.calls_max)
    {
        list_append(&client->waiting, call);
        return call;
    }
    if (!call_begin(call)) {
        http_call_free(call);
        return NULL;
    }
    list_append(&client->running, call);
    client->running_count++;
    return call;
}


void
http_client_cancel(http_call_t *call)
{
    http_client_t *client = call->client;

    call_leave(call);
    http_call_free(call);
    if (client->waiting.first) {
        loop_timer_arm(client->turn, 0);
    }
}
