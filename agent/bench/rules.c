/*
 * rules.c - profiles, and the judgement of repetitions (measurement under
 * contention is rejected, not averaged). Promises: same input, same verdict.
 * Called by bench.c.
 */
#include "agent/bench/rules.h"

#include <math.h>
#include <string.h>

#define OTHER_MAX_PCT 3
#define PSI_MAX_PCT 5
#define STEAL_MAX_PCT 1
#define TAIL_MAX 2 /* p99 over min of CPU events */
#define EVENTS_MAX INT64_C(100000000)

#define QUOTA_MAX_PCT 1
#define SLOPE_PCT 10
#define SLOPE_MIN 6 /* fewer show no trend */
#define MANN_KENDALL_Z 1.645 /* one-sided 5 % */
#define L3_SUSPECT_KIB (64 * 1024) /* the block of the memory kinds */
/* Below, a request cannot have reached a disk: the page cache needs 1-2 us for
 * 4 KiB, the fastest NVMe disks about 10; with 1 MiB, memcpy gives 5 GB/s and
 * more, one such disk at one request in flight less than 4. */
#define DISK_MIN_US 4.0
#define DISK_MAX_SEQ_MIB 6000.0

static const struct rules_profile profiles[] = {
	{ "quick", 0.06, true, true, 6, 8, 0.05, 0.88, 2, 64, 1, 10000, 16, 8,
	    192, 192, 90 },
	{ "standard", 3, false, true, 6, 15, 0.02, 0.97, 2, 1024, 4, 100000,
	    128, 96, 512, 350, 480 },
	{ "deep", 10, false, true, 10, 30, 0.02, 0.97, 2, 4096, 4, 100000, 128,
	    96, 512, 350, 3600 },
	/* standard in short: of an agent on its own, see validity.py */
	{ "short", 1, false, true, 6, 16, 0.02, 0.97, 2, 256, 1, 10000, 64, 48,
	    512, 350, 120 },
	/* CB-Milkyway: one run, 10 s by default, 50 MB of files, one table */
	{ "legacy", 10, false, false, 1, 1, 0.02, 0.97, 2, 50, 1, 100000, 128,
	    96, 512, 350, 600 },
};

/* Which signals reject which kind, and the work of a warm-up per thread. */
static const struct {
	unsigned signals; /* enum sample_flag */
	int64_t warmup_events;
} kinds[] = {
	[KIND_CPUS] = { SAMPLE_SHARE | SAMPLE_TAIL, 60 },
	[KIND_CPUM] = { SAMPLE_SHARE | SAMPLE_TAIL, 60 },
	[KIND_MEMR] = { SAMPLE_SHARE, 16 },
	[KIND_MEMW] = { SAMPLE_SHARE, 16 },
	[KIND_FIOR] = { SAMPLE_OTHER_BUSY | SAMPLE_PSI, 400 },
	[KIND_FIOW] = { SAMPLE_OTHER_BUSY | SAMPLE_PSI, 400 },
	[KIND_DBR] = { SAMPLE_OTHER_BUSY, 20 },
	[KIND_DBW] = { SAMPLE_OTHER_BUSY, 20 },
};

const struct rules_profile *
rules_profile(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}

static double
clamp_pct(double v)
{
	return v < 0 ? 0 : v > 100 ? 100 : v;
}

/* Cores that the threads may use at once. */
static double
cores_of(const struct rules_window *w)
{
	double threads = (double)w->threads;

	return w->cpu_quota > 0 && w->cpu_quota < threads ? w->cpu_quota
							  : threads;
}

/* Counters in whole ticks: a rest within the slack says nothing. */
static bool
over(double ticks, double limit_pct, const struct rules_profile *p,
    const struct rules_window *w)
{
	return ticks > limit_pct / 100 * (double)w->ticks &&
	    ticks > (double)p->tick_slack;
}

