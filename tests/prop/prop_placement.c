/*
 * prop_placement.c - the placement search against brute force, and properties
 * that must hold whatever the world. Prints its seed; MW_SEED and MW_ROUNDS
 * change seed and number of worlds.
 */
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "placement/placement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SITES 7
#define MAX_OFFERS (2 * MAX_SITES)
#define MAX_SETS 256 /* by bit mask of sites */

struct instance {
	struct place_site sites[MAX_SITES];
	struct place_offer offers[MAX_OFFERS];
	int64_t scores[MAX_OFFERS][2];
	uint32_t rtt[MAX_SITES * MAX_SITES];
	uint32_t user_rtt[3 * MAX_SITES];
	struct place_role roles[3];
	struct place_pair_limit pairs[3];
	struct place_user users[3];
	struct place_term terms[5];
	struct place_pin pins[3][2];
	struct place_separate separate[2];
	struct place_quota quotas[2];
	int64_t weights[3][5];
	struct place_world w;
	struct place_query q;
};

static const char *const site_names[MAX_SITES] = { "s0", "s1", "s2", "s3", "s4",
	"s5", "s6" };
static const char *const csp_names[3] = { "aws", "gcp", "azure" };
static const char *const region_names[3][2] = { { "aws-a", "aws-b" },
	{ "gcp-a", "gcp-b" }, { "azure-a", "azure-b" } };
static const char *const zone_names[3] = { NULL, "a", "b" };
static const char *const role_names[3] = { "web", "db", "cache" };
static const char *const metrics[2] = { "cpum", "memR" };

static uint64_t failures, feasible, rounds;
static struct rng rng;

static uint32_t
below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

static bool
chance(uint32_t percent)
{
	return below(100) < percent;
}

static void
random_world(struct instance *t)
{
	size_t n = 2 + below(MAX_SITES - 1);
	uint32_t spread = chance(50) ? 8 : 40;

	t->w.sites = t->sites;
	t->w.nsites = n;
	t->w.offers = t->offers;
	t->w.metrics = metrics;
	t->w.nmetrics = 2;
	t->w.intra_site_us = chance(30) ? below(spread) : PLACE_UNKNOWN;
	for (size_t i = 0; i < n; i++) {
		uint32_t c = below(3);

		t->sites[i].id = site_names[i];
		t->sites[i].csp = csp_names[c];
		t->sites[i].region = region_names[c][below(2)];
		t->sites[i].zone = zone_names[below(3)];
		for (uint32_t x = 1 + below(2); x > 0; x--) {
			size_t at = t->w.noffers++;
			struct place_offer *o = &t->offers[at];

			o->site = (uint32_t)i;
			o->spec_id = x == 1 ? "small" : "big";
			o->arch = chance(80) ? "x86_64" : "arm64";
			o->family = chance(50) ? "m" : "c";
			o->connection = chance(80) ? csp_names[c] : NULL;
			o->vcpu = 1 + below(4);
			o->memory_mib = 1024 * (1 + below(4));
			o->cost_per_hour_micros = 1 + below(20);
			if (chance(10))
				o->cost_per_hour_micros = PLACE_NO_PRICE;
			t->scores[at][0] = below(30);
			t->scores[at][1] =
			    chance(90) ? below(9) : PLACE_NO_SCORE;
			o->scores = t->scores[at];
		}
		for (size_t j = 0; j < n; j++)
			t->rtt[i * n + j] =
			    chance(88) ? below(spread) : PLACE_UNKNOWN;
		for (size_t u = 0; u < 3; u++)
			t->user_rtt[u * n + i] =
			    chance(93) ? below(50) : PLACE_UNKNOWN;
	}
	t->w.rtt_us[PLACE_P50] = t->rtt;
	t->w.rtt_us[PLACE_P95] = t->rtt;
}

