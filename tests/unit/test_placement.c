/*
 * test_placement.c - golden answers on the deck's 17 x 17 matrix, and the
 * manners of the interface.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/place_table.h"

static struct table *
deck(void)
{
	struct table *t = xcalloc(1, sizeof *t);

	if (!read_table(t, "bench-data/deck/deck-rtt-17x17.csv"))
		fail_msg("run from the top folder of the sources");
	make_world(t);
	return t;
}

static uint64_t
span(unsigned from, unsigned to)
{
	uint64_t b = 0;

	for (unsigned i = from; i <= to; i++)
		b |= UINT64_C(1) << i;
	return b;
}

#define BIT(i) (UINT64_C(1) << (i))

static void
expect_sets(struct table *t, int64_t us, uint32_t csps, const uint64_t *sets,
    size_t n)
{
	struct place_answer *a;

	t->q.mode = PLACE_GROUPS;
	a = ask(t, 1, us, csps);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_int_equal(a->nranked, n);
	for (size_t i = 0; i < n; i++) {
		bool seen = false;

		for (size_t j = 0; j < n; j++)
			seen = seen ||
			    bits(a->ranked[j].members, a->ranked[j].nmembers) ==
				sets[i];
		if (!seen)
			fail_msg("a set is missing at %lld us", (long long)us);
	}
	place_answer_free(a);
	t->q.mode = PLACE_PLACE;
}

static void
deck_has_the_known_maximal_groups(void **state)
{
	struct table *t = deck();
	const uint64_t at2[] = { span(2, 7), span(9, 13) | BIT(15) | BIT(16),
		span(9, 12) | span(14, 16), BIT(1), BIT(8), BIT(17) };
	const uint64_t at5[] = { span(9, 16), span(2, 7), BIT(1) | BIT(8),
		BIT(17) };
	const uint64_t at70[] = { span(8, 16) | BIT(1), span(2, 7), BIT(17) };
	const uint64_t at100[] = { span(8, 16) | BIT(1), span(2, 7),
		BIT(7) | BIT(17) };
	const uint64_t two[] = { BIT(1) | BIT(8) };

	(void)state;
	expect_sets(t, 2000, 0, at2, ARRAY_LEN(at2));
	expect_sets(t, 5000, 0, at5, ARRAY_LEN(at5));
	expect_sets(t, 40000, 0, at5, ARRAY_LEN(at5));
	expect_sets(t, 70000, 0, at70, ARRAY_LEN(at70));
	expect_sets(t, 100000, 0, at100, ARRAY_LEN(at100));
	expect_sets(t, 40000, 2, two, ARRAY_LEN(two));
	free(t);
}

/* The damaged rows of the deck: mended from the other direction, or left
 * out, on request only. */
static void
deck_is_mended_on_request(void **state)
{
	struct table *t = deck();
	const uint64_t mended[] = { span(8, 16) | BIT(1),
		span(2, 7) | BIT(17) };
	const uint64_t without[] = { span(8, 16) | BIT(1), span(2, 7),
		BIT(7) | BIT(17) };

	(void)state;
	t->q.suspect = PLACE_SUSPECT_TRANSPOSE;
	expect_sets(t, 100000, 0, mended, ARRAY_LEN(mended));
	t->q.suspect = PLACE_SUSPECT_EXCLUDE;
	expect_sets(t, 100000, 0, without, ARRAY_LEN(without));
	free(t);
}

/* An estimate ranks, behind all that was measured, and proves nothing. */
static void
estimated_pairs_come_last(void **state)
{
	struct table *t = deck();
	double lat[MAX], lon[MAX];
	struct place_answer *a;

	(void)state;
	for (size_t i = 0; i < t->n; i++) {
		lat[i] = i == 0 || i == 7 ? 37.5 : 24.0;
		lon[i] = i == 0 || i == 7 ? 127.0 : 121.5;
	}
	t->w.lat = lat;
	t->w.lon = lon;
	t->rtt[7] = t->rtt[7 * t->n] = PLACE_UNKNOWN; /* 1 and 8 */
	t->q.missing_pair = PLACE_MISSING_ESTIMATE;
	a = ask(t, 2, 40000, 2);
	assert_int_equal(a->status, PLACE_NO_DATA);
	assert_true(a->nranked > 0);
	for (size_t i = 0; i < a->nranked; i++)
		assert_true(a->ranked[i].unverified);
	assert_int_equal(a->proved_ranks, 0);
	place_answer_free(a);
	a = ask(t, 2, 70000, 2);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_false(a->ranked[0].unverified);
	place_answer_free(a);
	t->q.missing_pair = PLACE_MISSING_DEFAULT;
	a = ask(t, 2, 40000, 2);
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	place_answer_free(a);
	free(t);
}

