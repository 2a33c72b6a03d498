/*
 * test_rules.c - which repetitions are thrown out, and when there are enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/rules.h"

#include <math.h>
#include <string.h>

static struct rules_window
quiet_window(void)
{
	return (struct rules_window){ .wall_s = 1,
		.cpu_s = 0.99,
		.threads = 1,
		.host_counters = true,
		.ticks = 200,
		.busy_ticks = 100,
		.ticks_per_s = 100,
		.psi_pct = 0.5,
		.min_ms = 0.40,
		.p99_ms = 0.50 };
}

static bool
contended(const char *profile, enum kind k, const struct rules_window *w)
{
	struct result_sample s = { .value = 1 };

	rules_judge(rules_profile(profile), k, w, &s);
	return s.contended;
}

static void
a_quiet_machine_is_valid(void **state)
{
	struct rules_window w = quiet_window();

	(void)state;
	for (unsigned k = 0; k < KIND_RTT; k++)
		assert_false(contended("standard", (enum kind)k, &w));
}

static void
own_share_judges_cpu_and_memory(void **state)
{
	struct rules_window w = quiet_window();

	(void)state;
	w.cpu_s = 0.95;
	assert_true(contended("standard", KIND_CPUS, &w));
	assert_true(contended("deep", KIND_MEMW, &w));
	assert_false(contended("quick", KIND_CPUS, &w));
	w.cpu_s = 0.85;
	assert_true(contended("quick", KIND_CPUS, &w));
	w.busy_ticks = 85;
	assert_false(contended("standard", KIND_FIOR, &w));
}

/* A quarter of a core, fully used, is no contention. */
static void
share_is_relative_to_the_quota(void **state)
{
	struct rules_window w = quiet_window();
	struct result_sample s = { .value = 1 };

	(void)state;
	w.cpu_quota = 0.25;
	w.cpu_s = 0.248;
	w.p99_ms = 8; /* stopped in the middle by the quota itself */
	rules_judge(rules_profile("quick"), KIND_CPUS, &w, &s);
	assert_false(s.contended);
	assert_true(fabs(s.share - 0.992) < 1e-9);
	w.cpu_s = 0.2;
	assert_true(contended("quick", KIND_CPUS, &w));
	w.threads = 2;
	w.cpu_quota = 1.5;
	w.cpu_s = 1.49;
	assert_false(contended("quick", KIND_CPUM, &w));
}

static void
tail_judges_cpu_only(void **state)
{
	struct rules_window w = quiet_window();

	(void)state;
	w.p99_ms = 0.81;
	assert_true(contended("quick", KIND_CPUS, &w));
	assert_false(contended("quick", KIND_MEMR, &w));
	w.p99_ms = NAN;
	assert_false(contended("quick", KIND_CPUS, &w));
}

static void
neighbours_judge_files_and_database(void **state)
{
	struct rules_window w = quiet_window();

	(void)state;
	w.busy_ticks = 108;
	assert_true(contended("quick", KIND_FIOW, &w));
	assert_true(contended("quick", KIND_DBR, &w));
	assert_false(contended("quick", KIND_CPUS, &w));
	/* In a twin or a container these counters are another machine's. */
	w.host_counters = false;
	assert_false(contended("quick", KIND_FIOW, &w));
	w = quiet_window();
	w.psi_pct = 6;
	assert_true(contended("quick", KIND_FIOR, &w));
	assert_false(contended("quick", KIND_DBR, &w));
	/* A short window: two ticks are not a measurement. */
	w = quiet_window();
	w.ticks = 24;
	w.busy_ticks = 14;
	w.cpu_s = 0.12;
	w.wall_s = 0.12;
	assert_false(contended("quick", KIND_FIOW, &w));
}

static void
stolen_time_judges_all(void **state)
{
	struct rules_window w = quiet_window();
	struct result_sample s = { .value = 1 };

	(void)state;
	w.steal_ticks = 3;
	rules_judge(rules_profile("quick"), KIND_DBW, &w, &s);
	assert_true(s.contended);
	assert_true(fabs(s.steal_pct - 1.5) < 1e-9);
	w.steal_ticks = 2;
	assert_false(contended("quick", KIND_DBW, &w));
}

static void
add(struct result *r, double v, bool bad)
{
	struct result_sample *s = &r->samples[r->nsamples];

	*s = (struct result_sample){ .value = v,
		.contended = bad,
		.warmup = r->nsamples == 0 };
	r->nsamples++;
}

static void
enough_means_six_valid_or_the_cap(void **state)
{
	const struct rules_profile *quick = rules_profile("quick");
	struct result r;

	(void)state;
	memset(&r, 0, sizeof r);
	for (int i = 0; i < 7; i++) {
		assert_false(rules_enough(quick, &r, 1));
		add(&r, 100, false);
	}
	assert_true(rules_enough(quick, &r, 1));
	memset(&r, 0, sizeof r);
	for (int i = 0; i < 9; i++) {
		assert_false(rules_enough(quick, &r, 1));
		add(&r, 100, true);
	}
	assert_true(rules_enough(quick, &r, 1));
}

static void
standard_stops_when_the_interval_is_narrow(void **state)
{
	const struct rules_profile *p = rules_profile("standard");
	struct result tight, wide;

	(void)state;
	memset(&tight, 0, sizeof tight);
	memset(&wide, 0, sizeof wide);
	for (int i = 0; i < 7; i++) {
		add(&tight, 100 + i % 2, false);
		add(&wide, 100 + 10 * i, false);
	}
	assert_true(rules_enough(p, &tight, 1));
	assert_false(rules_enough(p, &wide, 1));
	for (int i = 7; i < 16; i++)
		add(&wide, 100 + 10 * i, false);
	assert_true(rules_enough(p, &wide, 1));
}

static void
work_follows_the_measured_rate(void **state)
{
	const struct rules_profile *p = rules_profile("quick");

	(void)state;
	assert_int_equal(rules_events(p, KIND_CPUS, 1, 0), 60);
	assert_int_equal(rules_events(p, KIND_CPUM, 4, 0), 240);
	assert_int_equal(rules_events(p, KIND_CPUS, 1, 2500), 150);
	assert_int_equal(rules_events(p, KIND_MEMR, 1, 3), 1);
	assert_true(rules_events(p, KIND_FIOR, 4, 1e300) < INT32_MAX);
	assert_null(rules_profile("slow"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_machine_is_valid),
		cmocka_unit_test(own_share_judges_cpu_and_memory),
		cmocka_unit_test(share_is_relative_to_the_quota),
		cmocka_unit_test(tail_judges_cpu_only),
		cmocka_unit_test(neighbours_judge_files_and_database),
		cmocka_unit_test(stolen_time_judges_all),
		cmocka_unit_test(enough_means_six_valid_or_the_cap),
		cmocka_unit_test(standard_stops_when_the_interval_is_narrow),
		cmocka_unit_test(work_follows_the_measured_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