static void
random_filter(struct instance *t, struct place_filter *f)
{
	(void)t;
	if (chance(25))
		f->vcpu = (struct place_range){ .min = 2, .has_min = true };
	if (chance(15))
		f->memory_mib =
		    (struct place_range){ .max = 3072, .has_max = true };
	if (chance(10)) {
		f->csp.v = csp_names;
		f->csp.n = 2;
	}
	if (chance(8)) {
		f->connection.v = csp_names;
		f->connection.n = 2;
	}
}

static void
random_pins(struct instance *t, size_t role)
{
	struct place_role *r = &t->roles[role];
	uint32_t left = r->count;

	r->pins = t->pins[role];
	while (r->npins < 2 && left > 0 && chance(12)) {
		struct place_pin *p = &t->pins[role][r->npins++];
		const struct place_site *s =
		    &t->sites[below((uint32_t)t->w.nsites)];

		p->level = chance(40) ? PLACE_LEVEL_SITE
		    : chance(50)      ? PLACE_LEVEL_REGION
				      : PLACE_LEVEL_CSP;
		p->name = p->level == PLACE_LEVEL_SITE ? s->id
		    : p->level == PLACE_LEVEL_REGION   ? s->region
						       : s->csp;
		p->spec_id = chance(20) ? "big" : NULL;
		p->count = 1 + below(left);
		left -= p->count;
	}
}

static void
random_roles(struct instance *t)
{
	uint32_t left = 4;

	t->q.roles = t->roles;
	t->q.nroles = 1 + below(3);
	for (size_t i = 0; i < t->q.nroles; i++) {
		uint32_t most = left - (uint32_t)(t->q.nroles - 1 - i);

		t->roles[i].name = role_names[i];
		t->roles[i].count = 1 + below(most);
		left -= t->roles[i].count;
		random_filter(t, &t->roles[i].filter);
		random_pins(t, i);
	}
}

static uint32_t
cap(void)
{
	return chance(35) ? 1 + below(3) : 0;
}

static void
random_limits(struct instance *t)
{
	struct place_limits *l = &t->q.limits;

	l->max_rtt_us = chance(75) ? 1 + below(30) : 0;
	l->stat = PLACE_P95;
	l->le = chance(30);
	l->max_per_site = chance(40) ? 1 : cap();
	l->max_per_region = cap();
	l->max_per_csp = cap();
	l->max_per_zone = chance(15) ? 1 + below(3) : 0;
	l->min_csps = chance(35) ? 1 + below(3) : 0;
	l->min_regions = chance(25) ? 1 + below(3) : 0;
	l->has_budget = chance(35);
	l->budget_per_hour_micros = 10 + below(40);
	l->separate = t->separate;
	while (l->nseparate < 2 && chance(12)) {
		struct place_separate *s = &t->separate[l->nseparate++];

		s->a = below((uint32_t)t->q.nroles);
		s->b = below((uint32_t)t->q.nroles);
		s->level = PLACE_LEVEL_SITE + below(4);
	}
	l->quotas = t->quotas;
	while (l->nquotas < 2 && chance(14)) {
		struct place_quota *u = &t->quotas[l->nquotas++];

		u->connection = chance(30) ? csp_names[below(3)] : NULL;
		u->region = chance(30) ? region_names[below(3)][0] : NULL;
		u->family = chance(30) ? "m" : NULL;
		u->vms = chance(50) ? (int64_t)below(4) : -1;
		u->vcpus = chance(50) ? (int64_t)below(10) : -1;
	}
	l->pairs = t->pairs;
	for (uint32_t a = 0; a < t->q.nroles && chance(40); a++) {
		t->pairs[l->npairs].a = a;
		t->pairs[l->npairs].b = below((uint32_t)t->q.nroles - a) + a;
		t->pairs[l->npairs++].max_rtt_us =
		    chance(70) ? 1 + below(30) : 0;
	}
}

