/*
 * bench_int.h - a running benchmark job, shared by bench.c (repetitions, end),
 * bench_judge.c (what a repetition is worth) and bench_prepare.c (files,
 * databases). Nobody else includes it.
 */
#ifndef MW_AGENT_BENCH_INT_H
#define MW_AGENT_BENCH_INT_H

#include "agent/bench/bench.h"
#include "agent/bench/dbbench.h"
#include "agent/bench/rawlog.h"
#include "agent/bench/rules.h"
#include "agent/bench/sysbench.h"
#include "common/child.h"
#include "common/pure/rng.h"

#define FIO_LANES lanes_of_kinds(1u << KIND_FIOR | 1u << KIND_FIOW)
#define MEM_LANES lanes_of_kinds(1u << KIND_MEMR | 1u << KIND_MEMW)
#define ENGINES 3

struct lane {
	unsigned id; /* lane.h */
	struct result r;
	double rate; /* events/s of the last repetition */
	unsigned failures;
	bool open; /* wants more repetitions */
	struct sysbench_hist hist; /* of valid repetitions */
	double min_ms, max_ms, sum_ms, events; /* same */
	struct rawlog *raw;
};

/* One database server, if a lane needs it. */
struct engine_run {
	struct bench *b;
	const struct dbengine *engine;
	struct dbbench *db;
	unsigned lanes;
};

/* Counters at the begin of a repetition. */
struct bench_window {
	struct sysinfo_cpu cpu;
	uint64_t psi_us;
	int64_t db_cpu_ns, throttled_us, wall_ns, mono_ns;
	bool has_cpu, has_psi;
};

struct bench {
	struct bench_conf conf;
	const struct bench_ops *ops;
	void *arg;
	const struct rules_profile *profile;
	char *dir, *run_id;
	char program[256], version[32];
	enum sysbench_dialect dialect;
	struct rng rng;
	struct result_env env;
	struct lane *lanes;
	size_t nlanes;
	uint32_t order[LANE_COUNT]; /* of this sweep: indexes of lanes */
	size_t norder, next;
	struct lane *current;
	struct child *child;
	struct engine_run engines[ENGINES];
	size_t engine; /* that is being prepared; ENGINES: none */
	struct loop_timer *deadline;
	struct bench_window begin;
	int64_t start_ns;
	bool ending;
	struct mw_err why_end;
};

/* bench.c */
/* Ends those lanes without a value. */
void bench_fail_lanes(struct bench *b, unsigned set, const char *why,
    const char *detail);
bool bench_any_open(const struct bench *b, unsigned set);
/* The numbers are the twin's, nothing is measured. */
bool bench_replays(const struct bench *b);
/* The server behind a lane; NULL: it needs none, or there is none. */
struct engine_run *bench_engine(struct bench *b, unsigned lane);
struct sysbench_plan bench_plan(struct bench *b, const struct lane *l);
bool bench_sysbench(struct bench *b, const struct sysbench_plan *plan,
    int64_t deadline_ms,
    void (*done)(struct child *c, const struct child_end *end, void *arg),
    struct mw_err *err) mw_must_check;
/* First in each done(): false if the job ends, and nothing more is to do. */
bool bench_child_over(struct bench *b);
/* Why a child of ours has no result: substatus and text. */
const char *bench_substatus(const struct child_end *end);
void bench_explain(const struct child_end *end, unsigned lane,
    enum sysbench_dialect d, struct mw_err *err);
void bench_next(struct bench *b); /* the next repetition, or the end */
void bench_finish(struct bench *b); /* called until nothing is left */

/* bench_judge.c */
void bench_window_begin(struct bench *b);
/* A repetition that ended well: its sample, judged; l may be through. */
void bench_add_sample(struct bench *b, struct lane *l,
    const struct sysbench_out *out, const struct child_end *end);
/* What it was asked, and what it printed, well or not. */
void bench_keep_output(struct bench *b, struct lane *l,
    const struct child_end *end);
/* Makes the result of a lane final. */
void bench_fold(struct bench *b, struct lane *l);

/* bench_prepare.c: checks, files, databases; calls bench_next() at the end. */
void bench_prepare(struct bench *b);

#endif
