/*
 * test_when.c - RFC 3339 and nanoseconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void
formats_known_moments(void **state)
{
	char t[WHEN_LEN];

	(void)state;
	when_format(0, t);
	assert_string_equal(t, "1970-01-01T00:00:00.000Z");
	when_format(INT64_C(1767582001260000000), t);
	assert_string_equal(t, "2026-01-05T03:00:01.260Z");
	when_format(-1, t);
	assert_string_equal(t, "1969-12-31T23:59:59.999Z");
	when_format(INT64_MAX, t);
	assert_string_equal(t, "2262-04-11T23:47:16.854Z");
}

static void
agrees_with_libc_over_three_centuries(void **state)
{
	(void)state;
	for (int64_t s = 0; s < INT64_C(9200000000); s += 7654321) {
		time_t tt = (time_t)s;
		char want[WHEN_LEN], got[WHEN_LEN];
		struct tm tm;
		int64_t back;

		gmtime_r(&tt, &tm);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		when_format(s * NS_PER_S, got);
		assert_string_equal(got, want);
		assert_true(when_parse(got, &back));
		assert_true(back == s * NS_PER_S);
	}
}

static void
parses_fractions_and_offsets(void **state)
{
	int64_t a, b;

	(void)state;
	assert_true(when_parse("2026-01-05T03:00:01Z", &a));
	assert_true(when_parse("2026-01-05T12:00:01+09:00", &b));
	assert_true(a == b);
	assert_true(when_parse("2026-01-04T22:30:01-04:30", &b));
	assert_true(a == b);
	assert_true(when_parse("2026-01-05t03:00:01.123456789z", &b));
	assert_int_equal(b - a, 123456789);
	assert_true(when_parse("2024-02-29T00:00:00Z", &a));
}

static void
refuses_what_is_no_time(void **state)
{
	static const char *const bad[] = { "", "2026", "2026-01-05",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z", "2026-01-01T00:00:00",
		"2026-01-01 00:00:00Z", "2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00Zx",
		"2026-01-01T00:00:00+24:00", "1969-01-01T00:00:00Z",
		"2262-01-01T00:00:00Z", "+026-01-01T00:00:00Z" };
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (when_parse(bad[i], &v))
			fail_msg("accepted %s", bad[i]);
}

static void
ages_for_people(void **state)
{
	static const struct {
		int64_t s;
		const char *want;
	} ages[] = { { -5, "0 s" }, { 59, "59 s" }, { 60, "1 min" },
		{ 7199, "1 h" }, { 3599, "59 min" }, { 172799, "47 h" },
		{ 345600, "4 d" } };
	char t[WHEN_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		when_age(ages[i].s * NS_PER_S, t);
		assert_string_equal(t, ages[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_known_moments),
		cmocka_unit_test(agrees_with_libc_over_three_centuries),
		cmocka_unit_test(parses_fractions_and_offsets),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(ages_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
