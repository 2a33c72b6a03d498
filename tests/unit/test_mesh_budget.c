/*
 * test_mesh_budget.c - bytes of rounds by MCIS and day, also after a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "coordinator/measure/mesh_budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_NS (86400 * NS_PER_S)

static bool
put_rounds(struct db *db, void *arg, struct mw_err *err)
{
	int64_t now = clock_wall_ns();
	int64_t at[] = { now / DAY_NS * DAY_NS, now,
		now / DAY_NS * DAY_NS - 1 };

	(void)arg;
	for (int i = 0; i < 3; i++) {
		sqlite3_stmt *st = db_stmt(db,
		    "INSERT INTO rtt_round(ns, mcis, t0, t1, k, window_ms, n, "
		    "rtt_set) VALUES('ns', 'demo', ?1, ?1, 10, 5000, 17, 0)");

		sqlite3_bind_int64(st, 1, at[i]);
		if (db_row(db, st, err) || err->code != MW_OK)
			return false;
	}
	return err->code == MW_OK;
}

static void
days_and_names_are_apart(void **state)
{
	char dir[] = "/tmp/mw-budget.XXXXXX", path[64], wal[80];
	struct mw_err err = MW_ERR_INIT;
	struct loop *loop = loop_new();
	int64_t now = clock_wall_ns();
	struct mesh_budget *b;
	struct store *store;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/db", dir);
	store = store_open(loop, path, &err);
	assert_non_null(store);
	b = mesh_budget_new(store, &err);
	assert_non_null(b);
	assert_int_equal(mesh_budget_spent(b, "ns", "demo", now), 0);
	mesh_budget_add(b, "ns", "demo", 1000, now);
	mesh_budget_add(b, "ns", "demo", 500, now);
	mesh_budget_add(b, "ns", "other", 7, now);
	assert_int_equal(mesh_budget_spent(b, "ns", "demo", now), 1500);
	assert_int_equal(mesh_budget_spent(b, "ns", "other", now), 7);
	assert_int_equal(mesh_budget_spent(b, "n2", "demo", now), 0);
	/* A new day begins with nothing; the number of rounds goes on. */
	assert_int_equal(mesh_budget_spent(b, "ns", "demo", now + DAY_NS), 0);
	mesh_budget_add(b, "ns", "demo", 3, now + DAY_NS);
	assert_int_equal(mesh_budget_spent(b, "ns", "demo", now + DAY_NS), 3);
	assert_int_equal(mesh_budget_rounds(b, "ns", "demo"), 3);
	mesh_budget_free(b);
	/* A restart: today's two of 272 pairs, not yesterday's. */
	assert_true(store_run_now(store, put_rounds, NULL, &err));
	b = mesh_budget_new(store, &err);
	assert_non_null(b);
	assert_int_equal(mesh_budget_spent(b, "ns", "demo", now),
	    2 * 272 * 10 * 200);
	mesh_budget_free(b);
	store_close(store);
	loop_free(loop);
	unlink(path);
	for (const char *const *s =
		 (const char *const[]){ "-wal", "-shm", ".lock", NULL };
	     *s; s++) {
		snprintf(wal, sizeof wal, "%s%s", path, *s);
		unlink(wal);
	}
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_and_names_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
