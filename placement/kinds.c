/*
 * kinds.c - offers of a prepared world by their kind: what a filter reads of
 * them, but for price, name and site. There are far fewer kinds than offers,
 * and where nothing but the price tells the offers of a site apart one of them
 * is enough: the first that passes, in an order that was made once.
 */
#include "placement/offers.h"

#include <stdlib.h>

#define MAX_KINDS 65535

struct sorted {
	int64_t price;
	uint32_t spec, at;
};

/* Those without a price last; in one site the places are those of the world. */
static int
by_price(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	uint64_t p = (uint64_t)x->price, q = (uint64_t)y->price;

	if (p != q)
		return p < q ? -1 : 1;
	if (x->spec != y->spec)
		return x->spec < y->spec ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int
by_spec(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->spec != y->spec)
		return x->spec < y->spec ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void
orders_make(struct pl_columns *c, size_t nsites, struct sorted *v)
{
	for (size_t s = 0; s < nsites; s++) {
		uint32_t from = c->first[s], n = c->first[s + 1] - from;

		for (uint32_t i = 0; i < n; i++)
			v[i] = (struct sorted){ c->price[from + i],
				c->spec[from + i], from + i };
		qsort(v, n, sizeof *v, by_spec);
		for (uint32_t i = 0; i < n; i++)
			c->by_spec[from + i] = v[i].at;
		qsort(v, n, sizeof *v, by_price);
		for (uint32_t i = 0; i < n; i++)
			c->by_price[from + i] = v[i].at;
	}
}

static bool
is_kind(const struct pl_kind *k, const struct pl_columns *c, size_t i)
{
	return k->vcpu == c->vcpu[i] && k->memory == c->memory[i] &&
	    k->arch == c->arch[i] && k->connection == c->connection[i];
}

static size_t
hash(const struct pl_columns *c, size_t i)
{
	uint64_t h = (uint64_t)c->vcpu[i];

	h = h * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)c->memory[i];
	h = h * UINT64_C(0x9e3779b97f4a7c15) + c->arch[i];
	h = h * UINT64_C(0x9e3779b97f4a7c15) + c->connection[i];
	return (size_t)(h * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

/* False: too many. */
static bool
kinds_count(struct pl_columns *c, size_t n, uint32_t *table, size_t mask)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = hash(c, i) & mask;

		while (
		    table[at] != 0 && !is_kind(&c->kinds[table[at] - 1], c, i))
			at = (at + 1) & mask;
		if (table[at] == 0) {
			struct pl_kind *k = &c->kinds[c->nkinds];

			if (c->nkinds == MAX_KINDS)
				return false;
			k->vcpu = c->vcpu[i];
			k->memory = c->memory[i];
			k->arch = c->arch[i];
			k->connection = c->connection[i];
			table[at] = ++c->nkinds;
		}
		c->kind[i] = (uint16_t)(table[at] - 1);
	}
	return true;
}

void
pl_kinds_make(struct pl_columns *c, const struct place_world *w,
    struct arena *arena)
{
	size_t most = w->noffers < MAX_KINDS ? w->noffers : MAX_KINDS;
	size_t size = 1;
	uint32_t *table;
	struct sorted *v;

	while (size < 2 * most + 2)
		size *= 2;
	table = xcalloc(size, sizeof *table);
	c->kind = arena_array(arena, w->noffers + 1, sizeof *c->kind);
	c->kinds = arena_array(arena, most + 1, sizeof *c->kinds);
	if (!kinds_count(c, w->noffers, table, size - 1))
		c->nkinds = 0;
	free(table);
	if (c->nkinds == 0)
		return;
	c->by_price = arena_array(arena, w->noffers + 1, sizeof *c->by_price);
	c->by_spec = arena_array(arena, w->noffers + 1, sizeof *c->by_spec);
	v = xcalloc(w->noffers + 1, sizeof *v);
	orders_make(c, w->nsites, v);
	free(v);
}

/* The first filter that refuses each kind. */
static uint8_t *
why_make(const struct pl_columns *c, const struct place_filter *f)
{
	uint8_t *why = xcalloc(c->nkinds + 1, sizeof *why);

	for (size_t i = 0; i < c->nkinds; i++) {
		const struct pl_kind *k = &c->kinds[i];

		if (pl_not_in(&f->connection, c->word[k->connection]))
			why[i] = PLACE_F_CONNECTION;
		else if (pl_not_in(&f->arch, c->word[k->arch]))
			why[i] = PLACE_F_ARCH;
		else if (pl_outside(&f->vcpu, k->vcpu))
			why[i] = PLACE_F_VCPU;
		else if (pl_outside(&f->memory_mib, k->memory))
			why[i] = PLACE_F_MEMORY;
		else
			why[i] = PLACE_F_COUNT;
	}
	return why;
}

