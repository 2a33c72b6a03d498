/*
 * test_child.c - child processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/child.h"
#include "common/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run {
	struct loop *loop;
	struct child *child;
	int done;
	struct child_end end; /* its strings are copied below */
	struct str out, err;
};

static void
on_done(struct child *c, const struct child_end *end, void *arg)
{
	struct run *r = arg;

	(void)c;
	r->done++;
	r->end = *end;
	str_reset(&r->out);
	str_reset(&r->err);
	str_addn(&r->out, str_cstr(&end->out), end->out.len);
	str_addn(&r->err, str_cstr(&end->err), end->err.len);
	loop_stop(r->loop);
}

static void
start(struct run *r, const struct child_conf *conf)
{
	struct mw_err err;

	*r = (struct run){ .loop = loop_new() };
	if (!child_start(r->loop, conf, on_done, r, &r->child, &err))
		fail_msg("%s", err.msg);
}

static void
finish(struct run *r)
{
	str_free(&r->out);
	str_free(&r->err);
	loop_free(r->loop);
}

static void
gives_output_status_and_usage(void **state)
{
	const char *const argv[] = { "sh", "-c",
		"echo out; echo err >&2; echo $LC_ALL $0 $SECRET; exit 3",
		NULL };
	struct run r;

	(void)state;
	setenv("SECRET", "x", 1);
	start(&r, &(struct child_conf){ .argv = argv });
	assert_true(child_pid(r.child) > 0);
	loop_run(r.loop);
	assert_true(r.end.exited);
	assert_int_equal(r.end.code, 3);
	assert_string_equal(str_cstr(&r.out), "out\nC sh\n");
	assert_string_equal(str_cstr(&r.err), "err\n");
	assert_true(r.end.wall_ns > 0 && r.end.cpu_ns >= 0);
	assert_false(r.end.timed_out || r.end.canceled || r.end.cut);
	finish(&r);
	start(&r,
	    &(struct child_conf){ .argv = argv,
		.merge_stderr = true,
		.cwd = "/" });
	loop_run(r.loop);
	assert_non_null(strstr(str_cstr(&r.out), "err\n"));
	finish(&r);
}

