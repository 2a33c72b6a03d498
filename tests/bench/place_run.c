/*
 * place_run.c - see place_run.h.
 */
#include "tests/bench/place_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint32_t pb_sizes[PB_SIZES] = { 3, 5, 8, 12, 18 };
const uint32_t pb_limits[PB_LIMITS] = { 5, 10, 20, 40, 80, 120, 200 };

bool
pb_wanted(const struct pb *t, const char *family)
{
	return strcmp(t->only, "all") == 0 || strcmp(t->only, t->part) == 0 ||
	    strcmp(t->only, family) == 0;
}

void
pb_ready_make(struct pb_ready *r, uint32_t sites, uint32_t offers,
    uint64_t seed)
{
	struct mw_err err = MW_ERR_INIT;

	r->plain = bench_world_new(sites, offers, seed);
	r->p = place_prepare(&r->plain->w, &err);
	if (r->p == NULL) {
		fprintf(stderr, "%s: %s\n", err.pointer, err.msg);
		exit(1);
	}
	r->w = *r->plain;
	r->w.w = *place_prepared_world(r->p);
}

void
pb_ready_free(struct pb_ready *r)
{
	place_prepared_free(r->p);
	bench_world_free(r->plain);
}

double
pb_clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool
pb_too_late(void *arg)
{
	return pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) > *(const double *)arg;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
pb_quantile(double *v, size_t n, double p)
{
	size_t at = (size_t)ceil(p * (double)n);

	if (n == 0)
		return 0;
	qsort(v, n, sizeof *v, double_cmp);
	return v[at > 0 ? at - 1 : 0];
}

void
pb_out(const char *family, const char *what, double value, const char *unit,
    const char *target)
{
	printf("{\"name\":\"placement.%s.%s\",\"value\":%.3f,\"unit\":\"%s\"",
	    family, what, value, unit);
	if (target != NULL)
		printf(",\"target\":\"%s\"", target);
	printf("}\n");
	fflush(stdout);
}

double
pb_ours(struct bench_query *b, struct place_answer **a)
{
	double ms[5];
	size_t n = 0;

	bench_query(b);
	*a = NULL;
	do {
		double t = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID);
		double end = t + PB_CUT_MS;
		struct mw_err err = MW_ERR_INIT;

		place_answer_free(*a);
		*a = place_solve(&b->q, &b->w, 0, pb_too_late, &end, &err);
		if (*a == NULL) {
			fprintf(stderr, "%s: %s\n", err.pointer, err.msg);
			exit(1);
		}
		ms[n++] = pb_clock_ms(CLOCK_THREAD_CPUTIME_ID) - t;
	} while (n < ARRAY_LEN(ms) && ms[n - 1] < 200);
	return pb_quantile(ms, n, 0.5);
}