static bool
tail_bad(const struct rules_window *w)
{
	/* A quota below the threads stops events in their middle by itself. */
	if (w->cpu_quota > 0 && w->cpu_quota < (double)w->threads)
		return false;
	return w->min_ms > 0 && w->p99_ms > TAIL_MAX * w->min_ms;
}

/* What was seen, whether it rejects or not. */
static void
record(const struct rules_window *w, double other, struct result_sample *s)
{
	s->wall_s = w->wall_s;
	s->cpu_s = w->cpu_s;
	s->share = w->wall_s > 0 ? w->cpu_s / (w->wall_s * cores_of(w)) : 0;
	s->psi_pct = w->psi_pct >= 0 ? clamp_pct(w->psi_pct) : NAN;
	s->min_ms = w->min_ms;
	s->p99_ms = w->p99_ms;
	s->steal_pct = s->other_busy_pct = 0;
	if (w->ticks > 0) {
		s->steal_pct =
		    clamp_pct(100 * (double)w->steal_ticks / (double)w->ticks);
		s->other_busy_pct = clamp_pct(100 * other / (double)w->ticks);
	}
}

void
rules_judge(const struct rules_profile *p, enum kind kind,
    const struct rules_window *w, struct result_sample *s)
{
	unsigned sig = kinds[kind].signals, seen = 0;
	double other = (double)w->busy_ticks - w->cpu_s * w->ticks_per_s;

	record(w, other, s);
	if (s->share < p->share_min)
		seen |= SAMPLE_SHARE;
	if (tail_bad(w))
		seen |= SAMPLE_TAIL;
	if (w->host_counters && w->ticks > 0 &&
	    over(other, OTHER_MAX_PCT, p, w))
		seen |= SAMPLE_OTHER_BUSY;
	if (w->host_counters && w->psi_pct > PSI_MAX_PCT)
		seen |= SAMPLE_PSI;
	s->flags = seen & sig;
	if (w->ticks > 0 && over((double)w->steal_ticks, STEAL_MAX_PCT, p, w))
		s->flags |= SAMPLE_STOLEN;
	s->contended = s->flags != 0;
	if (w->throttled_s > QUOTA_MAX_PCT / 100.0 * w->wall_s)
		s->flags |= SAMPLE_QUOTA; /* that is its share; no rejection */
}

/* The valid ones in order of time; *n counts all but the warm-up. */
static size_t
valid_values(const struct result *r, double v[RESULT_MAX_SAMPLES], size_t *n)
{
	size_t valid = 0;

	*n = 0;
	for (size_t i = 0; i < r->nsamples; i++) {
		if (r->samples[i].warmup)
			continue;
		++*n;
		if (!r->samples[i].contended)
			v[valid++] = r->samples[i].value;
	}
	return valid;
}

static bool
narrow(const struct rules_profile *p, double *v, size_t valid)
{
	struct quant q;

	quant_of(v, valid, &q);
	return q.has_ci && (q.ci_hi - q.ci_lo) / 2 <= p->ci_stop * q.median;
}

bool
rules_enough(const struct rules_profile *p, const struct result *r,
    double elapsed_s)
{
	double v[RESULT_MAX_SAMPLES];
	size_t n, valid = valid_values(r, v, &n);

	if (n >= p->max_reps || r->nsamples == RESULT_MAX_SAMPLES)
		return true;
	if (n >= p->min_valid && elapsed_s > (double)p->cap_s)
		return true;
	return valid >= p->min_valid && narrow(p, v, valid);
}

enum result_convergence
rules_convergence(const struct rules_profile *p, const struct result *r)
{
	double v[RESULT_MAX_SAMPLES];
	size_t n, valid = valid_values(r, v, &n);

	if (p->max_reps == 1)
		return RESULT_CONV_NONE;
	return narrow(p, v, valid) ? RESULT_CONVERGED : RESULT_UNCONVERGED;
}

