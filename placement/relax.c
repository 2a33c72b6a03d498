/*
 * relax.c - the nearest value of one item alone with which there is a group:
 * round-trip limits by bisection over the values that occur, numbers by steps,
 * a budget by the cheapest group, a filter by the values that offers have.
 */
#include "placement/explain.h"

#include <stdlib.h>
#include <string.h>

/* Scanning all pairs for the next value pays up to here. */
#define MAX_SCAN_SITES 2048
#define START_US 1000 /* added to a limit that is doubled */

static struct place_relaxation *
relax_add(struct explain *x, const struct item *it)
{
	struct place_answer *a = x->a;
	struct place_relaxation *r = &a->relax[a->nrelax++];

	r->pointer = it->pointer;
	r->proved = true;
	r->members = pl_members(x->found, x->nfound, x->q, x->w, a->arena);
	r->nmembers = x->nfound;
	return r;
}

static int64_t *
time_of(struct probe *p, const struct item *it)
{
	return it->kind == ITEM_PAIR ? &p->pairs[it->index].max_rtt_us
	    : it->kind == ITEM_USER  ? &p->q.limits.max_rtt_to_user_us
				     : &p->q.limits.max_rtt_us;
}

/* Does this limit, and no other, hold between the two roles? */
static bool
governs(const struct explain *x, const struct item *it, uint32_t a, uint32_t b)
{
	const struct place_limits *l = &x->q->limits;

	for (size_t i = 0; i < l->npairs; i++)
		if ((l->pairs[i].a == a && l->pairs[i].b == b) ||
		    (l->pairs[i].a == b && l->pairs[i].b == a))
			return it->kind == ITEM_PAIR && i == it->index;
	return it->kind == ITEM_RTT;
}

/* The worst user of the last group found. */
static uint32_t
found_user(const struct explain *x)
{
	uint32_t worst = 0;

	for (uint32_t u = 0; u < x->q->nusers; u++) {
		uint32_t best = PLACE_UNKNOWN;

		for (size_t i = 0; i < x->nfound; i++) {
			uint32_t d;

			if (x->q->served_by != 0 &&
			    !(x->q->served_by >> x->found[i].role & 1))
				continue;
			d = pl_user_rtt(x->q, x->w, u, x->found[i].site);
			if (d < best)
				best = d;
		}
		if (best > worst)
			worst = best;
	}
	return worst;
}

/* The worst pair under this limit in the last group found. */
static uint32_t
found_worst(const struct explain *x, const struct item *it)
{
	uint32_t worst = 0;

	if (it->kind == ITEM_USER)
		return found_user(x);
	for (size_t i = 0; i < x->nfound; i++)
		for (size_t j = i + 1; j < x->nfound; j++) {
			uint32_t d;

			if (!governs(x, it, x->found[i].role, x->found[j].role))
				continue;
			d = place_pair_rtt(x->q, x->w, x->found[i].site,
			    x->found[j].site);
			if (d > worst)
				worst = d;
		}
	return worst;
}

static int
u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The times between low and high that any pair has, in order. */
static size_t
times_between(const struct explain *x, const struct item *it, uint32_t low,
    uint32_t high, uint32_t **out)
{
	bool user = it->kind == ITEM_USER;
	size_t rows = user ? x->q->nusers : x->w->nsites, n = 0, cap = 0, d = 0;
	uint32_t *v = NULL;

	for (uint32_t a = 0; a < rows; a++)
		for (uint32_t b = user ? 0 : a; b < x->w->nsites; b++) {
			uint32_t t = user ? pl_user_rtt(x->q, x->w, a, b)
					  : place_pair_rtt(x->q, x->w, a, b);

			if (t <= low || t >= high)
				continue;
			VEC_GROW(v, n, cap);
			v[n++] = t;
		}
	if (n > 0)
		qsort(v, n, sizeof *v, u32_cmp);
	for (size_t i = 0; i < n; i++)
		if (d == 0 || v[d - 1] != v[i])
			v[d++] = v[i];
	*out = v;
	return d;
}

static enum verdict
probe_time(struct explain *x, struct probe *p, const struct item *it,
    uint32_t within, int by)
{
	*time_of(p, it) = (int64_t)within + (x->q->limits.le ? 0 : 1);
	if (within >= PLACE_UNKNOWN - 1)
		*time_of(p, it) = (int64_t)PLACE_UNKNOWN - 1;
	return pl_probe_run(x, p, by);
}

