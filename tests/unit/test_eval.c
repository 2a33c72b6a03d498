/*
 * test_eval.c - the evaluation of results: which count, what is never mixed,
 * which VM is a lemon, what cores cost.
 */
#include "common/pure/eval.h"
#include "common/pure/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define assert_near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

#define DAY (86400 * NS_PER_S)
#define NOW (1000 * DAY)

static const struct eval_ask ask = { .now = NOW,
	.max_age_ns = 30 * DAY,
	.stale_ns = 7 * DAY };

/* A result of today, ok, quick, measured on VM `slot`. */
static struct eval_in
in(int64_t slot, enum kind kind, double value)
{
	static int64_t id;

	return (struct eval_in){ .csp = "aws",
		.region = "us-east-1",
		.spec = "m4",
		.vcpu = 8,
		.cost_micros = 400000,
		.currency = "USD",
		.ns = "default",
		.mcis = "m",
		.vm = "vm",
		.slot = slot,
		.kind = kind,
		.variant = "std",
		.profile = "quick",
		.env = "e1",
		.validity = RESULT_OK,
		.has_value = true,
		.value = value,
		.ci_lo = value - 1,
		.ci_hi = value + 2,
		.mad_cv = 0.01,
		.at = NOW - DAY,
		.id = ++id,
		.count = 1,
		.mine = true,
		.live = true };
}

static void
one_vm_says_what_it_knows(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 100) };
	struct eval *e = eval_new(v, 1, &ask);
	const struct eval_cell *c = e->cells;

	(void)state;
	assert_int_equal(e->ncells, 1);
	assert_true(c->has_value);
	assert_near(c->value, 100, 0);
	assert_int_equal(c->nvms, 1);
	assert_int_equal(c->ci, EVAL_CI_HULL);
	assert_near(c->ci_lo, 99, 0);
	assert_near(c->ci_hi, 102, 0);
	assert_near(c->mad_cv, 0.01, 0);
	assert_int_equal(c->flags, EVAL_F_FEW_VMS);
	eval_free(e);
}

/* Median over VMs of each VM's newest usable result. */
static void
newest_usable_of_each_vm(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 10), in(1, KIND_CPUS, 100),
		in(1, KIND_CPUS, 5), in(2, KIND_CPUS, 110),
		in(3, KIND_CPUS, 130), in(4, KIND_CPUS, 1) };
	struct eval *e;

	(void)state;
	v[0].at -= DAY; /* an older one of VM 1 */
	v[2].at += 1; /* newer, but nothing to go by */
	v[2].validity = RESULT_CONTENDED;
	v[5].at = NOW - 31 * DAY; /* past its age */
	v[4].ci_lo = NAN; /* no interval: then there is none of all */
	e = eval_new(v, ARRAY_LEN(v), &ask);
	assert_int_equal(e->ncells, 1);
	assert_near(e->cells[0].value, 110, 0);
	assert_int_equal(e->cells[0].nvms, 3);
	assert_int_equal(e->cells[0].nresults, 4);
	assert_int_equal(e->cells[0].ci, EVAL_CI_NONE);
	assert_true(isnan(e->cells[0].ci_lo));
	assert_int_equal(e->cells[0].flags, 0);
	eval_free(e);
}

static void
interval_over_vms_from_six_on(void **state)
{
	struct eval_in v[6];
	struct eval *e;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		v[i] = in((int64_t)i, KIND_CPUS, 100 + (double)i);
	e = eval_new(v, 6, &ask);
	assert_int_equal(e->cells[0].ci, EVAL_CI_ORDER);
	assert_near(e->cells[0].ci_lo, 100, 0);
	assert_near(e->cells[0].ci_hi, 105, 0);
	assert_near(e->cells[0].mad_cv, 1.4826 * 1.5 / 102.5, 1e-9);
	eval_free(e);
}

