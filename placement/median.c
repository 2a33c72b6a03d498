/*
 * median.c - a bound for "the nearest VM serves each user", where the sum of
 * the users' times counts: the Lagrangian of "each user is served once" (see
 * e.g. Beasley, EJOR 1985). With a price per user a site is worth a discount,
 * the sum of what it undercuts the prices of its users by; with discounts as
 * costs, the relaxation of bound.c gives a lower bound of VMs and users
 * together, pair limits included. Subgradient steps look for good prices; any
 * prices give a valid bound. All numbers are times the weight of all users, so
 * that they stay integers.
 */
#include "placement/search.h"

#include <stdlib.h>
#include <string.h>

#define FAR (INT64_C(1) << 50) /* does not serve */
#define ROOT_ROUNDS 400
#define ROUNDS 60
#define LOOK 12
#define HOPE 16
#define TRY_EVERY 8
#define MAX_BYTES ((size_t)32 << 20) /* of the lists of nodes */
#define FEW 256 /* candidates */

struct keyed {
	pl_cost key;
	uint32_t e;
};

struct pl_median {
	const struct pl_model *m;
	/* Per user its sites, the nearest first: weight * time, and site; how
	 * many. First all, then those of the nodes down to this one, as far as there is room:
	 * candidates nearer than the chosen, and the time of the nearest
	 * chosen. */
	struct level {
		int64_t *time, *reach;
		uint32_t *site, *n;
	} level[PLACE_MAX_VMS + 2], *node;
	size_t nlevels;
	int64_t *price, *now; /* (k + 1) * nusers; nusers */
	int32_t *miss; /* per user: 1 - times it is served */
	/* After the users: a price for each VM in a zone, region or csp that
	 * has a cap, times weigh. */
	size_t nprices, first[PLACE_LEVEL_COUNT];
	int64_t weigh;
	int64_t *worth; /* per site: its discount, <= 0 */
	int32_t *taken; /* per site: elements that the relaxation takes */
	pl_cost *cost; /* m * nel */
	struct keyed *keyed; /* nel */
	pl_cost coef, scale, unit; /* unit: divides every cost of a group */
	pl_cost value;
};

static pl_cost
divisor(pl_cost a, pl_cost b)
{
	while (b != 0) {
		pl_cost r = a % b;

		a = b;
		b = r;
	}
	return a < 0 ? -a : a;
}

/* Is the sum small enough to be scaled? */
static bool
fits(struct pl_median *d)
{
	const struct pl_model *m = d->m;
	pl_cost most = 0;

	d->unit = d->coef;
	for (size_t i = 0; i < m->m * m->nel; i++) {
		pl_cost v = m->ecost[i];

		if (v >= PL_INF)
			continue;
		d->unit = divisor(d->unit, v);
		most = v > most ? v : -v > most ? -v : most;
	}
	return most < PL_MAX_COST / d->scale / PLACE_MAX_VMS &&
	    d->coef < PL_MAX_COST / FAR / PLACE_MAX_USERS;
}

struct near {
	int64_t time;
	uint32_t site;
};

static int
near_cmp(const void *a, const void *b)
{
	const struct near *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->site < y->site ? -1 : x->site > y->site;
}

static void
levels_make(struct pl_median *d)
{
	const struct pl_model *m = d->m;
	size_t cells = m->n * m->nusers + 1;
	size_t room = MAX_BYTES / (cells * (sizeof(int64_t) + 4));

	d->nlevels = room < 2 ? 2 : room > m->k + 2 ? m->k + 2 : room;
	for (size_t i = 0; i < d->nlevels; i++) {
		struct level *v = &d->level[i];

		v->time = xcalloc(cells, sizeof *v->time);
		v->site = xcalloc(cells, sizeof *v->site);
		v->n = xcalloc(m->nusers, sizeof *v->n);
		v->reach = xcalloc(m->nusers, sizeof *v->reach);
	}
}

/* The sites of user u that may serve it. False: too far to add up. */
static bool
near_make(struct pl_median *d, size_t u, struct near *v)
{
	const struct pl_model *m = d->m;
	size_t n = 0;

	for (uint32_t s = 0; s < m->n; s++) {
		uint32_t t = m->user_rtt[u * m->n + s];
		int64_t x = (int64_t)m->q->users[u].weight * t;

		if (t == PLACE_UNKNOWN || t > m->user_limit_us)
			continue;
		if (x >= FAR / 8)
			return false;
		v[n++] = (struct near){ x, s };
	}
	qsort(v, n, sizeof *v, near_cmp);
	for (size_t i = 0; i < n; i++) {
		d->level[0].time[u * m->n + i] = v[i].time;
		d->level[0].site[u * m->n + i] = v[i].site;
	}
	d->level[0].n[u] = (uint32_t)n;
	d->level[0].reach[u] = FAR / 4;
	d->price[u] = n > 1 ? v[1].time + v[1].time / 2 : FAR / 8;
	return true;
}