static void
time_pair(struct explain *x, struct place_relaxation *r, uint32_t worst,
    const struct item *it)
{
	for (uint32_t i = 0; i < r->nmembers && it->kind != ITEM_USER; i++)
		for (uint32_t j = i + 1; j < r->nmembers; j++) {
			const struct place_member *a = &r->members[i];
			const struct place_member *b = &r->members[j];
			const uint32_t *m = x->w->rtt_us[x->q->limits.stat];
			bool back;

			if (!governs(x, it, a->role, b->role) ||
			    place_pair_rtt(x->q, x->w, a->site, b->site) !=
				worst)
				continue;
			back = m != NULL &&
			    m[(size_t)a->site * x->w->nsites + b->site] !=
				worst;
			r->pair.known = true;
			r->pair.a = back ? j : i;
			r->pair.b = back ? i : j;
			r->pair.site_a = back ? b->site : a->site;
			r->pair.site_b = back ? a->site : b->site;
			r->pair.rtt_us = worst;
			pl_rank_pair(&r->pair, x->q, x->w);
			return;
		}
}

/* Doubles the limit until there is a group. */
static bool
any_time(struct explain *x, struct probe *p, const struct item *it,
    uint32_t *low, uint32_t *high)
{
	for (uint64_t t = *low;;) {
		enum verdict v;

		t = 2 * t + START_US;
		if (t >= PLACE_UNKNOWN / 8)
			t = PLACE_UNKNOWN - 1;
		v = probe_time(x, p, it, (uint32_t)t, PROBE_ANY);
		if (v == YES)
			break;
		if (v == UNSURE || t == PLACE_UNKNOWN - 1)
			return false;
		*low = (uint32_t)t;
	}
	x->within_known = x->within_known || it->kind == ITEM_RTT;
	*high = found_worst(x, it);
	return true;
}

/*
 * Smallest possible worst time. Nothing works within low, the last group found
 * works within high, and its own worst pair is high.
 */
static bool
nearest_time(struct explain *x, struct probe *p, const struct item *it,
    uint32_t *low, uint32_t *high)
{
	bool scan = x->w->nsites <= MAX_SCAN_SITES;
	enum verdict e = YES;
	uint32_t *v = NULL;
	size_t from = 0, to;

	to = scan ? times_between(x, it, *low, *high, &v) : 0;
	while (e != UNSURE && (scan ? from < to : *low + 1 < *high)) {
		size_t at = from + (to - from) / 2;
		uint32_t mid = scan ? v[at] : *low + (*high - *low) / 2;

		e = probe_time(x, p, it, mid, PROBE_ANY);
		if (e == YES)
			*high = found_worst(x, it);
		else if (e == NO)
			*low = mid;
		from = e == NO ? at + 1 : from;
		while (scan && to > from && v[to - 1] >= *high)
			to--;
	}
	free(v);
	return e != UNSURE;
}

static void
relax_time(struct explain *x, const struct item *it)
{
	struct probe *p = pl_probe_new(x);
	int64_t from = *time_of(p, it);
	uint32_t low = (uint32_t)(x->q->limits.le ? from : from - 1), high;
	struct place_relaxation *r;
	bool proved;

	if (!any_time(x, p, it, &low, &high)) {
		pl_probe_free(p);
		return;
	}
	proved = nearest_time(x, p, it, &low, &high);
	(void)probe_time(x, p, it, high, PROBE_BEST);
	r = relax_add(x, it);
	r->is_rtt = r->has_from = r->has_above = true;
	r->from = from;
	r->above = high;
	r->proved = proved;
	r->low = r->proved ? high : low;
	time_pair(x, r, high, it);
	if (it->kind == ITEM_RTT) {
		x->a->has_min_rtt = true;
		x->a->min_rtt_us = high;
		x->a->min_rtt_low_us = r->low;
	}
	pl_probe_free(p);
}

static uint32_t *
number_of(struct probe *p, const struct item *it)
{
	struct place_limits *l = &p->q.limits;

	switch (it->kind) {
	case ITEM_SITE: return &l->max_per_site;
	case ITEM_ZONE: return &l->max_per_zone;
	case ITEM_REGION: return &l->max_per_region;
	case ITEM_CSP: return &l->max_per_csp;
	case ITEM_MIN_REGIONS: return &l->min_regions;
	case ITEM_MIN_CSPS: return &l->min_csps;
	default: return &p->roles[it->index].count;
	}
}

