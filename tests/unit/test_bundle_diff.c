/*
 * test_bundle_diff.c - when two measurements differ, and when that is noise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/bundle_diff.h"

#include <math.h>
#include <string.h>

static const double slow[] = { 96, 97, 98, 99, 100, 101 };
static const double fast[] = { 116, 117, 118, 119, 120, 121 };

static struct bundle_side
one_vm(const double *samples, size_t n, double value, double lo, double hi)
{
	return (struct bundle_side){ .value = value,
		.ci_lo = lo,
		.ci_hi = hi,
		.nvms = 1,
		.vms = samples,
		.samples = samples,
		.nsamples = n };
}

static void
expect(const struct bundle_side *a, const struct bundle_side *b, bool higher,
    enum bundle_verdict v, const char *how)
{
	struct bundle_change ch;

	bundle_judge(a, b, higher, BUNDLE_MIN_PCT, &ch);
	assert_string_equal(bundle_verdict_name(ch.verdict),
	    bundle_verdict_name(v));
	if (how)
		assert_string_equal(ch.how, how);
	else
		assert_null(ch.how);
	assert_true(
	    v != BUNDLE_NOT_COMPARABLE || strcmp(ch.reason, "tooFew") == 0);
}

static void
the_direction_is_the_kinds(void **state)
{
	struct bundle_side a = one_vm(slow, 6, 98.5, 96, 101);
	struct bundle_side b = one_vm(fast, 6, 118.5, 116, 121);

	(void)state;
	expect(&a, &b, true, BUNDLE_FASTER, "samples");
	expect(&b, &a, true, BUNDLE_SLOWER, "samples");
	expect(&a, &b, false, BUNDLE_SLOWER, "samples");
	expect(&a, &a, true, BUNDLE_SAME, "samples");
}

/* Of few VMs both must say so: intervals apart, and ranks. */
static void
one_sign_alone_is_noise(void **state)
{
	struct bundle_side a = one_vm(slow, 6, 98.5, 96, 101);
	struct bundle_side b = one_vm(fast, 6, 118.5, 100, 121);
	struct bundle_side c = one_vm(slow, 6, 118.5, 116, 121);

	(void)state;
	expect(&a, &b, true, BUNDLE_SAME, "samples");
	expect(&a, &c, true, BUNDLE_SAME, "samples");
}

static void
a_small_change_is_none(void **state)
{
	static const double x[] = { 100, 100.1, 100.2, 100.3, 100.4, 100.5 };
	static const double y[] = { 101, 101.1, 101.2, 101.3, 101.4, 101.5 };
	struct bundle_side a = one_vm(x, 6, 100.25, 100, 100.5);
	struct bundle_side b = one_vm(y, 6, 101.25, 101, 101.5);
	struct bundle_change ch;

	(void)state;
	expect(&a, &b, true, BUNDLE_SAME, "samples");
	bundle_judge(&a, &b, true, 0.5, &ch);
	assert_int_equal(ch.verdict, BUNDLE_FASTER);
	assert_true(fabs(ch.ratio - 101.25 / 100.25) < 1e-12);
}

static void
what_is_not_kept_is_not_asked(void **state)
{
	struct bundle_side a = one_vm(slow, 0, 98.5, 96, 101);
	struct bundle_side b = one_vm(fast, 0, 118.5, 116, 121);
	struct bundle_side c = one_vm(slow, 6, 98.5, NAN, NAN);
	struct bundle_side d = one_vm(fast, 6, 118.5, NAN, NAN);
	struct bundle_side e = one_vm(fast, 3, 118.5, NAN, NAN);

	(void)state;
	expect(&a, &b, true, BUNDLE_FASTER, "interval");
	expect(&c, &d, true, BUNDLE_FASTER, "samples");
	expect(&c, &e, true, BUNDLE_NOT_COMPARABLE, NULL);
}

static void
many_vms_are_compared_with_each_other(void **state)
{
	static const double a_vms[] = { 100, 101, 99, 102, 98 };
	static const double b_vms[] = { 90, 91, 89, 92, 88 };
	static const double c_vms[] = { 90, 91, 89, 92, 99.5 };
	struct bundle_side a = { .value = 100,
		.ci_lo = NAN,
		.ci_hi = NAN,
		.vms = a_vms,
		.nvms = 5 };
	struct bundle_side b = { .value = 90,
		.ci_lo = NAN,
		.ci_hi = NAN,
		.vms = b_vms,
		.nvms = 5 };
	struct bundle_side c = { .value = 91,
		.ci_lo = NAN,
		.ci_hi = NAN,
		.vms = c_vms,
		.nvms = 5 };

	(void)state;
	expect(&a, &b, true, BUNDLE_SLOWER, "vms");
	expect(&a, &c, true, BUNDLE_SAME, "vms"); /* U 2: p 0.032 */
}

static void
rtt(double a, double aj, double b, double bj, enum bundle_verdict v)
{
	struct bundle_rtt x = { a, aj, 20 }, y = { b, bj, 20 };
	struct bundle_change ch;

	bundle_judge_rtt(&x, &y, &ch);
	assert_string_equal(bundle_verdict_name(ch.verdict),
	    bundle_verdict_name(v));
}

static void
latencies_move_by_more_than_the_largest_of_three(void **state)
{
	struct bundle_rtt x = { 40, 0.5, 25 };

	(void)state;
	rtt(1, 0, 1.4, 0, BUNDLE_SAME); /* 0.5 ms */
	rtt(1, 0, 1.6, 0, BUNDLE_SLOWER);
	rtt(40, 0.1, 41.9, 0.1, BUNDLE_SAME); /* 5 % */
	rtt(40, 0.1, 42.1, 0.1, BUNDLE_SLOWER);
	rtt(42.1, 0.1, 40, 0.1, BUNDLE_SAME);
	rtt(42.2, 0.1, 40, 0.1, BUNDLE_FASTER);
	rtt(40, 8, 44, 8, BUNDLE_SAME); /* noise 5.5 ms */
	rtt(40, 8, 46, 8, BUNDLE_SLOWER);
	rtt(40, NAN, 46, NAN, BUNDLE_SLOWER);
	rtt(40, 0, NAN, 0, BUNDLE_LOST);
	rtt(NAN, 0, 40, 0, BUNDLE_REACHED);
	rtt(NAN, 0, NAN, 0, BUNDLE_SAME);
	assert_true(fabs(bundle_rtt_noise_ms(&x) - 2.1777 * 0.5 / 5) < 1e-3);
	x.n = 1;
	assert_true(isnan(bundle_rtt_noise_ms(&x)));
}

static void
only_slower_and_lost_are_worse(void **state)
{
	(void)state;
	for (int v = 0; v < BUNDLE_VERDICT_COUNT; v++)
		assert_int_equal(bundle_verdict_worse((enum bundle_verdict)v),
		    v == BUNDLE_SLOWER || v == BUNDLE_LOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_direction_is_the_kinds),
		cmocka_unit_test(one_sign_alone_is_noise),
		cmocka_unit_test(a_small_change_is_none),
		cmocka_unit_test(what_is_not_kept_is_not_asked),
		cmocka_unit_test(many_vms_are_compared_with_each_other),
		cmocka_unit_test(
		    latencies_move_by_more_than_the_largest_of_three),
		cmocka_unit_test(only_slower_and_lost_are_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
