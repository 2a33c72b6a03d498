/*
 * bench_prepare.c - what must be there before the first repetition: memory,
 * honest files, a database. Promises: whatever is missing ends only the kinds
 * that need it, with its reason. Called by bench.c.
 */
#include "agent/bench/bench_int.h"

#include "common/clock.h"
#include "common/pure/str.h"

#include <stdio.h>

#define MEM_NEED_MIB 160
#define PREPARE_MIN_MS 60000

static void prepare_dbs(struct bench *b);

static struct lane *
first_open(struct bench *b, unsigned set)
{
	for (size_t i = 0; i < b->nlanes; i++)
		if (b->lanes[i].open && (set & LANE_BIT(b->lanes[i].id)) != 0)
			return &b->lanes[i];
	return NULL;
}

static void
next_db(struct bench *b)
{
	b->engine++;
	prepare_dbs(b);
}

static void
on_db_prepared(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct engine_run *e = &b->engines[b->engine];
	struct lane *l = first_open(b, e->lanes);
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	if (!bench_child_over(b))
		return;
	if (l != NULL && (!end->exited || end->code != 0)) {
		bench_explain(end, l->id, SYSBENCH_1_0, &err);
		bench_fail_lanes(b, e->lanes, "DB_SETUP", err.msg);
	}
	next_db(b);
}

static void
on_db_ready(void *arg)
{
	struct engine_run *e = arg;
	struct bench *b = e->b;
	struct lane *l = first_open(b, e->lanes);
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_plan plan;

	if (b->ending)
		return;
	if (l != NULL) {
		plan = bench_plan(b, l);
		plan.step = SYSBENCH_PREPARE;
		if (bench_sysbench(b, &plan, 2 * PREPARE_MIN_MS, on_db_prepared,
			&err))
			return;
		bench_fail_lanes(b, e->lanes, "DB_SETUP", err.msg);
	}
	next_db(b);
}

static void
on_db_failed(void *arg, const char *why, const struct mw_err *err)
{
	struct engine_run *e = arg;
	struct bench *b = e->b;

	bench_fail_lanes(b, e->lanes, why, err->msg);
	/* If a child runs, its end goes on; else we were waiting for this. */
	if (b->child == NULL && !b->ending)
		next_db(b);
}

static void
on_db_gone(void *arg)
{
	struct engine_run *e = arg;

	e->db = NULL;
	bench_finish(e->b);
}

static bool
db_room(struct bench *b, unsigned lanes)
{
	const struct rules_profile *p = b->profile;
	int64_t mib = sysinfo_available_mib("");
	struct mw_err err = MW_ERR_INIT;
	const char *why = NULL;
	struct sysinfo_fs fs;
	char text[120];

	if (!sysinfo_fs(b->dir, &fs, &err)) {
		bench_fail_lanes(b, lanes, "NO_SPACE", err.msg);
		return false;
	}
	if (fs.free_mib < p->db_disk_mib)
		why = "NO_SPACE";
	else if (mib >= 0 && mib < p->db_memory_mib)
		why = "NO_MEMORY";
	if (why == NULL)
		return true;
	snprintf(text, sizeof text,
	    "the database needs %lld MiB of disk and %lld of memory; "
	    "%lld and %lld are free",
	    (long long)p->db_disk_mib, (long long)p->db_memory_mib,
	    (long long)fs.free_mib, (long long)mib);
	bench_fail_lanes(b, lanes, why, text);
	return false;
}

/* True: callbacks of the server follow. */
static bool
start_db(struct bench *b, struct engine_run *e)
{
	static const struct dbbench_ops ops = { on_db_ready, on_db_failed,
		on_db_gone };
	struct dbbench_conf conf = { .loop = b->conf.loop,
		.engine = e->engine,
		.dir = b->dir,
		.pool_mib = b->profile->pool_mib,
		.log_mib = b->profile->db_log_mib,
		.clients = b->conf.facts->vcpus,
		.life_ms = (b->conf.deadline_ns - clock_mono_ns()) / NS_PER_MS +
		    60000 };
	struct mw_err err = MW_ERR_INIT;

	if (!bench_any_open(b, e->lanes) || !db_room(b, e->lanes))
		return false;
	b->ops->on_step(b->arg, "prepare database");
	if (dbbench_start(&conf, &ops, e, &e->db, &err))
		return true;
	bench_fail_lanes(b, e->lanes,
	    err.code == MW_UNSUPPORTED ? "TOOL_MISSING" : "DB_SETUP", err.msg);
	return false;
}

