/*
 * test_db_mesh.c - rounds through a real database: what comes back, what is
 * pooled, what was known at a time, what a file of schema 1 becomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/matrix_pool.h"
#include "common/pure/str.h"
#include "coordinator/store/db_mesh.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR (3600 * NS_PER_S)
#define T0 (INT64_C(1790000000) * NS_PER_S)

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct store *store;
};

static void
open_store(struct fixture *f)
{
	struct mw_err err = MW_ERR_INIT;

	f->loop = loop_new();
	f->store = store_open(f->loop, f->path, &err);
	if (!f->store)
		fail_msg("%s", err.msg);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	snprintf(f->dir, sizeof f->dir, "/tmp/mw-mesh.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct fixture *f = *state;
	char path[128];

	if (f->store)
		store_close(f->store);
	if (f->loop)
		loop_free(f->loop);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

/* A round of n VMs: cell (i, j) has p50 = base + 100 i + j. */
static struct matrix *
make_round(size_t n, uint32_t base, int64_t t1)
{
	struct matrix *m = matrix_new(n);

	m->at_wall_ns = t1;
	for (size_t i = 0; i < n; i++) {
		m->names[i] = xasprintf("vm-%zu", i + 1);
		m->who[i] = (struct matrix_who){ .slot = (int64_t)i + 10,
			.gen = 1,
			.site = xstrdup("aws-us-east-1-c5") };
		for (size_t j = 0; j < n; j++)
			*matrix_at(m, i, j) = (struct matrix_cell){ .n = 9,
				.lost = 1,
				.min_us = base,
				.avg_us = base + 300,
				.p50_us = base + (uint32_t)(100 * i + j),
				.p95_us = base + 900,
				.jitter_us = 40,
				.at_wall_ns = t1 };
	}
	return m;
}

static bool
put_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_round_put(db, arg, err);
}