static void
random_objective(struct instance *t)
{
	static const enum place_term_kind kinds[5] = { PLACE_PRICE,
		PLACE_PERFORMANCE, PLACE_PRICE_PERFORMANCE, PLACE_USER_RTT,
		PLACE_PAIR_RTT_MEAN };

	t->q.terms = t->terms;
	t->q.lexicographic = chance(35);
	t->q.assign_every = chance(25);
	t->q.served_by = chance(25) ? 1 : 0;
	for (size_t x = below(5), i = 0; i < 5; i++) {
		struct place_term *m = &t->terms[t->q.nterms];

		m->kind = kinds[(x + i) % 5];
		if (!chance(45) ||
		    (m->kind == PLACE_USER_RTT && t->q.nusers == 0) ||
		    (m->kind == PLACE_PAIR_RTT_MEAN &&
			t->q.limits.max_per_site != 1))
			continue;
		m->weight = below(5);
		m->alpha = below(3);
		m->metric = below(2);
		m->lower_is_better = chance(30);
		m->minimax = !t->q.assign_every && chance(50);
		m->tolerance_pct = chance(30) ? below(60) : 0;
		t->q.nterms++;
	}
	for (size_t r = 0; r < t->q.nroles; r++) {
		if (t->q.lexicographic || !chance(20))
			continue;
		t->roles[r].weights = t->weights[r];
		for (size_t i = 0; i < t->q.nterms; i++)
			t->weights[r][i] =
			    t->terms[i].kind == PLACE_PAIR_RTT_MEAN ||
				t->terms[i].kind == PLACE_USER_RTT
			    ? t->terms[i].weight
			    : below(4);
	}
}

static void
random_instance(struct instance *t)
{
	memset(t, 0, sizeof *t);
	random_world(t);
	random_roles(t);
	if (chance(40)) {
		t->q.users = t->users;
		t->q.nusers = 1 + below(3);
		for (size_t u = 0; u < t->q.nusers; u++) {
			t->users[u].name = role_names[u];
			t->users[u].weight = 1 + below(3);
			t->users[u].site =
			    site_names[below((uint32_t)t->w.nsites)];
		}
		if (chance(60)) {
			t->w.user_rtt_us = t->user_rtt;
			t->w.nuser_rows = 3;
		}
	}
	random_limits(t);
	if (t->q.nusers > 0 && chance(40))
		t->q.limits.max_rtt_to_user_us = 5 + below(40);
	random_objective(t);
	t->q.missing_user_rtt = PLACE_MISSING_EXCLUDE;
	t->q.topk = 1 + below(8);
}

/* Brute force: the best row per set of sites. */
struct brute {
	const struct instance *t;
	struct arena *arena;
	struct place_member pick[8];
	size_t k;
	bool has[MAX_SETS];
	int64_t parts[MAX_SETS][PLACE_MAX_TERMS];
	int64_t score[MAX_SETS];
	int64_t caps[PLACE_MAX_TERMS]; /* of earlier stages */
	bool capped[PLACE_MAX_TERMS];
	uint32_t order[PLACE_MAX_TERMS];
	size_t norder;
};

/* Compares by the objective: negative if a is better. */
static int
better(const struct brute *b, const int64_t *a, int64_t as, const int64_t *c,
    int64_t cs)
{
	if (!b->t->q.lexicographic)
		return as < cs ? -1 : as > cs;
	for (size_t i = 0; i < b->norder; i++)
		if (a[b->order[i]] != c[b->order[i]])
			return a[b->order[i]] < c[b->order[i]] ? -1 : 1;
	return 0;
}

