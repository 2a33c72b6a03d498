/*
 * fuzz_placement.c - tiny worlds and queries straight from bytes: no crash, and
 * the search never disagrees with the verification.
 */
#include "placement/placement.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SITES 6

struct bytes {
	const uint8_t *p;
	size_t n;
};

static uint32_t
take(struct bytes *b, uint32_t below)
{
	if (b->n == 0)
		return 0;
	b->n--;
	return *b->p++ % below;
}

struct counts {
	struct place_pin pins[3];
	struct place_separate separate;
	struct place_quota quota;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
make_world(struct bytes *b, struct place_world *w, struct place_site *sites,
    struct place_offer *offers, uint32_t *rtt, int64_t *scores)
{
	static const char *const ids[MAX_SITES] = { "a", "b", "c", "d", "e",
		"f" };
	static const char *const csps[] = { "x", "y", "z" };
	static const char *const metrics[] = { "m" };

	w->nsites = 1 + take(b, MAX_SITES);
	w->noffers = w->nsites;
	w->metrics = metrics;
	w->nmetrics = 1;
	w->sites = sites;
	w->offers = offers;
	w->intra_site_us = take(b, 3) ? PLACE_UNKNOWN : 1;
	for (uint32_t i = 0; i < w->nsites; i++) {
		sites[i].id = ids[i];
		sites[i].csp = csps[take(b, 3)];
		sites[i].region = ids[take(b, 3)];
		sites[i].zone = take(b, 2) ? ids[take(b, 2)] : NULL;
		offers[i].site = i;
		offers[i].spec_id = "s";
		offers[i].vcpu = 1 + take(b, 4);
		offers[i].cost_per_hour_micros = (int64_t)take(b, 20) - 1;
		scores[i] = take(b, 50);
		offers[i].scores = &scores[i];
		for (uint32_t j = 0; j < w->nsites; j++) {
			uint32_t v = take(b, 40);

			rtt[i * w->nsites + j] = v == 39 ? PLACE_UNKNOWN : v;
		}
	}
	w->rtt_us[PLACE_P50] = w->rtt_us[PLACE_P95] = rtt;
}

static void
make_query(struct bytes *b, struct place_query *q, struct place_role *roles,
    struct place_term *terms, struct place_pair_limit *pair)
{
	static const char *const names[] = { "web", "db", "kv" };
	struct place_limits *l = &q->limits;

	q->mode = take(b, 5) == 4 ? PLACE_GROUPS : PLACE_PLACE;
	q->roles = roles;
	q->nroles = 1 + take(b, 3);
	for (size_t i = 0; i < q->nroles; i++) {
		roles[i].name = names[i];
		roles[i].count = 1 + take(b, 4);
		roles[i].filter.vcpu.has_min = take(b, 2);
		roles[i].filter.vcpu.min = 2;
	}
	l->max_rtt_us = take(b, 40);
	l->le = take(b, 2);
	l->max_per_site = take(b, 4);
	l->max_per_zone = take(b, 4);
	l->max_per_region = take(b, 4);
	l->max_per_csp = take(b, 5);
	l->min_csps = take(b, 4);
	l->min_regions = take(b, 4);
	l->has_budget = take(b, 2);
	l->budget_per_hour_micros = take(b, 80);
	l->pairs = pair;
	l->npairs = take(b, 2);
	pair->a = take(b, 3);
	pair->b = take(b, 3);
	pair->max_rtt_us = take(b, 30);
	q->terms = terms;
	q->nterms = take(b, 4);
	q->lexicographic = take(b, 2);
	for (size_t i = 0; i < q->nterms; i++) {
		terms[i].kind = (enum place_term_kind)take(b, PLACE_TERM_COUNT);
		terms[i].alpha = take(b, 4);
		terms[i].weight = take(b, 5);
		terms[i].tolerance_pct = take(b, 30);
	}
	q->topk = take(b, 9);
}

/* What counts VMs: pins, separations, quotas. */
static void
make_counts(struct bytes *b, struct place_query *q, struct place_role *roles,
    struct counts *c)
{
	static const char *const names[] = { "a", "x", "nowhere" };
	struct place_limits *l = &q->limits;

	for (size_t i = 0; i < q->nroles && take(b, 2); i++) {
		roles[i].pins = &c->pins[i];
		roles[i].npins = 1;
		c->pins[i].level = (enum place_level)take(b, 6);
		c->pins[i].name = names[take(b, 3)];
		c->pins[i].count = take(b, 5);
	}
	l->separate = &c->separate;
	l->nseparate = take(b, 2);
	c->separate.a = take(b, 3);
	c->separate.b = take(b, 3);
	c->separate.level = (enum place_level)take(b, 6);
	l->quotas = &c->quota;
	l->nquotas = take(b, 2);
	c->quota.region = take(b, 2) ? "a" : NULL;
	c->quota.vms = (int64_t)take(b, 5) - 1;
	c->quota.vcpus = (int64_t)take(b, 9) - 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place_site sites[MAX_SITES] = { 0 };
	struct place_offer offers[MAX_SITES] = { 0 };
	struct place_role roles[3] = { 0 };
	struct place_term terms[4] = { 0 };
	struct place_pair_limit pair = { 0 };
	struct place_world w = { 0 };
	struct place_query q = { 0 };
	struct counts counts = { 0 };
	struct mw_err err = MW_ERR_INIT;
	struct bytes b = { data, size };
	uint32_t rtt[MAX_SITES * MAX_SITES];
	int64_t scores[MAX_SITES];
	struct place_answer *a;

	make_world(&b, &w, sites, offers, rtt, scores);
	make_query(&b, &q, roles, terms, &pair);
	make_counts(&b, &q, roles, &counts);
	a = place_solve(&q, &w, 5000, NULL, NULL, &err);
	if (a == NULL && err.code == MW_INTERNAL)
		abort();
	place_answer_free(a);
	return 0;
}
