/*
 * test_ranksum.c - Mann-Whitney's U: known values, all orders counted, ties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/ranksum.h"

#include <math.h>
#include <string.h>

static void
near(double is, double should, double by)
{
	if (!(fabs(is - should) <= by))
		fail_msg("%.9g, not %.9g", is, should);
}

/* Mann and Whitney's table: 3 and 3, U = 0: 2 of 20 orders; 4 and 4: 2 of 70;
 * 5 and 5, U = 2: 2 x 4 of 252. */
static void
exact_probabilities_are_those_of_the_tables(void **state)
{
	static const struct {
		size_t na, nb;
		double a[8], b[8], u, p;
	} t[] = {
		{ 3, 3, { 1, 2, 3 }, { 4, 5, 6 }, 0, 2.0 / 20 },
		{ 3, 3, { 4, 5, 6 }, { 1, 2, 3 }, 9, 2.0 / 20 },
		{ 4, 4, { 1, 2, 3, 4 }, { 5, 6, 7, 8 }, 0, 2.0 / 70 },
		{ 5, 5, { 1, 2, 3, 4, 7 }, { 5, 6, 8, 9, 10 }, 2, 8.0 / 252 },
		{ 1, 1, { 1 }, { 2 }, 0, 1 },
		{ 6, 7, { 1, 2, 3, 4, 5, 6 }, { 7, 8, 9, 10, 11, 12, 13 }, 0,
		    2.0 / 1716 },
	};
	struct ranksum r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_true(ranksum(t[i].a, t[i].na, t[i].b, t[i].nb, &r));
		assert_true(r.exact);
		near(r.u, t[i].u, 0);
		near(r.p, t[i].p, 1e-12);
	}
}

/* Every order of 4 and 5 values, by brute force. */
static void
exact_agrees_with_counting_all_orders(void **state)
{
	double count[21] = { 0 }, all = 0;

	(void)state;
	for (int pass = 0; pass < 2; pass++)
		for (unsigned set = 0; set < 1u << 9; set++) {
			double a[4], b[5], p = 0;
			size_t na = 0, nb = 0;
			struct ranksum r;

			for (unsigned i = 0; i < 9; i++)
				if (set >> i & 1) {
					if (na == 4)
						goto next;
					a[na++] = i;
				} else {
					if (nb == 5)
						goto next;
					b[nb++] = i;
				}
			assert_true(ranksum(a, na, b, nb, &r));
			if (pass == 0) {
				count[(size_t)r.u]++;
				all++;
				continue;
			}
			for (size_t u = 0; u <= 20; u++)
				if (u <= fmin(r.u, 20 - r.u))
					p += 2 * count[u] / all;
			near(r.p, fmin(1, p), 1e-12);
		next:;
		}
	near(all, 126, 0);
}

/* Worked out by hand. */
static void
ties_take_the_normal_approximation(void **state)
{
	const double a[] = { 3, 4, 6, 8 }, b[] = { 1, 2, 4, 7 };
	struct ranksum r;

	(void)state;
	assert_true(ranksum(a, 4, b, 4, &r));
	assert_false(r.exact);
	near(r.u, 11.5, 0);
	/* var = 16/12 x (9 - 6/56) = 11.857; z = (3.5 - 0.5) / 3.4434 */
	near(r.p, erfc(3.0 / sqrt(16.0 / 12 * (9 - 6.0 / 56)) / sqrt(2)),
	    1e-12);
	near(r.p, 0.3836, 0.0005);
}

static void
equal_values_are_no_difference(void **state)
{
	const double a[] = { 5, 5, 5, 5, 5, 5 };
	struct ranksum r;

	(void)state;
	assert_true(ranksum(a, 6, a, 6, &r));
	near(r.p, 1, 0);
	near(r.u, 18, 0);
}

static void
exact_and_normal_meet(void **state)
{
	double a[20], b[20], c[21];
	struct ranksum e, n;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		a[i] = (double)(i * 2);
		b[i] = (double)(i * 2 + 7);
		c[i] = b[i];
	}
	c[20] = 30.5;
	assert_true(ranksum(a, 20, b, 20, &e) && e.exact);
	assert_true(ranksum(a, 20, c, 21, &n) && !n.exact);
	near(e.p, n.p, 0.02);
}

static void
what_is_no_sample_is_refused(void **state)
{
	const double a[] = { 1, 2 }, bad[] = { 1, NAN };
	struct ranksum r;

	(void)state;
	assert_false(ranksum(a, 0, a, 2, &r));
	assert_false(ranksum(a, 2, a, 0, &r));
	assert_false(ranksum(a, 2, bad, 2, &r));
	assert_false(ranksum(a, RANKSUM_MAX + 1, a, 2, &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_probabilities_are_those_of_the_tables),
		cmocka_unit_test(exact_agrees_with_counting_all_orders),
		cmocka_unit_test(ties_take_the_normal_approximation),
		cmocka_unit_test(equal_values_are_no_difference),
		cmocka_unit_test(exact_and_normal_meet),
		cmocka_unit_test(what_is_no_sample_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
