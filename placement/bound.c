/*
 * bound.c - how cheap can a group become that has the chosen elements and
 * takes the rest from a list of candidates?
 *
 * Candidates are put greedily into colour classes of mutually incompatible
 * elements; a group uses at most one element of a class. Roles ship their VMs
 * to columns: each chosen element (at least one VM), and each class (as many
 * VMs as its roomiest member takes, at the price of its cheapest). This
 * transportation problem is a relaxation, so its optimum is a lower bound, and
 * its duals say how much dearer it gets if a certain candidate must be used.
 */
#include "placement/search.h"

#include <stdlib.h>
#include <string.h>

struct pl_bound *
pl_bound_new(const struct pl_model *m, size_t candidates)
{
	struct pl_bound *b = xcalloc(1, sizeof *b);

	b->m = m;
	b->maxcols = candidates + 2 * PLACE_MAX_VMS + 1;
	b->cost = xcalloc(m->m * b->maxcols, sizeof *b->cost);
	b->cap = xcalloc(b->maxcols, sizeof *b->cap);
	b->used = xcalloc(b->maxcols, sizeof *b->used);
	b->room = xcalloc(b->maxcols, sizeof *b->room);
	b->col_of = xcalloc(candidates + 1, sizeof *b->col_of);
	b->member = xcalloc(candidates + 1, sizeof *b->member);
	b->first = xcalloc(b->maxcols + 1, sizeof *b->first);
	b->taken = xcalloc(candidates + 1, sizeof *b->taken);
	b->mask = xcalloc(m->nel / 64 + 1, sizeof *b->mask);
	b->open = xcalloc(m->nel / 64 + 1, sizeof *b->open);
	b->place = xcalloc(m->nel + 1, sizeof *b->place);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		b->left[l] = xcalloc(m->ngroups[l] + 1, sizeof *b->left[l]);
	return b;
}

void
pl_bound_free(struct pl_bound *b)
{
	if (b == NULL)
		return;
	free(b->cost);
	free(b->cap);
	free(b->used);
	free(b->room);
	free(b->col_of);
	free(b->member);
	free(b->first);
	free(b->taken);
	free(b->mask);
	free(b->open);
	free(b->place);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		free(b->left[l]);
	free(b);
}

/* Columns of the chosen: first the mandatory VM of each, then its spare room. */
void
pl_columns_chosen(const struct pl_search *s, struct pl_bound *b,
    const pl_cost *ecost)
{
	const struct pl_model *m = s->m;
	size_t n = s->nchosen;

	b->ncols = 2 * n;
	for (size_t c = 0; c < n; c++) {
		uint32_t e = s->chosen[c];

		b->cap[c] = 1;
		b->cap[n + c] = m->el[e].cap - 1;
		for (size_t i = 0; i < m->m; i++) {
			pl_cost v = ecost[i * m->nel + e];

			b->cost[i * b->maxcols + c] =
			    v >= PL_INF ? PL_INF : v - PL_BIG;
			b->cost[i * b->maxcols + n + c] = v;
		}
	}
}

/*
 * Puts the candidates into colour classes: col_of and the classes' room. Each
 * class takes, in the order of the list, what goes with none of its members.
 * In the order of the elements that is what is left of the list's bits.
 */
static void
colour_bits(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_bound *b = s->bound;
	size_t from = list[0] >> 6, to = (list[n - 1] >> 6) + 1;
	uint32_t put = 0;

	memset(b->open + from, 0, (to - from) * sizeof *b->open);
	for (uint32_t i = 0; i < n; i++) {
		b->open[list[i] >> 6] |= UINT64_C(1) << (list[i] & 63);
		b->place[list[i]] = i;
	}
	for (; from < to; b->ncols++) {
		size_t x = from;

		b->first[b->ncols] = put;
		b->cap[b->ncols] = 0;
		memcpy(b->mask + from, b->open + from,
		    (to - from) * sizeof *b->mask);
		while (x < to) {
			const uint64_t *row;
			uint32_t e;

			if (b->mask[x] == 0) {
				x++;
				continue;
			}
			e = (uint32_t)(64 * x) +
			    (uint32_t)__builtin_ctzll(b->mask[x]);
			b->mask[x] &= b->mask[x] - 1;
			b->open[x] &= ~(UINT64_C(1) << (e & 63));
			b->col_of[b->place[e]] = (uint32_t)b->ncols;
			b->member[put++] = b->place[e];
			if (s->m->el[e].cap > b->cap[b->ncols])
				b->cap[b->ncols] = s->m->el[e].cap;
			row = pl_graph_row(s, e);
			for (size_t y = x; y < to; y++)
				b->mask[y] &= ~row[y];
		}
		while (from < to && b->open[from] == 0)
			from++;
	}
}