/* A missing score is guessed from the others, and said to be. */
static void
priors_are_marked(void **state)
{
	struct table *t = deck();
	struct place_term perf = { .kind = PLACE_PERFORMANCE, .weight = 1 };
	struct place_answer *a;
	int64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < t->n; i++)
		sum += i == 16 ? 0 : t->score[i];
	t->score[16] = PLACE_NO_SCORE;
	t->q.terms = &perf;
	t->q.nterms = 1;
	t->q.missing_score = PLACE_MISSING_PRIOR;
	t->role.filter.site.v = (const char *const[]){ t->names[16] };
	t->role.filter.site.n = 1;
	a = ask(t, 1, 0, 0);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_true(a->ranked[0].members[0].prior);
	assert_int_equal(a->ranked[0].score, -(sum / 32 * 2 / 100 * 80));
	place_answer_free(a);
	free(t);
}

static void
deck_has_the_known_smallest_limits(void **state)
{
	struct table *t = deck();

	(void)state;
	expect_smallest(t, 5, 2, 57671,
	    BIT(8) | BIT(10) | BIT(12) | BIT(13) | BIT(16));
	expect_smallest(t, 3, 3, 58220, BIT(1) | BIT(8) | BIT(12));
	expect_smallest(t, 4, 3, 61197, BIT(1) | BIT(8) | BIT(10) | BIT(12));
	free(t);
}

static void
deck_names_the_conflict(void **state)
{
	struct table *t = deck();
	struct place_answer *a = ask(t, 3, 40000, 3);
	const struct place_relaxation *r;

	(void)state;
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	assert_true(a->conflicts_minimal);
	assert_int_equal(a->nconflicts, 2);
	assert_string_equal(a->conflicts[0], "/constraints/maxRttMs");
	assert_string_equal(a->conflicts[1], "/constraints/minCsps");
	assert_int_equal(a->min_rtt_us, 58220);
	place_answer_free(a);
	t->q.mode = PLACE_GROUPS;
	a = ask(t, 1, 40000, 3);
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	r = relaxation(a, "/constraints/minCsps");
	assert_non_null(r);
	assert_int_equal(r->to, 2);
	assert_int_equal(bits(r->members, r->nmembers), BIT(1) | BIT(8));
	r = relaxation(a, "/constraints/maxRttMs");
	assert_non_null(r);
	assert_int_equal(r->above, 58220);
	place_answer_free(a);
	free(t);
}

/* Two cells of a deck pair, flags as counted by hand. */
static void
deck_flags_the_damaged_pairs(void **state)
{
	struct table *t = deck();
	unsigned asymmetric = 0, minor = 0, detour = 0;

	(void)state;
	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t j = i + 1; j < t->n; j++) {
			unsigned f = place_pair_quality(&t->q, &t->w, i, j);

			asymmetric += (f & PLACE_Q_ASYMMETRIC) != 0;
			minor += (f & PLACE_Q_ASYMMETRIC_MINOR) != 0;
			detour += (f & PLACE_Q_DETOUR) != 0;
		}
	assert_int_equal(asymmetric, 5);
	assert_int_equal(minor, 2);
	assert_int_equal(detour, 5);
	free(t);
}

static void
unknown_times_satisfy_no_limit(void **state)
{
	struct table *t = deck();
	struct place_answer *a;

	(void)state;
	for (size_t i = 0; i < t->n * t->n; i++)
		t->rtt[i] = PLACE_UNKNOWN;
	a = ask(t, 2, 40000, 0);
	assert_int_equal(a->status, PLACE_NO_DATA);
	assert_int_equal(a->nranked, 0);
	place_answer_free(a);
	a = ask(t, 1, 40000, 0);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	place_answer_free(a);
	a = ask(t, 2, 0, 0);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_false(a->ranked[0].worst.known);
	place_answer_free(a);
	free(t);
}

static bool
stop_now(void *arg)
{
	++*(int *)arg;
	return true;
}

