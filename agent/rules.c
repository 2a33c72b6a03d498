/*
 * rules.c - profiles, and the judgement of repetitions (measurement under
 * contention is rejected, not averaged). Promises: same input, same verdict.
 * Called by bench.c.
 */
#include "agent/rules.h"

#include <math.h>
#include <string.h>

#define OTHER_MAX_PCT 3
#define PSI_MAX_PCT 5
#define STEAL_MAX_PCT 1
#define TAIL_MAX 2 /* p99 over min of CPU events */
#define EVENTS_MAX INT64_C(100000000)

static const struct rules_profile profiles[] = {
	{ "quick", 0.06, true, 6, 8, 1e9, 0.88, 2, 64, 1, 10000, 16, 8, 192,
	    192 },
	{ "standard", 3, false, 6, 15, 0.02, 0.97, 2, 1024, 4, 100000, 128, 96,
	    512, 350 },
	{ "deep", 10, false, 10, 30, 0.02, 0.97, 2, 4096, 4, 100000, 128, 96,
	    512, 350 },
};

enum signal {
	SIG_SHARE = 1,
	SIG_TAIL = 2,
	SIG_OTHER = 4,
	SIG_PSI = 8
};

/* Which signals reject which kind, and the work of a warm-up per thread. */
static const struct {
	unsigned signals;
	int64_t warmup_events;
} kinds[] = {
	[KIND_CPUS] = { SIG_SHARE | SIG_TAIL, 60 },
	[KIND_CPUM] = { SIG_SHARE | SIG_TAIL, 60 },
	[KIND_MEMR] = { SIG_SHARE, 16 },
	[KIND_MEMW] = { SIG_SHARE, 16 },
	[KIND_FIOR] = { SIG_OTHER | SIG_PSI, 400 },
	[KIND_FIOW] = { SIG_OTHER | SIG_PSI, 400 },
	[KIND_DBR] = { SIG_OTHER, 20 },
	[KIND_DBW] = { SIG_OTHER, 20 },
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

void
rules_judge(const struct rules_profile *p, enum kind kind,
    const struct rules_window *w, struct result_sample *s)
{
	unsigned sig = kinds[kind].signals;
	double other = (double)w->busy_ticks - w->cpu_s * w->ticks_per_s;
	bool bad = false;

	s->wall_s = w->wall_s;
	s->cpu_s = w->cpu_s;
	s->share = w->wall_s > 0 ? w->cpu_s / (w->wall_s * cores_of(w)) : 0;
	s->steal_pct = s->other_busy_pct = 0;
	if (w->ticks > 0) {
		s->steal_pct =
		    clamp_pct(100 * (double)w->steal_ticks / (double)w->ticks);
		s->other_busy_pct = clamp_pct(100 * other / (double)w->ticks);
		bad |= over((double)w->steal_ticks, STEAL_MAX_PCT, p, w);
	}
	if (sig & SIG_SHARE)
		bad |= s->share < p->share_min;
	if (sig & SIG_TAIL)
		bad |= tail_bad(w);
	if (w->host_counters && w->ticks > 0 && sig & SIG_OTHER)
		bad |= over(other, OTHER_MAX_PCT, p, w);
	if (w->host_counters && sig & SIG_PSI)
		bad |= w->psi_pct > PSI_MAX_PCT;
	s->contended = bad;
}

bool
rules_enough(const struct rules_profile *p, const struct result *r)
{
	double v[RESULT_MAX_SAMPLES];
	struct quant q;
	size_t n = 0, valid = 0;

	for (size_t i = 0; i < r->nsamples; i++) {
		if (r->samples[i].warmup)
			continue;
		n++;
		if (!r->samples[i].contended)
			v[valid++] = r->samples[i].value;
	}
	if (n >= p->max_reps || r->nsamples == RESULT_MAX_SAMPLES)
		return true;
	if (valid < p->min_valid)
		return false;
	quant_of(v, valid, &q);
	return q.has_ci && (q.ci_hi - q.ci_lo) / 2 <= p->ci_stop * q.median;
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
