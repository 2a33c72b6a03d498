/*
 * users.c - terms that belong to a set of sites as a whole: how well the
 * nearest VM serves each user, and the mean over the pairs of VMs. For each,
 * the exact value of the chosen elements and a lower bound of what it can
 * become if up to t candidates are added.
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t
user_site(const struct place_user *u, const struct place_world *w)
{
	uint32_t best = PLACE_NONE;

	for (uint32_t s = 0; s < w->nsites; s++) {
		if (u->site != NULL) {
			if (strcmp(w->sites[s].id, u->site) == 0)
				return s;
		} else if (strcmp(w->sites[s].region, u->region) == 0 &&
		    (best == PLACE_NONE ||
			strcmp(w->sites[s].id, w->sites[best].id) < 0)) {
			best = s;
		}
	}
	return best;
}

uint32_t
pl_user_rtt(const struct place_query *q, const struct place_world *w,
    uint32_t u, uint32_t site)
{
	if (w->user_rtt_us != NULL)
		return w->user_rtt_us[(size_t)u * w->nsites + site];
	return place_pair_rtt(q, w, user_site(&q->users[u], w), site);
}

bool
pl_users_build(struct pl_model *m, struct mw_err *err)
{
	const struct place_query *q = m->q;

	(void)err;
	m->user_rtt =
	    arena_array(m->arena, m->nusers * m->n + 1, sizeof *m->user_rtt);
	for (uint32_t u = 0; u < m->nusers; u++) {
		uint32_t at = m->w->user_rtt_us != NULL
		    ? 0
		    : user_site(&q->users[u], m->w);

		m->user_weight_sum += q->users[u].weight;
		for (size_t s = 0; s < m->n; s++) {
			uint32_t *d = &m->user_rtt[u * m->n + s];

			*d = m->w->user_rtt_us != NULL
			    ? pl_user_rtt(q, m->w, u, m->site[s])
			    : place_pair_rtt(q, m->w, at, m->site[s]);
			if (*d == PLACE_UNKNOWN &&
			    q->missing_user_rtt != PLACE_MISSING_EXCLUDE)
				m->no_data = "a user's time to a site is not "
					     "known (missing.userRtt)";
		}
	}
	return true;
}

/* Time of user u to the nearest chosen element that serves. */
static void
nearest_chosen(struct pl_search *s)
{
	const struct pl_model *m = s->m;

	for (size_t u = 0; u < m->nusers; u++) {
		uint32_t best = PLACE_UNKNOWN;

		for (size_t i = 0; i < s->nchosen; i++) {
			const struct pl_element *e = &m->el[s->chosen[i]];
			uint32_t d = m->user_rtt[u * m->n + e->site];

			if (m->serves[e->cls] && d < best)
				best = d;
		}
		s->user_now[u] = best;
	}
}

/* What the times of s->user_now cost; PL_INF: over a limit. */
static pl_cost
cost_of(const struct pl_search *s, const uint32_t *d)
{
	const struct pl_model *m = s->m;
	uint64_t sum = 0, max = 0, v;

	for (size_t u = 0; u < m->nusers; u++) {
		if (d[u] == PLACE_UNKNOWN ||
		    (m->user_limit_us != PLACE_UNKNOWN &&
			d[u] > m->user_limit_us))
			return PL_INF;
		sum += (uint64_t)d[u] * m->q->users[u].weight;
		if (d[u] > max)
			max = d[u];
	}
	if (m->user_term < 0 || m->nusers == 0)
		return 0;
	v = m->q->terms[m->user_term].minimax ? max : sum / m->user_weight_sum;
	if (m->user_cap_us >= 0 && v > (uint64_t)m->user_cap_us)
		return PL_INF;
	return m->coef[m->user_term] * (pl_cost)v;
}

pl_cost
pl_users_cost(struct pl_search *s)
{
	if (s->m->nusers == 0)
		return 0;
	nearest_chosen(s);
	return cost_of(s, s->user_now);
}

/* All candidates at once: nobody can be served better than that. */
static pl_cost
optimistic(struct pl_search *s, const uint32_t *list, size_t n)
{
	const struct pl_model *m = s->m;
	uint32_t *d = s->user_now + m->nusers;

	for (size_t u = 0; u < m->nusers; u++) {
		const uint32_t *row = m->user_rtt + u * m->n;

		d[u] = s->user_now[u];
		for (size_t i = 0; i < n; i++) {
			const struct pl_element *e = &m->el[list[i]];

			if (m->serves[e->cls] && row[e->site] < d[u])
				d[u] = row[e->site];
		}
	}
	return cost_of(s, d);
}

/* Keeps the t largest of gain in best[]. */
static void
keep_largest(uint64_t *best, size_t t, uint64_t gain)
{
	size_t i = t;

	if (gain <= best[t - 1])
		return;
	while (--i > 0 && best[i - 1] < gain)
		best[i] = best[i - 1];
	best[i] = gain;
}

/*
 * The weighted sum is submodular: t additions save no more than the t largest
 * single savings. Needs every user served already.
 */
