/*
 * test_log.c - log lines and clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t fake_now = NS_PER_S;

static int64_t
mono(void)
{
	return fake_now;
}

static int64_t
wall(void)
{
	return INT64_C(1767582001260000000);
}

/* What fn writes to standard error. */
static void
capture(void (*fn)(void), char *out, size_t size)
{
	int keep = dup(2), fd;
	FILE *f = tmpfile();
	ssize_t n;

	assert_non_null(f);
	fd = fileno(f);
	dup2(fd, 2);
	fn();
	dup2(keep, 2);
	close(keep);
	n = pread(fd, out, size - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	fclose(f);
}

static void
one_line(void)
{
	log_warn("link", "vm-03", "beat \"late\"\nx\tlate_ms=%d action=wait",
	    9100);
	log_debug("link", NULL, "not shown");
}

static void
writes_logfmt(void **state)
{
	char got[1024];

	(void)state;
	clock_fake(mono, wall);
	log_init("milkywayd", LOG_INFO);
	capture(one_line, got, sizeof got);
	clock_fake(NULL, NULL);
	assert_string_equal(got,
	    "2026-01-05T03:00:01.260Z warn milkywayd/link obj=vm-03 "
	    "msg=\"beat 'late' x\" late_ms=9100 action=wait\n");
}

static void
hundred_lines(void)
{
	for (int i = 0; i < 100; i++) {
		if (i == 90)
			fake_now += 11 * NS_PER_S;
		log_info("a", NULL, "again");
	}
}

static void
limits_a_call_site(void **state)
{
	char got[16384];
	int lines = 0;

	(void)state;
	clock_fake(mono, wall);
	log_init("t", LOG_DEBUG);
	capture(hundred_lines, got, sizeof got);
	clock_fake(NULL, NULL);
	for (char *p = got; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 30);
	assert_non_null(strstr(got, "lines_left_out=70\n"));
}

static void
levels_have_names(void **state)
{
	enum log_level l;

	(void)state;
	assert_true(log_level_parse("warn", &l));
	assert_int_equal(l, LOG_WARN);
	assert_false(log_level_parse("loud", &l));
}

static void
clocks_run_and_random_differs(void **state)
{
	int64_t a = clock_mono_ns();
	uint64_t x = clock_random_u64();

	(void)state;
	assert_true(clock_mono_ns() >= a);
	assert_true(clock_wall_ns() > INT64_C(1700000000000000000));
	assert_true(x != clock_random_u64());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_logfmt),
		cmocka_unit_test(limits_a_call_site),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(clocks_run_and_random_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
