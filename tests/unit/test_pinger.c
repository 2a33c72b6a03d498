/*
 * test_pinger.c - lines of milkyway-ping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/pinger.h"

#include <string.h>

static struct pinger_line
parse(const char *text)
{
	struct pinger_line l;

	pinger_parse(text, strlen(text), &l);
	return l;
}

static void
good_lines(void **state)
{
	struct pinger_line l = parse("sample 12 10.0.0.7 3 57671");

	(void)state;
	assert_int_equal(l.word, PINGER_SAMPLE);
	assert_int_equal(l.round, 12);
	assert_int_equal(l.ip, 0x0a000007);
	assert_int_equal(l.us, 57671);
	assert_int_equal(parse("sample 12 10.0.0.7 3 -").us, -1);
	assert_int_equal(parse("ready").word, PINGER_READY);
	assert_int_equal(parse("end 5").word, PINGER_END);
	assert_int_equal(parse("end 5").round, 5);
	l = parse("error - raw socket: no\x01");
	assert_int_equal(l.word, PINGER_ERROR);
	assert_string_equal(l.text, "raw socket: no\\x01");
	assert_int_equal(parse("error 7 bad").round, 7);
}

static void
anything_else_is_bad(void **state)
{
	static const char *const bad[] = { "", " ", "hello", "sample",
		"sample x 10.0.0.7 3 1", "sample 1 10.0.0.256 3 1",
		"sample 1 10.0.0.7 3", "sample 1 10.0.0.7 3 1 1",
		"sample 1 10.0.0.7 3 -1", "sample 1 10.0.0.7 3 1.5",
		"sample 1  10.0.0.7 3 1", "end", "end x", "end -1", "error" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i]).word != PINGER_BAD)
			fail_msg("accepted: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(anything_else_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
