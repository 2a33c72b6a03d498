/*
 * leaf.c - exact and cheapest assignment of the roles to a chosen set of
 * elements: each takes at least one VM, caps hold, side limits hold.
 *
 * Three ways, the first that is exact: the transportation problem of bound.c;
 * a minimum-cost flow where caps of sites, regions or csps tie elements
 * together; and, if the cheapest assignment breaks a side limit, a branch and
 * bound over offers with that assignment's cost as its floor.
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

struct edge {
	uint32_t from, to, cap;
	pl_cost cost;
};

struct choice { /* one option on one chosen element */
	uint32_t elem; /* position in chosen */
	const struct pl_option *opt;
};

struct pl_leaf {
	const struct pl_model *m;
	struct pl_unit units[PLACE_MAX_VMS], best[PLACE_MAX_VMS];

	struct edge *edges; /* each followed by its reverse */
	size_t nedges, maxedges;
	pl_cost *dist;
	uint32_t *via;
	uint32_t *node[PLACE_LEVEL_COUNT]; /* of a site, zone, ... */
	size_t nnodes;

	struct choice *choices[PL_MAX_ROLES];
	size_t nchoices[PL_MAX_ROLES], maxchoices[PL_MAX_ROLES];
	pl_cost rest_cost[PL_MAX_ROLES + 1]; /* of roles i and later */
	int64_t rest_side[PL_MAX_ROLES + 1][PL_MAX_SIDES];
	int64_t least_side[PL_MAX_ROLES][PL_MAX_SIDES];
	uint32_t on_elem[PLACE_MAX_VMS], *on[PLACE_LEVEL_COUNT];
	uint32_t empty; /* chosen elements without a VM */
	int64_t side[PL_MAX_SIDES];
	pl_cost best_cost;
	bool found;
};

struct pl_leaf *
pl_leaf_new(const struct pl_model *m)
{
	struct pl_leaf *l = xcalloc(1, sizeof *l);

	l->m = m;
	l->maxedges = 2 * (m->m * PLACE_MAX_VMS + m->m + 6 * PLACE_MAX_VMS) + 2;
	l->edges = xcalloc(l->maxedges, sizeof *l->edges);
	l->dist = xcalloc(m->m + 5 * PLACE_MAX_VMS + 3, sizeof *l->dist);
	l->via = xcalloc(m->m + 5 * PLACE_MAX_VMS + 3, sizeof *l->via);
	for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++) {
		l->node[v] = xcalloc(m->ngroups[v] + 1, sizeof *l->node[v]);
		l->on[v] = xcalloc(m->ngroups[v] + 1, sizeof *l->on[v]);
	}
	return l;
}

void
pl_leaf_free(struct pl_leaf *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < PL_MAX_ROLES; i++)
		free(l->choices[i]);
	for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++) {
		free(l->node[v]);
		free(l->on[v]);
	}
	free(l->edges);
	free(l->dist);
	free(l->via);
	free(l);
}

static void
edge_add(struct pl_leaf *l, size_t from, size_t to, uint32_t cap, pl_cost cost)
{
	struct edge *e = &l->edges[l->nedges];

	if (cap == 0)
		return;
	e[0] = (struct edge){ (uint32_t)from, (uint32_t)to, cap, cost };
	e[1] = (struct edge){ (uint32_t)to, (uint32_t)from, 0, -cost };
	l->nedges += 2;
}

/* The node of a site, zone, ...; made, with its edge to up, if new. */
static size_t
cap_node(struct pl_leaf *l, uint32_t *node, uint32_t cap, size_t up)
{
	if (*node == 0) {
		*node = (uint32_t)l->nnodes++;
		edge_add(l, *node, up, cap, 0);
	}
	return *node;
}

