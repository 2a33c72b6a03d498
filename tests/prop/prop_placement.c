/*
 * prop_placement.c - the placement search against brute force, and properties
 * that must hold whatever the world. Prints its seed; MW_SEED and MW_ROUNDS
 * change seed and number of worlds.
 */
#include "common/pure/alloc.h"
#include "tests/prop/place_random.h"

#define MAX_SETS 256 /* by bit mask of sites */

static uint64_t feasible, splits;
/* Feasible ones by what they ask of the users; of each with a cap per csp or
 * region, a pair limit, several roles, another term. */
static uint64_t asked[PLACE_AGG_COUNT][5];

/* Brute force: the best row per set of sites. */
struct brute {
	const struct instance *t;
	struct arena *arena;
	struct place_member pick[8];
	size_t k;
	bool has[MAX_SETS];
	int64_t parts[MAX_SETS][PLACE_MAX_TERMS];
	int64_t score[MAX_SETS];
	int64_t caps[PLACE_MAX_TERMS]; /* of earlier stages */
	bool capped[PLACE_MAX_TERMS];
	uint32_t order[PLACE_MAX_TERMS];
	size_t norder;
};

/* Compares by the objective: negative if a is better. */
static int
better(const struct brute *b, const int64_t *a, int64_t as, const int64_t *c,
    int64_t cs)
{
	if (!b->t->q.lexicographic)
		return as < cs ? -1 : as > cs;
	for (size_t i = 0; i < b->norder; i++)
		if (a[b->order[i]] != c[b->order[i]])
			return a[b->order[i]] < c[b->order[i]] ? -1 : 1;
	return 0;
}

static void
brute_leaf(struct brute *b)
{
	struct place_ranked r = { .members = b->pick, .nmembers = b->k };
	struct place_served served[MAX_USERS];
	const char *broken[1];
	unsigned set = 0;

	r.served = served;
	if (place_verify(&r, &b->t->q, &b->t->w, b->arena, broken, 0) > 0)
		return;
	for (size_t i = 0; i < b->t->q.nterms; i++)
		if (b->capped[i] && r.parts[i] > b->caps[i])
			return;
	for (size_t i = 0; i < b->k; i++)
		set |= 1u << b->pick[i].site;
	if (b->has[set] &&
	    better(b, b->parts[set], b->score[set], r.parts, r.score) <= 0)
		return;
	b->has[set] = true;
	b->score[set] = r.score;
	memcpy(b->parts[set], r.parts, sizeof r.parts);
}

static void
brute_pick(struct brute *b, uint32_t role, uint32_t done, uint32_t from)
{
	const struct place_query *q = &b->t->q;

	if (role < q->nroles && done == q->roles[role].count) {
		brute_pick(b, role + 1, 0, 0);
		return;
	}
	if (role == q->nroles) {
		brute_leaf(b);
		return;
	}
	for (uint32_t o = from; o < b->t->w.noffers; o++) {
		struct place_member *m = &b->pick[b->k++];

		memset(m, 0, sizeof *m);
		m->role = role;
		m->site = b->t->w.offers[o].site;
		m->offer = o;
		brute_pick(b, role, done + 1, o);
		b->k--;
	}
}

static void
brute_run(struct brute *b)
{
	memset(b->has, 0, sizeof b->has);
	b->k = 0;
	b->arena = arena_new();
	brute_pick(b, 0, 0, 0);
	arena_free(b->arena);
}

static size_t
brute_best(const struct brute *b, const bool *skip)
{
	size_t best = MAX_SETS;

	for (size_t s = 0; s < MAX_SETS; s++)
		if (b->has[s] && !skip[s] &&
		    (best == MAX_SETS ||
			better(b, b->parts[s], b->score[s], b->parts[best],
			    b->score[best]) < 0))
			best = s;
	return best;
}

/* Stages of tolerances, as the header describes them. */
static void
brute_stages(struct brute *b)
{
	const struct place_query *q = &b->t->q;
	uint32_t from = 0;

	for (;;) {
		bool none[MAX_SETS] = { false };
		uint32_t t = from;
		size_t best;

		while (t < q->nterms && q->terms[t].tolerance_pct == 0)
			t++;
		b->norder = 0;
		if (!q->lexicographic || t + 1 >= q->nterms)
			break;
		for (uint32_t i = from; i <= t; i++)
			b->order[b->norder++] = i;
		brute_run(b);
		best = brute_best(b, none);
		if (best == MAX_SETS)
			break;
		for (uint32_t i = from; i <= t; i++) {
			int64_t v = b->parts[best][i], m = v < 0 ? -v : v;

			b->capped[i] = true;
			b->caps[i] = v + m / 100 * q->terms[i].tolerance_pct +
			    m % 100 * q->terms[i].tolerance_pct / 100;
		}
		from = t + 1;
	}
	b->norder = 0;
	for (uint32_t i = from; i < q->nterms; i++)
		b->order[b->norder++] = i;
	for (uint32_t i = 0; i < from; i++)
		b->order[b->norder++] = i;
	brute_run(b);
}