static void
brute_leaf(struct brute *b)
{
	struct place_ranked r = { .members = b->pick, .nmembers = b->k };
	struct place_served served[4];
	const char *broken[1];
	unsigned set = 0;

	r.served = served;
	if (place_verify(&r, &b->t->q, &b->t->w, b->arena, broken, 0) > 0)
		return;
	for (size_t i = 0; i < b->t->q.nterms; i++)
		if (b->capped[i] && r.parts[i] > b->caps[i])
			return;
	for (size_t i = 0; i < b->k; i++)
		set |= 1u << b->pick[i].site;
	if (b->has[set] &&
	    better(b, b->parts[set], b->score[set], r.parts, r.score) <= 0)
		return;
	b->has[set] = true;
	b->score[set] = r.score;
	memcpy(b->parts[set], r.parts, sizeof r.parts);
}

static void
brute_pick(struct brute *b, uint32_t role, uint32_t done, uint32_t from)
{
	const struct place_query *q = &b->t->q;

	if (role < q->nroles && done == q->roles[role].count) {
		brute_pick(b, role + 1, 0, 0);
		return;
	}
	if (role == q->nroles) {
		brute_leaf(b);
		return;
	}
	for (uint32_t o = from; o < b->t->w.noffers; o++) {
		struct place_member *m = &b->pick[b->k++];

		memset(m, 0, sizeof *m);
		m->role = role;
		m->site = b->t->w.offers[o].site;
		m->offer = o;
		brute_pick(b, role, done + 1, o);
		b->k--;
	}
}

static void
brute_run(struct brute *b)
{
	memset(b->has, 0, sizeof b->has);
	b->k = 0;
	b->arena = arena_new();
	brute_pick(b, 0, 0, 0);
	arena_free(b->arena);
}

static size_t
brute_best(const struct brute *b, const bool *skip)
{
	size_t best = MAX_SETS;

	for (size_t s = 0; s < MAX_SETS; s++)
		if (b->has[s] && !skip[s] &&
		    (best == MAX_SETS ||
			better(b, b->parts[s], b->score[s], b->parts[best],
			    b->score[best]) < 0))
			best = s;
	return best;
}

/* Stages of tolerances, as the header describes them. */
static void
brute_stages(struct brute *b)
{
	const struct place_query *q = &b->t->q;
	uint32_t from = 0;

	for (;;) {
		bool none[MAX_SETS] = { false };
		uint32_t t = from;
		size_t best;

		while (t < q->nterms && q->terms[t].tolerance_pct == 0)
			t++;
		b->norder = 0;
		if (!q->lexicographic || t + 1 >= q->nterms)
			break;
		for (uint32_t i = from; i <= t; i++)
			b->order[b->norder++] = i;
		brute_run(b);
		best = brute_best(b, none);
		if (best == MAX_SETS)
			break;
		for (uint32_t i = from; i <= t; i++) {
			int64_t v = b->parts[best][i], m = v < 0 ? -v : v;

			b->capped[i] = true;
			b->caps[i] = v + m / 100 * q->terms[i].tolerance_pct +
			    m % 100 * q->terms[i].tolerance_pct / 100;
		}
		from = t + 1;
	}
	b->norder = 0;
	for (uint32_t i = from; i < q->nterms; i++)
		b->order[b->norder++] = i;
	for (uint32_t i = 0; i < from; i++)
		b->order[b->norder++] = i;
	brute_run(b);
}

static void
fail(const struct instance *t, const char *what)
{
	printf("FAILED round %" PRIu64 ": %s\n", rounds, what);
	printf("  sites %zu roles %zu rtt<%s%" PRId64
	       " caps %u/%u/%u min %u/%u budget %" PRId64 " users %zu terms "
	       "%zu lex %d topk %u pairs %zu\n",
	    t->w.nsites, t->q.nroles, t->q.limits.le ? "=" : "",
	    t->q.limits.max_rtt_us, t->q.limits.max_per_site,
	    t->q.limits.max_per_region, t->q.limits.max_per_csp,
	    t->q.limits.min_csps, t->q.limits.min_regions,
	    t->q.limits.has_budget ? t->q.limits.budget_per_hour_micros : -1,
	    t->q.nusers, t->q.nterms, t->q.lexicographic, t->q.topk,
	    t->q.limits.npairs);
	failures++;
}

