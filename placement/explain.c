/*
 * explain.c - why there is no group.
 *
 * An item is one thing the query asks for: a limit, a cap, a minimum, a
 * filter, a term that needs data. Conflicts come from a deletion filter over
 * all items, one feasibility search each: an item without which it still
 * cannot be done is dropped, so what stays is a minimal set. What is asked for
 * only shrinks the set of groups, so if several items can be dropped together,
 * each could be alone: they are tried in bulk, and halved where that fails. The
 * outcome is that of one after the other.
 */
#include "placement/explain.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_NODES 200000

struct items {
	struct item *v;
	size_t n, cap;
};

/* Pins and weights of the roles: copies that may change. */
static void
copy_roles(struct probe *p, const struct place_query *q)
{
	size_t at = 0;

	for (size_t i = 0; i < q->nroles; i++) {
		struct place_role *r = &p->roles[i];

		if (r->npins > 0)
			memcpy(&p->pins[at], r->pins,
			    r->npins * sizeof *p->pins);
		r->pins = &p->pins[at];
		at += r->npins;
		if (r->weights == NULL)
			continue;
		memcpy(p->weights[i], r->weights,
		    q->nterms * sizeof *r->weights);
		r->weights = p->weights[i];
	}
}

struct probe *
pl_probe_new(const struct explain *x)
{
	const struct place_query *q = x->q;
	struct probe *p = xcalloc(1, sizeof *p);

	p->q = *q;
	p->small = x->small;
	memcpy(p->roles, q->roles, q->nroles * sizeof *p->roles);
	if (q->nterms > 0)
		memcpy(p->terms, q->terms, q->nterms * sizeof *p->terms);
	p->pairs = xcalloc(q->limits.npairs + 1, sizeof *p->pairs);
	if (q->limits.npairs > 0)
		memcpy(p->pairs, q->limits.pairs,
		    q->limits.npairs * sizeof *p->pairs);
	p->q.roles = p->roles;
	p->q.terms = p->terms;
	p->q.limits.pairs = p->pairs;
	copy_roles(p, q);
	if (q->limits.nquotas > 0)
		memcpy(p->quotas, q->limits.quotas,
		    q->limits.nquotas * sizeof *p->quotas);
	p->q.limits.quotas = p->quotas;
	if (q->limits.nseparate > 0)
		memcpy(p->separate, q->limits.separate,
		    q->limits.nseparate * sizeof *p->separate);
	p->q.limits.separate = p->separate;
	return p;
}

void
pl_probe_free(struct probe *p)
{
	if (p != NULL)
		free(p->pairs);
	free(p);
}

/*
 * Mode groups asks for any set that meets the minima: the smallest such group,
 * one VM per site, exists if and only if a set does (limits are inherited by
 * smaller sets).
 */
static void
as_smallest_set(struct place_query *q, struct place_role *role)
{
	struct place_limits *l = &q->limits;

	*role = q->roles[0];
	role->npins = 0;
	role->weights = NULL;
	role->count =
	    l->min_csps > l->min_regions ? l->min_csps : l->min_regions;
	if (role->count < 1)
		role->count = 1;
	if (role->count > PLACE_MAX_VMS)
		role->count = PLACE_MAX_VMS;
	q->roles = role;
	q->nroles = 1;
	l->max_per_site = 1;
	l->has_budget = false;
	l->max_rtt_to_user_us = 0;
	q->nterms = q->nusers = 0;
	q->served_by = 0;
}

enum verdict
pl_probe_run(struct explain *x, const struct probe *p, int by)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_query q = p->q;
	const struct pl_small *small = q.mode == PLACE_PLACE ? p->small : NULL;
	struct place_role role;
	struct pl_stage st;
	struct pl_model *m;
	struct pl_search *s;
	enum verdict v = UNSURE;

	if (q.mode == PLACE_GROUPS)
		as_smallest_set(&q, &role);
	pl_stage_all(&st, &q);
	if (by != PROBE_BEST)
		st.nterms = by == PROBE_ANY ? 0 : 1;
	if (by >= 0)
		st.order[0] = (uint32_t)by;
	/* One term alone: its weight, which may be 0, does not matter. */
	q.lexicographic = q.lexicographic || by >= 0;
	m = pl_model_new(&q, small != NULL ? &small->w : x->w, &st, &err);
	if (m == NULL)
		return UNSURE;
	x->ctl->probe_end = x->ctl->nodes + PROBE_NODES;
	s = pl_search_new(m, x->ctl, 1, by == PROBE_ANY);
	pl_search_run(s);
	if (s->ntop > 0) {
		v = YES;
		x->nfound = m->k;
		memcpy(x->found, s->top[0].units, m->k * sizeof *x->found);
		for (size_t u = 0; u < m->k && small != NULL; u++)
			x->found[u].offer = small->map[x->found[u].offer];
	} else if (!s->aborted) {
		v = NO;
	}
	x->ctl->probe_end = 0;
	x->ctl->probe_cut = false;
	if (p->small == NULL && v == NO && q.mode == PLACE_PLACE)
		pl_small_make(&x->last, m, PL_INF, x->a->arena);
	pl_search_free(s);
	pl_model_free(m);
	return v;
}

