/*
 * loop.c - the process's libevent loop. Promises: exact timers (the monotonic
 * clock, not its coarse twin), reaping on a later turn than the request, and
 * a lag figure taken from how late timers fire.
 */
#include "common/loop.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <signal.h>
#include <stdlib.h>

/* The watchdog looks often while the loop is busy, rarely while it idles: an
 * idle agent should sleep. */
#define WATCH_BUSY_NS (20 * NS_PER_MS)
#define WATCH_IDLE_NS NS_PER_S
#define WATCH_BUSY_TURNS 3
/* Priorities of libevent: what is urgent is looked for again after so long,
 * however much else is ready. */
#define URGENT 0
#define NORMAL 1
#define SLICE_US 1000

struct reap {
	void (*fn)(void *p);
	void *p;
};

struct loop {
	struct event_base *base;
	struct event *reaper, *sigint, *sigterm;
	struct reap *reaps;
	size_t nreaps, cap;
	void (*on_signal)(int sig, void *arg);
	void *signal_arg;
	struct loop_timer *watch;
	bool watching; /* somebody asked for the lag */
	unsigned turns; /* since the watchdog last looked */
	int64_t lag_ns;
	bool stop;
};

struct loop_timer {
	struct loop *loop;
	struct event *ev;
	void (*cb)(void *arg);
	void *arg;
	int64_t due_ns;
};

/* Runs what was asked for before now; what these ask for runs a turn later. */
static void
run_reaps(struct loop *l)
{
	struct reap *list = l->reaps;
	size_t n = l->nreaps;

	l->reaps = NULL;
	l->nreaps = l->cap = 0;
	for (size_t i = 0; i < n; i++)
		list[i].fn(list[i].p);
	free(list);
}

static void
on_reaper(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_reaps(arg);
}

static void
on_watch(void *arg)
{
	struct loop *l = arg;
	bool busy = l->turns >= WATCH_BUSY_TURNS;

	l->turns = 0;
	loop_timer_set(l->watch, busy ? WATCH_BUSY_NS : WATCH_IDLE_NS);
}

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);
	struct event_config *cfg = event_config_new();
	const struct timeval slice = { .tv_usec = SLICE_US };

	if (cfg == NULL)
		abort();
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_max_dispatch_interval(cfg, &slice, -1, NORMAL);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	/* new events get the middle one of two: NORMAL */
	if (l->base == NULL || event_base_priority_init(l->base, 2) != 0)
		abort();
	l->reaper = evtimer_new(l->base, on_reaper, l);
	if (l->reaper == NULL)
		abort();
	signal(SIGPIPE, SIG_IGN);
	l->watch = loop_timer_new(l, on_watch, l);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	while (l->nreaps > 0)
		run_reaps(l);
	loop_timer_free(l->watch);
	event_free(l->reaper);
	if (l->sigint != NULL)
		event_free(l->sigint);
	if (l->sigterm != NULL)
		event_free(l->sigterm);
	free(l->reaps);
	event_base_free(l->base);
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_urgent(struct event *ev)
{
	if (event_priority_set(ev, URGENT) != 0)
		abort();
}

bool
loop_waits(struct loop *l)
{
	return event_base_get_num_events(l->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

void
loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
			abort();
		l->turns++;
	}
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct loop *l = arg;

	(void)what;
	l->on_signal((int)sig, l->signal_arg);
}

void
loop_on_signal(struct loop *l, void (*cb)(int sig, void *arg), void *arg)
{
	l->on_signal = cb;
	l->signal_arg = arg;
	if (l->sigint != NULL)
		return;
	l->sigint = evsignal_new(l->base, SIGINT, on_signal, l);
	l->sigterm = evsignal_new(l->base, SIGTERM, on_signal, l);
	if (l->sigint == NULL || l->sigterm == NULL ||
	    event_add(l->sigint, NULL) != 0 || event_add(l->sigterm, NULL) != 0)
		abort();
}

void
loop_reap(struct loop *l, void (*fn)(void *p), void *p)
{
	static const struct timeval now = { 0, 0 };

	VEC_GROW(l->reaps, l->nreaps, l->cap);
	l->reaps[l->nreaps++] = (struct reap){ fn, p };
	if (event_add(l->reaper, &now) != 0)
		abort();
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	int64_t late = clock_mono_ns() - t->due_ns;

	(void)fd;
	(void)what;
	if (late > t->loop->lag_ns)
		t->loop->lag_ns = late;
	t->cb(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof *t);

	t->loop = l;
	t->cb = cb;
	t->arg = arg;
	t->ev = evtimer_new(l->base, on_timer, t);
	if (t->ev == NULL)
		abort();
	return t;
}

void
loop_timer_set(struct loop_timer *t, int64_t after_ns)
{
	struct timeval tv;

	if (after_ns < 0)
		after_ns = 0;
	t->due_ns = clock_mono_ns() + after_ns;
	/* libevent counts in microseconds: up, so that none fires early. */
	after_ns += NS_PER_US - 1;
	tv.tv_sec = after_ns / NS_PER_S;
	tv.tv_usec = after_ns % NS_PER_S / NS_PER_US;
	if (event_add(t->ev, &tv) != 0)
		abort();
}

void
loop_timer_clear(struct loop_timer *t)
{
	event_del(t->ev);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_free(t->ev);
	free(t);
}

int64_t
loop_lag_ns(struct loop *l)
{
	int64_t lag = l->lag_ns;

	/* Who never asks is never woken: an agent stays asleep. */
	if (!l->watching)
		loop_timer_set(l->watch, WATCH_IDLE_NS);
	l->watching = true;
	l->lag_ns = 0;
	return lag;
}