static void
nothing_valid_is_no_value(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 50), in(2, KIND_CPUS, 70),
		in(3, KIND_CPUS, 60), in(1, KIND_MEMR, 0) };
	struct eval_ask with = ask;
	struct eval *e;
	bool flagged;
	double x;

	(void)state;
	v[0].validity = v[1].validity = RESULT_CONTENDED;
	v[2].validity = RESULT_TOO_FEW;
	v[3].validity = RESULT_FAILED;
	v[3].has_value = false;
	e = eval_new(v, 4, &ask);
	assert_int_equal(e->ncells, 2);
	assert_false(e->cells[0].has_value);
	assert_true(isnan(e->cells[0].value));
	assert_string_equal(e->cells[0].reason, "noValidResult");
	/* too few repetitions are nearer to the truth than a busy host */
	assert_near(e->cells[0].flagged, 60, 0);
	assert_int_equal(e->cells[0].flagged_validity, RESULT_TOO_FEW);
	assert_true(eval_best(&e->cells[0], &x, &flagged));
	assert_true(flagged);
	assert_string_equal(e->cells[1].reason, "failed");
	assert_false(eval_best(&e->cells[1], &x, &flagged));
	assert_int_equal(e->cells[1].nvms, 0);
	eval_free(e);

	with.include = 1u << RESULT_CONTENDED;
	e = eval_new(v, 4, &with);
	assert_true(e->cells[0].has_value);
	assert_near(e->cells[0].value, 60, 0); /* of 50 and 70 */
	assert_int_equal(e->cells[0].flagged_validity, RESULT_CONTENDED);
	eval_free(e);
}

static void
profiles_are_not_mixed(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 100), in(2, KIND_CPUS, 100),
		in(3, KIND_CPUS, 100), in(1, KIND_CPUS, 200),
		in(1, KIND_CPUS, 300) };
	struct eval_ask quick = ask;
	struct eval *e;

	(void)state;
	v[3].profile = "standard";
	v[4].profile = "deep";
	v[4].validity = RESULT_CONTENDED; /* deep has nothing usable */
	e = eval_new(v, 5, &ask);
	assert_int_equal(e->ncells, 1);
	assert_near(e->cells[0].value, 200, 0);
	assert_string_equal(e->cells[0].of->profile, "standard");
	assert_int_equal(e->cells[0].nvms, 1);
	eval_free(e);
	quick.profile = "quick";
	e = eval_new(v, 5, &quick);
	assert_near(e->cells[0].value, 100, 0);
	assert_int_equal(e->cells[0].nvms, 3);
	eval_free(e);
}

static void
variants_and_specs_are_not_mixed(void **state)
{
	struct eval_in v[] = { in(1, KIND_DBR, 100), in(1, KIND_DBR, 5),
		in(2, KIND_DBR, 70) };
	struct eval *e;

	(void)state;
	v[1].variant = "lite";
	v[2].spec = "c5";
	e = eval_new(v, 3, &ask);
	assert_int_equal(e->ncells, 3);
	assert_int_equal(e->nspecs, 2);
	assert_string_equal(e->cells[0].of->spec, "c5");
	assert_string_equal(e->cells[1].of->variant, "lite");
	/* the summary of a spec shows the standard variant */
	assert_near(e->specs[1].cells[KIND_DBR]->value, 100, 0);
	eval_free(e);
}

/* Two VMs were measured again on a new kernel: they do not count as old. */
static void
environments_are_not_averaged(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 100), in(2, KIND_CPUS, 100),
		in(3, KIND_CPUS, 100), in(1, KIND_CPUS, 200),
		in(2, KIND_CPUS, 220), in(4, KIND_CPUS, 9) };
	struct eval *e;

	(void)state;
	v[3].env = v[4].env = "e2";
	v[3].at = v[4].at = NOW;
	v[5].replay = true;
	v[5].env = "e3";
	e = eval_new(v, 6, &ask);
	assert_near(e->cells[0].value, 210, 0);
	assert_string_equal(e->cells[0].of->env, "e2");
	assert_true(e->cells[0].flags & EVAL_F_MIXED_ENV);
	assert_int_equal(e->cells[0].nothers, 2);
	assert_string_equal(e->cells[0].others[0].hash, "e1");
	assert_int_equal(e->cells[0].others[0].nvms, 1);
	assert_near(e->cells[0].others[0].value, 100, 0);
	assert_true(e->cells[0].others[1].replay);
	eval_free(e);
}

static void
a_planted_lemon_is_found(void **state)
{
	struct eval_in v[12];
	struct eval *e;
	size_t n = 0;

	(void)state;
	for (int64_t i = 0; i < 5; i++)
		v[n++] = in(i, KIND_CPUM, i == 3 ? 70 : 100 + (double)i);
	for (int64_t i = 0; i < 5; i++)
		v[n++] = in(i, KIND_MEMR, i == 3 ? 95 : 100);
	e = eval_new(v, n, &ask);
	assert_int_equal(e->nlemons, 1); /* 5 % are no lemon */
	assert_int_equal(e->lemons[0].of->slot, 3);
	assert_int_equal(e->lemons[0].of->kind, KIND_CPUM);
	assert_near(e->lemons[0].median, 101, 0);
	assert_near(e->lemons[0].worse_pct, 100 * 31 / 101.0, 1e-9);
	assert_true(e->lemons[0].z < -3.5);
	assert_int_equal(e->lemons[0].siblings, 5);
	assert_false(e->lemons[0].other_env);
	eval_free(e);

	/* far better is no lemon; a VM that is gone neither */
	v[3].value = 150;
	v[1].value = 50;
	v[1].live = false;
	e = eval_new(v, n, &ask);
	assert_int_equal(e->nlemons, 0);
	eval_free(e);

	/* three are not enough to call one a lemon */
	v[1].value = 50;
	v[1].live = true;
	e = eval_new(v, 3, &ask);
	assert_int_equal(e->nlemons, 0);
	eval_free(e);
}

