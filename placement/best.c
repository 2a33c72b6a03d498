/*
 * best.c - best-first search for the groups of least cost, by the conflicts of
 * relaxed groups.
 *
 * A node stands for all groups that have certain elements and take others from
 * certain candidates. The node of least bound is looked at first. The optimum
 * of its relaxation (bound.c) takes some candidates, the picks. If they are a
 * group, it is the best of the node, and the rest is split as Lawler (1972)
 * does for the K best: has the first picks, but not the next. Else one of the
 * picks that are in conflict is taken for sure in one child, and left out in
 * the other. Where few pairs are in conflict, the relaxation is nearly exact,
 * and only the conflicts have to be searched.
 *
 * Prices of the relaxation say what it costs at least to do without a pick; a
 * child starts with that, and is bounded when its turn comes. Until all ranks
 * are filled the search goes down instead, to have groups early.
 *
 * Open nodes have a limit in bytes: beyond it a child is searched at once,
 * depth first.
 */
#include "placement/search.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OPEN_BYTES ((size_t)32 << 20)

struct node {
	pl_cost lb;
	uint64_t no; /* the older first among equals */
	bool fresh; /* what it has was not tried as a group */
	uint64_t bits[]; /* elements it has; candidates */
};

struct best {
	struct pl_search *s;
	struct node **heap, *next; /* next: on the way down */
	size_t n, max, bytes, size;
	uint64_t made;
	uint32_t *list, *sub;
	struct pl_pick pick[PLACE_MAX_VMS];
	size_t npicks;
	pl_cost lb,
	    own; /* of the node; of its relaxation, which pick[] is of */
};

static bool
less(const struct node *a, const struct node *b)
{
	return a->lb != b->lb ? a->lb < b->lb : a->no < b->no;
}

static void
heap_push(struct best *b, struct node *nd)
{
	size_t i = b->n;

	VEC_GROW(b->heap, b->n, b->max);
	b->n++;
	for (; i > 0 && less(nd, b->heap[(i - 1) / 2]); i = (i - 1) / 2)
		b->heap[i] = b->heap[(i - 1) / 2];
	b->heap[i] = nd;
}

static struct node *
heap_pop(struct best *b)
{
	struct node *top = b->heap[0], *last = b->heap[--b->n];
	size_t i = 0, c;

	for (c = 1; c < b->n; c = 2 * i + 1) {
		c += c + 1 < b->n && less(b->heap[c + 1], b->heap[c]);
		if (!less(b->heap[c], last))
			break;
		b->heap[i] = b->heap[c];
		i = c;
	}
	b->heap[i] = last;
	return top;
}

static void
bit_set(uint64_t *row, uint32_t i)
{
	row[i >> 6] |= UINT64_C(1) << (i & 63);
}

/* The chosen and the list as a node; on the way down the best one is next. */
static void
node_add(struct best *b, uint32_t *list, size_t n, uint32_t without, pl_cost lb,
    bool fresh)
{
	struct pl_search *s = b->s;
	struct node *nd;

	if (pl_over(s, lb))
		return;
	if (b->bytes + b->size > MAX_OPEN_BYTES) {
		size_t d = 0;

		for (size_t i = 0; i < n; i++)
			if (list[i] != without)
				b->sub[d++] = list[i];
		pl_visit(s, b->sub, d, lb);
		return;
	}
	nd = xcalloc(1, b->size);
	b->bytes += b->size;
	nd->lb = lb;
	nd->no = b->made++;
	nd->fresh = fresh;
	for (size_t c = 0; c < s->nchosen; c++)
		bit_set(nd->bits, s->chosen[c]);
	for (size_t i = 0; i < n; i++)
		if (list[i] != without)
			bit_set(nd->bits + s->words, list[i]);
	if (s->thr < PL_INF) {
		heap_push(b, nd);
		return;
	}
	if (b->next != NULL && less(b->next, nd)) {
		heap_push(b, nd);
		return;
	}
	if (b->next != NULL)
		heap_push(b, b->next);
	b->next = nd;
}

static size_t
unpack(const uint64_t *bits, size_t words, uint32_t *out)
{
	size_t n = 0;

	for (size_t x = 0; x < words; x++)
		for (uint64_t v = bits[x]; v != 0; v &= v - 1)
			out[n++] =
			    (uint32_t)(64 * x + (size_t)__builtin_ctzll(v));
	return n;
}

