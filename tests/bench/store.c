/*
 * store.c - how much the matrix of 100 VMs takes on disk, and how fast it comes
 * back: hourly rounds of 30 days through the coordinator's own code, then the
 * retention of 7 days. Figures of a year are those of the days, times 365 by
 * their number.
 *
 * Usage: store DIR [DAYS] (a folder on the disk that is measured; 365 days
 * take minutes). Prints one JSON object for each figure.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/quant.h"
#include "common/pure/rng.h"
#include "coordinator/store/db_mesh.h"
#include "coordinator/store/db_retain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VMS 100
#define DAYS 30 /* unless asked for others */
#define KEPT 7
#define STEPS_MAX 20000
#define READS 200
#define HOUR (3600 * NS_PER_S)
#define T0 (INT64_C(20000) * 24 * HOUR)
#define CELLS ((double)VMS * VMS)

struct bench {
	struct loop *loop;
	struct store *store;
	int64_t days, rounds;
	struct rng rng;
	uint32_t base[VMS * VMS]; /* us */
	struct db_round round;
	struct db_pair pair;
	size_t points;
	struct retain_work work;
	int64_t pages;
	bool more;
};

static void
say(const char *name, double value, const char *unit, const char *target)
{
	printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\","
	       "\"target\":\"%s\"}\n",
	    name, value, unit, target);
	fflush(stdout);
}

static void
run(struct bench *b, bool (*fn)(struct db *db, void *arg, struct mw_err *err))
{
	struct mw_err err = MW_ERR_INIT;

	if (store_run_now(b->store, fn, b, &err))
		return;
	fprintf(stderr, "%s\n", err.msg);
	exit(1);
}

/* Milliseconds of one run. */
static double
timed(struct bench *b, bool (*fn)(struct db *db, void *arg, struct mw_err *err))
{
	int64_t t = clock_mono_ns();

	run(b, fn);
	return (double)(clock_mono_ns() - t) / NS_PER_MS;
}

static bool
put_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;

	return db_round_put(db, &b->round, err);
}

static bool
get_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;
	struct matrix *m = NULL;
	bool ok;

	ok = db_round_get(db, "default", "g", b->rounds, &m, err);
	matrix_unref(m);
	return ok;
}

static bool
pool_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct db_known k = { .ns = "default", .mcis = "g", .at = INT64_MAX };
	bool ok = db_mesh_known(db, &k, err);

	(void)arg;
	matrix_unref(k.pool);
	matrix_unref(k.newest);
	return ok;
}

static void
on_round(void *arg, int64_t id, const struct matrix_cell *c)
{
	struct bench *b = arg;

	(void)id, (void)c;
	b->points++;
}

static void
on_day(void *arg, int64_t day, const struct matrix_day *d)
{
	(void)arg, (void)day, (void)d;
}

static bool
pair_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;

	b->points = 0;
	return db_pair_each(db, &b->pair, err);
}

static bool
step_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;

	return db_retain_step(db, &b->work, T0 + b->days * 24 * HOUR, &b->more,
	    err);
}

static bool
pages_fn(struct db *db, void *arg, struct mw_err *err)
{
	struct bench *b = arg;
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT page_size * (page_count - freelist_count) FROM "
	    "pragma_page_size, pragma_page_count, pragma_freelist_count");

	if (db_row(db, st, err))
		b->pages = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

static double
used_bytes(struct bench *b)
{
	run(b, pages_fn);
	return (double)b->pages;
}

/* As it would be measured: a base of each pair, and some noise. */
static struct matrix *
make_round(struct bench *b, int64_t t1)
{
	struct matrix *m = matrix_new(VMS);

	m->at_wall_ns = t1;
	for (size_t i = 0; i < VMS; i++) {
		m->names[i] = xasprintf("vm-%zu", i + 1);
		m->who[i] = (struct matrix_who){ .slot = (int64_t)i + 1,
			.gen = 1,
			.site = xstrdup("aws-us-east-1-t3.small") };
	}
	for (size_t i = 0; i < VMS * VMS; i++) {
		uint32_t noise = (uint32_t)(rng_exp(&b->rng) * 200);

		m->cells[i] = (struct matrix_cell){ .n = 10,
			.min_us = b->base[i] + noise / 4,
			.avg_us = b->base[i] + noise,
			.p50_us = b->base[i] + noise,
			.p95_us = b->base[i] + 4 * noise,
			.jitter_us = noise / 2,
			.at_wall_ns = t1 };
	}
	return m;
}

