/*
 * cover.c - which groups serve the users within a time? The worst user and the
 * percentile ask for it: a value of at most T means that users of enough
 * weight each have a chosen element within T. T comes from the last rank, or
 * is tried (cover_time.c), or is the query's maxRttToUserMs.
 *
 * The bound is the Lagrangian of "a user counts once, and only if an element
 * near it is chosen" (Church and ReVelle's covering problem, see e.g. Galvao
 * and ReVelle, EJOR 1996): with a price per user, at most the weight of all
 * users less their prices, and what the best elements collect of the prices,
 * can be served. Prices are integers; any prices give a valid bound. With the
 * same prices elements leave that no such group has.
 */
#include "placement/cover.h"

#include <stdlib.h>
#include <string.h>

#define UNIT (INT64_C(1) << 16) /* prices per unit of weight */
#define ROOT_ROUNDS 240
#define ROUNDS 16
#define FEW 256 /* candidates */
#define SHARE_ONE 1024 /* of the length of a step */

struct pl_cover *
pl_cover_new(const struct pl_model *m, bool feasibility)
{
	const struct place_term *t =
	    m->user_term < 0 ? NULL : &m->q->terms[m->user_term];
	bool value = !feasibility && t != NULL && t->agg != PLACE_AGG_SUM &&
	    m->coef[m->user_term] > 0;
	struct pl_cover *c;

	if (m->nusers == 0 || (!value && m->user_limit_us == PLACE_UNKNOWN))
		return NULL;
	c = xcalloc(1, sizeof *c);
	c->m = m;
	c->hard = !value;
	c->agg = value ? t->agg : PLACE_AGG_MINIMAX;
	c->words = m->nusers / 64 + 1;
	for (size_t u = 0; u < m->nusers; u++)
		c->all += m->q->users[u].weight;
	if (c->agg == PLACE_AGG_PERCENTILE)
		c->slack = c->all - (c->all * t->pct + 99) / 100;
	c->plain = m->pair_term < 0 && c->agg != PLACE_AGG_FAIR;
	for (size_t i = 0; i < m->m * m->nel; i++)
		c->plain =
		    c->plain && (m->ecost[i] == 0 || m->ecost[i] >= PL_INF);
	c->limit = c->at = PLACE_UNKNOWN;
	c->near = xcalloc(m->nel * c->words + 1, sizeof *c->near);
	c->open = xcalloc(2 * c->words, sizeof *c->open);
	c->reach = c->open + c->words;
	c->price = xcalloc((m->k + 2) * m->nusers, sizeof *c->price);
	c->now = c->price + (m->k + 1) * m->nusers;
	c->miss = xcalloc(m->nusers, sizeof *c->miss);
	c->key = xcalloc(m->nel + 1, sizeof *c->key);
	c->worth = xcalloc(m->nel + 1, sizeof *c->worth);
	c->take = xcalloc(2 * PLACE_MAX_VMS, sizeof *c->take);
	c->mask = xcalloc(m->nel / 64 + 1, sizeof *c->mask);
	c->gone = xcalloc(m->nel + 1, sizeof *c->gone);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		c->left[l] = xcalloc(m->ngroups[l] + 1, sizeof *c->left[l]);
	return c;
}

void
pl_cover_free(struct pl_cover *c)
{
	if (c == NULL)
		return;
	free(c->near);
	free(c->open);
	free(c->price);
	free(c->miss);
	free(c->key);
	free(c->worth);
	free(c->take);
	free(c->mask);
	free(c->gone);
	for (int l = PLACE_LEVEL_SITE; l < PLACE_LEVEL_COUNT; l++)
		free(c->left[l]);
	free(c);
}

pl_cost
pl_cover_cost(const struct pl_cover *c, uint64_t t)
{
	pl_cost v =
	    c->agg == PLACE_AGG_FAIR ? (pl_cost)t * PLACE_FAIR : (pl_cost)t;

	return c->m->coef[c->m->user_term] * v;
}