static bool
clash(struct best *b, size_t i, size_t j)
{
	return !pl_bit(pl_graph_row(b->s, b->pick[i].e), b->pick[j].e);
}

/* Are the picks, with the chosen, a group as far as pairs and caps go? */
static bool
consistent(struct best *b)
{
	for (size_t i = 0; i < b->npicks; i++)
		for (size_t j = i + 1; j < b->npicks; j++)
			if (clash(b, i, j))
				return false;
	return true;
}

/* The group that the relaxation has found, if it is one. */
static pl_cost
try_picks(struct best *b)
{
	struct pl_search *s = b->s;
	size_t n = s->nchosen;
	pl_cost cost = PL_INF;
	bool fits = consistent(b);

	for (size_t i = 0; i < b->npicks && fits; i++) {
		fits = pl_joinable(s, b->pick[i].e);
		if (fits)
			pl_choose(s, b->pick[i].e);
	}
	if (fits)
		cost = pl_try_leaf(s, -PL_INF);
	while (s->nchosen > n)
		pl_unchoose(s);
	return cost;
}

static int
dearest_first(const void *x, const void *y)
{
	const struct pl_pick *a = x, *b = y;

	if (a->without != b->without)
		return a->without > b->without ? -1 : 1;
	return a->e < b->e ? -1 : a->e > b->e;
}

/* At least the cost of groups so much dearer than the relaxation. */
static pl_cost
dearer(const struct best *b, pl_cost by)
{
	return b->own + by > b->lb ? b->own + by : b->lb;
}

/* The picks are the best group: all others lack one of them, or have more. */
static void
split_rest(struct best *b, uint32_t *list, size_t n)
{
	struct pl_search *s = b->s;

	qsort(b->pick, b->npicks, sizeof *b->pick, dearest_first);
	for (size_t i = 0; i < b->npicks; i++) {
		uint32_t e = b->pick[i].e;

		node_add(b, list, n, e, dearer(b, b->pick[i].without), i > 0);
		pl_choose(s, e);
		n = pl_narrow(s, list, list, 0, n);
	}
	if (n > 0 && s->nchosen < s->m->k)
		node_add(b, list, n, PLACE_NONE, b->lb, false);
}

/* Nothing picked: all other groups have some candidate more. */
static void
split_more(struct best *b, uint32_t *list, size_t n, const pl_cost *forced)
{
	struct pl_search *s = b->s;
	uint32_t *sub = xcalloc(n + 1, sizeof *sub);

	for (size_t i = 0; i < n; i++) {
		if (s->aborted || pl_over(s, forced[i]))
			continue;
		pl_choose(s, list[i]);
		node_add(b, sub, pl_narrow(s, sub, list, i + 1, n), PLACE_NONE,
		    forced[i], true);
		pl_unchoose(s);
	}
	free(sub);
}

/* With pick i: at least what it costs to do without those it clashes with. A
 * class counts once. */
static pl_cost
with_pick(struct best *b, size_t i, bool *clashes)
{
	pl_cost sum = 0;

	*clashes = false;
	for (size_t j = 0; j < b->npicks; j++) {
		bool counts = b->pick[j].col != b->pick[i].col;

		if (j == i || !clash(b, i, j))
			continue;
		*clashes = true;
		for (size_t x = 0; x < j && counts; x++)
			counts = b->pick[x].col != b->pick[j].col;
		if (counts)
			sum += b->pick[j].without;
	}
	return sum;
}

/* Two children: with and without the pick that makes both dearest. */
static void
split_two(struct best *b, uint32_t *list, size_t n)
{
	struct pl_search *s = b->s;
	size_t best = 0;
	pl_cost low = -1, high = -1, with_best = 0;
	bool any = false;

	for (size_t i = 0; i < b->npicks; i++) {
		pl_cost out = b->pick[i].without, in, lo, hi;
		bool clashes;

		in = with_pick(b, i, &clashes);
		lo = in < out ? in : out;
		hi = in < out ? out : in;
		if ((any && !clashes) ||
		    (any == clashes && (lo < low || (lo == low && hi <= high))))
			continue;
		any = clashes;
		best = i;
		low = lo;
		high = hi;
		with_best = in;
	}
	node_add(b, list, n, b->pick[best].e, dearer(b, b->pick[best].without),
	    false);
	pl_choose(s, b->pick[best].e);
	n = pl_narrow(s, list, list, 0, n);
	node_add(b, list, n, PLACE_NONE, dearer(b, with_best), true);
}

