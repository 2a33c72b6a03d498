/*
 * test_result.c - folding and validation of results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/result.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>

/* One warm-up and n repetitions 100, 101, ..., the first bad contended. */
static struct result
sample_result(size_t n, size_t bad)
{
	struct result r = { .kind = KIND_CPUS,
		.elapsed_s = 9,
		.at_wall_ns = 1 };

	r.nsamples = n + 1;
	for (size_t i = 0; i <= n; i++)
		r.samples[i] = (struct result_sample){ .value = 99 + (double)i,
			.warmup = i == 0,
			.contended = i > 0 && i <= bad,
			.wall_s = 1,
			.cpu_s = 1,
			.share = 1 };
	str_copy(r.run_id, sizeof r.run_id, "b-01");
	str_copy(r.variant, sizeof r.variant, "std");
	str_copy(r.tool, sizeof r.tool, "sysbench");
	return r;
}

static void
kinds_round_trip(void **state)
{
	enum kind k;
	enum result_validity v;

	(void)state;
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		assert_true(kind_parse(kind_info((enum kind)i)->name, &k));
		assert_int_equal(k, i);
		assert_true(kind_info(k)->max > 0);
		assert_non_null(kind_info(k)->what);
	}
	assert_false(kind_parse("cpuX", &k));
	assert_false(kind_info(KIND_RTT)->higher_is_better);
	for (unsigned i = 0; i < RESULT_VALIDITY_COUNT; i++) {
		assert_true(result_validity_parse(result_validity_name(
						      (enum result_validity)i),
		    &v));
		assert_int_equal(v, i);
	}
	assert_false(result_validity_parse("fine", &v));
}

static void
folds_valid_repetitions_only(void **state)
{
	struct result r = sample_result(9, 2);
	struct mw_err err;

	(void)state;
	result_fold(&r);
	assert_int_equal(r.n, 9);
	assert_int_equal(r.n_contended, 2);
	assert_int_equal(r.n_valid, 7);
	assert_int_equal(r.validity, RESULT_OK);
	assert_true(r.has_value);
	assert_true(r.value == 105); /* of 102..108 */
	assert_true(r.q.has_ci);
	assert_true(result_validate(&r, &err));
}

static void
folds_too_few_and_none(void **state)
{
	struct result r = sample_result(8, 3);
	struct mw_err err;

	(void)state;
	result_fold(&r);
	assert_int_equal(r.n_valid, 5);
	assert_int_equal(r.validity, RESULT_TOO_FEW);
	assert_true(r.value == 103.5); /* of all 8: 100..107 */
	assert_true(result_validate(&r, &err));

	r = sample_result(0, 0);
	result_fold(&r);
	assert_int_equal(r.validity, RESULT_FAILED);
	assert_false(r.has_value);
	assert_string_equal(r.why, "NO_SAMPLES");
	assert_true(result_validate(&r, &err));

	r = sample_result(0, 0);
	str_copy(r.why, sizeof r.why, "TOOL_MISSING");
	result_fold(&r);
	assert_string_equal(r.why, "TOOL_MISSING");
}

static void
refuses_what_cannot_be_true(void **state)
{
	struct result good = sample_result(8, 1), r;
	struct mw_err err;

	(void)state;
	result_fold(&good);
#define REFUSES(change, where)                           \
	do {                                             \
		r = good;                                \
		change;                                  \
		assert_false(result_validate(&r, &err)); \
		assert_int_equal(err.code, MW_INVALID);  \
		assert_string_equal(err.pointer, where); \
	} while (0)
	REFUSES(r.kind = KIND_COUNT, "/kind");
	REFUSES(r.value = NAN, "/value");
	REFUSES(r.value = -1, "/value");
	REFUSES(r.value = 1e7, "/value");
	REFUSES(r.has_value = false, "/value");
	REFUSES(r.validity = RESULT_FAILED, "/value");
	REFUSES((r.validity = RESULT_FAILED, r.has_value = false),
	    "/substatus");
	REFUSES(r.n = 7, "/nValid");
	REFUSES((r.n = 7, r.n_valid = 6), "/n");
	REFUSES((r.n_valid = 8, r.n_contended = 0), "/nContended");
	REFUSES(r.nsamples = 65, "/samples");
	REFUSES(r.samples[2].value = INFINITY, "/samples/2");
	REFUSES(r.samples[2].steal_pct = 101, "/samples/2");
	REFUSES(r.q.stddev = INFINITY, "/median");
	REFUSES(r.q.median = r.q.max + 1, "/median");
	REFUSES(r.q.ci_lo = r.q.median + 1, "/ciLow");
	REFUSES(r.elapsed_s = NAN, "/elapsedS");
	REFUSES(r.at_wall_ns = -1, "/measuredAt");
	REFUSES(str_copy(r.run_id, 64, "a b"), "/runId");
	REFUSES(str_copy(r.detail, 200, "a\nb"), "/detail");
#undef REFUSES
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_round_trip),
		cmocka_unit_test(folds_valid_repetitions_only),
		cmocka_unit_test(folds_too_few_and_none),
		cmocka_unit_test(refuses_what_cannot_be_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
