/*
 * test_wan.c - the pure parts of the emulated network: order of packets, live
 * flows, rules, the calibration filter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "twin/calibrate.h"
#include "twin/wan_flow.h"
#include "twin/wan_heap.h"
#include "twin/wan_model.h"

#include <string.h>

static const struct wan_end any = { WAN_ANY, 0 };

static struct wan_end
site(uint32_t i)
{
	return (struct wan_end){ WAN_SITE, i };
}

static struct wan_end
host(uint32_t i)
{
	return (struct wan_end){ WAN_HOST, i };
}

static struct wan_point
point(uint32_t h, uint32_t s)
{
	return (struct wan_point){ .host = h, .site = s };
}

static void
heap_pops_by_time_then_by_arrival(void **state)
{
	struct wan_heap h;
	struct rng r;
	uintptr_t id[500];
	int64_t due[500], last = 0;
	size_t i, prev = 0;

	(void)state;
	rng_seed(&r, 3);
	wan_heap_init(&h, 500);
	for (i = 0; i < 500; i++) {
		id[i] = i;
		due[i] = (int64_t)rng_below(&r, 40);
		assert_true(wan_heap_push(&h, due[i], &id[i]));
	}
	assert_false(wan_heap_push(&h, 0, &id[0])); /* full */
	for (i = 0; i < 500; i++) {
		int64_t t = wan_heap_due(&h);
		size_t k = (size_t)((uintptr_t *)wan_heap_pop(&h) - id);

		assert_int_equal(t, due[k]);
		assert_true(t > last || i == 0 || (t == last && k > prev));
		last = t;
		prev = k;
	}
	assert_true(wan_heap_due(&h) == INT64_MAX);
	wan_heap_free(&h);
}

static void
flows_keep_live_pairs_and_reuse_dead_ones(void **state)
{
	struct wan_flows t;
	struct wan_flow *f;
	uint32_t i;

	(void)state;
	wan_flows_init(&t, 64);
	f = wan_flows_get(&t, 1, 2, 100);
	f->last_due_ns = 500;
	assert_ptr_equal(wan_flows_get(&t, 1, 2, 100), f);
	assert_ptr_not_equal(wan_flows_get(&t, 2, 1, 100), f);
	/* far more pairs than places, none of them live */
	for (i = 0; i < 10000; i++)
		wan_flows_get(&t, 3, i, 200);
	assert_int_equal(t.evictions, 0);
	assert_int_equal(wan_flows_get(&t, 1, 2, 200)->last_due_ns, 500);
	/* more live pairs than places: pushed out, and counted */
	for (i = 0; i < 1000; i++)
		wan_flows_get(&t, 4, i, 200)->last_due_ns = 1000;
	assert_true(t.evictions > 0);
	wan_flows_free(&t);
}

static void
matrix_must_be_symmetric_and_sane(void **state)
{
	int32_t good[4] = { 1, WAN_UNKNOWN, WAN_UNKNOWN, 2 };
	int32_t skew[4] = { 1, 5, 6, 2 }, below[4] = { 1, -2, -2, 2 };
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_true(wan_model_check(good, 2, &err));
	assert_false(wan_model_check(skew, 2, &err));
	assert_false(wan_model_check(below, 2, &err));
	assert_false(wan_model_check(good, 0, &err));
}

static void
the_most_specific_rule_wins_per_field(void **state)
{
	static const int32_t rtt[4] = { 100, 20000, 20000, 100 };
	struct wan_model *m = xcalloc(1, sizeof *m);
	struct wan_link l = { .set = WAN_SET_RTT | WAN_SET_JITTER };
	struct mw_err err = MW_ERR_INIT;
	struct wan_path p;

	(void)state;
	m->nsites = 2;
	m->rtt_us = rtt;
	p = wan_model_path(m, point(1, 0), point(2, 1));
	assert_int_equal(p.rtt_us, 20000);
	assert_int_equal(p.rate_rule, WAN_NO_RULE);

	l.rtt_us = 50000;
	l.jitter_us = 7;
	assert_true(wan_model_set(m, host(1), host(2), &l, &err));
	l.rtt_us = 90000;
	l.jitter_us = 9;
	assert_true(wan_model_set(m, any, any, &l, &err));
	l = (struct wan_link){ .set = WAN_SET_LOSS, .loss_ppm = 10 };
	assert_true(wan_model_set(m, site(1), site(0), &l, &err));
	p = wan_model_path(m, point(2, 1), point(1, 0));
	assert_int_equal(p.rtt_us, 50000); /* host-host, whatever the order */
	assert_int_equal(p.jitter_us, 7);
	assert_int_equal(p.loss_ppm, 10);
	p = wan_model_path(m, point(3, 1), point(1, 0));
	assert_int_equal(p.rtt_us, 90000);

	/* fields left out stay; taken out, the next rule counts */
	l = (struct wan_link){ .set = WAN_SET_CUT, .cut = true };
	assert_true(wan_model_set(m, host(2), host(1), &l, &err));
	assert_int_equal(m->nrules, 3);
	p = wan_model_path(m, point(1, 0), point(2, 1));
	assert_true(p.cut);
	assert_int_equal(p.rtt_us, 50000);
	wan_model_unset(m, host(1), host(2), WAN_SET_RTT | WAN_SET_CUT);
	p = wan_model_path(m, point(1, 0), point(2, 1));
	assert_false(p.cut);
	assert_int_equal(p.rtt_us, 90000);
	assert_int_equal(p.jitter_us, 7);
	wan_model_unset(m, host(1), host(2), ~0u);
	assert_int_equal(m->nrules, 2);
	free(m);
}

