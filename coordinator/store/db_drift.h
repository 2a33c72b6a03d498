/*
 * db_drift.h - SQL of the placements that MCIS were made from, and of what has
 * become of their pairs. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_DRIFT_H
#define MW_COORDINATOR_DB_DRIFT_H

#include "coordinator/place/drift_rule.h"
#include "coordinator/store/store.h"

/* One MCIS. Strings are borrowed. */
struct db_drift {
	int64_t mcis, placement, rank, at; /* at: when it was created */
	const char *query, *limits, *vms; /* JSON texts, written once */
	enum drift_state state, told; /* told: in the last event */
	int64_t since;
	int64_t judged; /* end of the newest round that was judged, 0: none */
	int64_t event; /* the last event about it, 0: none */
	const char *move; /* JSON text, or NULL */
};

/* One pair of it, slot[0] < slot[1]; the unknown of what was relied on: -1. */
struct db_drift_pair {
	int64_t slot[2], gen[2]; /* gen 0: no machine was seen yet */
	int64_t relied_us, relied_n, relied_at;
	struct drift_count count;
	enum drift_state told;
	int64_t since; /* of its state */
};

bool db_drift_put(struct db *db, const struct db_drift *d,
    struct mw_err *err) mw_must_check;
/* All but what is written once. */
bool db_drift_update(struct db *db, const struct db_drift *d,
    struct mw_err *err) mw_must_check;
bool db_drift_pair_put(struct db *db, int64_t mcis,
    const struct db_drift_pair *p, struct mw_err *err) mw_must_check;
bool db_drift_pair_delete(struct db *db, int64_t mcis,
    const struct db_drift_pair *p, struct mw_err *err) mw_must_check;
/* Question and assumptions (NULL: none were kept) of a stored placement; they
 * are borrowed until the next statement. */
bool db_drift_placement(struct db *db, int64_t id, const char **query,
    const char **relied, struct mw_err *err) mw_must_check;

struct db_drift_all {
	void *arg;
	void (*mcis)(void *arg, const struct db_drift *d);
	void (*pair)(void *arg, int64_t mcis, const struct db_drift_pair *p);
};
/* All that exist; those of MCIS that are gone are deleted first. Each MCIS
 * comes before any pair; pairs by mcis and slots. */
bool db_drift_each(struct db *db, const struct db_drift_all *all,
    struct mw_err *err) mw_must_check;

#endif