static pl_cost
by_savings(struct pl_search *s, const uint32_t *list, size_t n, size_t t)
{
	const struct pl_model *m = s->m;
	uint64_t best[PLACE_MAX_VMS] = { 0 }, sum = 0, save = 0;

	for (size_t u = 0; u < m->nusers; u++) {
		if (s->user_now[u] == PLACE_UNKNOWN)
			return 0;
		sum += (uint64_t)s->user_now[u] * m->q->users[u].weight;
	}
	for (size_t i = 0; i < n; i++) {
		const struct pl_element *e = &m->el[list[i]];
		uint64_t gain = 0;

		if (!m->serves[e->cls])
			continue;
		for (size_t u = 0; u < m->nusers; u++) {
			uint32_t d = m->user_rtt[u * m->n + e->site];

			if (d < s->user_now[u])
				gain += (uint64_t)(s->user_now[u] - d) *
				    m->q->users[u].weight;
		}
		keep_largest(best, t, gain);
	}
	for (size_t i = 0; i < t; i++)
		save += best[i];
	sum = save > sum ? 0 : sum - save;
	return m->coef[m->user_term] * (pl_cost)(sum / m->user_weight_sum);
}

/* Can t of the list bring every user under the limit, by counting? */
static bool
can_cover(const struct pl_search *s, const uint32_t *list, size_t n, size_t t)
{
	const struct pl_model *m = s->m;
	uint64_t best[PLACE_MAX_VMS] = { 0 }, need = 0, have = 0;

	for (size_t u = 0; u < m->nusers; u++)
		need += s->user_now[u] > m->user_limit_us;
	for (size_t i = 0; i < n && need > 0; i++) {
		const struct pl_element *e = &m->el[list[i]];
		uint64_t gain = 0;

		for (size_t u = 0; m->serves[e->cls] && u < m->nusers; u++)
			gain += s->user_now[u] > m->user_limit_us &&
			    m->user_rtt[u * m->n + e->site] <= m->user_limit_us;
		keep_largest(best, t, gain);
	}
	for (size_t i = 0; i < t; i++)
		have += best[i];
	return have >= need;
}

pl_cost
pl_users_bound(struct pl_search *s, const uint32_t *list, size_t n, size_t t)
{
	const struct pl_model *m = s->m;
	pl_cost a, b;

	if (m->nusers == 0)
		return 0;
	nearest_chosen(s);
	if (t == 0)
		return cost_of(s, s->user_now);
	a = optimistic(s, list, n);
	if (a >= PL_INF)
		return a;
	if (m->user_limit_us != PLACE_UNKNOWN && !can_cover(s, list, n, t))
		return PL_INF;
	if (m->user_term < 0 || m->q->terms[m->user_term].minimax)
		return a;
	b = by_savings(s, list, n, t);
	return a > b ? a : b;
}

/* Sum of the times between talking chosen elements. Known by the graph. */
static uint64_t
pairs_sum(const struct pl_search *s)
{
	const struct pl_model *m = s->m;
	uint64_t sum = 0;

	for (size_t i = 0; i < s->nchosen; i++)
		for (size_t j = 0; j < i; j++) {
			const struct pl_element *a = &m->el[s->chosen[i]];
			const struct pl_element *b = &m->el[s->chosen[j]];

			if (m->talk[a->cls][b->cls])
				sum += pl_model_rtt(m, a->site, b->site);
		}
	return sum;
}

static pl_cost
pairs_value(const struct pl_model *m, uint64_t sum)
{
	uint64_t v = m->npairs == 0 ? 0 : sum / m->npairs;

	if (m->pair_cap_us >= 0 && v > (uint64_t)m->pair_cap_us)
		return PL_INF;
	return m->coef[m->pair_term] * (pl_cost)v;
}

/* With at most one VM per site, an element is a VM. */
pl_cost
pl_pairs_cost(struct pl_search *s)
{
	return s->m->pair_term < 0 ? 0 : pairs_value(s->m, pairs_sum(s));
}

/* Each of the t that come adds at least its times to the chosen ones. */
pl_cost
pl_pairs_bound(struct pl_search *s, const uint32_t *list, size_t n, size_t t)
{
	const struct pl_model *m = s->m;
	uint64_t least[PLACE_MAX_VMS], sum;
	size_t kept = 0;

	if (m->pair_term < 0)
		return 0;
	sum = pairs_sum(s);
	for (size_t i = 0; i < n && t > 0; i++) {
		const struct pl_element *a = &m->el[list[i]];
		uint64_t add = 0;
		size_t at;

		for (size_t j = 0; j < s->nchosen; j++) {
			const struct pl_element *b = &m->el[s->chosen[j]];

			if (m->talk[a->cls][b->cls])
				add += pl_model_rtt(m, a->site, b->site);
		}
		if (kept == t && add >= least[t - 1])
			continue;
		at = kept < t ? kept++ : t - 1;
		while (at > 0 && least[at - 1] > add) {
			least[at] = least[at - 1];
			at--;
		}
		least[at] = add;
	}
	for (size_t i = 0; i < kept; i++)
		sum += least[i];
	return pairs_value(m, sum);
}
