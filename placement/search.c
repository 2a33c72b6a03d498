/*
 * search.c - branch and bound over sets of elements. Each set is visited once:
 * a child takes one candidate and may later add only those behind it. Groups
 * are kept distinct by their set of sites.
 *
 * Two orders of branching. Cost: children by their bound, so the best groups
 * come early. Feasibility: only candidates outside of the colour classes that
 * cannot fill a group alone, as in searches for a maximum clique.
 */
#include "placement/search.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SWAPS 50

bool
pl_tick(struct pl_ctl *ctl)
{
	ctl->nodes++;
	if (ctl->max_nodes > 0 && ctl->nodes > ctl->max_nodes)
		ctl->cut = PLACE_CUT_NODES;
	else if (ctl->stop != NULL && ctl->nodes % 64 == 0 &&
	    ctl->stop(ctl->stop_arg))
		ctl->cut = PLACE_CUT_STOP;
	if (ctl->probe_end > 0 && ctl->nodes > ctl->probe_end)
		ctl->probe_cut = true;
	return ctl->cut != PLACE_NOT_CUT || ctl->probe_cut;
}

/* What depends on the number of elements. */
static void
graph_new(struct pl_search *s, const struct pl_model *m)
{
	s->m = m;
	s->words = m->nel / 64 + 1;
	s->adj = xcalloc(m->nel * s->words + 1, sizeof *s->adj);
	s->adj_built = xcalloc(m->nel + 1, sizeof *s->adj_built);
	s->in = xcalloc(s->words, sizeof *s->in);
	s->bound = pl_bound_new(m, m->nel);
}

static void
graph_free(struct pl_search *s)
{
	free(s->adj);
	free(s->adj_built);
	free(s->in);
	pl_bound_free(s->bound);
}

void
pl_search_use(struct pl_search *s, const struct pl_model *m)
{
	graph_free(s);
	graph_new(s, m);
}

struct pl_search *
pl_search_new(const struct pl_model *m, struct pl_ctl *ctl, size_t topk,
    bool feasibility)
{
	struct pl_search *s = xcalloc(1, sizeof *s);

	graph_new(s, m);
	s->ctl = ctl;
	s->feasibility = feasibility;
	s->topk = topk;
	s->thr = ctl->has_below && !feasibility ? ctl->below : PL_INF;
	s->open = PL_INF;
	for (enum place_level l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT;
	     l++) {
		s->used[l] = xcalloc(m->ngroups[l] + 1, sizeof *s->used[l]);
		s->mark[l] = xcalloc(m->ngroups[l] + 1, sizeof *s->mark[l]);
		if (m->cap[l] < m->k || m->min[l] > 1)
			s->levels[s->nlevels++] = l;
	}
	s->user_now = xcalloc(2 * m->nusers + 1, sizeof *s->user_now);
	s->top = xcalloc(topk + 1, sizeof *s->top);
	s->ship = pl_bound_new(m, 0);
	s->leaf = pl_leaf_new(m);
	s->median = feasibility ? NULL : pl_median_new(m);
	s->cover = pl_cover_new(m, feasibility);
	s->sparse = true;
	return s;
}

void
pl_search_free(struct pl_search *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i <= s->topk; i++) {
		free(s->top[i].sites);
		free(s->top[i].units);
	}
	free(s->top);
	graph_free(s);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++) {
		free(s->used[l]);
		free(s->mark[l]);
	}
	free(s->user_now);
	pl_bound_free(s->ship);
	pl_leaf_free(s->leaf);
	pl_median_free(s->median);
	pl_cover_free(s->cover);
	free(s);
}

static int
found_cmp(const struct pl_found *a, const struct pl_found *b)
{
	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	for (uint32_t i = 0; i < a->nsites && i < b->nsites; i++)
		if (a->sites[i] != b->sites[i])
			return a->sites[i] < b->sites[i] ? -1 : 1;
	return a->nsites < b->nsites ? -1 : a->nsites > b->nsites;
}

static bool
same_sites(const struct pl_found *a, const struct pl_found *b)
{
	return a->nsites == b->nsites &&
	    memcmp(a->sites, b->sites, a->nsites * sizeof *a->sites) == 0;
}

