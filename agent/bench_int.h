/*
 * bench_int.h - a running benchmark job, shared by bench.c (repetitions, end)
 * and bench_prepare.c (files, database). Nobody else includes it.
 */
#ifndef MW_AGENT_BENCH_INT_H
#define MW_AGENT_BENCH_INT_H

#include "agent/bench.h"
#include "agent/dbbench.h"
#include "agent/rules.h"
#include "agent/sysbench.h"
#include "common/child.h"
#include "common/pure/rng.h"

#define LANES KIND_RTT
#define FIO_MASK (1u << KIND_FIOR | 1u << KIND_FIOW)
#define DB_MASK (1u << KIND_DBR | 1u << KIND_DBW)
#define MEM_MASK (1u << KIND_MEMR | 1u << KIND_MEMW)

struct lane {
	struct result r;
	double rate; /* events/s of the last repetition */
	unsigned failures;
	bool open; /* wants more repetitions */
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
	struct lane lanes[LANES];
	uint32_t order[LANES]; /* of this sweep */
	size_t norder, next;
	enum kind current;
	struct child *child;
	struct dbbench *db;
	struct loop_timer *deadline;
	struct sysinfo_cpu cpu0;
	uint64_t psi0;
	int64_t db_cpu0, wall0, mono0;
	bool has_cpu0, has_psi0, ending;
	struct mw_err why_end;
};

/* bench.c */
/* Ends those kinds without a value. */
void bench_fail_kinds(struct bench *b, unsigned mask, const char *why,
    const char *detail);
bool bench_any_open(const struct bench *b, unsigned mask);
/* The numbers are the twin's, nothing is measured. */
bool bench_replays(const struct bench *b);
struct sysbench_plan bench_plan(const struct bench *b, enum kind k);
bool bench_sysbench(struct bench *b, const struct sysbench_plan *plan,
    int64_t deadline_ms,
    void (*done)(struct child *c, const struct child_end *end, void *arg),
    struct mw_err *err) mw_must_check;
/* Why a child of ours has no result: substatus and text. */
const char *bench_substatus(const struct child_end *end);
void bench_explain(const struct child_end *end, enum kind k,
    enum sysbench_dialect d, struct mw_err *err);
void bench_next(struct bench *b); /* the next repetition, or the end */
void bench_finish(struct bench *b); /* called until nothing is left */

/* bench_prepare.c: checks, files, database; calls bench_next() at the end. */
void bench_prepare(struct bench *b);

#endif