uint32_t
pl_cover_limit(const struct pl_search *s)
{
	const struct pl_cover *c = s->cover;
	const struct pl_model *m = s->m;
	pl_cost t = c->limit, v;
	pl_cost unit = c->agg == PLACE_AGG_FAIR ? PLACE_FAIR : 1;

	if (c->agg != PLACE_AGG_PERCENTILE && m->user_limit_us < t)
		t = m->user_limit_us;
	if (c->hard)
		return (uint32_t)t;
	if (m->user_cap_us >= 0 && m->user_cap_us / unit < t)
		t = m->user_cap_us / unit;
	if (s->thr < PL_INF) {
		v = s->thr - 1 - c->base;
		v = v < 0 ? -1 : v / m->coef[m->user_term] / unit;
		t = v < t ? v : t;
	}
	return t < 0 ? 0 : (uint32_t)t;
}

static void
near_make(struct pl_cover *c, uint32_t t)
{
	const struct pl_model *m = c->m;

	c->at = t;
	memset(c->near, 0, m->nel * c->words * sizeof *c->near);
	for (size_t e = 0; e < m->nel; e++) {
		uint64_t *row = c->near + e * c->words;
		uint32_t site = m->el[e].site;

		for (size_t u = 0; m->serves[m->el[e].cls] && u < m->nusers;
		     u++)
			if (m->user_rtt[u * m->n + site] <= t)
				row[u >> 6] |= UINT64_C(1) << (u & 63);
	}
}

/* Chosen elements that serve, of as many as there may be at most. */
static size_t
places(const struct pl_search *s)
{
	const struct pl_model *m = s->m;
	size_t open = m->k - s->nchosen, vms = 0;

	for (size_t i = 0; i < m->m; i++)
		vms += m->serves[m->cls[i]] ? m->count[i] : 0;
	for (size_t x = 0; x < s->nchosen && vms > 0; x++)
		vms -= m->serves[m->el[s->chosen[x]].cls];
	return vms < open ? vms : open;
}

/* Users that still need an element: open. Returns the weight that may stay
 * without one, negative if too many have none in reach. */
static int64_t
needs(struct pl_search *s, const uint32_t *list, size_t n, bool *any)
{
	struct pl_cover *c = s->cover;
	const struct pl_model *m = s->m;
	int64_t slack = (int64_t)c->slack, need = 0;

	memset(c->open, 0, 2 * c->words * sizeof *c->open);
	for (size_t x = 0; x < s->nchosen; x++)
		for (size_t w = 0; w < c->words; w++)
			c->open[w] |= c->near[s->chosen[x] * c->words + w];
	for (size_t x = 0; x < n; x++)
		for (size_t w = 0; w < c->words; w++)
			c->reach[w] |= c->near[list[x] * c->words + w];
	for (size_t u = 0; u < m->nusers; u++) {
		uint64_t bit = UINT64_C(1) << (u & 63);

		c->open[u >> 6] ^= bit;
		if ((c->open[u >> 6] & bit) == 0)
			continue;
		if ((c->reach[u >> 6] & bit) == 0) {
			slack -= m->q->users[u].weight;
			c->open[u >> 6] ^= bit;
			continue;
		}
		need += m->q->users[u].weight;
	}
	*any = need > slack;
	return slack;
}

/* Prices of the first look: a user's weight; of the worst user, whose weights
 * do not matter, the inverse of what its best element reaches. */
static void
first_prices(struct pl_cover *c, const uint32_t *list, size_t n)
{
	const struct pl_model *m = c->m;

	for (size_t u = 0; u < m->nusers; u++) {
		size_t most = 1;

		c->now[u] = (int64_t)m->q->users[u].weight * UNIT;
		if (c->slack > 0)
			continue;
		for (size_t x = 0; x < n; x++) {
			const uint64_t *row = c->near + list[x] * c->words;
			size_t sum = 0;

			if (!pl_bit(row, (uint32_t)u))
				continue;
			for (size_t w = 0; w < c->words; w++)
				sum += (size_t)__builtin_popcountll(
				    row[w] & c->open[w]);
			most = sum > most ? sum : most;
		}
		c->now[u] = 64 * UNIT / (int64_t)most;
	}
}

static int
keyed_cmp(const void *a, const void *b)
{
	const struct pl_keyed *x = a, *y = b;

	if (x->worth != y->worth)
		return x->worth > y->worth ? -1 : 1;
	return x->e < y->e ? -1 : x->e > y->e;
}

/* The candidates that serve, in any order. */
static void
keys_make(struct pl_cover *c, const uint32_t *list, size_t n)
{
	c->n = 0;
	for (size_t x = 0; x < n; x++)
		if (c->m->serves[c->m->el[list[x]].cls])
			c->key[c->n++] = (struct pl_keyed){ 0, list[x] };
}