/*
 * Picks without which no group is good enough are chosen. False: they clash.
 * *any: the bound is worth another look.
 */
static bool
choose_musts(struct best *b, uint32_t *list, size_t *n, bool *any)
{
	struct pl_search *s = b->s;

	*any = false;
	for (size_t i = 0; i < b->npicks; i++) {
		bool there = false;

		if (!pl_over(s, dearer(b, b->pick[i].without)))
			continue;
		for (size_t j = 0; j < *n; j++)
			there = there || list[j] == b->pick[i].e;
		if (!there)
			return false;
		pl_choose(s, b->pick[i].e);
		*n = pl_narrow(s, list, list, 0, *n);
		*any = true;
	}
	return true;
}

/* Drops candidates that the prices rule out. */
static size_t
fix(struct best *b, uint32_t *list, size_t n, pl_cost *forced)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		pl_cost v = pl_bound_forced(b->s, list[i], i);

		if (pl_over(b->s, v))
			continue;
		list[kept] = list[i];
		forced[kept++] = v;
	}
	return kept;
}

/* Bounds the node. False: it is done. */
static bool
bounded(struct best *b, uint32_t *list, size_t *n, bool fresh)
{
	struct pl_search *s = b->s;

	if (fresh)
		(void)pl_try_leaf(s, b->lb);
	if (s->aborted || s->done || s->nchosen == s->m->k)
		return false;
	if (fresh && (pl_has_minima(s) || s->nchosen == 0))
		*n = pl_propagate(s, list, *n);
	if (*n == 0)
		return false;
	b->own = pl_bound(s, list, n);
	if (pl_tick(s->ctl)) {
		pl_leave_open(s, b->lb);
		return false;
	}
	if (b->own > b->lb)
		b->lb = b->own;
	return !pl_over(s, b->lb);
}

/* Looks at the node and makes its children. */
static void
look(struct best *b, uint32_t *list, size_t n, bool fresh)
{
	struct pl_search *s = b->s;
	pl_cost *forced = xcalloc(n + 1, sizeof *forced), cost;
	bool more = true;

	while (more && bounded(b, list, &n, fresh)) {
		more = false;
		b->npicks = pl_bound_picks(s, list, b->pick);
		n = fix(b, list, n, forced);
		cost = b->npicks > 0 ? try_picks(b) : PL_INF;
		if (s->aborted)
			pl_leave_open(s, b->lb);
		else if (s->done)
			break;
		else if (b->npicks == 0)
			split_more(b, list, n, forced);
		else if (cost <= b->lb)
			split_rest(b, list, n);
		else if (!pl_over(s, b->lb) && choose_musts(b, list, &n, &more))
			if (!more)
				split_two(b, list, n);
		fresh = true;
	}
	free(forced);
}

static struct node *
next_node(struct best *b)
{
	struct node *nd = b->next;

	if (nd != NULL && b->s->thr >= PL_INF) {
		b->next = NULL;
		return nd;
	}
	if (nd != NULL)
		heap_push(b, nd);
	b->next = NULL;
	return b->n > 0 ? heap_pop(b) : NULL;
}

void
pl_best_first(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct best *b = xcalloc(1, sizeof *b);
	struct node *nd;

	b->s = s;
	b->size = sizeof *nd + 2 * s->words * sizeof *nd->bits;
	b->list = xcalloc(2 * s->m->nel + 2, sizeof *b->list);
	b->sub = b->list + s->m->nel + 1;
	if (n > 0)
		memcpy(b->list, list, n * sizeof *list);
	node_add(b, b->list, n, PLACE_NONE, -PL_INF, true);
	while ((nd = next_node(b)) != NULL) {
		b->bytes -= b->size;
		if (s->aborted || s->done || pl_over(s, nd->lb)) {
			if (s->aborted)
				pl_leave_open(s, nd->lb);
			free(nd);
			continue;
		}
		n = unpack(nd->bits, s->words, b->list);
		for (size_t c = 0; c < n; c++)
			pl_choose(s, b->list[c]);
		n = unpack(nd->bits + s->words, s->words, b->list);
		b->lb = nd->lb;
		look(b, b->list, n, nd->fresh);
		while (s->nchosen > 0)
			pl_unchoose(s);
		free(nd);
	}
	free(b->heap);
	free(b->list);
	free(b);
}
