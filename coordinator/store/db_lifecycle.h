/*
 * db_lifecycle.h - SQL of the lifecycle's rows. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_LIFECYCLE_H
#define MW_COORDINATOR_DB_LIFECYCLE_H

#include "coordinator/store/store.h"
#include "lifecycle/lifecycle.h"

/* One row of a transaction; events are not its business. steps: of an action
 * that ends, or NULL. */
bool db_lifecycle_put(struct db *db, const struct lc_row *row,
    const char *steps, struct mw_err *err) mw_must_check;
/* Gives all rows to the lc_load functions, parents first. */
bool db_lifecycle_load(struct db *db, struct lc *lc,
    struct mw_err *err) mw_must_check;

#endif
