/*
 * bundle_diff.h - is one measurement another than an earlier one, beyond what
 * both would vary by anyway? docs/bundles.md has the rules in words.
 */
#ifndef MW_COMMON_PURE_BUNDLE_DIFF_H
#define MW_COMMON_PURE_BUNDLE_DIFF_H

#include "common/pure/mw.h"

#define BUNDLE_ALPHA 0.01
#define BUNDLE_VMS 5 /* of each side, from which on VMs are compared */
#define BUNDLE_MIN_PCT 2.0 /* smaller changes are never told */
#define BUNDLE_RTT_PCT 5.0
#define BUNDLE_RTT_MS 0.5

enum bundle_verdict {
	BUNDLE_SAME,
	BUNDLE_FASTER, /* better: more per second, or less latency */
	BUNDLE_SLOWER,
	BUNDLE_NOT_COMPARABLE,
	BUNDLE_NEW, /* on one side only */
	BUNDLE_MISSING,
	BUNDLE_REACHED, /* a pair that had no value */
	BUNDLE_LOST, /* a pair that has none any more */
	BUNDLE_VERDICT_COUNT
};

/* What one side knows of one (spec, kind, variant, profile). */
struct bundle_side {
	double value; /* median over VMs */
	double ci_lo, ci_hi; /* hull of the VMs' intervals; NAN: unknown */
	const double *vms; /* a value per VM */
	size_t nvms;
	const double *samples; /* valid repetitions of all those VMs */
	size_t nsamples;
};

struct bundle_change {
	enum bundle_verdict verdict;
	double ratio; /* b / a; NAN: a is 0 or unknown */
	double p; /* of Mann-Whitney; NAN: not asked */
	const char *how; /* "vms", "samples", "interval"; NULL: not compared */
	const char *reason; /* why it is not comparable, a literal; or NULL */
};

/*
 * With BUNDLE_VMS on both sides: Mann-Whitney over VMs. With fewer, one
 * machine more or less decides, so both must say so: the intervals do not
 * overlap, and Mann-Whitney over repetitions. Without intervals or without
 * repetitions the other one alone. A change below min_pct is none.
 */
void bundle_judge(const struct bundle_side *a, const struct bundle_side *b,
    bool higher_is_better, double min_pct, struct bundle_change *out);

/* One direction of a pair; ms NAN: not reached. */
struct bundle_rtt {
	double ms, jitter_ms; /* median; mean of |x(i) - x(i - 1)| */
	double n; /* samples */
};

/* Half of the median's 95 % interval: 1.96 x 1.2533 sigma / sqrt(n), with
 * sigma = jitter / 1.128 (von Neumann 1941; both of a normal distribution).
 * NAN: unknown. */
double bundle_rtt_noise_ms(const struct bundle_rtt *x);
void bundle_judge_rtt(const struct bundle_rtt *a, const struct bundle_rtt *b,
    struct bundle_change *out);

const char *bundle_verdict_name(enum bundle_verdict v);
/* Something got worse: the exit status says so. */
bool bundle_verdict_worse(enum bundle_verdict v);

#endif