/* Mann-Kendall: z of S = sum over i < j of sign(v[j] - v[i]). */
static double
trend_z(const double *v, size_t n)
{
	double s = 0, d = (double)n;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			s += (v[j] > v[i]) - (v[j] < v[i]);
	if (s == 0)
		return 0;
	s += s > 0 ? -1 : 1; /* continuity */
	return s / sqrt(d * (d - 1) * (2 * d + 5) / 18);
}

static double
median_of(const double *v, size_t n)
{
	double copy[RESULT_MAX_SAMPLES];
	struct quant q;

	memcpy(copy, v, n * sizeof *copy);
	quant_of(copy, n, &q);
	return q.median;
}

enum rules_slope
rules_slope(const struct rules_profile *p, const struct result *r)
{
	double v[RESULT_MAX_SAMPLES], share[RESULT_MAX_SAMPLES];
	double steal[RESULT_MAX_SAMPLES];
	bool file = r->kind == KIND_FIOR || r->kind == KIND_FIOW;
	size_t n = 0, third;

	for (size_t i = 0; i < r->nsamples; i++) {
		const struct result_sample *s = &r->samples[i];

		/* Stolen ones count: that is how a host takes back credits. */
		if (s->warmup || (s->contended && s->flags != SAMPLE_STOLEN))
			continue;
		v[n] = s->value;
		share[n] = s->share;
		steal[n++] = s->steal_pct;
	}
	third = n / 3;
	if (n < SLOPE_MIN ||
	    median_of(v + n - third, third) >=
		(1 - SLOPE_PCT / 100.0) * median_of(v, third) ||
	    trend_z(v, n) > -MANN_KENDALL_Z)
		return RULES_STEADY;
	if (median_of(steal + n - third, third) >
	    median_of(steal, third) + STEAL_MAX_PCT)
		return RULES_THROTTLED;
	if (file || median_of(share + n - third, third) >= p->share_min)
		return RULES_THROTTLED;
	return RULES_SLOWER;
}

/* Time of one request, or the rate, of what no disk can do. */
static bool
too_fast(unsigned lane, const struct result *r)
{
	double us;

	if (lane == LANE_FIOR_SEQ || lane == LANE_FIOW_SEQ)
		return r->value > DISK_MAX_SEQ_MIB;
	if (lane >= LANE_LEGACY || !r->has_latency || isnan(r->latency.p50))
		return false;
	/* 4 KiB requests; the rate bounds it where the latency cannot. */
	us = r->latency.p50 * 1000;
	return us < DISK_MIN_US;
}

unsigned
rules_flags(unsigned lane, const struct result *r, bool direct)
{
	const struct result_env *e = &r->env;
	unsigned flags = 0;

	for (size_t i = 0; i < r->nsamples; i++)
		if ((r->samples[i].flags & SAMPLE_QUOTA) != 0)
			flags |= RESULT_F_QUOTA;
	switch (r->kind) {
	case KIND_MEMR:
	case KIND_MEMW:
		if (e->l3_kib > L3_SUSPECT_KIB)
			flags |= RESULT_F_CACHE_SUSPECT;
		break;
	case KIND_FIOR:
	case KIND_FIOW:
		if (too_fast(lane, r) ||
		    (!direct &&
			(e->memory_mib < 0 || e->file_mib < e->memory_mib)))
			flags |= RESULT_F_CACHED;
		if (strcmp(e->fs, "overlay") == 0)
			flags |= RESULT_F_OVERLAY;
		break;
	default: break;
	}
	return flags;
}

int64_t
rules_events(const struct rules_profile *p, enum kind kind, unsigned threads,
    double rate)
{
	double events = rate * p->target_s;

	if (!(rate > 0))
		return kinds[kind].warmup_events * (int64_t)threads;
	if (events < 1)
		return 1;
	return events < (double)EVENTS_MAX ? (int64_t)llround(events)
					   : EVENTS_MAX;
}