struct passing {
	const struct pl_columns *c;
	const uint8_t *why; /* per kind */
	int64_t min, max; /* prices that pass the filter */
	bool priced; /* what has no price is of no use */
	const uint32_t *order;
	int64_t lo, hi; /* of the prices of all that passes */
};

static inline enum place_filter_kind
why_offer(const struct passing *p, size_t i)
{
	int64_t price = p->c->price[i];

	if (p->why[p->c->kind[i]] != PLACE_F_COUNT)
		return p->why[p->c->kind[i]];
	if (price < p->min || price > p->max)
		return PLACE_F_COST;
	return p->priced && price == PLACE_NO_PRICE ? PLACE_F_NO_PRICE
						    : PLACE_F_COUNT;
}

/* Counts what the filters leave of a site, and takes the first of it. */
static void
site_pass(struct pl_build *b, uint32_t role, struct passing *p, size_t site)
{
	struct place_removed *r = &b->m->removed[role];
	size_t from = p->c->first[site], to = p->c->first[site + 1], i = from;
	uint64_t by[PLACE_F_COUNT + 1] = { 0 };

	for (size_t x = from; x < to; x++) {
		enum place_filter_kind why = why_offer(p, x);
		int64_t price = p->c->price[x];

		by[why]++;
		if (why != PLACE_F_COUNT)
			continue;
		p->lo = price < p->lo ? price : p->lo;
		p->hi = price > p->hi ? price : p->hi;
	}
	for (size_t k = 0; k < PLACE_F_COUNT; k++)
		r->by[k] += by[k];
	r->left += by[PLACE_F_COUNT];
	if (by[PLACE_F_COUNT] == 0)
		return;
	while (why_offer(p, p->order[i]) != PLACE_F_COUNT)
		i++;
	pl_build_take(b, role, p->order[i]);
}

/*
 * Is one offer of each site enough for the role? Not if something adds up that
 * is no part of the cost, or an offer is pinned. *paid: the cheapest it is,
 * else all cost the same.
 */
static bool
one_of_each(const struct pl_build *b, uint32_t role, bool *paid)
{
	const struct place_query *q = b->m->q;

	*paid = false;
	for (size_t t = 0; t < q->nterms; t++) {
		enum place_term_kind kind = q->terms[t].kind;

		if (b->st->has_cap[t] || kind == PLACE_PERFORMANCE ||
		    kind == PLACE_PRICE_PERFORMANCE ||
		    pl_build_every(q, &q->terms[t]))
			return false;
		*paid = *paid ||
		    (kind == PLACE_PRICE && pl_build_weight(q, role, t) > 0);
	}
	return q->roles[role].npins == 0 && !q->lexicographic &&
	    !q->limits.has_budget && q->limits.nquotas == 0;
}

bool
pl_kinds_filter(struct pl_build *b, uint32_t role)
{
	const struct place_world *w = b->m->w;
	const struct place_query *q = b->m->q;
	const struct place_filter *f = &q->roles[role].filter;
	const struct place_range *cost = &f->cost_per_hour_micros;
	bool ranged = cost->has_min || cost->has_max, paid;
	struct passing p = { .c = b->cols, .lo = INT64_MAX, .hi = INT64_MIN };
	uint8_t *why;

	if (b->cols->nkinds == 0 || f->spec_id.n > 0 || f->nscores > 0 ||
	    !one_of_each(b, role, &paid))
		return false;
	p.min = cost->has_min && cost->min > 0 ? cost->min : 0;
	p.min = ranged ? p.min : INT64_MIN;
	p.max = cost->has_max ? cost->max : INT64_MAX;
	p.order = paid ? b->cols->by_price : b->cols->by_spec;
	for (size_t t = 0; t < q->nterms; t++)
		p.priced = p.priced ||
		    (q->terms[t].kind == PLACE_PRICE &&
			pl_build_counts(q, role, t));
	p.why = why = why_make(b->cols, f);
	for (size_t s = 0; s < w->nsites; s++) {
		enum place_filter_kind kind = pl_site_refused(f, &w->sites[s]);

		if (kind == PLACE_F_COUNT)
			site_pass(b, role, &p, s);
		else
			b->m->removed[role].by[kind] +=
			    b->cols->first[s + 1] - b->cols->first[s];
	}
	free(why);
	if (p.hi > INT64_MIN)
		pl_build_widen(b, role, p.lo, p.hi);
	return true;
}