static unsigned
set_of(const struct place_ranked *r)
{
	unsigned set = 0;

	for (size_t i = 0; i < r->nmembers; i++)
		set |= 1u << r->members[i].site;
	return set;
}

/* Solved term by term: ranks are among those as good as the first. */
static bool
split(const struct place_answer *a)
{
	for (size_t i = 0; i < a->nwarnings; i++)
		if (strstr(a->warnings[i], "too far apart") != NULL)
			return true;
	return false;
}

static void
compare(const struct instance *t, const struct place_answer *a)
{
	struct brute *b = xcalloc(1, sizeof *b);
	bool shown[MAX_SETS] = { false };
	bool taken[MAX_SETS] = { false };

	b->t = t;
	brute_stages(b);
	for (size_t i = 0; i < a->nranked; i++) {
		const struct place_ranked *r = &a->ranked[i];
		size_t best = brute_best(b, taken);

		if (best == MAX_SETS) {
			fail(t, "more groups than there are");
			break;
		}
		taken[best] = true;
		if (better(b, r->parts, r->score, b->parts[best],
			b->score[best]) != 0)
			fail(t, "another cost than brute force");
		if (shown[set_of(r)])
			fail(t, "a set of sites twice");
		shown[set_of(r)] = true;
	}
	splits += split(a);
	if (a->nranked < t->q.topk && brute_best(b, taken) != MAX_SETS &&
	    !split(a))
		fail(t, "fewer groups than there are");
	if (a->status == PLACE_INFEASIBLE && a->nranked > 0)
		fail(t, "groups, but infeasible");
	feasible += a->nranked > 0;
	free(b);
}

static bool
still_conflict(const struct place_answer *a, const char *pointer)
{
	for (size_t i = 0; i < a->nconflicts; i++)
		if (strcmp(a->conflicts[i], pointer) == 0)
			return true;
	return false;
}

static bool
infeasible(const struct instance *t)
{
	struct place_answer *a = solve(t, 0);
	bool no = a != NULL && a->nranked == 0;

	place_answer_free(a);
	return no;
}

static void
forget_role(struct place_role *r)
{
	memset(&r->filter, 0, sizeof r->filter);
	r->npins = 0;
	r->weights = NULL;
}

/* Of quotas and separations only those of the conflict. */
static void
keep_counts(struct instance *c, const struct place_answer *a)
{
	struct place_limits *l = &c->q.limits;
	char name[64];

	l->quotas = c->quotas;
	l->separate = c->separate;
	for (size_t i = 0; i < l->nquotas; i++) {
		snprintf(name, sizeof name, "/constraints/quota/%zu", i);
		if (!still_conflict(a, name))
			c->quotas[i].vms = c->quotas[i].vcpus = -1;
	}
	for (size_t i = 0; i < l->nseparate; i++) {
		snprintf(name, sizeof name, "/constraints/antiAffinity/%zu", i);
		if (!still_conflict(a, name))
			c->separate[i].level = PLACE_LEVEL_NONE;
	}
}

