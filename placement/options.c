/*
 * options.c - what an offer that passes costs under the objective, and per
 * (role, site) the cheapest one, or the Pareto front of cost and side limits
 * (a budget, quotas, earlier stages).
 */
#include "placement/offers.h"

#include <string.h>

#define MAX_OPTIONS 4000000

/* Largest value of a term that is not a sum over VMs. */
static int64_t
set_term_max(const struct pl_model *m)
{
	uint32_t max = 0;

	for (size_t i = 0; i < m->nusers * m->n; i++)
		if (m->user_rtt[i] != PLACE_UNKNOWN && m->user_rtt[i] > max)
			max = m->user_rtt[i];
	for (uint32_t a = 0; m->pair_term >= 0 && a < m->n; a++)
		for (uint32_t c = a; c < m->n; c++) {
			uint32_t d = pl_model_rtt(m, a, c);

			if (d != PLACE_UNKNOWN && d > max)
				max = d;
		}
	if (m->user_term >= 0 &&
	    m->q->terms[m->user_term].agg == PLACE_AGG_FAIR)
		return (PLACE_FAIR + 1) * (int64_t)max;
	return max;
}

static bool
in_micros(enum place_term_kind k)
{
	return k == PLACE_PRICE || k == PLACE_PRICE_PERFORMANCE;
}

static pl_cost
heaviest(const struct pl_model *m, size_t term)
{
	int64_t max = 0;

	for (uint32_t r = 0; r < m->q->nroles; r++)
		if (pl_build_weight(m->q, r, term) > max)
			max = pl_build_weight(m->q, r, term);
	return max;
}

/* Values that a term of the stage may have, and the least per VM. */
static pl_cost
spread(const struct pl_build *b, uint32_t t, int64_t smax, int64_t *lo)
{
	const struct pl_model *m = b->m;
	bool set = (int)t == m->user_term || (int)t == m->pair_term;

	*lo = set ? 0 : b->lo[t];
	if (set)
		return (pl_cost)smax + 1;
	return (pl_cost)(b->hi[t] - *lo) * (pl_cost)m->k + 1;
}

/*
 * Lexicographic: each term is scaled past all that the later ones can add up
 * to. What does not fit behind the leading terms is left to a later stage.
 */
static void
packed(struct pl_build *b, int64_t smax)
{
	struct pl_model *m = b->m;
	pl_cost unit = 1;
	int64_t lo;

	for (m->nfit = 0; m->nfit < b->st->nterms; m->nfit++) {
		pl_cost n = spread(b, b->st->order[m->nfit], smax, &lo);

		if (unit > (PL_MAX_COST - 1) / n)
			break;
		unit *= n;
	}
	unit = 1;
	for (size_t i = m->nfit; i-- > 0;) {
		uint32_t t = b->st->order[i];

		m->coef[t] = unit;
		unit *= spread(b, t, smax, &lo);
		m->shift[t] = lo;
	}
}

/* Weighted: nano-USD per unit of the term, times the weight that the role or
 * the query gives it. */
static bool
coefficients(struct pl_build *b, struct mw_err *err)
{
	struct pl_model *m = b->m;
	const struct place_query *q = m->q;
	int64_t smax = set_term_max(m);
	pl_cost worst = 0;

	if (q->lexicographic) {
		packed(b, smax);
		return true;
	}
	m->nfit = b->st->nterms;
	for (size_t i = b->st->nterms; i-- > 0;) {
		uint32_t t = b->st->order[i];
		bool set = (int)t == m->user_term || (int)t == m->pair_term;
		int64_t lo = set ? 0 : b->lo[t], hi = set ? smax : b->hi[t];
		int64_t abs = -lo > hi ? -lo : hi;

		m->coef[t] = in_micros(q->terms[t].kind) ? 1000 : 1;
		if (set)
			m->coef[t] *= q->terms[t].weight;
		worst += m->coef[t] * abs *
		    (set ? 1 : heaviest(m, t) * (pl_cost)m->k);
		if (worst < (pl_cost)1 << 62)
			continue;
		err_set(err, MW_INVALID, 0,
		    "weightOverflow: the terms and weights are too large to be "
		    "added exactly");
		return err_pointer(err, "/objective/terms/%u", t);
	}
	return true;
}