static void
rates_know_their_direction(void **state)
{
	static const int32_t rtt[1] = { 100 };
	struct wan_model *m = xcalloc(1, sizeof *m);
	struct wan_link l = { .set = WAN_SET_RATE, .rate_kbps = 8000 };
	struct mw_err err = MW_ERR_INIT;
	struct wan_path p;

	(void)state;
	m->nsites = 1;
	m->rtt_us = rtt;
	assert_true(wan_model_set(m, host(5), any, &l, &err));
	p = wan_model_path(m, point(5, 0), point(6, 0));
	assert_int_equal(p.rate_rule, 0);
	assert_false(p.rate_back);
	p = wan_model_path(m, point(6, 0), point(5, 0));
	assert_int_equal(p.rate_rule, 0);
	assert_true(p.rate_back);
	p = wan_model_path(m, point(6, 0), point(7, 0));
	assert_int_equal(p.rate_kbps, 0);
	free(m);
}

static void
hidden_hosts_see_only_each_other(void **state)
{
	static const int32_t rtt[1] = { 100 };
	struct wan_model *m = xcalloc(1, sizeof *m);
	struct wan_link l = { .set = WAN_SET_CUT, .cut = true };
	struct mw_err err = MW_ERR_INIT;
	struct wan_path p;

	(void)state;
	m->nsites = 1;
	m->rtt_us = rtt;
	assert_true(wan_model_set(m, any, any, &l, &err));
	p = wan_model_path(m, point(8, 1), point(9, 1));
	assert_int_equal(p.rtt_us, WAN_HIDDEN_RTT_US);
	assert_false(p.cut);
	p = wan_model_path(m, point(8, 1), point(1, 0));
	assert_int_equal(p.rtt_us, WAN_UNKNOWN);
	free(m);
}

static void
bad_rules_are_refused(void **state)
{
	static const int32_t rtt[1] = { 100 };
	struct wan_model *m = xcalloc(1, sizeof *m);
	struct wan_link l = { .set = WAN_SET_LOSS, .loss_ppm = 1000001 };
	struct mw_err err = MW_ERR_INIT;
	uint32_t i;

	(void)state;
	m->nsites = 1;
	m->rtt_us = rtt;
	assert_false(wan_model_set(m, any, any, &l, &err));
	l = (struct wan_link){ .set = WAN_SET_RTT, .rtt_us = -5 };
	assert_false(wan_model_set(m, any, any, &l, &err));
	l = (struct wan_link){ .set = WAN_SET_CUT, .cut = true };
	assert_false(wan_model_set(m, site(1), any, &l, &err));
	for (i = 0; i < WAN_RULES_MAX; i++)
		assert_true(wan_model_set(m, host(i), any, &l, &err));
	assert_false(wan_model_set(m, host(i), any, &l, &err));
	assert_int_equal(err.code, MW_LIMIT);
	free(m);
}

/* A path that costs 40 us per direction: the error is twice the difference. */
static void
calibration_finds_the_cost_of_the_path(void **state)
{
	struct calibrate_filter f;
	struct rng r;
	int i;

	(void)state;
	rng_seed(&r, 9);
	calibrate_filter_init(&f);
	for (i = 0; i < 400; i++)
		calibrate_filter_add(&f,
		    2 * (40 - f.comp_us) + 10 * rng_normal(&r));
	assert_true(f.comp_us > 35 && f.comp_us < 45);
	assert_true(calibrate_filter_error(&f, 50) > -15);
	/* a stalled machine does not throw it off: at most 10 us per step */
	for (i = 0; i < CALIBRATE_STEP; i++)
		calibrate_filter_add(&f, 1e6);
	assert_true(f.comp_us < 60);
	for (i = 0; i < 100 * CALIBRATE_STEP; i++)
		calibrate_filter_add(&f, 1e6);
	assert_true(f.comp_us <= CALIBRATE_COMP_MAX_US);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_pops_by_time_then_by_arrival),
		cmocka_unit_test(flows_keep_live_pairs_and_reuse_dead_ones),
		cmocka_unit_test(matrix_must_be_symmetric_and_sane),
		cmocka_unit_test(the_most_specific_rule_wins_per_field),
		cmocka_unit_test(rates_know_their_direction),
		cmocka_unit_test(hidden_hosts_see_only_each_other),
		cmocka_unit_test(bad_rules_are_refused),
		cmocka_unit_test(calibration_finds_the_cost_of_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
