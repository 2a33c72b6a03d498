/*
 * ranksum.c - see ranksum.h. Called by bundle_diff.c.
 */
#include "common/pure/ranksum.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_PAIRS 400

struct value {
	double v;
	bool first; /* of sample a */
};

static double ranks_of(struct value *v, size_t n, double *ties);
static double exact_p(double u, size_t na, size_t nb);
static double normal_p(double u, size_t na, size_t nb, double ties);

bool
ranksum(const double *a, size_t na, const double *b, size_t nb,
    struct ranksum *out)
{
	size_t n = na + nb;
	struct value *v;
	double ties, sum;
	bool ok = true;

	if (na == 0 || nb == 0 || na > RANKSUM_MAX || nb > RANKSUM_MAX)
		return false;
	v = xcalloc(n, sizeof *v);
	for (size_t i = 0; i < n; i++) {
		v[i].v = i < na ? a[i] : b[i - na];
		v[i].first = i < na;
		ok = ok && isfinite(v[i].v);
	}
	if (ok) {
		sum = ranks_of(v, n, &ties);
		out->u = sum - (double)na * (double)(na + 1) / 2;
		out->exact = !(ties > 0) && na * nb <= EXACT_PAIRS;
		out->p = out->exact ? exact_p(out->u, na, nb)
				    : normal_p(out->u, na, nb, ties);
	}
	free(v);
	return ok;
}

static int
value_cmp(const void *x, const void *y)
{
	const struct value *a = x, *b = y;

	return (a->v > b->v) - (a->v < b->v);
}

/* The sum of the ranks of sample a; *ties = sum of t^3 - t. */
static double
ranks_of(struct value *v, size_t n, double *ties)
{
	double sum = 0;

	*ties = 0;
	qsort(v, n, sizeof *v, value_cmp);
	for (size_t i = 0, j; i < n; i = j) {
		double t, rank;

		for (j = i + 1; j < n && !(v[j].v > v[i].v); j++)
			;
		t = (double)(j - i);
		rank = (double)(i + j + 1) / 2; /* ranks count from 1 */
		*ties += t * t * t - t;
		for (size_t k = i; k < j; k++)
			if (v[k].first)
				sum += rank;
	}
	return sum;
}

/*
 * Orders of na and nb values with statistic u: N(u, i, j) = N(u - j, i - 1, j)
 * + N(u, i, j - 1), here as shares of all orders, so that nothing overflows.
 */
static double
exact_p(double u, size_t na, size_t nb)
{
	size_t max = na * nb, width = max + 1;
	double low = fmin(u, (double)max - u), p = 0;
	/* row[j][k]: probability of U = k of i and j values */
	double *row = xcalloc((nb + 1) * width, sizeof *row);

	for (size_t j = 0; j <= nb; j++)
		row[j * width] = 1; /* i = 0: U is 0 */
	for (size_t i = 1; i <= na; i++) {
		/* j = 0: U is 0, as it stands */
		for (size_t j = 1; j <= nb; j++) {
			double *to = row + j * width;
			const double *less = row + (j - 1) * width;
			double of_a = (double)i / (double)(i + j);

			/* The largest value is one of a's: it beats all j; to
			 * still holds i - 1. From above, as it shifts up. */
			for (size_t k = max + 1; k-- > 0;)
				to[k] = of_a * (k >= j ? to[k - j] : 0) +
				    (1 - of_a) * less[k];
		}
	}
	for (size_t k = 0; (double)k <= low; k++)
		p += row[nb * width + k];
	free(row);
	return fmin(1, 2 * p);
}

static double
normal_p(double u, size_t na, size_t nb, double ties)
{
	double a = (double)na, b = (double)nb, n = a + b;
	double var = a * b / 12 * (n + 1 - ties / (n * (n - 1)));
	double d = fmax(0, fabs(u - a * b / 2) - 0.5);

	if (!(var > 0))
		return 1; /* all are equal */
	return erfc(d / sqrt(var) / sqrt(2));
}