static unsigned
set_of(const struct place_ranked *r)
{
	unsigned set = 0;

	for (size_t i = 0; i < r->nmembers; i++)
		set |= 1u << r->members[i].site;
	return set;
}

static void
compare(const struct instance *t, const struct place_answer *a)
{
	struct brute *b = xcalloc(1, sizeof *b);
	bool shown[MAX_SETS] = { false };
	bool taken[MAX_SETS] = { false };

	b->t = t;
	brute_stages(b);
	for (size_t i = 0; i < a->nranked; i++) {
		const struct place_ranked *r = &a->ranked[i];
		size_t best = brute_best(b, taken);

		if (best == MAX_SETS) {
			fail(t, "more groups than there are");
			break;
		}
		taken[best] = true;
		if (better(b, r->parts, r->score, b->parts[best],
			b->score[best]) != 0)
			fail(t, "another cost than brute force");
		if (shown[set_of(r)])
			fail(t, "a set of sites twice");
		shown[set_of(r)] = true;
	}
	if (a->nranked < t->q.topk && brute_best(b, taken) != MAX_SETS)
		fail(t, "fewer groups than there are");
	if (a->status == PLACE_INFEASIBLE && a->nranked > 0)
		fail(t, "groups, but infeasible");
	feasible += a->nranked > 0;
	free(b);
}

static struct place_answer *
solve(const struct instance *t, uint64_t nodes)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a =
	    place_solve(&t->q, &t->w, nodes, NULL, NULL, &err);

	if (a == NULL) {
		fail(t, err.msg);
		printf("  at %s\n", err.pointer);
	}
	return a;
}

static bool
still_conflict(const struct place_answer *a, const char *pointer)
{
	for (size_t i = 0; i < a->nconflicts; i++)
		if (strcmp(a->conflicts[i], pointer) == 0)
			return true;
	return false;
}

static bool
infeasible(const struct instance *t)
{
	struct place_answer *a = solve(t, 0);
	bool no = a != NULL && a->nranked == 0;

	place_answer_free(a);
	return no;
}

static void
forget_role(struct place_role *r)
{
	memset(&r->filter, 0, sizeof r->filter);
	r->npins = 0;
	r->weights = NULL;
}

/* Of quotas and separations only those of the conflict. */
static void
keep_counts(struct instance *c, const struct place_answer *a)
{
	struct place_limits *l = &c->q.limits;
	char name[64];

	l->quotas = c->quotas;
	l->separate = c->separate;
	for (size_t i = 0; i < l->nquotas; i++) {
		snprintf(name, sizeof name, "/constraints/quota/%zu", i);
		if (!still_conflict(a, name))
			c->quotas[i].vms = c->quotas[i].vcpus = -1;
	}
	for (size_t i = 0; i < l->nseparate; i++) {
		snprintf(name, sizeof name, "/constraints/antiAffinity/%zu", i);
		if (!still_conflict(a, name))
			c->separate[i].level = PLACE_LEVEL_NONE;
	}
}