struct pl_median *
pl_median_new(const struct pl_model *m)
{
	struct pl_median *d;
	struct near *v;
	bool ok = true;

	if (m->user_term < 0 || m->nusers == 0 || m->coef[m->user_term] <= 0 ||
	    m->q->terms[m->user_term].agg != PLACE_AGG_SUM)
		return NULL;
	d = xcalloc(1, sizeof *d);
	d->m = m;
	d->coef = m->coef[m->user_term];
	d->scale = (pl_cost)m->user_weight_sum;
	levels_make(d);
	d->nprices = m->nusers;
	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++) {
		d->first[l] = d->nprices;
		d->nprices += m->cap[l] < m->k ? m->ngroups[l] : 0;
	}
	d->weigh = 1 + (int64_t)(m->nusers / (2 * m->k));
	d->price = xcalloc((m->k + 1) * d->nprices, sizeof *d->price);
	d->now = xcalloc(d->nprices, sizeof *d->now);
	d->miss = xcalloc(d->nprices, sizeof *d->miss);
	d->worth = xcalloc(m->n + 1, sizeof *d->worth);
	d->taken = xcalloc(m->n + 1, sizeof *d->taken);
	d->cost = xcalloc(m->m * m->nel + 1, sizeof *d->cost);
	d->keyed = xcalloc(m->nel + 1, sizeof *d->keyed);
	v = xcalloc(m->n + 1, sizeof *v);
	for (size_t u = 0; u < m->nusers && ok; u++)
		ok = near_make(d, u, v);
	free(v);
	if (ok && fits(d))
		return d;
	pl_median_free(d);
	return NULL;
}

void
pl_median_free(struct pl_median *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->nlevels; i++) {
		free(d->level[i].time);
		free(d->level[i].reach);
		free(d->level[i].site);
		free(d->level[i].n);
	}
	free(d->price);
	free(d->now);
	free(d->miss);
	free(d->worth);
	free(d->taken);
	free(d->keyed);
	free(d->cost);
	free(d);
}

/* What each site is worth at the prices of now. */
static void
discounts(struct pl_median *d)
{
	const struct pl_model *m = d->m;

	memset(d->worth, 0, m->n * sizeof *d->worth);
	for (size_t u = 0; u < m->nusers; u++) {
		const int64_t *time = d->node->time + u * m->n;
		const uint32_t *site = d->node->site + u * m->n;
		int64_t now = d->now[u];

		for (uint32_t i = 0; i < d->node->n[u] && time[i] < now; i++)
			d->worth[site[i]] += time[i] - now;
	}
}

/* What element e then costs. */
static void
discount(struct pl_median *d, uint32_t e)
{
	const struct pl_model *m = d->m;
	uint32_t site = m->el[e].site;
	int64_t off = m->serves[m->el[e].cls] ? d->worth[site] : 0;

	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++)
		if (m->cap[l] < m->k)
			off += d->now[d->first[l] + m->at[l][site]] * d->weigh;

	for (size_t i = 0; i < m->m; i++) {
		pl_cost c = m->ecost[i * m->nel + e];

		d->cost[i * m->nel + e] =
		    c >= PL_INF ? PL_INF : c * d->scale + d->coef * off;
	}
}

/*
 * What matters to the users in this node: candidates that are nearer than the
 * chosen. A price above the time of the nearest chosen is no better than that
 * time, so no discount of the chosen is needed.
 */
static void
node_make(struct pl_search *s, const struct level *from, const uint32_t *list,
    size_t n)
{
	struct pl_median *d = s->median;
	const struct pl_model *m = d->m;

	memset(d->taken, 0, m->n * sizeof *d->taken);
	for (size_t x = 0; x < n; x++)
		if (m->serves[m->el[list[x]].cls])
			d->taken[m->el[list[x]].site] = 1;
	for (size_t c = 0; c < s->nchosen; c++)
		if (m->serves[m->el[s->chosen[c]].cls])
			d->taken[m->el[s->chosen[c]].site] = -1;
	for (size_t u = 0; u < m->nusers; u++) {
		const int64_t *time = from->time + u * m->n;
		const uint32_t *site = from->site + u * m->n;
		uint32_t kept = 0, i = 0, all = from->n[u];

		for (; i < all && d->taken[site[i]] >= 0; i++)
			if (d->taken[site[i]] > 0) {
				d->node->time[u * m->n + kept] = time[i];
				d->node->site[u * m->n + kept++] = site[i];
			}
		d->node->n[u] = kept;
		d->node->reach[u] = i < all ? time[i] : from->reach[u];
		if (d->now[u] > d->node->reach[u])
			d->now[u] = d->node->reach[u];
	}
	memset(d->taken, 0, m->n * sizeof *d->taken);
}