static int
u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Takes the leaf into the ranks: one entry per set of sites. */
static void
record(struct pl_search *s, pl_cost cost, const struct pl_unit *units)
{
	const struct pl_model *m = s->m;
	struct pl_found *f = &s->top[s->ntop], new;
	uint32_t n = 0;
	size_t at;

	if (f->sites == NULL) {
		f->sites = xcalloc(PLACE_MAX_VMS, sizeof *f->sites);
		f->units = xcalloc(m->k, sizeof *f->units);
	}
	for (size_t c = 0; c < s->nchosen; c++)
		f->sites[c] = m->el[s->chosen[c]].site;
	qsort(f->sites, s->nchosen, sizeof *f->sites, u32_cmp);
	for (size_t c = 0; c < s->nchosen; c++)
		if (n == 0 || f->sites[n - 1] != f->sites[c])
			f->sites[n++] = f->sites[c];
	f->nsites = n;
	f->cost = cost;
	memcpy(f->units, units, m->k * sizeof *units);
	at = s->ntop;
	for (size_t i = 0; i < s->ntop; i++)
		if (same_sites(&s->top[i], f)) {
			if (s->top[i].cost <= cost) {
				s->done = s->done || s->one;
				return;
			}
			at = i; /* the old entry becomes the spare one */
			break;
		}
	new = *f;
	if (at < s->ntop)
		*f = s->top[at];
	else if (s->ntop < s->topk)
		s->ntop++;
	else
		at--, *f = s->top[at];
	while (at > 0 && found_cmp(&s->top[at - 1], &new) > 0) {
		s->top[at] = s->top[at - 1];
		at--;
	}
	s->top[at] = new;
	if (s->ntop == s->topk)
		s->thr = s->top[s->topk - 1].cost;
	s->done = s->feasibility || s->ctl->has_below || s->one;
}

void
pl_choose(struct pl_search *s, uint32_t e)
{
	uint32_t site = s->m->el[e].site;

	s->chosen[s->nchosen++] = e;
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		s->distinct[l] += s->used[l][s->m->at[l][site]]++ == 0;
}

void
pl_unchoose(struct pl_search *s)
{
	uint32_t site = s->m->el[s->chosen[--s->nchosen]].site;

	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		s->distinct[l] -= --s->used[l][s->m->at[l][site]] == 0;
}

/* May e still join the chosen, which it is compatible with? */
bool
pl_joinable(const struct pl_search *s, uint32_t e)
{
	const struct pl_model *m = s->m;
	uint32_t site = m->el[e].site;
	size_t open = m->k - s->nchosen;

	for (size_t i = 0; i < s->nlevels; i++) {
		enum place_level l = s->levels[i];
		uint32_t used = s->used[l][m->at[l][site]];

		/* Or: every open place must bring a new csp, or region. */
		if (used >= m->cap[l] ||
		    (used > 0 && s->distinct[l] + open <= m->min[l]))
			return false;
	}
	return true;
}

/* Candidates of list[from..n) that remain after the last choice. */
size_t
pl_narrow(struct pl_search *s, uint32_t *out, const uint32_t *list, size_t from,
    size_t n)
{
	const uint64_t *row = pl_graph_row(s, s->chosen[s->nchosen - 1]);
	size_t d = 0;

	for (size_t i = from; i < n; i++)
		if (pl_bit(row, list[i]) && pl_joinable(s, list[i]))
			out[d++] = list[i];
	return d;
}

/* Counts the csp and the region of e, each once, where minima ask for it. */
static void
count_place(struct pl_search *s, uint32_t e, uint32_t *distinct)
{
	for (int l = PLACE_LEVEL_REGION; l < PLACE_LEVEL_COUNT; l++) {
		uint32_t *mark = &s->mark[l][s->m->at[l][s->m->el[e].site]];

		if (s->m->min[l] < 2)
			continue;
		distinct[l] += *mark != s->mark_no;
		*mark = s->mark_no;
	}
}

static bool
enough(const struct pl_model *m, const uint32_t *d, size_t room)
{
	if (room < m->k)
		return false;
	for (int l = PLACE_LEVEL_REGION; l < PLACE_LEVEL_COUNT; l++)
		if (m->min[l] > 1 && d[l] < m->min[l])
			return false;
	return true;
}