/* Of a count the pinned VMs stay. */
static uint32_t
smallest(const struct probe *p, const uint32_t *v, const struct item *it)
{
	const struct place_role *r = &p->roles[it->index];
	uint32_t sum = 0;

	for (size_t i = 0; v == &r->count && i < r->npins; i++)
		sum += r->pins[i].count;
	return sum > 1 ? sum : 1;
}

/* Caps go up to the number of VMs, minima and counts down to 1. */
static void
relax_number(struct explain *x, const struct item *it)
{
	struct probe *p = pl_probe_new(x);
	uint32_t *v = number_of(p, it), from = *v, vms = 0;
	uint32_t low = smallest(p, v, it);
	bool up = it->kind == ITEM_SITE || it->kind == ITEM_ZONE ||
	    it->kind == ITEM_REGION || it->kind == ITEM_CSP;
	bool sure = true;

	for (size_t i = 0; i < x->q->nroles; i++)
		vms += x->q->roles[i].count;
	while (up ? *v < vms : *v > low) {
		struct place_relaxation *r;
		enum verdict e;

		*v = up ? *v + 1 : *v - 1;
		e = pl_probe_run(x, p, PROBE_ANY);
		sure = sure && e != UNSURE;
		if (x->ctl->cut != PLACE_NOT_CUT)
			break;
		if (e != YES)
			continue;
		(void)pl_probe_run(x, p, PROBE_BEST);
		r = relax_add(x, it);
		r->has_from = r->has_to = true;
		r->from = from;
		r->to = *v;
		r->proved = sure;
		break;
	}
	pl_probe_free(p);
}

/* The price of the cheapest group. */
static void
relax_budget(struct explain *x, const struct item *it)
{
	struct probe *p = pl_probe_new(x);
	size_t t = 0;
	int64_t sum = 0;

	pl_item_drop(p, it);
	while (t < p->q.nterms && p->terms[t].kind != PLACE_PRICE)
		t++;
	if (t == PLACE_MAX_TERMS)
		t--;
	if (t >= p->q.nterms || p->terms[t].kind != PLACE_PRICE) {
		p->q.nterms = t + 1;
		p->terms[t] = (struct place_term){ .kind = PLACE_PRICE };
	}
	if (pl_probe_run(x, p, (int)t) == YES) {
		struct place_relaxation *r = relax_add(x, it);

		for (size_t i = 0; i < r->nmembers; i++)
			sum += x->w->offers[r->members[i].offer]
				   .cost_per_hour_micros;
		r->has_from = r->has_to = true;
		r->from = x->q->limits.budget_per_hour_micros;
		r->to = sum;
	}
	pl_probe_free(p);
}

static struct place_range *
range_of(struct probe *p, const struct item *it)
{
	struct place_filter *f = &p->roles[it->index].filter;

	switch (it->filter) {
	case PLACE_F_VCPU: return &f->vcpu;
	case PLACE_F_MEMORY: return &f->memory_mib;
	case PLACE_F_COST: return &f->cost_per_hour_micros;
	default: return NULL;
	}
}

static int64_t
range_value(const struct place_offer *o, enum place_filter_kind k)
{
	return k == PLACE_F_VCPU  ? o->vcpu
	    : k == PLACE_F_MEMORY ? o->memory_mib
				  : o->cost_per_hour_micros;
}

/* The next value that offers have beyond v, away from the range. */
static bool
next_offer(const struct explain *x, const struct item *it, bool down,
    int64_t *v)
{
	int64_t best = *v;
	bool any = false;

	for (size_t i = 0; i < x->w->noffers; i++) {
		int64_t c = range_value(&x->w->offers[i], it->filter);

		if (c < 0 || (down ? c >= *v : c <= *v) ||
		    (any && (down ? c <= best : c >= best)))
			continue;
		best = c;
		any = true;
	}
	*v = best;
	return any;
}

/* One end of a range, step by step over the values of the offers. */
static bool
relax_end(struct explain *x, const struct item *it, bool down)
{
	struct probe *p = pl_probe_new(x);
	struct place_range *g = range_of(p, it);
	int64_t *v = down ? &g->min : &g->max, from = *v;
	bool done = false, sure = true;

	p->small = NULL;
	while (!done && next_offer(x, it, down, v)) {
		enum verdict e = pl_probe_run(x, p, PROBE_ANY);
		struct place_relaxation *r;

		sure = sure && e != UNSURE;
		if (x->ctl->cut != PLACE_NOT_CUT)
			break;
		if (e != YES)
			continue;
		(void)pl_probe_run(x, p, PROBE_BEST);
		r = relax_add(x, it);
		r->pointer = arena_printf(x->a->arena, "%s/%s", it->pointer,
		    down ? "min" : "max");
		r->has_from = r->has_to = true;
		r->from = from;
		r->to = *v;
		r->proved = sure;
		done = true;
	}
	pl_probe_free(p);
	return done;
}

