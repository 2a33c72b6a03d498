/*
 * db_actions.h - SQL of the action resources. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_ACTIONS_H
#define MW_COORDINATOR_DB_ACTIONS_H

#include "coordinator/store/store.h"

/* Borrowed strings; NULL where nothing is known. */
struct db_action {
	int64_t n; /* shown as ac-N */
	const char *kind, *target, *actor, *state, *outcome;
	int64_t done, failed, total;
	const char *error_code, *error, *hint, *steps;
	int64_t started, ended; /* wall clock ns */
	const char *act; /* NULL: not one of the lifecycle's */
};

/* Not for the lifecycle's: those are rows of its transactions. */
bool db_action_put(struct db *db, const struct db_action *a,
    struct mw_err *err) mw_must_check;
/* The newest of them, oldest first. */
bool db_action_load(struct db *db, int64_t newest,
    void (*each)(void *arg, const struct db_action *a), void *arg,
    struct mw_err *err) mw_must_check;

#endif
