/*
 * prop_place_users.c - groups for many users against brute force over all sets
 * of sites: the mean, the worst user, a percentile and both, with pair limits,
 * caps, missing times and a price beside them. Larger than the worlds of
 * prop_placement, and of one role. MW_SEED and MW_ROUNDS as there.
 */
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "placement/placement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES 18
#define USERS 40
#define MAX_SETS 8568 /* 5 of 18 */

struct big {
	struct place_site sites[SITES];
	struct place_offer offers[SITES];
	char names[SITES][4];
	uint32_t rtt[SITES * SITES], user_rtt[USERS * SITES];
	uint32_t at[SITES][2], from[USERS][2]; /* on a plane */
	struct place_role role;
	struct place_user users[USERS];
	struct place_term terms[2];
	struct place_world w;
	struct place_query q;
	int64_t scores[MAX_SETS];
	size_t nscores;
};

static const char *const csps[3] = { "aws", "azure", "gcp" };
static struct rng rng;
static uint64_t failures, rounds, feasible, cut;

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
fail(const struct big *t, const char *what)
{
	printf("FAILED round %" PRIu64
	       ": %s (%zu sites, %u VMs, %zu users, agg %d, pct %u, top %u)\n",
	    rounds, what, t->w.nsites, t->role.count, t->q.nusers,
	    (int)t->terms[0].agg, t->terms[0].pct, t->q.topk);
	failures++;
}

static uint32_t
distance(const uint32_t *a, const uint32_t *b, uint32_t noise)
{
	uint32_t x = a[0] > b[0] ? a[0] - b[0] : b[0] - a[0];
	uint32_t y = a[1] > b[1] ? a[1] - b[1] : b[1] - a[1];

	return x + y + 1 + below(noise);
}

static void
world(struct big *t)
{
	size_t n = 6 + below(SITES - 5);
	uint32_t noise = chance(50) ? 4 : 60;
	uint32_t known = chance(50) ? 100 : 98;

	for (size_t u = 0; u < USERS; u++)
		for (int i = 0; i < 2; i++)
			t->from[u][i] = below(100);
	for (size_t s = 0; s < n; s++) {
		struct place_offer *o = &t->offers[s];

		snprintf(t->names[s], sizeof t->names[s], "s%02u",
		    (unsigned)s % 100);
		t->at[s][0] = below(100);
		t->at[s][1] = below(100);
		t->sites[s] = (struct place_site){ .id = t->names[s],
			.csp = csps[below(3)],
			.region = t->names[s] };
		o->site = (uint32_t)s;
		o->spec_id = "small";
		o->vcpu = o->memory_mib = 1;
		o->cost_per_hour_micros = below(40);
	}
	for (size_t s = 0; s < n; s++)
		for (size_t r = 0; r < n; r++)
			t->rtt[s * n + r] = distance(t->at[s], t->at[r], noise);
	for (size_t u = 0; u < USERS; u++)
		for (size_t s = 0; s < n; s++)
			t->user_rtt[u * n + s] = chance(known)
			    ? distance(t->from[u], t->at[s], noise)
			    : PLACE_UNKNOWN;
	t->w.sites = t->sites;
	t->w.nsites = t->w.noffers = n;
	t->w.offers = t->offers;
	t->w.rtt_us[PLACE_P50] = t->w.rtt_us[PLACE_P95] = t->rtt;
	t->w.intra_site_us = PLACE_UNKNOWN;
	t->w.user_rtt_us = t->user_rtt;
}