/* With e chosen too: enough csps, regions and room among its neighbours? */
static bool
viable(struct pl_search *s, uint32_t e)
{
	const struct pl_model *m = s->m;
	const uint64_t *row;
	uint32_t d[PLACE_LEVEL_COUNT] = { 0 };
	size_t room = m->el[e].cap;

	s->mark_no++;
	for (size_t c = 0; c < s->nchosen; c++) {
		count_place(s, s->chosen[c], d);
		room += m->el[s->chosen[c]].cap;
	}
	count_place(s, e, d);
	if (enough(m, d, room))
		return true;
	row = pl_graph_row(s, e);
	for (size_t w = 0; w < s->words; w++)
		for (uint64_t x = row[w] & s->in[w]; x != 0; x &= x - 1) {
			uint32_t y =
			    (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(x);

			if (enough(m, d, room))
				return true;
			count_place(s, y, d);
			room += m->el[y].cap;
		}
	return enough(m, d, room);
}

/* Drops candidates that no group can have, until nothing changes. */
size_t
pl_propagate(struct pl_search *s, uint32_t *list, size_t n)
{
	size_t kept = n;

	memset(s->in, 0, s->words * sizeof *s->in);
	for (size_t i = 0; i < n; i++)
		s->in[list[i] >> 6] |= UINT64_C(1) << (list[i] & 63);
	do {
		n = kept;
		kept = 0;
		for (size_t i = 0; i < n; i++)
			if (viable(s, list[i]))
				list[kept++] = list[i];
			else
				s->in[list[i] >> 6] &=
				    ~(UINT64_C(1) << (list[i] & 63));
	} while (kept < n && kept > 0);
	return kept;
}

bool
pl_over(struct pl_search *s, pl_cost lb)
{
	if (lb >= PL_INF)
		return true;
	if (lb == s->thr)
		s->more_ties = true;
	return lb >= s->thr;
}

void
pl_leave_open(struct pl_search *s, pl_cost lb)
{
	s->aborted = true;
	if (lb < s->open)
		s->open = lb;
}

/* Cost of the chosen as a group; PL_INF: none, or not below the last rank. */
pl_cost
pl_try_leaf(struct pl_search *s, pl_cost lb)
{
	const struct pl_unit *units;
	size_t room = 0;
	pl_cost cost;

	for (size_t c = 0; c < s->nchosen; c++)
		room += s->m->el[s->chosen[c]].cap;
	if (s->nchosen == 0 || room < s->m->k)
		return PL_INF;
	cost = pl_leaf_solve(s, s->thr, &units);
	if (cost < PL_INF)
		record(s, cost, units);
	if (s->aborted)
		pl_leave_open(s, lb);
	return cost;
}

/* Chooses e if it goes with all that are chosen. */
static bool
choose_fitting(struct pl_search *s, uint32_t e)
{
	const uint64_t *row = pl_graph_row(s, e);

	if (!pl_joinable(s, e))
		return false;
	for (size_t c = 0; c < s->nchosen; c++)
		if (!pl_bit(row, s->chosen[c]))
			return false;
	pl_choose(s, e);
	return true;
}

/* The set with one of its elements replaced, or with e = PLACE_NONE itself. */
static pl_cost
try_set(struct pl_search *s, const uint32_t *set, size_t n, size_t at,
    uint32_t e)
{
	pl_cost cost = PL_INF;
	bool fits = true;

	for (size_t i = 0; i < n && fits; i++)
		fits =
		    choose_fitting(s, i == at && e != PLACE_NONE ? e : set[i]);
	if (fits)
		cost = pl_try_leaf(s, -PL_INF);
	while (s->nchosen > 0)
		pl_unchoose(s);
	return cost;
}

/* The best swap of e, if it is better than best, which it then sets. */
static bool
swap_with(struct pl_search *s, struct pl_swap *w, const uint32_t *set, size_t k,
    uint32_t e, pl_cost *best, size_t *out)
{
	pl_cost least[PLACE_MAX_VMS];
	bool any = false;

	pl_swap_costs(w, k, e, least);
	for (size_t c = 0; c < k && !s->aborted; c++) {
		pl_cost v =
		    least[c] < *best ? try_set(s, set, k, c, e) : PL_INF;

		if (v >= *best)
			continue;
		*best = v;
		*out = c;
		any = true;
	}
	return any;
}

/* Interchange (Teitz and Bart 1968): while one swap brings a better group. */
static void
swap(struct pl_search *s, uint32_t *set, size_t k, pl_cost cost,
    const uint32_t *list, size_t n)
{
	struct pl_swap *w = pl_swap_new(s->m);

	for (size_t round = 0; round < MAX_SWAPS && !s->aborted; round++) {
		size_t out = 0;
		uint32_t in = PLACE_NONE;

		pl_swap_set(w, set, k);
		for (size_t i = 0; i < n && !s->aborted; i++)
			if (swap_with(s, w, set, k, list[i], &cost, &out))
				in = list[i];
		if (in == PLACE_NONE)
			break;
		set[out] = in;
	}
	pl_swap_free(w);
}

void
pl_search_try(struct pl_search *s, const uint32_t *list, size_t n)
{
	uint32_t set[PLACE_MAX_VMS];
	size_t room = 0, k;
	pl_cost had = s->ntop > 0 ? s->top[0].cost : PL_INF, cost;

	for (size_t i = 0; i < n && room < s->m->k; i++)
		if (choose_fitting(s, list[i]))
			room += s->m->el[list[i]].cap;
	k = s->nchosen;
	memcpy(set, s->chosen, k * sizeof *set);
	while (s->nchosen > 0)
		pl_unchoose(s);
	cost = try_set(s, set, k, 0, PLACE_NONE);
	if (cost < had)
		swap(s, set, k, cost, list, n);
}

static void visit(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb,
    bool bounded);

struct child {
	pl_cost lb;
	uint32_t at; /* in the parent's list */
	bool bounded; /* lb is that of the child's own relaxation */
};

bool
pl_has_minima(const struct pl_search *s)
{
	return s->m->min[PLACE_LEVEL_CSP] > 1 ||
	    s->m->min[PLACE_LEVEL_REGION] > 1;
}

static bool
child_less(const struct child *x, const struct child *y)
{
	return x->lb != y->lb ? x->lb < y->lb : x->at < y->at;
}

/* The children as a heap, least bound first. */
static void
heap_down(struct child *h, size_t n, size_t i)
{
	for (size_t c = 2 * i + 1; c < n; c = 2 * i + 1) {
		struct child t = h[i];

		c += c + 1 < n && child_less(&h[c + 1], &h[c]);
		if (!child_less(&h[c], &t))
			return;
		h[i] = h[c];
		h[c] = t;
		i = c;
	}
}

/* Drops candidates that the parent's prices rule out; bounds the others. */
static size_t
children(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb,
    struct child *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		pl_cost own = pl_bound_forced(s, list[i], i);

		own = own < lb ? lb : own;
		if (pl_over(s, own))
			continue;
		list[kept] = list[i];
		h[kept] = (struct child){ own, (uint32_t)kept, false };
		kept++;
	}
	for (size_t i = kept / 2; i-- > 0;)
		heap_down(h, kept, i);
	return kept;
}

