/*
 * test_rules.c - which repetitions are thrown out, and when there are enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/bench/rules.h"
#include "common/pure/str.h"

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

/* Each rejection names its signals. */
static void
a_rejection_says_why(void **state)
{
	static const struct {
		enum kind kind;
		double cpu_s, p99_ms, psi_pct;
		int64_t busy, steal;
		unsigned flags;
	} t[] = {
		{ KIND_CPUS, .99, .5, .5, 100, 0, 0 },
		{ KIND_CPUS, .90, .5, .5, 100, 0, SAMPLE_SHARE },
		{ KIND_CPUS, .99, .9, .5, 100, 0, SAMPLE_TAIL },
		{ KIND_CPUS, .50, 9, 90, 200, 5,
		    SAMPLE_SHARE | SAMPLE_TAIL | SAMPLE_STOLEN },
		{ KIND_MEMR, .50, 9, 90, 200, 0, SAMPLE_SHARE },
		{ KIND_FIOR, .99, 9, 6, 100, 0, SAMPLE_PSI },
		{ KIND_FIOW, .50, 9, 90, 200, 0,
		    SAMPLE_PSI | SAMPLE_OTHER_BUSY },
		{ KIND_FIOW, .99, 9, 4.9, 105, 0, 0 },
		{ KIND_DBR, .99, 9, 90, 110, 0, SAMPLE_OTHER_BUSY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rules_window w = quiet_window();
		struct result_sample s = { .value = 1 };

		w.cpu_s = t[i].cpu_s;
		w.p99_ms = t[i].p99_ms;
		w.psi_pct = t[i].psi_pct;
		w.busy_ticks = t[i].busy;
		w.steal_ticks = t[i].steal;
		rules_judge(rules_profile("standard"), t[i].kind, &w, &s);
		assert_int_equal(s.flags, t[i].flags);
		assert_int_equal(s.contended, t[i].flags != 0);
		assert_true(fabs(s.psi_pct - t[i].psi_pct) < 1e-9);
	}
}

static void
a_quota_is_flagged_not_rejected(void **state)
{
	struct rules_window w = quiet_window();
	struct result_sample s = { .value = 1 };

	(void)state;
	w.throttled_s = 0.011;
	rules_judge(rules_profile("standard"), KIND_CPUS, &w, &s);
	assert_int_equal(s.flags, SAMPLE_QUOTA);
	assert_false(s.contended);
	w.throttled_s = 0.009;
	rules_judge(rules_profile("standard"), KIND_CPUS, &w, &s);
	assert_int_equal(s.flags, 0);
}

/* v[i] at share[i], steal[i], after a warm-up. */
static enum rules_slope
slope(enum kind k, const double *v, size_t n, double share, double steal)
{
	struct result r;

	memset(&r, 0, sizeof r);
	r.kind = k;
	add(&r, 1, false);
	for (size_t i = 0; i < n; i++) {
		add(&r, v[i], false);
		r.samples[r.nsamples - 1].share = share;
		r.samples[r.nsamples - 1].steal_pct = i >= n / 2 ? steal : 0;
	}
	return rules_slope(rules_profile("standard"), &r);
}

static void
falling_rates_are_throttled(void **state)
{
	static const double falls[] = { 100, 99, 98, 90, 80, 70, 60, 55, 50 };
	static const double noise[] = { 100, 80, 99, 101, 78, 100, 99, 79,
		100 };
	static const double jump[] = { 70, 100, 70, 100, 60, 100, 62, 61, 60 };

	(void)state;
	assert_int_equal(slope(KIND_CPUM, falls, 9, .99, 0), RULES_THROTTLED);
	assert_int_equal(slope(KIND_FIOW, falls, 9, .1, 0), RULES_THROTTLED);
	/* somebody else took the CPU: no verdict on the machine */
	assert_int_equal(slope(KIND_CPUM, falls, 9, .7, 0), RULES_SLOWER);
	assert_int_equal(slope(KIND_CPUM, falls, 9, .7, 30), RULES_THROTTLED);
	assert_int_equal(slope(KIND_CPUM, noise, 9, .99, 0), RULES_STEADY);
	assert_int_equal(slope(KIND_CPUM, jump, 9, .99, 0), RULES_STEADY);
	assert_int_equal(slope(KIND_CPUM, falls, 5, .99, 0), RULES_STEADY);
}

static void
caches_are_flagged(void **state)
{
	struct result r = { .kind = KIND_MEMR, .has_value = true };

	(void)state;
	r.env.l3_kib = 65 * 1024;
	r.env.memory_mib = 4096;
	r.env.file_mib = 1024;
	assert_int_equal(rules_flags(KIND_MEMR, &r, false),
	    RESULT_F_CACHE_SUSPECT);
	r.env.l3_kib = -1;
	assert_int_equal(rules_flags(KIND_MEMR, &r, false), 0);
	r.kind = KIND_FIOR;
	assert_int_equal(rules_flags(KIND_FIOR, &r, true), 0);
	/* through the page cache and smaller than memory */
	assert_int_equal(rules_flags(KIND_FIOR, &r, false), RESULT_F_CACHED);
	r.env.file_mib = 8192;
	assert_int_equal(rules_flags(KIND_FIOR, &r, false), 0);
	/* O_DIRECT was asked for, but no disk answers in 2 us */
	r.has_latency = true;
	r.latency.p50 = 0.002;
	assert_int_equal(rules_flags(KIND_FIOR, &r, true), RESULT_F_CACHED);
	r.latency.p50 = 0.06;
	r.value = 7000;
	assert_int_equal(rules_flags(LANE_FIOR_SEQ, &r, true), RESULT_F_CACHED);
	str_copy(r.env.fs, sizeof r.env.fs, "overlay");
	assert_int_equal(rules_flags(KIND_FIOR, &r, true), RESULT_F_OVERLAY);
}

static void
convergence_is_about_the_interval(void **state)
{
	struct result r;

	(void)state;
	memset(&r, 0, sizeof r);
	for (int i = 0; i < 7; i++)
		add(&r, 100, false);
	assert_int_equal(rules_convergence(rules_profile("deep"), &r),
	    RESULT_CONVERGED);
	r.samples[3].value = 300;
	r.samples[4].value = 200;
	assert_int_equal(rules_convergence(rules_profile("deep"), &r),
	    RESULT_UNCONVERGED);
	assert_int_equal(rules_convergence(rules_profile("legacy"), &r),
	    RESULT_CONV_NONE);
	/* the cap of the job ends what would only get narrower */
	assert_false(rules_enough(rules_profile("standard"), &r, 100));
	assert_true(rules_enough(rules_profile("standard"), &r, 481));
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
		cmocka_unit_test(a_rejection_says_why),
		cmocka_unit_test(a_quota_is_flagged_not_rejected),
		cmocka_unit_test(falling_rates_are_throttled),
		cmocka_unit_test(caches_are_flagged),
		cmocka_unit_test(convergence_is_about_the_interval),
		cmocka_unit_test(work_follows_the_measured_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