/* What each of them collects, the most first; returns all prices. */
static int64_t
worths(struct pl_cover *c)
{
	int64_t sum = 0;

	for (size_t x = 0; x < c->n; x++) {
		struct pl_keyed k = c->key[x];
		const uint64_t *row = c->near + k.e * c->words;
		size_t at = x;

		k.worth = 0;
		for (size_t w = 0; w < c->words; w++)
			for (uint64_t b = row[w] & c->open[w]; b != 0;
			     b &= b - 1)
				k.worth +=
				    c->now[64 * w + (size_t)__builtin_ctzll(b)];
		c->worth[k.e] = k.worth;
		/* The last round left them nearly in order. */
		for (; c->n <= FEW && at > 0 &&
		     keyed_cmp(&c->key[at - 1], &k) > 0;
		     at--)
			c->key[at] = c->key[at - 1];
		c->key[at] = k;
	}
	if (c->n > FEW)
		qsort(c->key, c->n, sizeof *c->key, keyed_cmp);
	for (size_t w = 0; w < c->words; w++)
		for (uint64_t b = c->open[w]; b != 0; b &= b - 1)
			sum += c->now[64 * w + (size_t)__builtin_ctzll(b)];
	return sum;
}

/* The best t from key[from] on under the caps, which nest: greedy is exact. */
static int64_t
take_capped(struct pl_search *s, size_t from, size_t t)
{
	struct pl_cover *c = s->cover;
	const struct pl_model *m = s->m;
	int64_t sum = 0;

	for (size_t i = 0; i < s->nlevels; i++) {
		enum place_level l = s->levels[i];

		for (size_t g = 0; g < m->ngroups[l]; g++)
			c->left[l][g] = m->cap[l] - s->used[l][g];
	}
	c->ntake = 0;
	for (size_t x = from; x < c->n && c->ntake < t; x++) {
		uint32_t site = m->el[c->key[x].e].site;
		bool room = true;

		for (size_t i = 0; i < s->nlevels && room; i++)
			room =
			    c->left[s->levels[i]][m->at[s->levels[i]][site]] >
			    0;
		if (!room)
			continue;
		for (size_t i = 0; i < s->nlevels; i++)
			c->left[s->levels[i]][m->at[s->levels[i]][site]]--;
		c->take[c->ntake++] = (uint32_t)x;
		sum += c->key[x].worth;
	}
	return sum;
}

/* The same with one of each class of candidates that exclude each other. */
static int64_t
take_classes(struct pl_search *s, size_t from, size_t t)
{
	struct pl_cover *c = s->cover;
	uint32_t *take = c->take + PLACE_MAX_VMS;
	size_t n = 0;
	int64_t sum = 0;

	memset(c->gone, 0, c->n * sizeof *c->gone);
	for (size_t x = from; x < c->n && n < t; x++) {
		if (c->gone[x])
			continue;
		take[n++] = (uint32_t)x;
		sum += c->key[x].worth;
		memcpy(c->mask, pl_graph_row(s, c->key[x].e),
		    s->words * sizeof *c->mask);
		for (size_t y = x + 1; y < c->n; y++) {
			const uint64_t *row;

			if (c->gone[y] || pl_bit(c->mask, c->key[y].e))
				continue;
			c->gone[y] = true;
			row = pl_graph_row(s, c->key[y].e);
			for (size_t w = 0; w < s->words; w++)
				c->mask[w] |= row[w];
		}
	}
	c->ntake = n;
	memcpy(c->take, take, n * sizeof *take);
	return sum;
}

/* No group collects more; take[]: one that might. */
static int64_t
take_best(struct pl_search *s, size_t from, size_t t)
{
	int64_t a, b;

	a = take_capped(s, from, t);
	if (!s->sparse)
		return a;
	b = take_classes(s, from, t);
	return b < a ? b : take_capped(s, from, t);
}

