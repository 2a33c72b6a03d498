/*
 * test_rng.c - seeded random numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/rng.h"

#include <math.h>
#include <stdlib.h>

static void
matches_the_reference_streams(void **state)
{
	struct rng r = { { 1, 2, 3, 4 } };
	/* xoshiro256** from state 1, 2, 3, 4. */
	static const uint64_t want[] = { 11520, 0, 1509978240,
		1215971899390074240 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(rng_u64(&r) == want[i]);
	/* splitmix64 from seed 0. */
	assert_true(rng_mix(0) == UINT64_C(0xe220a8397b1dcdaf));
	rng_seed(&r, 0);
	assert_true(r.s[0] == UINT64_C(0xe220a8397b1dcdaf));
	assert_true(r.s[1] == UINT64_C(0x6e789e6aa1b965f4));
}

static void
same_seed_same_stream(void **state)
{
	struct rng a, b, c;
	int equal = 0;

	(void)state;
	rng_seed(&a, 42);
	rng_seed(&b, 42);
	rng_seed(&c, 43);
	for (int i = 0; i < 100; i++) {
		uint64_t x = rng_u64(&a);

		assert_true(x == rng_u64(&b));
		equal += x == rng_u64(&c);
	}
	assert_int_equal(equal, 0);
}

static void
distributions_have_their_moments(void **state)
{
	double unit = 0, ex = 0, no = 0, no2 = 0;
	enum {
		N = 100000
	};
	unsigned hits[7] = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 7);
	for (int i = 0; i < N; i++) {
		double u = rng_unit(&r), z = rng_normal(&r);

		assert_true(u >= 0 && u < 1);
		unit += u;
		ex += rng_exp(&r);
		no += z;
		no2 += z * z;
		hits[rng_below(&r, 7)]++;
	}
	assert_true(fabs(unit / N - 0.5) < 0.01);
	assert_true(fabs(ex / N - 1) < 0.02);
	assert_true(fabs(no / N) < 0.02);
	assert_true(fabs(no2 / N - 1) < 0.03);
	for (int i = 0; i < 7; i++)
		assert_true(abs((int)hits[i] - N / 7) < N / 70);
	assert_int_equal(rng_below(&r, 1), 0);
}

static void
shuffle_is_a_permutation(void **state)
{
	uint32_t v[50];
	bool seen[50] = { false };
	struct rng r;
	int moved = 0;

	(void)state;
	rng_seed(&r, 1);
	for (uint32_t i = 0; i < 50; i++)
		v[i] = i;
	rng_shuffle(&r, v, 50);
	for (uint32_t i = 0; i < 50; i++) {
		assert_false(seen[v[i]]);
		seen[v[i]] = true;
		moved += v[i] != i;
	}
	assert_true(moved > 30);
	rng_shuffle(&r, v, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_reference_streams),
		cmocka_unit_test(same_seed_same_stream),
		cmocka_unit_test(distributions_have_their_moments),
		cmocka_unit_test(shuffle_is_a_permutation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
