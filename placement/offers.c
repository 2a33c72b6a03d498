/*
 * offers.c - from offers to options: what passes the filters of each role,
 * what it costs under the objective, and per (role, site) the cheapest offer,
 * or the Pareto front of cost and side limits (a budget, quotas, earlier
 * stages).
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 4000000

static bool
outside(const struct place_range *r, int64_t v)
{
	return (r->has_min && v < r->min) || (r->has_max && v > r->max);
}

static bool
not_in(const struct place_strings *s, const char *v)
{
	if (s->n == 0)
		return false;
	for (size_t i = 0; v != NULL && i < s->n; i++)
		if (strcmp(s->v[i], v) == 0)
			return false;
	return true;
}

enum place_filter_kind
pl_offer_refused(const struct place_filter *f, const struct place_world *w,
    const struct place_offer *o)
{
	const struct place_site *s = &w->sites[o->site];
	const struct place_range *c = &f->cost_per_hour_micros;

	if (not_in(&f->csp, s->csp))
		return PLACE_F_CSP;
	if (not_in(&f->region, s->region))
		return PLACE_F_REGION;
	if (not_in(&f->site, s->id))
		return PLACE_F_SITE;
	if (not_in(&f->spec_id, o->spec_id))
		return PLACE_F_SPEC;
	if (not_in(&f->connection, o->connection))
		return PLACE_F_CONNECTION;
	if (not_in(&f->arch, o->arch))
		return PLACE_F_ARCH;
	if (outside(&f->vcpu, o->vcpu))
		return PLACE_F_VCPU;
	if (outside(&f->memory_mib, o->memory_mib))
		return PLACE_F_MEMORY;
	if ((c->has_min || c->has_max) &&
	    (o->cost_per_hour_micros == PLACE_NO_PRICE ||
		outside(c, o->cost_per_hour_micros)))
		return PLACE_F_COST;
	for (size_t i = 0; i < f->nscores; i++) {
		int64_t v = o->scores == NULL ? PLACE_NO_SCORE
					      : o->scores[f->scores[i].metric];

		if (v == PLACE_NO_SCORE || outside(&f->scores[i].range, v))
			return PLACE_F_SCORE;
	}
	return PLACE_F_COUNT;
}

/* price * (1000 / score)^alpha, rounded up at each power. Scores are in
 * thousandths; one of 0 or less says nothing. */
static bool
price_performance(const struct place_term *t, const struct place_offer *o,
    int64_t *v)
{
	pl_cost num, up, down;
	int64_t score;

	*v = o->cost_per_hour_micros;
	if (*v == PLACE_NO_PRICE || o->scores == NULL ||
	    o->scores[t->metric] == PLACE_NO_SCORE || o->scores[t->metric] <= 0)
		return false;
	score = o->scores[t->metric];
	up = t->lower_is_better ? score : 1000000;
	down = t->lower_is_better ? 1000000 : score;
	num = *v;
	for (uint32_t i = 0; i < (t->alpha > 0 ? t->alpha : 1); i++) {
		num = (num * up + down - 1) / down;
		if (num > PL_TERM_MAX)
			num = PL_TERM_MAX;
	}
	*v = (int64_t)num;
	return true;
}

bool
pl_offer_term(const struct place_query *q, const struct place_world *w,
    const struct place_term *t, const struct place_offer *o, int64_t *v)
{
	(void)q;
	(void)w;
	*v = 0;
	if (t->kind == PLACE_PRICE) {
		*v = o->cost_per_hour_micros;
		return *v != PLACE_NO_PRICE;
	}
	if (t->kind == PLACE_PERFORMANCE) {
		if (o->scores == NULL || o->scores[t->metric] == PLACE_NO_SCORE)
			return false;
		*v = t->lower_is_better ? o->scores[t->metric]
					: -o->scores[t->metric];
	}
	if (t->kind == PLACE_PRICE_PERFORMANCE)
		return price_performance(t, o, v);
	return true;
}

static bool
same_or_any(const char *want, const char *have)
{
	return want == NULL || (have != NULL && strcmp(want, have) == 0);
}

bool
pl_quota_counts(const struct place_quota *u, const struct place_world *w,
    const struct place_offer *o)
{
	return same_or_any(u->connection, o->connection) &&
	    same_or_any(u->region, w->sites[o->site].region) &&
	    same_or_any(u->family, o->family);
}

bool
pl_pin_allows(const struct place_pin *p, const struct place_world *w,
    const struct place_offer *o)
{
	const struct place_site *s = &w->sites[o->site];
	const char *have = p->level == PLACE_LEVEL_SITE ? s->id
	    : p->level == PLACE_LEVEL_REGION            ? s->region
							: s->csp;

	return strcmp(p->name, have) == 0 &&
	    same_or_any(p->spec_id, o->spec_id);
}