/* Dearer who is not served, cheaper who is twice. False: nobody is. */
static bool
step(struct pl_cover *c, int64_t over, int64_t share)
{
	const struct pl_model *m = c->m;
	int64_t norm = 0, move;

	for (size_t u = 0; u < m->nusers; u++)
		c->miss[u] = 1;
	for (size_t i = 0; i < c->ntake; i++) {
		const uint64_t *row = c->near + c->key[c->take[i]].e * c->words;

		for (size_t w = 0; w < c->words; w++)
			for (uint64_t b = row[w] & c->open[w]; b != 0;
			     b &= b - 1)
				c->miss[64 * w + (size_t)__builtin_ctzll(b)]--;
	}
	for (size_t u = 0; u < m->nusers; u++)
		if (pl_bit(c->open, (uint32_t)u))
			norm += (int64_t)c->miss[u] * c->miss[u];
	if (norm == 0)
		return false;
	move = (int64_t)((pl_cost)over * share / norm / SHARE_ONE) + 1;
	for (size_t u = 0; u < m->nusers; u++) {
		int64_t most = (int64_t)m->q->users[u].weight * UNIT;

		if (!pl_bit(c->open, (uint32_t)u))
			continue;
		c->now[u] += move * c->miss[u];
		if (c->slack == 0)
			most = UNIT << 16;
		if (c->now[u] > most)
			c->now[u] = most;
		if (c->now[u] < 0)
			c->now[u] = 0;
	}
	return true;
}

/* Drops candidates with which too little can be collected. have: by the best;
 * want: so much is needed. */
static size_t
drop(struct pl_cover *c, uint32_t *list, size_t n, size_t t, int64_t have,
    int64_t want)
{
	const struct pl_model *m = c->m;
	size_t kept = 0, keys = 0;
	int64_t last = c->ntake < t ? 0 : c->key[c->take[c->ntake - 1]].worth;

	if (c->ntake == t)
		last = c->key[c->take[c->ntake - 1]].worth;
	for (size_t x = 0; x < c->n; x++)
		if (c->key[x].worth >= last ||
		    have - last + c->key[x].worth >= want)
			c->key[keys++] = c->key[x];
	c->n = keys;
	for (size_t x = 0; x < n; x++)
		if (!m->serves[m->el[list[x]].cls] ||
		    c->worth[list[x]] >= last ||
		    have - last + c->worth[list[x]] >= want)
			list[kept++] = list[x];
	return kept;
}

static void
price_start(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_cover *c = s->cover;
	size_t size = s->m->nusers;

	if (s->nchosen == 0)
		first_prices(c, list, n);
	else
		memcpy(c->now, c->price + (s->nchosen - 1) * size,
		    size * sizeof *c->now);
}

bool
pl_cover_bound(struct pl_search *s, uint32_t *list, size_t *n)
{
	struct pl_cover *c = s->cover;
	uint32_t t = pl_cover_limit(s);
	size_t size = s->m->nusers, open = places(s);
	int64_t *best = c->price + s->nchosen * size, slack, least = INT64_MAX;
	int64_t share = SHARE_ONE, over, q;
	size_t rounds = s->nchosen == 0 ? ROOT_ROUNDS : ROUNDS, bad = 0;
	bool any, more;

	if (t == PLACE_UNKNOWN)
		return true;
	if (t != c->at)
		near_make(c, t);
	slack = needs(s, list, *n, &any);
	if (slack < 0 || (any && open == 0))
		return false;
	price_start(s, list, *n);
	memcpy(best, c->now, size * sizeof *best);
	slack *= UNIT;
	keys_make(c, list, *n);
	for (size_t r = 0; any && r < rounds && share > 32; r++) {
		int64_t sum = worths(c);
		int64_t have = take_best(s, 0, open), want = sum - slack;

		if (have < want)
			return false;
		over = have - want;
		/* Of the worst user only the ratio counts. */
		q = c->slack > 0 ? over
				 : (int64_t)(((pl_cost)over << 20) / (sum + 1));
		if (q < least) {
			least = q;
			memcpy(best, c->now, size * sizeof *best);
			bad = 0;
		} else if (++bad == 6) {
			share = share * 5 / 8;
			bad = 0;
		}
		more = step(c, over + sum / 64, share);
		/* take[] is of no use any more. */
		*n = drop(c, list, *n, open, have, want);
		if (!more)
			break;
	}
	return true;
}

bool
pl_cover_value(const struct pl_search *s)
{
	return s->cover != NULL && !s->cover->hard;
}

pl_cost
pl_cover_floor(const struct pl_search *s)
{
	return s->cover == NULL || s->cover->hard
	    ? 0
	    : pl_cover_cost(s->cover, s->cover->floor);
}

