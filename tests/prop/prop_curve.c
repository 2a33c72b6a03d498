/*
 * prop_curve.c - the what-if curve, smallest limits by size, moves and flip
 * distances against plain solves of the same random queries. Prints its seed;
 * MW_SEED and MW_ROUNDS change seed and number of worlds.
 */
#include "common/pure/alloc.h"
#include "placement/curve.h"
#include "tests/prop/place_random.h"

static uint64_t points, moves, flips;

/* Score of the best group at a limit; false: there is none. */
static bool
best_at(const struct instance *t, int64_t limit, int64_t *score)
{
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_answer *a;
	bool any;

	c->q.limits.max_rtt_us = limit;
	c->q.topk = 1;
	a = solve(c, 0);
	any = a != NULL && a->nranked > 0;
	if (any)
		*score = a->ranked[0].score;
	place_answer_free(a);
	free(c);
	return any;
}

/* At both ends of its range a point's group is the best one. */
static void
check_point(const struct instance *t, const struct place_point *p,
    const struct place_point *next)
{
	int64_t low = (int64_t)p->worst_us + !t->q.limits.le, score;

	points++;
	if (p->has_worst && low > 0 &&
	    (!best_at(t, low, &score) || score != p->group.score))
		fail(t, "not the best just above its worst pair");
	if (p->up_to_us > 0 &&
	    (!best_at(t, p->up_to_us, &score) || score != p->group.score))
		fail(t, "not the best at the end of its range");
	if (next == NULL)
		return;
	if (next->worst_us >= p->worst_us)
		fail(t, "the next point is not closer");
	if (!t->q.lexicographic && next->group.score < p->group.score)
		fail(t, "closer and better: the former was not the best");
	if (!t->q.lexicographic &&
	    p->front != (next->group.score > p->group.score) &&
	    next->group.score != p->group.score)
		fail(t, "the front is marked wrong");
}

static void
check_curve(const struct instance *t)
{
	const struct place_sweep sweep = { 0 };
	struct mw_err err = MW_ERR_INIT;
	struct place_curve *c =
	    place_curve_new(&t->q, &t->w, &sweep, 0, NULL, NULL, &err);
	int64_t score;

	if (c == NULL) {
		fail(t, err.msg);
		return;
	}
	for (size_t i = 0; i < c->n; i++)
		check_point(t, &c->points[i],
		    i + 1 < c->n ? &c->points[i + 1] : NULL);
	if (!c->complete && c->no_data_reason == NULL)
		fail(t, "not complete, and nothing cut it");
	if (c->n == 0 && best_at(t, (int64_t)PLACE_UNKNOWN - 1, &score))
		fail(t, "no point, but a group");
	if (c->n > 0 && c->points[c->n - 1].has_worst) {
		const struct place_point *p = &c->points[c->n - 1];
		int64_t below = (int64_t)p->worst_us - (t->q.limits.le ? 1 : 0);

		if (below > 0 && best_at(t, below, &score))
			fail(t, "a group below the smallest limit");
	}
	place_curve_free(c);
}

/* A move changes one VM, is allowed, and its worst pair is what it says. */
static void
check_moves(const struct instance *t, const struct place_answer *a)
{
	struct place_move out[8];
	struct arena *arena = arena_new();

	place_moves(&a->ranked[0], &t->q, &t->w, arena, out);
	for (size_t i = 0; i < a->ranked[0].nmembers; i++) {
		const struct place_ranked *r = &out[i].group;
		const char *broken[1];
		size_t changed = 0;

		if (!out[i].found)
			continue;
		moves++;
		for (size_t j = 0; j < r->nmembers; j++)
			changed +=
			    r->members[j].site != a->ranked[0].members[j].site;
		if (changed != 1)
			fail(t, "a move of more than one VM");
		if (place_verify(&out[i].group, &t->q, &t->w, arena, broken,
			0) > 0)
			fail(t, "a move that breaks a limit");
	}
	arena_free(arena);
}

