/*
 * test_loop.c - timers, signals, reaping and the worker pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/pure/alloc.h"
#include "common/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	struct loop *loop;
	struct loop_timer *timer, *other;
	int fired, reaped, sig;
	char order[32];
	int n;
};

static void
note(struct fixture *f, char c)
{
	if (f->n < 31)
		f->order[f->n++] = c;
}

static void
on_stop(void *arg)
{
	struct fixture *f = arg;

	note(f, 's');
	loop_stop(f->loop);
}

static void
on_again(void *arg)
{
	struct fixture *f = arg;

	note(f, 'a');
	if (++f->fired < 3)
		loop_timer_set(f->timer, NS_PER_MS);
	else
		loop_stop(f->loop);
}

static void
timers_fire_in_order_and_again(void **state)
{
	struct fixture f = { .loop = loop_new() };

	(void)state;
	f.timer = loop_timer_new(f.loop, on_stop, &f);
	f.other = loop_timer_new(f.loop, on_again, &f);
	loop_timer_set(f.timer, 20 * NS_PER_MS);
	loop_timer_set(f.other, 0);
	loop_timer_set(f.other, 5 * NS_PER_MS); /* the later word counts */
	f.fired = 5;
	loop_run(f.loop); /* on_again stops */
	loop_run(f.loop);
	assert_string_equal(f.order, "as");
	loop_timer_free(f.timer);
	loop_timer_free(f.other);
	loop_timer_free(NULL);

	f.timer = loop_timer_new(f.loop, on_again, &f);
	f.fired = 0;
	loop_timer_set(f.timer, -5);
	loop_run(f.loop);
	assert_int_equal(f.fired, 3);
	loop_timer_set(f.timer, NS_PER_S);
	loop_timer_clear(f.timer);
	loop_timer_free(f.timer);
	loop_free(f.loop);
}

static void
never_early(void **state)
{
	struct fixture f = { .loop = loop_new() };

	(void)state;
	f.timer = loop_timer_new(f.loop, on_stop, &f);
	for (int i = 0; i < 20; i++) {
		int64_t after = 1234567 + i * 1001, from = clock_mono_ns();

		loop_timer_set(f.timer, after);
		loop_run(f.loop);
		assert_true(clock_mono_ns() - from >= after);
	}
	loop_timer_free(f.timer);
	loop_free(f.loop);
}

static void
on_reap(void *arg)
{
	struct fixture *f = arg;

	note(f, 'r');
	f->reaped++;
	loop_stop(f->loop);
}

static void
on_ask_reap(void *arg)
{
	struct fixture *f = arg;

	loop_reap(f->loop, on_reap, f);
	note(f, 'x'); /* before the reaper */
}

static void
reaps_on_a_later_turn(void **state)
{
	struct fixture f = { .loop = loop_new() };

	(void)state;
	f.timer = loop_timer_new(f.loop, on_ask_reap, &f);
	loop_timer_set(f.timer, 0);
	loop_run(f.loop);
	assert_string_equal(f.order, "xr");
	loop_timer_free(f.timer);
	loop_reap(f.loop, on_reap, &f);
	loop_reap(f.loop, on_reap, &f);
	loop_free(f.loop); /* runs what is left */
	assert_int_equal(f.reaped, 3);
}

static void
on_sig(int sig, void *arg)
{
	struct fixture *f = arg;

	f->sig = sig;
	loop_stop(f->loop);
}

static void
on_raise(void *arg)
{
	(void)arg;
	raise(SIGPIPE);
	raise(SIGTERM);
}

static void
signals_come_through_the_loop(void **state)
{
	struct fixture f = { .loop = loop_new() };

	(void)state;
	loop_on_signal(f.loop, on_sig, &f);
	f.timer = loop_timer_new(f.loop, on_raise, &f);
	loop_timer_set(f.timer, 0);
	loop_run(f.loop);
	assert_int_equal(f.sig, SIGTERM);
	loop_timer_free(f.timer);
	loop_free(f.loop);
	loop_free(NULL);
}

static void
on_busy(void *arg)
{
	int64_t end = clock_mono_ns() + 30 * NS_PER_MS;

	(void)arg;
	while (clock_mono_ns() < end)
		continue;
}

static void
lag_shows_a_long_turn(void **state)
{
	struct fixture f = { .loop = loop_new() };

	(void)state;
	f.other = loop_timer_new(f.loop, on_busy, &f);
	f.timer = loop_timer_new(f.loop, on_stop, &f);
	loop_timer_set(f.other, 0);
	loop_timer_set(f.timer, 5 * NS_PER_MS);
	loop_run(f.loop);
	assert_true(loop_lag_ns(f.loop) >= 20 * NS_PER_MS);
	assert_int_equal(loop_lag_ns(f.loop), 0);
	loop_timer_free(f.timer);
	loop_timer_free(f.other);
	loop_free(f.loop);
}