/* Source 0, sink 1, roles, elements, then caps as they come up. */
static void
network(struct pl_search *s)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;
	size_t el = 2 + m->m;

	l->nedges = 0;
	l->nnodes = el + s->nchosen;
	for (size_t i = 0; i < m->m; i++)
		edge_add(l, 0, 2 + i, m->count[i], 0);
	for (size_t c = 0; c < s->nchosen; c++) {
		uint32_t e = s->chosen[c], site = m->el[e].site;
		size_t up = 1;

		for (size_t i = 0; i < m->m; i++)
			if (m->ecost[i * m->nel + e] < PL_INF)
				edge_add(l, 2 + i, el + c, m->count[i],
				    m->ecost[i * m->nel + e]);
		for (int v = PLACE_LEVEL_CSP; v >= PLACE_LEVEL_SITE; v--)
			up = cap_node(l, &l->node[v][m->at[v][site]], m->cap[v],
			    up);
		edge_add(l, el + c, up, 1, -PL_BIG);
		edge_add(l, el + c, up, m->el[e].cap - 1, 0);
	}
	for (size_t c = 0; c < s->nchosen; c++)
		for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++)
			l->node[v][m->at[v][m->el[s->chosen[c]].site]] = 0;
}

/* Sends one unit from source to sink along the cheapest way. */
static bool
flow_augment(struct pl_leaf *l)
{
	bool more = true;

	for (size_t v = 0; v < l->nnodes; v++)
		l->dist[v] = v == 0 ? 0 : PL_INF;
	for (size_t round = 0; more && round < l->nnodes; round++) {
		more = false;
		for (size_t i = 0; i < l->nedges; i++) {
			const struct edge *e = &l->edges[i];

			if (e->cap == 0 || l->dist[e->from] >= PL_INF ||
			    l->dist[e->from] + e->cost >= l->dist[e->to])
				continue;
			l->dist[e->to] = l->dist[e->from] + e->cost;
			l->via[e->to] = (uint32_t)i;
			more = true;
		}
	}
	if (l->dist[1] >= PL_INF)
		return false;
	for (uint32_t v = 1; v != 0; v = l->edges[l->via[v]].from) {
		l->edges[l->via[v]].cap--;
		l->edges[l->via[v] ^ 1].cap++;
	}
	return true;
}

static void
unit_set(const struct pl_model *m, struct pl_unit *u, size_t role,
    uint32_t site, const struct pl_option *o)
{
	u->row = (uint32_t)role;
	u->role = m->role[role];
	u->site = m->site[site];
	u->offer = o->offer;
}

static const struct pl_option *
cheapest(const struct pl_model *m, size_t role, uint32_t site)
{
	return &m->options[m->cells[role * m->n + site].first];
}

static pl_cost
by_flow(struct pl_search *s)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;
	pl_cost sum = (pl_cost)s->nchosen * PL_BIG;
	size_t n = 0;

	network(s);
	for (size_t t = 0; t < m->k; t++) {
		if (!flow_augment(l))
			return PL_INF;
		sum += l->dist[1];
	}
	if (sum >= PL_BIG / 2)
		return PL_INF;
	for (size_t i = 0; i < l->nedges; i += 2) {
		const struct edge *e = &l->edges[i];

		if (e->from < 2 || e->from >= 2 + m->m)
			continue;
		for (uint32_t f = 0; f < l->edges[i + 1].cap; f++) {
			size_t role = e->from - 2;
			uint32_t site = m->el[s->chosen[e->to - 2 - m->m]].site;

			unit_set(m, &l->units[n++], role, site,
			    cheapest(m, role, site));
		}
	}
	return sum;
}

static pl_cost
by_shipping(struct pl_search *s)
{
	struct pl_bound *b = s->ship;
	const struct pl_model *m = s->m;
	pl_cost sum;

	pl_columns_chosen(s, b, m->ecost);
	sum = pl_ship(b, s->nchosen);
	for (size_t u = 0; sum < PL_INF && u < b->nunits; u++) {
		size_t role = b->unit_role[u];
		uint32_t e = s->chosen[b->unit_col[u] % s->nchosen];

		unit_set(m, &s->leaf->units[u], role, m->el[e].site,
		    cheapest(m, role, m->el[e].site));
	}
	return sum;
}

