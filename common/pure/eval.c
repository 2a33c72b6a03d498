/*
 * eval.c - groups results and folds each group into one evaluated number.
 */
#include "common/pure/eval.h"

#include "common/pure/alloc.h"
#include "common/pure/eval_int.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FLAGGED_BITS                                    \
	(1u << RESULT_CONTENDED | 1u << RESULT_STOLEN | \
	    1u << RESULT_THROTTLED | 1u << RESULT_TOO_FEW)
#define MADS_TO_SIGMA 1.4826

static void add_cell(struct eval *e, const struct eval_ask *ask,
    const struct eval_in **rows, size_t n);
static void add_specs(struct eval *e);

static int
text_cmp(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* The most thorough first. */
static int
profile_rank(const char *name)
{
	static const char *const ranks[] = { "deep", "standard", "quick" };

	for (int i = 0; i < (int)ARRAY_LEN(ranks); i++)
		if (str_eq(name, ranks[i]))
			return i;
	return (int)ARRAY_LEN(ranks);
}

int
eval_key_cmp(const struct eval_in *a, const struct eval_in *b)
{
	int d = text_cmp(a->csp, b->csp);

	if (!d)
		d = text_cmp(a->region, b->region);
	if (!d)
		d = text_cmp(a->spec, b->spec);
	if (!d)
		d = (a->kind > b->kind) - (a->kind < b->kind);
	return d ? d : text_cmp(a->variant, b->variant);
}

int
eval_profile_cmp(const struct eval_in *a, const struct eval_in *b)
{
	int x = profile_rank(a->profile), y = profile_rank(b->profile);

	return x != y ? x - y : text_cmp(a->profile, b->profile);
}

/* By group, then by VM, its newest first. */
static int
row_cmp(const void *pa, const void *pb)
{
	const struct eval_in *a = *(const struct eval_in *const *)pa,
			     *b = *(const struct eval_in *const *)pb;
	int d = eval_key_cmp(a, b);

	if (!d)
		d = eval_profile_cmp(a, b);
	if (!d)
		d = (a->slot > b->slot) - (a->slot < b->slot);
	if (!d)
		d = (a->at < b->at) - (a->at > b->at);
	if (!d)
		d = (a->id < b->id) - (a->id > b->id);
	return d ? d : (a->value > b->value) - (a->value < b->value);
}

struct eval *
eval_new(const struct eval_in *in, size_t n, const struct eval_ask *ask)
{
	struct eval *e = xcalloc(1, sizeof *e);
	const struct eval_in **rows = xcalloc(n + 1, sizeof *rows);
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		if (in[i].kind < EVAL_KINDS &&
		    ask->now - in[i].at <= ask->max_age_ns &&
		    (!ask->profile || str_eq(in[i].profile, ask->profile)))
			rows[m++] = &in[i];
	qsort(rows, m, sizeof *rows, row_cmp);
	for (size_t a = 0, b; a < m; a = b) {
		for (b = a + 1; b < m && !eval_key_cmp(rows[a], rows[b]);)
			b++;
		add_cell(e, ask, rows + a, b - a);
		eval_add_lemons(e, ask, rows + a, b - a);
	}
	eval_sort_lemons(e);
	add_specs(e);
	free(rows);
	return e;
}

void
eval_free(struct eval *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->ncells; i++)
		free(e->cells[i].others);
	free(e->cells);
	free(e->specs);
	free(e->lemons);
	free(e);
}

size_t
eval_pick(const struct eval_in **rows, size_t n, unsigned mask, bool all,
    const struct eval_in **out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		const struct eval_in *r = rows[i];

		if (r->has_value && (mask & 1u << r->validity) &&
		    (all || r->mine) && (!m || out[m - 1]->slot != r->slot))
			out[m++] = r;
	}
	return m;
}

/* The first profile with a pick; its picks replace the rows. */
static size_t
pick_profile(const struct eval_in **rows, size_t n, unsigned mask,
    const struct eval_in **out, const struct eval_in ***at, size_t *len)
{
	for (size_t a = 0, b; a < n; a = b) {
		size_t m;

		for (b = a + 1; b < n && !eval_profile_cmp(rows[a], rows[b]);)
			b++;
		m = eval_pick(rows + a, b - a, mask, false, out);
		*at = rows + a;
		*len = b - a;
		if (m)
			return m;
	}
	return 0;
}

static bool
same_env(const struct eval_in *a, const struct eval_in *b)
{
	return a->replay == b->replay && !text_cmp(a->env, b->env);
}

