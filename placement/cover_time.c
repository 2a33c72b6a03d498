/*
 * cover_time.c - the search for the smallest time within which a group serves
 * the users: a binary search over the time, each step a covering problem
 * (Minieka, SIAM Review 1970), then the groups with larger times until all
 * ranks are filled.
 */
#include "placement/cover.h"

#include "common/pure/alloc.h"

#include <stdlib.h>

#define PROBE_NODES 3000

/* The times that any group can have: the best of all candidates at once, and
 * the largest time there is. */
static void
range(struct pl_search *s, const uint32_t *list, size_t n, uint32_t *low,
    uint32_t *high)
{
	const struct pl_model *m = s->m;
	uint32_t *d = xcalloc(m->nusers, sizeof *d);
	uint64_t v = 0;

	*high = 0;
	for (size_t u = 0; u < m->nusers; u++) {
		d[u] = PLACE_UNKNOWN;
		for (size_t x = 0; x < n; x++) {
			uint32_t e = list[x];
			uint32_t t = m->user_rtt[u * m->n + m->el[e].site];

			if (!m->serves[m->el[e].cls] || t == PLACE_UNKNOWN)
				continue;
			d[u] = t < d[u] ? t : d[u];
			*high = t > *high ? t : *high;
		}
		v = d[u] > v ? d[u] : v;
	}
	if (s->cover->agg == PLACE_AGG_PERCENTILE)
		v = pl_users_percentile(m->q, d, m->nusers,
		    m->q->terms[m->user_term].pct);
	*low = (uint32_t)v;
	free(d);
}

/* The smallest time above t; high if there is none. */
static uint32_t
above(const struct pl_model *m, uint32_t t, uint32_t high)
{
	for (size_t i = 0; i < m->nusers * m->n; i++)
		if (m->user_rtt[i] > t && m->user_rtt[i] < high)
			high = m->user_rtt[i];
	return high;
}

static void
visit_within(struct pl_search *s, const uint32_t *list, size_t n, uint32_t t)
{
	uint32_t *copy = xmemdup(list, (n + 1) * sizeof *list);

	s->cover->limit = t;
	pl_visit(s, copy, n, -PL_INF);
	free(copy);
}

/*
 * Is there a group within t? For a while: false with *cut is no answer. A cut
 * of the solve stays one.
 */
static bool
probe(struct pl_search *s, const uint32_t *list, size_t n, uint32_t t,
    uint64_t nodes, bool *cut)
{
	struct pl_ctl *ctl = s->ctl;
	uint64_t end = ctl->probe_end, own = ctl->nodes + nodes;
	bool found;

	if (end == 0 || own < end)
		ctl->probe_end = own;
	s->one = true;
	visit_within(s, list, n, t);
	s->one = false;
	found = s->done;
	s->done = false;
	ctl->probe_end = end;
	*cut = ctl->probe_cut;
	if (ctl->cut == PLACE_NOT_CUT && ctl->probe_cut &&
	    (end == 0 || ctl->nodes <= end)) {
		ctl->probe_cut = false;
		s->aborted = false;
		s->open = PL_INF;
	}
	return found;
}

/* The smallest time that a group below the last rank has, or what is known of
 * it, to floor; groups on the way are ranked. Returns the time to go on with. */
static uint32_t
search_time(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_cover *c = s->cover;
	uint32_t low, high, found;
	uint64_t nodes = PROBE_NODES;

	range(s, list, n, &low, &high);
	found = high;
	c->floor = low;
	while (low < found && !s->aborted) {
		uint32_t t = low + (found - low) / 2;
		bool cut, any;

		t = t == low ? low : above(s->m, t - 1, found);
		if (t == found)
			t = low + (found - low) / 2;
		any = probe(s, list, n, t, nodes, &cut);
		c->limit = PLACE_UNKNOWN;
		if (any)
			found =
			    t <= pl_cover_limit(s) ? t : pl_cover_limit(s) + 1;
		else if (s->aborted)
			break;
		else if (!cut)
			c->floor = low = above(s->m, t, found);
		else
			low = t + 1;
	}
	return found;
}

/* Where nothing but the users matters, and no limit holds, an element can
 * stand for any other. */
static bool
is_free(struct pl_search *s, const uint32_t *list, size_t n)
{
	const struct pl_model *m = s->m;

	if (s->sparse || !s->cover->plain || m->ncls > 1 || m->nside > 0 ||
	    m->user_limit_us != PLACE_UNKNOWN)
		return false;
	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++)
		if (m->cap[l] < m->k || m->min[l] > 1)
			return false;
	for (size_t x = 0; x < n; x++) {
		if (m->el[list[x]].cap != m->el[list[0]].cap)
			return false;
		for (size_t i = 0; i < m->m; i++)
			if (m->ecost[i * m->nel + list[x]] >= PL_INF)
				return false;
	}
	for (size_t i = 0; i < m->nusers * m->n; i++)
		if (m->user_rtt[i] == PLACE_UNKNOWN)
			return false;
	return true;
}

static bool
is_sparse(struct pl_search *s, const uint32_t *list, size_t n)
{
	for (size_t x = 0; x < n; x++) {
		const uint64_t *row = pl_graph_row(s, list[x]);
		size_t sum = 1;

		for (size_t w = 0; w < s->words; w++)
			sum += (size_t)__builtin_popcountll(row[w]);
		if (sum < n)
			return true;
	}
	return false;
}

/* Groups with larger times, until all ranks are filled and proved. */
void
pl_cover_run(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_cover *c = s->cover;
	uint32_t t, more;

	c->base = pl_bound_ship(s, list, n, s->m->ecost, 0);
	s->sparse = is_sparse(s, list, n);
	c->free = is_free(s, list, n);
	if (c->base < PL_INF) {
		t = s->ctl->has_below ? PLACE_UNKNOWN : search_time(s, list, n);
		more = t / 64 + 1;
		while (!s->aborted && !s->done) {
			visit_within(s, list, n, t);
			if (s->aborted || t == PLACE_UNKNOWN)
				break;
			if (s->ntop == s->topk &&
			    c->base + pl_cover_cost(c, (uint64_t)t + 1) >=
				s->thr)
				break;
			t = s->ntop == s->topk || t > PLACE_UNKNOWN - more
			    ? PLACE_UNKNOWN
			    : t + more;
			more *= 2;
		}
		if (s->aborted)
			pl_leave_open(s, c->base + pl_cover_cost(c, c->floor));
	}
}