/* Do caps tie chosen elements together? Not if each takes exactly one VM. */
static bool
coupled(const struct pl_search *s)
{
	const struct pl_model *m = s->m;

	bool tied = m->ncls > 1 && m->cap[PLACE_LEVEL_SITE] < m->k;

	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++)
		tied = tied || m->cap[l] < m->k;
	return tied && s->nchosen < m->k;
}

static bool
sides_hold(const struct pl_search *s)
{
	const struct pl_model *m = s->m;
	int64_t sum[PL_MAX_SIDES] = { 0 };

	for (size_t u = 0; u < m->k && m->nside > 0; u++) {
		const struct pl_unit *un = &s->leaf->units[u];
		size_t site = 0;
		const struct pl_option *o;

		while (m->site[m->el[s->chosen[site]].site] != un->site)
			site++;
		o = cheapest(m, un->row, m->el[s->chosen[site]].site);
		for (size_t i = 0; i < m->nside; i++)
			sum[i] += o->side[i];
	}
	for (size_t i = 0; i < m->nside; i++)
		if (sum[i] > m->side[i].cap)
			return false;
	return true;
}

static int
choice_cmp(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->opt->cost != y->opt->cost)
		return x->opt->cost < y->opt->cost ? -1 : 1;
	if (x->elem != y->elem)
		return x->elem < y->elem ? -1 : 1;
	return x->opt < y->opt ? -1 : x->opt > y->opt;
}

/* All options per role, cheapest first, and what the rest costs at least. */
static void
choices(struct pl_search *s)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;

	for (size_t i = 0; i < m->m; i++) {
		l->nchoices[i] = 0;
		for (uint32_t c = 0; c < s->nchosen; c++) {
			const struct pl_element *e = &m->el[s->chosen[c]];
			const struct pl_cell *cell =
			    &m->cells[i * m->n + e->site];

			for (uint32_t o = 0; m->cls[i] == e->cls && o < cell->n;
			     o++) {
				VEC_GROW(l->choices[i], l->nchoices[i],
				    l->maxchoices[i]);
				l->choices[i][l->nchoices[i]++] =
				    (struct choice){ c,
					    &m->options[cell->first + o] };
			}
		}
		qsort(l->choices[i], l->nchoices[i], sizeof *l->choices[i],
		    choice_cmp);
		for (size_t x = 0; x < m->nside; x++) {
			int64_t min = INT64_MAX;

			for (size_t c = 0; c < l->nchoices[i]; c++)
				if (l->choices[i][c].opt->side[x] < min)
					min = l->choices[i][c].opt->side[x];
			l->least_side[i][x] = min;
		}
	}
	l->rest_cost[m->m] = 0;
	memset(l->rest_side[m->m], 0, sizeof l->rest_side[m->m]);
	for (size_t i = m->m; i-- > 0;) {
		l->rest_cost[i] = l->rest_cost[i + 1] +
		    (pl_cost)m->count[i] * l->choices[i][0].opt->cost;
		for (size_t x = 0; x < m->nside; x++)
			l->rest_side[i][x] = l->rest_side[i + 1][x] +
			    (int64_t)m->count[i] * l->least_side[i][x];
	}
}

static bool
put(struct pl_search *s, const struct choice *ch)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;
	const struct pl_element *e = &m->el[s->chosen[ch->elem]];

	if (l->on_elem[ch->elem] >= e->cap)
		return false;
	for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++)
		if (l->on[v][m->at[v][e->site]] >= m->cap[v])
			return false;
	l->empty -= l->on_elem[ch->elem]++ == 0;
	for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++)
		l->on[v][m->at[v][e->site]]++;
	for (size_t x = 0; x < m->nside; x++)
		l->side[x] += ch->opt->side[x];
	return true;
}