/*
 * Visits the child at the top of the heap, or puts it back with its own bound
 * if that leaves another one in front. True: the top is done.
 */
static bool
child_visit(struct pl_search *s, struct child *h, size_t nheap,
    const uint32_t *list, size_t n, uint32_t *sub)
{
	pl_cost lb = h->lb, second = PL_INF;
	size_t d = pl_narrow(s, sub, list, h->at + 1, n);
	bool bounded = false;

	for (size_t i = 1; i < nheap && i < 3; i++)
		if (h[i].lb < second)
			second = h[i].lb;
	if (!h->bounded && s->nchosen < s->m->k) {
		pl_cost own = pl_bound(s, sub, &d);

		bounded = true;
		if (pl_tick(s->ctl)) {
			pl_leave_open(s, lb);
			return true;
		}
		if (own > lb)
			lb = own;
		if (pl_over(s, lb))
			return true;
		if (lb > second) {
			h->lb = lb;
			h->bounded = true;
			return false;
		}
	}
	visit(s, sub, d, lb, bounded);
	return true;
}

static void
by_cost(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb)
{
	uint32_t *sub = xcalloc(n + 1, sizeof *sub);
	struct child *h = xcalloc(n + 1, sizeof *h);
	size_t left;

	n = left = children(s, list, n, lb, h);
	while (left > 0 && !s->done && !pl_over(s, h->lb)) {
		bool done;

		if (s->aborted) {
			pl_leave_open(s, h->lb);
			break;
		}
		pl_choose(s, list[h->at]);
		done = child_visit(s, h, left, list, n, sub);
		pl_unchoose(s);
		if (done)
			h[0] = h[--left];
		heap_down(h, left, 0);
	}
	free(h);
	free(sub);
}

