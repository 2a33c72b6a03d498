/*
 * db_fresh.h - SQL: which results are young enough. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_FRESH_H
#define MW_COORDINATOR_DB_FRESH_H

#include "common/pure/result.h"
#include "coordinator/store/store.h"

struct db_fresh {
	int64_t id, slot, gen;
	enum kind kind;
	const char *variant;
};

/* The newest result with a value of each VM, kind and variant that was
 * measured in that profile since then. */
bool db_fresh_each(struct db *db, const char *ns, const char *mcis,
    const char *profile, int64_t since,
    void (*each)(void *arg, const struct db_fresh *f), void *arg,
    struct mw_err *err) mw_must_check;

#endif
