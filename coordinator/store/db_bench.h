/*
 * db_bench.h - SQL of runs and results. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_BENCH_H
#define MW_COORDINATOR_DB_BENCH_H

#include "coordinator/measure/bench_int.h"

/* What the store keeps of a run; texts are the names of states. */
struct db_run {
	int64_t id;
	const char *kind, *ns, *mcis, *action, *profile, *params;
	const char *state, *reason;
	int64_t t0, t1; /* t1 0: not over */
};

struct db_run_vm {
	int64_t run, slot, gen;
	const char *vm, *state, *step, *error;
};

/* What the evaluation reads of a result; NAN is unknown. */
struct db_result_sum {
	char profile[16];
	int64_t n_valid;
	double ci_lo, ci_hi, mad_cv;
	bool replay;
};

struct db_result {
	int64_t run, slot, gen, seq, part, at;
	const char *ns, *mcis, *vm, *boot, *spec, *conn;
	enum kind kind;
	const char *variant;
	bool has_value;
	double value;
	enum result_validity validity;
	const char *json;
	struct db_result_sum sum;
	/* NULL, or ""s in it: unknown. A raw text that is not what its name
	 * says is left out. */
	const struct bench_env *env;
};

struct db_result_filter {
	const char *ns, *mcis;
	int64_t run; /* 0: any */
	int kind; /* -1: any */
	bool latest; /* newest of each VM and kind (and target) only */
	int64_t at; /* only what was measured by then; 0: all */
	int64_t limit;
};

bool db_run_next(struct db *db, int64_t *id, struct mw_err *err) mw_must_check;
bool db_run_put(struct db *db, const struct db_run *r,
    struct mw_err *err) mw_must_check;
bool db_run_end(struct db *db, int64_t id, const char *state,
    const char *reason, int64_t t1, struct mw_err *err) mw_must_check;
bool db_run_vm_put(struct db *db, const struct db_run_vm *v,
    struct mw_err *err) mw_must_check;
/*
 * Stores a result of a VM that takes part in the run. *stored = false: it was
 * there before, or nobody asked for it (*wanted = false).
 */
bool db_result_put(struct db *db, const struct db_result *r, bool *stored,
    bool *wanted, struct mw_err *err) mw_must_check;
/* One result as JSON; *found = false: there is none of that id. */
bool db_result_get(struct db *db, int64_t id, struct str *json, bool *found,
    struct mw_err *err) mw_must_check;
/* The text that a tool printed, of a name, or of a result (name NULL). */
bool db_raw_get(struct db *db, const char *name, int64_t result,
    struct str *text, bool *found, struct mw_err *err) mw_must_check;
/* Results as JSON texts joined by commas, oldest first. */
bool db_result_list(struct db *db, const struct db_result_filter *f,
    struct str *items, struct mw_err *err) mw_must_check;
/* When the first result of an MCIS was measured; 0: never. */
bool db_result_first(struct db *db, const char *ns, const char *mcis,
    int64_t *at, struct mw_err *err) mw_must_check;
/* Runs of an MCIS (newest first, at most limit), or one (id > 0), without
 * results, joined by commas; active ones (below) are left out. */
bool db_run_list(struct db *db, const char *ns, const char *mcis, int64_t id,
    int64_t limit, struct str *items, struct mw_err *err) mw_must_check;
/* Open runs at start. */
bool db_run_each_open(struct db *db,
    void (*run)(void *arg, const struct db_run *r),
    void (*vm)(void *arg, const struct db_run_vm *v, unsigned got), void *arg,
    struct mw_err *err) mw_must_check;

#endif