static void
take_back(struct pl_search *s, const struct choice *ch)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;
	const struct pl_element *e = &m->el[s->chosen[ch->elem]];

	l->empty += --l->on_elem[ch->elem] == 0;
	for (int v = PLACE_LEVEL_SITE; v < PLACE_LEVEL_COUNT; v++)
		l->on[v][m->at[v][e->site]]--;
	for (size_t x = 0; x < m->nside; x++)
		l->side[x] -= ch->opt->side[x];
}

static bool
sides_over(const struct pl_leaf *l, size_t role, uint32_t left)
{
	const struct pl_model *m = l->m;

	for (size_t x = 0; x < m->nside; x++) {
		int64_t least = l->side[x];

		if (role < m->m)
			least += (int64_t)left * l->least_side[role][x] +
			    l->rest_side[role + 1][x];
		if (least > m->side[x].cap)
			return true;
	}
	return false;
}

/* VM t of role i, from choice `from` on; done VMs so far cost `cost`. */
static void
branch(struct pl_search *s, size_t i, uint32_t t, size_t from, size_t done,
    pl_cost cost)
{
	struct pl_leaf *l = s->leaf;
	const struct pl_model *m = s->m;

	if (i < m->m && t == m->count[i]) {
		i++;
		t = 0;
		from = 0;
	}
	if (i == m->m) {
		if (l->empty > 0 || cost >= l->best_cost || sides_over(l, i, 0))
			return;
		l->best_cost = cost;
		l->found = true;
		memcpy(l->best, l->units, m->k * sizeof *l->best);
		return;
	}
	if (pl_tick(s->ctl)) {
		s->aborted = true;
		return;
	}
	if (l->empty > m->k - done || sides_over(l, i, m->count[i] - t))
		return;
	for (size_t c = from; c < l->nchoices[i] && !s->aborted; c++) {
		const struct choice *ch = &l->choices[i][c];

		if (cost + (pl_cost)(m->count[i] - t) * ch->opt->cost +
			l->rest_cost[i + 1] >=
		    l->best_cost)
			break;
		if (!put(s, ch))
			continue;
		unit_set(m, &l->units[done], i, m->el[s->chosen[ch->elem]].site,
		    ch->opt);
		branch(s, i, t + 1, c, done + 1, cost + ch->opt->cost);
		take_back(s, ch);
		if (s->feasibility && l->found)
			return;
	}
}

static pl_cost
by_branching(struct pl_search *s, pl_cost below)
{
	struct pl_leaf *l = s->leaf;

	choices(s);
	l->empty = (uint32_t)s->nchosen;
	l->found = false;
	l->best_cost = below;
	branch(s, 0, 0, 0, 0, 0);
	if (!l->found)
		return PL_INF;
	memcpy(l->units, l->best, s->m->k * sizeof *l->units);
	return l->best_cost;
}

pl_cost
pl_leaf_solve(struct pl_search *s, pl_cost thr, const struct pl_unit **units)
{
	const struct pl_model *m = s->m;
	pl_cost extra, pairs, cost;

	*units = s->leaf->units;
	for (int l = PLACE_LEVEL_REGION; l < PLACE_LEVEL_COUNT; l++)
		if (s->distinct[l] < m->min[l])
			return PL_INF;
	extra = pl_users_cost(s);
	pairs = extra >= PL_INF ? 0 : pl_pairs_cost(s);
	if (extra >= PL_INF || pairs >= PL_INF)
		return PL_INF;
	extra += pairs;
	cost = coupled(s) ? by_flow(s) : by_shipping(s);
	if (cost >= PL_INF)
		return PL_INF;
	if (cost + extra >= thr) {
		s->more_ties = s->more_ties || cost + extra == thr;
		return PL_INF;
	}
	if (!sides_hold(s))
		cost = by_branching(s, thr >= PL_INF ? PL_INF : thr - extra);
	return cost >= PL_INF ? PL_INF : cost + extra;
}
