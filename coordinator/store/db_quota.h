/*
 * db_quota.h - rows of quotas.
 */
#ifndef MW_COORDINATOR_DB_QUOTA_H
#define MW_COORDINATOR_DB_QUOTA_H

#include "coordinator/store/store.h"

/* -1: no limit. */
struct db_quota {
	const char *ns;
	int64_t max_vms, max_micros;
	bool allow_unknown;
};

/* Both limits -1: deletes the row. */
bool db_quota_put(struct db *db, const struct db_quota *q,
    struct mw_err *err) mw_must_check;
bool db_quota_load(struct db *db,
    void (*each)(void *arg, const struct db_quota *q), void *arg,
    struct mw_err *err) mw_must_check;

#endif