/* One server after the other; an idle one costs nothing later. */
static void
prepare_dbs(struct bench *b)
{
	if (b->dialect == SYSBENCH_0_4)
		bench_fail_lanes(b, LANES_DB_MYSQL | LANES_DB_PGSQL,
		    "TOOL_MISSING",
		    "the database kinds need sysbench 1.0 or later");
	for (; b->engine < ENGINES && !bench_replays(b); b->engine++)
		if (start_db(b, &b->engines[b->engine]))
			return;
	b->engine = ENGINES;
	bench_next(b);
}

static void
on_files_prepared(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	if (!bench_child_over(b))
		return;
	if (!end->exited || end->code != 0) {
		bench_explain(end, KIND_FIOR, b->dialect, &err);
		bench_fail_lanes(b, FIO_LANES, bench_substatus(end), err.msg);
	}
	prepare_dbs(b);
}

/* Files in memory would measure memory: that is refused, not flagged. */
static bool
files_honest(struct bench *b)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysinfo_fs fs;
	char text[120];

	if (bench_replays(b)) /* no file is touched */
		return true;
	if (!sysinfo_fs(b->dir, &fs, &err)) {
		bench_fail_lanes(b, FIO_LANES, "NO_SPACE", err.msg);
	} else if (fs.memory) {
		bench_fail_lanes(b, FIO_LANES, "REFUSED",
		    "the working folder is on tmpfs: this would measure "
		    "memory, not a disk");
	} else if (fs.free_mib < 2 * b->profile->file_mib) {
		snprintf(text, sizeof text, "%lld MiB free, %lld needed",
		    (long long)fs.free_mib,
		    (long long)(2 * b->profile->file_mib));
		bench_fail_lanes(b, FIO_LANES, "NO_SPACE", text);
	}
	return bench_any_open(b, FIO_LANES);
}

static void
prepare_files(struct bench *b)
{
	struct mw_err err = MW_ERR_INIT;
	struct lane *l = first_open(b, FIO_LANES);
	struct sysbench_plan plan;
	/* 20 MiB/s must do. */
	int64_t limit_ms = PREPARE_MIN_MS + b->profile->file_mib * 50;

	if (l == NULL || !files_honest(b)) {
		prepare_dbs(b);
		return;
	}
	plan = bench_plan(b, l);
	plan.step = SYSBENCH_PREPARE;
	b->ops->on_step(b->arg, "prepare files");
	if (bench_sysbench(b, &plan, limit_ms, on_files_prepared, &err))
		return;
	bench_fail_lanes(b, FIO_LANES, "PARSE", err.msg);
	prepare_dbs(b);
}

static void
check_memory(struct bench *b)
{
	int64_t mib = sysinfo_available_mib("");
	char text[80];

	if (mib < 0 || mib >= MEM_NEED_MIB)
		return;
	snprintf(text, sizeof text, "%lld MiB of memory free, %d needed",
	    (long long)mib, MEM_NEED_MIB);
	bench_fail_lanes(b, MEM_LANES, "NO_MEMORY", text);
}

/* A world has numbers of standard variants only; another variant of the same
 * number would be a lie. */
static void
check_replay(struct bench *b)
{
	if (bench_replays(b))
		bench_fail_lanes(b, ~LANES_STD, "REFUSED",
		    "a replaying world knows standard variants only");
}

void
bench_prepare(struct bench *b)
{
	check_replay(b);
	check_memory(b);
	prepare_files(b);
}