static void
relax_filter(struct explain *x, const struct item *it)
{
	struct probe *p = pl_probe_new(x);
	const struct place_range *g = range_of(p, it);

	if (!(g != NULL && g->has_min && relax_end(x, it, true)) &&
	    !(g != NULL && g->has_max && relax_end(x, it, false))) {
		pl_item_drop(p, it);
		if (pl_probe_run(x, p, PROBE_BEST) == YES)
			relax_add(x, it)->drop = true;
	}
	pl_probe_free(p);
}

static void
relax_term(struct explain *x, const struct item *it)
{
	struct probe *p = pl_probe_new(x);

	pl_item_drop(p, it);
	if (pl_probe_run(x, p, PROBE_BEST) == YES)
		relax_add(x, it)->drop = true;
	pl_probe_free(p);
}

/* What the last group found uses of a quota. */
static int64_t
found_use(const struct explain *x, const struct place_quota *u, bool vcpus)
{
	int64_t sum = 0;

	for (size_t i = 0; i < x->nfound; i++) {
		const struct place_offer *o = &x->w->offers[x->found[i].offer];

		if (pl_quota_counts(u, x->w, o))
			sum += vcpus ? o->vcpu : 1;
	}
	return sum;
}

/* The smallest bound of one kind that works, by bisection. */
static bool
relax_use(struct explain *x, const struct item *it, bool vcpus)
{
	struct probe *p = pl_probe_new(x);
	struct place_quota *u = &p->quotas[it->index];
	int64_t *v = vcpus ? &u->vcpus : &u->vms, from = *v, low = from, high;
	struct place_relaxation *r;
	enum verdict e;

	*v = -1;
	if (from < 0 || pl_probe_run(x, p, PROBE_ANY) != YES) {
		pl_probe_free(p);
		return false;
	}
	high = found_use(x, u, vcpus);
	for (e = YES; e != UNSURE && low + 1 < high;) {
		*v = low + (high - low) / 2;
		e = pl_probe_run(x, p, PROBE_ANY);
		if (e == YES)
			high = found_use(x, u, vcpus);
		else if (e == NO)
			low = *v;
	}
	*v = high;
	(void)pl_probe_run(x, p, PROBE_BEST);
	r = relax_add(x, it);
	r->pointer = arena_printf(x->a->arena, "%s/%s", it->pointer,
	    vcpus ? "vcpus" : "vms");
	r->has_from = r->has_to = true;
	r->from = from;
	r->to = high;
	r->proved = e != UNSURE;
	pl_probe_free(p);
	return true;
}

/* Each bound alone if that is enough, else the quota must go. */
static void
relax_quota(struct explain *x, const struct item *it)
{
	bool vms = relax_use(x, it, false);

	/* One entry of the answer per item: the first that works. */
	if (!vms && !relax_use(x, it, true))
		relax_term(x, it);
}

void
pl_relax(struct explain *x, const struct item *it)
{
	static void (*const how[ITEM_KINDS])(struct explain *,
	    const struct item *) = {
		[ITEM_FILTER] = relax_filter,
		[ITEM_TERM] = relax_term,
		[ITEM_PIN] = relax_term,
		[ITEM_QUOTA] = relax_quota,
		[ITEM_APART] = relax_term,
		[ITEM_SITE] = relax_number,
		[ITEM_ZONE] = relax_number,
		[ITEM_REGION] = relax_number,
		[ITEM_CSP] = relax_number,
		[ITEM_BUDGET] = relax_budget,
		[ITEM_PAIR] = relax_time,
		[ITEM_USER] = relax_time,
		[ITEM_RTT] = relax_time,
		[ITEM_MIN_REGIONS] = relax_number,
		[ITEM_MIN_CSPS] = relax_number,
		[ITEM_COUNT] = relax_number,
	};

	if (x->ctl->cut == PLACE_NOT_CUT)
		how[it->kind](x, it);
}
