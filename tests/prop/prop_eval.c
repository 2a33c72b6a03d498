/*
 * prop_eval.c - random results: the order of the input changes nothing, a
 * worse VM never raises the median, lemons are found if and only if planted.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/eval.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 2000
#define N_MAX 60
#define DAY (86400 * NS_PER_S)
#define NOW (1000 * DAY)

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

static const struct eval_ask ask = { .now = NOW,
	.max_age_ns = 30 * DAY,
	.stale_ns = 7 * DAY };

static const char *
one_of(struct rng *rng, const char *const *v, uint32_t n)
{
	return v[rng_below(rng, n)];
}

static void
plain(struct eval_in *r, int64_t slot, double value)
{
	*r = (struct eval_in){ .csp = "aws",
		.region = "r",
		.spec = "s",
		.vcpu = 4,
		.cost_micros = 1000,
		.ns = "n",
		.mcis = "m",
		.vm = "v",
		.slot = slot,
		.kind = KIND_CPUM,
		.variant = "std",
		.profile = "quick",
		.env = "e",
		.validity = RESULT_OK,
		.has_value = true,
		.value = value,
		.ci_lo = value * 0.9,
		.ci_hi = value * 1.1,
		.at = NOW - DAY,
		.id = slot + 1,
		.count = 1,
		.mine = true,
		.live = true };
}

static void
any(struct rng *rng, struct eval_in *r, int64_t id)
{
	static const char *const specs[] = { "a", "b" };
	static const char *const profiles[] = { "quick", "standard", "deep",
		"other" };
	static const char *const envs[] = { "", "e1", "e2" };
	static const char *const variants[] = { "std", "seq" };

	plain(r, (int64_t)rng_below(rng, 12), 1 + rng_unit(rng) * 100);
	r->spec = one_of(rng, specs, 2);
	r->profile = one_of(rng, profiles, 4);
	r->env = one_of(rng, envs, 3);
	r->variant = one_of(rng, variants, 2);
	r->kind = (enum kind)rng_below(rng, KIND_COUNT);
	r->validity =
	    (enum result_validity)rng_below(rng, RESULT_VALIDITY_COUNT);
	r->has_value = r->validity != RESULT_FAILED;
	r->replay = rng_below(rng, 8) == 0;
	r->mine = rng_below(rng, 4) != 0;
	r->at = NOW - (int64_t)rng_below(rng, 40) * DAY;
	r->id = id;
}

static void
shuffle(struct rng *rng, struct eval_in *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rng_below(rng, (uint32_t)i);
		struct eval_in t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}

static bool
same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static void
same_cell(const struct eval_cell *a, const struct eval_cell *b)
{
	CHECK(a->of->kind == b->of->kind && str_eq(a->of->env, b->of->env) &&
	    str_eq(a->of->profile, b->of->profile));
	CHECK(a->has_value == b->has_value && same(a->value, b->value));
	CHECK(same(a->flagged, b->flagged) && a->nvms == b->nvms);
	CHECK(a->flags == b->flags && a->nothers == b->nothers);
	CHECK(same(a->ci_lo, b->ci_lo) && same(a->ci_hi, b->ci_hi));
	CHECK(a->nresults == b->nresults && a->newest == b->newest);
	CHECK(a->has_value || a->reason != NULL);
	if (a->has_value && a->ci != EVAL_CI_NONE)
		CHECK(a->ci_lo <= a->value && a->value <= a->ci_hi);
	CHECK(a->oldest <= a->newest);
	CHECK(!a->has_value || a->of->validity == RESULT_OK);
	CHECK(NOW - a->oldest <= ask.max_age_ns);
}

static void
order_changes_nothing(struct rng *rng)
{
	size_t n = (size_t)rng_below(rng, N_MAX);
	struct eval_in *v = xcalloc(n + 1, sizeof *v), *w;
	struct eval *a, *b;

	for (size_t i = 0; i < n; i++)
		any(rng, &v[i], (int64_t)i);
	w = xmemdup(v, (n + 1) * sizeof *v);
	shuffle(rng, w, n);
	a = eval_new(v, n, &ask);
	b = eval_new(w, n, &ask);
	CHECK(a->ncells == b->ncells && a->nspecs == b->nspecs &&
	    a->nlemons == b->nlemons);
	for (size_t i = 0; i < a->ncells; i++)
		same_cell(&a->cells[i], &b->cells[i]);
	for (size_t i = 0; i < a->nspecs; i++)
		CHECK(same(a->specs[i].cores, b->specs[i].cores));
	for (size_t i = 0; i < a->nlemons; i++)
		CHECK(a->lemons[i].of->slot == b->lemons[i].of->slot &&
		    a->lemons[i].of->kind == b->lemons[i].of->kind);
	eval_free(a);
	eval_free(b);
	free(v);
	free(w);
}

static void
worse_never_raises(struct rng *rng)
{
	size_t n = 1 + (size_t)rng_below(rng, 20);
	struct eval_in *v = xcalloc(n + 1, sizeof *v);
	struct eval *a, *b;
	double m;

	for (size_t i = 0; i < n; i++)
		plain(&v[i], (int64_t)i, 1 + rng_unit(rng) * 100);
	a = eval_new(v, n, &ask);
	m = a->cells[0].value;
	plain(&v[n], (int64_t)n, m * rng_unit(rng));
	b = eval_new(v, n + 1, &ask);
	CHECK(b->ncells == 1 && b->cells[0].value <= m);
	CHECK(b->cells[0].nvms == n + 1);
	eval_free(a);
	eval_free(b);
	free(v);
}

/* Siblings within +-3 %, and in half of the rounds one 40 % to 70 % worse: so
 * far off that four siblings, whose own spread is hardly known, show it. */
static void
lemons_if_and_only_if_planted(struct rng *rng)
{
	size_t n = EVAL_SIBLINGS + (size_t)rng_below(rng, 20);
	struct eval_in *v = xcalloc(n, sizeof *v);
	bool plant = rng_below(rng, 2) != 0;
	size_t at = (size_t)rng_below(rng, (uint32_t)n);
	double base = 10 + rng_unit(rng) * 1e4;
	struct eval *e;

	for (size_t i = 0; i < n; i++)
		plain(&v[i], (int64_t)i, base * (0.97 + 0.06 * rng_unit(rng)));
	if (plant)
		v[at].value = base * (0.3 + 0.3 * rng_unit(rng));
	e = eval_new(v, n, &ask);
	CHECK(e->nlemons == (plant ? 1 : 0));
	if (plant)
		CHECK(e->lemons[0].of->slot == (int64_t)at &&
		    e->lemons[0].worse_pct > 10 && e->lemons[0].z < -3.5);
	eval_free(e);
	free(v);
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
		order_changes_nothing(&rng);
		worse_never_raises(&rng);
		lemons_if_and_only_if_planted(&rng);
	}
	return 0;
}
