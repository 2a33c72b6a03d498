/*
 * quant.c - order statistics of small samples.
 */
#include "common/pure/quant.h"

#include "common/pure/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define CI_MIN_N 6 /* below, no interval reaches 95 % */
#define CI_LEVEL 0.95
#define CI_EXACT_MAX 1000 /* 2^-n underflows soon above */
#define MAD_TO_SIGMA 1.4826

static int
cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median_of_sorted(const double *v, size_t n)
{
	return n % 2 == 1 ? v[n / 2] : v[n / 2 - 1] / 2 + v[n / 2] / 2;
}

static double
mad_of(const double *v, size_t n, double median)
{
	double *d = xreallocarray(NULL, n, sizeof *d);
	double mad;

	for (size_t i = 0; i < n; i++)
		d[i] = fabs(v[i] - median);
	qsort(d, n, sizeof *d, cmp_double);
	mad = median_of_sorted(d, n);
	free(d);
	return mad;
}

/*
 * The 1-based rank k of the lower end: the largest k for which [x(k),
 * x(n+1-k)] covers the median with at least CI_LEVEL.
 */
static size_t
ci_rank(size_t n, double *level)
{
	double term, cdf;
	size_t k;

	if (n > CI_EXACT_MAX) {
		double half = 1.959964 * sqrt((double)n) / 2;

		*level = CI_LEVEL;
		return (size_t)((double)n / 2 - half);
	}
	term = ldexp(1, -(int)n); /* P(X = 0), X ~ Bin(n, 1/2) */
	cdf = term;
	for (k = 1; k < n / 2; k++) {
		double next;

		term *= (double)(n - k + 1) / (double)k;
		next = cdf + term; /* P(X <= k) */
		if (1 - 2 * next < CI_LEVEL)
			break;
		cdf = next;
	}
	*level = 1 - 2 * cdf;
	return k;
}

static double
mean_of(const double *v, size_t n)
{
	double mean = 0;

	for (size_t i = 0; i < n; i++)
		mean += (v[i] - mean) / (double)(i + 1);
	return mean;
}

static double
stddev_of(const double *v, size_t n, double mean)
{
	double ss = 0;

	if (n < 2)
		return NAN;
	for (size_t i = 0; i < n; i++)
		ss += (v[i] - mean) * (v[i] - mean);
	return sqrt(ss / (double)(n - 1));
}

void
quant_of(double *v, size_t n, struct quant *q)
{
	*q = (struct quant){ .n = n,
		.min = NAN,
		.max = NAN,
		.mean = NAN,
		.median = NAN,
		.stddev = NAN,
		.mad = NAN,
		.cv = NAN,
		.mad_cv = NAN,
		.p05 = NAN,
		.p95 = NAN,
		.ci_lo = NAN,
		.ci_hi = NAN,
		.ci_level = NAN };
	if (n == 0)
		return;
	qsort(v, n, sizeof *v, cmp_double);
	q->min = v[0];
	q->max = v[n - 1];
	q->mean = mean_of(v, n);
	q->median = median_of_sorted(v, n);
	q->stddev = stddev_of(v, n, q->mean);
	q->mad = mad_of(v, n, q->median);
	if (q->mean != 0)
		q->cv = q->stddev / fabs(q->mean);
	if (q->median != 0)
		q->mad_cv = MAD_TO_SIGMA * q->mad / fabs(q->median);
	q->p05 = quant_nearest(v, n, 5);
	q->p95 = quant_nearest(v, n, 95);
	if (n >= CI_MIN_N) {
		size_t k = ci_rank(n, &q->ci_level);

		q->has_ci = true;
		q->ci_lo = v[k - 1];
		q->ci_hi = v[n - k];
	}
}

double
quant_nearest(const double *sorted, size_t n, double pct)
{
	double rank = ceil(pct / 100 * (double)n - 1e-9);

	assert(n > 0 && pct > 0 && pct <= 100);
	if (rank < 1)
		rank = 1;
	return sorted[(size_t)rank - 1];
}
