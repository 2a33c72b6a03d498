/*
 * place_world.c - see place_world.h.
 */
#include "tests/bench/place_world.h"

#include "common/pure/alloc.h"
#include "common/pure/geo.h"

#include <math.h>
#include <string.h>

static const struct {
	double lat, lon;
} metros[] = { { 37.6, 127.0 }, { 35.7, 139.7 }, { 34.7, 135.5 },
	{ 1.35, 103.8 }, { 22.3, 114.2 }, { 39.9, 116.4 }, { 31.2, 121.5 },
	{ 19.1, 72.9 }, { 28.6, 77.2 }, { 13.1, 80.3 }, { -6.2, 106.8 },
	{ -33.9, 151.2 }, { -37.8, 145.0 }, { 25.3, 55.3 }, { 26.2, 50.6 },
	{ 32.1, 34.8 }, { 50.1, 8.7 }, { 51.5, -0.1 }, { 48.9, 2.35 },
	{ 53.3, -6.3 }, { 59.3, 18.1 }, { 60.2, 24.9 }, { 52.4, 4.9 },
	{ 45.5, 9.2 }, { 47.4, 8.5 }, { 40.4, -3.7 }, { 52.2, 21.0 },
	{ -26.2, 28.0 }, { -33.9, 18.4 }, { 39.0, -77.5 }, { 40.0, -83.0 },
	{ 41.9, -87.6 }, { 32.8, -96.8 }, { 37.4, -122.0 }, { 34.0, -118.2 },
	{ 45.6, -121.2 }, { 33.4, -112.0 }, { 45.5, -73.6 }, { 43.7, -79.4 },
	{ -23.5, -46.6 }, { -33.4, -70.7 }, { 20.6, -100.4 }, { 36.1, -115.1 },
	{ 33.2, -80.0 } };
static const char *const csps[] = { "alibaba", "aws", "azure", "gcp", "ibm",
	"ncp", "oracle", "tencent" };
static const char *const families[] = { "c", "m", "r", "t" };
static const char *const metric_names[] = { "score" };

static double
stretched_ms(struct rng *rng, double km)
{
	double ends = 1.2 + 1.4 * rng_unit(rng) + 1.4 * rng_unit(rng);

	return km / 100 * exp(0.35 + 0.25 * rng_normal(rng)) + ends;
}

static void
site_make(struct bench_world *b, struct place_site *s, uint32_t i,
    struct rng *rng)
{
	size_t at = rng_below(rng, ARRAY_LEN(metros));

	s->csp = csps[rng_below(rng, ARRAY_LEN(csps))];
	s->id = arena_printf(b->arena, "%s-%04u", s->csp, i);
	s->region = s->id;
	b->lat[i] = metros[at].lat + 1.5 * rng_normal(rng);
	b->lon[i] = metros[at].lon + 1.5 * rng_normal(rng);
}

static void
offer_make(struct bench_world *b, struct place_offer *o, uint32_t site,
    uint32_t i, double dear, struct rng *rng)
{
	static const int64_t ratio[] = { 1024, 2048, 4096, 8192 };
	int64_t *score = arena_alloc(b->arena, sizeof *score);
	size_t f = rng_below(rng, ARRAY_LEN(families));
	double price;

	o->site = site;
	o->spec_id = arena_printf(b->arena, "%s%u", families[f], i);
	o->family = families[f];
	o->arch = rng_below(rng, 4) > 0 ? "x86_64" : "arm64";
	o->vcpu = INT64_C(1) << rng_below(rng, 7);
	o->memory_mib = o->vcpu * ratio[f];
	price = 20000 * dear * (double)o->vcpu * (1 + 0.3 * (double)f) *
	    exp(0.2 * rng_normal(rng));
	o->cost_per_hour_micros = (int64_t)price + 1;
	*score = (int64_t)(600 * pow((double)o->vcpu, 0.9) *
		     exp(0.15 * rng_normal(rng))) *
	    1000;
	o->scores = score;
}

static void
times(struct bench_world *b, uint32_t *rtt, uint32_t n, struct rng *rng)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i; j < n; j++) {
			double km = geo_distance_km(b->lat[i], b->lon[i],
			    b->lat[j], b->lon[j]);
			uint32_t us = (uint32_t)(1000 * stretched_ms(rng, km));

			if (i == j)
				us = 200 + (uint32_t)rng_below(rng, 1500);
			rtt[(size_t)i * n + j] = us;
			rtt[(size_t)j * n + i] =
			    us + us * (uint32_t)rng_below(rng, 20) / 1000;
		}
	for (uint32_t u = 0; u < BENCH_USERS; u++) {
		size_t at = rng_below(rng, ARRAY_LEN(metros));
		double lat = metros[at].lat + 3 * rng_normal(rng);
		double lon = metros[at].lon + 3 * rng_normal(rng);

		for (uint32_t s = 0; s < n; s++) {
			double km =
			    geo_distance_km(lat, lon, b->lat[s], b->lon[s]);

			b->user_rtt[(size_t)u * n + s] =
			    (uint32_t)(1000 * (5 + stretched_ms(rng, km)));
		}
	}
}

