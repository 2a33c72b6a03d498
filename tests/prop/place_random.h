/*
 * place_random.h - small random worlds and placement queries with every kind
 * of limit, for property tests. Includes its code: one test is one program.
 */
#ifndef MW_TESTS_PLACE_RANDOM_H
#define MW_TESTS_PLACE_RANDOM_H

#include "common/pure/rng.h"
#include "placement/placement.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SITES 7
#define MAX_OFFERS (2 * MAX_SITES)
#define MAX_USERS 6

struct instance {
	struct place_site sites[MAX_SITES];
	struct place_offer offers[MAX_OFFERS];
	int64_t scores[MAX_OFFERS][2];
	uint32_t rtt[MAX_SITES * MAX_SITES];
	uint32_t user_rtt[MAX_USERS * MAX_SITES];
	double lat[MAX_SITES], lon[MAX_SITES];
	struct place_role roles[3];
	struct place_pair_limit pairs[3];
	struct place_user users[MAX_USERS];
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

static const char *const user_names[MAX_USERS] = { "a", "b", "c", "d", "e",
	"f" };

static uint64_t failures, rounds;
static bool for_users; /* worlds whose users are what matters */
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
		t->lat[i] = chance(80) ? below(120) - 60.0 : NAN;
		t->lon[i] = below(360) - 180.0;
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
		for (size_t u = 0; u < (for_users ? MAX_USERS : 3); u++)
			t->user_rtt[u * n + i] =
			    chance(93) ? below(50) : PLACE_UNKNOWN;
	}
	t->w.lat = t->lat;
	t->w.lon = t->lon;
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
	t->q.assign_every = chance(for_users ? 5 : 25);
	t->q.served_by = chance(25) ? 1 : 0;
	for (size_t x = below(5), i = 0; i < 5; i++) {
		struct place_term *m = &t->terms[t->q.nterms];
		bool user = for_users && kinds[(x + i) % 5] == PLACE_USER_RTT;

		m->kind = kinds[(x + i) % 5];
		if (!chance(user ? 95 : 45) ||
		    (m->kind == PLACE_USER_RTT && t->q.nusers == 0) ||
		    (m->kind == PLACE_PAIR_RTT_MEAN &&
			t->q.limits.max_per_site != 1))
			continue;
		m->weight = below(5);
		m->alpha = below(3);
		m->metric = below(2);
		m->lower_is_better = chance(30);
		m->agg = t->q.assign_every ? PLACE_AGG_SUM
					   : (enum place_agg)below(4);
		m->pct = 1 + below(100);
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

/* Values so far apart that no single number holds all terms. */
static void
widen(struct instance *t)
{
	t->q.limits.budget_per_hour_micros <<= 44;
	for (size_t o = 0; o < t->w.noffers; o++) {
		if (t->offers[o].cost_per_hour_micros != PLACE_NO_PRICE)
			t->offers[o].cost_per_hour_micros <<= 44;
		t->scores[o][0] <<= 44;
		if (t->scores[o][1] != PLACE_NO_SCORE)
			t->scores[o][1] <<= 44;
	}
}

static void
random_instance(struct instance *t)
{
	memset(t, 0, sizeof *t);
	random_world(t);
	random_roles(t);
	if (chance(for_users ? 100 : 40)) {
		t->q.users = t->users;
		t->q.nusers = 1 + below(for_users ? MAX_USERS : 3);
		for (size_t u = 0; u < t->q.nusers; u++) {
			t->users[u].name = user_names[u];
			t->users[u].weight = 1 + below(for_users ? 9 : 3);
			if (chance(80)) {
				t->users[u].site =
				    site_names[below((uint32_t)t->w.nsites)];
				continue;
			}
			t->users[u].has_location = true;
			t->users[u].lat = below(120) - 60.0;
			t->users[u].lon = below(360) - 180.0;
		}
		if (chance(for_users ? 85 : 60)) {
			t->w.user_rtt_us = t->user_rtt;
			t->w.nuser_rows = for_users ? MAX_USERS : 3;
		}
	}
	random_limits(t);
	if (t->q.nusers > 0 && chance(40))
		t->q.limits.max_rtt_to_user_us = 5 + below(40);
	random_objective(t);
	t->q.missing_user_rtt =
	    chance(30) ? PLACE_MISSING_ESTIMATE : PLACE_MISSING_EXCLUDE;
	/* A fair term stands alone where there is one sum. */
	for (size_t i = 0; i < t->q.nterms && !t->q.lexicographic; i++)
		if (t->terms[i].agg == PLACE_AGG_FAIR &&
		    t->terms[i].kind == PLACE_USER_RTT && t->q.nterms > 1)
			t->terms[i].agg = PLACE_AGG_MINIMAX;
	t->q.topk = 1 + below(8);
	if (t->q.lexicographic && chance(30))
		widen(t);
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

#endif
