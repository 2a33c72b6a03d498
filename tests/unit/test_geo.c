/*
 * test_geo.c - distances against known city pairs, and the properties of the
 * synthetic round-trip time.
 */
#include "common/pure/geo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void
distance_of_known_cities(void **state)
{
	static const struct {
		double lat1, lon1, lat2, lon2, km;
	} rows[] = {
		{ 37.57, 126.98, 35.68, 139.69, 1159 }, /* Seoul, Tokyo */
		{ 51.51, -0.13, 40.71, -74.01, 5570 }, /* London, New York */
		{ 0, 0, 0, 180, 20015 }, /* half the equator */
		{ 90, 0, -90, 0, 20015 },
		{ 10, 20, 10, 20, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double d = geo_distance_km(rows[i].lat1, rows[i].lon1,
		    rows[i].lat2, rows[i].lon2);

		assert_true(fabs(d - rows[i].km) < 10);
	}
}

static const struct geo_site seoul = { "aws-seoul", "aws/seoul", 37.57,
	126.98 };
static const struct geo_site seoul_big = { "aws-seoul-big", "aws/seoul", 37.57,
	126.98 };
static const struct geo_site frankfurt = { "gcp-frankfurt", "gcp/frankfurt",
	50.11, 8.68 };

static void
rtt_is_symmetric_and_repeatable(void **state)
{
	uint32_t us = geo_rtt_us(7, &seoul, &frankfurt);

	(void)state;
	assert_int_equal(us, geo_rtt_us(7, &frankfurt, &seoul));
	assert_int_equal(us, geo_rtt_us(7, &seoul, &frankfurt));
	assert_int_not_equal(us, geo_rtt_us(8, &seoul, &frankfurt));
}

static void
rtt_never_beats_light_and_has_a_roof(void **state)
{
	double fibre_us = 2 *
	    geo_distance_km(seoul.lat, seoul.lon, frankfurt.lat,
		frankfurt.lon) /
	    200 * 1000;

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		uint32_t us = geo_rtt_us(seed, &seoul, &frankfurt);

		assert_true(us >= fibre_us + 1200);
		assert_true(us <= 450000);
	}
}

static void
one_region_is_below_a_millisecond(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 500; seed++) {
		uint32_t us = geo_rtt_us(seed, &seoul, &seoul_big);

		assert_in_range(us, 300, 1000);
		assert_in_range(geo_rtt_us(seed, &seoul, &seoul), 300, 1000);
	}
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Quantiles of the stretch as geo.h promises, on a path short enough for the
 * roof not to matter. */
static void
stretch_has_its_quantiles(void **state)
{
	enum {
		N = 4000
	};
	static double v[N];
	const struct geo_site a = { "a", "x/a", 0, 0 };
	double fibre_ms = 2 * geo_distance_km(0, 0, 0, 9) / 200;
	char name[16];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct geo_site b = { name, "x/b", 0, 9 };

		snprintf(name, sizeof name, "b%zu", i);
		/* the ends add 1.2 to 4 ms, 2.6 on average */
		v[i] = (geo_rtt_us(1, &a, &b) / 1000.0 - 2.6) / fibre_ms;
	}
	qsort(v, N, sizeof v[0], by_value);
	assert_true(fabs(v[N / 2] - 1.86) < 0.15);
	assert_true(fabs(v[N * 9 / 10] - 3.1) < 0.3);
	assert_true(v[N - 1] < 8.75 + 0.2);
	assert_true(v[N * 99 / 100] > 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_of_known_cities),
		cmocka_unit_test(rtt_is_symmetric_and_repeatable),
		cmocka_unit_test(rtt_never_beats_light_and_has_a_roof),
		cmocka_unit_test(one_region_is_below_a_millisecond),
		cmocka_unit_test(stretch_has_its_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
