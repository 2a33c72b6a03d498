/*
 * prune.c - which candidates no group below the last rank can have, before
 * the graph is made: in a world of thousands of sites most rows of it are then
 * never asked for.
 *
 * First some groups, each the cheapest that fits around a cheap element. They
 * fill the ranks, so there is a cost to beat. Then, for each candidate, the
 * cheapest VMs of every role among those that are near enough to it: what a
 * group with the candidate costs at least. Candidates are looked at in the
 * order of their cost, so the first few near ones tell.
 */
#include "placement/search.h"
#include "placement/world.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 512 /* candidates whose graph costs nothing to speak of */
#define SMALL_BELOW 128 /* if one group below some cost is all */
#define STARTS_PER_RANK 4
#define STARTS_MIN 16
#define STARTS_MAX 256
#define LOOK 64 /* candidates between two looks at the clock */

struct prune {
	struct pl_search *s;
	uint32_t *by_cost; /* m->m lists: candidates that the role can use */
	uint32_t *site; /* of each */
	size_t *n;
	pl_cost *after; /* per role: what the roles behind it cost at least */
	/* If all were near: what the roles cost, and the last VM of each. */
	pl_cost all, last[PL_MAX_ROLES];
	uint64_t *open; /* candidates that go with the chosen */
};

/* Takes what is cheapest and still fits, until there is room for all. */
static void
greedy(struct prune *p, const uint32_t *list, size_t n, uint32_t start)
{
	struct pl_search *s = p->s;
	const struct pl_model *m = s->m;
	size_t room = m->el[start].cap, x = 0;

	memset(p->open, 0, s->words * sizeof *p->open);
	for (size_t i = 0; i < n; i++)
		p->open[list[i] >> 6] |= UINT64_C(1) << (list[i] & 63);
	pl_choose(s, start);
	for (const uint64_t *row = pl_graph_row(s, start); row != NULL;) {
		for (size_t w = 0; w < s->words; w++)
			p->open[w] &= row[w];
		row = NULL;
		while (room < m->k && row == NULL && x < s->words) {
			uint32_t e;

			if (p->open[x] == 0) {
				x++;
				continue;
			}
			e = (uint32_t)(64 * x) +
			    (uint32_t)__builtin_ctzll(p->open[x]);
			p->open[x] &= p->open[x] - 1;
			if (!pl_joinable(s, e))
				continue;
			pl_choose(s, e);
			room += m->el[e].cap;
			row = pl_graph_row(s, e);
		}
	}
	if (room >= m->k)
		(void)pl_try_leaf(s, -PL_INF);
	while (s->nchosen > 0)
		pl_unchoose(s);
}

struct priced {
	pl_cost cost;
	uint32_t e;
};

static int
priced_cmp(const void *a, const void *b)
{
	const struct priced *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return x->e < y->e ? -1 : x->e > y->e;
}

static void
sort_by_role(struct prune *p, const uint32_t *list, size_t n)
{
	const struct pl_model *m = p->s->m;
	struct priced *v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < m->m; i++) {
		uint32_t *out = p->by_cost + i * m->nel;
		size_t d = 0;

		for (size_t x = 0; x < n; x++) {
			pl_cost c = m->ecost[i * m->nel + list[x]];

			if (c < PL_INF)
				v[d++] = (struct priced){ c, list[x] };
		}
		/* Of one role they are in this order. */
		if (m->m > 1)
			qsort(v, d, sizeof *v, priced_cmp);
		for (size_t x = 0; x < d; x++) {
			out[x] = v[x].e;
			p->site[i * m->nel + x] = m->esite[v[x].e];
		}
		p->n[i] = d;
	}
	free(v);
}

/* The cheapest VMs of role i among the neighbours of e and e itself. PL_INF:
 * too few. *last: the cost of the last one. */
static pl_cost
role_cost(const struct prune *p, size_t i, uint32_t e, const uint32_t *t,
    pl_cost most, pl_cost *last)
{
	const struct pl_model *m = p->s->m;
	const pl_cost *cost = m->ecost + i * m->nel;
	const uint32_t *list = p->by_cost + i * m->nel;
	const uint32_t *site = p->site + i * m->nel;
	uint32_t left = m->count[i];
	uint32_t lim = m->lim[m->el[e].cls][m->cls[i]];
	pl_cost sum = 0;

	for (size_t x = 0; x < p->n[i] && left > 0; x++) {
		uint32_t y, cap;

		if (t[site[x]] > lim && list[x] != e)
			continue;
		y = list[x];
		cap = m->el[y].cap < left ? m->el[y].cap : left;
		*last = cost[y];
		sum += *last * cap;
		left -= cap;
		/* The rest costs at least as much each. */
		if (sum + *last * left >= most)
			return sum + *last * left;
	}
	return left > 0 ? PL_INF : sum;
}

