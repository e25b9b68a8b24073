#ifndef SIDECAR_LOOP_H
#define SIDECAR_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The sidecar's one event loop: epoll, timers in a heap on the monotonic
 * clock, deferred calls.  Single-threaded; nothing here blocks but loop_run().
 */
typedef struct loop_s       loop_t;
typedef struct loop_timer_s loop_timer_t;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void (*loop_fd_pt)(loop_t *loop, int fd, int events, void *data);
typedef void (*loop_call_pt)(loop_t *loop, void *data);

loop_t *loop_new(void); /* NULL when the kernel or memory refuses */
void loop_free(loop_t *loop);

/*
 * Watches fd for `events` (0 = stop watching).  One handler a descriptor; a
 * second call replaces it.  A handler may change or drop any descriptor,
 * its own too, within a batch.  Errors and hang-ups are reported as
 * LOOP_READ|LOOP_WRITE masked by what is watched.  False when refused.
 */
bool loop_watch(loop_t *loop, int fd, int events, loop_fd_pt handler,
    void *data);

/*
 * One-shot timer, embedded nowhere: created once, armed and cancelled at
 * will.  Freeing an armed timer cancels it.  A timer may free itself in its
 * own call.
 */
loop_timer_t *loop_timer_new(loop_t *loop, loop_call_pt call, void *data);
void loop_timer_free(loop_timer_t *timer);
void loop_timer_arm(loop_timer_t *timer, int64_t after_ms); /* re-arms */
void loop_timer_cancel(loop_timer_t *timer);
bool loop_timer_armed(const loop_timer_t *timer);

/* Runs `call` once, after the present batch: the place to free objects. */
bool loop_defer(loop_t *loop, loop_call_pt call, void *data);

int64_t loop_now(const loop_t *loop);    /* monotonic ms, of this tick */
int64_t loop_monotonic(void);            /* the same clock, read now */
int64_t loop_wall(void);                 /* ms since 1970 */

int loop_run(loop_t *loop);              /* until loop_stop(); its status */
void loop_stop(loop_t *loop, int status);

#endif
