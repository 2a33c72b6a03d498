/*
 * prop_mesh_plan.c - over random members: every ordered pair of zones is
 * probed, the representatives rotate through everybody, a round that was made
 * to fit costs what it may, and nobody probes himself or anybody twice.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "coordinator/measure/mesh_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES 60
#define MEMBERS_MAX 1000

static uint64_t seed;

#define CHECK(cond, ...)                                \
	do {                                            \
		if (!(cond)) {                          \
			printf("FAIL - MW_SEED=%llu: ", \
			    (unsigned long long)seed);  \
			printf(__VA_ARGS__);            \
			printf("\n");                   \
			exit(1);                        \
		}                                       \
	} while (0)

static size_t
places_make(struct rng *r, struct mesh_plan_place *v)
{
	static const char *const words[] = { "", "a", "b", "c", "d", "e", "f",
		"g", "h" };
	size_t n = 2 + (size_t)rng_below(r, MEMBERS_MAX - 1);
	uint64_t kinds = 1 + rng_below(r, ARRAY_LEN(words));

	for (size_t i = 0; i < n; i++)
		v[i] = (struct mesh_plan_place){ words[rng_below(r, 2)],
			words[rng_below(r, kinds)], words[rng_below(r, 3)] };
	return n;
}

static void
check_plan(const struct mesh_plan *p, bool *met)
{
	memset(met, 0, p->nzones * p->nzones);
	CHECK(p->first[p->n] == (size_t)p->pairs, "pairs do not add up");
	for (size_t i = 0; i < p->n; i++) {
		CHECK(p->first[i + 1] - p->first[i] <= p->most,
		    "more targets than the most");
		for (size_t t = p->first[i]; t < p->first[i + 1]; t++) {
			uint32_t j = p->target[t];

			CHECK(j < p->n && j != i, "%zu probes %u", i, j);
			CHECK(t == p->first[i] || j > p->target[t - 1],
			    "not ascending");
			met[p->zone[i] * p->nzones + p->zone[j]] = true;
		}
	}
}

static void
check_coverage(const struct mesh_plan *p, const bool *met, size_t *size)
{
	memset(size, 0, p->nzones * sizeof *size);
	for (size_t i = 0; i < p->n; i++)
		size[p->zone[i]]++;
	for (size_t a = 0; a < p->nzones; a++)
		for (size_t b = 0; b < p->nzones; b++)
			CHECK(met[a * p->nzones + b] || (a == b && size[a] < 2),
			    "nobody probes from zone %zu to %zu", a, b);
}

/* After as many rounds as the largest zone has members all had their turn. */
static void
check_rotation(const struct mesh_plan_place *v, size_t n, const size_t *size,
    size_t nzones)
{
	bool *seen = xcalloc(n, sizeof *seen);
	size_t rounds = 0, missing = 0;
	struct mesh_plan p;

	for (size_t z = 0; z < nzones; z++)
		if (size[z] > rounds)
			rounds = size[z];
	for (size_t i = 0; i < rounds; i++) {
		mesh_plan_make(&p, v, n, MESH_PLAN_FULL_MAX, 7 + i);
		for (size_t z = 0; z < nzones; z++)
			seen[p.rep[z]] = true;
		mesh_plan_free(&p);
	}
	for (size_t i = 0; i < n; i++)
		missing += !seen[i];
	CHECK(missing == 0, "%zu of %zu never represented", missing, n);
	free(seen);
}

static void
check_budget(struct rng *r, const struct mesh_plan *p)
{
	int64_t max = (int64_t)rng_below(r, 400000000);
	int64_t k = 1 + (int64_t)rng_below(r, 32);
	int64_t fit = mesh_plan_fit(p, k, max);

	CHECK(fit >= 0 && fit <= k, "k grew");
	CHECK(mesh_plan_bytes(p, fit) <= max, "over the budget");
	CHECK(fit == k || mesh_plan_bytes(p, fit + 1) > max,
	    "less than the budget allows");
}

int
main(void)
{
	static struct mesh_plan_place v[MEMBERS_MAX];
	const char *text = getenv("MW_SEED");
	int64_t given;
	struct rng r;
	size_t levels = 0;

	seed = clock_random_u64() >> 1;
	if (text && num_parse_i64(text, strlen(text), 0, INT64_MAX, &given))
		seed = (uint64_t)given;
	printf("seed MW_SEED=%llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	for (int c = 0; c < CASES; c++) {
		size_t n = places_make(&r, v);
		struct mesh_plan p;

		mesh_plan_make(&p, v, n, MESH_PLAN_FULL_MAX, rng_u64(&r));
		check_budget(&r, &p);
		if (p.levels) {
			bool *met = xcalloc(p.nzones, p.nzones);
			size_t *size = xcalloc(p.nzones, sizeof *size);

			check_plan(&p, met);
			check_coverage(&p, met, size);
			if (levels++ % 8 == 0)
				check_rotation(v, n, size, p.nzones);
			free(met);
			free(size);
		}
		mesh_plan_free(&p);
	}
	printf("ok - %d random memberships, %zu with levels\n", CASES, levels);
	return levels > 0 ? 0 : 1;
}
