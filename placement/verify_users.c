/*
 * verify_users.c - the users' part of the check, as plain as the rest of it.
 */
#include "placement/verify.h"

#include <math.h>
#include <string.h>

/* Where a site is; false: nobody knows. */
static bool
place_of(const struct verify *v, uint32_t site, double *lat, double *lon)
{
	*lat = *lon = NAN;
	if (site != PLACE_NONE && v->w->lat != NULL && v->w->lon != NULL) {
		*lat = v->w->lat[site];
		*lon = v->w->lon[site];
	}
	return !isnan(*lat) && !isnan(*lon);
}

/* Where a user is: its own place, or that of the site it names. */
static bool
user_place(const struct verify *v, const struct place_user *us, uint32_t from,
    double *lat, double *lon)
{
	if (!us->has_location)
		return place_of(v, from, lat, lon);
	*lat = us->lat;
	*lon = us->lon;
	return true;
}

static uint32_t
user_time(const struct verify *v, size_t u, uint32_t site, bool *estimated)
{
	double lat, lon, slat, slon;
	const struct place_user *us = &v->q->users[u];
	uint32_t from = PLACE_NONE;
	uint32_t d = PLACE_UNKNOWN;
	bool reverse;

	*estimated = false;
	for (uint32_t s = 0; s < v->w->nsites; s++) {
		const struct place_site *x = &v->w->sites[s];

		if (us->site == NULL && us->region == NULL)
			break;
		if (us->site != NULL ? strcmp(x->id, us->site) != 0
				     : strcmp(x->region, us->region) != 0)
			continue;
		if (from == PLACE_NONE ||
		    strcmp(x->id, v->w->sites[from].id) < 0)
			from = s;
	}
	if (us->rtt_us != NULL)
		d = us->rtt_us[site];
	else if (v->w->user_rtt_us != NULL)
		d = v->w->user_rtt_us[u * v->w->nsites + site];
	else if (from != PLACE_NONE)
		d = verify_pair(v, from, site, &reverse);
	*estimated = d == PLACE_UNKNOWN && place_of(v, site, &slat, &slon) &&
	    v->q->limits.max_rtt_to_user_us == 0 &&
	    (us->has_location ||
		v->q->missing_user_rtt == PLACE_MISSING_ESTIMATE) &&
	    user_place(v, us, from, &lat, &lon);
	return *estimated ? place_estimate_us(lat, lon, slat, slon) : d;
}

static bool
may_serve(const struct verify *v, size_t member)
{
	return v->q->served_by == 0 ||
	    (v->q->served_by >> v->r->members[member].role & 1);
}

/* The smallest time within which pct of the users' weight is served. */
static uint64_t
percentile(const struct verify *v, uint32_t pct, uint64_t weights)
{
	const struct place_query *q = v->q;
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < q->nusers; i++) {
		uint64_t within = 0, d = v->r->served[i].rtt_us;

		for (size_t j = 0; j < q->nusers; j++)
			if (v->r->served[j].rtt_us <= d)
				within += q->users[j].weight;
		if (100 * within >= weights * pct && d < best)
			best = d;
	}
	return best;
}

/* What the query's user term makes of the times. */
static int64_t
aggregate(const struct verify *v, uint64_t mean, uint64_t worst,
    uint64_t weights)
{
	const struct place_term *t = NULL;

	for (size_t i = 0; i < v->q->nterms; i++)
		if (v->q->terms[i].kind == PLACE_USER_RTT)
			t = &v->q->terms[i];
	if (t == NULL || t->agg == PLACE_AGG_SUM)
		return (int64_t)mean;
	if (t->agg == PLACE_AGG_MINIMAX)
		return (int64_t)worst;
	if (t->agg == PLACE_AGG_PERCENTILE)
		return (int64_t)percentile(v, t->pct, weights);
	return (int64_t)worst * PLACE_FAIR + (int64_t)mean;
}

/* The nearest serving VM of each user, the mean and the worst of them. */
void
verify_users(struct verify *v, int64_t *value, bool *known)
{
	const struct place_query *q = v->q;
	uint64_t sum = 0, weights = 0, worst = 0;
	int64_t limit = q->limits.max_rtt_to_user_us;

	*known = true;
	for (size_t u = 0; u < q->nusers; u++) {
		struct place_served *s = &v->r->served[u];

		s->member = PLACE_NONE;
		s->rtt_us = PLACE_UNKNOWN;
		s->estimated = false;
		for (uint32_t i = 0; i < v->r->nmembers; i++) {
			bool est;
			uint32_t d =
			    user_time(v, u, v->r->members[i].site, &est);

			if (may_serve(v, i) && d < s->rtt_us) {
				s->rtt_us = d;
				s->estimated = est;
				s->member = i;
			}
		}
		if (limit > 0 &&
		    (s->member == PLACE_NONE ||
			(q->limits.le ? s->rtt_us > limit
				      : s->rtt_us >= limit)))
			verify_breaks(v, "/constraints/maxRttToUserMs");
		if (s->member == PLACE_NONE) {
			*known = false;
			continue;
		}
		sum += (uint64_t)s->rtt_us * q->users[u].weight;
		weights += q->users[u].weight;
		if (s->rtt_us > worst)
			worst = s->rtt_us;
	}
	*value = !*known || weights == 0
	    ? 0
	    : aggregate(v, sum / weights, worst, weights);
}

/* Where every VM pays its mean time to all users. */
bool
verify_every(const struct verify *v, size_t member, int64_t *out)
{
	uint64_t sum = 0, weights = 0;

	*out = 0;
	if (!may_serve(v, member))
		return true;
	for (size_t u = 0; u < v->q->nusers; u++) {
		bool est;
		uint32_t d = user_time(v, u, v->r->members[member].site, &est);

		if (d == PLACE_UNKNOWN)
			return false;
		sum += (uint64_t)d * v->q->users[u].weight;
		weights += v->q->users[u].weight;
	}
	*out = weights > 0 ? (int64_t)(sum / weights) : 0;
	return true;
}
