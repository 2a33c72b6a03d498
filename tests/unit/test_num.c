/*
 * test_num.c - strict number parsers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/num.h"

#include <math.h>
#include <string.h>

static void
port_refuses_sign_and_overflow(void **state)
{
	static const char *const bad[] = { "", "+5", "-0", "-1", " 5", "5 ",
		"0x5", "65536", "5.0", "99999999999999999999", "1e3", "\x80" };
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(
		    num_parse_i64(bad[i], strlen(bad[i]), 0, 65535, &v));
	assert_true(num_parse_i64("65535", 5, 0, 65535, &v));
	assert_int_equal(v, 65535);
	assert_true(num_parse_i64("12345", 2, 0, 65535, &v));
	assert_int_equal(v, 12);
	assert_false(num_parse_i64("5", 1, 6, 9, &v));
}

static void
reaches_both_ends(void **state)
{
	int64_t v;

	(void)state;
	assert_true(
	    num_parse_i64("9223372036854775807", 19, INT64_MIN, INT64_MAX, &v));
	assert_true(v == INT64_MAX);
	assert_true(num_parse_i64("-9223372036854775808", 20, INT64_MIN,
	    INT64_MAX, &v));
	assert_true(v == INT64_MIN);
	assert_false(
	    num_parse_i64("9223372036854775808", 19, INT64_MIN, INT64_MAX, &v));
	assert_false(num_parse_i64("-9223372036854775809", 20, INT64_MIN,
	    INT64_MAX, &v));
	assert_false(num_parse_i64("-", 1, -5, 5, &v));
	assert_true(num_parse_i64("-5", 2, -5, 5, &v));
	assert_int_equal(v, -5);
}

static void
decimals(void **state)
{
	static const char *const bad[] = { "", ".", "1.", ".5", "1e", "1e+",
		"inf", "nan", "0x1p3", "1,5", " 1", "1 ", "-1", "+1", "1e999",
		"101", "1.2.3" };
	static const struct {
		const char *text;
		double want;
	} good[] = { { "0", 0 }, { "57.671", 57.671 }, { "1e2", 100 },
		{ "2.5E-1", 0.25 }, { "007", 7 } };
	double v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(num_parse_f64(bad[i], strlen(bad[i]), 0, 100, &v));
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(num_parse_f64(good[i].text, strlen(good[i].text), 0,
		    100, &v));
		assert_true(v == good[i].want);
	}
	assert_true(num_parse_f64("-1.5", 4, -2, 2, &v));
	assert_true(v == -1.5);
}

static void
milliseconds_to_microseconds(void **state)
{
	int64_t us;

	(void)state;
	/* 57.671 * 1000 is 57670.99... in a double. */
	assert_true(num_ms_to_us(57.671, false, &us));
	assert_int_equal(us, 57671);
	assert_true(num_ms_to_us(57.671, true, &us));
	assert_int_equal(us, 57671);
	assert_true(num_ms_to_us(0.0015, false, &us));
	assert_int_equal(us, 1);
	assert_true(num_ms_to_us(0.0015, true, &us));
	assert_int_equal(us, 2);
	assert_true(num_ms_to_us(0, true, &us));
	assert_int_equal(us, 0);
	assert_false(num_ms_to_us(-1, true, &us));
	assert_false(num_ms_to_us(1e300, true, &us));
	assert_false(num_ms_to_us(NAN, true, &us));
	for (int64_t i = 0; i < 100000; i += 7) {
		assert_true(num_ms_to_us((double)i / 1000, true, &us));
		assert_int_equal(us, i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_refuses_sign_and_overflow),
		cmocka_unit_test(reaches_both_ends),
		cmocka_unit_test(decimals),
		cmocka_unit_test(milliseconds_to_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