static int
env_cmp(const void *pa, const void *pb)
{
	const struct eval_in *a = *(const struct eval_in *const *)pa;
	const struct eval_in *b = *(const struct eval_in *const *)pb;
	int d = (int)a->replay - (int)b->replay;

	if (!d)
		d = text_cmp(a->env, b->env);
	return d ? d : (a->slot > b->slot) - (a->slot < b->slot);
}

static double
median_of(const struct eval_in **picks, size_t n, struct quant *q)
{
	double *v = xreallocarray(NULL, n, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = picks[i]->value;
	quant_of(v, n, q);
	free(v);
	return q->median;
}

static int64_t
newest_of(const struct eval_in **picks, size_t n)
{
	int64_t t = picks[0]->at;

	for (size_t i = 1; i < n; i++)
		t = picks[i]->at > t ? picks[i]->at : t;
	return t;
}

/* Measured before replayed, then most VMs, then the newest, then its name. */
static bool
better_env(const struct eval_in **a, size_t na, const struct eval_in **b,
    size_t nb)
{
	int64_t ta, tb;

	if (a[0]->replay != b[0]->replay)
		return !a[0]->replay;
	if (na != nb)
		return na > nb;
	ta = newest_of(a, na);
	tb = newest_of(b, nb);
	return ta != tb ? ta > tb : text_cmp(a[0]->env, b[0]->env) < 0;
}

/* Moves the winning environment's picks to *win and lists the others. */
static size_t
pick_env(struct eval_cell *c, const struct eval_in **picks, size_t n,
    const struct eval_in ***win)
{
	size_t best = 0, nbest = 0, a, b;

	qsort(picks, n, sizeof *picks, env_cmp);
	for (a = 0; a < n; a = b) {
		for (b = a + 1; b < n && same_env(picks[a], picks[b]);)
			b++;
		if (!nbest ||
		    better_env(picks + a, b - a, picks + best, nbest)) {
			best = a;
			nbest = b - a;
		}
	}
	for (a = 0; a < n; a = b) {
		struct eval_env o = { .hash = picks[a]->env,
			.replay = picks[a]->replay };
		struct quant q;

		for (b = a + 1; b < n && same_env(picks[a], picks[b]);)
			b++;
		if (a == best)
			continue;
		o.nvms = b - a;
		o.value = median_of(picks + a, b - a, &q);
		o.newest = newest_of(picks + a, b - a);
		VEC_GROW(c->others, c->nothers, c->others_cap);
		c->others[c->nothers++] = o;
	}
	*win = picks + best;
	return nbest;
}

/*
 * From 6 VMs on, the interval of their median; below, all that any VM's own
 * interval holds: wider than a pooled one, and it assumes nothing about how
 * VMs differ.
 */
static void
fold_ci(struct eval_cell *c, const struct eval_in **w, size_t n,
    const struct quant *q)
{
	c->ci_lo = c->ci_hi = NAN;
	if (q->has_ci) {
		c->ci = EVAL_CI_ORDER;
		c->ci_lo = q->ci_lo;
		c->ci_hi = q->ci_hi;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (isnan(w[i]->ci_lo) || isnan(w[i]->ci_hi)) {
			c->ci_lo = c->ci_hi = NAN;
			return;
		}
		c->ci_lo = fmin(c->ci_lo, w[i]->ci_lo);
		c->ci_hi = fmax(c->ci_hi, w[i]->ci_hi);
	}
	c->ci = EVAL_CI_HULL;
}

static enum result_validity
main_validity(const struct eval_in **w, size_t n)
{
	size_t count[RESULT_VALIDITY_COUNT] = { 0 };
	int best = RESULT_OK;

	for (size_t i = 0; i < n; i++)
		count[w[i]->validity]++;
	for (int k = 0; k < RESULT_VALIDITY_COUNT; k++)
		if (count[k] > count[best])
			best = k;
	return (enum result_validity)best;
}

static void
fold(struct eval_cell *c, const struct eval_ask *ask, const struct eval_in **w,
    size_t n, bool usable)
{
	struct quant q;
	double v = median_of(w, n, &q);

	c->of = w[0];
	c->nvms = n;
	c->has_value = usable;
	c->has_flagged = !usable;
	c->value = usable ? v : NAN;
	c->flagged = usable ? NAN : v;
	c->flagged_validity = main_validity(w, n);
	c->reason = usable ? NULL : "noValidResult";
	fold_ci(c, w, n, &q);
	c->mad_cv = n > 1 ? MADS_TO_SIGMA * q.mad / q.median : w[0]->mad_cv;
	c->oldest = c->newest = w[0]->at;
	for (size_t i = 1; i < n; i++) {
		c->oldest = w[i]->at < c->oldest ? w[i]->at : c->oldest;
		c->newest = w[i]->at > c->newest ? w[i]->at : c->newest;
	}
	if (n < EVAL_FEW_VMS)
		c->flags |= EVAL_F_FEW_VMS;
	if (ask->now - c->newest > ask->stale_ns)
		c->flags |= EVAL_F_STALE;
	if (c->nothers)
		c->flags |= EVAL_F_MIXED_ENV;
	if (w[0]->replay)
		c->flags |= EVAL_F_REPLAY;
}

/* rows: one key. Nothing is added if none of them was asked for. */
static void
add_cell(struct eval *e, const struct eval_ask *ask,
    const struct eval_in **rows, size_t n)
{
	/* Preferred first: too few repetitions say more than contended ones. */
	const unsigned masks[] = { 1u << RESULT_OK | ask->include,
		1u << RESULT_TOO_FEW, FLAGGED_BITS };
	struct eval_cell c = { .reason = "failed" };
	const struct eval_in **picks = xcalloc(n, sizeof *picks);
	const struct eval_in **of = rows, **win = NULL;
	size_t m = 0, len = n, nwin = 0, used = 0;

	c.value = c.flagged = c.ci_lo = c.ci_hi = c.mad_cv = NAN;
	while (!m && used < ARRAY_LEN(masks))
		m = pick_profile(rows, n, masks[used++], picks, &of, &len);
	if (m) {
		nwin = pick_env(&c, picks, m, &win);
		fold(&c, ask, win, nwin, used == 1);
	}
	for (size_t i = 0; m && i < len; i++)
		if (of[i]->mine && of[i]->has_value &&
		    (masks[used - 1] & 1u << of[i]->validity) &&
		    same_env(of[i], win[0]))
			c.nresults += of[i]->count;
	for (size_t i = 0; !m && i < n; i++)
		if (rows[i]->mine && (!c.of || rows[i]->at > c.newest)) {
			c.of = rows[i];
			c.oldest = c.newest = rows[i]->at;
		}
	free(picks);
	if (!c.of)
		return;
	VEC_GROW(e->cells, e->ncells, e->cells_cap);
	e->cells[e->ncells++] = c;
}

bool
eval_best(const struct eval_cell *c, double *v, bool *flagged)
{
	if (!c || (!c->has_value && !c->has_flagged))
		return false;
	*v = c->has_value ? c->value : c->flagged;
	*flagged = !c->has_value;
	return true;
}

/* The lowest known price, the largest known number of CPUs: connections to
 * one region may differ in what they know. */
static void
spec_fact(struct eval_spec *s, const struct eval_in *r)
{
	if (r->vcpu > s->vcpu)
		s->vcpu = r->vcpu;
	if (r->cost_micros >= 0 &&
	    (s->cost_micros < 0 || r->cost_micros < s->cost_micros)) {
		s->cost_micros = r->cost_micros;
		s->currency = r->currency;
	}
	if (s->cost_micros >= 0)
		s->cost_reason = NULL;
	else if (!s->cost_reason)
		s->cost_reason = r->cost_reason;
}

static void
scaling(struct eval_spec *s)
{
	double one, all;
	bool f1, f2;

	s->cores = s->efficiency = NAN;
	s->cost_per_core_micros = -1;
	if (!eval_best(s->cells[KIND_CPUS], &one, &f1))
		s->scaling_reason = "noCpus";
	else if (!eval_best(s->cells[KIND_CPUM], &all, &f2))
		s->scaling_reason = "noCpum";
	else if (!(one > 0))
		s->scaling_reason = "zeroCpus";
	if (s->scaling_reason)
		return;
	s->cores = all / one;
	s->scaling_flagged = f1 || f2;
	if (s->vcpu > 0)
		s->efficiency = s->cores / (double)s->vcpu;
	s->cost_per_core_micros = eval_cost_per_unit(s->cost_micros, s->cores);
}

static void
add_specs(struct eval *e)
{
	struct eval_spec *s = NULL;

	for (size_t i = 0; i < e->ncells; i++) {
		const struct eval_cell *c = &e->cells[i];

		if (!s || text_cmp(s->of->csp, c->of->csp) ||
		    text_cmp(s->of->region, c->of->region) ||
		    text_cmp(s->of->spec, c->of->spec)) {
			VEC_GROW(e->specs, e->nspecs, e->specs_cap);
			s = &e->specs[e->nspecs++];
			memset(s, 0, sizeof *s);
			s->of = c->of;
			s->cost_micros = -1;
		}
		spec_fact(s, c->of);
		if (str_eq(c->of->variant, "std"))
			s->cells[c->of->kind] = c;
	}
	for (size_t i = 0; i < e->nspecs; i++)
		scaling(&e->specs[i]);
}
