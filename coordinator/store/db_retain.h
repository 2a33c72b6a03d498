/*
 * db_retain.h - what is folded or forgotten with time, in small steps. Called
 * from store jobs.
 *
 * Each step is one transaction and touches at most a few hundred rows. It
 * leaves nothing half done: what was folded is deleted in the same step, so a
 * death at any moment loses nothing, and the next pass goes on.
 */
#ifndef MW_COORDINATOR_DB_RETAIN_H
#define MW_COORDINATOR_DB_RETAIN_H

#include "coordinator/store/store.h"

struct retain_conf {
	int64_t matrix_days; /* rounds as they are; then folded by day */
	int64_t fold_days; /* folded days */
	int64_t samples_days; /* of results; the results stay */
	int64_t raw_days; /* what tools printed */
	int64_t host_min_days, host_hour_days;
	int64_t actions; /* newest that have ended */
};

/* Where a pass is; zero it (but for conf) to begin one. */
struct retain_work {
	struct retain_conf conf;
	unsigned stage;
	int64_t cursor; /* of the stage */
	/* done so far */
	uint64_t rounds, days, results, raws, hosts, actions;
};

/* One step at that time (wall clock). *more = false: the pass is over, the
 * next call begins another. */
bool db_retain_step(struct db *db, struct retain_work *w, int64_t now_wall_ns,
    bool *more, struct mw_err *err) mw_must_check;

#endif