/* The lists of the node that is chosen. */
static struct level *
level_of(struct pl_median *d, size_t nchosen)
{
	size_t last = d->nlevels - 1;

	return &d->level[nchosen < last ? nchosen + 1 : last];
}

static void
chosen_costs(struct pl_search *s)
{
	const struct pl_model *m = s->m;

	for (size_t c = 0; c < s->nchosen; c++)
		for (size_t i = 0; i < m->m; i++) {
			size_t at = i * m->nel + s->chosen[c];
			pl_cost v = m->ecost[at];

			s->median->cost[at] =
			    v >= PL_INF ? PL_INF : v * s->median->scale;
		}
}

static int
keyed_cmp(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->e < y->e ? -1 : x->e > y->e;
}

/* Cheapest first: that is the order for colours and for children. */
static void
order(const struct pl_median *d, uint32_t *list, size_t n)
{
	const struct pl_model *m = d->m;
	struct keyed *v = d->keyed;

	for (size_t x = 0; x < n; x++) {
		struct keyed k = { PL_INF, list[x] };
		size_t at = x;

		for (size_t i = 0; i < m->m; i++)
			if (d->cost[i * m->nel + list[x]] < k.key)
				k.key = d->cost[i * m->nel + list[x]];
		/* The last round left them nearly in order. */
		for (; n <= FEW && at > 0 && keyed_cmp(&v[at - 1], &k) > 0;
		     at--)
			v[at] = v[at - 1];
		v[at] = k;
	}
	if (n > FEW)
		qsort(v, n, sizeof *v, keyed_cmp);
	for (size_t x = 0; x < n; x++)
		list[x] = v[x].e;
}

/* The scaled bound at the prices of now. */
static pl_cost
evaluate(struct pl_search *s, uint32_t *list, size_t n)
{
	struct pl_median *d = s->median;
	const struct pl_model *m = s->m;
	pl_cost sum = 0, ship;

	discounts(d);
	for (size_t i = 0; i < n; i++)
		discount(d, list[i]);
	order(d, list, n);
	for (size_t u = 0; u < m->nusers; u++)
		sum += d->now[u];
	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++)
		for (size_t g = 0; m->cap[l] < m->k && g < m->ngroups[l]; g++)
			sum -= (pl_cost)d->now[d->first[l] + g] * d->weigh *
			    (m->cap[l] - s->used[l][g]);
	ship = pl_bound_ship(s, list, n, d->cost, d->scale);
	return ship >= PL_INF ? PL_INF : sum * d->coef + ship;
}

/* Rounding down the mean loses less than a unit of it. */
static pl_cost
unscaled(const struct pl_median *d, pl_cost v)
{
	pl_cost by = d->scale * d->unit, low = v - d->coef * (d->scale - 1);
	pl_cost t = low / by;

	if (low > 0 && low % by != 0)
		t++;
	return t * d->unit;
}

static void
served(struct pl_median *d, uint32_t e)
{
	d->taken[d->m->el[e].site] += d->m->serves[d->m->el[e].cls];
}

/* How often each user is served, less than once: miss. */
static void
count_served(struct pl_median *d)
{
	const struct pl_model *m = d->m;

	for (size_t u = 0; u < m->nusers; u++) {
		const int64_t *time = d->node->time + u * m->n;
		const uint32_t *site = d->node->site + u * m->n;
		int32_t miss = 1;

		for (uint32_t i = 0; i < d->node->n[u] && time[i] < d->now[u];
		     i++)
			miss -= d->taken[site[i]];
		d->miss[u] = miss;
	}
	memset(d->taken, 0, m->n * sizeof *d->taken);
}

/* VMs that the relaxation has in each place with a cap, less the cap: miss. */
static void
count_capped(struct pl_search *s, const uint32_t *list, size_t n)
{
	struct pl_median *d = s->median;
	const struct pl_model *m = s->m;
	const struct pl_bound *b = s->bound;

	for (int l = PLACE_LEVEL_ZONE; l < PLACE_LEVEL_COUNT; l++) {
		int32_t *miss = d->miss + d->first[l];
		size_t col = 2 * s->nchosen;

		if (m->cap[l] >= m->k)
			continue;
		for (size_t g = 0; g < m->ngroups[l]; g++)
			miss[g] = (int32_t)s->used[l][g] - (int32_t)m->cap[l];
		for (size_t i = 0; i < n; i++)
			if (b->col_of[i] == col)
				miss[m->at[l][m->el[list[i]].site]] +=
				    (int32_t)b->used[col++];
	}
}

/* Raises the price of who is not served, lowers that of who is twice.
 * False: each is served once, there is no better bound. */
