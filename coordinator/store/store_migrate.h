/*
 * store_migrate.h - steps from one schema to the next that SQL alone cannot do.
 * Called by store_db.c inside the transaction of the step.
 */
#ifndef MW_COORDINATOR_STORE_MIGRATE_H
#define MW_COORDINATOR_STORE_MIGRATE_H

#include "coordinator/store/store.h"

/* Rounds of schema 1 (one blob of 28-byte cells) become rows of schema 2. */
bool migrate_2_rounds(struct db *db, struct mw_err *err) mw_must_check;
/* What schema 4 adds, unless it is there: some files of schema 3 have a part of
 * it. */
bool migrate_4_columns(struct db *db, struct mw_err *err) mw_must_check;

#endif
