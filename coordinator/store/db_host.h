/*
 * db_host.h - SQL of host metrics: minutes and hours of a VM's slot. Called
 * from store jobs.
 */
#ifndef MW_COORDINATOR_DB_HOST_H
#define MW_COORDINATOR_DB_HOST_H

#include "common/pure/hostrec.h"
#include "coordinator/store/store.h"

/* A minute that is there already stays as it is. */
bool db_host_put(struct db *db, int64_t slot, const struct host_rec *r,
    struct mw_err *err) mw_must_check;
/* Makes the hour anew of all its minutes that are stored; none: nothing. */
bool db_host_fold(struct db *db, int64_t slot, int64_t hour,
    struct mw_err *err) mw_must_check;
/* Records from..to (both included), oldest first. Damaged ones are left out, and
 * logged. */
bool db_host_each(struct db *db, bool hours, int64_t slot, int64_t from,
    int64_t to, void (*each)(void *arg, const struct host_rec *r), void *arg,
    struct mw_err *err) mw_must_check;
/* The newest minute; *found. */
bool db_host_newest(struct db *db, int64_t slot, struct host_rec *r,
    bool *found, struct mw_err *err) mw_must_check;
/* Hours that hold minutes but are not folded: at most max, oldest first. */
bool db_host_unfolded(struct db *db, int64_t slot, int64_t *hours, size_t max,
    size_t *n, struct mw_err *err) mw_must_check;

#endif
