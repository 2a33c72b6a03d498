/*
 * verify.c - checks and scores a group against the raw world. It shares no
 * code with the search, on purpose: reads the matrix and the names itself and
 * counts in the plainest way. What it refuses is never shown.
 */
#include "placement/verify.h"

#include <string.h>

void
verify_breaks(struct verify *v, const char *text)
{
	for (size_t x = 0; x < v->n && x < v->max; x++)
		if (strcmp(v->broken[x], text) == 0)
			return;
	if (v->n < v->max)
		v->broken[v->n] = text;
	v->n++;
}

static void
breaks_at(struct verify *v, const char *before, size_t i, const char *after)
{
	verify_breaks(v, arena_printf(v->arena, "%s%zu%s", before, i, after));
}

static const struct place_site *
site_of(const struct verify *v, size_t member)
{
	return &v->w->sites[v->r->members[member].site];
}

static const struct place_offer *
offer_of(const struct verify *v, size_t member)
{
	uint32_t o = v->r->members[member].offer;

	return o == PLACE_NONE ? NULL : &v->w->offers[o];
}

static bool
listed(const struct place_strings *s, const char *x)
{
	bool yes = s->n == 0;

	for (size_t i = 0; i < s->n && x != NULL; i++)
		yes = yes || strcmp(s->v[i], x) == 0;
	return yes;
}

static bool
within(const struct place_range *r, int64_t x)
{
	return !(r->has_min && x < r->min) && !(r->has_max && x > r->max);
}

static bool
passes(const struct verify *v, size_t i)
{
	const struct place_member *mb = &v->r->members[i];
	const struct place_filter *f = &v->q->roles[mb->role].filter;
	const struct place_site *s = site_of(v, i);
	const struct place_offer *o = offer_of(v, i);
	const struct place_range *c = &f->cost_per_hour_micros;

	if (o == NULL || o->site != mb->site)
		return false;
	if (!listed(&f->csp, s->csp) || !listed(&f->region, s->region) ||
	    !listed(&f->site, s->id) || !listed(&f->spec_id, o->spec_id) ||
	    !listed(&f->connection, o->connection) ||
	    !listed(&f->arch, o->arch) || !within(&f->vcpu, o->vcpu) ||
	    !within(&f->memory_mib, o->memory_mib))
		return false;
	if ((c->has_min || c->has_max) &&
	    (o->cost_per_hour_micros < 0 ||
		!within(c, o->cost_per_hour_micros)))
		return false;
	for (size_t x = 0; x < f->nscores; x++)
		if (o->scores == NULL ||
		    o->scores[f->scores[x].metric] == PLACE_NO_SCORE ||
		    !within(&f->scores[x].range,
			o->scores[f->scores[x].metric]))
			return false;
	return true;
}

static void
roles_and_filters(struct verify *v)
{
	for (size_t role = 0; role < v->q->nroles; role++) {
		uint32_t have = 0;

		for (size_t i = 0; i < v->r->nmembers; i++)
			have += v->r->members[i].role == role;
		if (v->q->mode != PLACE_GROUPS &&
		    have != v->q->roles[role].count)
			breaks_at(v, "/groups/", role, "/count");
	}
	for (size_t i = 0; i < v->r->nmembers; i++)
		if (!passes(v, i))
			breaks_at(v, "/groups/", v->r->members[i].role,
			    "/filter");
}

static bool
fits_pin(const struct verify *v, size_t member, const struct place_pin *p)
{
	const struct place_site *s = site_of(v, member);
	const struct place_offer *o = offer_of(v, member);
	const char *where = p->level == PLACE_LEVEL_SITE ? s->id
	    : p->level == PLACE_LEVEL_REGION             ? s->region
							 : s->csp;

	return strcmp(where, p->name) == 0 &&
	    (p->spec_id == NULL ||
		(o != NULL && strcmp(o->spec_id, p->spec_id) == 0));
}

/* Finds the pin a VM of its own, moving others to free one. */
static bool
seat(struct verify *v, size_t role, size_t pin, int *taken, bool *tried)
{
	const struct place_role *r = &v->q->roles[role];

	for (size_t i = 0; i < v->r->nmembers; i++) {
		if (v->r->members[i].role != role || tried[i] ||
		    !fits_pin(v, i, &r->pins[pin]))
			continue;
		tried[i] = true;
		if (taken[i] >= 0 &&
		    !seat(v, role, (size_t)taken[i], taken, tried))
			continue;
		taken[i] = (int)pin;
		return true;
	}
	return false;
}