/* What a term of the objective weighs for a role of the query. */
static int64_t
weight_of(const struct place_query *q, uint32_t role, size_t term)
{
	const int64_t *own = q->roles[role].weights;

	return own != NULL ? own[term] : q->terms[term].weight;
}

/* A role with weights of its own needs no data of terms it does not pay. */
static bool
term_counts(const struct place_query *q, uint32_t role, size_t term)
{
	return q->roles[role].weights == NULL ||
	    q->roles[role].weights[term] != 0;
}

static bool
every_term(const struct place_query *q, const struct place_term *t)
{
	return t->kind == PLACE_USER_RTT && q->assign_every;
}

/* Per-VM value of a term for a role; false: unknown. */
static bool
term_value(const struct pl_model *m, const uint32_t *every, size_t role,
    size_t term, const struct place_offer *o, int64_t *v)
{
	const struct place_query *q = m->q;
	const struct place_term *t = &q->terms[term];

	if (every_term(q, t)) {
		*v = 0;
		if (q->served_by != 0 && !(q->served_by >> role & 1))
			return true;
		*v = every[o->site];
		return every[o->site] != PLACE_UNKNOWN;
	}
	return pl_offer_term(q, m->w, t, o, v);
}

struct build {
	struct pl_model *m;
	const struct pl_stage *st;
	uint32_t *mask; /* per offer: roles it passes for, in model order */
	uint32_t *every; /* per world site: what each VM pays for users */
	uint32_t *model_site; /* per world site */
	int64_t lo[PLACE_MAX_TERMS], hi[PLACE_MAX_TERMS];
	bool any[PLACE_MAX_TERMS]; /* lo and hi are known */
};

/* The weighted mean time to all users, where every VM pays it. */
static void
every_sites(struct build *b)
{
	const struct place_query *q = b->m->q;
	const struct place_world *w = b->m->w;
	uint64_t weights = 0;

	for (size_t u = 0; u < q->nusers; u++)
		weights += q->users[u].weight;
	for (uint32_t s = 0; s < w->nsites; s++) {
		uint64_t sum = 0;

		for (uint32_t u = 0; u < q->nusers; u++) {
			uint32_t d = pl_user_rtt(q, w, u, s);

			if (d == PLACE_UNKNOWN) {
				sum = UINT64_MAX;
				break;
			}
			sum += (uint64_t)d * q->users[u].weight;
		}
		b->every[s] = sum == UINT64_MAX ? PLACE_UNKNOWN
						: (uint32_t)(sum / weights);
	}
}

static void
widen(struct build *b, size_t t, int64_t v)
{
	if (!b->any[t] || v < b->lo[t])
		b->lo[t] = v;
	if (!b->any[t] || v > b->hi[t])
		b->hi[t] = v;
	b->any[t] = true;
}

/* The first reason why an offer is not for a role; else the range of each
 * term gets to know its value. */
static enum place_filter_kind
unfit(struct build *b, uint32_t role, const struct place_offer *o)
{
	const struct place_query *q = b->m->q;
	int64_t v[PLACE_MAX_TERMS];
	enum place_filter_kind f =
	    pl_offer_refused(&q->roles[role].filter, b->m->w, o);

	if (f != PLACE_F_COUNT)
		return f;
	if (q->limits.has_budget && o->cost_per_hour_micros == PLACE_NO_PRICE)
		return PLACE_F_NO_PRICE;
	for (size_t t = 0; t < q->nterms; t++) {
		enum place_term_kind kind = q->terms[t].kind;

		if (!term_counts(q, role, t) ||
		    term_value(b->m, b->every, role, t, o, &v[t]))
			continue;
		return kind == PLACE_PRICE ||
			(kind == PLACE_PRICE_PERFORMANCE &&
			    o->cost_per_hour_micros == PLACE_NO_PRICE)
		    ? PLACE_F_NO_PRICE
		    : PLACE_F_NO_SCORE;
	}
	for (size_t t = 0; t < q->nterms; t++)
		if (term_counts(q, role, t))
			widen(b, t, v[t]);
	return PLACE_F_COUNT;
}

/* Counts what each role of the query loses; marks what those of the model,
 * which may be pinned, keep. */
static void
filter_offers(struct build *b)
{
	struct pl_model *m = b->m;

	for (uint32_t role = 0; role < m->q->nroles; role++)
		for (size_t o = 0; o < m->w->noffers; o++) {
			const struct place_offer *of = &m->w->offers[o];
			enum place_filter_kind f = unfit(b, role, of);

			if (f != PLACE_F_COUNT) {
				m->removed[role].by[f]++;
				continue;
			}
			m->removed[role].left++;
			for (size_t i = 0; i < m->m; i++)
				if (m->role[i] == role &&
				    (m->pin[i] == NULL ||
					pl_pin_allows(m->pin[i], m->w, of)))
					b->mask[o] |= UINT32_C(1) << i;
		}
}