/* What the swept limit leaves: pairs with a limit of their own do not count. */
static int64_t
slack_of(const struct instance *t, const struct place_ranked *r)
{
	const struct place_limits *l = &t->q.limits;
	uint32_t worst = 0;

	for (size_t i = 0; i < r->nmembers; i++)
		for (size_t j = i + 1; j < r->nmembers; j++) {
			const struct place_member *a = &r->members[i];
			const struct place_member *b = &r->members[j];
			uint32_t d =
			    place_pair_rtt(&t->q, &t->w, a->site, b->site);
			bool own = false;

			for (size_t x = 0; x < l->npairs; x++)
				own = own ||
				    (l->pairs[x].a == a->role &&
					l->pairs[x].b == b->role) ||
				    (l->pairs[x].a == b->role &&
					l->pairs[x].b == a->role);
			if (!own && d > worst)
				worst = d;
		}
	return l->max_rtt_us - worst;
}

/* A limit moved by less than the flip distance has the same best score; one
 * moved by more has another, unless it is the slack that sets it. */
static void
check_flip(const struct instance *t, const struct place_answer *a)
{
	int64_t flip, score;

	if (!place_flip(&a->ranked[0], &t->q, &t->w, 0, NULL, NULL, &flip))
		return;
	flips++;
	if (flip > 0 &&
	    best_at(t, t->q.limits.max_rtt_us + flip - t->q.limits.le,
		&score) &&
	    !t->q.lexicographic && score != a->ranked[0].score)
		fail(t, "the answer flips sooner");
	if (flip < slack_of(t, &a->ranked[0]) && !t->q.lexicographic &&
	    best_at(t, t->q.limits.max_rtt_us + flip + !t->q.limits.le,
		&score) &&
	    score >= a->ranked[0].score)
		fail(t, "the answer does not flip there");
}

static void
check_sizes(const struct instance *t)
{
	struct place_size v[8];
	struct mw_err err = MW_ERR_INIT;
	struct instance *c = xmemdup(t, sizeof *t);
	int64_t score;
	size_t n;

	c->q.roles = c->roles;
	c->q.nroles = 1;
	c->q.served_by = 0;
	c->q.limits.npairs = c->q.limits.nseparate = 0;
	c->roles[0].npins = 0;
	if (!place_sizes(&c->q, &c->w, 4, 0, NULL, NULL, v, &n, &err))
		fail(t, err.msg);
	for (size_t i = 0; i < n; i++) {
		int64_t low = (int64_t)v[i].above_us + !t->q.limits.le;

		c->roles[0].count = v[i].count;
		if (!v[i].proved)
			fail(t, "a smallest limit without proof");
		if (low > 0 && !best_at(c, low, &score))
			fail(t, "no group of that size above its limit");
		if (low > 1 && best_at(c, low - 1, &score))
			fail(t, "a group of that size below its limit");
	}
	free(c);
}

static void
one_round(struct instance *t)
{
	struct place_answer *a;

	random_instance(t);
	for (size_t i = 0; i < t->q.nterms; i++)
		t->terms[i].tolerance_pct = 0;
	a = solve(t, 0);
	if (a == NULL)
		return;
	check_curve(t);
	check_sizes(t);
	if (a->nranked > 0) {
		check_moves(t, a);
		check_flip(t, a);
	}
	place_answer_free(a);
}

int
main(void)
{
	const char *seed = getenv("MW_SEED"), *n = getenv("MW_ROUNDS");
	uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t max = n ? strtoull(n, NULL, 10) : 1000;
	struct instance *t = xcalloc(1, sizeof *t);

	printf("prop_curve: MW_SEED=%" PRIu64 " MW_ROUNDS=%" PRIu64 "\n", s,
	    max);
	for (rounds = 0; rounds < max && failures < 10; rounds++) {
		rng_seed(&rng, rng_mix(s) + rounds);
		one_round(t);
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " points, %" PRIu64
	       " moves, %" PRIu64 " flips, %" PRIu64 " failures\n",
	    rounds, points, moves, flips, failures);
	free(t);
	return failures == 0 && points > 0 && moves > 0 ? 0 : 1;
}