/* The same in any order. */
static void
colour_list(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_bound *b = s->bound;
	uint32_t put = 0;

	memset(b->taken, 0, n * sizeof *b->taken);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cap = s->m->el[list[i]].cap;

		if (b->taken[i])
			continue;
		b->col_of[i] = (uint32_t)b->ncols;
		b->first[b->ncols] = put;
		b->member[put++] = i;
		memcpy(b->mask, pl_graph_row(s, list[i]),
		    s->words * sizeof *b->mask);
		for (uint32_t j = i + 1; j < n; j++) {
			const uint64_t *row;

			if (b->taken[j] || pl_bit(b->mask, list[j]))
				continue;
			b->taken[j] = true;
			b->col_of[j] = (uint32_t)b->ncols;
			b->member[put++] = j;
			if (s->m->el[list[j]].cap > cap)
				cap = s->m->el[list[j]].cap;
			row = pl_graph_row(s, list[j]);
			for (size_t x = 0; x < s->words; x++)
				b->mask[x] |= row[x];
		}
		b->cap[b->ncols++] = cap;
	}
}

static void
colour(struct pl_search *s, const uint32_t *list, size_t n)
{
	size_t i = 1;

	while (i < n && list[i - 1] < list[i])
		i++;
	if (n > 0 && i >= n)
		colour_bits(s, list, n);
	else
		colour_list(s, list, n);
	s->bound->first[s->bound->ncols] = (uint32_t)n;
}

static void
class_costs(struct pl_search *s, const uint32_t *list, size_t n,
    const pl_cost *ecost)
{
	struct pl_bound *b = s->bound;
	const struct pl_model *m = s->m;

	for (size_t i = 0; i < m->m; i++) {
		pl_cost *cost = b->cost + i * b->maxcols;

		for (size_t c = 2 * s->nchosen; c < b->ncols; c++)
			cost[c] = PL_INF;
		for (size_t x = 0; x < n; x++) {
			pl_cost v = ecost[i * m->nel + list[x]];

			if (v < cost[b->col_of[x]])
				cost[b->col_of[x]] = v;
		}
	}
}

/* The cheapest column with free room for role i. */
static void
end_find(struct pl_bound *b, size_t i)
{
	const pl_cost *cost = b->cost + i * b->maxcols;
	pl_cost best = PL_INF;
	uint32_t at = 0;

	for (uint32_t c = 0; c < b->ncols; c++)
		if (cost[c] < best && b->used[c] < b->cap[c]) {
			best = cost[c];
			at = c;
		}
	b->end[i] = best;
	b->end_col[i] = at;
}

/*
 * What it costs the others to push out unit u of role j, if that is cheapest.
 * An early form, with both indices in each access, gave wrong groups with gcc
 * 12.2 -O1. It is not kept, and the same loop over today's arrays is right at
 * -O0, -O1 and -O2, with and without -fno-ivopts and -fno-strict-aliasing: no
 * fault of the compiler is known.
 */
static void
arcs_add(struct pl_bound *b, size_t u)
{
	uint32_t j = b->unit_role[u], c = b->unit_col[u];
	const pl_cost *cost = b->cost + c;
	pl_cost own = cost[j * b->maxcols], *arc = b->arc[j];
	uint32_t *unit = b->arc_unit[j];

	for (size_t i = 0; i < b->m->m; i++, cost += b->maxcols) {
		if (i == j || *cost >= PL_INF || *cost - own >= arc[i])
			continue;
		arc[i] = *cost - own;
		unit[i] = (uint32_t)u;
	}
}

