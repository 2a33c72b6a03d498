/*
 * bench_prepare.c - what must be there before the first repetition: memory,
 * honest files, a database. Promises: whatever is missing ends only the kinds
 * that need it, with its reason. Called by bench.c.
 */
#include "agent/bench_int.h"

#include "common/clock.h"
#include "common/pure/str.h"

#include <stdio.h>

#define MEM_NEED_MIB 160
#define PREPARE_MIN_MS 60000

static void prepare_db(struct bench *b);

static void
on_db_prepared(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	b->child = NULL;
	if (b->ending) {
		bench_finish(b);
		return;
	}
	if (!end->exited || end->code != 0) {
		bench_explain(end, KIND_DBR, b->dialect, &err);
		bench_fail_kinds(b, DB_MASK, "DB_SETUP", err.msg);
	}
	bench_next(b);
}

static void
on_db_ready(void *arg)
{
	struct bench *b = arg;
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_plan plan = bench_plan(b, KIND_DBR);

	plan.step = SYSBENCH_PREPARE;
	if (bench_sysbench(b, &plan, 2 * PREPARE_MIN_MS, on_db_prepared, &err))
		return;
	bench_fail_kinds(b, DB_MASK, "DB_SETUP", err.msg);
	bench_next(b);
}

static void
on_db_failed(void *arg, const char *why, const struct mw_err *err)
{
	struct bench *b = arg;

	bench_fail_kinds(b, DB_MASK, why, err->msg);
	/* If a child runs, its end goes on; else we were waiting for this. */
	if (b->child == NULL && !b->ending)
		bench_next(b);
}

static void
on_db_gone(void *arg)
{
	struct bench *b = arg;

	b->db = NULL;
	bench_finish(b);
}

static bool
db_room(struct bench *b, char *why, size_t size)
{
	const struct rules_profile *p = b->profile;
	int64_t mib = sysinfo_available_mib("");
	struct mw_err err = MW_ERR_INIT;
	struct sysinfo_fs fs;
	char text[120];

	if (!sysinfo_fs(b->dir, &fs, &err)) {
		bench_fail_kinds(b, DB_MASK, "NO_SPACE", err.msg);
		return false;
	}
	why[0] = '\0';
	if (fs.free_mib < p->db_disk_mib)
		str_copy(why, size, "NO_SPACE");
	else if (mib >= 0 && mib < p->db_memory_mib)
		str_copy(why, size, "NO_MEMORY");
	if (why[0] == '\0')
		return true;
	snprintf(text, sizeof text,
	    "the database needs %lld MiB of disk and %lld of memory; "
	    "%lld and %lld are free",
	    (long long)p->db_disk_mib, (long long)p->db_memory_mib,
	    (long long)fs.free_mib, (long long)mib);
	bench_fail_kinds(b, DB_MASK, why, text);
	return false;
}

static void
prepare_db(struct bench *b)
{
	static const struct dbbench_ops ops = { on_db_ready, on_db_failed,
		on_db_gone };
	struct dbbench_conf conf = { .loop = b->conf.loop,
		.dir = b->dir,
		.pool_mib = b->profile->pool_mib,
		.log_mib = b->profile->db_log_mib,
		.life_ms = (b->conf.deadline_ns - clock_mono_ns()) / NS_PER_MS +
		    60000 };
	struct mw_err err = MW_ERR_INIT;
	char why[32];

	if (bench_any_open(b, DB_MASK) && b->dialect == SYSBENCH_0_4)
		bench_fail_kinds(b, DB_MASK, "TOOL_MISSING",
		    "the database kinds need sysbench 1.0 or later");
	if (!bench_any_open(b, DB_MASK) || bench_replays(b) ||
	    !db_room(b, why, sizeof why)) {
		bench_next(b);
		return;
	}
	b->ops->on_step(b->arg, "prepare database");
	if (dbbench_start(&conf, &ops, b, &b->db, &err))
		return;
	bench_fail_kinds(b, DB_MASK,
	    err.code == MW_UNSUPPORTED ? "TOOL_MISSING" : "DB_SETUP", err.msg);
	bench_next(b);
}

static void
on_files_prepared(struct child *c, const struct child_end *end, void *arg)
{
	struct bench *b = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	b->child = NULL;
	if (b->ending) {
		bench_finish(b);
		return;
	}
	if (!end->exited || end->code != 0) {
		bench_explain(end, KIND_FIOR, b->dialect, &err);
		bench_fail_kinds(b, FIO_MASK, bench_substatus(end), err.msg);
	}
	prepare_db(b);
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
		bench_fail_kinds(b, FIO_MASK, "NO_SPACE", err.msg);
	} else if (fs.memory) {
		bench_fail_kinds(b, FIO_MASK, "REFUSED",
		    "the working folder is on tmpfs: this would measure "
		    "memory, not a disk");
	} else if (fs.free_mib < 2 * b->profile->file_mib) {
		snprintf(text, sizeof text, "%lld MiB free, %lld needed",
		    (long long)fs.free_mib,
		    (long long)(2 * b->profile->file_mib));
		bench_fail_kinds(b, FIO_MASK, "NO_SPACE", text);
	}
	return bench_any_open(b, FIO_MASK);
}

static void
prepare_files(struct bench *b)
{
	struct mw_err err = MW_ERR_INIT;
	struct sysbench_plan plan = bench_plan(b, KIND_FIOR);
	/* 20 MiB/s must do. */
	int64_t limit_ms = PREPARE_MIN_MS + b->profile->file_mib * 50;

	if (!bench_any_open(b, FIO_MASK) || !files_honest(b)) {
		prepare_db(b);
		return;
	}
	plan.step = SYSBENCH_PREPARE;
	b->ops->on_step(b->arg, "prepare files");
	if (bench_sysbench(b, &plan, limit_ms, on_files_prepared, &err))
		return;
	bench_fail_kinds(b, FIO_MASK, "PARSE", err.msg);
	prepare_db(b);
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
	bench_fail_kinds(b, MEM_MASK, "NO_MEMORY", text);
}

void
bench_prepare(struct bench *b)
{
	check_memory(b);
	prepare_files(b);
}