static void
query(struct big *t)
{
	struct place_query *q = &t->q;
	struct place_limits *l = &q->limits;

	q->roles = &t->role;
	q->nroles = 1;
	t->role.name = "web";
	t->role.count = 2 + below(4);
	q->users = t->users;
	q->nusers = t->w.nuser_rows = 5 + below(USERS - 4);
	for (size_t u = 0; u < q->nusers; u++) {
		t->users[u].name = "user";
		t->users[u].weight = 1 + below(chance(50) ? 1 : 100000);
		t->users[u].has_location = true;
	}
	l->stat = PLACE_P95;
	l->max_per_site = 1;
	l->max_rtt_us = chance(40) ? 40 + below(120) : 0;
	l->max_per_csp = chance(40) ? 1 + below(3) : 0;
	l->min_csps = chance(20) ? 2 : 0;
	l->max_rtt_to_user_us = chance(20) ? 40 + below(100) : 0;
	l->le = chance(50);
	q->terms = t->terms;
	q->nterms = 1;
	t->terms[0].kind = PLACE_USER_RTT;
	t->terms[0].weight = 1 + below(1000);
	t->terms[0].agg = (enum place_agg)(rounds % PLACE_AGG_COUNT);
	t->terms[0].pct = 1 + below(100);
	if (t->terms[0].agg != PLACE_AGG_FAIR && chance(40)) {
		t->terms[1].kind = PLACE_PRICE;
		t->terms[1].weight = 1 + below(1000);
		q->nterms = 2;
	}
	q->missing_user_rtt = PLACE_MISSING_EXCLUDE;
	q->topk = chance(50) ? 1 : 1 + below(12);
}

static void
brute(struct big *t, struct arena *arena, struct place_member *pick, size_t k,
    uint32_t from)
{
	struct place_served served[USERS];
	struct place_ranked r = { .members = pick,
		.nmembers = k,
		.served = served };
	const char *broken[1];

	if (k == t->role.count) {
		if (place_verify(&r, &t->q, &t->w, arena, broken, 0) == 0)
			t->scores[t->nscores++] = r.score;
		return;
	}
	for (uint32_t s = from; s < t->w.nsites; s++) {
		memset(&pick[k], 0, sizeof pick[k]);
		pick[k].site = pick[k].offer = s;
		brute(t, arena, pick, k + 1, s + 1);
	}
}

static int
i64_cmp(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* A short run promises nothing that is not so. */
static void
check_cut(const struct big *t)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a =
	    place_solve(&t->q, &t->w, 1 + below(60), NULL, NULL, &err);

	if (a == NULL) {
		fail(t, err.msg);
		return;
	}
	cut += a->cut != PLACE_NOT_CUT;
	if (a->has_bound && t->nscores > 0 && a->lower_bound > t->scores[0])
		fail(t, "the lower bound of a cut run is too high");
	for (size_t i = 0; i < a->proved_ranks && i < a->nranked; i++)
		if (a->ranked[i].score != t->scores[i])
			fail(t, "a cut run proved a wrong rank");
	if (a->status == PLACE_INFEASIBLE && t->nscores > 0)
		fail(t, "a cut run calls it infeasible");
	place_answer_free(a);
}

static void
one_round(struct big *t)
{
	struct arena *arena = arena_new();
	struct place_member pick[8];
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a;
	size_t want;

	memset(t, 0, sizeof *t);
	world(t);
	query(t);
	brute(t, arena, pick, 0, 0);
	qsort(t->scores, t->nscores, sizeof *t->scores, i64_cmp);
	a = place_solve(&t->q, &t->w, 0, NULL, NULL, &err);
	if (a == NULL) {
		fail(t, err.msg);
		arena_free(arena);
		return;
	}
	want = t->nscores < t->q.topk ? t->nscores : t->q.topk;
	if (a->nranked != want)
		fail(t, "another number of groups than brute force");
	for (size_t i = 0; i < want && i < a->nranked; i++)
		if (a->ranked[i].score != t->scores[i])
			fail(t, "another score than brute force");
	if (t->nscores > 0)
		check_cut(t);
	feasible += t->nscores > 0;
	place_answer_free(a);
	arena_free(arena);
}

int
main(void)
{
	const char *seed = getenv("MW_SEED"), *n = getenv("MW_ROUNDS");
	uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t max = n ? strtoull(n, NULL, 10) : 2000;
	struct big *t = xcalloc(1, sizeof *t);

	printf("prop_place_users: MW_SEED=%" PRIu64 " MW_ROUNDS=%" PRIu64 "\n",
	    s, max);
	for (rounds = 0; rounds < max && failures < 10; rounds++) {
		rng_seed(&rng, rng_mix(s) + rounds);
		one_round(t);
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " feasible, %" PRIu64
	       " short runs cut, %" PRIu64 " failures\n",
	    rounds, feasible, cut, failures);
	if (feasible < max / 2) {
		printf("FAILED: too few of them have a group\n");
		failures++;
	}
	free(t);
	return failures == 0 ? 0 : 1;
}