static void
drop_filter(struct place_filter *f, enum place_filter_kind k)
{
	switch (k) {
	case PLACE_F_VCPU: memset(&f->vcpu, 0, sizeof f->vcpu); break;
	case PLACE_F_MEMORY:
		memset(&f->memory_mib, 0, sizeof f->memory_mib);
		break;
	case PLACE_F_COST:
		memset(&f->cost_per_hour_micros, 0,
		    sizeof f->cost_per_hour_micros);
		break;
	case PLACE_F_CSP: f->csp.n = 0; break;
	case PLACE_F_REGION: f->region.n = 0; break;
	case PLACE_F_SITE: f->site.n = 0; break;
	case PLACE_F_SPEC: f->spec_id.n = 0; break;
	case PLACE_F_CONNECTION: f->connection.n = 0; break;
	case PLACE_F_ARCH: f->arch.n = 0; break;
	default: f->nscores = 0; break;
	}
}

static void
drop_term(struct probe *p, size_t t)
{
	size_t rest = --p->q.nterms - t;

	memmove(p->terms + t, p->terms + t + 1, rest * sizeof *p->terms);
	for (size_t i = 0; i < p->q.nroles; i++)
		memmove(p->weights[i] + t, p->weights[i] + t + 1,
		    rest * sizeof *p->weights[i]);
}

/* In place, so that the others keep their numbers. */
static void
drop_pin(struct probe *p, size_t role, size_t pin)
{
	p->pins[(size_t)(p->roles[role].pins - p->pins) + pin].count = 0;
}

/* Do offers count without this item that do not with it? A budget excludes
 * what has no price, a limit to users the sites without times to them. */
static bool
needs_offers(const struct item *it)
{
	return it->kind == ITEM_FILTER || it->kind == ITEM_TERM ||
	    it->kind == ITEM_PIN || it->kind == ITEM_BUDGET ||
	    it->kind == ITEM_USER;
}

void
pl_item_drop(struct probe *p, const struct item *it)
{
	struct place_limits *l = &p->q.limits;

	if (needs_offers(it))
		p->small = NULL;
	switch (it->kind) {
	case ITEM_FILTER:
		drop_filter(&p->roles[it->index].filter, it->filter);
		break;
	case ITEM_TERM: drop_term(p, it->index); break;
	case ITEM_PIN: drop_pin(p, it->index, it->sub); break;
	case ITEM_QUOTA:
		p->quotas[it->index].vms = p->quotas[it->index].vcpus = -1;
		break;
	case ITEM_APART: p->separate[it->index].level = 0; break;
	case ITEM_ZONE: l->max_per_zone = 0; break;
	case ITEM_SITE: l->max_per_site = 0; break;
	case ITEM_REGION: l->max_per_region = 0; break;
	case ITEM_CSP: l->max_per_csp = 0; break;
	case ITEM_BUDGET: l->has_budget = false; break;
	case ITEM_PAIR: p->pairs[it->index].max_rtt_us = 0; break;
	case ITEM_USER: l->max_rtt_to_user_us = 0; break;
	case ITEM_RTT: l->max_rtt_us = 0; break;
	case ITEM_MIN_REGIONS: l->min_regions = 0; break;
	case ITEM_MIN_CSPS: l->min_csps = 0; break;
	default: break;
	}
}

static void
item_add(struct explain *x, struct items *v, enum item_kind kind, size_t index,
    const char *fmt, const char *tail)
{
	struct item *it;

	VEC_GROW(v->v, v->n, v->cap);
	it = &v->v[v->n++];
	memset(it, 0, sizeof *it);
	it->kind = kind;
	it->index = index;
	if (tail == NULL)
		it->pointer = fmt;
	else
		it->pointer =
		    arena_printf(x->a->arena, "%s%zu%s", fmt, index, tail);
}

