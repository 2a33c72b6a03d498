/*
 * bundle_diff.c - see bundle_diff.h. Called by cli/cmd_bundle_diff.c.
 */
#include "common/pure/bundle_diff.h"

#include "common/pure/ranksum.h"

#include <assert.h>
#include <math.h>

#define RANKS_MIN 5 /* fewer values can never reach BUNDLE_ALPHA */

static const char *const names[BUNDLE_VERDICT_COUNT] = {
	[BUNDLE_SAME] = "same",
	[BUNDLE_FASTER] = "faster",
	[BUNDLE_SLOWER] = "slower",
	[BUNDLE_NOT_COMPARABLE] = "notComparable",
	[BUNDLE_NEW] = "new",
	[BUNDLE_MISSING] = "missing",
	[BUNDLE_REACHED] = "reached",
	[BUNDLE_LOST] = "lost",
};

const char *
bundle_verdict_name(enum bundle_verdict v)
{
	assert(v < BUNDLE_VERDICT_COUNT);
	return names[v];
}

bool
bundle_verdict_worse(enum bundle_verdict v)
{
	return v == BUNDLE_SLOWER || v == BUNDLE_LOST;
}

static enum bundle_verdict
direction(double a, double b, bool higher_is_better)
{
	return (b > a) == higher_is_better ? BUNDLE_FASTER : BUNDLE_SLOWER;
}

/* Mann-Whitney finds a difference; *p stays NAN where it cannot. */
static bool
differ(const double *a, size_t na, const double *b, size_t nb, double *p)
{
	struct ranksum r;

	if (na < RANKS_MIN || nb < RANKS_MIN || !ranksum(a, na, b, nb, &r))
		return false;
	*p = r.p;
	return r.p < BUNDLE_ALPHA;
}

void
bundle_judge(const struct bundle_side *a, const struct bundle_side *b,
    bool higher_is_better, double min_pct, struct bundle_change *out)
{
	bool intervals = a->ci_lo <= a->ci_hi && b->ci_lo <= b->ci_hi;
	bool apart = a->ci_lo > b->ci_hi || b->ci_lo > a->ci_hi;
	bool other;

	*out = (struct bundle_change){ .verdict = BUNDLE_NOT_COMPARABLE,
		.ratio = a->value > 0 ? b->value / a->value : NAN,
		.p = NAN };
	if (a->nvms >= BUNDLE_VMS && b->nvms >= BUNDLE_VMS) {
		other = differ(a->vms, a->nvms, b->vms, b->nvms, &out->p);
		out->how = "vms";
	} else {
		other = differ(a->samples, a->nsamples, b->samples, b->nsamples,
		    &out->p);
		if (intervals)
			other = apart && (other || isnan(out->p));
		out->how = isnan(out->p) ? "interval" : "samples";
		if (isnan(out->p) && !intervals) {
			out->how = NULL;
			out->reason = "tooFew";
			return;
		}
	}
	if (other && !(fabs(b->value - a->value) < min_pct / 100 * a->value))
		out->verdict = direction(a->value, b->value, higher_is_better);
	else
		out->verdict = BUNDLE_SAME;
}

double
bundle_rtt_noise_ms(const struct bundle_rtt *x)
{
	return x->n >= 2 ? 1.96 * 1.2533 / 1.128 * x->jitter_ms / sqrt(x->n)
			 : NAN;
}

void
bundle_judge_rtt(const struct bundle_rtt *a, const struct bundle_rtt *b,
    struct bundle_change *out)
{
	double limit = fmax(BUNDLE_RTT_MS, BUNDLE_RTT_PCT / 100 * a->ms);
	double na = bundle_rtt_noise_ms(a), nb = bundle_rtt_noise_ms(b);

	*out = (struct bundle_change){ .ratio = a->ms > 0 ? b->ms / a->ms : NAN,
		.p = NAN,
		.how = "interval" };
	if (isnan(a->ms) || isnan(b->ms)) {
		out->how = NULL;
		out->verdict = isnan(a->ms) && isnan(b->ms) ? BUNDLE_SAME
		    : isnan(b->ms)                          ? BUNDLE_LOST
							    : BUNDLE_REACHED;
		return;
	}
	/* fmax(x, NAN) is x: where the noise is not known the limits are. */
	limit = fmax(limit, sqrt(na * na + nb * nb));
	out->verdict = fabs(b->ms - a->ms) > limit
	    ? direction(a->ms, b->ms, false)
	    : BUNDLE_SAME;
}
