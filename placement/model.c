/*
 * model.c - brings a query over a world into the normal form of internal.h:
 * sites in id order, roles in classes, elements in cost order.
 */
#include "placement/internal.h"
#include "placement/world.h"

#include <stdlib.h>
#include <string.h>

uint32_t
place_pair_rtt(const struct place_query *q, const struct place_world *w,
    uint32_t a, uint32_t b)
{
	const uint32_t *rtt = w->rtt_us[q->limits.stat];
	uint32_t there = PLACE_UNKNOWN, back = PLACE_UNKNOWN;
	size_t ab = (size_t)a * w->nsites + b, ba = (size_t)b * w->nsites + a;

	if (rtt != NULL) {
		there = rtt[ab];
		back = rtt[ba];
		if (q->max_age_s > 0 && w->rtt_age_s != NULL) {
			if (w->rtt_age_s[ab] > q->max_age_s)
				there = PLACE_UNKNOWN;
			if (w->rtt_age_s[ba] > q->max_age_s)
				back = PLACE_UNKNOWN;
		}
	}
	if (there == PLACE_UNKNOWN && back == PLACE_UNKNOWN)
		return a == b ? w->intra_site_us : PLACE_UNKNOWN;
	if (there == PLACE_UNKNOWN || back == PLACE_UNKNOWN)
		return there == PLACE_UNKNOWN ? back : there;
	return there > back ? there : back;
}

uint32_t
pl_model_rtt(const struct pl_model *m, uint32_t a, uint32_t b)
{
	return pl_times_row(m->times, m->site[a])[m->site[b]];
}

void
pl_stage_all(struct pl_stage *st, const struct place_query *q)
{
	memset(st, 0, sizeof *st);
	for (uint32_t i = 0; i < q->nterms; i++)
		st->order[st->nterms++] = i;
}

static uint32_t
cap_of(uint32_t cap, size_t k)
{
	return cap == 0 || cap > k ? (uint32_t)k : cap;
}

static void
role_add(struct pl_model *m, uint32_t role, const struct place_pin *pin,
    uint32_t count)
{
	if (count == 0)
		return;
	m->role[m->m] = role;
	m->pin[m->m] = pin;
	m->count[m->m++] = count;
	m->k += count;
}

/* Query roles in name order: their order in the input must not matter. The
 * VMs of a pin are a role of their own. */