/* Siblings of other groups say what is normal, and are not reported. */
static void
siblings_of_others_count(void **state)
{
	struct eval_in v[5];
	struct eval *e;

	(void)state;
	for (int64_t i = 0; i < 5; i++) {
		v[i] = in(i, KIND_CPUM, i < 1 ? 60 : 100);
		v[i].mine = i < 2;
	}
	e = eval_new(v, 5, &ask);
	assert_int_equal(e->cells[0].nvms, 2);
	assert_int_equal(e->nlemons, 1);
	assert_int_equal(e->lemons[0].of->slot, 0);
	v[0].mine = false;
	eval_free(e);
	e = eval_new(v, 5, &ask);
	assert_int_equal(e->nlemons, 0);
	eval_free(e);
}

static void
cores_and_their_price(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 100), in(1, KIND_CPUM, 400) };
	struct eval *e = eval_new(v, 2, &ask);
	char text[96];

	(void)state;
	assert_int_equal(e->nspecs, 1);
	assert_near(e->specs[0].cores, 4, 1e-9);
	assert_near(e->specs[0].efficiency, 0.5, 1e-9);
	assert_int_equal(e->specs[0].cost_per_core_micros, 100000);
	assert_true(eval_cores_text(8, 4, text, sizeof text));
	assert_string_equal(text, "8 vCPU here are 4 cores");
	eval_free(e);

	v[0].cost_micros = v[1].cost_micros = -1;
	v[0].cost_reason = v[1].cost_reason = "privateCloudNoPrice";
	e = eval_new(v, 2, &ask);
	assert_int_equal(e->specs[0].cost_micros, -1);
	assert_string_equal(e->specs[0].cost_reason, "privateCloudNoPrice");
	assert_int_equal(e->specs[0].cost_per_core_micros, -1);
	eval_free(e);
	e = eval_new(v, 1, &ask);
	assert_string_equal(e->specs[0].scaling_reason, "noCpum");
	assert_true(isnan(e->specs[0].cores));
	eval_free(e);
}

static void
money_for_work(void **state)
{
	(void)state;
	assert_int_equal(eval_cost_per_unit(400000, 100), 4000);
	assert_int_equal(eval_cost_per_unit(-1, 100), -1);
	assert_int_equal(eval_cost_per_unit(5, 0), -1);
	assert_int_equal(eval_cost_per_unit(5, NAN), -1);
	assert_int_equal(eval_cost_per_unit(INT64_MAX, 1e-9), -1);
	assert_near(eval_units_per_cost(400000, 100), 250, 1e-9);
	assert_true(isnan(eval_units_per_cost(0, 100)));
	assert_true(isnan(eval_units_per_cost(-1, 100)));
}

static void
old_is_stale(void **state)
{
	struct eval_in v[] = { in(1, KIND_CPUS, 100) };
	struct eval *e;

	(void)state;
	v[0].at = NOW - 8 * DAY;
	v[0].replay = true;
	e = eval_new(v, 1, &ask);
	assert_int_equal(e->cells[0].flags,
	    EVAL_F_FEW_VMS | EVAL_F_STALE | EVAL_F_REPLAY);
	eval_free(e);
	e = eval_new(v, 0, &ask);
	assert_int_equal(e->ncells + e->nspecs + e->nlemons, 0);
	eval_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_vm_says_what_it_knows),
		cmocka_unit_test(newest_usable_of_each_vm),
		cmocka_unit_test(interval_over_vms_from_six_on),
		cmocka_unit_test(nothing_valid_is_no_value),
		cmocka_unit_test(profiles_are_not_mixed),
		cmocka_unit_test(variants_and_specs_are_not_mixed),
		cmocka_unit_test(environments_are_not_averaged),
		cmocka_unit_test(a_planted_lemon_is_found),
		cmocka_unit_test(siblings_of_others_count),
		cmocka_unit_test(cores_and_their_price),
		cmocka_unit_test(money_for_work),
		cmocka_unit_test(old_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
