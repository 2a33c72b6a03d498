/*
 * test_quant.c - order statistics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/quant.h"

#include <math.h>

static void
knows_textbook_figures(void **state)
{
	double v[] = { 9, 2, 4, 4, 5, 5, 7, 4 };
	struct quant q;

	(void)state;
	quant_of(v, 8, &q);
	assert_int_equal(q.n, 8);
	assert_true(q.min == 2 && q.max == 9 && q.mean == 5);
	assert_true(q.median == 4.5);
	assert_true(fabs(q.stddev - sqrt(32.0 / 7)) < 1e-12);
	assert_true(q.mad == 0.5);
	assert_true(fabs(q.cv - q.stddev / 5) < 1e-12);
	assert_true(fabs(q.mad_cv - 1.4826 * 0.5 / 4.5) < 1e-12);
	assert_true(q.p05 == 2 && q.p95 == 9);
}

static void
interval_ranks_and_levels(void **state)
{
	static const struct {
		size_t n;
		int lo, hi;
		double level;
	} want[] = { { 6, 1, 6, .969 }, { 7, 1, 7, .984 }, { 8, 1, 8, .992 },
		{ 9, 2, 8, .961 }, { 10, 2, 9, .979 }, { 12, 3, 10, .961 },
		{ 15, 4, 12, .965 }, { 20, 6, 15, .959 },
		{ 30, 10, 21, .957 } };
	double v[30];
	struct quant q;

	(void)state;
	for (size_t w = 0; w < ARRAY_LEN(want); w++) {
		for (size_t i = 0; i < want[w].n; i++)
			v[i] = (double)(i + 1);
		quant_of(v, want[w].n, &q);
		assert_true(q.has_ci);
		assert_true(q.ci_lo == want[w].lo);
		assert_true(q.ci_hi == want[w].hi);
		assert_true(fabs(q.ci_level - want[w].level) < 0.001);
	}
	quant_of(v, 5, &q);
	assert_false(q.has_ci);
}

static void
few_and_many(void **state)
{
	static double many[5000];
	double one[] = { 3 }, zeros[] = { 0, 0, 0 };
	struct quant q;

	(void)state;
	quant_of(one, 0, &q);
	assert_int_equal(q.n, 0);
	assert_true(isnan(q.median) && isnan(q.min) && isnan(q.ci_lo));
	quant_of(one, 1, &q);
	assert_true(q.median == 3 && q.mad == 0 && q.p95 == 3);
	assert_true(isnan(q.stddev) && isnan(q.cv));
	quant_of(zeros, 3, &q);
	assert_true(q.median == 0 && isnan(q.cv) && isnan(q.mad_cv));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (double)i;
	quant_of(many, ARRAY_LEN(many), &q);
	assert_true(q.has_ci && q.ci_lo < q.median && q.median < q.ci_hi);
	assert_true(q.ci_hi - q.ci_lo < 145 && q.ci_hi - q.ci_lo > 130);
	assert_true(q.p95 == 4749);
	quant_of(many, 1000, &q);
	assert_true(q.ci_level >= 0.95 && q.ci_level < 0.96);
}

static void
nearest_rank(void **state)
{
	static const double v[] = { 15, 20, 35, 40, 50 };

	(void)state;
	assert_true(quant_nearest(v, 5, 5) == 15);
	assert_true(quant_nearest(v, 5, 30) == 20);
	assert_true(quant_nearest(v, 5, 40) == 20);
	assert_true(quant_nearest(v, 5, 50) == 35);
	assert_true(quant_nearest(v, 5, 100) == 50);
	assert_true(quant_nearest(v, 5, 60) == 35);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_textbook_figures),
		cmocka_unit_test(interval_ranks_and_levels),
		cmocka_unit_test(few_and_many),
		cmocka_unit_test(nearest_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
