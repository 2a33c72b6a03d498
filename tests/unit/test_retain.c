/*
 * test_retain.c - what is put away, when, and that a pass that is cut off
 * loses nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "coordinator/store/db_mesh.h"
#include "coordinator/store/db_retain.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)
#define D0 20000 /* a day since 1970 */
#define N 40 /* VMs: several steps for one day */

static const struct retain_conf conf = { .matrix_days = 7,
	.fold_days = 20,
	.samples_days = 30,
	.raw_days = 30,
	.host_min_days = 30,
	.host_hour_days = 400,
	.actions = 100 };

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct store *store;
	struct retain_work work;
	int64_t now;
	bool more;
	/* for sql_run */
	const char *sql;
	int64_t value;
};

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct mw_err err = MW_ERR_INIT;

	snprintf(f->dir, sizeof f->dir, "/tmp/mw-retain.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	f->loop = loop_new();
	f->store = store_open(f->loop, f->path, &err);
	assert_non_null(f->store);
	f->work.conf = conf;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct fixture *f = *state;
	char path[128];

	store_close(f->store);
	loop_free(f->loop);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static bool
sql_run(struct db *db, void *arg, struct mw_err *err)
{
	struct fixture *f = arg;
	sqlite3_stmt *st = db_stmt(db, f->sql);

	f->value = -1;
	if (db_row(db, st, err))
		f->value = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

static int64_t
sql(struct fixture *f, const char *text)
{
	struct mw_err err = MW_ERR_INIT;

	f->sql = text;
	if (!store_run_now(f->store, sql_run, f, &err))
		fail_msg("%s", err.msg);
	return f->value;
}

static bool
step_run(struct db *db, void *arg, struct mw_err *err)
{
	struct fixture *f = arg;

	return db_retain_step(db, &f->work, f->now, &f->more, err);
}

static unsigned
pass(struct fixture *f, int64_t now, unsigned max_steps)
{
	struct mw_err err = MW_ERR_INIT;
	unsigned steps = 0;

	f->now = now;
	do {
		if (!store_run_now(f->store, step_run, f, &err))
			fail_msg("%s", err.msg);
	} while (f->more && ++steps < max_steps);
	return steps;
}

static bool
put_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_round_put(db, arg, err);
}

/* Round of N VMs; vm-40 joins on the third day. p50 rises by 1 ms an hour. */
static void
put(struct fixture *f, int64_t id, int64_t t1)
{
	size_t n = t1 / DAY >= D0 + 2 ? N : N - 1;
	struct matrix *m = matrix_new(n);
	struct mw_err err = MW_ERR_INIT;
	struct db_round r = { .id = id,
		.t0 = t1 - NS_PER_S,
		.t1 = t1,
		.k = 10,
		.window_ms = 1000,
		.ns = "default",
		.mcis = "g",
		.m = m };

	m->at_wall_ns = t1;
	for (size_t i = 0; i < n; i++) {
		m->names[i] = xasprintf("vm-%zu", i + 1);
		m->who[i] =
		    (struct matrix_who){ .slot = (int64_t)i + 1, .gen = 1 };
		for (size_t j = 0; j < n; j++)
			*matrix_at(m, i, j) = (struct matrix_cell){ .n = 10,
				.min_us = 9000,
				.p50_us =
				    10000 + 1000 * (uint32_t)(t1 % DAY / HOUR),
				.p95_us = 40000 + 1000 * (uint32_t)i };
	}
	if (!store_run_now(f->store, put_run, &r, &err))
		fail_msg("%s", err.msg);
	matrix_unref(m);
}

/* Ten days of rounds, every four hours. */
static void
fill(struct fixture *f)
{
	for (int64_t i = 0; i < 60; i++)
		put(f, i + 1, D0 * DAY + i * 4 * HOUR + 1);
}

static bool
known_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_mesh_known(db, arg, err);
}

static struct db_known
known(struct fixture *f, int64_t at)
{
	struct db_known k = { .ns = "default", .mcis = "g", .at = at };
	struct mw_err err = MW_ERR_INIT;

	if (!store_run_now(f->store, known_run, &k, &err))
		fail_msg("%s", err.msg);
	return k;
}

/* What must be there after the pass at day D0 + 10. */
static void
check_folded(struct fixture *f)
{
	const struct matrix_cell *c;
	struct db_known k;

	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_round"), 42);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_row"), 42 * N);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_fold"), 3);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_day"), 3 * N - 2);
	assert_int_equal(sql(f, "SELECT sum(rounds) FROM rtt_fold"), 18);
	k = known(f, (D0 + 2) * DAY + 22 * HOUR);
	assert_non_null(k.pool);
	assert_int_equal(k.day, D0 + 2);
	assert_int_equal(k.pool->n, N);
	c = matrix_at(k.pool, 3, N - 1);
	assert_int_equal(c->why, MATRIX_KNOWN);
	assert_int_equal(c->n, 60);
	assert_int_equal(c->rounds, 6);
	assert_int_equal(c->min_us, 9000);
	assert_in_range(c->p50_us, 22000, 22016); /* of 10 14 18 22 26 30 */
	assert_in_range(c->p95_us, 43000, 43042);
	assert_int_equal(c->avg_us, MATRIX_NO_US);
	matrix_unref(k.pool);
	/* rounds win where they are still there */
	k = known(f, (D0 + 9) * DAY);
	assert_int_equal(k.day, 0);
	assert_int_equal(k.pool->rounds, 7);
	matrix_unref(k.pool);
	matrix_unref(k.newest);
	/* nothing was known before the end of the first folded day */
	k = known(f, D0 * DAY + HOUR);
	assert_null(k.pool);
	assert_int_equal(k.first, D0 * DAY + 20 * HOUR + 1);
}