static void
pins(struct verify *v)
{
	int taken[PLACE_MAX_VMS];

	for (size_t i = 0; i < PLACE_MAX_VMS; i++)
		taken[i] = -1;
	for (size_t r = 0; r < v->q->nroles; r++)
		for (size_t p = 0; p < v->q->roles[r].npins; p++)
			for (uint32_t n = v->q->roles[r].pins[p].count; n > 0;
			     n--) {
				bool tried[PLACE_MAX_VMS] = { false };

				if (!seat(v, r, p, taken, tried))
					verify_breaks(v,
					    arena_printf(v->arena,
						"/groups/%zu/pins/%zu", r, p));
			}
}

/* Is it the same place? An unknown zone may be any of its region. */
static bool
share(const struct place_site *a, const struct place_site *b,
    enum place_level level)
{
	const char *za = a->zone != NULL ? a->zone : "";
	const char *zb = b->zone != NULL ? b->zone : "";

	if (strcmp(a->csp, b->csp) != 0)
		return false;
	if (level < PLACE_LEVEL_CSP && strcmp(a->region, b->region) != 0)
		return false;
	if (level < PLACE_LEVEL_REGION && strcmp(za, zb) != 0)
		return false;
	return level > PLACE_LEVEL_SITE || a == b;
}

static void
separations(struct verify *v)
{
	const struct place_limits *l = &v->q->limits;

	for (size_t s = 0; s < l->nseparate; s++) {
		const struct place_separate *x = &l->separate[s];

		if (x->level == PLACE_LEVEL_NONE)
			continue;
		for (size_t i = 0; i < v->r->nmembers; i++)
			for (size_t j = 0; j < v->r->nmembers; j++)
				if (i != j && v->r->members[i].role == x->a &&
				    v->r->members[j].role == x->b &&
				    share(site_of(v, i), site_of(v, j),
					x->level))
					breaks_at(v,
					    "/constraints/antiAffinity/", s,
					    "");
	}
}

static bool
named(const char *want, const char *have)
{
	return want == NULL || (have != NULL && strcmp(want, have) == 0);
}

static void
quotas(struct verify *v)
{
	for (size_t u = 0; u < v->q->limits.nquotas; u++) {
		const struct place_quota *x = &v->q->limits.quotas[u];
		int64_t vms = 0, vcpus = 0;

		for (size_t i = 0; i < v->r->nmembers; i++) {
			const struct place_offer *o = offer_of(v, i);

			if (o == NULL || !named(x->connection, o->connection) ||
			    !named(x->region, site_of(v, i)->region) ||
			    !named(x->family, o->family))
				continue;
			vms++;
			vcpus += o->vcpu;
		}
		if ((x->vms >= 0 && vms > x->vms) ||
		    (x->vcpus >= 0 && vcpus > x->vcpus))
			breaks_at(v, "/constraints/quota/", u, "");
	}
}

/* One direction as it was measured, unless too old. */
static uint32_t
cell(const struct verify *v, uint32_t from, uint32_t to)
{
	const uint32_t *rtt = v->w->rtt_us[v->q->limits.stat];
	size_t at = (size_t)from * v->w->nsites + to;

	if (rtt == NULL)
		return PLACE_UNKNOWN;
	if (v->q->max_age_s != 0 && v->w->rtt_age_s != NULL &&
	    v->w->rtt_age_s[at] > v->q->max_age_s)
		return PLACE_UNKNOWN;
	return rtt[at];
}

uint32_t
verify_pair(const struct verify *v, uint32_t a, uint32_t b, bool *reverse)
{
	uint32_t there = cell(v, a, b), back = cell(v, b, a);

	*reverse =
	    there == PLACE_UNKNOWN || (back != PLACE_UNKNOWN && back > there);
	if (there == PLACE_UNKNOWN && back == PLACE_UNKNOWN)
		return a == b ? v->w->intra_site_us : PLACE_UNKNOWN;
	return *reverse ? back : there;
}

/* The limit between two roles and where it stands in the query. */
static int64_t
limit_of(const struct verify *v, uint32_t a, uint32_t b, size_t *pair,
    bool *talk)
{
	const struct place_limits *l = &v->q->limits;

	*talk = true;
	for (*pair = 0; *pair < l->npairs; (*pair)++) {
		const struct place_pair_limit *p = &l->pairs[*pair];

		if ((p->a == a && p->b == b) || (p->a == b && p->b == a)) {
			*talk = p->max_rtt_us != 0;
			return p->max_rtt_us;
		}
	}
	return l->max_rtt_us;
}