static void
put(struct fixture *f, int64_t id, struct matrix *take_m)
{
	struct mw_err err = MW_ERR_INIT;
	struct db_round r = { .id = id,
		.t0 = take_m->at_wall_ns - 5 * NS_PER_S,
		.t1 = take_m->at_wall_ns,
		.k = 10,
		.window_ms = 5000,
		.ns = "default",
		.mcis = "g",
		.m = take_m };

	if (!store_run_now(f->store, put_run, &r, &err))
		fail_msg("%s", err.msg);
	matrix_unref(take_m);
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

static void
drop(struct db_known *k)
{
	matrix_unref(k->pool);
	matrix_unref(k->newest);
}

static void
a_round_comes_back(void **state)
{
	struct fixture *f = *state;
	struct matrix *m = make_round(3, 20000, T0);
	const struct matrix_cell *c;
	struct db_known k;

	*matrix_at(m, 2, 0) =
	    (struct matrix_cell){ .why = MATRIX_AGENT_SILENT, .lost = 3 };
	open_store(f);
	put(f, 1, m);
	store_close(f->store);
	loop_free(f->loop);
	open_store(f);
	k = known(f, INT64_MAX);
	assert_non_null(k.newest);
	assert_int_equal(k.newest->n, 3);
	assert_string_equal(k.newest->round, "m-1");
	assert_string_equal(k.newest->names[2], "vm-3");
	assert_int_equal(k.newest->who[2].slot, 12);
	assert_string_equal(k.newest->who[2].site, "aws-us-east-1-c5");
	c = matrix_at(k.newest, 1, 2);
	assert_int_equal(c->p50_us, 20102);
	assert_int_equal(c->p95_us, 20900);
	assert_int_equal(c->n, 9);
	assert_int_equal(c->lost, 1);
	assert_int_equal(c->at_wall_ns, T0);
	c = matrix_at(k.newest, 2, 0);
	assert_int_equal(c->why, MATRIX_AGENT_SILENT);
	assert_int_equal(c->lost, 3);
	/* one round: the pool is that round */
	c = matrix_at(k.pool, 1, 2);
	assert_int_equal(c->p95_us, 20900);
	assert_int_equal(c->rounds, 1);
	drop(&k);
}

static void
pools_a_day_of_rounds(void **state)
{
	struct fixture *f = *state;
	const struct matrix_cell *c;
	struct db_known k;

	open_store(f);
	for (int64_t i = 0; i < 30; i++) /* one more than a day old, too */
		put(f, i + 1,
		    make_round(2, 10000 + 1000 * (uint32_t)i, T0 + i * HOUR));
	k = known(f, INT64_MAX);
	c = matrix_at(k.pool, 0, 1);
	/* rounds 7..30 are pooled: bases 16000..39000 */
	assert_int_equal(k.pool->rounds, 24);
	assert_int_equal(k.pool->from_wall_ns, T0 + 6 * HOUR);
	assert_int_equal(c->rounds, 24);
	assert_int_equal(c->n, 24 * 9);
	assert_int_equal(c->lost, 24);
	assert_int_equal(c->min_us, 16000);
	assert_int_equal(c->p50_us, 28001); /* the upper of two middles */
	/* 0.95^10 = 0.599 of 24: the 15th */
	assert_int_equal(c->p95_us, 30900);
	assert_int_equal(c->avg_us, 27800);
	assert_int_equal(c->at_wall_ns, T0 + 29 * HOUR);
	drop(&k);
	/* as it was known at the 5th hour, and before anything was */
	k = known(f, T0 + 4 * HOUR + 1);
	assert_int_equal(k.pool->rounds, 5);
	assert_string_equal(k.pool->round, "m-5");
	assert_int_equal(matrix_at(k.pool, 0, 1)->p95_us, 13000 - 100);
	drop(&k);
	k = known(f, T0 - 1);
	assert_null(k.pool);
	assert_int_equal(k.first, T0);
}

static void
holes_and_other_machines(void **state)
{
	struct fixture *f = *state;
	struct matrix *m;
	struct db_known k;

	open_store(f);
	put(f, 1, make_round(4, 50000, T0));
	m = make_round(4, 60000, T0 + HOUR);
	m->who[3].gen = 2; /* vm-4 is another machine now */
	*matrix_at(m, 0, 1) =
	    (struct matrix_cell){ .why = MATRIX_NO_ANSWER, .lost = 10 };
	*matrix_at(m, 1, 0) = (struct matrix_cell){ .why = MATRIX_BUSY };
	put(f, 2, m);
	k = known(f, INT64_MAX);
	/* it does not answer now: what it was does not help */
	assert_int_equal(matrix_at(k.pool, 0, 1)->why, MATRIX_NO_ANSWER);
	assert_int_equal(matrix_at(k.pool, 1, 0)->why, MATRIX_KNOWN);
	assert_int_equal(matrix_at(k.pool, 1, 0)->at_wall_ns, T0);
	assert_int_equal(matrix_at(k.pool, 1, 2)->rounds, 2);
	assert_int_equal(matrix_at(k.pool, 1, 3)->rounds, 1);
	assert_int_equal(matrix_at(k.pool, 1, 3)->min_us, 60000);
	drop(&k);
}

static void
inherited_only_without_own(void **state)
{
	struct matrix_cell v[3] = {
		{ .p95_us = 5, .flags = MATRIX_F_INHERITED, .n = 10 },
		{ .p95_us = 700, .p50_us = 600, .min_us = 500, .n = 10 },
		{ .p95_us = 9, .flags = MATRIX_F_INHERITED, .n = 10 },
	};
	struct matrix_cell out;

	(void)state;
	matrix_pool(v, 3, &out);
	assert_int_equal(out.p95_us, 700);
	assert_int_equal(out.n, 10);
	assert_int_equal(out.flags & MATRIX_F_INHERITED, 0);
	matrix_pool(v, 1, &out);
	assert_int_equal(out.p95_us, 5);
	assert_int_equal(out.flags, MATRIX_F_INHERITED);
}

struct seen {
	size_t rounds;
	uint32_t p50[8];
	int64_t first_id;
};

static void
on_round(void *arg, int64_t id, const struct matrix_cell *c)
{
	struct seen *s = arg;

	if (!s->rounds)
		s->first_id = id;
	assert_true(s->rounds < 8);
	s->p50[s->rounds++] = c->p50_us;
}

static void
on_day(void *arg, int64_t day, const struct matrix_day *d)
{
	(void)arg, (void)day, (void)d;
	fail();
}

static bool
pair_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_pair_each(db, arg, err);
}

static void
a_pair_has_a_history(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	struct db_pair q = { .ns = "default",
		.mcis = "g",
		.src = "vm-2",
		.dst = "vm-1",
		.since = T0 + HOUR,
		.until = T0 + 3 * HOUR,
		.limit = 2,
		.arg = &s,
		.round = on_round,
		.day = on_day };
	struct mw_err err = MW_ERR_INIT;

	open_store(f);
	for (int64_t i = 0; i < 6; i++)
		put(f, i + 1,
		    make_round(3, 1000 * (uint32_t)(i + 1), T0 + i * HOUR));
	assert_true(store_run_now(f->store, pair_run, &q, &err));
	assert_int_equal(s.rounds, 2);
	assert_int_equal(s.first_id, 3); /* the newest two of three */
	assert_int_equal(s.p50[0], 3100);
	assert_int_equal(s.p50[1], 4100);
}

/* Schema 1 ----------------------------------------------------------------- */

