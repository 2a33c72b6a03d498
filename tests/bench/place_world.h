/*
 * place_world.h - generated worlds and queries for the placement benchmark.
 * Same seed, same world. Sites are scattered around real metropolitan areas;
 * a time is km / 100 stretched by a lognormal factor, plus what each end adds.
 */
#ifndef MW_TESTS_PLACE_WORLD_H
#define MW_TESTS_PLACE_WORLD_H

#include "common/pure/rng.h"
#include "placement/placement.h"

#define BENCH_USERS 500
#define BENCH_ROLES 6

struct bench_world {
	struct place_world w;
	struct arena *arena;
	double *lat, *lon; /* of the sites */
	uint32_t *user_rtt; /* BENCH_USERS rows */
};

struct bench_query { /* filled by the caller, completed by bench_query() */
	const struct bench_world *world;
	uint32_t roles, vms, limit_ms, per_site, per_csp, min_csps;
	uint32_t users, pct; /* pct: percentile; 100: the worst user */
	bool sum; /* of users' times, else percentile; no prices */
	uint32_t topk;
	uint64_t seed;

	struct place_query q;
	struct place_world w;
	struct place_role role[BENCH_ROLES];
	struct place_term term[1];
	struct place_user user[BENCH_USERS];
};

/* offers: per site. */
struct bench_world *bench_world_new(uint32_t nsites, uint32_t offers,
    uint64_t seed);
void bench_world_free(struct bench_world *w);
/* b must not move afterwards. */
void bench_query(struct bench_query *b);

#endif