struct named {
	const char *id;
	uint32_t site;
};

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->id,
	    ((const struct named *)b)->id);
}

static void
active_sites(struct build *b)
{
	struct pl_model *m = b->m;
	struct named *v = xcalloc(m->w->nsites + 1, sizeof *v);

	for (size_t o = 0; o < m->w->noffers; o++)
		if (b->mask[o] != 0)
			b->model_site[m->w->offers[o].site] = 0;
	for (uint32_t s = 0; s < m->w->nsites; s++)
		if (b->model_site[s] == 0) {
			v[m->n].id = m->w->sites[s].id;
			v[m->n++].site = s;
		}
	qsort(v, m->n, sizeof *v, by_id);
	m->site = arena_array(m->arena, m->n + 1, sizeof *m->site);
	for (uint32_t i = 0; i < m->n; i++) {
		m->site[i] = v[i].site;
		b->model_site[v[i].site] = i;
	}
	free(v);
}

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
		if (weight_of(m->q, r, term) > max)
			max = weight_of(m->q, r, term);
	return max;
}

/* Values that a term of the stage may have, and the least per VM. */
static pl_cost
spread(const struct build *b, uint32_t t, int64_t smax, int64_t *lo)
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
packed(struct build *b, int64_t smax)
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
coefficients(struct build *b, struct mw_err *err)
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
sides(struct build *b)
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
option_of(const struct build *b, size_t role, uint32_t offer,
    struct pl_option *out)
{
	const struct pl_model *m = b->m;
	const struct place_offer *o = &m->w->offers[offer];
	int64_t v[PLACE_MAX_TERMS] = { 0 };

	/* Of side[] only what is used: options are many. */
	out->cost = 0;
	out->offer = offer;
	for (size_t t = 0; t < m->q->nterms; t++)
		if (!term_value(m, b->every, m->role[role], t, o, &v[t]))
			v[t] = 0;
	for (size_t i = 0; i < b->st->nterms; i++) {
		uint32_t t = b->st->order[i];

		if ((int)t != m->user_term && (int)t != m->pair_term)
			out->cost += m->coef[t] * (v[t] - m->shift[t]) *
			    (m->q->lexicographic
				    ? 1
				    : weight_of(m->q, m->role[role], t));
	}
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

static bool
options(struct build *b, struct mw_err *err)
{
	struct pl_model *m = b->m;
	struct pl_option o;
	size_t total = 0;

	m->cells = arena_array(m->arena, m->m * m->n + 1, sizeof *m->cells);
	for (size_t f = 0; f < m->w->noffers; f++)
		for (size_t i = 0; i < m->m; i++)
			if (b->mask[f] >> i & 1)
				m->cells[i * m->n +
				     b->model_site[m->w->offers[f].site]]
				    .n++;
	for (size_t c = 0; c < m->m * m->n; c++) {
		m->cells[c].first = (uint32_t)total;
		total += m->nside == 0 ? 1 : m->cells[c].n;
		m->cells[c].n = 0;
	}
	if (total > MAX_OPTIONS)
		return err_set(err, MW_LIMIT, 0,
		    "%zu offers pass the filters, the limit is %d", total,
		    MAX_OPTIONS);
	m->options = arena_array(m->arena, total + 1, sizeof *m->options);
	m->noptions = total;
	for (size_t f = 0; f < m->w->noffers; f++)
		for (size_t i = 0; i < m->m; i++) {
			struct pl_cell *c;

			if (!(b->mask[f] >> i & 1))
				continue;
			c = &m->cells[i * m->n +
			    b->model_site[m->w->offers[f].site]];
			option_of(b, i, (uint32_t)f, &o);
			if (m->nside > 0)
				cell_add(m, c, &o);
			else if (c->n == 0 ||
			    option_cmp(m, &o, &m->options[c->first]) < 0)
				m->options[c->first] = o, c->n = 1;
		}
	return true;
}

bool
pl_offers_build(struct pl_model *m, const struct pl_stage *st,
    struct mw_err *err)
{
	struct build b = { .m = m, .st = st };
	bool every = false, ok;

	b.mask = xcalloc(m->w->noffers + 1, sizeof *b.mask);
	b.every = xcalloc(m->w->nsites + 1, sizeof *b.every);
	b.model_site = xcalloc(m->w->nsites + 1, sizeof *b.model_site);
	memset(b.model_site, 0xff, m->w->nsites * sizeof *b.model_site);
	for (size_t t = 0; t < m->q->nterms; t++)
		every = every || every_term(m->q, &m->q->terms[t]);
	if (every)
		every_sites(&b);
	filter_offers(&b);
	active_sites(&b);
	ok = pl_users_build(m, err);
	if (ok) {
		ok = coefficients(&b, err);
	}
	if (ok) {
		sides(&b);
		ok = options(&b, err);
	}
	free(b.mask);
	free(b.every);
	free(b.model_site);
	return ok;
}