/* The conflict alone cannot be met; its limits are minimal. */
static void
check_conflict(const struct instance *t, const struct place_answer *a)
{
	static const char *const names[] = { "/constraints/maxPerSite",
		"/constraints/maxPerZone", "/constraints/maxPerRegion",
		"/constraints/maxPerCsp", "/constraints/minCsps",
		"/constraints/minRegions" };
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_limits *l = &c->q.limits;
	uint32_t *const v[] = { &l->max_per_site, &l->max_per_zone,
		&l->max_per_region, &l->max_per_csp, &l->min_csps,
		&l->min_regions };
	bool pair_mean = false; /* it needs maxPerSite 1 */
	bool whole = true; /* only limits in it: filters are not dropped here */

	for (size_t i = 0; i < a->nconflicts; i++)
		whole = whole && strstr(a->conflicts[i], "/filter/") == NULL &&
		    strstr(a->conflicts[i], "/pins/") == NULL &&
		    strstr(a->conflicts[i], "/terms/") == NULL;
	for (size_t i = 0; i < t->q.nterms; i++)
		pair_mean = pair_mean ||
		    (!whole && t->terms[i].kind == PLACE_PAIR_RTT_MEAN);
	for (size_t r = 0; r < t->q.nroles && whole; r++)
		forget_role(&c->roles[r]);
	keep_counts(c, a);
	if (whole) {
		c->q.roles = c->roles;
		c->q.nterms = 0;
		for (size_t i = 0; i < t->q.limits.npairs; i++) {
			char name[64];

			snprintf(name, sizeof name,
			    "/constraints/pairLimits/%zu/maxRttMs", i);
			if (!still_conflict(a, name))
				c->pairs[i].max_rtt_us = 0;
		}
		l->pairs = c->pairs;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!still_conflict(a, names[i]) && (i > 0 || !pair_mean))
			*v[i] = 0;
	if (!still_conflict(a, "/constraints/budgetPerHourMicros"))
		l->has_budget = false;
	if (!still_conflict(a, "/constraints/maxRttMs"))
		l->max_rtt_us = 0;
	if (!still_conflict(a, "/constraints/maxRttToUserMs"))
		l->max_rtt_to_user_us = 0;
	if (!infeasible(c))
		fail(t, "the conflict alone can be met");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint32_t kept = *v[i];

		if (!still_conflict(a, names[i]))
			continue;
		*v[i] = 0;
		if (whole && infeasible(c))
			fail(t, "the conflict is not minimal");
		*v[i] = kept;
	}
	free(c);
}

/* Just above the smallest limit there is a group, at it none. */
static void
check_min_rtt(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xmemdup(t, sizeof *t);
	int64_t w = a->min_rtt_us + (t->q.limits.le ? 0 : 1);

	c->q.limits.max_rtt_us = w;
	if (infeasible(c))
		fail(t, "nothing just above the smallest limit");
	c->q.limits.max_rtt_us = w - 1;
	if (w > 1 && !infeasible(c))
		fail(t, "a group at the smallest limit");
	free(c);
}

/* Looser is never dearer; fewer ranks are a prefix; a chosen site matters. */
static void
check_relations(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_answer *b;
	bool staged = false;

	for (size_t i = 0; i < t->q.nterms; i++)
		staged = staged || t->q.terms[i].tolerance_pct > 0;
	c->q.topk = 1;
	b = solve(c, 0);
	if (b != NULL && a->nranked > 0 &&
	    b->ranked[0].score != a->ranked[0].score)
		fail(t, "top 1 is not the first of top K");
	place_answer_free(b);
	if (t->q.limits.max_rtt_us > 0 && !staged) {
		c->q.limits.max_rtt_us += 5;
		b = solve(c, 0);
		if (b != NULL && a->nranked > 0 &&
		    b->ranked[0].score > a->ranked[0].score)
			fail(t, "a looser limit is dearer");
		place_answer_free(b);
	}
	memcpy(c, t, sizeof *t);
	for (size_t i = 0; i < t->w.nsites; i++)
		for (size_t j = 0; j < t->w.nsites; j++)
			c->rtt[i * t->w.nsites + j] =
			    t->rtt[j * t->w.nsites + i];
	c->w.rtt_us[PLACE_P50] = c->w.rtt_us[PLACE_P95] = c->rtt;
	b = solve(c, 0);
	if (b != NULL &&
	    (b->nranked != a->nranked ||
		(a->nranked > 0 && b->ranked[0].score != a->ranked[0].score)))
		fail(t, "the transposed matrix gives another answer");
	place_answer_free(b);
	free(c);
}

