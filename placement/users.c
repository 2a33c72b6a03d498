/*
 * users.c - terms that belong to a set of sites as a whole: how well the
 * nearest VM serves each user, and the mean over the pairs of VMs. For each,
 * the exact value of the chosen elements and a lower bound of what it can
 * become if up to t candidates are added.
 */
#include "placement/internal.h"

#include "common/pure/geo.h"

#include <math.h>
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
place_estimate_us(double lat1, double lon1, double lat2, double lon2)
{
	double km = geo_distance_km(lat1, lon1, lat2, lon2);

	return (uint32_t)ceil(18800 + 16.1 * km);
}

static bool
site_location(const struct place_world *w, uint32_t site, double *lat,
    double *lon)
{
	*lat = w->lat == NULL ? NAN : w->lat[site];
	*lon = w->lon == NULL ? NAN : w->lon[site];
	return !isnan(*lat) && !isnan(*lon);
}

/* Where the user is, as far as that is known. */
static bool
location(const struct place_user *u, const struct place_world *w, uint32_t at,
    double *lat, double *lon)
{
	if (u->has_location) {
		*lat = u->lat;
		*lon = u->lon;
		return true;
	}
	return at != PLACE_NONE && site_location(w, at, lat, lon);
}

static uint32_t
user_time(const struct place_query *q, const struct place_world *w, uint32_t u,
    uint32_t at, uint32_t site)
{
	const struct place_user *us = &q->users[u];
	uint32_t d = PLACE_UNKNOWN;
	double lat, lon, slat, slon;

	if (us->rtt_us != NULL)
		d = us->rtt_us[site];
	else if (w->user_rtt_us != NULL)
		d = w->user_rtt_us[(size_t)u * w->nsites + site];
	else if (at != PLACE_NONE)
		d = place_pair_rtt(q, w, at, site);
	/* An estimate satisfies no limit: where there is one it is nothing. */
	if (d != PLACE_UNKNOWN || q->limits.max_rtt_to_user_us > 0 ||
	    (!us->has_location &&
		q->missing_user_rtt != PLACE_MISSING_ESTIMATE) ||
	    !site_location(w, site, &slat, &slon) ||
	    !location(us, w, at, &lat, &lon))
		return d;
	return place_estimate_us(lat, lon, slat, slon);
}

static uint32_t
row_of(const struct place_query *q, const struct place_world *w, uint32_t u)
{
	const struct place_user *us = &q->users[u];

	return us->site == NULL && us->region == NULL ? PLACE_NONE
						      : user_site(us, w);
}

uint32_t
pl_user_rtt(const struct place_query *q, const struct place_world *w,
    uint32_t u, uint32_t site)
{
	return user_time(q, w, u, row_of(q, w, u), site);
}

bool
pl_users_build(struct pl_model *m, struct mw_err *err)
{
	const struct place_query *q = m->q;

	(void)err;
	m->user_rtt =
	    arena_array(m->arena, m->nusers * m->n + 1, sizeof *m->user_rtt);
	for (uint32_t u = 0; u < m->nusers; u++) {
		uint32_t at = row_of(q, m->w, u);

		m->user_weight_sum += q->users[u].weight;
		for (size_t s = 0; s < m->n; s++) {
			uint32_t *d = &m->user_rtt[u * m->n + s];

			*d = user_time(q, m->w, u, at, m->site[s]);
			if (*d != PLACE_UNKNOWN ||
			    q->missing_user_rtt == PLACE_MISSING_EXCLUDE ||
			    q->missing_user_rtt == PLACE_MISSING_ESTIMATE)
				continue;
			m->no_data = q->users[u].has_location &&
				q->limits.max_rtt_to_user_us > 0
			    ? "a time to a location is only estimated, which "
			      "satisfies no limit (maxRttToUserMs)"
			    : "a user's time to a site is not known "
			      "(missing.userRtt)";
		}
	}
	return true;
}

struct timed {
	uint32_t rtt_us, weight;
};

static int
timed_cmp(const void *a, const void *b)
{
	const struct timed *x = a, *y = b;

	return x->rtt_us < y->rtt_us ? -1 : x->rtt_us > y->rtt_us;
}

uint64_t
pl_users_percentile(const struct place_query *q, const uint32_t *d, size_t n,
    uint32_t pct)
{
	struct timed *v = xcalloc(n + 1, sizeof *v);
	uint64_t all = 0, sum = 0, out = 0;

	for (size_t u = 0; u < n; u++) {
		v[u].rtt_us = d[u];
		v[u].weight = q->users[u].weight;
		all += v[u].weight;
	}
	qsort(v, n, sizeof *v, timed_cmp);
	for (size_t u = 0; u < n && 100 * sum < all * pct; u++) {
		sum += v[u].weight;
		out = v[u].rtt_us;
	}
	free(v);
	return out;
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
	const struct place_term *t;
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
	t = &m->q->terms[m->user_term];
	v = sum / m->user_weight_sum;
	if (t->agg == PLACE_AGG_MINIMAX)
		v = max;
	else if (t->agg == PLACE_AGG_PERCENTILE)
		v = pl_users_percentile(m->q, d, m->nusers, t->pct);
	else if (t->agg == PLACE_AGG_FAIR)
		v += max * (uint64_t)PLACE_FAIR;
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

	/* Where nothing can be refused, the prices of median.c say more. */
	if (m->nusers == 0 ||
	    (s->median != NULL && m->user_limit_us == PLACE_UNKNOWN &&
		m->user_cap_us < 0 && t > 0))
		return 0;
	if (t > 0 && pl_cover_plain(s))
		return pl_cover_floor(s);
	nearest_chosen(s);
	if (t == 0)
		return cost_of(s, s->user_now);
	a = optimistic(s, list, n);
	if (a >= PL_INF)
		return a;
	if (a < pl_cover_floor(s))
		a = pl_cover_floor(s);
	if (m->user_limit_us != PLACE_UNKNOWN && !can_cover(s, list, n, t))
		return PL_INF;
	if (m->user_term < 0 || s->median != NULL ||
	    m->q->terms[m->user_term].agg != PLACE_AGG_SUM)
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
