/*
 * eval_lemon.c - VMs that are far worse than their siblings, and the words
 * and prices that are made from evaluated numbers.
 */
#include "common/pure/eval_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAD_TO_Z 0.6745 /* the 75 % point of the normal distribution */

/* True if more of the picks are of its environment than of another one. */
static bool
of_most(const struct eval_in **picks, size_t n, const struct eval_in *r)
{
	size_t best = 0, own = 0;

	for (size_t i = 0; i < n; i++) {
		size_t same = 0;

		for (size_t j = 0; j < n; j++)
			same += str_eq(picks[i]->env, picks[j]->env);
		best = same > best ? same : best;
		if (picks[i] == r)
			own = same;
	}
	return own == best;
}

/* A VM has its lemon of a kind once, of the most thorough profile. */
static bool
known(const struct eval *e, size_t from, const struct eval_in *r)
{
	for (size_t i = from; i < e->nlemons; i++)
		if (e->lemons[i].of->slot == r->slot)
			return true;
	return false;
}

static void
judge(struct eval *e, size_t from, const struct eval_in **picks, size_t n)
{
	bool higher = kind_info(picks[0]->kind)->higher_is_better;
	double *v = xreallocarray(NULL, n, sizeof *v), mad;
	struct quant q;

	for (size_t i = 0; i < n; i++)
		v[i] = picks[i]->value;
	quant_of(v, n, &q);
	free(v);
	mad = fmax(q.mad, EVAL_MAD_FLOOR * q.median);
	for (size_t i = 0; q.median > 0 && i < n; i++) {
		double worse = picks[i]->value - q.median;
		struct eval_lemon l = { .of = picks[i],
			.median = q.median,
			.siblings = n };

		worse = higher ? -worse : worse;
		l.z = -MAD_TO_Z * worse / mad;
		l.worse_pct = 100 * worse / q.median;
		if (l.z >= -EVAL_LEMON_Z || l.worse_pct <= EVAL_LEMON_PCT ||
		    !picks[i]->mine || !picks[i]->live ||
		    known(e, from, picks[i]))
			continue;
		l.other_env = !of_most(picks, n, picks[i]);
		VEC_GROW(e->lemons, e->nlemons, e->lemons_cap);
		e->lemons[e->nlemons++] = l;
	}
}

void
eval_add_lemons(struct eval *e, const struct eval_ask *ask,
    const struct eval_in **rows, size_t n)
{
	const struct eval_in **picks = xcalloc(n, sizeof *picks);
	size_t from = e->nlemons;

	for (size_t a = 0, b; a < n; a = b) {
		size_t m;

		for (b = a + 1; b < n && !eval_profile_cmp(rows[a], rows[b]);)
			b++;
		m = eval_pick(rows + a, b - a, 1u << RESULT_OK | ask->include,
		    true, picks);
		if (m >= EVAL_SIBLINGS)
			judge(e, from, picks, m);
	}
	free(picks);
}

static int
lemon_cmp(const void *pa, const void *pb)
{
	const struct eval_in *a = ((const struct eval_lemon *)pa)->of;
	const struct eval_in *b = ((const struct eval_lemon *)pb)->of;
	int d = strcmp(a->ns, b->ns);

	if (!d)
		d = strcmp(a->mcis, b->mcis);
	if (!d)
		d = strcmp(a->vm, b->vm);
	return d ? d : eval_key_cmp(a, b);
}

void
eval_sort_lemons(struct eval *e)
{
	if (e->nlemons)
		qsort(e->lemons, e->nlemons, sizeof *e->lemons, lemon_cmp);
}

bool
eval_cores_text(int64_t vcpu, double cores, char *out, size_t size)
{
	double eff;

	if (vcpu <= 0 || !isfinite(cores))
		return false;
	eff = cores / (double)vcpu;
	if (eff > 1.1)
		snprintf(out, size,
		    "%lld vCPU here did the work of %.1f: the two were not "
		    "measured alike",
		    (long long)vcpu, cores);
	else if (eff >= 0.9)
		snprintf(out, size, "%lld vCPU here %s", (long long)vcpu,
		    vcpu > 1 ? "are as many cores" : "is a core");
	else if (eff >= 0.6)
		snprintf(out, size,
		    "%lld vCPU here do the work of %.1f cores: hyper-threads",
		    (long long)vcpu, cores);
	else if (eff >= 0.45)
		snprintf(out, size, "%lld vCPU here are %.0f core%s",
		    (long long)vcpu, fmax(1, round(cores)),
		    round(cores) > 1 ? "s" : "");
	else
		snprintf(out, size,
		    "%lld vCPU here do the work of %.1f cores: capped or "
		    "shared",
		    (long long)vcpu, cores);
	return true;
}

int64_t
eval_cost_per_unit(int64_t cost_micros, double value)
{
	double v;

	if (cost_micros < 0 || !(value > 0))
		return -1;
	v = round((double)cost_micros / value);
	return v < 9e18 ? (int64_t)v : -1;
}

double
eval_units_per_cost(int64_t cost_micros, double value)
{
	if (cost_micros <= 0 || !isfinite(value))
		return NAN;
	return value / ((double)cost_micros / 1e6);
}

const char *
eval_ci_name(enum eval_ci ci)
{
	static const char *const names[] = { NULL, "orderStatVms", "hull" };

	return names[ci];
}
