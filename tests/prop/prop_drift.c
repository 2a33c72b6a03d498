/*
 * prop_drift.c - random series of rounds: the state of a pair never flaps, a
 * pair between the two thresholds never changes, one that stays over the limit
 * is found, one that stays well below is ok again, and what is silent is
 * nothing.
 */
#include "common/clock.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "coordinator/place/drift_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES 4000
#define ROUNDS 200

#define CHECK(cond)                                                       \
	do {                                                              \
		if (!(cond)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                          \
		}                                                         \
	} while (0)

static struct drift_round
random_round(struct rng *g, const struct drift_limit *l, uint32_t level)
{
	uint32_t us = level + (uint32_t)rng_below(g, (uint64_t)l->us / 4 + 1);
	struct drift_round r = { .word = DRIFT_VALUE, .us = us };
	uint64_t what = rng_below(g, 20);

	if (what == 0)
		r.word = DRIFT_SILENT;
	else if (what == 1)
		r.word = DRIFT_NO_ANSWER;
	r.pooled = rng_below(g, 4) > 0;
	r.pool_us = (uint32_t)rng_below(g, (uint64_t)l->us * 2);
	r.pool_n = rng_below(g, 60);
	r.pool_rounds = rng_below(g, 8);
	return r;
}

static bool
counts(const struct drift_count *c)
{
	return c->over <= DRIFT_ROUNDS && c->below <= DRIFT_ROUNDS &&
	    c->met <= DRIFT_ROUNDS && c->missed <= DRIFT_ROUNDS &&
	    c->age <= DRIFT_ROUNDS && c->state < DRIFT_STATE_COUNT &&
	    (!c->over || !c->met) && (!c->missed || !(c->over || c->met));
}

/* Anything at all: changes after the first judgement are DRIFT_ROUNDS rounds
 * apart, and never to "pending". */
static size_t
never_flaps(struct rng *g, const struct drift_limit *l)
{
	struct drift_count c = { DRIFT_PENDING };
	size_t since = DRIFT_ROUNDS, changes = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t level =
		    (uint32_t)rng_below(g, (uint64_t)l->us * 3 / 2);
		struct drift_round r = random_round(g, l, level);
		enum drift_state was = c.state;
		bool changed;

		since += r.word != DRIFT_SILENT;
		changed = drift_step(&c, l, &r);
		CHECK(changed == (was != c.state) && counts(&c));
		CHECK(!changed || r.word != DRIFT_SILENT);
		CHECK(!changed || c.state != DRIFT_PENDING);
		if (!changed)
			continue;
		if (was != DRIFT_PENDING)
			CHECK(since >= DRIFT_ROUNDS);
		if (was == DRIFT_DRIFTED && c.state == DRIFT_OK)
			CHECK((uint64_t)r.us * 100 <
			    (uint64_t)l->us * DRIFT_BACK_PCT);
		since = was == DRIFT_PENDING && c.state == DRIFT_OK
		    ? DRIFT_ROUNDS
		    : 0;
		changes++;
	}
	return changes;
}

/* Between 95 % and the limit nothing changes, whatever the state. */
static void
band_is_quiet(struct rng *g, const struct drift_limit *l)
{
	enum drift_state start = rng_below(g, 2) ? DRIFT_OK : DRIFT_DRIFTED;
	struct drift_count c = { .state = start, .age = DRIFT_ROUNDS };
	uint32_t low = (uint32_t)((l->us * 95 + 99) / 100);
	uint32_t high = (uint32_t)l->us - (l->le ? 0 : 1);

	for (int i = 0; i < ROUNDS && low <= high; i++) {
		struct drift_round r = { .word = DRIFT_VALUE,
			.us = low + (uint32_t)rng_below(g, high - low + 1) };

		CHECK(!drift_step(&c, l, &r) && c.state == start);
	}
}

/* Whatever was before: three rounds over are found, three well below are ok,
 * three without an answer are lost. */
static void
three_decide(struct rng *g, const struct drift_limit *l)
{
	static const enum drift_state want[] = { DRIFT_DRIFTED, DRIFT_OK,
		DRIFT_LOST };
	struct drift_count c = { DRIFT_PENDING };
	struct drift_round r;
	size_t what = (size_t)rng_below(g, 3);

	for (uint64_t i = rng_below(g, 50); i; i--) {
		r = random_round(g, l,
		    (uint32_t)rng_below(g, (uint64_t)l->us * 3 / 2));
		(void)drift_step(&c, l, &r);
	}
	for (int i = 0; i < DRIFT_ROUNDS; i++) {
		r = (struct drift_round){ .word = what == 2 ? DRIFT_NO_ANSWER
							    : DRIFT_VALUE,
			.us = what == 0 ? (uint32_t)l->us + 1
					: (uint32_t)(l->us * 9 / 10) };
		(void)drift_step(&c, l, &r);
	}
	CHECK(c.state == want[what]);
}

int
main(void)
{
	const char *text = getenv("MW_SEED");
	uint64_t seed = clock_random_u64() >> 1;
	size_t changes = 0;
	struct rng g;
	int64_t given;

	if (text && num_parse_i64(text, strlen(text), 0, INT64_MAX, &given))
		seed = (uint64_t)given;
	printf("seed MW_SEED=%llu\n", (unsigned long long)seed);
	rng_seed(&g, seed);
	for (int i = 0; i < CASES; i++) {
		const struct drift_limit l = { 1 +
			    (int64_t)rng_below(&g, i % 2 ? 50 : 400000),
			rng_below(&g, 2) != 0 };

		changes += never_flaps(&g, &l);
		band_is_quiet(&g, &l);
		if (l.us > 20)
			three_decide(&g, &l);
	}
	printf("ok - %d random series, %zu changes\n", CASES, changes);
	return changes > 0 ? 0 : 1;
}