static void
side_add(struct pl_model *m, enum pl_side_what what, uint32_t index,
    int64_t cap)
{
	struct pl_side *s = &m->side[m->nside++];

	s->what = what;
	s->index = index;
	s->cap = cap;
}

static void
sides(struct pl_build *b)
{
	struct pl_model *m = b->m;

	if (m->q->limits.has_budget)
		side_add(m, PL_SIDE_PRICE, 0,
		    m->q->limits.budget_per_hour_micros);
	for (uint32_t t = 0; t < m->q->nterms; t++) {
		if (!b->st->has_cap[t])
			continue;
		if ((int)t == m->user_term)
			m->user_cap_us = b->st->cap[t];
		else if ((int)t == m->pair_term)
			m->pair_cap_us = b->st->cap[t];
		else
			side_add(m, PL_SIDE_TERM, t, b->st->cap[t]);
	}
	for (uint32_t i = 0; i < m->q->limits.nquotas; i++) {
		const struct place_quota *u = &m->q->limits.quotas[i];

		if (u->vms >= 0 && u->vms < (int64_t)m->k)
			side_add(m, PL_SIDE_VMS, i, u->vms);
		if (u->vcpus >= 0)
			side_add(m, PL_SIDE_VCPUS, i, u->vcpus);
	}
}

static int64_t
term_weight(const struct pl_model *m, size_t role, size_t term)
{
	return m->q->lexicographic ? 1
				   : pl_build_weight(m->q, m->role[role], term);
}

static int64_t
side_value(const struct pl_model *m, const struct pl_side *s,
    const struct place_offer *o, const int64_t *terms)
{
	if (s->what == PL_SIDE_PRICE)
		return o->cost_per_hour_micros;
	if (s->what == PL_SIDE_TERM)
		return terms[s->index];
	if (!pl_quota_counts(&m->q->limits.quotas[s->index], m->w, o))
		return 0;
	return s->what == PL_SIDE_VMS ? 1 : o->vcpu;
}

static void
option_of(const struct pl_build *b, size_t role, size_t at,
    struct pl_option *out)
{
	const struct pl_model *m = b->m;
	const struct place_offer *o = pl_build_offer(b, at);
	int64_t v[PLACE_MAX_TERMS] = { 0 };

	out->cost = 0;
	out->offer = (uint32_t)(o - m->w->offers);
	for (size_t t = 0; t < m->q->nterms; t++)
		if (!pl_build_value(b, m->role[role], t, o, &v[t]))
			v[t] = 0;
	for (size_t i = 0; i < b->st->nterms; i++) {
		uint32_t t = b->st->order[i];

		if ((int)t != m->user_term && (int)t != m->pair_term)
			out->cost += m->coef[t] * (v[t] - m->shift[t]) *
			    term_weight(m, role, t);
	}
	if (m->nside > 0)
		out->side = arena_array(m->arena, m->nside, sizeof *out->side);
	for (size_t s = 0; s < m->nside; s++)
		out->side[s] = side_value(m, &m->side[s], o, v);
}

/* By cost, then spec id, then place in the world: equal ids cannot be told
 * apart by anybody. */
static int
option_cmp(const struct pl_model *m, const struct pl_option *a,
    const struct pl_option *b)
{
	int c;

	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	for (size_t s = 0; s < m->nside; s++)
		if (a->side[s] != b->side[s])
			return a->side[s] < b->side[s] ? -1 : 1;
	c = strcmp(m->w->offers[a->offer].spec_id,
	    m->w->offers[b->offer].spec_id);
	return c != 0 ? c : a->offer < b->offer ? -1 : 1;
}

static bool
dominated(const struct pl_model *m, const struct pl_cell *c,
    const struct pl_option *o)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct pl_option *p = &m->options[c->first + i];
		bool all = option_cmp(m, p, o) < 0 && p->cost <= o->cost;

		for (size_t s = 0; s < m->nside && all; s++)
			all = p->side[s] <= o->side[s];
		if (all)
			return true;
	}
	return false;
}