struct bench_world *
bench_world_new(uint32_t nsites, uint32_t offers, uint64_t seed)
{
	struct bench_world *b = xcalloc(1, sizeof *b);
	struct place_site *sites;
	struct place_offer *of;
	uint32_t *rtt;
	struct rng rng;

	rng_seed(&rng, seed);
	b->arena = arena_new();
	sites = arena_array(b->arena, nsites, sizeof *sites);
	of = arena_array(b->arena, (size_t)nsites * offers, sizeof *of);
	rtt = arena_array(b->arena, (size_t)nsites * nsites, sizeof *rtt);
	b->lat = arena_array(b->arena, nsites, sizeof *b->lat);
	b->lon = arena_array(b->arena, nsites, sizeof *b->lon);
	b->user_rtt = arena_array(b->arena, (size_t)BENCH_USERS * nsites,
	    sizeof *b->user_rtt);
	for (uint32_t s = 0; s < nsites; s++) {
		double dear = exp(0.15 * rng_normal(&rng));

		site_make(b, &sites[s], s, &rng);
		for (uint32_t i = 0; i < offers; i++)
			offer_make(b, &of[(size_t)s * offers + i], s, i, dear,
			    &rng);
	}
	times(b, rtt, nsites, &rng);
	b->w.sites = sites;
	b->w.nsites = nsites;
	b->w.lat = b->lat;
	b->w.lon = b->lon;
	b->w.offers = of;
	b->w.noffers = (size_t)nsites * offers;
	b->w.metrics = metric_names;
	b->w.nmetrics = 1;
	b->w.rtt_us[PLACE_P50] = b->w.rtt_us[PLACE_P95] = rtt;
	b->w.intra_site_us = PLACE_UNKNOWN;
	return b;
}

void
bench_world_free(struct bench_world *b)
{
	arena_free(b->arena);
	free(b);
}

static void
roles(struct bench_query *b, struct rng *rng)
{
	static const char *const names[BENCH_ROLES] = { "api", "cache", "db",
		"etl", "queue", "web" };
	uint32_t left = b->vms;

	b->q.roles = b->role;
	b->q.nroles = b->roles;
	for (uint32_t i = 0; i < b->roles; i++) {
		struct place_role *r = &b->role[i];
		uint32_t after = b->roles - 1 - i;
		uint32_t share = left / (after + 1);

		memset(r, 0, sizeof *r);
		r->name = names[i];
		r->count = after == 0 ? left : share;
		left -= r->count;
		r->filter.vcpu.has_min = true;
		r->filter.vcpu.min = INT64_C(1) << rng_below(rng, 5);
		r->filter.memory_mib.has_min = true;
		r->filter.memory_mib.min =
		    r->filter.vcpu.min * (INT64_C(1024) << rng_below(rng, 4));
	}
}

void
bench_query(struct bench_query *b)
{
	struct place_limits *l = &b->q.limits;
	struct rng rng;

	rng_seed(&rng, b->seed);
	memset(&b->q, 0, sizeof b->q);
	memset(b->term, 0, sizeof b->term);
	b->w = b->world->w;
	roles(b, &rng);
	l->max_rtt_us = (int64_t)b->limit_ms * 1000;
	l->stat = PLACE_P95;
	l->max_per_site = b->per_site;
	l->max_per_csp = b->per_csp;
	l->min_csps = b->min_csps;
	b->q.terms = b->term;
	b->q.nterms = 1;
	b->q.topk = b->topk;
	b->term[0].kind = b->users > 0 ? PLACE_USER_RTT : PLACE_PRICE;
	b->term[0].weight = b->users > 0 ? 1000 : 1;
	if (b->users == 0)
		return;
	b->term[0].agg = b->sum ? PLACE_AGG_SUM
	    : b->pct == 100     ? PLACE_AGG_MINIMAX
				: PLACE_AGG_PERCENTILE;
	b->term[0].pct = b->pct;
	for (uint32_t u = 0; u < b->users; u++) {
		memset(&b->user[u], 0, sizeof b->user[u]);
		b->user[u].name = "user";
		b->user[u].weight = 1 + (uint32_t)rng_below(&rng, 20);
		b->user[u].has_location = true;
	}
	b->w.prepared = NULL; /* it is another world with these users */
	b->q.users = b->user;
	b->q.nusers = b->users;
	b->w.user_rtt_us = b->world->user_rtt;
	b->w.nuser_rows = b->users;
}