static void
arcs_reset(struct pl_bound *b)
{
	for (size_t i = 0; i < b->m->m; i++)
		for (size_t j = 0; j < b->m->m; j++)
			b->arc[i][j] = PL_INF;
	for (size_t u = 0; u < b->nunits; u++)
		arcs_add(b, u);
}

/* Shortest ways from each role to free room; next: whom it pushes, or m. */
static void
ways(struct pl_bound *b)
{
	pl_cost *dist = b->dist;
	uint32_t *next = b->next;
	uint32_t m = (uint32_t)b->m->m;
	bool more = m > 1;

	for (uint32_t i = 0; i < m; i++) {
		dist[i] = b->end[i];
		next[i] = m;
	}
	while (more) {
		more = false;
		for (uint32_t i = 0; i < m; i++)
			for (uint32_t j = 0; j < m; j++) {
				pl_cost v = b->arc[j][i];

				if (v >= PL_INF || dist[j] >= PL_INF ||
				    v + dist[j] >= dist[i])
					continue;
				dist[i] = v + dist[j];
				next[i] = j;
				more = true;
			}
	}
}

/* A column is full: who wanted to go there looks again. */
static void
column_full(struct pl_bound *b, uint32_t c)
{
	for (size_t i = 0; i < b->m->m; i++)
		if (b->end[i] < PL_INF && b->end_col[i] == c)
			end_find(b, i);
}

/*
 * Adds one unit of role i along the shortest way to free room, over the roles
 * as nodes: each may push out a unit of another.
 */
static bool
augment(struct pl_bound *b, uint32_t i)
{
	uint32_t c;
	bool pushed = false;

	ways(b);
	if (b->dist[i] >= PL_INF)
		return false;
	while (b->next[i] < b->m->m) {
		b->unit_role[b->arc_unit[b->next[i]][i]] = i;
		i = b->next[i];
		pushed = true;
	}
	c = b->end_col[i];
	b->unit_role[b->nunits] = i;
	b->unit_col[b->nunits] = c;
	b->nunits++;
	if (pushed)
		arcs_reset(b);
	else
		arcs_add(b, b->nunits - 1);
	b->used[c]++;
	if (b->used[c] == b->cap[c])
		column_full(b, c);
	return true;
}

/*
 * Prices: what one unit less of a role saves, the smallest optimal dual, and
 * what the room of a full column is worth.
 */
static void
duals(struct pl_bound *b)
{
	size_t m = b->m->m;
	bool more = m > 1;

	for (size_t i = 0; i < m; i++)
		b->dual[i] = -PL_INF;
	for (size_t u = 0; u < b->nunits; u++) {
		uint32_t i = b->unit_role[u];
		pl_cost v = b->cost[i * b->maxcols + b->unit_col[u]];

		if (v > b->dual[i])
			b->dual[i] = v;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < m; j++) {
				pl_cost v = b->arc[i][j];

				if (v >= PL_INF || b->dual[j] - v <= b->dual[i])
					continue;
				b->dual[i] = b->dual[j] - v;
				more = true;
			}
	}
	for (size_t c = 0; c < b->ncols; c++) {
		b->room[c] = 0;
		for (size_t i = 0; i < m && b->used[c] == b->cap[c]; i++) {
			pl_cost v = b->cost[i * b->maxcols + c];

			if (v < PL_INF && b->dual[i] - v > b->room[c])
				b->room[c] = b->dual[i] - v;
		}
	}
}

pl_cost
pl_ship(struct pl_bound *b, size_t mandatory)
{
	pl_cost sum = (pl_cost)mandatory * PL_BIG;

	b->nunits = 0;
	memset(b->used, 0, b->ncols * sizeof *b->used);
	arcs_reset(b);
	for (size_t i = 0; i < b->m->m; i++)
		end_find(b, i);
	for (uint32_t i = 0; i < b->m->m; i++)
		for (uint32_t t = 0; t < b->m->count[i]; t++)
			if (!augment(b, i))
				return PL_INF;
	for (size_t u = 0; u < b->nunits; u++)
		sum += b->cost[b->unit_role[u] * b->maxcols + b->unit_col[u]];
	/* A mandatory column stayed empty. */
	return sum >= PL_BIG / 2 ? PL_INF : sum;
}