static bool
filter_set(const struct place_filter *f, enum place_filter_kind k)
{
	const struct place_range *c = &f->cost_per_hour_micros;

	switch (k) {
	case PLACE_F_VCPU: return f->vcpu.has_min || f->vcpu.has_max;
	case PLACE_F_MEMORY:
		return f->memory_mib.has_min || f->memory_mib.has_max;
	case PLACE_F_COST: return c->has_min || c->has_max;
	case PLACE_F_CSP: return f->csp.n > 0;
	case PLACE_F_REGION: return f->region.n > 0;
	case PLACE_F_SITE: return f->site.n > 0;
	case PLACE_F_SPEC: return f->spec_id.n > 0;
	case PLACE_F_CONNECTION: return f->connection.n > 0;
	case PLACE_F_ARCH: return f->arch.n > 0;
	case PLACE_F_SCORE: return f->nscores > 0;
	default: return false;
	}
}

static void
filter_items(struct explain *x, struct items *v)
{
	for (size_t i = 0; i < x->q->nroles; i++)
		for (enum place_filter_kind k = 0; k < PLACE_F_COUNT; k++) {
			const char *tail;

			if (!filter_set(&x->q->roles[i].filter, k))
				continue;
			tail = arena_printf(x->a->arena, "/filter/%s",
			    place_filter_name(k));
			item_add(x, v, ITEM_FILTER, i, "/groups/", tail);
			v->v[v->n - 1].filter = k;
		}
}

static void
limit_items(struct explain *x, struct items *v)
{
	const struct place_limits *l = &x->q->limits;
	bool place = x->q->mode == PLACE_PLACE;
	const struct {
		bool set;
		enum item_kind kind;
		const char *pointer;
	} plain[] = {
		{ place && l->max_per_site > 0, ITEM_SITE,
		    "/constraints/maxPerSite" },
		{ l->max_per_zone > 0, ITEM_ZONE, "/constraints/maxPerZone" },
		{ l->max_per_region > 0, ITEM_REGION,
		    "/constraints/maxPerRegion" },
		{ l->max_per_csp > 0, ITEM_CSP, "/constraints/maxPerCsp" },
		{ place && l->has_budget, ITEM_BUDGET,
		    "/constraints/budgetPerHourMicros" },
		{ place && l->max_rtt_to_user_us > 0, ITEM_USER,
		    "/constraints/maxRttToUserMs" },
		{ l->max_rtt_us > 0, ITEM_RTT, "/constraints/maxRttMs" },
		{ l->min_regions > 1, ITEM_MIN_REGIONS,
		    "/constraints/minRegions" },
		{ l->min_csps > 1, ITEM_MIN_CSPS, "/constraints/minCsps" },
	};

	for (size_t i = 0; i < l->npairs; i++)
		if (l->pairs[i].max_rtt_us > 0)
			item_add(x, v, ITEM_PAIR, i, "/constraints/pairLimits/",
			    "/maxRttMs");
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (plain[i].set)
			item_add(x, v, plain[i].kind, 0, plain[i].pointer,
			    NULL);
}

static void
count_items(struct explain *x, struct items *v)
{
	const struct place_limits *l = &x->q->limits;

	for (size_t i = 0; i < x->q->nroles; i++)
		for (size_t p = 0; p < x->q->roles[i].npins; p++) {
			item_add(x, v, ITEM_PIN, i, "/groups/",
			    arena_printf(x->a->arena, "/pins/%zu", p));
			v->v[v->n - 1].sub = p;
		}
	for (size_t i = 0; i < l->nquotas; i++)
		item_add(x, v, ITEM_QUOTA, i, "/constraints/quota/", "");
	for (size_t i = 0; i < l->nseparate; i++)
		item_add(x, v, ITEM_APART, i, "/constraints/antiAffinity/", "");
}

/* Terms exclude what has no data. The last first: a drop moves the rest. */
static void
term_items(struct explain *x, struct items *v)
{
	for (size_t t = x->q->nterms; x->q->mode == PLACE_PLACE && t-- > 0;)
		item_add(x, v, ITEM_TERM, t, "/objective/terms/", "");
}

/* The deletion filter: what is dropped, and what must stay. */
struct filter {
	struct explain *x;
	struct probe *p;
	struct place_pair_limit *saved; /* as the query has them */
	struct item *v;
	bool *keep;
};

static enum verdict
without(struct filter *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		pl_item_drop(f->p, &f->v[i]);
	return pl_probe_run(f->x, f->p, PROBE_ANY);
}

/* Drops all of [from, to) that can be; cannot: it is known that
 * not all can. */
static void
drop_some(struct filter *f, size_t from, size_t to, bool cannot)
{
	struct probe before = *f->p;
	size_t npairs = before.q.limits.npairs, mid = from + (to - from) / 2;
	enum verdict e = YES;
	bool all = true;

	if (from == to)
		return;
	memcpy(f->saved + from * npairs, before.pairs,
	    npairs * sizeof *f->saved);
	if (!cannot)
		e = without(f, from, to);
	if (e == NO) {
		if (f->p->small == NULL && f->p->q.mode == PLACE_PLACE) {
			f->x->bare = f->x->last;
			f->p->small = &f->x->bare;
		}
		return;
	}
	*f->p = before;
	memcpy(before.pairs, f->saved + from * npairs,
	    npairs * sizeof *f->saved);
	if (to - from == 1) {
		f->keep[from] = true;
		if (e == UNSURE)
			f->x->a->conflicts_minimal = false;
		return;
	}
	drop_some(f, from, mid, false);
	for (size_t i = from; i < mid; i++)
		all = all && !f->keep[i];
	drop_some(f, mid, to, all && e == YES);
}

