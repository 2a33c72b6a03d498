/*
 * test_sched.c - which job may run when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/sched.h"

#include <stdio.h>
#include <string.h>

static char trace[512];

static void
on_start(void *arg, struct sched_job *j)
{
	(void)arg;
	strncat(trace, "+", sizeof trace - strlen(trace) - 1);
	strncat(trace, j->id, sizeof trace - strlen(trace) - 1);
}

static void
on_expired(void *arg, struct sched_job *j)
{
	(void)arg;
	strncat(trace, "!", sizeof trace - strlen(trace) - 1);
	strncat(trace, j->id, sizeof trace - strlen(trace) - 1);
}

static const struct sched_ops ops = { on_start, on_expired };

static void
submit(struct sched *s, const char *id, enum sched_class c)
{
	struct mw_err err = MW_ERR_INIT;

	assert_true(sched_submit(s, id, c, 1000, NULL, 0, &err));
}

static void
fresh(struct sched *s)
{
	trace[0] = '\0';
	sched_init(s, &ops, NULL);
}

static void
exclusive_runs_alone_in_order(void **state)
{
	struct sched s;

	(void)state;
	fresh(&s);
	submit(&s, "a", SCHED_EXCLUSIVE);
	submit(&s, "b", SCHED_EXCLUSIVE);
	submit(&s, "q", SCHED_QUIET);
	submit(&s, "x", SCHED_ANY);
	assert_string_equal(trace, "+a+x");
	assert_true(sched_busy(&s));
	sched_end(&s, "a", 1);
	assert_string_equal(trace, "+a+x+b");
	sched_end(&s, "b", 2);
	assert_string_equal(trace, "+a+x+b+q");
	assert_false(sched_busy(&s));
}

/* A stream of quiet jobs must not starve an exclusive one. */
static void
quiet_does_not_overtake_a_waiting_exclusive(void **state)
{
	struct sched s;

	(void)state;
	fresh(&s);
	submit(&s, "q1", SCHED_QUIET);
	submit(&s, "q2", SCHED_QUIET);
	submit(&s, "e", SCHED_EXCLUSIVE);
	submit(&s, "q3", SCHED_QUIET);
	assert_string_equal(trace, "+q1+q2");
	sched_end(&s, "q1", 1);
	sched_end(&s, "q2", 2);
	assert_string_equal(trace, "+q1+q2+e");
	sched_end(&s, "e", 3);
	assert_string_equal(trace, "+q1+q2+e+q3");
}

static void
an_armed_round_holds_exclusive_jobs(void **state)
{
	struct sched s;

	(void)state;
	fresh(&s);
	sched_hold(&s);
	submit(&s, "e", SCHED_EXCLUSIVE);
	assert_string_equal(trace, "");
	sched_release(&s, 5);
	assert_string_equal(trace, "+e");
}

static void
waiting_past_the_deadline_is_dropped(void **state)
{
	struct sched s;

	(void)state;
	fresh(&s);
	submit(&s, "a", SCHED_EXCLUSIVE);
	submit(&s, "b", SCHED_EXCLUSIVE);
	assert_int_equal(sched_next_ns(&s), 1000);
	sched_tick(&s, 999);
	assert_string_equal(trace, "+a");
	sched_tick(&s, 1000);
	assert_string_equal(trace, "+a!b");
	assert_int_equal(sched_next_ns(&s), INT64_MAX);
	assert_int_equal(sched_find(&s, "b", NULL), SCHED_NONE);
	assert_int_equal(sched_find(&s, "a", NULL), SCHED_RUNNING);
}

static void
ids_are_unique_and_the_queue_has_a_limit(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct sched s;
	char id[16];

	(void)state;
	fresh(&s);
	for (int i = 0; i < SCHED_JOBS_MAX; i++) {
		snprintf(id, sizeof id, "j%d", i);
		submit(&s, id, SCHED_EXCLUSIVE);
	}
	assert_false(
	    sched_submit(&s, "j3", SCHED_EXCLUSIVE, 1000, NULL, 0, &err));
	assert_int_equal(err.code, MW_EXISTS);
	assert_false(
	    sched_submit(&s, "new", SCHED_EXCLUSIVE, 1000, NULL, 0, &err));
	assert_int_equal(err.code, MW_LIMIT);
	sched_end(&s, "j5", 1); /* a waiting one is withdrawn */
	submit(&s, "new", SCHED_EXCLUSIVE);
	assert_string_equal(trace, "+j0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exclusive_runs_alone_in_order),
		cmocka_unit_test(quiet_does_not_overtake_a_waiting_exclusive),
		cmocka_unit_test(an_armed_round_holds_exclusive_jobs),
		cmocka_unit_test(waiting_past_the_deadline_is_dropped),
		cmocka_unit_test(ids_are_unique_and_the_queue_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