/* The same world with sites and offers in reverse order. */
static void
reverse(struct instance *c, const struct instance *t)
{
	size_t n = t->w.nsites;

	memcpy(c, t, sizeof *t);
	for (size_t i = 0; i < n; i++) {
		c->sites[i] = t->sites[n - 1 - i];
		for (size_t j = 0; j < n; j++)
			c->rtt[i * n + j] = t->rtt[(n - 1 - i) * n + n - 1 - j];
		for (size_t u = 0; u < 3; u++)
			c->user_rtt[u * n + i] = t->user_rtt[u * n + n - 1 - i];
	}
	for (size_t i = 0; i < t->w.noffers; i++) {
		c->offers[i] = t->offers[t->w.noffers - 1 - i];
		c->offers[i].site = (uint32_t)n - 1 - c->offers[i].site;
	}
	c->w.sites = c->sites;
	c->w.offers = c->offers;
	c->w.rtt_us[PLACE_P50] = c->w.rtt_us[PLACE_P95] = c->rtt;
	if (t->w.user_rtt_us != NULL)
		c->w.user_rtt_us = c->user_rtt;
}

/* The order of the input is no reason for another answer. */
static void
check_order(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xcalloc(1, sizeof *c);
	struct place_answer *b;
	bool same;

	reverse(c, t);
	b = solve(c, 0);
	same = b != NULL && b->nranked == a->nranked;
	for (size_t i = 0; same && i < a->nranked; i++)
		for (size_t m = 0; m < a->ranked[i].nmembers; m++) {
			const struct place_member *x = &a->ranked[i].members[m];
			const struct place_member *y = &b->ranked[i].members[m];

			same = same && x->role == y->role &&
			    x->site == t->w.nsites - 1 - y->site &&
			    x->offer == t->w.noffers - 1 - y->offer;
		}
	if (!same)
		fail(t, "the order of the input changes the answer");
	place_answer_free(b);
	free(c);
}

/* A cut run must not promise more than the full one keeps. */
static void
check_cut(const struct instance *t, const struct place_answer *a)
{
	struct place_answer *b = solve(t, 1 + below(12));

	if (b == NULL)
		return;
	for (size_t i = 0; i < b->nranked && i < b->proved_ranks &&
	     b->status != PLACE_NO_DATA && !t->q.lexicographic;
	     i++)
		if (i >= a->nranked || b->ranked[i].score != a->ranked[i].score)
			fail(t, "a cut run proved a wrong rank");
	if (b->has_bound && b->nranked > 0 && a->nranked > 0 &&
	    !t->q.lexicographic && b->lower_bound > a->ranked[0].score)
		fail(t, "the lower bound of a cut run is too high");
	if (b->status == PLACE_INFEASIBLE && a->nranked > 0)
		fail(t, "a cut run calls it infeasible");
	place_answer_free(b);
}

static void
one_round(struct instance *t)
{
	struct place_answer *a;

	random_instance(t);
	a = solve(t, 0);
	if (a == NULL)
		return;
	if (a->cut != PLACE_NOT_CUT)
		fail(t, "cut without a budget");
	compare(t, a);
	if (a->nranked == 0 && a->conflicts_minimal)
		check_conflict(t, a);
	if (a->has_min_rtt)
		check_min_rtt(t, a);
	check_relations(t, a);
	check_order(t, a);
	check_cut(t, a);
	place_answer_free(a);
}

int
main(void)
{
	const char *seed = getenv("MW_SEED"), *n = getenv("MW_ROUNDS");
	uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t max = n ? strtoull(n, NULL, 10) : 3000;
	struct instance *t = xcalloc(1, sizeof *t);

	printf("prop_placement: MW_SEED=%" PRIu64 " MW_ROUNDS=%" PRIu64 "\n", s,
	    max);
	for (rounds = 0; rounds < max && failures < 10; rounds++) {
		rng_seed(&rng, rng_mix(s) + rounds);
		one_round(t);
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " feasible, %" PRIu64
	       " failures\n",
	    rounds, feasible, failures);
	free(t);
	return failures == 0 ? 0 : 1;
}