/* Room at one level for one more element there, at most cap VMs. */
static size_t
take(struct pl_search *s, enum place_level l, uint32_t site, uint32_t cap)
{
	uint32_t *left = &s->bound->left[l][s->m->at[l][site]];

	if (cap > *left)
		cap = *left;
	*left -= cap;
	return cap;
}

static size_t
room_of_all(const struct pl_search *s, const uint32_t *list, size_t n)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += s->m->el[list[i]].cap;
	for (size_t c = 0; c < s->nchosen; c++)
		room += s->m->el[s->chosen[c]].cap - 1;
	return room;
}

/* Units that the caps of each level leave room for, and regions and csps that
 * can still be reached: counting, before any colouring. */
static bool
counts_allow(struct pl_search *s, const uint32_t *list, size_t n)
{
	const struct pl_model *m = s->m;
	size_t open = m->k - s->nchosen;

	for (enum place_level l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT;
	     l++) {
		uint32_t *left = s->bound->left[l];
		size_t room = 0, distinct = s->distinct[l];

		if (l != PLACE_LEVEL_SITE && m->cap[l] >= m->k && m->min[l] < 2)
			continue;
		/* Of one class, a site is one element. */
		if (l == PLACE_LEVEL_SITE && m->ncls == 1) {
			if (room_of_all(s, list, n) < open)
				return false;
			continue;
		}
		for (size_t i = 0; i < m->ngroups[l]; i++)
			left[i] = m->cap[l] - s->used[l][i];
		for (size_t i = 0; i < n + s->nchosen; i++) {
			bool old = i >= n;
			uint32_t e = old ? s->chosen[i - n] : list[i];
			uint32_t site = m->el[e].site, at = m->at[l][site];

			distinct += !old && s->used[l][at] == 0 &&
			    left[at] == m->cap[l];
			room += take(s, l, site, m->el[e].cap - old);
		}
		if (room < open || distinct < m->min[l] ||
		    s->distinct[l] + open < m->min[l])
			return false;
	}
	return true;
}

/* Colours the list and ships at these costs. scale: of a chosen element's
 * further VMs, which cost what the model says; 0: the same as the first. */
pl_cost
pl_bound_ship(struct pl_search *s, const uint32_t *list, size_t n,
    const pl_cost *ecost, pl_cost scale)
{
	struct pl_bound *b = s->bound;
	const struct pl_model *m = s->m;
	pl_cost sum;

	pl_columns_chosen(s, b, ecost);
	for (size_t i = 0; i < m->m && scale > 0; i++)
		for (size_t c = 0; c < s->nchosen; c++) {
			pl_cost v = m->ecost[i * m->nel + s->chosen[c]];

			b->cost[i * b->maxcols + s->nchosen + c] =
			    v >= PL_INF ? PL_INF : v * scale;
		}
	colour(s, list, n);
	class_costs(s, list, n, ecost);
	sum = pl_ship(b, s->nchosen);
	if (sum < PL_INF)
		duals(b);
	return sum;
}

pl_cost
pl_bound(struct pl_search *s, uint32_t *list, size_t *count)
{
	const struct pl_model *m = s->m;
	struct pl_bound *b = s->bound;
	size_t open = m->k - s->nchosen, n = *count;
	pl_cost lb, add;

	if (!counts_allow(s, list, n) ||
	    (s->cover != NULL && !pl_cover_bound(s, list, count)))
		return PL_INF;
	n = *count;
	if (m->nside > 0) {
		pl_columns_chosen(s, b, m->ecost);
		colour(s, list, n);
	}
	for (size_t i = 0; i < m->nside; i++) {
		const pl_cost *side = m->eside + i * m->m * m->nel;
		size_t ncols = b->ncols;

		pl_columns_chosen(s, b, side);
		b->ncols = ncols;
		class_costs(s, list, n, side);
		if (pl_ship(b, s->nchosen) > m->side[i].cap)
			return PL_INF;
	}
	lb = pl_bound_ship(s, list, n, m->ecost, 0);
	if (lb >= PL_INF || (s->feasibility && !pl_csps_have_room(s, list)))
		return PL_INF;
	add = pl_users_bound(s, list, n, open);
	if (add >= PL_INF)
		return PL_INF;
	lb += add;
	add = pl_pairs_bound(s, list, n, open);
	if (add >= PL_INF)
		return PL_INF;
	b->extra = add;
	b->value = lb + add;
	b->priced = s->median != NULL && b->value < s->thr && n > 0;
	if (b->priced) {
		lb = pl_median_bound(s, list, count);
		if (lb >= PL_INF)
			return PL_INF;
		if (lb + add > b->value)
			b->value = lb + add;
	}
	return b->value;
}

