/*
 * filter.c - which offers pass for which roles, and what each filter takes
 * away: by the first filter that refuses an offer, in the order of enum
 * place_filter_kind. Offer by offer, or where the world has columns column by
 * column: the same, told by another order of loops.
 */
#include "placement/offers.h"

#include <stdlib.h>
#include <string.h>

static void
widen(struct pl_build *b, size_t t, int64_t v)
{
	if (!b->any[t] || v < b->lo[t])
		b->lo[t] = v;
	if (!b->any[t] || v > b->hi[t])
		b->hi[t] = v;
	b->any[t] = true;
}

/* The first reason why an offer that passes the filters is not for a role. */
static enum place_filter_kind
valueless(const struct pl_build *b, uint32_t role, const struct place_offer *o)
{
	const struct place_query *q = b->m->q;
	int64_t v;

	if (q->limits.has_budget && o->cost_per_hour_micros == PLACE_NO_PRICE)
		return PLACE_F_NO_PRICE;
	for (size_t t = 0; t < q->nterms; t++) {
		enum place_term_kind kind = q->terms[t].kind;

		if (!pl_build_counts(q, role, t) ||
		    pl_build_value(b, role, t, o, &v))
			continue;
		return kind == PLACE_PRICE ||
			(kind == PLACE_PRICE_PERFORMANCE &&
			    o->cost_per_hour_micros == PLACE_NO_PRICE)
		    ? PLACE_F_NO_PRICE
		    : PLACE_F_NO_SCORE;
	}
	return PLACE_F_COUNT;
}

/* The range of each term that the role pays gets to know an offer. */
static void
widen_terms(struct pl_build *b, uint32_t role, const struct place_offer *o)
{
	const struct place_query *q = b->m->q;
	int64_t v;

	for (size_t t = 0; t < q->nterms; t++)
		if (pl_build_counts(q, role, t) &&
		    pl_build_value(b, role, t, o, &v))
			widen(b, t, v);
}

/* Roles of the model, which may be pinned, that take the offer. */
static uint32_t
takers(const struct pl_build *b, uint32_t role, const struct place_offer *o)
{
	const struct pl_model *m = b->m;
	uint32_t mask = 0;

	for (size_t i = 0; i < m->m; i++)
		if (m->role[i] == role &&
		    (m->pin[i] == NULL || pl_pin_allows(m->pin[i], m->w, o)))
			mask |= UINT32_C(1) << i;
	return mask;
}

void
pl_build_take(struct pl_build *b, uint32_t role, size_t at)
{
	uint32_t mask = takers(b, role, pl_build_offer(b, at));

	if (mask == 0)
		return;
	VEC_GROW(b->taken, b->ntaken, b->maxtaken);
	b->taken[b->ntaken++] = (struct pl_taken){ (uint32_t)at, mask };
}

static void
passes(struct pl_build *b, uint32_t role, size_t at,
    const struct place_offer *o)
{
	widen_terms(b, role, o);
	pl_build_take(b, role, at);
}

static void
by_offer(struct pl_build *b, uint32_t role)
{
	struct pl_model *m = b->m;

	for (size_t at = 0; at < m->w->noffers; at++) {
		const struct place_offer *o = &m->w->offers[at];
		enum place_filter_kind f =
		    pl_offer_refused(&m->q->roles[role].filter, m->w, o);

		if (f == PLACE_F_COUNT)
			f = valueless(b, role, o);
		if (f == PLACE_F_COUNT) {
			m->removed[role].left++;
			passes(b, role, at, o);
		} else {
			m->removed[role].by[f]++;
		}
	}
}

/* Columns: why[] is the reason of each position, the last written holds. */

static void
refuse_range(uint8_t *why, const int64_t *v, size_t n,
    const struct place_range *r, enum place_filter_kind kind)
{
	int64_t min = r->has_min ? r->min : INT64_MIN;
	int64_t max = r->has_max ? r->max : INT64_MAX;

	/* No price is none in any range. */
	if (kind == PLACE_F_COST && min < 0)
		min = 0;
	if (!r->has_min && !r->has_max)
		return;
	if (min > max)
		memset(why, (int)kind, n);
	/* Below the smallest is far above it, without a sign. */
	for (size_t i = 0; i < n && min <= max; i++)
		why[i] = (uint64_t)v[i] - (uint64_t)min >
			(uint64_t)max - (uint64_t)min
		    ? (uint8_t)kind
		    : why[i];
}

static void
refuse_words(uint8_t *why, const struct pl_columns *c, const uint32_t *v,
    size_t n, const struct place_strings *s, enum place_filter_kind kind)
{
	uint8_t *listed;

	if (s->n == 0)
		return;
	listed = xcalloc(c->nwords + 1, sizeof *listed);
	for (size_t i = 0; i < s->n; i++)
		listed[pl_columns_word(c, s->v[i])] = 1;
	listed[0] = 0;
	for (size_t i = 0; i < n; i++)
		why[i] = listed[v[i]] ? why[i] : (uint8_t)kind;
	free(listed);
}

