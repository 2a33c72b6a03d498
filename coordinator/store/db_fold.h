/*
 * db_fold.h - rounds of a day become one row of each source. Called by
 * db_retain.c.
 */
#ifndef MW_COORDINATOR_DB_FOLD_H
#define MW_COORDINATOR_DB_FOLD_H

#include "coordinator/store/store.h"

#define DB_FOLD_ROWS 256 /* of one step, but at least one source */

/* Goes on with the oldest day (UTC) that has rounds before the given day;
 * *cursor is the next source of it, 0 to begin. *rounds grows by those that
 * are gone. *done: there is none. */
bool db_fold_step(struct db *db, int64_t before_day, int64_t *cursor,
    uint64_t *rounds, bool *done, struct mw_err *err) mw_must_check;
/* Forgets one folded day before the given one. */
bool db_fold_drop(struct db *db, int64_t before_day, bool *done,
    struct mw_err *err) mw_must_check;

#endif
