/*
 * test_drift.c - when a pair has drifted, when it is ok again, and which move
 * mends a group: one VM, two, none, and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/place/drift_find.h"
#include "coordinator/place/drift_rule.h"

#include <string.h>

static const struct drift_limit limit = { 40000, false };

/* One round with that value; 0: no answer, 1: nothing is said. */
static bool
round_of(struct drift_count *c, uint32_t us)
{
	const struct drift_round r = { .word = us == 0 ? DRIFT_NO_ANSWER
		    : us == 1                          ? DRIFT_SILENT
						       : DRIFT_VALUE,
		.us = us };

	return drift_step(c, &limit, &r);
}

static bool
pooled(struct drift_count *c, uint32_t us, uint32_t pool, uint64_t n,
    uint64_t rounds)
{
	const struct drift_round r = { DRIFT_VALUE, us, true, pool, n, rounds };

	return drift_step(c, &limit, &r);
}

static void
three_in_a_row(void **state)
{
	struct drift_count c = { DRIFT_PENDING };

	(void)state;
	assert_true(round_of(&c, 20000));
	assert_int_equal(c.state, DRIFT_OK);
	assert_false(round_of(&c, 40000)); /* lt: equal is over */
	assert_false(round_of(&c, 50000));
	assert_false(round_of(&c, 39999)); /* in a row */
	assert_false(round_of(&c, 50000));
	assert_false(round_of(&c, 50000));
	assert_false(round_of(&c, 1)); /* no round of it */
	assert_true(round_of(&c, 50000));
	assert_int_equal(c.state, DRIFT_DRIFTED);
	for (int i = 0; i < 20; i++) /* below, but not by 5 % */
		assert_false(round_of(&c, 38000));
	assert_false(round_of(&c, 37999));
	assert_false(round_of(&c, 37999));
	assert_true(round_of(&c, 37999));
	assert_int_equal(c.state, DRIFT_OK);
}

static void
equal_meets_le(void **state)
{
	const struct drift_limit le = { 40000, true };

	(void)state;
	assert_false(drift_over(&le, 40000));
	assert_true(drift_over(&le, 40001));
	assert_true(drift_over(&limit, 40000));
}

static void
a_full_pool_counts(void **state)
{
	struct drift_count c = { DRIFT_PENDING };

	(void)state;
	assert_true(pooled(&c, 20000, 20000, 5, 1));
	assert_false(pooled(&c, 30000, 50000, 19, 9)); /* too few samples */
	assert_false(pooled(&c, 30000, 50000, 200, 2)); /* of too few rounds */
	assert_true(pooled(&c, 30000, 50000, 20, 3));
	assert_int_equal(c.state, DRIFT_DRIFTED);
	assert_false(pooled(&c, 30000, 50000, 20, 3));
	assert_false(pooled(&c, 30000, 50000, 20, 3));
	assert_true(pooled(&c, 30000, 50000, 20, 3));
	assert_int_equal(c.state, DRIFT_OK);
	for (int i = 0; i < 10; i++) /* it still holds the old rounds */
		assert_false(pooled(&c, 30000, 50000, 20, 3));
	assert_false(pooled(&c, 30000, 30000, 20, 3));
	assert_true(pooled(&c, 30000, 50000, 20, 3));
}

static void
no_answer_is_lost(void **state)
{
	struct drift_count c = { DRIFT_PENDING };

	(void)state;
	round_of(&c, 20000);
	assert_false(round_of(&c, 0));
	assert_false(round_of(&c, 0));
	assert_false(round_of(&c, 1));
	assert_true(round_of(&c, 0));
	assert_int_equal(c.state, DRIFT_LOST);
	assert_false(round_of(&c, 39000));
	assert_false(round_of(&c, 39000));
	assert_true(round_of(&c, 39000)); /* meets the limit: that is ok */
	assert_int_equal(c.state, DRIFT_OK);
	round_of(&c, 0);
	round_of(&c, 0);
	round_of(&c, 0);
	round_of(&c, 50000);
	round_of(&c, 50000);
	assert_true(round_of(&c, 50000));
	assert_int_equal(c.state, DRIFT_DRIFTED);
}

static void
groups_are_their_worst(void **state)
{
	(void)state;
	assert_int_equal(drift_worst(DRIFT_OK, DRIFT_PENDING), DRIFT_PENDING);
	assert_int_equal(drift_worst(DRIFT_PENDING, DRIFT_LOST), DRIFT_DRIFTED);
	assert_int_equal(drift_worst(DRIFT_OK, DRIFT_OK), DRIFT_OK);
}

