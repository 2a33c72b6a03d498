/*
 * test_db_eval.c - results in the store become evaluations; the index alone
 * answers, so that ten thousand of them with all their JSON are read at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/loop.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/store/db_eval.h"
#include "coordinator/measure/eval_json.h"
#include "coordinator/place/place_scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW (INT64_C(1800000000) * NS_PER_S)
#define HOUR (3600 * NS_PER_S)

static struct loop *loop;
static struct store *store;
static char dir[64];

static const char *const setup_sql[] = {
	"INSERT INTO conn(id, driver, csp, region, verified) VALUES"
	"('c1', 'twin', 'aws', 'us-east-1', 1),"
	"('c2', 'twin', 'gcp', 'asia-east1', 1)",
	"INSERT INTO spec(conn, name, vcpu, memory_mib, cost, currency) VALUES"
	"('c1', 'm4', 8, 16384, 400000, 'USD'),"
	"('c2', 'e2', 2, 4096, NULL, NULL)",
	"UPDATE spec SET cost_reason = 'privateCloudNoPrice' WHERE conn = 'c2'",
	"INSERT INTO env(id, hash, json) VALUES(7, 'abc', '{}')",
	"INSERT INTO slot(id, mcis, grp, idx, desired, dropping, added, conn, "
	"spec, image, zone, sha256, labels, gen, fails, gave_up, replacing, "
	"reason, action, member) VALUES(2, 1, 'vm', 2, 1, 0, 0, 'c1', 'm4', "
	"'', '', '', '', 1, 0, 0, 0, '', '', 1)",
	"INSERT INTO slot(id, mcis, grp, idx, desired, dropping, added, conn, "
	"spec, image, zone, sha256, labels, gen, fails, gave_up, replacing, "
	"reason, action, member) VALUES(5, 2, 'vm', 5, 1, 0, 0, 'c1', 'm4', "
	"'', '', '', '', 2, 0, 0, 0, '', '', 1)",
};

static bool
run_sql(struct db *db, const char *sql, struct mw_err *err)
{
	return db_exec(db, db_stmt(db, sql), err);
}

static bool
add(struct db *db, int64_t seq, const char *mcis, int64_t slot,
    const char *conn, const char *spec, enum kind kind, double value,
    enum result_validity validity, int64_t at, struct mw_err *err)
{
	char vm[24];
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO result(run, ns, mcis, vm, slot, gen, boot, seq, part, "
	    "kind, spec, conn, at, value, validity, json, profile, n_valid, "
	    "ci_lo, ci_hi, mad_cv, env) VALUES(1, 'default', ?, ?, ?, 1, 'b', "
	    "?, 0, ?, ?, ?, ?, ?, ?, '{}', 'quick', 8, ?, ?, 0.02, 7)");

	snprintf(vm, sizeof vm, "vm-%lld", (long long)slot);
	db_bind(st, "ssiiissididd", mcis, vm, slot, seq, (int64_t)kind, spec,
	    conn, at, value, (int64_t)validity, value * 0.9, value * 1.1);
	return db_exec(db, st, err);
}

static bool
fill(struct db *db, void *arg, struct mw_err *err)
{
	int64_t seq = 0;
	bool ok = true;

	(void)arg;
	for (size_t i = 0; ok && i < ARRAY_LEN(setup_sql); i++)
		ok = run_sql(db, setup_sql[i], err);
	for (int64_t slot = 1; ok && slot <= 6; slot++)
		for (int64_t h = 3; ok && h > 0; h--)
			ok =
			    add(db, ++seq, slot < 3 ? "m" : "other", slot, "c1",
				"m4", KIND_CPUS, 100 + (double)(slot - h),
				RESULT_OK, NOW - h * HOUR, err) &&
			    add(db, ++seq, slot < 3 ? "m" : "other", slot, "c1",
				"m4", KIND_CPUM, slot == 2 ? 200 : 400,
				RESULT_OK, NOW - h * HOUR, err);
	return ok &&
	    add(db, ++seq, "m", 9, "c2", "e2", KIND_CPUS, 50, RESULT_CONTENDED,
		NOW - HOUR, err) &&
	    add(db, ++seq, "m", 9, "gone", "x1", KIND_CPUS, 60, RESULT_OK,
		NOW - HOUR, err) &&
	    add(db, ++seq, "m", 9, "c2", "e2", KIND_RTT, 5, RESULT_OK,
		NOW - HOUR, err);
}

static int
begin(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char *path;

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mw-eval.XXXXXX");
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/db", dir);
	loop = loop_new();
	store = store_open(loop, path, &err);
	free(path);
	assert_non_null(store);
	if (!store_run_now(store, fill, NULL, &err))
		fail_msg("%s", err.msg);
	return 0;
}

static int
end(void **state)
{
	static const char *const files[] = { "db", "db-wal", "db-shm" };

	(void)state;
	store_close(store);
	loop_free(loop);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = xasprintf("%s/%s", dir, files[i]);

		unlink(path);
		free(path);
	}
	return rmdir(dir);
}

struct question {
	struct db_eval_filter filter;
	struct db_eval_rows rows;
};

static bool
read_run(struct db *db, void *arg, struct mw_err *err)
{
	struct question *q = arg;

	return db_eval_read(db, &q->filter, &q->rows, err);
}

static struct eval *
evaluate(struct question *q)
{
	static const struct eval_ask ask = { .now = NOW,
		.max_age_ns = 30 * 24 * HOUR,
		.stale_ns = 7 * 24 * HOUR };
	struct mw_err err = MW_ERR_INIT;

	if (!store_run_now(store, read_run, q, &err))
		fail_msg("%s", err.msg);
	return eval_new(q->rows.v, q->rows.n, &ask);
}

static void
everything_is_joined(void **state)
{
	struct question q = { .filter = { .kind = -1 } };
	struct eval *e = evaluate(&q);

	(void)state;
	assert_int_equal(e->ncells, 4); /* rtt is not evaluated */
	assert_string_equal(e->cells[0].of->csp, ""); /* no such connection */
	assert_string_equal(e->cells[0].of->region, "gone");
	assert_string_equal(e->cells[1].of->region, "us-east-1");
	assert_int_equal(e->cells[1].nvms, 6);
	assert_int_equal(e->cells[1].nresults, 18);
	assert_true(fabs(e->cells[1].value - 102.5) < 1e-9);
	assert_string_equal(e->cells[1].of->env, "abc");
	assert_int_equal(e->cells[1].newest, NOW - HOUR);
	assert_int_equal(e->specs[1].vcpu, 8);
	assert_int_equal(e->specs[1].cost_micros, 400000);
	assert_false(e->cells[3].has_value);
	assert_string_equal(e->specs[2].cost_reason, "privateCloudNoPrice");
	eval_free(e);
	db_eval_free(&q.rows);
}