/* The conflict alone cannot be met; its limits are minimal. */
static void
check_conflict(const struct instance *t, const struct place_answer *a)
{
	static const char *const names[] = { "/constraints/maxPerSite",
		"/constraints/maxPerZone", "/constraints/maxPerRegion",
		"/constraints/maxPerCsp", "/constraints/minCsps",
		"/constraints/minRegions" };
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_limits *l = &c->q.limits;
	uint32_t *const v[] = { &l->max_per_site, &l->max_per_zone,
		&l->max_per_region, &l->max_per_csp, &l->min_csps,
		&l->min_regions };
	bool pair_mean = false; /* it needs maxPerSite 1 */
	bool whole = true; /* only limits in it: filters are not dropped here */

	for (size_t i = 0; i < a->nconflicts; i++)
		whole = whole && strstr(a->conflicts[i], "/filter/") == NULL &&
		    strstr(a->conflicts[i], "/pins/") == NULL &&
		    strstr(a->conflicts[i], "/terms/") == NULL;
	for (size_t i = 0; i < t->q.nterms; i++)
		pair_mean = pair_mean ||
		    (!whole && t->terms[i].kind == PLACE_PAIR_RTT_MEAN);
	for (size_t r = 0; r < t->q.nroles && whole; r++)
		forget_role(&c->roles[r]);
	keep_counts(c, a);
	if (whole) {
		c->q.roles = c->roles;
		c->q.nterms = 0;
		for (size_t i = 0; i < t->q.limits.npairs; i++) {
			char name[64];

			snprintf(name, sizeof name,
			    "/constraints/pairLimits/%zu/maxRttMs", i);
			if (!still_conflict(a, name))
				c->pairs[i].max_rtt_us = 0;
		}
		l->pairs = c->pairs;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!still_conflict(a, names[i]) && (i > 0 || !pair_mean))
			*v[i] = 0;
	if (!still_conflict(a, "/constraints/budgetPerHourMicros"))
		l->has_budget = false;
	if (!still_conflict(a, "/constraints/maxRttMs"))
		l->max_rtt_us = 0;
	if (!still_conflict(a, "/constraints/maxRttToUserMs"))
		l->max_rtt_to_user_us = 0;
	if (!infeasible(c))
		fail(t, "the conflict alone can be met");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint32_t kept = *v[i];

		if (!still_conflict(a, names[i]))
			continue;
		*v[i] = 0;
		if (whole && infeasible(c))
			fail(t, "the conflict is not minimal");
		*v[i] = kept;
	}
	free(c);
}

/* Just above the smallest limit there is a group, at it none. */
static void
check_min_rtt(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xmemdup(t, sizeof *t);
	int64_t w = a->min_rtt_us + (t->q.limits.le ? 0 : 1);

	c->q.limits.max_rtt_us = w;
	if (infeasible(c))
		fail(t, "nothing just above the smallest limit");
	c->q.limits.max_rtt_us = w - 1;
	if (w > 1 && !infeasible(c))
		fail(t, "a group at the smallest limit");
	free(c);
}

/* Looser is never dearer; fewer ranks are a prefix; a chosen site matters. */
static void
check_relations(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xmemdup(t, sizeof *t);
	struct place_answer *b;
	bool staged = false;

	for (size_t i = 0; i < t->q.nterms; i++)
		staged = staged || t->q.terms[i].tolerance_pct > 0;
	c->q.topk = 1;
	b = solve(c, 0);
	if (b != NULL && a->nranked > 0 &&
	    b->ranked[0].score != a->ranked[0].score)
		fail(t, "top 1 is not the first of top K");
	place_answer_free(b);
	if (t->q.limits.max_rtt_us > 0 && !staged) {
		c->q.limits.max_rtt_us += 5;
		b = solve(c, 0);
		if (b != NULL && a->nranked > 0 &&
		    b->ranked[0].score > a->ranked[0].score)
			fail(t, "a looser limit is dearer");
		place_answer_free(b);
	}
	memcpy(c, t, sizeof *t);
	for (size_t i = 0; i < t->w.nsites; i++)
		for (size_t j = 0; j < t->w.nsites; j++)
			c->rtt[i * t->w.nsites + j] =
			    t->rtt[j * t->w.nsites + i];
	c->w.rtt_us[PLACE_P50] = c->w.rtt_us[PLACE_P95] = c->rtt;
	b = solve(c, 0);
	if (b != NULL &&
	    (b->nranked != a->nranked ||
		(a->nranked > 0 && b->ranked[0].score != a->ranked[0].score)))
		fail(t, "the transposed matrix gives another answer");
	place_answer_free(b);
	free(c);
}

/* The same world with sites and offers in reverse order. */
static void
reverse(struct instance *c, const struct instance *t)
{
	size_t n = t->w.nsites;

	memcpy(c, t, sizeof *t);
	for (size_t i = 0; i < n; i++) {
		c->sites[i] = t->sites[n - 1 - i];
		c->lat[i] = t->lat[n - 1 - i];
		c->lon[i] = t->lon[n - 1 - i];
		for (size_t j = 0; j < n; j++)
			c->rtt[i * n + j] = t->rtt[(n - 1 - i) * n + n - 1 - j];
		for (size_t u = 0; u < t->w.nuser_rows; u++)
			c->user_rtt[u * n + i] = t->user_rtt[u * n + n - 1 - i];
	}
	for (size_t i = 0; i < t->w.noffers; i++) {
		c->offers[i] = t->offers[t->w.noffers - 1 - i];
		c->offers[i].site = (uint32_t)n - 1 - c->offers[i].site;
	}
	c->w.sites = c->sites;
	c->w.lat = c->lat;
	c->w.lon = c->lon;
	c->w.offers = c->offers;
	c->w.rtt_us[PLACE_P50] = c->w.rtt_us[PLACE_P95] = c->rtt;
	if (t->w.user_rtt_us != NULL)
		c->w.user_rtt_us = c->user_rtt;
}