static void
roles(struct pl_model *m)
{
	const struct place_query *q = m->q;
	uint32_t order[PLACE_MAX_ROLES];

	for (uint32_t i = 0; i < q->nroles; i++) {
		uint32_t at = i;

		while (at > 0 &&
		    strcmp(q->roles[order[at - 1]].name, q->roles[i].name) >
			0) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
	for (size_t i = 0; i < q->nroles; i++) {
		const struct place_role *r = &q->roles[order[i]];
		uint32_t rest = r->count;

		for (size_t p = 0; p < r->npins; p++) {
			role_add(m, order[i], &r->pins[p], r->pins[p].count);
			rest -= r->pins[p].count;
		}
		role_add(m, order[i], NULL, rest);
	}
}

static uint32_t
pair_limit(const struct pl_model *m, uint32_t a, uint32_t b, bool *talk)
{
	int64_t l = pl_query_limit(m->q, m->role[a], m->role[b], talk);

	if (l > 0)
		return (uint32_t)(m->q->limits.le ? l : l - 1);
	/* A mean over pairs needs known pairs. */
	return m->pair_term >= 0 && *talk ? PL_NO_LIMIT - 1 : PL_NO_LIMIT;
}

static bool
serves(const struct pl_model *m, uint32_t i)
{
	return m->q->served_by == 0 || (m->q->served_by >> m->role[i] & 1);
}

static bool
same_class(const struct pl_model *m, uint32_t a, uint32_t b)
{
	bool ta, tb;

	if (m->nusers > 0 && serves(m, a) != serves(m, b))
		return false;
	for (uint32_t x = 0; x < m->m; x++)
		if (pair_limit(m, a, x, &ta) != pair_limit(m, b, x, &tb) ||
		    ta != tb ||
		    pl_query_apart(m->q, m->role[a], m->role[x]) !=
			pl_query_apart(m->q, m->role[b], m->role[x]))
			return false;
	return true;
}

static void
classes(struct pl_model *m)
{
	uint32_t first[PL_MAX_ROLES];

	for (uint32_t i = 0; i < m->m; i++) {
		uint32_t c = 0;

		while (c < m->ncls && !same_class(m, first[c], i))
			c++;
		if (c == m->ncls) {
			m->serves[c] = serves(m, i);
			first[m->ncls++] = i;
		}
		m->cls[i] = c;
	}
	for (uint32_t a = 0; a < m->ncls; a++)
		for (uint32_t b = 0; b < m->ncls; b++) {
			m->lim[a][b] =
			    pair_limit(m, first[a], first[b], &m->talk[a][b]);
			m->apart[a][b] = pl_query_apart(m->q, m->role[first[a]],
			    m->role[first[b]]);
			if (m->apart[a][b] > m->tied)
				m->tied = m->apart[a][b];
		}
	for (enum place_level l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		if (m->cap[l] < 2 && l > m->tied)
			m->tied = l;
	for (uint32_t a = 0; a < m->m; a++) {
		if (m->talk[m->cls[a]][m->cls[a]])
			m->npairs +=
			    (uint64_t)m->count[a] * (m->count[a] - 1) / 2;
		for (uint32_t b = a + 1; b < m->m; b++)
			if (m->talk[m->cls[a]][m->cls[b]])
				m->npairs +=
				    (uint64_t)m->count[a] * m->count[b];
	}
}

const struct pl_names *
pl_model_names(struct pl_model *m)
{
	struct pl_names *own;

	if (m->names == NULL)
		m->names = pl_world_names(m->w);
	if (m->names == NULL) {
		m->names = own = arena_alloc(m->arena, sizeof *own);
		pl_names_make(own, m->w, m->arena);
	}
	return m->names;
}

/* Numbers the csps, regions, zones and sites that have offers. */
static bool
places(struct pl_model *m, struct mw_err *err)
{
	const struct pl_names *names = pl_model_names(m);
	uint32_t *here = xcalloc(m->w->nsites + 1, sizeof *here);
	int differs = PLACE_LEVEL_CSP;

	for (uint32_t i = 0; i < m->n; i++)
		here[m->site[i]] = i + 1;
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		m->at[l] = arena_array(m->arena, m->n + 1, sizeof *m->at[l]);
	for (size_t i = 0; i < m->w->nsites; i++) {
		uint32_t site = here[names->by_place[i]];

		if (names->differs[i] > differs)
			differs = names->differs[i];
		if (site == 0)
			continue;
		for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++) {
			m->ngroups[l] += differs >= l;
			m->at[l][site - 1] = m->ngroups[l] - 1;
		}
		differs = PLACE_LEVEL_NONE;
	}
	free(here);
	if (m->ngroups[PLACE_LEVEL_CSP] > PLACE_MAX_CSPS)
		return err_set(err, MW_LIMIT, 0, "%u csps, the limit is %d",
		    m->ngroups[PLACE_LEVEL_CSP], PLACE_MAX_CSPS);
	return true;
}

static int
element_cmp(const void *a, const void *b)
{
	const struct pl_element *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->cls < y->cls ? -1 : x->cls > y->cls;
}

static void
element_add(struct pl_model *m, uint32_t site, uint32_t cls)
{
	struct pl_element *e = &m->el[m->nel];
	uint32_t room = 0, d = pl_model_rtt(m, site, site);

	e->key = PL_INF;
	for (size_t i = 0; i < m->m; i++) {
		const struct pl_cell *c = &m->cells[i * m->n + site];

		if (m->cls[i] != cls || c->n == 0)
			continue;
		room += m->count[i];
		if (m->options[c->first].cost < e->key)
			e->key = m->options[c->first].cost;
	}
	if (room == 0)
		return;
	e->site = site;
	e->cls = cls;
	e->cap = room;
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		if (e->cap > m->cap[l])
			e->cap = m->cap[l];
	if (d > m->lim[cls][cls] || m->apart[cls][cls] != PLACE_LEVEL_NONE)
		e->cap = 1;
	m->nel++;
}

static bool
elements(struct pl_model *m, struct mw_err *err)
{
	if (m->n * m->ncls > PL_MAX_ELEMENTS)
		return err_set(err, MW_LIMIT, 0,
		    "%zu sites for %u groups with limits of their own: the "
		    "product may be %d",
		    m->n, m->ncls, PL_MAX_ELEMENTS);
	m->el = arena_array(m->arena, m->n * m->ncls + 1, sizeof *m->el);
	for (uint32_t s = 0; s < m->n; s++)
		for (uint32_t c = 0; c < m->ncls; c++)
			element_add(m, s, c);
	qsort(m->el, m->nel, sizeof *m->el, element_cmp);
	m->esite = arena_array(m->arena, m->nel + 1, sizeof *m->esite);
	m->ecls = arena_array(m->arena, m->nel + 1, sizeof *m->ecls);
	for (size_t e = 0; e < m->nel; e++) {
		m->esite[e] = m->site[m->el[e].site];
		m->ecls[e] = (uint8_t)m->el[e].cls;
	}
	m->ecost = arena_array(m->arena, m->m * m->nel + 1, sizeof *m->ecost);
	m->eside = arena_array(m->arena, m->nside * m->m * m->nel + 1,
	    sizeof *m->eside);
	for (size_t i = 0; i < m->m; i++)
		for (size_t e = 0; e < m->nel; e++) {
			const struct pl_cell *c =
			    &m->cells[i * m->n + m->el[e].site];
			bool can = m->cls[i] == m->el[e].cls && c->n > 0;

			m->ecost[i * m->nel + e] =
			    can ? m->options[c->first].cost : PL_INF;
			for (size_t s = 0; s < m->nside; s++) {
				pl_cost min = PL_INF;

				for (uint32_t o = 0; can && o < c->n; o++) {
					int64_t v =
					    m->options[c->first + o].side[s];

					if (v < min)
						min = v;
				}
				m->eside[(s * m->m + i) * m->nel + e] = min;
			}
		}
	return true;
}

struct pl_model *
pl_model_new(const struct place_query *q, const struct place_world *w,
    const struct pl_stage *st, struct mw_err *err)
{
	struct arena *arena = arena_new();
	struct pl_model *m = arena_alloc(arena, sizeof *m);
	const struct place_limits *l = &q->limits;

	m->arena = arena;
	m->q = q;
	m->w = w;
	m->rtt = w->rtt_us[l->stat];
	m->times = pl_world_times(q, w);
	m->own_times = m->times == NULL;
	if (m->own_times)
		m->times = pl_times_new(w, l->stat, q->max_age_s);
	m->user_term = m->pair_term = -1;
	m->user_cap_us = m->pair_cap_us = -1;
	for (size_t t = 0; t < q->nterms; t++) {
		if (q->terms[t].kind == PLACE_USER_RTT && !q->assign_every)
			m->user_term = (int)t;
		if (q->terms[t].kind == PLACE_PAIR_RTT_MEAN)
			m->pair_term = (int)t;
	}
	roles(m);
	m->cap[PLACE_LEVEL_SITE] = cap_of(l->max_per_site, m->k);
	m->cap[PLACE_LEVEL_ZONE] = cap_of(l->max_per_zone, m->k);
	m->cap[PLACE_LEVEL_REGION] = cap_of(l->max_per_region, m->k);
	m->cap[PLACE_LEVEL_CSP] = cap_of(l->max_per_csp, m->k);
	m->min[PLACE_LEVEL_REGION] = l->min_regions;
	m->min[PLACE_LEVEL_CSP] = l->min_csps;
	m->user_limit_us = l->max_rtt_to_user_us == 0
	    ? PLACE_UNKNOWN
	    : (uint32_t)(l->max_rtt_to_user_us - (l->le ? 0 : 1));
	if (m->user_term >= 0 || l->max_rtt_to_user_us > 0)
		m->nusers = q->nusers;
	classes(m);
	if (pl_offers_build(m, st, err) && places(m, err) && elements(m, err))
		return m;
	pl_model_free(m);
	return NULL;
}

void
pl_model_free(struct pl_model *m)
{
	if (m == NULL)
		return;
	if (m->own_times)
		pl_times_free(m->times);
	arena_free(m->arena);
}

pl_cost
pl_role_least(const struct pl_model *m, size_t i, pl_cost *last)
{
	pl_cost v[PLACE_MAX_VMS], sum = 0;
	uint32_t n = 0, count = m->count[i];

	for (size_t e = 0; e < m->nel; e++) {
		pl_cost c = m->ecost[i * m->nel + e];
		uint32_t left = m->el[e].cap;

		while (left-- > 0 && c < (n < count ? PL_INF : v[n - 1])) {
			uint32_t at = n < count ? n++ : n - 1;

			for (; at > 0 && v[at - 1] > c; at--)
				v[at] = v[at - 1];
			v[at] = c;
		}
	}
	for (uint32_t x = 0; x < n; x++)
		sum += v[x];
	*last = v[count - 1];
	return n < count ? PL_INF : sum;
}

/* Marks the offers that a group below that cost may have. */
static size_t
mark_below(const struct pl_model *m, pl_cost below, uint64_t *keep)
{
	pl_cost all = 0, last[PL_MAX_ROLES];
	size_t n = 0;

	for (size_t i = 0; i < m->m; i++)
		all += below < PL_INF ? pl_role_least(m, i, &last[i]) : 0;
	for (size_t c = 0; c < m->m * m->n; c++)
		for (uint32_t i = 0; i < m->cells[c].n; i++) {
			const struct pl_option *o =
			    &m->options[m->cells[c].first + i];

			/* All others at their best, and this for the last. */
			if (below < PL_INF &&
			    (all >= below ||
				all + o->cost - last[c / m->n] >= below))
				continue;
			n += !pl_bit(keep, o->offer);
			keep[o->offer >> 6] |= UINT64_C(1) << (o->offer & 63);
		}
	return n;
}

void
pl_small_make(struct pl_small *s, const struct pl_model *m, pl_cost below,
    struct arena *arena)
{
	uint64_t *keep = xcalloc(m->w->noffers / 64 + 1, sizeof *keep);
	size_t n = mark_below(m, below, keep);
	struct place_offer *offers = arena_array(arena, n + 1, sizeof *offers);

	s->map = arena_array(arena, n + 1, sizeof *s->map);
	s->w = *m->w;
	s->w.offers = offers;
	s->w.noffers = 0;
	for (size_t x = 0; x <= m->w->noffers / 64; x++)
		for (uint64_t v = keep[x]; v != 0; v &= v - 1) {
			uint32_t o =
			    (uint32_t)(64 * x) + (uint32_t)__builtin_ctzll(v);

			s->map[s->w.noffers] = o;
			offers[s->w.noffers++] = m->w->offers[o];
		}
	free(keep);
}