/* Moves -------------------------------------------------------------------- */

#define SITES 6

/* Sites in a row, 10 ms apart; one offer in each, dearer to the right. */
struct row {
	struct place_snapshot snap;
	struct place_site sites[SITES];
	struct place_offer offers[SITES];
	const char *names[SITES], *spec[SITES];
	uint32_t us[SITES * SITES];
	struct drift_vm vms[3];
};

static void
row_make(struct row *w)
{
	static const char *const ids[SITES] = { "a", "b", "c", "d", "e", "f" };

	memset(w, 0, sizeof *w);
	for (size_t i = 0; i < SITES; i++) {
		w->sites[i].id = w->sites[i].region = w->names[i] = ids[i];
		w->sites[i].csp = "x";
		w->spec[i] = "small";
		w->offers[i].site = (uint32_t)i;
		w->offers[i].spec_id = "small";
		w->offers[i].vcpu = 2;
		w->offers[i].cost_per_hour_micros = (int64_t)(i + 1) * 1000;
		for (size_t j = 0; j < SITES; j++)
			w->us[i * SITES + j] =
			    (uint32_t)(i > j ? i - j : j - i) * 10000 + 500;
	}
	w->snap.world.sites = w->sites;
	w->snap.world.nsites = SITES;
	w->snap.world.offers = w->offers;
	w->snap.world.noffers = SITES;
	w->snap.world.rtt_us[PLACE_P50] = w->us;
	w->snap.world.rtt_us[PLACE_P95] = w->us;
	w->snap.world.intra_site_us = PLACE_UNKNOWN;
	w->snap.offer_connection = w->names;
	w->snap.offer_spec = w->spec;
	for (size_t i = 0; i < 3; i++) {
		str_copy(w->vms[i].role, sizeof w->vms[i].role, "vm");
		str_copy(w->vms[i].connection, 128, ids[i]);
		str_copy(w->vms[i].spec, 128, "small");
	}
}

static bool
at_once(void *arg)
{
	(void)arg;
	return true;
}

static void
find(struct row *w, const char *limit_ms, const struct drift_seen *seen,
    size_t n, bool stop, struct drift_move *out)
{
	char *text = xasprintf(
	    "{\"mode\":\"place\",\"groups\":[{\"name\":\"vm\",\"count\":3}],"
	    "\"constraints\":{\"maxRttMs\":%s,\"maxPerSite\":1},"
	    "\"objective\":{\"terms\":[{\"term\":\"price\",\"weight\":1}]}}",
	    limit_ms);
	struct mw_err err = MW_ERR_INIT;
	struct drift_ask ask = { .snap = &w->snap,
		.vms = w->vms,
		.nvms = 3,
		.seen = seen,
		.nseen = n,
		.stop = stop ? at_once : NULL };

	ask.body = json_parse(text, strlen(text), SIZE_MAX, &err);
	assert_non_null(ask.body);
	drift_find(&ask, out);
	json_decref(ask.body);
	free(text);
}

/* a-b is far now: a goes to d, or b to d; a is cheaper to leave behind? The
 * room is the same, so the better price decides. */
static void
one_vm_moves(void **state)
{
	const struct drift_seen far = { 0, 1, false, 90000 };
	struct drift_move m;
	struct row w;

	(void)state;
	row_make(&w);
	find(&w, "35", &far, 1, false, &m);
	assert_int_equal(m.n, 1);
	assert_string_equal(m.to[0].site, "d");
	assert_int_equal(m.to[0].vm, 0); /* b c d: 20.5 ms; a c d: 30.5 */
	assert_string_equal(m.to[0].from_site, "a");
	assert_int_equal(m.worst_us, 20500);
	assert_int_equal(m.slack_us, 14500);
	assert_int_equal(m.cost, 9000);
	assert_int_equal(m.cost_change, 3000);
	assert_false(m.cut);
	assert_null(m.reason);
}

static void
a_lost_pair_meets_nothing(void **state)
{
	const struct drift_seen lost = { 1, 2, true, 0 };
	struct drift_move m;
	struct row w;

	(void)state;
	row_make(&w);
	find(&w, "35", &lost, 1, false, &m);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.to[0].vm,
	    2); /* a b d: 30.5; a c d the same, dearer */
	assert_string_equal(m.to[0].site, "d");
}