/*
 * A group must have a candidate outside of the first classes whose room,
 * with that of the chosen, is too small. Those are branched on, last first.
 */
static void
by_classes(struct pl_search *s, const uint32_t *list, size_t n)
{
	const struct pl_bound *b = s->bound;
	uint32_t *order = xcalloc(2 * n + 1, sizeof *order), *sub = order + n;
	size_t room = 0, col = 2 * s->nchosen, d = 0, branches = n;

	for (size_t c = 0; c < s->nchosen; c++)
		room += s->m->el[s->chosen[c]].cap;
	while (col < b->ncols && room + b->cap[col] < s->m->k)
		room += b->cap[col++];
	for (size_t x = b->ncols; x-- > 2 * s->nchosen;) {
		if (x + 1 == col)
			branches = d;
		for (size_t i = n; i-- > 0;)
			if (b->col_of[i] == x)
				order[d++] = list[i];
	}
	for (size_t i = 0; i < branches && !s->done && !s->aborted; i++) {
		pl_choose(s, order[i]);
		visit(s, sub, pl_narrow(s, sub, order, i + 1, n), 0, false);
		pl_unchoose(s);
	}
	free(order);
}

/* All groups that have the chosen and any of list. bounded: lb is that of this
 * very list, and its prices are at hand. */
static void
visit(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb, bool bounded)
{
	size_t given = n;

	(void)pl_try_leaf(s, lb);
	if (s->aborted || s->done || s->nchosen == s->m->k)
		return;
	if (pl_has_minima(s) || s->feasibility || s->nchosen == 0)
		n = pl_propagate(s, list, n);
	if (n == 0)
		return;
	if (!bounded || n < given) {
		pl_cost own = pl_bound(s, list, &n);

		if (pl_tick(s->ctl)) {
			pl_leave_open(s, lb);
			return;
		}
		lb = own > lb ? own : lb;
	}
	if (pl_over(s, lb))
		return;
	if (s->feasibility)
		by_classes(s, list, n);
	else if (s->cover == NULL || !pl_cover_visit(s, list, n, lb))
		by_cost(s, list, n, lb);
}

void
pl_visit(struct pl_search *s, uint32_t *list, size_t n, pl_cost lb)
{
	visit(s, list, n, lb, false);
}

struct ranked {
	uint32_t e, degree;
};

static int
degree_cmp(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->degree != y->degree)
		return x->degree > y->degree ? -1 : 1;
	return x->e < y->e ? -1 : x->e > y->e;
}

/* Well connected first: colour classes get fewer. */
static void
sort_by_degree(struct pl_search *s, uint32_t *list, size_t n)
{
	struct ranked *v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		const uint64_t *row = pl_graph_row(s, list[i]);

		v[i].e = list[i];
		for (size_t x = 0; x < s->words; x++)
			v[i].degree += (uint32_t)__builtin_popcountll(row[x]);
	}
	qsort(v, n, sizeof *v, degree_cmp);
	for (size_t i = 0; i < n; i++)
		list[i] = v[i].e;
	free(v);
}

void
pl_search_run(struct pl_search *s)
{
	uint32_t *list = xcalloc(s->m->nel + 1, sizeof *list);
	size_t n = 0;

	for (uint32_t e = 0; e < s->m->nel; e++)
		if (pl_joinable(s, e))
			list[n++] = e;
	if (s->feasibility)
		sort_by_degree(s, list, n);
	else
		n = pl_prune(s, list, n);
	/* Without any term the first groups by site are as good as others. */
	if (pl_cover_value(s))
		pl_cover_run(s, list, n);
	else if (s->feasibility || s->m->nfit == 0 || s->m->user_term >= 0 ||
	    s->m->pair_term >= 0)
		visit(s, list, n, -PL_INF, false);
	else
		pl_best_first(s, list, n);
	free(list);
}
