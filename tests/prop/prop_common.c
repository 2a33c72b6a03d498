/*
 * prop_common.c - random results, rows and samples: what is encoded decodes
 * to the same, order statistics agree with their definitions, the interval
 * of the median covers it as often as it says.
 */
#include "common/clock.h"
#include "common/proto.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

/* Through text, as on the link. */
static json_t *
reparse(json_t *take_j)
{
	char *text = json_text(take_j, false);
	struct mw_err err;
	json_t *j = json_parse(text, strlen(text), JSON_BODY_MAX, &err);

	CHECK(j != NULL);
	free(text);
	json_decref(take_j);
	return j;
}

static bool
near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-10 * fabs(a);
}

static void
result_round_trip(struct rng *rng)
{
	struct result a = { 0 }, b;
	struct mw_err err;
	json_t *j;

	a.kind = (enum kind)rng_below(rng, KIND_COUNT);
	a.nsamples = (size_t)rng_below(rng, RESULT_MAX_SAMPLES + 1);
	a.at_wall_ns = (int64_t)rng_below(rng, 1u << 30) * NS_PER_S;
	a.elapsed_s = rng_unit(rng) * 100;
	a.replay = rng_below(rng, 2);
	for (size_t i = 0; i < a.nsamples; i++)
		a.samples[i] = (struct result_sample){ .value = rng_unit(rng) *
			    kind_info(a.kind)->max,
			.wall_s = rng_unit(rng),
			.share = rng_unit(rng),
			.warmup = rng_below(rng, 8) == 0,
			.contended = rng_below(rng, 3) == 0 };
	result_fold(&a);
	CHECK(result_validate(&a, &err));
	j = reparse(proto_result_encode(&a));
	CHECK(proto_result_decode(j, &b, &err));
	json_decref(j);
	CHECK(a.kind == b.kind && a.n == b.n && a.n_valid == b.n_valid);
	CHECK(a.validity == b.validity && a.nsamples == b.nsamples);
	CHECK(a.has_value == b.has_value && near(a.value, b.value));
	CHECK(a.q.n == b.q.n && a.q.has_ci == b.q.has_ci);
	CHECK(near(a.q.stddev, b.q.stddev) && near(a.q.ci_hi, b.q.ci_hi));
	for (size_t i = 0; i < a.nsamples; i++)
		CHECK(near(a.samples[i].value, b.samples[i].value) &&
		    a.samples[i].warmup == b.samples[i].warmup &&
		    a.samples[i].contended == b.samples[i].contended);
}

static void
row_round_trip(struct rng *rng)
{
	struct proto_row a = { .round_id = "r-1" }, b;
	struct mw_err err;
	json_t *j;

	a.n = 1 + (size_t)rng_below(rng, 40);
	a.src = (uint32_t)rng_below(rng, a.n);
	a.cells = xcalloc(a.n, sizeof *a.cells);
	for (size_t i = 0; i < a.n; i++) {
		struct matrix_cell *c = &a.cells[i];

		c->why = (uint8_t)rng_below(rng, MATRIX_WHY_COUNT);
		c->lost = (uint16_t)rng_below(rng, 65536);
		if (i == a.src) {
			*c = (struct matrix_cell){ .why = MATRIX_NEVER };
		} else if (c->why == MATRIX_KNOWN) {
			c->n = (uint16_t)(1 + rng_below(rng, 65535));
			c->method =
			    (uint8_t)rng_below(rng, MATRIX_METHOD_COUNT);
			c->min_us = (uint32_t)rng_below(rng, 1000000);
			c->avg_us = c->min_us + (uint32_t)rng_below(rng, 1000);
			c->p50_us = c->min_us + (uint32_t)rng_below(rng, 1000);
			c->p95_us = c->p50_us + (uint32_t)rng_below(rng, 1000);
			c->flags = (uint8_t)rng_below(rng, 256);
			c->at_wall_ns =
			    (int64_t)rng_below(rng, 1u << 30) * NS_PER_MS;
		}
	}
	j = reparse(proto_row_encode(&a));
	CHECK(proto_row_decode(j, &b, &err));
	CHECK(a.n == b.n && a.src == b.src);
	for (size_t i = 0; i < a.n; i++) {
		const struct matrix_cell *x = &a.cells[i], *y = &b.cells[i];

		CHECK(x->why == y->why && x->n == y->n && x->lost == y->lost);
		CHECK(x->min_us == y->min_us && x->p95_us == y->p95_us);
		CHECK(x->flags == y->flags && x->at_wall_ns == y->at_wall_ns);
	}
	json_decref(j);
	free(a.cells);
	free(b.cells);
}

/* Ranks by counting: no sorting, another way to the same figures. */
static void
quant_by_counting(struct rng *rng)
{
	size_t n = 1 + (size_t)rng_below(rng, 60);
	double v[60], copy[60];
	struct quant q;
	size_t le05 = 0, lt05 = 0, le95 = 0, lt95 = 0;

	for (size_t i = 0; i < n; i++)
		v[i] = copy[i] = (double)rng_below(rng, 50);
	quant_of(v, n, &q);
	for (size_t i = 0; i < n; i++) {
		le05 += copy[i] <= q.p05;
		lt05 += copy[i] < q.p05;
		le95 += copy[i] <= q.p95;
		lt95 += copy[i] < q.p95;
	}
	CHECK(le05 * 100 >= n * 5 && lt05 * 100 < n * 5);
	CHECK(le95 * 100 >= n * 95 && lt95 * 100 < n * 95);
	CHECK(q.min <= q.median && q.median <= q.max);
	CHECK(q.has_ci == (n >= 6));
}

static void
interval_covers(struct rng *rng, size_t n)
{
	enum {
		TRIALS = 4000
	};
	int hits = 0;
	double v[40];
	struct quant q;

	for (int t = 0; t < TRIALS; t++) {
		for (size_t i = 0; i < n; i++)
			v[i] = rng_exp(rng);
		quant_of(v, n, &q);
		hits += q.ci_lo <= log(2) && log(2) <= q.ci_hi;
	}
	/* Five standard deviations of the count of hits. */
	CHECK(fabs((double)hits / TRIALS - q.ci_level) <
	    5 * sqrt(q.ci_level * (1 - q.ci_level) / TRIALS));
}

int
main(void)
{
	const char *given = getenv("MW_SEED");
	int64_t seed = (int64_t)(clock_random_u64() >> 2);
	struct rng rng;

	if (given != NULL &&
	    !num_parse_i64(given, strlen(given), 0, INT64_MAX, &seed)) {
		printf("MW_SEED is not a number\n");
		return 2;
	}
	printf("MW_SEED=%lld\n", (long long)seed);
	rng_seed(&rng, (uint64_t)seed);
	for (int i = 0; i < ROUNDS; i++) {
		result_round_trip(&rng);
		row_round_trip(&rng);
		quant_by_counting(&rng);
	}
	for (size_t n = 6; n <= 40; n += 5)
		interval_covers(&rng, n);
	return 0;
}
