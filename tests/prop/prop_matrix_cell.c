/*
 * prop_matrix_cell.c - random cells through their bytes: never below the
 * truth, never further above it than promised, counts and flags the same;
 * random bytes are read or refused.
 */
#include "common/clock.h"
#include "common/pure/matrix_cell.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 200000

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

/* All magnitudes equally often. */
static uint32_t
any_us(struct rng *r, unsigned bits)
{
	return (uint32_t)(rng_u64(r) &
	    (((uint64_t)1 << rng_below(r, bits + 1)) - 1));
}

/* got is at most mantissa bits worse than the offset from min. */
static void
close_above(uint32_t got, uint32_t was, uint32_t min, unsigned mantissa)
{
	CHECK(got >= was);
	CHECK(got != MATRIX_NO_US);
	CHECK((uint64_t)(got - was) << mantissa <= was - min);
	CHECK(was - min >= 2u << mantissa || got == was);
}

static void
one_cell(struct rng *r)
{
	struct matrix_cell c = { .why = MATRIX_KNOWN,
		.method = (uint8_t)rng_below(r, MATRIX_METHOD_COUNT),
		.flags = (uint8_t)rng_below(r, 128),
		.n = (uint16_t)rng_below(r, MATRIX_CELL_MAX_N + 1),
		.lost = (uint16_t)rng_below(r, MATRIX_CELL_MAX_N + 1) },
			   d;
	uint8_t p[MATRIX_CELL_BYTES];

	c.min_us = any_us(r, 23);
	c.p50_us = c.min_us + any_us(r, 24);
	c.p95_us = c.p50_us + any_us(r, 23);
	c.avg_us = c.min_us + any_us(r, 22);
	c.jitter_us = any_us(r, 20);
	matrix_cell_pack(p, &c);
	CHECK(matrix_cell_unpack(p, 7, &d));
	CHECK(d.min_us == c.min_us && d.at_wall_ns == 7);
	close_above(d.avg_us, c.avg_us, c.min_us, 8);
	close_above(d.p50_us, c.p50_us, c.min_us, 10);
	close_above(d.p95_us, c.p95_us, c.min_us, 10);
	CHECK(d.p50_us <= d.p95_us);
	CHECK(d.jitter_us >= c.jitter_us);
	CHECK(d.jitter_us <= c.jitter_us + c.jitter_us / 16 + 7);
	CHECK(d.why == c.why && d.method == c.method && d.flags == c.flags);
	CHECK(d.n == c.n && d.lost == c.lost);
	/* Again gives the same bytes: reading and writing back loses nothing. */
	memset(p, 0xaa, sizeof p);
	matrix_cell_pack(p, &d);
	CHECK(matrix_cell_unpack(p, 7, &c));
	CHECK(memcmp(&c, &d, sizeof c) == 0);
}

static void
one_hole(struct rng *r)
{
	struct matrix_cell c = { .why = (uint8_t)(1 +
				     rng_below(r, MATRIX_WHY_COUNT - 1)),
		.lost = (uint16_t)rng_below(r, 101),
		.p95_us = 12345 },
			   d;
	uint8_t p[MATRIX_CELL_BYTES];

	matrix_cell_pack(p, &c);
	CHECK(matrix_cell_unpack(p, 9, &d));
	CHECK(d.why == c.why && d.lost == c.lost && d.n == 0);
	CHECK(d.p95_us == 0);
}

static void
one_day(struct rng *r)
{
	struct matrix_day a = { .flags = (uint8_t)rng_below(r, 128),
		.n = (uint16_t)rng_below(r, 65536),
		.lost = (uint16_t)rng_below(r, 65536),
		.rounds = (uint16_t)rng_below(r, 1441) },
			  b;
	uint8_t p[MATRIX_DAY_BYTES];

	a.min_us = any_us(r, 23);
	a.p50_us = a.min_us + any_us(r, 24);
	a.p95_us = a.p50_us + any_us(r, 23);
	a.max_us = a.p95_us + any_us(r, 23);
	matrix_day_pack(p, &a);
	CHECK(matrix_day_unpack(p, &b));
	CHECK(b.n == a.n && b.lost == a.lost && b.rounds == a.rounds);
	CHECK(b.flags == a.flags);
	if (!a.rounds)
		return;
	CHECK(b.min_us == a.min_us);
	close_above(b.p50_us, a.p50_us, a.min_us, 12);
	close_above(b.p95_us, a.p95_us, a.min_us, 12);
	close_above(b.max_us, a.max_us, a.min_us, 12);
}

/* What does not fit says so, and never looks small. */
static void
too_large(void)
{
	struct matrix_cell c = { .min_us = 40000000,
		.avg_us = 41000000,
		.p50_us = 60000000,
		.p95_us = UINT32_MAX - 1,
		.jitter_us = 300000000,
		.n = 500,
		.lost = 700 },
			   d;
	uint8_t p[MATRIX_CELL_BYTES];

	matrix_cell_pack(p, &c);
	CHECK(matrix_cell_unpack(p, 1, &d));
	CHECK(d.min_us == 0xfffffe);
	CHECK(d.avg_us == MATRIX_NO_US && d.p50_us == MATRIX_NO_US);
	CHECK(d.p95_us == MATRIX_NO_US && d.jitter_us == MATRIX_NO_US);
	CHECK(d.n == MATRIX_CELL_MAX_N && d.lost == MATRIX_CELL_MAX_N);
}

static void
random_bytes(struct rng *r)
{
	uint8_t p[MATRIX_DAY_BYTES];
	struct matrix_cell c;
	struct matrix_day d;

	for (size_t i = 0; i < sizeof p; i++)
		p[i] = (uint8_t)rng_below(r, 256);
	if (rng_below(r, 4) == 0)
		p[0] = p[1] = p[2] = 0xff;
	if (matrix_cell_unpack(p, 0, &c))
		CHECK(
		    c.why < MATRIX_WHY_COUNT && c.method < MATRIX_METHOD_COUNT);
	if (matrix_day_unpack(p, &d))
		CHECK(d.rounds > 0 || d.min_us == 0);
}

int
main(void)
{
	const char *env = getenv("MW_SEED");
	int64_t seed = (int64_t)(clock_random_u64() >> 1);
	struct rng r;

	if (env && !num_parse_i64(env, strlen(env), 0, INT64_MAX, &seed))
		return 2;
	printf("seed %lld\n", (long long)seed);
	rng_seed(&r, (uint64_t)seed);
	too_large();
	for (int i = 0; i < ROUNDS; i++) {
		one_cell(&r);
		one_hole(&r);
		one_day(&r);
		random_bytes(&r);
	}
	printf("%d cells, holes and days\n", ROUNDS);
	return 0;
}