static void
old_rounds_are_folded_by_day(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_in_range(pass(f, (D0 + 10) * DAY + HOUR, 1000), 4, 60);
	assert_int_equal(f->work.rounds, 18);
	check_folded(f);
	/* again: nothing is left to do, nothing changes */
	pass(f, (D0 + 10) * DAY + HOUR, 1000);
	assert_int_equal(f->work.rounds, 18);
	check_folded(f);
}

/* A new work is what a start after kill -9 has: steps are transactions. */
static void
a_pass_that_is_cut_off_goes_on(void **state)
{
	struct fixture *f = *state;

	fill(f);
	for (unsigned cut = 1; cut < 4; cut++) {
		f->work = (struct retain_work){ .conf = conf };
		assert_int_equal(pass(f, (D0 + 10) * DAY + HOUR, cut), cut);
	}
	f->work = (struct retain_work){ .conf = conf };
	pass(f, (D0 + 10) * DAY + HOUR, 1000);
	check_folded(f);
}

static bool
next_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_round_next(db, arg, err);
}

static void
everything_goes_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	int64_t next = 0;

	fill(f);
	pass(f, (D0 + 40) * DAY, 1000);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_round"), 0);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_row"), 0);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_fold"), 0);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_day"), 0);
	assert_int_equal(sql(f, "SELECT count(*) FROM rtt_set"), 0);
	/* but no round is called m-1 again */
	assert_true(store_run_now(f->store, next_run, &next, &err));
	assert_int_equal(next, 61);
}

static void
results_lose_their_samples_only(void **state)
{
	struct fixture *f = *state;

	sql(f,
	    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < 120) INSERT INTO result(id, run, ns, mcis, vm, slot, "
	    "gen, boot, seq, part, kind, at, value, validity, json) SELECT i, "
	    "1, 'default', 'g', 'vm-1', 1, 1, 'b', i, 0, 0, i * 86400000000000, "
	    "i, 0, '{\"samples\":[1,2],\"value\":3}' FROM c");
	pass(f, 150 * DAY, 1000);
	assert_int_equal(f->work.results, 119);
	assert_int_equal(sql(f, "SELECT count(*) FROM result"), 120);
	assert_int_equal(sql(f, "SELECT count(*) FROM result WHERE slim = 1"),
	    119);
	assert_int_equal(
	    sql(f, "SELECT json = '{\"value\":3}' FROM result WHERE id = 1"),
	    1);
	assert_int_equal(
	    sql(f, "SELECT json LIKE '%samples%' FROM result WHERE id = 120"),
	    1);
}

static void
outputs_metrics_and_actions_go(void **state)
{
	struct fixture *f = *state;

	sql(f,
	    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < 120) INSERT INTO raw(hash, at, body) SELECT i, i * "
	    "86400000000000, 'x' FROM c");
	/* two slots, a row every six hours for 100 days */
	sql(f,
	    "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < 399) INSERT INTO host_min(id, v) SELECT (s << 32) | "
	    "(i * 360), 'x' FROM c, (SELECT 3 AS s UNION SELECT 9)");
	sql(f,
	    "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < 599) INSERT INTO host_hour(id, v) SELECT (s << 32) | "
	    "(i * 24), 'x' FROM c, (SELECT 3 AS s UNION SELECT 9)");
	sql(f,
	    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < 450) INSERT INTO action(n, kind, target, actor, state, "
	    "done, failed, total, started, ended) SELECT i, 'x', '', '', "
	    "'done', 0, 0, 0, 1, iif(i = 5, 0, 2) FROM c");
	pass(f, 100 * DAY, 1000);
	assert_int_equal(sql(f, "SELECT min(at) / 86400000000000 FROM raw"),
	    70);
	assert_int_equal(sql(f, "SELECT count(*) FROM host_min"), 2 * 30 * 4);
	assert_int_equal(sql(f, "SELECT count(*) FROM host_hour"), 1200);
	/* one is still under way */
	assert_int_equal(sql(f, "SELECT count(*) FROM action"), 101);
	assert_int_equal(sql(f, "SELECT min(n) FROM action"), 5);
	pass(f, 500 * DAY, 1000);
	assert_int_equal(sql(f, "SELECT count(*) FROM host_min"), 0);
	assert_int_equal(sql(f, "SELECT count(*) FROM host_hour"), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_rounds_are_folded_by_day,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(a_pass_that_is_cut_off_goes_on,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(everything_goes_in_the_end,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(results_lose_their_samples_only,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(outputs_metrics_and_actions_go,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