static void
worse_pair(struct verify *v, uint32_t i, uint32_t j, uint32_t d, int64_t limit,
    bool reverse)
{
	struct place_pair *p = &v->r->worst;
	bool worse;

	if (!p->known)
		worse = true;
	else if ((limit > 0) != (p->limit_us > 0))
		worse = limit > 0;
	else if (limit > 0)
		worse = limit - d < p->limit_us - p->rtt_us;
	else
		worse = d > p->rtt_us;
	if (!worse)
		return;
	p->known = true;
	p->a = reverse ? j : i;
	p->b = reverse ? i : j;
	p->rtt_us = d;
	p->limit_us = limit;
}

static void
pairs(struct verify *v, uint64_t *sum, uint64_t *n)
{
	const struct place_limits *l = &v->q->limits;

	for (uint32_t i = 0; i < v->r->nmembers; i++)
		for (uint32_t j = i + 1; j < v->r->nmembers; j++) {
			const struct place_member *a = &v->r->members[i];
			const struct place_member *b = &v->r->members[j];
			size_t pair;
			bool talk, reverse;
			int64_t limit =
			    limit_of(v, a->role, b->role, &pair, &talk);
			uint32_t d = verify_pair(v, a->site, b->site, &reverse);

			bool over = limit > 0 &&
			    (d == PLACE_UNKNOWN ||
				(l->le ? d > limit : d >= limit));

			if (over && pair < l->npairs)
				breaks_at(v, "/constraints/pairLimits/", pair,
				    "");
			else if (over)
				verify_breaks(v, "/constraints/maxRttMs");
			if (talk) {
				*sum += d;
				++*n;
				v->pair_unknown =
				    v->pair_unknown || d == PLACE_UNKNOWN;
			}
			if (d != PLACE_UNKNOWN)
				worse_pair(v, i, j, d, limit, reverse);
		}
	if (v->r->worst.known) {
		struct place_pair *p = &v->r->worst;

		p->site_a = v->r->members[p->a].site;
		p->site_b = v->r->members[p->b].site;
		v->r->slack_us = p->limit_us - p->rtt_us;
	}
}

static void
caps(struct verify *v)
{
	const struct place_limits *l = &v->q->limits;
	size_t n = v->r->nmembers;
	uint32_t csps = 0, regions = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t site = 0, zone = 0, region = 0, csp = 0;
		bool first_csp = true, first_region = true;

		for (size_t j = 0; j < n; j++) {
			bool c =
			    strcmp(site_of(v, i)->csp, site_of(v, j)->csp) == 0;
			bool r = c &&
			    strcmp(site_of(v, i)->region,
				site_of(v, j)->region) == 0;

			csp += c;
			region += r;
			zone += share(site_of(v, i), site_of(v, j),
			    PLACE_LEVEL_ZONE);
			site += site_of(v, i) == site_of(v, j);
			first_csp = first_csp && !(c && j < i);
			first_region = first_region && !(r && j < i);
		}
		csps += first_csp;
		regions += first_region;
		if (l->max_per_site > 0 && site > l->max_per_site)
			verify_breaks(v, "/constraints/maxPerSite");
		if (l->max_per_zone > 0 && zone > l->max_per_zone)
			verify_breaks(v, "/constraints/maxPerZone");
		if (l->max_per_region > 0 && region > l->max_per_region)
			verify_breaks(v, "/constraints/maxPerRegion");
		if (l->max_per_csp > 0 && csp > l->max_per_csp)
			verify_breaks(v, "/constraints/maxPerCsp");
	}
	if (csps < l->min_csps)
		verify_breaks(v, "/constraints/minCsps");
	if (regions < l->min_regions)
		verify_breaks(v, "/constraints/minRegions");
	v->r->ncsps = csps;
	v->r->nregions = regions;
}

static void
prices(struct verify *v)
{
	const struct place_limits *l = &v->q->limits;
	int64_t sum = 0;

	v->r->cost_reason = NULL;
	for (size_t i = 0; i < v->r->nmembers; i++) {
		const struct place_offer *o = offer_of(v, i);

		if (o == NULL || o->cost_per_hour_micros < 0) {
			sum = PLACE_NO_PRICE;
			v->r->cost_reason = o != NULL && o->cost_reason
			    ? o->cost_reason
			    : "noPrice";
			break;
		}
		sum += o->cost_per_hour_micros;
	}
	v->r->cost_per_hour_micros = sum;
	if (l->has_budget &&
	    (sum == PLACE_NO_PRICE || sum > l->budget_per_hour_micros))
		verify_breaks(v, "/constraints/budgetPerHourMicros");
}