struct crowd {
	struct fixture f;
	struct loop_timer *many[100];
	int fds[2], worked;
};

/* The first of a hundred makes the pipe readable; each takes 3 ms. */
static void
on_work(void *arg)
{
	struct crowd *c = arg;
	int64_t end = clock_mono_ns() + 3 * NS_PER_MS;

	if (c->worked++ == 0)
		assert_int_equal(write(c->fds[1], "x", 1), 1);
	while (clock_mono_ns() < end)
		continue;
}

static void
on_urgent(evutil_socket_t fd, short what, void *arg)
{
	struct crowd *c = arg;

	(void)fd;
	(void)what;
	c->f.fired = c->worked;
	assert_true(loop_waits(c->f.loop));
	loop_stop(c->f.loop);
}

static void
urgent_ones_go_first(void **state)
{
	struct crowd c = { .f.loop = loop_new() };
	struct event *ev;

	(void)state;
	assert_int_equal(pipe(c.fds), 0);
	ev = event_new(loop_base(c.f.loop), c.fds[0], EV_READ, on_urgent, &c);
	loop_urgent(ev);
	assert_int_equal(event_add(ev, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(c.many); i++) {
		c.many[i] = loop_timer_new(c.f.loop, on_work, &c);
		loop_timer_set(c.many[i], 0);
	}
	loop_run(c.f.loop);
	assert_in_range(c.f.fired, 1, 10);
	event_free(ev);
	for (size_t i = 0; i < ARRAY_LEN(c.many); i++)
		loop_timer_free(c.many[i]);
	close(c.fds[0]);
	close(c.fds[1]);
	loop_free(c.f.loop);
}

struct job {
	struct worker_job job;
	struct fixture *f;
	pthread_t ran_on;
	bool ran;
	int *done, want;
};

static void
job_run(struct worker_job *j)
{
	struct job *job = container_of(j, struct job, job);

	job->ran = true;
	job->ran_on = pthread_self();
}

static void
job_done(struct worker_job *j)
{
	struct job *job = container_of(j, struct job, job);

	assert_true(job->ran);
	assert_false(pthread_equal(job->ran_on, pthread_self()));
	if (++*job->done == job->want)
		loop_stop(job->f->loop);
	free(job);
}

static struct job *
job_new(struct fixture *f, int *done, int want)
{
	struct job *j = xcalloc(1, sizeof *j);

	*j = (struct job){ .job = { job_run, job_done, NULL },
		.f = f,
		.done = done,
		.want = want };
	return j;
}

static void
pool_runs_all_jobs(void **state)
{
	struct fixture f = { .loop = loop_new() };
	struct worker_pool *p = worker_pool_new(f.loop, 3, 1000);
	struct mw_err err;
	int done = 0;

	(void)state;
	for (int i = 0; i < 500; i++)
		assert_true(
		    worker_submit(p, &job_new(&f, &done, 500)->job, &err));
	loop_run(f.loop);
	assert_int_equal(done, 500);
	worker_pool_free(p);
	worker_pool_free(NULL);
	loop_free(f.loop);
}

static void
count_done(struct worker_job *j)
{
	struct job *job = container_of(j, struct job, job);

	++*job->done;
	free(job);
}

static void
pool_has_a_limit_and_completes_the_rest(void **state)
{
	struct fixture f = { .loop = loop_new() };
	/* No thread: nothing leaves the queue. */
	struct worker_pool *p = worker_pool_new(f.loop, 0, 2);
	struct mw_err err = MW_ERR_INIT;
	struct job *j;
	int done = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		j = job_new(&f, &done, 0);
		j->job.done = count_done;
		if (i < 2) {
			assert_true(worker_submit(p, &j->job, &err));
		} else {
			assert_false(worker_submit(p, &j->job, &err));
			assert_int_equal(err.code, MW_LIMIT);
			free(j);
		}
	}
	worker_pool_free(p);
	assert_int_equal(done, 2);
	loop_free(f.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order_and_again),
		cmocka_unit_test(never_early),
		cmocka_unit_test(reaps_on_a_later_turn),
		cmocka_unit_test(signals_come_through_the_loop),
		cmocka_unit_test(lag_shows_a_long_turn),
		cmocka_unit_test(urgent_ones_go_first),
		cmocka_unit_test(pool_runs_all_jobs),
		cmocka_unit_test(pool_has_a_limit_and_completes_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
