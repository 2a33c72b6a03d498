/*
 * loop.h - one libevent loop per process, its signals, its lag watchdog, and
 * the reaper: nothing frees itself inside its own callback; loop_reap() frees
 * it on the next turn.
 */
#ifndef MW_COMMON_LOOP_H
#define MW_COMMON_LOOP_H

#include "common/pure/err.h"
#include "common/pure/mw.h"

#include <event2/event.h>

struct loop;
struct loop_timer;

struct loop *loop_new(void);
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);
/* Runs until loop_stop(). SIGPIPE is ignored. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Calls cb on the loop for SIGINT and SIGTERM. */
void loop_on_signal(struct loop *l, void (*cb)(int sig, void *arg), void *arg);

/* Events that go before all others, which get a millisecond at a time
 * while such a one waits. To be called before event_add(). Who is urgent lets
 * others go on, too: see loop_waits(). */
void loop_urgent(struct event *ev);
/* Something else is ready to run. */
bool loop_waits(struct loop *l);

/* Calls fn(p) on the next turn of the loop. */
void loop_reap(struct loop *l, void (*fn)(void *p), void *p);

/* One-shot timers; a fired timer may be set again. Not armed when new. */
struct loop_timer *loop_timer_new(struct loop *l, void (*cb)(void *arg),
    void *arg);
void loop_timer_set(struct loop_timer *t, int64_t after_ns);
void loop_timer_clear(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */

/* Longest time one turn took since the last call, for /metrics. The watchdog that
 * sees a loop without timers starts with the first call. */
int64_t loop_lag_ns(struct loop *l);

#endif