static bool
step(struct pl_search *s, const uint32_t *list, size_t n, pl_cost value,
    pl_cost goal, int64_t share)
{
	struct pl_median *d = s->median;
	const struct pl_bound *b = s->bound;
	size_t nusers = d->m->nusers, col = 2 * s->nchosen;
	pl_cost norm = 0, move;

	/* The first of a class is its cheapest. */
	for (size_t i = 0; i < n; i++)
		if (b->col_of[i] == col) {
			if (b->used[col] > 0)
				served(d, list[i]);
			col++;
		}
	count_served(d);
	count_capped(s, list, n);
	for (size_t u = 0; u < d->nprices; u++) {
		int64_t w = u < nusers ? 1 : d->weigh;

		if (u < nusers
			? d->miss[u] > 0 && d->now[u] >= d->node->reach[u]
			: d->miss[u] < 0 && d->now[u] == 0)
			d->miss[u] = 0;
		norm += (pl_cost)d->miss[u] * d->miss[u] * w * w;
	}
	if (norm == 0)
		return false;
	move = (goal - value) * share / (d->coef * norm) / 1024;
	if (move < 1)
		move = 1;
	if (move > FAR / 64)
		move = FAR / 64;
	for (size_t u = 0; u < d->nprices; u++) {
		int64_t most = u < nusers ? d->node->reach[u] : FAR / 4;

		d->now[u] +=
		    (int64_t)move * d->miss[u] * (u < nusers ? 1 : d->weigh);
		if (d->now[u] < 0)
			d->now[u] = 0;
		if (d->now[u] > most)
			d->now[u] = most;
	}
	return true;
}

/* Drops candidates with which a group is dearer than the last rank, at the
 * prices of now: what holds at any prices holds. */
static size_t
peg(struct pl_search *s, uint32_t *list, size_t n, pl_cost value)
{
	const struct pl_median *d = s->median;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		pl_cost add = pl_bound_dearer(s, d->cost, list[i], i);

		if (add < PL_INF && !pl_over(s, unscaled(d, value + add)))
			list[kept++] = list[i];
	}
	return kept;
}

/* Is the last rank too far for the steps that are left, if the last few gained
 * so much? */
static bool
hopeless(const struct pl_search *s, pl_cost gain)
{
	const struct pl_median *d = s->median;

	return s->thr < PL_INF && s->thr * d->scale - d->value > HOPE * gain;
}

pl_cost
pl_median_bound(struct pl_search *s, uint32_t *list, size_t *count)
{
	struct pl_median *d = s->median;
	size_t size = d->nprices * sizeof *d->now;
	bool root = s->nchosen == 0;
	int64_t *best = d->price + s->nchosen * d->nprices;
	int64_t share = root ? 1229 : 614;
	size_t rounds = root ? ROOT_ROUNDS : ROUNDS, bad = 0;
	size_t n = *count, made = n;
	struct level *from;
	bool last = false;
	pl_cost was = -PL_MAX_COST;

	memcpy(d->now, s->nchosen > 0 ? best - d->nprices : best, size);
	d->value = -PL_INF;
	chosen_costs(s);
	d->node = level_of(d, s->nchosen);
	from = root ? &d->level[0] : level_of(d, s->nchosen - 1);
	node_make(s, from == d->node ? from - 1 : from, list, n);
	for (size_t r = 0; r < rounds && share > 4; r++) {
		pl_cost v = evaluate(s, list, n), goal;

		if (v >= PL_INF)
			return PL_INF;
		last = v > d->value;
		if (last) {
			d->value = v;
			memcpy(best, d->now, size);
			bad = 0;
		} else if (++bad == (root ? 8 : 4)) {
			share = share * 5 / 8;
			bad = 0;
		}
		if (unscaled(d, d->value) >= s->thr)
			break;
		if (s->nchosen == 0 && r % TRY_EVERY == 0)
			pl_search_try(s, list, n);
		if (!root && r % LOOK == LOOK - 1) {
			if (hopeless(s, d->value - was))
				break;
			was = d->value;
		}
		goal = s->thr < PL_INF ? s->thr * d->scale + d->coef
				       : v + v / 20 + d->coef * 1000;
		if (!step(s, list, n, v, goal > v ? goal : v + d->coef, share))
			break;
		if (s->thr < PL_INF) {
			*count = peg(s, list, n, v);
			last = last && *count == n;
			n = *count;
			if (8 * n < 7 * made) {
				node_make(s, d->node, list, n);
				made = n;
			}
		}
	}
	if (!last) {
		memcpy(d->now, best, size);
		d->value = evaluate(s, list, n);
	}
	return unscaled(d, d->value);
}

pl_cost
pl_median_forced(const struct pl_search *s, uint32_t e, size_t i)
{
	const struct pl_median *d = s->median;
	pl_cost add = pl_bound_dearer(s, d->cost, e, i);

	return add >= PL_INF ? PL_INF : unscaled(d, d->value + add);
}
