#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 128

typedef struct {
    loop_fd_pt handler;
    void      *data;
    int        events; /* 0 = not watched */
    unsigned   generation;
} watch_t;

struct loop_timer_s {
    loop_t      *loop;
    loop_call_pt call;
    void        *data;
    int64_t      due;
    size_t       position; /* in the heap, from 1; 0 = not armed */
};

typedef struct {
    loop_call_pt call;
    void        *data;
} deferred_t;

struct loop_s {
    int            epoll;
    watch_t       *watches; /* by descriptor */
    size_t         watch_count;
    loop_timer_t **heap; /* from 1 */
    size_t         heap_len;
    size_t         heap_size;
    deferred_t    *deferred;
    size_t         deferred_len;
    size_t         deferred_size;
    int64_t        now;
    bool           stopped;
    int            status;
};


static int64_t
clock_ms(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}


int64_t
loop_monotonic(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}


int64_t
loop_wall(void)
{
    return clock_ms(CLOCK_REALTIME);
}


int64_t
loop_now(const loop_t *loop)
{
    return loop->now;
}


loop_t *
loop_new(void)
{
    loop_t *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return NULL;
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    loop->now = clock_ms(CLOCK_MONOTONIC);
    return loop;
}


void
loop_free(loop_t *loop)
{
    if (loop == NULL) {
        return;
    }
    close(loop->epoll);
    for (size_t i = 1; i <= loop->heap_len; i++) {
        loop->heap[i]->position = 0;
    }
    free(loop->watches);
    free(loop->heap);
    free(loop->deferred);
    free(loop);
}


static bool
make_room(loop_t *loop, size_t fd)
{
    size_t   count = loop->watch_count ? loop->watch_count : 64;
    watch_t *watches;

    if (fd < loop->watch_count) {
        return true;
    }
    while (count <= fd) {
        count *= 2;
    }
    watches = realloc(loop->watches, count * sizeof(*watches));
    if (watches == NULL) {
        return false;
    }
    memset(watches + loop->watch_count, 0,
        (count - loop->watch_count) * sizeof(*watches));
    loop->watches = watches;
    loop->watch_count = count;
    return true;
}


bool
loop_watch(loop_t *loop, int fd, int events, loop_fd_pt handler, void *data)
{
    int                operation;
    watch_t           *watch;
    struct epoll_event event = { 0 };

    if (fd < 0 || !make_room(loop, (size_t) fd)) {
        return false;
    }
    watch = &loop->watches[fd];
    if (events == 0) {
        if (watch->events) {
            /* may be closed already: then the kernel has forgotten it */
            epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, &event);
            watch->events = 0;
            watch->generation++;
        }
        return true;
    }
    event.events = (events & LOOP_READ ? EPOLLIN : 0)
        | (events & LOOP_WRITE ? EPOLLOUT : 0);
    event.data.u64 = (uint64_t) watch->generation << 32 | (uint32_t) fd;
    operation = watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll, operation, fd, &event) != 0
        && (errno != ENOENT
            || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0))
    {
        return false;
    }
    watch->events = events;
    watch->handler = handler;
    watch->data = data;
    return true;
}


/* ---- timers: a heap by due time ---- */

static void
heap_put(loop_t *loop, size_t at, loop_timer_t *timer)
{
    loop->heap[at] = timer;
    timer->position = at;
}


static void
sift_up(loop_t *loop, size_t at)
{
    loop_timer_t *timer = loop->heap[at];

    while (at > 1 && loop->heap[at / 2]->due > timer->due) {
        heap_put(loop, at, loop->heap[at / 2]);
        at /= 2;
    }
    heap_put(loop, at, timer);
}


static void
sift_down(loop_t *loop, size_t at)
{
    size_t        child;
    loop_timer_t *timer = loop->heap[at];

    while ((child = 2 * at) <= loop->heap_len) {
        if (child < loop->heap_len
            && loop->heap[child + 1]->due < loop->heap[child]->due)
        {
            child++;
        }
        if (loop->heap[child]->due >= timer->due) {
            break;
        }
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, timer);
}