/* How much dearer the VMs of role i get if one of them is on e. */
static pl_cost
more_with(const struct prune *p, size_t i, uint32_t e, pl_cost last)
{
	pl_cost cost = p->s->m->ecost[i * p->s->m->nel + e];

	if (cost >= PL_INF)
		return PL_INF;
	return cost > last ? cost - last : 0;
}

/* Is e too dear even if all were near? */
static bool
too_dear(const struct prune *p, uint32_t e)
{
	pl_cost more = PL_INF;

	for (size_t i = 0; i < p->s->m->m; i++) {
		pl_cost v = more_with(p, i, e, p->last[i]);

		more = v < more ? v : more;
	}
	return p->all + more > p->s->thr;
}

/* What a group with e costs at least. */
static pl_cost
least(const struct prune *p, uint32_t e)
{
	const struct pl_model *m = p->s->m;
	const uint32_t *t = pl_times_row(m->times, m->esite[e]);
	pl_cost sum = 0, more = PL_INF, thr = p->s->thr;

	for (size_t i = 0; i < m->m; i++) {
		pl_cost last = 0, v, with;

		v = role_cost(p, i, e, t, thr - sum - p->after[i], &last);
		if (v >= PL_INF)
			return PL_INF;
		sum += v;
		if (sum + p->after[i] >= thr)
			return sum + p->after[i];
		with = more_with(p, i, e, last);
		more = with < more ? with : more;
	}
	return more >= PL_INF ? PL_INF : sum + more;
}

/* The cheapest of each role anywhere, for all VMs of the role. */
static void
count_all(struct prune *p)
{
	const struct pl_model *m = p->s->m;
	pl_cost sum = 0;

	for (size_t i = m->m; i-- > 0;) {
		const uint32_t *list = p->by_cost + i * m->nel;

		p->after[i] = sum;
		if (p->n[i] > 0)
			sum += m->ecost[i * m->nel + list[0]] * m->count[i];
	}
	for (size_t i = 0; i < m->m; i++)
		p->all += pl_role_least(m, i, &p->last[i]);
}

/* The same search over the candidates that are left, in a model of them. */
static void
shrink(struct pl_search *s, uint32_t *list, size_t n)
{
	const struct pl_model *m = s->m;
	struct pl_model *k = arena_alloc(m->arena, sizeof *k);

	*k = *m;
	k->nel = n;
	k->el = arena_array(m->arena, n + 1, sizeof *k->el);
	k->esite = arena_array(m->arena, n + 1, sizeof *k->esite);
	k->ecls = arena_array(m->arena, n + 1, sizeof *k->ecls);
	k->ecost = arena_array(m->arena, m->m * n + 1, sizeof *k->ecost);
	k->eside =
	    arena_array(m->arena, m->nside * m->m * n + 1, sizeof *k->eside);
	for (uint32_t e = 0; e < n; e++) {
		k->el[e] = m->el[list[e]];
		k->esite[e] = m->esite[list[e]];
		k->ecls[e] = m->ecls[list[e]];
		for (size_t i = 0; i < m->m; i++)
			k->ecost[i * n + e] = m->ecost[i * m->nel + list[e]];
		for (size_t i = 0; i < m->nside * m->m; i++)
			k->eside[i * n + e] = m->eside[i * m->nel + list[e]];
		list[e] = e;
	}
	pl_search_use(s, k);
}

size_t
pl_prune(struct pl_search *s, uint32_t *list, size_t n)
{
	const struct pl_model *m = s->m;
	struct prune p = { .s = s };
	size_t kept = 0, starts = STARTS_PER_RANK * s->topk;

	if (n < (s->ctl->has_below ? SMALL_BELOW : SMALL) || n < 2 * m->k ||
	    s->feasibility || m->user_term >= 0 || m->pair_term >= 0)
		return n;
	p.by_cost = xcalloc(m->m * m->nel + 1, sizeof *p.by_cost);
	p.site = xcalloc(m->m * m->nel + 1, sizeof *p.site);
	p.n = xcalloc(m->m, sizeof *p.n);
	p.after = xcalloc(m->m, sizeof *p.after);
	p.open = xcalloc(s->words, sizeof *p.open);
	if (starts < STARTS_MIN)
		starts = STARTS_MIN;
	if (starts > STARTS_MAX)
		starts = STARTS_MAX;
	for (size_t i = 0; i < n && i < starts && !s->aborted; i++)
		greedy(&p, list, n, list[i]);
	sort_by_role(&p, list, n);
	count_all(&p);
	for (size_t i = 0; i < n; i++) {
		bool late = i % LOOK == 0 && s->ctl->stop != NULL &&
		    s->ctl->stop(s->ctl->stop_arg);

		if (s->aborted || late) {
			memmove(list + kept, list + i, (n - i) * sizeof *list);
			kept += n - i;
			break;
		}
		if (!too_dear(&p, list[i]) && !pl_over(s, least(&p, list[i])))
			list[kept++] = list[i];
	}
	free(p.by_cost);
	free(p.site);
	free(p.n);
	free(p.after);
	free(p.open);
	if (s->cover == NULL)
		shrink(s, list, kept);
	return kept;
}