static void
passes_input_and_environment(void **state)
{
	const char *const cat[] = { "cat", NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", "A=b c", NULL };
	const char *const show[] = { "env", NULL };
	static char big[300000];
	struct run r;

	(void)state;
	memset(big, 'z', sizeof big);
	start(&r,
	    &(struct child_conf){ .argv = cat,
		.input = big,
		.input_len = sizeof big,
		.output_max = 1 << 20 });
	loop_run(r.loop);
	assert_int_equal(r.out.len, sizeof big);
	assert_false(r.end.cut);
	finish(&r);
	start(&r, &(struct child_conf){ .argv = show, .env = env });
	loop_run(r.loop);
	assert_non_null(strstr(str_cstr(&r.out), "A=b c\n"));
	assert_null(strstr(str_cstr(&r.out), "HOME"));
	finish(&r);
}

static void
inherits_three_descriptors_only(void **state)
{
	const char *const argv[] = { "ls", "/proc/self/fd", NULL };
	int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	struct run r;

	(void)state;
	start(&r, &(struct child_conf){ .argv = argv });
	loop_run(r.loop);
	/* 3 is ls's own directory. */
	assert_string_equal(str_cstr(&r.out), "0\n1\n2\n3\n");
	finish(&r);
	close(leak);
}

static void
caps_output(void **state)
{
	const char *const argv[] = { "head", "-c", "1000000", "/dev/zero",
		NULL };
	struct run r;

	(void)state;
	start(&r, &(struct child_conf){ .argv = argv, .output_max = 1000 });
	loop_run(r.loop);
	assert_true(r.end.cut);
	assert_int_equal(r.out.len, 1000);
	assert_int_equal(r.end.code, 0); /* it was not blocked */
	finish(&r);
}

/* Endless output ends a strict one at the cap, its group as well. */
static void
strict_ends_at_the_cap(void **state)
{
	const char *const argv[] = { "sh", "-c", "yes & yes", NULL };
	struct run r;

	(void)state;
	start(&r,
	    &(struct child_conf){ .argv = argv,
		.output_max = 1000,
		.strict = true });
	loop_run(r.loop);
	assert_true(r.end.cut);
	assert_false(r.end.timed_out);
	assert_false(r.end.exited);
	assert_int_equal(r.end.code, SIGKILL);
	assert_int_equal(r.out.len, 1000);
	finish(&r);
}

/* No grace: what ignores SIGTERM cannot prolong it. */
static void
strict_ends_at_the_deadline(void **state)
{
	const char *const argv[] = { "sh", "-c",
		"trap '' TERM; sleep 1000 & wait; sleep 1000", NULL };
	struct run r;

	(void)state;
	start(&r,
	    &(struct child_conf){ .argv = argv,
		.deadline_ms = 100,
		.strict = true });
	loop_run(r.loop);
	assert_true(r.end.timed_out);
	assert_int_equal(r.end.code, SIGKILL);
	finish(&r);
}

static void
deadline_ends_the_whole_group(void **state)
{
	/* The shell ignores SIGTERM; its child holds the pipe. */
	const char *const argv[] = { "sh", "-c",
		"trap '' TERM; echo $$; sleep 1000 & wait; sleep 1000", NULL };
	struct run r;
	pid_t group;

	(void)state;
	start(&r, &(struct child_conf){ .argv = argv, .deadline_ms = 100 });
	group = child_pid(r.child);
	loop_run(r.loop);
	assert_true(r.end.timed_out);
	assert_false(r.end.exited);
	assert_int_equal(r.end.code, SIGKILL);
	/* Members that init has yet to reap may linger as zombies. */
	for (int i = 0; i < 1000 && kill(-group, 0) == 0; i++)
		usleep(10000);
	assert_int_not_equal(kill(-group, 0), 0);
	finish(&r);
}

static void
stragglers_do_not_survive_a_normal_exit(void **state)
{
	const char *const argv[] = { "sh", "-c", "sleep 1000 & exit 0", NULL };
	struct run r;
	pid_t group;

	(void)state;
	start(&r, &(struct child_conf){ .argv = argv });
	group = child_pid(r.child);
	loop_run(r.loop);
	assert_true(r.end.exited);
	assert_int_equal(r.end.code, 0);
	for (int i = 0; i < 1000 && kill(-group, 0) == 0; i++)
		usleep(10000);
	assert_int_not_equal(kill(-group, 0), 0);
	finish(&r);
}

static void
can_be_canceled(void **state)
{
	const char *const argv[] = { "sleep", "1000", NULL };
	struct run r;

	(void)state;
	start(&r, &(struct child_conf){ .argv = argv, .pdeathsig = true });
	child_cancel(r.child);
	loop_run(r.loop);
	assert_true(r.end.canceled);
	assert_int_equal(r.end.code, SIGKILL);
	assert_int_equal(r.done, 1);
	finish(&r);
}

static void
says_what_cannot_start(void **state)
{
	const char *const none[] = { "no-such-program-here", NULL };
	const char *const path[] = { "/no/such/program", NULL };
	const char *const ls[] = { "ls", NULL };
	struct loop *l = loop_new();
	struct mw_err err;
	struct child *c;

	(void)state;
	assert_false(child_start(l, &(struct child_conf){ .argv = none },
	    on_done, NULL, &c, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_false(child_start(l, &(struct child_conf){ .argv = path },
	    on_done, NULL, &c, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_false(child_start(l,
	    &(struct child_conf){ .argv = ls, .cwd = "/no/such/dir" }, on_done,
	    NULL, &c, &err));
	assert_true(err.sys != 0);
	loop_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_output_status_and_usage),
		cmocka_unit_test(passes_input_and_environment),
		cmocka_unit_test(inherits_three_descriptors_only),
		cmocka_unit_test(caps_output),
		cmocka_unit_test(strict_ends_at_the_cap),
		cmocka_unit_test(strict_ends_at_the_deadline),
		cmocka_unit_test(deadline_ends_the_whole_group),
		cmocka_unit_test(stragglers_do_not_survive_a_normal_exit),
		cmocka_unit_test(can_be_canceled),
		cmocka_unit_test(says_what_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
