/*
 * query.c - is the query well formed, and does it fit the world? Everything
 * behind pl_query_check() may trust ranges, indices and names.
 */
#include "placement/internal.h"
#include "placement/world.h"

#include "common/pure/str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAME 64
#define MAX_WEIGHT INT64_C(1000000000000)
#define MAX_VALUE PL_TERM_MAX

static bool
bad(struct mw_err *err, const char *pointer, const char *text)
{
	err_set(err, MW_INVALID, 0, "%s", text);
	return err_pointer(err, "%s", pointer);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names must be there and differ. */
static bool
unique(const char **names, size_t n)
{
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 1; i < n; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return false;
	return true;
}

static bool
check_sites(const struct place_world *w, struct mw_err *err)
{
	const char **names;
	bool ok;

	if (w->nsites > PLACE_MAX_SITES)
		return err_set(err, MW_LIMIT, 0, "%zu sites, the limit is %d",
		    w->nsites, PLACE_MAX_SITES);
	if (w->noffers > PLACE_MAX_OFFERS)
		return err_set(err, MW_LIMIT, 0, "%zu offers, the limit is %d",
		    w->noffers, PLACE_MAX_OFFERS);
	if (w->nmetrics > PLACE_MAX_METRICS)
		return err_set(err, MW_LIMIT, 0, "%zu metrics, the limit is %d",
		    w->nmetrics, PLACE_MAX_METRICS);
	for (size_t i = 0; i < w->nsites; i++)
		if (w->sites[i].id == NULL || w->sites[i].csp == NULL ||
		    w->sites[i].region == NULL)
			return bad(err, "/world/sites",
			    "a site without id, csp or region");
	names = xreallocarray(NULL, w->nsites + 1, sizeof *names);
	for (size_t i = 0; i < w->nsites; i++)
		names[i] = w->sites[i].id;
	ok = unique(names, w->nsites);
	free(names);
	return ok || bad(err, "/world/sites", "two sites have one name");
}

static bool
check_offers(const struct place_world *w, struct mw_err *err)
{
	for (size_t i = 0; i < w->noffers; i++) {
		const struct place_offer *o = &w->offers[i];

		if (o->site >= w->nsites || o->spec_id == NULL || o->vcpu < 0 ||
		    o->memory_mib < 0 ||
		    o->cost_per_hour_micros < PLACE_NO_PRICE ||
		    o->cost_per_hour_micros > MAX_VALUE)
			return bad(err, "/world/offers", "an offer is wrong");
		for (size_t j = 0; o->scores != NULL && j < w->nmetrics; j++)
			if (o->scores[j] != PLACE_NO_SCORE &&
			    (o->scores[j] > MAX_VALUE ||
				o->scores[j] < -MAX_VALUE))
				return bad(err, "/world/offers",
				    "a score is too large");
	}
	return true;
}

static bool
known_site(const struct place_world *w, const char *id)
{
	for (size_t i = 0; i < w->nsites; i++)
		if (strcmp(w->sites[i].id, id) == 0)
			return true;
	return false;
}

static bool
known_region(const struct place_world *w, const char *id)
{
	for (size_t i = 0; i < w->nsites; i++)
		if (strcmp(w->sites[i].region, id) == 0)
			return true;
	return false;
}

static bool
known_csp(const struct place_world *w, const char *id)
{
	for (size_t i = 0; i < w->nsites; i++)
		if (strcmp(w->sites[i].csp, id) == 0)
			return true;
	return false;
}

static bool
check_filter(const struct place_filter *f, size_t role,
    const struct place_world *w, struct mw_err *err)
{
	for (size_t i = 0; i < f->site.n; i++)
		if (!known_site(w, f->site.v[i])) {
			err_set(err, MW_INVALID, 0, "unknownSite: %.80s",
			    f->site.v[i]);
			return err_pointer(err, "/groups/%zu/filter/site/%zu",
			    role, i);
		}
	for (size_t i = 0; i < f->region.n; i++)
		if (!known_region(w, f->region.v[i])) {
			err_set(err, MW_INVALID, 0, "unknownRegion: %.80s",
			    f->region.v[i]);
			return err_pointer(err, "/groups/%zu/filter/region/%zu",
			    role, i);
		}
	for (size_t i = 0; i < f->nscores; i++)
		if (f->scores[i].metric >= w->nmetrics) {
			err_set(err, MW_INVALID, 0,
			    "a score that the world has not");
			return err_pointer(err, "/groups/%zu/filter/score",
			    role);
		}
	return true;
}

/* Pins name a place of the world and fit into the count. */
static bool
check_pins(const struct place_query *q, size_t role,
    const struct place_world *w, size_t *pins, struct mw_err *err)
{
	const struct place_role *r = &q->roles[role];
	uint64_t pinned = 0;

	for (size_t i = 0; i < r->npins; i++) {
		const struct place_pin *p = &r->pins[i];
		const char *text = NULL;

		pinned += p->count;
		if (p->name == NULL)
			text = "a site, a region or a csp";
		else if (p->level == PLACE_LEVEL_SITE &&
		    !known_site(w, p->name))
			text = "unknownSite";
		else if (p->level == PLACE_LEVEL_REGION &&
		    !known_region(w, p->name))
			text = "unknownRegion";
		else if (p->level == PLACE_LEVEL_CSP && !known_csp(w, p->name))
			text = "unknownCsp";
		else if (p->level != PLACE_LEVEL_SITE &&
		    p->level != PLACE_LEVEL_REGION &&
		    p->level != PLACE_LEVEL_CSP)
			text = "a site, a region or a csp";
		else if (p->count < 1 || pinned > r->count)
			text = "the pins take more VMs than the group has";
		else if (++*pins > PLACE_MAX_PINS)
			text = "too many pins";
		if (text != NULL) {
			err_set(err, MW_INVALID, 0, "%s", text);
			return err_pointer(err, "/groups/%zu/pins/%zu", role,
			    i);
		}
	}
	return true;
}

/* Weights of its own are for sums over VMs, in one sum. */
static bool
check_own_weights(const struct place_query *q, size_t role, struct mw_err *err)
{
	const int64_t *own = q->roles[role].weights;
	const char *text = NULL;

	for (size_t t = 0; own != NULL && t < q->nterms; t++) {
		enum place_term_kind k = q->terms[t].kind;

		if (own[t] < 0 || own[t] > MAX_WEIGHT)
			text = "weight out of range";
		else if (own[t] != q->terms[t].weight &&
		    (k == PLACE_PAIR_RTT_MEAN ||
			(k == PLACE_USER_RTT && !q->assign_every)))
			text = "this term belongs to the whole group of VMs";
	}
	if (own != NULL && q->lexicographic)
		text = "a lexicographic objective has no weights";
	if (text == NULL)
		return true;
	err_set(err, MW_INVALID, 0, "%s", text);
	return err_pointer(err, "/groups/%zu/terms", role);
}

static bool
check_roles(const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	const char *names[PLACE_MAX_ROLES];
	size_t k = 0, pins = 0;

	if (q->nroles < 1 || q->nroles > PLACE_MAX_ROLES)
		return bad(err, "/groups", "1 to 16 groups");
	for (size_t i = 0; i < q->nroles; i++) {
		const struct place_role *r = &q->roles[i];

		if (r->name == NULL || r->name[0] == '\0' ||
		    strlen(r->name) > MAX_NAME)
			return bad(err, "/groups", "a group needs a name");
		if (r->count < 1 || r->count > PLACE_MAX_VMS) {
			err_set(err, MW_INVALID, 0, "count is 1 to 128");
			return err_pointer(err, "/groups/%zu/count", i);
		}
		if (!check_filter(&r->filter, i, w, err) ||
		    !check_pins(q, i, w, &pins, err) ||
		    !check_own_weights(q, i, err))
			return false;
		names[i] = r->name;
		k += r->count;
	}
	if (k > PLACE_MAX_VMS)
		return bad(err, "/groups", "more than 128 VMs");
	if (!unique(names, q->nroles))
		return bad(err, "/groups", "two groups have one name");
	return true;
}

static bool
check_limits(const struct place_query *q, struct mw_err *err)
{
	const struct place_limits *l = &q->limits;
	bool seen[PLACE_MAX_ROLES][PLACE_MAX_ROLES] = { { false } };

	if (l->max_rtt_us < 0 || l->max_rtt_us >= UINT32_MAX)
		return bad(err, "/constraints/maxRttMs", "out of range");
	if (l->max_rtt_to_user_us < 0 || l->max_rtt_to_user_us >= UINT32_MAX)
		return bad(err, "/constraints/maxRttToUserMs", "out of range");
	if ((int)l->stat < 0 || l->stat >= PLACE_STAT_COUNT)
		return bad(err, "/constraints/rttStat", "unknown statistic");
	if (l->has_budget &&
	    (l->budget_per_hour_micros < 0 ||
		l->budget_per_hour_micros > MAX_VALUE))
		return bad(err, "/constraints/budgetPerHourMicros",
		    "out of range");
	for (size_t i = 0; i < l->npairs; i++) {
		const struct place_pair_limit *p = &l->pairs[i];

		if (p->a >= q->nroles || p->b >= q->nroles ||
		    p->max_rtt_us < 0 || p->max_rtt_us >= UINT32_MAX ||
		    seen[p->a][p->b]) {
			err_set(err, MW_INVALID, 0,
			    "unknown group, limit out of range, or the same "
			    "pair twice");
			return err_pointer(err, "/constraints/pairLimits/%zu",
			    i);
		}
		seen[p->a][p->b] = seen[p->b][p->a] = true;
	}
	if (l->max_rtt_to_user_us > 0 && q->nusers == 0)
		return bad(err, "/constraints/maxRttToUserMs",
		    "there are no users");
	return true;
}

static bool
check_separate(const struct place_query *q, struct mw_err *err)
{
	const struct place_limits *l = &q->limits;

	if (l->nseparate > PLACE_MAX_SEPARATE)
		return bad(err, "/constraints/antiAffinity", "too many");
	for (size_t i = 0; i < l->nseparate; i++)
		if (l->separate[i].a >= q->nroles ||
		    l->separate[i].b >= q->nroles ||
		    (int)l->separate[i].level < 0 ||
		    l->separate[i].level >= PLACE_LEVEL_COUNT) {
			err_set(err, MW_INVALID, 0, "unknown group or level");
			return err_pointer(err, "/constraints/antiAffinity/%zu",
			    i);
		}
	return true;
}

static bool
check_quotas(const struct place_query *q, struct mw_err *err)
{
	const struct place_limits *l = &q->limits;

	if (l->nquotas > PLACE_MAX_QUOTAS)
		return bad(err, "/constraints/quota", "too many");
	for (size_t i = 0; i < l->nquotas; i++) {
		const struct place_quota *u = &l->quotas[i];

		if (u->vms < -1 || u->vms > MAX_VALUE || u->vcpus < -1 ||
		    u->vcpus > MAX_VALUE) {
			err_set(err, MW_INVALID, 0, "out of range");
			return err_pointer(err, "/constraints/quota/%zu", i);
		}
	}
	return true;
}

static bool
check_users(const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	if (q->nusers > PLACE_MAX_USERS)
		return bad(err, "/users", "too many users");
	if (w->user_rtt_us != NULL && q->nusers > w->nuser_rows)
		return bad(err, "/world/userRttMs", "fewer rows than users");
	if (q->served_by >> q->nroles != 0)
		return bad(err, "/userModel/servedBy", "unknownRole");
	for (size_t i = 0; i < q->nusers; i++) {
		const struct place_user *u = &q->users[i];
		bool known = w->user_rtt_us != NULL;

		if (u->weight < 1 || u->weight > 1000000) {
			err_set(err, MW_INVALID, 0, "weight is 1 to 1000000");
			return err_pointer(err, "/users/%zu/weight", i);
		}
		if (u->site != NULL)
			known = known_site(w, u->site);
		else if (u->region != NULL)
			known = known_region(w, u->region);
		else if (u->rtt_us != NULL)
			known = true;
		else if (u->has_location)
			known = u->lat >= -90 && u->lat <= 90 &&
			    u->lon >= -180 && u->lon <= 180;
		if (!known) {
			err_set(err, MW_INVALID, 0,
			    "userLocation: needs a site or region of the "
			    "world, lat and lon, or world.userRttMs");
			return err_pointer(err, "/users/%zu", i);
		}
	}
	return true;
}

static const char *
wrong_agg(const struct place_query *q, const struct place_term *t)
{
	if ((int)t->agg < 0 || t->agg >= PLACE_AGG_COUNT)
		return "unknown agg";
	if (t->agg == PLACE_AGG_PERCENTILE && (t->pct < 1 || t->pct > 100))
		return "pct is 1 to 100";
	if (t->agg == PLACE_AGG_FAIR && !q->lexicographic && q->nterms > 1)
		return "fair stands alone, or in a lexicographic objective";
	return NULL;
}

static bool
check_terms(const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	int seen[PLACE_TERM_COUNT] = { 0 };
	/* Of these there may be several: they differ by their metric. */
	static const bool many[PLACE_TERM_COUNT] = { [PLACE_PERFORMANCE] = true,
		[PLACE_PRICE_PERFORMANCE] = true };

	if (q->nterms > PLACE_MAX_TERMS)
		return bad(err, "/objective/terms", "at most 6 terms");
	for (size_t i = 0; i < q->nterms; i++) {
		const struct place_term *t = &q->terms[i];
		const char *text = NULL;

		if ((int)t->kind < 0 || t->kind >= PLACE_TERM_COUNT)
			return bad(err, "/objective/terms", "unknown term");
		if (t->weight < 0 || t->weight > MAX_WEIGHT)
			text = "weight out of range";
		else if (t->tolerance_pct > 1000)
			text = "tolerancePct is 0 to 1000";
		else if (many[t->kind] && t->metric >= w->nmetrics)
			text = "a metric that the world has not";
		else if (t->alpha > PLACE_MAX_ALPHA)
			text = "alpha is 1 to 3";
		else if (t->kind == PLACE_USER_RTT && q->nusers == 0)
			text = "there are no users";
		else if (!many[t->kind] && seen[t->kind]++)
			text = "the same term twice";
		else if (t->kind == PLACE_USER_RTT && q->assign_every &&
		    t->agg != PLACE_AGG_SUM)
			text = "assign every knows sumRtt only";
		else if (t->kind == PLACE_USER_RTT)
			text = wrong_agg(q, t);
		else if (t->kind == PLACE_PAIR_RTT_MEAN &&
		    q->limits.max_per_site != 1)
			text = "pairRttMean needs maxPerSite 1";
		if (text != NULL) {
			err_set(err, MW_INVALID, 0, "%s", text);
			return err_pointer(err, "/objective/terms/%zu", i);
		}
	}
	return true;
}

static bool
check_given(const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	if (q->mode == PLACE_CHECK &&
	    (q->ngiven < 1 || q->ngiven > PLACE_MAX_VMS))
		return bad(err, "/members", "1 to 128 members");
	for (size_t i = 0; i < q->ngiven; i++)
		if (q->given[i].role >= q->nroles ||
		    q->given[i].site >= w->nsites ||
		    q->given[i].spec_id == NULL) {
			err_set(err, MW_INVALID, 0,
			    "unknown group or site, or no specId");
			return err_pointer(err, "/members/%zu", i);
		}
	return true;
}

bool
pl_world_check(const struct place_world *w, struct mw_err *err)
{
	return check_sites(w, err) && check_offers(w, err);
}

/* Was this very world checked when it was prepared? */
static bool
world_known(const struct place_world *w)
{
	const struct place_prepared *p = w->prepared;

	return p != NULL && p->checked && p->w.sites == w->sites &&
	    p->w.nsites == w->nsites && p->w.offers == w->offers &&
	    p->w.noffers == w->noffers && p->w.nmetrics == w->nmetrics;
}

bool
pl_query_check(const struct place_query *q, const struct place_world *w,
    struct mw_err *err)
{
	if ((int)q->mode < 0 || q->mode > PLACE_CHECK)
		return bad(err, "/mode", "place, groups or check");
	if ((int)q->suspect < 0 || q->suspect > PLACE_SUSPECT_TRANSPOSE)
		return bad(err, "/quality/suspect", "unknown value");
	if (q->topk > PLACE_MAX_TOPK)
		return bad(err, "/topK", "too large");
	if (q->max_sets > PLACE_MAX_SETS)
		return bad(err, "/topK", "too many sets");
	if (!world_known(w) && !pl_world_check(w, err))
		return false;
	return check_terms(q, w, err) && check_roles(q, w, err) &&
	    check_limits(q, err) && check_separate(q, err) &&
	    check_quotas(q, err) && check_users(q, w, err) &&
	    check_given(q, w, err);
}

int64_t
pl_query_limit(const struct place_query *q, uint32_t a, uint32_t b, bool *talk)
{
	const struct place_limits *l = &q->limits;

	for (size_t i = 0; i < l->npairs; i++)
		if ((l->pairs[i].a == a && l->pairs[i].b == b) ||
		    (l->pairs[i].a == b && l->pairs[i].b == a)) {
			*talk = l->pairs[i].max_rtt_us > 0;
			return l->pairs[i].max_rtt_us;
		}
	*talk = true;
	return l->max_rtt_us;
}

enum place_level
pl_query_apart(const struct place_query *q, uint32_t a, uint32_t b)
{
	const struct place_limits *l = &q->limits;
	enum place_level widest = PLACE_LEVEL_NONE;

	for (size_t i = 0; i < l->nseparate; i++) {
		const struct place_separate *s = &l->separate[i];

		if (s->level > widest &&
		    ((s->a == a && s->b == b) || (s->a == b && s->b == a)))
			widest = s->level;
	}
	return widest;
}