static void
fill(struct bench *b)
{
	double begin = used_bytes(b), ms = 0, raw;

	for (int64_t i = 0; i < b->rounds; i++) {
		int64_t t1 = T0 + i * HOUR;
		struct matrix *m = make_round(b, t1);

		b->round = (struct db_round){ .id = i + 1,
			.t0 = t1 - 5 * NS_PER_S,
			.t1 = t1,
			.k = 10,
			.window_ms = 5000,
			.ns = "default",
			.mcis = "g",
			.m = m };
		ms += timed(b, put_fn);
		matrix_unref(m);
	}
	raw = used_bytes(b) - begin;
	say("store_raw_bytes_year", raw * 365 / (double)b->days, "bytes",
	    "<= 1.3e9");
	say("store_raw_bytes_cell", raw / (double)b->rounds / CELLS, "bytes",
	    "");
	say("store_insert_cells_s", (double)b->rounds * CELLS / ms * 1000,
	    "cells/s", "");
	say("store_insert_round_ms", ms / (double)b->rounds, "ms", "");
}

static void
reads(struct bench *b, const char *name, const char *target,
    bool (*fn)(struct db *db, void *arg, struct mw_err *err))
{
	double v[READS];
	struct quant q;
	char text[64];

	for (size_t i = 0; i < READS; i++)
		v[i] = timed(b, fn);
	quant_of(v, READS, &q);
	snprintf(text, sizeof text, "%s_p50_ms", name);
	say(text, q.median, "ms", target);
	snprintf(text, sizeof text, "%s_p99_ms", name);
	say(text, quant_nearest(v, READS, 99), "ms", "");
}

static void
retention(struct bench *b)
{
	static const struct retain_conf conf = { .matrix_days = KEPT,
		.fold_days = 730,
		.samples_days = 30,
		.raw_days = 30,
		.host_min_days = 30,
		.host_hour_days = 400,
		.actions = 2000 };
	double *v = xcalloc(STEPS_MAX, sizeof *v);
	double days = (double)b->days, raw_day = used_bytes(b) / days;
	double folded = days - KEPT, total = 0;
	size_t n = 0;
	struct quant q;

	b->work.conf = conf;
	do {
		v[n] = timed(b, step_fn);
		total += v[n++];
	} while (b->more && n < STEPS_MAX);
	say("store_folded_bytes_year",
	    (used_bytes(b) - KEPT * raw_day) * 365 / folded, "bytes",
	    "<= 200e6");
	quant_of(v, n, &q);
	say("store_retention_day_ms", total / folded, "ms", "");
	say("store_retention_day_steps", (double)n / folded, "steps", "");
	say("store_retention_step_p50_ms", q.median, "ms", "");
	say("store_retention_step_p99_ms", quant_nearest(v, n, 99), "ms",
	    "<= 20");
	say("store_retention_step_worst_ms", q.max, "ms", "");
	free(v);
}

int
main(int argc, char **argv)
{
	struct bench *b = xcalloc(1, sizeof *b);
	struct mw_err err = MW_ERR_INIT;
	char *path;

	b->days = DAYS;
	if (argc < 2 || argc > 3 ||
	    (argc == 3 &&
		!num_parse_i64(argv[2], strlen(argv[2]), KEPT + 1, 3650,
		    &b->days))) {
		fprintf(stderr, "usage: store DIR [DAYS]\n");
		return 2;
	}
	b->rounds = b->days * 24;
	path = xasprintf("%s/store-bench.db", argv[1]);
	unlink(path);
	rng_seed(&b->rng, 1);
	for (size_t i = 0; i < VMS * VMS; i++)
		b->base[i] = 200 + (uint32_t)rng_below(&b->rng, 250000);
	b->loop = loop_new();
	b->store = store_open(b->loop, path, &err);
	if (!b->store) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	fill(b);
	b->pair = (struct db_pair){ .ns = "default",
		.mcis = "g",
		.src = "vm-17",
		.dst = "vm-71",
		.since = T0 + (b->days - 7) * 24 * HOUR,
		.until = INT64_MAX,
		.limit = 1000,
		.arg = b,
		.round = on_round,
		.day = on_day };
	reads(b, "store_latest", "<= 5", get_fn);
	reads(b, "store_pooled_24", "", pool_fn);
	reads(b, "store_pair_week", "<= 5", pair_fn);
	say("store_pair_week_points", (double)b->points, "rounds", "168");
	retention(b);
	reads(b, "store_latest_after_fold", "<= 5", get_fn);
	store_close(b->store);
	loop_free(b->loop);
	unlink(path);
	free(path);
	free(b);
	return 0;
}
