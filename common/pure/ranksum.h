/*
 * ranksum.h - the Mann-Whitney U test (Wilcoxon's rank sum): do two samples
 * come from one distribution? Nothing is assumed about its form.
 *
 * Two-sided. Without ties and with n * m <= 400 the probability is exact (the
 * distribution of U by the recurrence of Mann and Whitney, "On a test of
 * whether one of two random variables is stochastically larger than the
 * other", Ann. Math. Stat. 18, 1947); else the normal approximation with the
 * correction for ties and for continuity (Lehmann, "Nonparametrics", 1975).
 */
#ifndef MW_COMMON_PURE_RANKSUM_H
#define MW_COMMON_PURE_RANKSUM_H

#include "common/pure/mw.h"

#define RANKSUM_MAX 4096 /* values of one side; more are refused */

struct ranksum {
	double u; /* of the first sample: pairs a > b, ties count a half */
	double p; /* two-sided; 1 if all values are equal */
	bool exact;
};

/* False: a side is empty or too large, or a value is no number. */
bool ranksum(const double *a, size_t na, const double *b, size_t nb,
    struct ranksum *out) mw_must_check;

#endif