loop_timer_t *
loop_timer_new(loop_t *loop, loop_call_pt call, void *data)
{
    size_t         size;
    loop_timer_t  *timer = calloc(1, sizeof(*timer));
    loop_timer_t **heap;

    if (timer == NULL) {
        return NULL;
    }
    /* room is made here, so that arming cannot fail */
    loop->heap_size++;
    size = loop->heap_size + 1;
    heap = realloc(loop->heap, size * sizeof(*heap));
    if (heap == NULL) {
        loop->heap_size--;
        free(timer);
        return NULL;
    }
    loop->heap = heap;
    timer->loop = loop;
    timer->call = call;
    timer->data = data;
    return timer;
}


void
loop_timer_cancel(loop_timer_t *timer)
{
    size_t        at = timer->position;
    loop_t       *loop = timer->loop;
    loop_timer_t *last;

    if (at == 0) {
        return;
    }
    timer->position = 0;
    last = loop->heap[loop->heap_len--];
    if (last != timer) {
        heap_put(loop, at, last);
        sift_up(loop, at);
        sift_down(loop, last->position);
    }
}


void
loop_timer_arm(loop_timer_t *timer, int64_t after_ms)
{
    loop_t *loop = timer->loop;

    loop_timer_cancel(timer);
    timer->due = loop->now + (after_ms > 0 ? after_ms : 0);
    heap_put(loop, ++loop->heap_len, timer);
    sift_up(loop, loop->heap_len);
}


bool
loop_timer_armed(const loop_timer_t *timer)
{
    return timer->position != 0;
}


void
loop_timer_free(loop_timer_t *timer)
{
    if (timer) {
        loop_timer_cancel(timer);
        timer->loop->heap_size--;
        free(timer);
    }
}


static void
run_timers(loop_t *loop)
{
    /* one that is armed for "now" in here runs in the next tick */
    size_t budget = loop->heap_len;

    while (budget-- > 0 && loop->heap_len
           && loop->heap[1]->due <= loop->now)
    {
        loop_timer_t *timer = loop->heap[1];

        loop_timer_cancel(timer);
        timer->call(loop, timer->data);
    }
}


/* ---- deferred calls ---- */

bool
loop_defer(loop_t *loop, loop_call_pt call, void *data)
{
    size_t      size;
    deferred_t *deferred;

    if (loop->deferred_len == loop->deferred_size) {
        size = loop->deferred_size ? 2 * loop->deferred_size : 64;
        deferred = realloc(loop->deferred, size * sizeof(*deferred));
        if (deferred == NULL) {
            return false;
        }
        loop->deferred = deferred;
        loop->deferred_size = size;
    }
    loop->deferred[loop->deferred_len].call = call;
    loop->deferred[loop->deferred_len++].data = data;
    return true;
}


static void
run_deferred(loop_t *loop)
{
    for (size_t i = 0; i < loop->deferred_len; i++) {
        deferred_t deferred = loop->deferred[i]; /* the array may move */

        deferred.call(loop, deferred.data);
    }
    loop->deferred_len = 0;
}


static void
dispatch(loop_t *loop, const struct epoll_event *event)
{
    int      fd = (int) (uint32_t) event->data.u64;
    int      seen = 0;
    watch_t *watch = &loop->watches[fd];

    /* dropped, or another descriptor by now: not ours any more */
    if (watch->events == 0
        || watch->generation != (unsigned) (event->data.u64 >> 32))
    {
        return;
    }
    if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        seen |= LOOP_READ;
    }
    if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        seen |= LOOP_WRITE;
    }
    seen &= watch->events;
    if (seen) {
        watch->handler(loop, fd, seen, watch->data);
    }
}


static int
wait_ms(const loop_t *loop)
{
    int64_t wait;

    if (loop->heap_len == 0) {
        return -1;
    }
    wait = loop->heap[1]->due - loop->now;
    return wait <= 0 ? 0 : wait > 60000 ? 60000 : (int) wait;
}


int
loop_run(loop_t *loop)
{
    int                n;
    struct epoll_event events[BATCH];

    while (!loop->stopped) {
        n = epoll_wait(loop->epoll, events, BATCH, wait_ms(loop));
        loop->now = clock_ms(CLOCK_MONOTONIC);
        if (n < 0 && errno != EINTR) {
            return 1;
        }
        for (int i = 0; i < n; i++) {
            dispatch(loop, &events[i]);
        }
        run_timers(loop);
        run_deferred(loop);
    }
    return loop->status;
}


void
loop_stop(loop_t *loop, int status)
{
    loop->stopped = true;
    loop->status = status;
}