static void
refuse_sites(uint8_t *why, const struct pl_columns *c,
    const struct place_world *w, const struct place_filter *f)
{
	if (f->csp.n == 0 && f->region.n == 0 && f->site.n == 0)
		return;
	for (size_t i = 0; i < w->nsites; i++) {
		size_t n = c->first[i + 1] - c->first[i];
		enum place_filter_kind kind = pl_site_refused(f, &w->sites[i]);

		if (kind != PLACE_F_COUNT)
			memset(why + c->first[i], (int)kind, n);
	}
}

/* Scores, then what has no value: of those that nothing else refuses. */
static void
refuse_rest(const struct pl_build *b, uint32_t role, uint8_t *why)
{
	const struct place_query *q = b->m->q;
	const struct place_filter *f = &q->roles[role].filter;
	const int64_t *price = b->cols->price;
	size_t n = b->m->w->noffers;
	bool prices = q->limits.has_budget, more = f->nscores > 0;

	for (size_t t = 0; t < q->nterms; t++) {
		enum place_term_kind kind = q->terms[t].kind;

		if (!pl_build_counts(q, role, t))
			continue;
		if (kind == PLACE_PRICE)
			prices = true;
		else if (kind == PLACE_PERFORMANCE ||
		    kind == PLACE_PRICE_PERFORMANCE ||
		    pl_build_every(q, &q->terms[t]))
			more = true;
	}
	for (size_t i = 0; prices && !more && i < n; i++)
		if (price[i] == PLACE_NO_PRICE && why[i] == PLACE_F_COUNT)
			why[i] = PLACE_F_NO_PRICE;
	for (size_t i = 0; more && i < n; i++) {
		const struct place_offer *o;
		enum place_filter_kind kind;

		if (why[i] != PLACE_F_COUNT)
			continue;
		o = pl_build_offer(b, i);
		kind = f->nscores > 0 ? pl_offer_refused(f, b->m->w, o)
				      : PLACE_F_COUNT;
		why[i] =
		    (uint8_t)(kind != PLACE_F_COUNT ? kind
						    : valueless(b, role, o));
	}
}

static bool
only_price(const struct place_query *q)
{
	for (size_t t = 0; t < q->nterms; t++)
		if (q->terms[t].kind == PLACE_PERFORMANCE ||
		    q->terms[t].kind == PLACE_PRICE_PERFORMANCE ||
		    pl_build_every(q, &q->terms[t]))
			return false;
	return true;
}

void
pl_build_widen(struct pl_build *b, uint32_t role, int64_t lo, int64_t hi)
{
	const struct place_query *q = b->m->q;

	for (size_t t = 0; t < q->nterms; t++) {
		bool paid = q->terms[t].kind == PLACE_PRICE;

		if (!pl_build_counts(q, role, t))
			continue;
		widen(b, t, paid ? lo : 0);
		widen(b, t, paid ? hi : 0);
	}
}

/* Of the offers that pass, where no term but the price differs by offer. */
static void
passes_priced(struct pl_build *b, uint32_t role, const uint8_t *why)
{
	const int64_t *price = b->cols->price;
	int64_t lo = INT64_MAX, hi = INT64_MIN;

	for (size_t i = 0; i < b->m->w->noffers; i++) {
		if (why[i] != PLACE_F_COUNT)
			continue;
		lo = price[i] < lo ? price[i] : lo;
		hi = price[i] > hi ? price[i] : hi;
		pl_build_take(b, role, i);
	}
	if (hi > INT64_MIN)
		pl_build_widen(b, role, lo, hi);
}

static void
by_column(struct pl_build *b, uint32_t role)
{
	struct pl_model *m = b->m;
	const struct pl_columns *c = b->cols;
	const struct place_filter *f = &m->q->roles[role].filter;
	struct place_removed *r = &m->removed[role];
	size_t n = m->w->noffers;
	uint64_t by[PLACE_F_COUNT + 1] = { 0 };
	uint8_t *why = xcalloc(n + 1, sizeof *why);

	memset(why, PLACE_F_COUNT, n);
	refuse_range(why, c->price, n, &f->cost_per_hour_micros, PLACE_F_COST);
	refuse_range(why, c->memory, n, &f->memory_mib, PLACE_F_MEMORY);
	refuse_range(why, c->vcpu, n, &f->vcpu, PLACE_F_VCPU);
	refuse_words(why, c, c->arch, n, &f->arch, PLACE_F_ARCH);
	refuse_words(why, c, c->connection, n, &f->connection,
	    PLACE_F_CONNECTION);
	refuse_words(why, c, c->spec, n, &f->spec_id, PLACE_F_SPEC);
	refuse_sites(why, c, m->w, f);
	refuse_rest(b, role, why);
	for (size_t i = 0; i < n; i++)
		by[why[i]]++;
	for (size_t k = 0; k < PLACE_F_COUNT; k++)
		r->by[k] += by[k];
	r->left += by[PLACE_F_COUNT];
	if (only_price(m->q))
		passes_priced(b, role, why);
	else
		for (size_t i = 0; i < n; i++)
			if (why[i] == PLACE_F_COUNT)
				passes(b, role, i, pl_build_offer(b, i));
	free(why);
}

void
pl_build_filter(struct pl_build *b)
{
	for (uint32_t role = 0; role < b->m->q->nroles; role++)
		if (b->cols == NULL)
			by_offer(b, role);
		else if (!pl_kinds_filter(b, role))
			by_column(b, role);
}