/* price * (1000 / score)^alpha; 1000 points are a million thousandths. */
static bool
per_score(const struct place_term *t, int64_t price, int64_t score,
    int64_t *out)
{
	__extension__ typedef unsigned __int128 wide;
	wide x = (wide)price;
	const uint64_t best = 1000000, have = (uint64_t)score;

	if (price < 0 || score <= 0)
		return false;
	for (uint32_t i = 0; i < (t->alpha > 1 ? t->alpha : 1); i++) {
		uint64_t up = t->lower_is_better ? have : best;
		uint64_t down = t->lower_is_better ? best : have;

		x = (x * up + down - 1) / down;
		if (x > (uint64_t)1 << 50)
			x = (uint64_t)1 << 50;
	}
	*out = (int64_t)x;
	return true;
}

/* Plain value of a term for one member; false: not known. */
static bool
member_part(struct verify *v, size_t i, const struct place_term *t,
    int64_t *out)
{
	const struct place_offer *o = offer_of(v, i);
	int64_t s;

	*out = 0;
	if (t->kind == PLACE_USER_RTT)
		return !v->q->assign_every || verify_every(v, i, out);
	if (t->kind == PLACE_PAIR_RTT_MEAN)
		return true;
	if (o == NULL)
		return false;
	if (t->kind == PLACE_PRICE) {
		*out = o->cost_per_hour_micros;
		return *out >= 0;
	}
	s = o->scores == NULL ? PLACE_NO_SCORE : o->scores[t->metric];
	if (s == PLACE_NO_SCORE)
		return false;
	if (t->kind == PLACE_PRICE_PERFORMANCE)
		return per_score(t, o->cost_per_hour_micros, s, out);
	*out = t->lower_is_better ? s : -s;
	return true;
}

static void
score(struct verify *v, int64_t user, bool users_known, uint64_t pair_mean)
{
	const struct place_query *q = v->q;

	v->r->score = 0;
	for (size_t t = 0; t < q->nterms; t++) {
		const struct place_term *tm = &q->terms[t];
		int64_t sum = 0, paid = 0, x, factor;
		bool ok = true;

		for (size_t i = 0; i < v->r->nmembers; i++) {
			const int64_t *own =
			    q->roles[v->r->members[i].role].weights;
			int64_t weight = own ? own[t] : tm->weight;
			bool known = member_part(v, i, tm, &x);

			/* What a role does not pay for need not be known. */
			if (!known && own != NULL && weight == 0)
				known = true, x = 0;
			ok = known && ok;
			v->r->members[i].parts[t] = x;
			sum += x;
			paid += x * weight;
		}
		if (tm->kind == PLACE_USER_RTT && !q->assign_every) {
			sum = user;
			paid = sum * tm->weight;
			ok = users_known;
		} else if (tm->kind == PLACE_PAIR_RTT_MEAN) {
			sum = (int64_t)pair_mean;
			paid = sum * tm->weight;
			ok = !v->pair_unknown;
		}
		if (!ok && q->mode != PLACE_GROUPS)
			breaks_at(v, "/objective/terms/", t, "");
		factor = tm->kind == PLACE_PRICE ||
			tm->kind == PLACE_PRICE_PERFORMANCE
		    ? 1000
		    : 1;
		v->r->parts[t] = q->lexicographic ? sum : paid * factor;
		if (!q->lexicographic)
			v->r->score += v->r->parts[t];
		else if (t == 0)
			v->r->score = sum;
	}
}

size_t
place_verify(struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, struct arena *arena, const char **broken,
    size_t max)
{
	struct verify v = { r, q, w, arena, broken, 0, max, false };
	uint64_t sum = 0, n = 0;
	int64_t user = 0;
	bool known = true;

	memset(&r->worst, 0, sizeof r->worst);
	r->slack_us = 0;
	if (r->served == NULL)
		r->served =
		    arena_array(arena, q->nusers + 1, sizeof *r->served);
	roles_and_filters(&v);
	pairs(&v, &sum, &n);
	caps(&v);
	if (q->mode != PLACE_GROUPS) {
		pins(&v);
		separations(&v);
		quotas(&v);
	}
	prices(&v);
	verify_users(&v, &user, &known);
	score(&v, user, known, n > 0 ? sum / n : 0);
	return v.n;
}
