/*
 * test_db_host.c - minutes and hours of host metrics in a real database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/file.h"
#include "coordinator/store/db_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(500000) /* since 1970 */

static char dir[64];
static struct loop *loop;
static struct store *store;

static int
set_up(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char path[100];

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/test_db_host.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/db", dir);
	loop = loop_new();
	store = store_open(loop, path, &err);
	return store == NULL;
}

static int
tear_down(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	store_close(store);
	loop_free(loop);
	return !file_remove_tree(dir, &err);
}

static struct host_rec
rec(int64_t minute, int64_t cpu)
{
	struct host_rec r = { .at = minute, .covered_s = 60 };

	for (size_t f = 0; f < HOST_FIELDS; f++)
		r.v[f] = -1;
	r.v[HOST_CPU] = cpu;
	r.v[HOST_NET_RX] = 10;
	return r;
}

struct seen {
	struct host_rec r[100];
	size_t n;
};

static void
see(void *arg, const struct host_rec *r)
{
	struct seen *s = arg;

	assert_true(s->n < 100);
	s->r[s->n++] = *r;
}

static bool
minutes_run(struct db *db, void *arg, struct mw_err *err)
{
	struct host_rec r, newest;
	struct seen *s = arg;
	bool found;

	/* neighbours of slot 7 must not be seen */
	for (int64_t slot = 6; slot <= 8; slot++)
		for (int64_t m = 0; m < 60; m++) {
			r = rec(HOUR * 60 + m, slot * 100);
			if (!db_host_put(db, slot, &r, err))
				return false;
		}
	r = rec(HOUR * 60, 9999);
	if (!db_host_put(db, 7, &r, err) || /* is there: stays */
	    !db_host_newest(db, 7, &newest, &found, err))
		return false;
	assert_true(found);
	assert_int_equal(newest.at, HOUR * 60 + 59);
	if (!db_host_newest(db, 9, &newest, &found, err))
		return false;
	assert_false(found);
	return db_host_each(db, false, 7, HOUR * 60 - 100, HOUR * 60 + 10, see,
	    s, err);
}

static void
a_minute_is_stored_once_and_found_by_its_time(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct seen s = { .n = 0 };

	(void)state;
	assert_true(store_run_now(store, minutes_run, &s, &err));
	assert_int_equal(s.n, 11);
	for (size_t i = 0; i < s.n; i++) {
		assert_int_equal(s.r[i].at, HOUR * 60 + (int64_t)i);
		assert_int_equal(s.r[i].v[HOST_CPU], 700);
	}
}

static bool
fold_run(struct db *db, void *arg, struct mw_err *err)
{
	struct seen *s = arg;
	int64_t hours[8];
	struct host_rec r;
	size_t n;

	for (int64_t h = 0; h < 3; h++)
		for (int64_t m = 0; m < 2; m++) {
			r = rec((HOUR + h) * 60 + m, 100 + m * 100);
			if (!db_host_put(db, 7, &r, err))
				return false;
		}
	if (!db_host_unfolded(db, 7, hours, 8, &n, err))
		return false;
	assert_int_equal(n, 3);
	assert_int_equal(hours[0], HOUR);
	if (!db_host_fold(db, 7, HOUR, err) ||
	    !db_host_fold(db, 7, HOUR + 5, err) || /* nothing to fold */
	    !db_host_unfolded(db, 7, hours, 8, &n, err))
		return false;
	assert_int_equal(n, 2);
	assert_int_equal(hours[0], HOUR + 1);
	r = rec(HOUR * 60 + 30, 600); /* late: the hour is made anew */
	return db_host_put(db, 7, &r, err) && db_host_fold(db, 7, HOUR, err) &&
	    db_host_fold(db, 7, HOUR, err) &&
	    db_host_each(db, true, 7, HOUR, HOUR + 9, see, s, err);
}

static void
hours_are_made_of_all_minutes_also_late_ones(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct seen s = { .n = 0 };

	(void)state;
	assert_true(store_run_now(store, fold_run, &s, &err));
	assert_int_equal(s.n, 1);
	assert_int_equal(s.r[0].at, HOUR);
	assert_int_equal(s.r[0].covered_s, 180);
	assert_int_equal(s.r[0].v[HOST_CPU], 300);
	assert_int_equal(s.r[0].v[HOST_NET_RX], 30);
}

static bool
damage_run(struct db *db, void *arg, struct mw_err *err)
{
	struct host_rec r = rec(HOUR * 60, 100);
	sqlite3_stmt *st;

	if (!db_host_put(db, 7, &r, err))
		return false;
	r.at++;
	if (!db_host_put(db, 7, &r, err))
		return false;
	st = db_stmt(db, "UPDATE host_min SET v = x'01' WHERE id = ?");
	db_bind(st, "i", INT64_C(7) << 32 | (HOUR * 60));
	return db_exec(db, st, err) &&
	    db_host_each(db, false, 7, 0, HOUR * 61, see, arg, err);
}

static void
a_damaged_record_is_left_out(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct seen s = { .n = 0 };

	(void)state;
	assert_true(store_run_now(store, damage_run, &s, &err));
	assert_int_equal(s.n, 1);
	assert_int_equal(s.r[0].at, HOUR * 60 + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_minute_is_stored_once_and_found_by_its_time),
		T(hours_are_made_of_all_minutes_also_late_ones),
		T(a_damaged_record_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