/*
 * The offers that matter once filters, terms and pins stay as they are: for
 * the question whether there is a group one per role and site is enough, or
 * what side limits need.
 */
static void
reduce_offers(struct explain *x, struct probe *p)
{
	struct mw_err err = MW_ERR_INIT;
	struct pl_stage st = { .nterms = 0 };
	struct pl_model *m;

	if (p->small != NULL || p->q.mode != PLACE_PLACE)
		return;
	m = pl_model_new(&p->q, x->w, &st, &err);
	if (m == NULL)
		return;
	pl_small_make(&x->bare, m, PL_INF, x->a->arena);
	p->small = &x->bare;
	pl_model_free(m);
}

/* Keeps in v only what a minimal conflict needs. */
static void
conflicts(struct explain *x, struct items *v)
{
	struct place_answer *a = x->a;
	struct filter f = { .x = x, .p = pl_probe_new(x), .v = v->v };
	size_t kept = 0, from = 0;

	f.keep = xcalloc(v->n + 1, sizeof *f.keep);
	f.saved =
	    xcalloc((v->n + 1) * (x->q->limits.npairs + 1), sizeof *f.saved);
	/* First what changes the offers, in bulk. */
	while (from < v->n && v->v[from].kind <= ITEM_PIN)
		from++;
	drop_some(&f, 0, from, false);
	for (size_t i = from; i < v->n; i++) {
		reduce_offers(x, f.p);
		drop_some(&f, i, i + 1, false);
	}
	for (size_t i = 0; i < v->n; i++)
		if (f.keep[i])
			v->v[kept++] = v->v[i];
	v->n = kept;
	pl_probe_free(f.p);
	free(f.keep);
	free(f.saved);
	a->conflicts = arena_array(a->arena, kept + 1, sizeof *a->conflicts);
	for (size_t i = 0; i < kept; i++)
		a->conflicts[a->nconflicts++] = v->v[i].pointer;
}

/* Without a limit there is a group, but none whose times are known. */
static bool
only_unknown(struct explain *x)
{
	struct probe *p = pl_probe_new(x);
	bool yes = false;

	if (p->q.limits.max_rtt_us > 0 && !x->within_known) {
		p->q.limits.max_rtt_us = (int64_t)PLACE_UNKNOWN - 1;
		yes = pl_probe_run(x, p, PROBE_ANY) == NO;
		p->q.limits.max_rtt_us = 0;
		yes = yes && pl_probe_run(x, p, PROBE_ANY) == YES;
	}
	pl_probe_free(p);
	return yes;
}

void
pl_explain(struct place_answer *a, const struct place_query *q,
    const struct place_world *w, const struct pl_small *small,
    struct pl_ctl *ctl)
{
	struct explain x = { .a = a,
		.q = q,
		.w = w,
		.small = small,
		.ctl = ctl };
	struct items v = { 0 };
	bool rtt = false;

	filter_items(&x, &v);
	term_items(&x, &v);
	if (q->mode == PLACE_PLACE)
		count_items(&x, &v);
	limit_items(&x, &v);
	a->relax = arena_array(a->arena, v.n + q->nroles + 2, sizeof *a->relax);
	conflicts(&x, &v);
	for (size_t i = 0; i < v.n; i++) {
		pl_relax(&x, &v.v[i]);
		rtt = rtt || v.v[i].kind == ITEM_RTT;
	}
	v.n = 0;
	if (!rtt && q->limits.max_rtt_us > 0)
		item_add(&x, &v, ITEM_RTT, 0, "/constraints/maxRttMs", NULL);
	for (size_t i = 0; i < q->nroles; i++)
		if (q->mode == PLACE_PLACE && q->roles[i].count > 1)
			item_add(&x, &v, ITEM_COUNT, i, "/groups/", "/count");
	for (size_t i = 0; i < v.n; i++)
		pl_relax(&x, &v.v[i]);
	if (only_unknown(&x)) {
		a->status = PLACE_NO_DATA;
		a->no_data_reason = "no group has known times between all of "
				    "its members";
	}
	if (ctl->cut != PLACE_NOT_CUT)
		pl_warn(a, "the explanation was cut: it may be incomplete");
	free(v.v);
}
