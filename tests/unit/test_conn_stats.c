/*
 * test_conn_stats.c - counts by class, quantiles of a histogram, the last
 * failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/mw.h"
#include "common/pure/rng.h"
#include "coordinator/cloud/conn_stats.h"

#include <stdlib.h>
#include <string.h>

static void
add(struct conn_stats *s, enum csp_class cls, int64_t ns)
{
	struct csp_req *q = csp_req_new(CSP_VM_GET, "x");
	struct csp_answer *a = csp_answer_new(q);

	a->cls = cls;
	a->reason = cls == CSP_OK ? CSP_R_NONE : CSP_R_AUTH;
	a->code = cls == CSP_OK ? NULL : "AuthFailure";
	a->message = cls == CSP_OK ? NULL : "no\nsuch key";
	a->request_id = "r-1";
	conn_stats_add(s, a, ns, 42);
	csp_answer_free(a);
	csp_req_free(q);
}

static int
by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
test_counts(void **state)
{
	struct conn_stats *s = conn_stats_new();

	(void)state;
	assert_int_equal(conn_stats_quantile(s, 0.5), -1);
	add(s, CSP_OK, NS_PER_MS);
	assert_int_equal(s->failed_at_ns, 0);
	add(s, CSP_DEFINITE, 0);
	add(s, CSP_THROTTLED, NS_PER_S);
	assert_int_equal(s->calls, 3);
	assert_int_equal(s->by_class[CSP_OK], 1);
	assert_int_equal(s->by_class[CSP_THROTTLED], 1);
	assert_int_equal(s->by_reason[CSP_R_AUTH], 2);
	assert_int_equal(s->failed_at_ns, 42);
	assert_string_equal(s->last.code, "AuthFailure");
	assert_null(strchr(s->last.message, '\n'));
	conn_stats_unref(s);
}

/* Never below the exact quantile (nearest rank), at most a bucket above. */
static void
test_quantiles(void **state)
{
	static const double qs[] = { 0.5, 0.95, 1.0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 7);
	for (int round = 0; round < 50; round++) {
		struct conn_stats *s = conn_stats_new();
		int64_t v[200];
		size_t n = 1 + rng_below(&r, 200);

		for (size_t i = 0; i < n; i++) {
			v[i] = NS_PER_MS +
			    (int64_t)rng_below(&r,
				(uint64_t)NS_PER_MS << rng_below(&r, 18));
			add(s, CSP_OK, v[i]);
		}
		qsort(v, n, sizeof *v, by_value);
		for (size_t k = 0; k < ARRAY_LEN(qs); k++) {
			double want = qs[k] * (double)n;
			size_t rank = (size_t)want + (want > (size_t)want);
			int64_t exact = v[rank - 1];
			int64_t got = conn_stats_quantile(s, qs[k]);

			assert_true(got >= exact);
			assert_true((double)got <= (double)exact * 1.1893);
		}
		conn_stats_unref(s);
	}
}

static void
test_no_end(void **state)
{
	struct conn_stats *s = conn_stats_new();

	(void)state;
	add(s, CSP_OK, 7200 * NS_PER_S);
	assert_int_equal(conn_stats_quantile(s, 0.5), 7200 * NS_PER_S);
	conn_stats_unref(s);
}

/* The count outlives the connection. */
static int ended;

static void
on_done(struct csp_answer *take_a, void *arg)
{
	assert_ptr_equal(arg, &ended);
	csp_answer_free(take_a);
	ended++;
}

static void
test_wrap(void **state)
{
	struct conn_stats *s = conn_stats_new(), *mine = conn_stats_ref(s);
	struct csp_req *q = csp_req_new(CSP_VERIFY, "x");
	void *arg = &ended;
	drv_done_fn fn = conn_stats_wrap(s, on_done, &arg);

	(void)state;
	assert_int_equal(s->open, 1);
	conn_stats_unref(s);
	fn(csp_answer_new(q), arg);
	assert_int_equal(ended, 1);
	assert_int_equal(mine->open, 0);
	assert_int_equal(mine->by_class[CSP_AMBIGUOUS], 1);
	conn_stats_unref(mine);
	csp_req_free(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_no_end),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