static void
budget_and_stop_end_the_search_honestly(void **state)
{
	struct table *t = deck();
	struct mw_err err = MW_ERR_INIT;
	struct place_answer *a;
	int asked = 0;

	(void)state;
	t->role.count = 5;
	t->q.limits.max_rtt_us = 58000;
	t->q.limits.min_csps = 2;
	t->q.topk = 64;
	a = place_solve(&t->q, &t->w, 1, NULL, NULL, &err);
	assert_non_null(a);
	assert_true(
	    a->status == PLACE_FEASIBLE_GAP || a->status == PLACE_UNDECIDED);
	assert_int_equal(a->cut, PLACE_CUT_NODES);
	place_answer_free(a);
	t->q.topk = PLACE_MAX_TOPK;
	t->q.limits.max_rtt_us = 200000;
	t->q.limits.min_csps = 1;
	a = place_solve(&t->q, &t->w, 0, stop_now, &asked, &err);
	assert_non_null(a);
	assert_int_equal(asked, 1);
	assert_int_equal(a->cut, PLACE_CUT_STOP);
	assert_true(
	    a->status == PLACE_FEASIBLE_GAP || a->status == PLACE_UNDECIDED);
	place_answer_free(a);
	free(t);
}

static void
emptied_groups_are_told(void **state)
{
	struct table *t = deck();
	struct place_answer *a;

	(void)state;
	t->role.filter.vcpu =
	    (struct place_range){ .min = 64, .has_min = true };
	a = ask(t, 2, 40000, 0);
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	assert_int_equal(a->removed[0].by[PLACE_F_VCPU], 17);
	assert_int_equal(a->removed[0].left, 0);
	assert_int_equal(a->nwarnings, 1);
	assert_int_equal(a->nconflicts, 1);
	assert_string_equal(a->conflicts[0], "/groups/0/filter/vcpu");
	assert_int_equal(a->relax[0].to, 2);
	place_answer_free(a);
	free(t);
}

static void
wrong_queries_are_refused_with_a_pointer(void **state)
{
	struct table *t = deck();
	struct mw_err err = MW_ERR_INIT;
	static const struct place_term bad = { .kind = PLACE_PERFORMANCE,
		.metric = 7,
		.weight = 1 };

	(void)state;
	t->q.terms = &bad;
	t->q.nterms = 1;
	assert_null(place_solve(&t->q, &t->w, 0, NULL, NULL, &err));
	assert_int_equal(err.code, MW_INVALID);
	assert_string_equal(err.pointer, "/objective/terms/0");
	t->q.nterms = 0;
	t->role.count = 0;
	assert_null(place_solve(&t->q, &t->w, 0, NULL, NULL, &err));
	assert_string_equal(err.pointer, "/groups/0/count");
	free(t);
}

static void
a_check_names_what_is_broken(void **state)
{
	static const struct place_given given[] = { { 0, 0, "vm" },
		{ 0, 11, "vm" }, { 0, 0, "vm" } };
	struct table *t = deck();
	struct place_answer *a;

	(void)state;
	t->q.mode = PLACE_CHECK;
	t->q.given = given;
	t->q.ngiven = 3;
	a = ask(t, 2, 40000, 3);
	assert_int_equal(a->status, PLACE_INFEASIBLE);
	assert_int_equal(a->nviolations, 4);
	assert_string_equal(a->violations[0], "/groups/0/count");
	assert_string_equal(a->violations[1], "/constraints/maxRttMs");
	assert_string_equal(a->violations[2], "/constraints/maxPerSite");
	assert_string_equal(a->violations[3], "/constraints/minCsps");
	place_answer_free(a);
	free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deck_has_the_known_maximal_groups),
		cmocka_unit_test(deck_is_mended_on_request),
		cmocka_unit_test(estimated_pairs_come_last),
		cmocka_unit_test(priors_are_marked),
		cmocka_unit_test(deck_has_the_known_smallest_limits),
		cmocka_unit_test(deck_names_the_conflict),
		cmocka_unit_test(deck_flags_the_damaged_pairs),
		cmocka_unit_test(unknown_times_satisfy_no_limit),
		cmocka_unit_test(budget_and_stop_end_the_search_honestly),
		cmocka_unit_test(emptied_groups_are_told),
		cmocka_unit_test(wrong_queries_are_refused_with_a_pointer),
		cmocka_unit_test(a_check_names_what_is_broken),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