/* The order of the input is no reason for another answer. */
static void
check_order(const struct instance *t, const struct place_answer *a)
{
	struct instance *c = xcalloc(1, sizeof *c);
	struct place_answer *b;
	bool same;

	reverse(c, t);
	b = solve(c, 0);
	same = b != NULL && b->nranked == a->nranked;
	for (size_t i = 0; same && i < a->nranked; i++)
		for (size_t m = 0; m < a->ranked[i].nmembers; m++) {
			const struct place_member *x = &a->ranked[i].members[m];
			const struct place_member *y = &b->ranked[i].members[m];

			same = same && x->role == y->role &&
			    x->site == t->w.nsites - 1 - y->site &&
			    x->offer == t->w.noffers - 1 - y->offer;
		}
	if (!same)
		fail(t, "the order of the input changes the answer");
	place_answer_free(b);
	free(c);
}

/* A cut run must not promise more than the full one keeps. */
static void
check_cut(const struct instance *t, const struct place_answer *a)
{
	struct place_answer *b = solve(t, 1 + below(12));

	if (b == NULL)
		return;
	for (size_t i = 0; i < b->nranked && i < b->proved_ranks &&
	     b->status != PLACE_NO_DATA && !t->q.lexicographic;
	     i++)
		if (i >= a->nranked || b->ranked[i].score != a->ranked[i].score)
			fail(t, "a cut run proved a wrong rank");
	if (b->has_bound && b->nranked > 0 && a->nranked > 0 &&
	    !t->q.lexicographic && b->lower_bound > a->ranked[0].score)
		fail(t, "the lower bound of a cut run is too high");
	if (b->status == PLACE_INFEASIBLE && a->nranked > 0)
		fail(t, "a cut run calls it infeasible");
	place_answer_free(b);
}

static void
count_asked(const struct instance *t)
{
	const struct place_limits *l = &t->q.limits;

	for (size_t i = 0; i < t->q.nterms; i++) {
		uint64_t *n = asked[t->terms[i].agg];

		if (t->terms[i].kind != PLACE_USER_RTT || t->q.assign_every)
			continue;
		n[0]++;
		n[1] += l->max_per_csp > 0 || l->max_per_region > 0;
		n[2] += l->max_rtt_us > 0 || l->npairs > 0;
		n[3] += t->q.nroles > 1;
		n[4] += t->q.nterms > 1;
	}
}

/* Each kind has to come up, or nothing was tested. */
static void
check_asked(const struct instance *t)
{
	for (size_t a = 0; a < PLACE_AGG_COUNT; a++)
		for (size_t i = 0; i < 5; i++)
			if (asked[a][i] < 5)
				fail(t, "too few questions about users");
}

static void
one_round(struct instance *t)
{
	struct place_answer *a;

	random_instance(t);
	a = solve(t, 0);
	if (a == NULL)
		return;
	if (a->cut != PLACE_NOT_CUT)
		fail(t, "cut without a budget");
	compare(t, a);
	if (a->nranked > 0)
		count_asked(t);
	if (a->nranked == 0 && a->conflicts_minimal)
		check_conflict(t, a);
	if (a->has_min_rtt)
		check_min_rtt(t, a);
	check_relations(t, a);
	check_order(t, a);
	check_cut(t, a);
	place_answer_free(a);
}

int
main(void)
{
	const char *seed = getenv("MW_SEED"), *n = getenv("MW_ROUNDS");
	uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
	uint64_t max = n ? strtoull(n, NULL, 10) : 3000;
	struct instance *t = xcalloc(1, sizeof *t);

	printf("prop_placement: MW_SEED=%" PRIu64 " MW_ROUNDS=%" PRIu64 "\n", s,
	    max);
	for (rounds = 0; rounds < max && failures < 10; rounds++) {
		rng_seed(&rng, rng_mix(s) + rounds);
		for_users = rounds % 2 == 1;
		one_round(t);
	}
	if (rounds >= 1000)
		check_asked(t);
	for (size_t a = 0; a < PLACE_AGG_COUNT; a++)
		printf("users %zu: %" PRIu64 ", capped %" PRIu64
		       ", pair limits %" PRIu64 ", roles %" PRIu64
		       ", terms %" PRIu64 "\n",
		    a, asked[a][0], asked[a][1], asked[a][2], asked[a][3],
		    asked[a][4]);
	printf("%" PRIu64 " worlds, %" PRIu64 " feasible, %" PRIu64
	       " in several passes, %" PRIu64 " failures\n",
	    rounds, feasible, splits, failures);
	free(t);
	return failures == 0 ? 0 : 1;
}