static void
two_vms_move(void **state)
{
	const struct drift_seen far[] = { { 0, 1, false, 90000 },
		{ 1, 2, false, 90000 }, { 0, 2, false, 90000 } };
	struct drift_move m;
	struct row w;

	(void)state;
	row_make(&w);
	find(&w, "25", far, 3, false, &m);
	assert_int_equal(m.n, 2); /* c d e, or a VM left with d and e */
	assert_true(m.worst_us <= 20500);
	assert_string_not_equal(m.to[0].site, m.to[1].site);
	assert_string_not_equal(m.to[0].site, "a");
	assert_int_not_equal(m.to[0].vm, m.to[1].vm);
	assert_int_not_equal(m.to[0].vm, 2); /* c stays: it is nearest */
	assert_int_not_equal(m.to[1].vm, 2);
}

static void
none_says_why(void **state)
{
	const struct drift_seen far[] = { { 0, 1, false, 90000 },
		{ 1, 2, false, 90000 }, { 0, 2, false, 90000 } };
	struct drift_move m;
	struct row w;

	(void)state;
	row_make(&w);
	find(&w, "15", far, 3, false, &m);
	assert_int_equal(m.n, 0);
	assert_non_null(strstr(m.reason, "no move"));
	find(&w, "25", far, 3, true, &m);
	assert_int_equal(m.n, 0);
	assert_true(m.cut);
	assert_non_null(strstr(m.reason, "in time"));
	find(&w, "25", far, 0, false, &m);
	assert_int_equal(m.n, 0);
	assert_non_null(strstr(m.reason, "meet"));
	str_copy(w.vms[1].spec, sizeof w.vms[1].spec, "gone");
	find(&w, "25", far, 3, false, &m);
	assert_non_null(strstr(m.reason, "no more"));
	str_copy(w.vms[0].role, sizeof w.vms[0].role, "other");
	find(&w, "25", far, 3, false, &m);
	assert_non_null(strstr(m.reason, "not those"));
}

/* What an answer relied on -------------------------------------------------- */

static void
relied_comes_back(void **state)
{
	static const char text[] =
	    "{\"stat\":\"p50\",\"op\":\"le\",\"limits\":[{\"a\":\"web\","
	    "\"b\":\"db\",\"us\":10000},{\"a\":\"web\",\"b\":\"web\"},7],"
	    "\"ranks\":[null,[[0,1,3253,20,1763721600],[1,0,null,null,null],"
	    "[0,9,1,1,1],[0],\"x\"]]}";
	const struct drift_vm vms[] = { { .slot = 9, .gen = 1 },
		{ .slot = 4, .gen = 2 } };
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_parse(text, sizeof text - 1, SIZE_MAX, &err);
	struct db_drift_pair *p;
	struct drift_limits l;
	size_t n;

	(void)state;
	drift_limits_read(&l, j);
	assert_true(!l.p95 && l.le);
	assert_int_equal(l.n, 1);
	assert_int_equal(drift_limits_of(&l, "db", "web"), 10000);
	assert_int_equal(drift_limits_of(&l, "web", "web"), 0);
	drift_limits_free(&l);
	assert_null(drift_relied_pairs(j, 1, vms, 2, &n));
	assert_null(drift_relied_pairs(j, 3, vms, 2, &n));
	assert_null(drift_relied_pairs(j, 0, vms, 2, &n));
	p = drift_relied_pairs(j, 2, vms, 2, &n);
	assert_int_equal(n, 2);
	assert_true(p[0].slot[0] == 4 && p[0].slot[1] == 9);
	assert_true(p[0].gen[0] == 2 && p[0].gen[1] == 1);
	assert_int_equal(p[0].relied_us, 3253);
	assert_int_equal(p[0].relied_at, INT64_C(1763721600000000000));
	assert_int_equal(p[1].relied_us, -1);
	free(p);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_in_a_row),
		cmocka_unit_test(equal_meets_le),
		cmocka_unit_test(a_full_pool_counts),
		cmocka_unit_test(no_answer_is_lost),
		cmocka_unit_test(groups_are_their_worst),
		cmocka_unit_test(one_vm_moves),
		cmocka_unit_test(a_lost_pair_meets_nothing),
		cmocka_unit_test(two_vms_move),
		cmocka_unit_test(none_says_why),
		cmocka_unit_test(relied_comes_back),
	};

	return cmocka_run_group_tests_name("drift", tests, NULL, NULL);
}
