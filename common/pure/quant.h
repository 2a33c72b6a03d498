/*
 * quant.h - order statistics of small samples.
 *
 * Percentiles are nearest-rank. The 95 % interval of the median comes from
 * order statistics (binomial, p = 1/2): it needs n >= 6 and assumes nothing
 * about the distribution.
 */
#ifndef MW_COMMON_PURE_QUANT_H
#define MW_COMMON_PURE_QUANT_H

#include "common/pure/mw.h"

struct quant {
	size_t n;
	double min, max, mean, median, stddev, mad, cv, mad_cv, p05, p95;
	bool has_ci; /* false below 6 values */
	double ci_lo, ci_hi, ci_level;
};

/* Sorts v[0..n-1] in place and fills *q. n = 0 gives q->n = 0 and NaNs. */
void quant_of(double *v, size_t n, struct quant *q);
/* Nearest-rank percentile of a sorted array, pct in (0, 100]. n > 0. */
double quant_nearest(const double *sorted, size_t n, double pct);

#endif
