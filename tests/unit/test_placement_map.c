/*
 * test_placement_map.c - known counts on a public latency map of 110 regions;
 * skipped where the file is absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/place_table.h"

/* The public latency map: not part of the project. */
static struct table *
map110(void)
{
	const char *shared = getenv("MW_SHARED");
	struct table *t = xcalloc(1, sizeof *t);
	char path[512];

	snprintf(path, sizeof path, "%s/latency-110.csv",
	    shared ? shared : "../shared/data");
	if (read_table(t, path)) {
		make_world(t);
		return t;
	}
	free(t);
	print_message("no %s: the map of 110 regions is not part of the "
		      "sources; MW_SHARED names its folder\n",
	    path);
	return NULL;
}

static void
both_directions_only(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t j = 0; j < i; j++) {
			uint32_t *a = &t->rtt[i * t->n + j];
			uint32_t *b = &t->rtt[j * t->n + i];

			if (*a == PLACE_UNKNOWN || *b == PLACE_UNKNOWN)
				*a = *b = PLACE_UNKNOWN;
		}
}

static bool
possible(struct table *t, uint32_t k, int64_t us)
{
	struct place_answer *a = ask(t, k, us, 0);
	bool yes = a->nranked > 0;

	assert_true(a->cut == PLACE_NOT_CUT);
	place_answer_free(a);
	return yes;
}

static void
map110_has_the_known_largest_groups(void **state)
{
	static const struct {
		int64_t us;
		uint32_t any, both;
	} want[] = { { 5000, 5, 5 }, { 10000, 6, 6 }, { 20000, 15, 14 },
		{ 30000, 20, 19 }, { 40000, 24, 23 }, { 50000, 26, 25 },
		{ 100000, 27, 26 }, { 150000, 45, 44 } };
	struct table *t = map110();

	(void)state;
	if (t == NULL)
		skip();
	t->q.topk = 1;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(possible(t, want[i].any, want[i].us));
		assert_false(possible(t, want[i].any + 1, want[i].us));
	}
	both_directions_only(t);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(possible(t, want[i].both, want[i].us));
		assert_false(possible(t, want[i].both + 1, want[i].us));
	}
	free(t);
}

static void
map110_has_the_known_number_of_groups(void **state)
{
	static const uint32_t any[] = { 588, 1933, 3728, 3675, 1378 };
	static const uint32_t both[] = { 555, 1791, 3367, 3241, 1190 };
	struct table *t = map110();

	(void)state;
	if (t == NULL)
		skip();
	t->q.topk = PLACE_MAX_TOPK;
	t->q.limits.max_per_csp = 1;
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t k = 2; k <= 6; k++) {
			struct place_answer *a = ask(t, k, 40000, k);

			assert_int_equal(a->nranked,
			    pass == 0 ? any[k - 2] : both[k - 2]);
			place_answer_free(a);
		}
		both_directions_only(t);
	}
	free(t);
}

static void
map110_has_the_known_smallest_limits(void **state)
{
	static const struct {
		uint32_t vms, csps;
		int64_t us;
	} want[] = { { 3, 3, 1611 }, { 5, 5, 2634 }, { 6, 6, 6427 },
		{ 10, 5, 15917 }, { 20, 5, 27902 } };
	struct table *t = map110();

	(void)state;
	if (t == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		expect_smallest(t, want[i].vms, want[i].csps, want[i].us, 0);
	both_directions_only(t);
	expect_smallest(t, 20, 5, 31563, 0);
	free(t);
}

static void
map110_has_the_known_odd_pairs(void **state)
{
	struct table *t = map110();
	unsigned asymmetric = 0, one = 0, missing = 0, detour = 0;

	(void)state;
	if (t == NULL)
		skip();
	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t j = i + 1; j < t->n; j++) {
			unsigned f = place_pair_quality(&t->q, &t->w, i, j);

			asymmetric += (f & PLACE_Q_ASYMMETRIC) != 0;
			one += (f & PLACE_Q_ONE_DIRECTION) != 0;
			missing += (f & PLACE_Q_MISSING) != 0;
			detour += (f & PLACE_Q_DETOUR) != 0;
		}
	assert_int_equal(asymmetric, 19);
	assert_int_equal(one, 1089);
	assert_int_equal(missing, 55);
	assert_int_equal(detour, 773);
	free(t);
}

static void
map110_users_get_the_known_best_region(void **state)
{
	static const struct place_user users[] = {
		{ .name = "a", .weight = 1, .site = "aws-ap-northeast-2" },
		{ .name = "b", .weight = 1, .site = "aws-us-east-1" },
		{ .name = "c", .weight = 1, .site = "aws-eu-central-1" }
	};
	static const struct place_term minimax = { .kind = PLACE_USER_RTT,
		.weight = 1,
		.agg = PLACE_AGG_MINIMAX };
	struct table *t = map110();
	struct place_answer *a;

	(void)state;
	if (t == NULL)
		skip();
	t->q.users = users;
	t->q.nusers = 3;
	t->q.terms = &minimax;
	t->q.nterms = 1;
	t->q.missing_user_rtt = PLACE_MISSING_EXCLUDE;
	a = ask(t, 1, 0, 0);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_string_equal(t->names[a->ranked[0].members[0].site],
	    "aws-us-west-2");
	assert_in_range(a->ranked[0].score, 139450, 139549);
	place_answer_free(a);
	free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map110_has_the_known_largest_groups),
		cmocka_unit_test(map110_has_the_known_number_of_groups),
		cmocka_unit_test(map110_has_the_known_smallest_limits),
		cmocka_unit_test(map110_has_the_known_odd_pairs),
		cmocka_unit_test(map110_users_get_the_known_best_region),
	};

	return cmocka_run_group_tests_name("placement_map", tests, NULL, NULL);
}