pl_cost
pl_bound_dearer(const struct pl_search *s, const pl_cost *ecost, uint32_t e,
    size_t i)
{
	const struct pl_bound *b = s->bound;
	const struct pl_model *m = s->m;
	pl_cost best = PL_INF;

	for (size_t r = 0; r < m->m; r++) {
		pl_cost v = ecost[r * m->nel + e];

		if (v < PL_INF && v - b->dual[r] + b->room[b->col_of[i]] < best)
			best = v - b->dual[r] + b->room[b->col_of[i]];
	}
	/* A mandatory column would stay empty. */
	if (best >= PL_BIG / 2)
		return PL_INF;
	return best > 0 ? best : 0;
}

/*
 * Prices if there were one more VM of a role, the largest optimal duals: they
 * say best what it costs to do without a column. PRICE_MAX: there is no room
 * for one more.
 */
#define PRICE_MAX (PL_BIG / 4)

static void
largest_duals(struct pl_bound *b)
{
	size_t m = b->m->m;

	for (size_t i = 0; i < m; i++)
		if (b->end[i] > PRICE_MAX)
			b->end[i] = PRICE_MAX;
	ways(b);
}

/* What the members of a class cost at least at these prices, but for e. */
static pl_cost
others(const struct pl_search *s, const uint32_t *list, uint32_t col,
    uint32_t e, pl_cost room)
{
	const struct pl_bound *b = s->bound;
	const struct pl_model *m = s->m;
	pl_cost least = room;

	for (uint32_t x = b->first[col]; x < b->first[col + 1]; x++) {
		uint32_t y = list[b->member[x]];

		for (size_t i = 0; i < m->m && y != e; i++) {
			pl_cost v = m->ecost[i * m->nel + y];

			if (v < PL_INF && v - b->dist[i] + room < least)
				least = v - b->dist[i] + room;
		}
	}
	return least > 0 ? least : 0;
}

static pl_cost
room_of(const struct pl_bound *b, uint32_t c)
{
	pl_cost room = 0;

	for (size_t i = 0; i < b->m->m && b->used[c] == b->cap[c]; i++) {
		pl_cost v = b->cost[i * b->maxcols + c];

		if (v < PL_INF && b->dist[i] - v > room)
			room = b->dist[i] - v;
	}
	return room;
}

size_t
pl_bound_picks(const struct pl_search *s, const uint32_t *list,
    struct pl_pick *out)
{
	struct pl_bound *b = s->bound;
	const struct pl_model *m = s->m;
	size_t d = 0;

	largest_duals(b);
	for (size_t u = 0; u < b->nunits; u++) {
		uint32_t c = b->unit_col[u], e = PLACE_NONE;
		const pl_cost *cost = m->ecost + b->unit_role[u] * m->nel;
		bool old = false;

		if (c < 2 * s->nchosen)
			continue;
		for (uint32_t x = b->first[c]; x < b->first[c + 1]; x++) {
			uint32_t y = list[b->member[x]];

			if (e == PLACE_NONE || cost[y] < cost[e])
				e = y;
		}
		for (size_t i = 0; i < d; i++)
			old = old || out[i].e == e;
		if (old)
			continue;
		out[d].e = e;
		out[d].col = c;
		out[d++].without =
		    b->cap[c] * others(s, list, c, e, room_of(b, c));
	}
	return d;
}

pl_cost
pl_bound_forced(const struct pl_search *s, uint32_t e, size_t i)
{
	const struct pl_bound *b = s->bound;
	pl_cost v;

	if (b->priced) {
		v = pl_median_forced(s, e, i);
		return v >= PL_INF ? v : v + b->extra;
	}
	v = pl_bound_dearer(s, s->m->ecost, e, i);
	return v >= PL_INF ? v : b->value + v;
}