static void
filters(void **state)
{
	struct question q = { .filter = { .kind = KIND_CPUM,
				  .csp = "aws",
				  .region = "us-east-1",
				  .spec = "m4",
				  .variant = "std" } };
	struct eval *e = evaluate(&q);

	(void)state;
	assert_int_equal(e->ncells, 1);
	eval_free(e);
	db_eval_free(&q.rows);
	str_copy(q.filter.region, sizeof q.filter.region, "us-west-1");
	e = evaluate(&q);
	assert_int_equal(e->ncells, 0);
	eval_free(e);
	db_eval_free(&q.rows);
	q.filter = (struct db_eval_filter){ .kind = -1, .since = NOW };
	e = evaluate(&q);
	assert_int_equal(e->ncells, 0);
	eval_free(e);
	db_eval_free(&q.rows);
}

/* One of two VMs is bad beside the four of another group. */
static void
one_group_among_its_siblings(void **state)
{
	struct question q = {
		.filter = { .ns = "default", .mcis = "m", .kind = KIND_CPUM }
	};
	struct eval *e = evaluate(&q);
	json_t *j, *lemon;

	(void)state;
	assert_int_equal(e->ncells, 1);
	assert_int_equal(e->cells[0].nvms, 2);
	j = eval_json(e, true);
	assert_int_equal(json_array_size(json_object_get(j, "lemons")), 1);
	lemon = json_array_get(json_object_get(j, "lemons"), 0);
	assert_string_equal(json_string_value(json_object_get(lemon, "vmId")),
	    "vm-2");
	assert_true(json_real_value(json_object_get(lemon, "worstPct")) == 50);
	assert_int_equal(json_integer_value(
			     json_object_get(lemon, "wastePerMonthMicros")),
	    400000 * 730 / 2);
	json_decref(j);
	eval_free(e);
	db_eval_free(&q.rows);
}

