/*
 * prop_prepared.c - a prepared world answers as the world itself, byte by
 * byte, and answers change as they must when the question or the world does:
 *   - prepared, asked once or again, and not prepared: the same text;
 *   - an offer more, or a site more, is never worse;
 *   - each limit made tighter is never better;
 *   - other names in the same order change nothing but names, in any order
 *     none of the scores.
 */
#include "tests/prop/place_random.h"

#include "common/pure/alloc.h"
#include "placement/io/place_io.h"
#include "placement/prepared.h"
#include "tests/bench/place_world.h"

#define MAX_NODES 20000

static uint64_t asked, tightened, added, renamed;

static char *
text_of(const struct place_query *q, const struct place_world *w,
    uint64_t nodes)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a = place_solve(q, w, nodes, NULL, NULL, &err);
	json_t *j;
	char *text;

	if (a == NULL)
		return xasprintf("%s: %s", err.pointer, err.msg);
	j = place_io_answer(a, q, w);
	text = json_text(j, false);
	json_decref(j);
	place_answer_free(a);
	return text;
}

/* Two questions over one prepared world, in either order. */
static void
check_prepared(const struct instance *t, const struct place_query *q,
    const struct place_world *w)
{
	struct mw_err err = MW_ERR_INIT;
	struct place_prepared *p = place_prepare(w, &err);
	char *fresh = text_of(q, w, MAX_NODES);

	if (p == NULL) {
		fail(t, err.msg);
		free(fresh);
		return;
	}
	for (int again = 0; again < 2; again++) {
		struct place_query other = *q;
		char *text = text_of(q, place_prepared_world(p), MAX_NODES);

		if (strcmp(text, fresh) != 0) {
			fail(t, "prepared, the world gives another answer");
			printf("  %.3000s\n  %.3000s\n", fresh, text);
		}
		free(text);
		other.suspect = PLACE_SUSPECT_EXCLUDE;
		other.max_age_s = 100;
		free(text_of(&other, place_prepared_world(p), 200));
		asked++;
	}
	free(fresh);
	place_prepared_free(p);
}

static bool
staged(const struct instance *t)
{
	for (size_t i = 0; i < t->q.nterms; i++)
		if (t->q.terms[i].tolerance_pct > 0)
			return true;
	return false;
}

/* Nothing that b has may be better than what a has. */
static void
check_worse(const struct instance *t, const struct place_answer *a,
    const struct instance *tight, const char *what)
{
	struct place_answer *b = solve(tight, 0);

	tightened++;
	if (b != NULL && b->status == PLACE_OPTIMAL && b->nranked > 0) {
		if (a->nranked == 0 && a->status == PLACE_INFEASIBLE)
			fail(t, what);
		else if (a->nranked > 0 && a->status == PLACE_OPTIMAL &&
		    b->ranked[0].score < a->ranked[0].score)
			fail(t, what);
	}
	place_answer_free(b);
}

static void
check_limits(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_limits *l = &c->q.limits;

	l->max_rtt_us = l->max_rtt_us > 3 ? l->max_rtt_us - 3 : 40;
	if (t->q.limits.max_rtt_us == 0 || t->q.limits.max_rtt_us > 3)
		check_worse(t, a, c, "a tighter maxRttMs is better");
	*l = t->q.limits;
	l->min_csps++;
	check_worse(t, a, c, "a larger minCsps is better");
	*l = t->q.limits;
	l->min_regions++;
	check_worse(t, a, c, "a larger minRegions is better");
	*l = t->q.limits;
	l->max_per_site = 1;
	check_worse(t, a, c, "one VM per site is better");
	*l = t->q.limits;
	l->max_per_csp = l->max_per_csp > 1 ? l->max_per_csp - 1 : 1;
	check_worse(t, a, c, "a smaller maxPerCsp is better");
	*l = t->q.limits;
	if (l->has_budget)
		l->budget_per_hour_micros /= 2;
	else
		l->budget_per_hour_micros = 60;
	l->has_budget = true;
	check_worse(t, a, c, "a smaller budget is better");
	free(c);
}

/* The answer without the last site (from: 0) or without the last offer. */
static void
check_added(const struct instance *t, const struct place_answer *a, bool site)
{
	struct instance *c = xmemdup(t, sizeof *t);
	uint32_t last = (uint32_t)t->w.nsites - 1;

	for (size_t i = 0; i < t->q.nroles; i++)
		if (t->q.roles[i].npins > 0)
			goto out; /* it may name what is gone */
	if (site)
		while (c->w.noffers > 0 &&
		    c->w.offers[c->w.noffers - 1].site == last)
			c->w.noffers--;
	else if (c->w.noffers > 0)
		c->w.noffers--;
	added++;
	check_worse(t, a, c,
	    site ? "a site more is worse" : "an offer more is worse");
out:
	free(c);
}

