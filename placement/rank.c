/*
 * rank.c - turns found groups into rows of the answer: members in order,
 * scores and worst pair from place_verify(), tight limits, differences to the
 * best row.
 */
#include "placement/internal.h"

#include <stdlib.h>
#include <string.h>

struct sorted {
	const struct place_query *q;
	const struct place_world *w;
	struct pl_unit u;
};

static int
unit_cmp(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	const struct place_world *w = x->w;
	int c;

	if (x->u.role != y->u.role)
		return x->u.role < y->u.role ? -1 : 1;
	c = strcmp(w->sites[x->u.site].id, w->sites[y->u.site].id);
	if (c != 0)
		return c;
	if (x->u.offer == PLACE_NONE || y->u.offer == PLACE_NONE)
		return 0;
	c = strcmp(w->offers[x->u.offer].spec_id,
	    w->offers[y->u.offer].spec_id);
	return c != 0 ? c : x->u.offer < y->u.offer ? -1 : 1;
}

struct place_member *
pl_members(const struct pl_unit *units, size_t k, const struct place_query *q,
    const struct place_world *w, struct arena *arena)
{
	struct place_member *out = arena_array(arena, k + 1, sizeof *out);
	struct sorted *v = xcalloc(k + 1, sizeof *v);

	for (size_t i = 0; i < k; i++) {
		v[i].q = q;
		v[i].w = w;
		v[i].u = units[i];
	}
	qsort(v, k, sizeof *v, unit_cmp);
	for (size_t i = 0; i < k; i++) {
		out[i].role = v[i].u.role;
		out[i].site = v[i].u.site;
		out[i].offer = v[i].u.offer;
		out[i].index = i > 0 && out[i - 1].role == out[i].role
		    ? out[i - 1].index + 1
		    : 1;
	}
	free(v);
	return out;
}

static uint32_t
cell_worst(const uint32_t *v, const struct place_world *w, uint32_t a,
    uint32_t b)
{
	return v == NULL ? PLACE_UNKNOWN : v[(size_t)a * w->nsites + b];
}

void
pl_rank_pair(struct place_pair *p, const struct place_query *q,
    const struct place_world *w)
{
	p->n = cell_worst(w->rtt_n, w, p->site_a, p->site_b);
	p->age_s = cell_worst(w->rtt_age_s, w, p->site_a, p->site_b);
	p->quality = place_pair_quality(q, w, p->site_a, p->site_b);
}

/* VMs in the same site, zone, region or csp as member i. */
static uint32_t
together(const struct place_ranked *r, const struct place_world *w, size_t i,
    enum place_level level)
{
	const struct place_site *a = &w->sites[r->members[i].site];
	uint32_t n = 0;

	for (size_t j = 0; j < r->nmembers; j++) {
		const struct place_site *b = &w->sites[r->members[j].site];

		n += strcmp(a->csp, b->csp) == 0 &&
		    (level >= PLACE_LEVEL_CSP ||
			strcmp(a->region, b->region) == 0) &&
		    (level >= PLACE_LEVEL_REGION || a->zone == b->zone ||
			(a->zone != NULL && b->zone != NULL &&
			    strcmp(a->zone, b->zone) == 0)) &&
		    (level >= PLACE_LEVEL_ZONE || a == b);
	}
	return n;
}

static bool
full(const struct place_ranked *r, const struct place_quota *u,
    const struct place_world *w)
{
	int64_t vms = 0, vcpus = 0;

	for (size_t i = 0; i < r->nmembers; i++) {
		uint32_t o = r->members[i].offer;

		if (o != PLACE_NONE && pl_quota_counts(u, w, &w->offers[o])) {
			vms++;
			vcpus += w->offers[o].vcpu;
		}
	}
	return vms == u->vms || vcpus == u->vcpus;
}

void
pl_rank_binding(struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, struct arena *arena)
{
	const struct place_limits *l = &q->limits;
	static const char *const cap_name[PLACE_LEVEL_COUNT] = { NULL,
		"/constraints/maxPerSite", "/constraints/maxPerZone",
		"/constraints/maxPerRegion", "/constraints/maxPerCsp" };
	const uint32_t cap[PLACE_LEVEL_COUNT] = { 0, l->max_per_site,
		l->max_per_zone, l->max_per_region, l->max_per_csp };

	r->binding = arena_array(arena, 9 + l->nquotas, sizeof *r->binding);
	r->nbinding = 0;
	if (r->worst.known && r->worst.limit_us > 0 &&
	    r->slack_us <= (l->le ? 0 : 1))
		r->binding[r->nbinding++] = "/constraints/maxRttMs";
	for (enum place_level level = PLACE_LEVEL_SITE;
	     level < PLACE_LEVEL_COUNT; level++) {
		bool tight = false;

		/* One VM per site is what everybody asks for: no news. */
		for (size_t i = 0; cap[level] > (level == PLACE_LEVEL_SITE) &&
		     i < r->nmembers && !tight;
		     i++)
			tight = together(r, w, i, level) == cap[level];
		if (tight)
			r->binding[r->nbinding++] = cap_name[level];
	}
	if (l->min_csps > 1 && r->ncsps == l->min_csps)
		r->binding[r->nbinding++] = "/constraints/minCsps";
	if (l->min_regions > 1 && r->nregions == l->min_regions)
		r->binding[r->nbinding++] = "/constraints/minRegions";
	if (l->has_budget &&
	    r->cost_per_hour_micros == l->budget_per_hour_micros)
		r->binding[r->nbinding++] = "/constraints/budgetPerHourMicros";
	for (size_t i = 0; i < l->nquotas; i++)
		if (full(r, &l->quotas[i], w))
			r->binding[r->nbinding++] =
			    arena_printf(arena, "/constraints/quota/%zu", i);
}

static bool
has_site(const struct place_ranked *r, uint32_t site)
{
	for (size_t i = 0; i < r->nmembers; i++)
		if (r->members[i].site == site)
			return true;
	return false;
}

/* Sites of a that b has not, each once. */
static size_t
only_in(const struct place_ranked *a, const struct place_ranked *b,
    uint32_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nmembers; i++) {
		uint32_t s = a->members[i].site;
		bool seen = has_site(b, s);

		for (size_t j = 0; j < n; j++)
			seen = seen || out[j] == s;
		if (!seen)
			out[n++] = s;
	}
	return n;
}

void
pl_rank_against(struct place_ranked *r, const struct place_ranked *best,
    struct arena *arena)
{
	r->sites_out =
	    arena_array(arena, best->nmembers + 1, sizeof *r->sites_out);
	r->sites_in = arena_array(arena, r->nmembers + 1, sizeof *r->sites_in);
	r->nsites_out = only_in(best, r, r->sites_out);
	r->nsites_in = only_in(r, best, r->sites_in);
}
