/*
 * test_gate.c - the quality gate: the deck's table, distances, reasons.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/gate.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 17

static uint32_t deck[N * N];

/* The table of the deck, ms; the first line and column are names. */
static int
load(void **state)
{
	FILE *f = fopen("bench-data/deck/deck-rtt-17x17.csv", "r");
	char line[4096];
	size_t row = 0;

	(void)state;
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	while (row < N && fgets(line, sizeof line, f)) {
		char *p = strchr(line, ',');

		for (size_t col = 0; col < N; col++) {
			assert_non_null(p);
			deck[row * N + col] =
			    (uint32_t)lround(strtod(p + 1, NULL) * 1000);
			p = strchr(p + 1, ',');
		}
		row++;
	}
	fclose(f);
	assert_int_equal(row, N);
	return 0;
}

static void
deck_pairs_are_flagged_exactly(void **state)
{
	const struct gate g = { .n = N, .us = deck, .intra_us = GATE_UNKNOWN };
	size_t major = 0, minor = 0;

	(void)state;
	for (size_t a = 0; a < N; a++)
		for (size_t b = a + 1; b < N; b++) {
			unsigned f = gate_pair(&g, a, b);
			bool bad = a >= 1 && a <= 5 && b == 16;

			assert_int_equal(!!(f & GATE_ASYMMETRIC), bad);
			assert_int_equal(!!(f & GATE_DETOUR), bad);
			major += (f & GATE_ASYMMETRIC) != 0;
			minor += (f & GATE_ASYMMETRIC_MINOR) != 0;
			if (f & GATE_ASYMMETRIC_MINOR)
				assert_true(a == 0 && (b == 8 || b == 13));
		}
	assert_int_equal(major, 5);
	assert_int_equal(major + minor, 7); /* of more than 5 % */
}

static void
reason_is(const struct gate *g, size_t a, size_t b, unsigned flag,
    const char *want)
{
	struct str s = STR_INIT;
	unsigned bit = 0;

	while (1u << bit != flag)
		bit++;
	if (!(gate_pair(g, a, b) & flag))
		fail_msg("no %s", gate_name(bit));
	gate_reason(g, a, b, bit, &s);
	assert_string_equal(str_cstr(&s), want);
	str_free(&s);
}

static void
reasons_have_the_numbers(void **state)
{
	static const char *const names[] = { "seoul", "virginia", "tokyo" };
	const uint32_t U = GATE_UNKNOWN;
	const uint32_t us[9] = { U, 900, 30000, 60100, U, U, 30000, 25000, U };
	const uint32_t n[9] = { 0, 9, 90, 90, 0, 0, 90, 90, 0 };
	const uint32_t rounds[9] = { 0, 1, 9, 9, 0, 0, 9, 2, 0 };
	const uint32_t age[9] = { 0, 5, 5, 5, 0, 0, 90000, 5, 0 };
	struct gate g = { .n = 3,
		.us = us,
		.samples = n,
		.rounds = rounds,
		.age_s = age,
		.names = names,
		.intra_us = GATE_UNKNOWN };

	(void)state;
	reason_is(&g, 0, 1, GATE_ASYMMETRIC,
	    "0.9 -> 60.1 ms: the directions differ by 59.2 ms (99 %)");
	reason_is(&g, 0, 1, GATE_FEW_SAMPLES,
	    "9 samples of 1 round; at least 20 of 3 are wanted");
	reason_is(&g, 1, 2, GATE_FEW_SAMPLES,
	    "90 samples of 2 rounds; at least 20 of 3 are wanted");
	reason_is(&g, 1, 2, GATE_ONE_DIRECTION,
	    "only tokyo -> virginia is known: 25.0 ms");
	reason_is(&g, 0, 2, GATE_STALE, "measured 25 hours ago");
	assert_int_equal(gate_pair(&g, 0, 2), GATE_STALE);
	assert_int_equal(gate_pair(&g, 0, 0), GATE_MISSING);
	g.intra_us = 300;
	reason_is(&g, 0, 0, GATE_ASSUMED, "not measured, taken as 0.3 ms");
}

static void
detours_name_the_best_hop(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	uint32_t us[16];
	struct gate g = { .n = 4,
		.us = us,
		.names = names,
		.intra_us = GATE_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < 16; i++)
		us[i] = 100000;
	us[0 * 4 + 1] = us[1 * 4 + 0] = 250000;
	us[0 * 4 + 3] = us[3 * 4 + 0] = 60000;
	reason_is(&g, 0, 1, GATE_DETOUR, "250.0 ms, but 160.0 ms by way of d");
	us[0 * 4 + 1] = us[1 * 4 + 0] = 199999; /* saves less than 20 % */
	assert_int_equal(gate_pair(&g, 0, 1) & GATE_DETOUR, 0);
}

static void
nothing_is_faster_than_light(void **state)
{
	/* Seoul, Frankfurt, Frankfurt, and nobody knows where */
	const double lat[4] = { 37.57, 50.11, 50.12, NAN };
	const double lon[4] = { 126.98, 8.68, 8.69, NAN };
	uint32_t us[16];
	struct gate g = { .n = 4,
		.us = us,
		.lat = lat,
		.lon = lon,
		.intra_us = GATE_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < 16; i++)
		us[i] = 1;
	us[0 * 4 + 1] = us[1 * 4 + 0] = 230000;
	assert_int_equal(gate_pair(&g, 0, 1) & ~(unsigned)GATE_SINGLE_VALUE &
		~(unsigned)GATE_DETOUR,
	    0);
	us[0 * 4 + 1] = us[1 * 4 + 0] = 70000; /* 8,540 km: 85.4 ms in fibre */
	assert_true(gate_pair(&g, 0, 1) & GATE_FASTER_THAN_FIBRE);
	us[0 * 4 + 1] = 50000; /* the larger direction counts */
	assert_false(gate_pair(&g, 0, 1) & GATE_FASTER_THAN_LIGHT);
	us[1 * 4 + 0] = 50000; /* 57.0 ms in vacuum */
	assert_true(gate_pair(&g, 0, 1) & GATE_FASTER_THAN_LIGHT);
	assert_false(gate_pair(&g, 0, 1) & GATE_FASTER_THAN_FIBRE);
	/* near, and unknown places */
	assert_false(gate_pair(&g, 1, 2) & GATE_FASTER_THAN_LIGHT);
	assert_false(gate_pair(&g, 0, 3) & GATE_FASTER_THAN_LIGHT);
}

static void
copies_are_found_in_foreign_tables_only(void **state)
{
	uint32_t us[25], rounds[25];
	struct gate g = { .n = 5, .us = us, .intra_us = GATE_UNKNOWN };

	(void)state;
	for (uint32_t i = 0; i < 25; i++) {
		us[i] = 20000 + i;
		rounds[i] = 9;
	}
	us[1] = us[2] = us[3] = us[4] = 33333;
	reason_is(&g, 0, 1, GATE_REPEATED,
	    "33.333 ms 4 times in one row or column: was it copied?");
	assert_false(gate_pair(&g, 1, 2) & GATE_REPEATED);
	g.rounds = rounds;
	assert_false(gate_pair(&g, 0, 1) & GATE_REPEATED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deck_pairs_are_flagged_exactly),
		cmocka_unit_test(reasons_have_the_numbers),
		cmocka_unit_test(detours_name_the_best_hop),
		cmocka_unit_test(nothing_is_faster_than_light),
		cmocka_unit_test(copies_are_found_in_foreign_tables_only),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