/* A VM that is gone, or was made anew since, is no lemon any more. */
static void
only_what_still_runs_is_live(void **state)
{
	struct question q = { .filter = { .kind = KIND_CPUM } };
	struct eval *e = evaluate(&q);

	(void)state;
	assert_int_equal(q.rows.n, 6);
	for (size_t i = 0; i < q.rows.n; i++)
		assert_int_equal(q.rows.v[i].live, q.rows.v[i].slot == 2);
	eval_free(e);
	db_eval_free(&q.rows);
}

static bool
scores_run(struct db *db, void *arg, struct mw_err *err)
{
	return place_scores_read(db, NOW, arg, err);
}

/* Placement has the same numbers, and none of what was disturbed. */
static void
placement_scores_are_the_evaluation(void **state)
{
	struct place_scores s = { .v = NULL };
	struct mw_err err = MW_ERR_INIT;
	const struct place_score *e;
	json_t *answer, *list;

	(void)state;
	assert_true(store_run_now(store, scores_run, &s, &err));
	e = place_scores_find(&s, "aws+us-east-1+m4", KIND_CPUS);
	assert_non_null(e);
	assert_int_equal(e->milli, 102500);
	assert_int_equal(e->nvms, 6);
	assert_false(e->flagged);
	e = place_scores_find(&s, "aws+us-east-1+m4", PLACE_METRIC_CORES);
	assert_non_null(e);
	assert_int_equal(e->milli, 3902); /* 400 / 102.5 */
	assert_null(place_scores_find(&s, "gcp+asia-east1+e2", KIND_CPUS));
	assert_null(place_scores_find(&s, "aws+us-east-1+m4", KIND_DBR));
	answer = json_pack("{s:[{s:[{s:s},{s:s},{s:n}]}]}", "ranking",
	    "members", "specId", "aws+us-east-1+m4", "specId",
	    "aws+us-east-1+m4", "specId");
	list = place_scores_json(&s, answer);
	assert_int_equal(json_array_size(list), 1);
	json_decref(answer);
	json_decref(list);
	place_scores_free(&s);
}

static bool
plan_run(struct db *db, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "EXPLAIN QUERY PLAN SELECT kind, conn, spec, slot, variant, "
	    "profile, env, replay, validity, max(id), at, gen, value, ci_lo, "
	    "ci_hi, mad_cv, ns, mcis, vm, count(*) FROM result WHERE kind "
	    "BETWEEN 0 AND 7 AND at >= 5 GROUP BY kind, conn, spec, slot, "
	    "variant, profile, env, replay, validity");

	while (db_row(db, st, err)) {
		str_add(arg, db_text(st, 3));
		str_addc(arg, '\n');
	}
	return err->code == MW_OK;
}

static void
no_json_is_touched_and_nothing_sorted(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str plan = STR_INIT;

	(void)state;
	assert_true(store_run_now(store, plan_run, &plan, &err));
	assert_non_null(
	    strstr(str_cstr(&plan), "USING COVERING INDEX result_eval"));
	assert_null(strstr(str_cstr(&plan), "TEMP B-TREE"));
	str_free(&plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_joined),
		cmocka_unit_test(filters),
		cmocka_unit_test(one_group_among_its_siblings),
		cmocka_unit_test(only_what_still_runs_is_live),
		cmocka_unit_test(placement_scores_are_the_evaluation),
		cmocka_unit_test(no_json_is_touched_and_nothing_sorted),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