/* Puts o into its cell: sorted, without dominated ones. */
static void
cell_add(struct pl_model *m, struct pl_cell *c, const struct pl_option *o)
{
	struct pl_option *v = &m->options[c->first];
	uint32_t n = 0, at = 0;

	if (dominated(m, c, o))
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		bool drop = option_cmp(m, o, &v[i]) < 0;

		for (size_t s = 0; s < m->nside && drop; s++)
			drop = o->side[s] <= v[i].side[s];
		if (!drop)
			v[n++] = v[i];
	}
	while (at < n && option_cmp(m, &v[at], o) < 0)
		at++;
	memmove(v + at + 1, v + at, (n - at) * sizeof *v);
	v[at] = *o;
	c->n = n + 1;
}

/*
 * Room for the options of each cell: one, or with side limits as many as there
 * are offers.
 */
static bool
cells(struct pl_build *b, struct mw_err *err)
{
	struct pl_model *m = b->m;
	size_t total = 0;

	m->cells = arena_array(m->arena, m->m * m->n + 1, sizeof *m->cells);
	for (size_t i = 0; i < b->ntaken; i++) {
		const struct pl_taken *t = &b->taken[i];
		uint32_t site = b->model_site[pl_build_site(b, t->at)];

		for (uint32_t x = t->mask; x != 0; x &= x - 1)
			m->cells[(size_t)__builtin_ctz(x) * m->n + site].n++;
	}
	for (size_t c = 0; c < m->m * m->n; c++) {
		m->cells[c].first = (uint32_t)total;
		total += m->nside == 0 ? m->cells[c].n > 0 : m->cells[c].n;
		m->cells[c].n = 0;
	}
	if (total > MAX_OPTIONS)
		return err_set(err, MW_LIMIT, 0,
		    "%zu offers pass the filters, the limit is %d", total,
		    MAX_OPTIONS);
	m->options = arena_array(m->arena, total + 1, sizeof *m->options);
	m->noptions = total;
	return true;
}

/* Is the price all that tells the offers of one site apart, for this role? */
static bool
by_price(const struct pl_build *b, size_t role)
{
	const struct pl_model *m = b->m;
	bool price = false;

	for (size_t i = 0; i < b->st->nterms; i++) {
		uint32_t t = b->st->order[i];
		enum place_term_kind k = m->q->terms[t].kind;

		if (k == PLACE_PERFORMANCE || k == PLACE_PRICE_PERFORMANCE)
			return false;
		price = price ||
		    (k == PLACE_PRICE && m->coef[t] > 0 &&
			term_weight(m, role, t) > 0);
	}
	return price && m->nside == 0;
}

/* Without side terms a cell has room for one option, the best of its site. */
static void
keep_best(struct pl_build *b, size_t role, size_t at, bool cheap,
    struct pl_option *o)
{
	struct pl_model *m = b->m;
	uint32_t site = b->model_site[pl_build_site(b, at)];
	struct pl_cell *c = &m->cells[role * m->n + site];
	struct pl_option *best = &m->options[c->first];

	if (cheap && c->n > 0 &&
	    pl_build_price(b, at) >
		m->w->offers[best->offer].cost_per_hour_micros)
		return;
	option_of(b, role, at, o);
	if (c->n == 0 || option_cmp(m, o, best) < 0)
		*best = *o, c->n = 1;
}

static void
options(struct pl_build *b)
{
	struct pl_model *m = b->m;
	bool cheap[PL_MAX_ROLES];
	struct pl_option o = { .side = NULL };

	for (size_t i = 0; i < m->m; i++)
		cheap[i] = by_price(b, i);
	for (size_t k = 0; k < b->ntaken; k++)
		for (uint32_t x = b->taken[k].mask; x != 0; x &= x - 1) {
			size_t i = (size_t)__builtin_ctz(x);
			size_t at = b->taken[k].at;
			uint32_t site = b->model_site[pl_build_site(b, at)];
			struct pl_cell *c = &m->cells[i * m->n + site];

			if (m->nside > 0) {
				option_of(b, i, at, &o);
				cell_add(m, c, &o);
			} else {
				keep_best(b, i, at, cheap[i], &o);
			}
		}
}

bool
pl_build_options(struct pl_build *b, struct mw_err *err)
{
	if (!coefficients(b, err))
		return false;
	sides(b);
	if (!cells(b, err))
		return false;
	options(b);
	return true;
}