static void
old_put(uint8_t *p, uint8_t why, uint32_t p50, uint32_t p95)
{
	const uint32_t v[6] = { htole32(9u | 1u << 16), htole32(p50 - 500),
		htole32(p50 + 7), htole32(p50), htole32(p95), htole32(123) };

	p[0] = why;
	p[1] = MATRIX_UDP_ECHO;
	p[2] = MATRIX_F_BUSY;
	p[3] = 0;
	memcpy(p + 4, v, sizeof v);
}

/* A file as the first release left it, with an agent, a round, a result and a
 * damaged round. */
static void
make_old_file(const char *path)
{
	static const char fill[] =
	    "INSERT INTO agent VALUES(7, 2, 'default', 'g', 'vm-1', '{}', 1, "
	    "2);"
	    "INSERT INTO result(id, run, ns, mcis, vm, slot, gen, boot, seq, "
	    "part, kind, at, value, validity, json) VALUES(5, 1, 'default', "
	    "'g', 'vm-1', 7, 2, 'b', 1, 0, 0, 99, 41.5, 0, '{\"n\":1}');"
	    "INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, window_ms, n, "
	    "members, cells) VALUES(3, 'default', 'g', 1, 2, 10, 5000, 9, "
	    "'[\"vm-1\"]', x'00')";
	struct mw_err err = MW_ERR_INIT;
	uint8_t cells[4 * 28];
	sqlite3_stmt *st;
	sqlite3 *h;
	struct str sql = STR_INIT;

	assert_true(file_read("tests/unit/schema_1.sql", 1 << 20, &sql, &err));
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, str_cstr(&sql), NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, fill, NULL, NULL, NULL), SQLITE_OK);
	old_put(cells, MATRIX_NEVER, 0, 0);
	old_put(cells + 28, MATRIX_KNOWN, 40000, 40004);
	old_put(cells + 56, MATRIX_REFUSED, 0, 0);
	old_put(cells + 84, MATRIX_NEVER, 0, 0);
	assert_int_equal(sqlite3_prepare_v2(h,
			     "INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, "
			     "window_ms, n, members, cells) VALUES(4, "
			     "'default', 'g', 10, 20, 10, 5000, 2, "
			     "'[\"vm-1\",\"vm-2\"]', ?)",
			     -1, &st, NULL),
	    SQLITE_OK);
	sqlite3_bind_blob(st, 1, cells, sizeof cells, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	str_free(&sql);
}

static bool
after_run(struct db *db, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT (SELECT user_version FROM pragma_user_version), "
	    "(SELECT count(*) FROM rtt_round), "
	    "(SELECT count(*) FROM result WHERE value = 41.5 AND variant = "
	    "'std' AND slim = 0), (SELECT count(*) FROM sqlite_schema "
	    "WHERE name = 'rtt_round_1')");
	int *v = arg;

	if (db_row(db, st, err))
		for (int i = 0; i < 4; i++)
			v[i] = sqlite3_column_int(st, i);
	return err->code == MW_OK;
}

static bool
next_run(struct db *db, void *arg, struct mw_err *err)
{
	return db_round_next(db, arg, err);
}

static void
schema_1_is_brought_up(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	const struct matrix_cell *c;
	int v[4] = { 0 };
	struct db_known k;
	int64_t next;

	make_old_file(f->path);
	open_store(f);
	assert_true(store_run_now(f->store, after_run, v, &err));
	assert_true(v[0] > 2);
	assert_int_equal(v[1], 1); /* the damaged one is left out */
	assert_int_equal(v[2], 1);
	assert_int_equal(v[3], 0);
	k = known(f, INT64_MAX);
	assert_non_null(k.newest);
	assert_string_equal(k.newest->round, "m-4");
	assert_int_equal(k.newest->who[0].slot, 7);
	assert_int_equal(k.newest->who[0].gen, 2);
	assert_true(k.newest->who[1].slot > 1000000); /* nobody knew it */
	c = matrix_at(k.newest, 0, 1);
	assert_int_equal(c->why, MATRIX_KNOWN);
	assert_int_equal(c->min_us, 39500);
	assert_int_equal(c->p50_us, 40000);
	assert_int_equal(c->p95_us, 40004);
	assert_in_range(c->avg_us, 40007, 40009);
	assert_in_range(c->jitter_us, 123, 131);
	assert_int_equal(c->n, 9);
	assert_int_equal(c->lost, 1);
	assert_int_equal(c->flags, MATRIX_F_BUSY);
	assert_int_equal(matrix_at(k.newest, 1, 0)->why, MATRIX_REFUSED);
	drop(&k);
	assert_true(store_run_now(f->store, next_run, &next, &err));
	assert_int_equal(next, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_round_comes_back, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(pools_a_day_of_rounds, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(holes_and_other_machines, setup,
		    teardown),
		cmocka_unit_test(inherited_only_without_own),
		cmocka_unit_test_setup_teardown(a_pair_has_a_history, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(schema_1_is_brought_up, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