/* Every name with a prefix that is the same for all, or turns their order. */
static void
check_renamed(const struct instance *t, const struct place_answer *a, bool turn)
{
	struct instance *c = xmemdup(t, sizeof *t);
	struct arena *arena = arena_new();
	struct place_answer *b;
	bool same;

	for (size_t i = 0; i < t->w.nsites; i++)
		c->sites[i].id = arena_printf(arena, "new-%zu-%s",
		    turn ? t->w.nsites - i : 0, t->sites[i].id);
	for (size_t u = 0; u < t->q.nusers; u++)
		for (size_t i = 0; t->users[u].site && i < t->w.nsites; i++)
			if (strcmp(t->users[u].site, t->sites[i].id) == 0)
				c->users[u].site = c->sites[i].id;
	for (size_t r = 0; r < t->q.nroles; r++)
		for (size_t p = 0; p < t->roles[r].npins; p++)
			for (size_t i = 0; i < t->w.nsites; i++)
				if (t->pins[r][p].level == PLACE_LEVEL_SITE &&
				    strcmp(t->pins[r][p].name,
					t->sites[i].id) == 0)
					c->pins[r][p].name = c->sites[i].id;
	c->w.sites = c->sites;
	c->q.users = t->q.users != NULL ? c->users : NULL;
	for (size_t r = 0; r < t->q.nroles; r++)
		c->roles[r].pins = c->pins[r];
	c->q.roles = c->roles;
	b = solve(c, 0);
	same = b != NULL && b->status == a->status && b->nranked == a->nranked;
	/* Turned, equal groups change places, and lexicographic ones too. */
	for (size_t i = 0; same && i < a->nranked; i++) {
		same = t->q.lexicographic && i > 0
		    ? true
		    : a->ranked[i].score == b->ranked[i].score;
		for (size_t m = 0; !turn && m < a->ranked[i].nmembers; m++)
			same = same &&
			    a->ranked[i].members[m].site ==
				b->ranked[i].members[m].site &&
			    a->ranked[i].members[m].offer ==
				b->ranked[i].members[m].offer;
	}
	renamed++;
	if (!same)
		fail(t,
		    turn ? "names in another order change the scores"
			 : "other names change the answer");
	place_answer_free(b);
	arena_free(arena);
	free(c);
}

static void
one_round(struct instance *t)
{
	struct place_answer *a;

	random_instance(t);
	check_prepared(t, &t->q, &t->w);
	a = solve(t, 0);
	if (a == NULL)
		return;
	check_renamed(t, a, false);
	check_renamed(t, a, true);
	if (!staged(t) && t->q.missing_user_rtt != PLACE_MISSING_ERROR) {
		check_limits(t, a);
		check_added(t, a, true);
		check_added(t, a, false);
	}
	place_answer_free(a);
}

/* Worlds that are large enough to leave most of their sites out. */
static void
large_round(uint64_t seed)
{
	static struct instance none;
	static struct bench_query b;
	static const char *const arch[] = { "arm64", "no-such-arch" };
	struct bench_world *w =
	    bench_world_new(60 + below(60), 10 + below(20), seed);

	for (int i = 0; i < 6; i++) {
		b = (struct bench_query){ .world = w,
			.roles = 1 + below(3),
			.limit_ms = 10 + below(150),
			.per_site = 1 + below(2),
			.per_csp = chance(30) ? 3 : 0,
			.min_csps = 1 + below(3),
			.users = chance(30) ? 10 : 0,
			.sum = true,
			.topk = 1 + below(10),
			.seed = seed + (uint64_t)i };
		b.vms = b.roles + below(8);
		bench_query(&b);
		if (chance(30)) {
			b.role[0].filter.arch.v = arch;
			b.role[0].filter.arch.n = 1 + below(2);
		}
		if (chance(20)) {
			b.q.limits.has_budget = true;
			b.q.limits.budget_per_hour_micros =
			    100000 * (1 + below(20));
		}
		check_prepared(&none, &b.q, &b.w);
	}
	bench_world_free(w);
}

int
main(void)
{
	const char *seed = getenv("MW_SEED"), *n = getenv("MW_ROUNDS");
	uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t max = n ? strtoull(n, NULL, 10) : 800;
	struct instance *t = xcalloc(1, sizeof *t);

	printf("prop_prepared: MW_SEED=%" PRIu64 " MW_ROUNDS=%" PRIu64 "\n", s,
	    max);
	for (rounds = 0; rounds < max && failures < 10; rounds++) {
		rng_seed(&rng, rng_mix(s) + rounds);
		one_round(t);
		if (rounds % 100 == 0)
			large_round(rng_mix(s) + rounds);
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " asked prepared, %" PRIu64
	       " tightened, %" PRIu64 " added, %" PRIu64 " renamed, %" PRIu64
	       " failures\n",
	    rounds, asked, tightened, added, renamed, failures);
	free(t);
	return failures == 0 && asked > 0 && tightened > 0 && added > 0 ? 0 : 1;
}