bool
pl_cover_plain(const struct pl_search *s)
{
	return s->cover != NULL && !s->cover->hard && s->cover->plain;
}

/* The user that the fewest candidates can serve: a group has one of them. */
static size_t
branch_user(struct pl_cover *c, uint32_t *order, size_t n)
{
	const struct pl_model *m = c->m;
	size_t least = SIZE_MAX, user = 0, d = 0;

	for (size_t u = 0; u < m->nusers; u++) {
		size_t sum = 0;

		if (!pl_bit(c->open, (uint32_t)u))
			continue;
		for (size_t x = 0; x < n && sum < least; x++)
			sum +=
			    pl_bit(c->near + order[x] * c->words, (uint32_t)u);
		if (sum < least) {
			least = sum;
			user = u;
		}
	}
	for (size_t x = 0; x < n; x++) {
		uint32_t e = order[x];

		if (!pl_bit(c->near + e * c->words, (uint32_t)user))
			continue;
		memmove(order + d + 1, order + d, (x - d) * sizeof *order);
		order[d++] = e;
	}
	return d;
}

/* Without the first of these too little can be collected from the rest. */
static size_t
branch_worth(struct pl_search *s, size_t t, int64_t want)
{
	struct pl_cover *c = s->cover;
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (take_best(s, mid, t) < want)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* order: the list, what helps most first. Each group has one of the first
 * that are returned; n if that is not known. */
static size_t
branches(struct pl_search *s, const uint32_t *list, size_t n, uint32_t *order)
{
	struct pl_cover *c = s->cover;
	size_t size = s->m->nusers, d, first;
	int64_t slack, want;
	bool any;

	slack = needs(s, list, n, &any);
	if (!any || slack < 0)
		return slack < 0 ? 0 : n;
	memcpy(c->now, c->price + s->nchosen * size, size * sizeof *c->now);
	keys_make(c, list, n);
	want = worths(c) - slack * UNIT;
	first = slack > 0 ? branch_worth(s, places(s), want) : n;
	d = c->n;
	for (size_t x = 0; x < n; x++)
		if (!s->m->serves[s->m->el[list[x]].cls])
			order[d++] = list[x];
	for (size_t x = 0; x < c->n; x++)
		order[x] = c->key[x].e;
	if (slack == 0)
		first = branch_user(c, order, c->n);
	return first;
}

/*
 * No group has order[at]: then none has an element instead that serves no more
 * of the open users. Leaves those out behind it.
 */
static size_t
dominated(const struct pl_cover *c, const uint64_t *open, uint32_t *order,
    size_t at, size_t n, size_t *first)
{
	const uint64_t *best = c->near + order[at] * c->words;
	size_t kept = at + 1, branches = at + 1;

	for (size_t x = at + 1; x < n; x++) {
		const uint64_t *row = c->near + order[x] * c->words;
		uint64_t more = 0;

		for (size_t w = 0; w < c->words; w++)
			more |= row[w] & open[w] & ~best[w];
		if (more == 0)
			continue;
		branches += x < *first;
		order[kept++] = order[x];
	}
	*first = branches;
	return kept;
}

bool
pl_cover_visit(struct pl_search *s, const uint32_t *list, size_t n, pl_cost lb)
{
	struct pl_cover *c = s->cover;
	uint32_t *order, *sub;
	uint64_t *open;
	size_t first;

	if (c->hard || pl_cover_limit(s) == PLACE_UNKNOWN ||
	    pl_cover_limit(s) != c->at)
		return false;
	order = xcalloc(2 * n + 1, sizeof *order);
	sub = order + n;
	first = branches(s, list, n, order);
	if (first >= n || (!c->plain && 2 * first > n)) {
		free(order);
		return false;
	}
	open = xmemdup(c->open, c->words * sizeof *open);
	for (size_t i = 0; i < first && !s->done; i++) {
		if (s->aborted) {
			pl_leave_open(s, lb);
			break;
		}
		pl_choose(s, order[i]);
		pl_visit(s, sub, pl_narrow(s, sub, order, i + 1, n), lb);
		pl_unchoose(s);
		if (c->free && (s->one || s->topk == 1))
			n = dominated(c, open, order, i, n, &first);
	}
	free(open);
	free(order);
	return true;
}
